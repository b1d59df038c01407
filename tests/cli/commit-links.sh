#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Files of several names, renamed and swapped ones: a part of them is committed, discarded and undone, and what comes out is what the
# isle showed, or what was there before.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"
need setfattr getfattr

D=$T/d
fresh() { # NAME SETUP SCRIPT
	rm -rf "$D"
	mkdir "$D"
	(cd "$D" && eval "$2" && isle run -q -n "$1" -- sh -eu -c "$3")
	sleep 0.02
	picture >"$T/before"
}

# All but the times of directories.
picture() {
	(cd "$D" && find . -type d -printf '%P %m %U:%G\n' -o -printf '%P %y %m %n %s %U:%G %T@ %l\n' | sort &&
		find . -type f -exec sha256sum {} + | sort -k2 && getfattr -dR -m user . | sort)
}

is_before() {
	picture | diff - "$T/before"
}

inside() { # NAME COMMAND
	isle run -q -n "$1" -- sh -c "cd '$D' && $2"
}

# Each name is written back in another order than it was written.
fresh order 'mkdir s t; echo A >s/a; ln s/a s/b; ln s/a t/c; echo D >s/d' 'echo more >>s/a; mv s/b t/b2; mv s t/s2; echo q >t/s2/q'
if is_root; then
	status_is 6 isle commit -q --yes order "$D/t/b2" 2>/dev/null # other names
	isle commit -q --yes --allow=link order "$D/t/b2"
	content "$D/t/c" $'A\nmore'
	isle undo -q --yes
	is_before
	isle undo -q --yes
	content "$D/t/s2/a" $'A\nmore'
	isle undo -q --yes
	is_before
fi

# Names that went and came again, and one of them written to.
fresh names 'echo A >a; ln a b; ln a c' 'echo more >>a; mv b b2; rm c; ln a d'
isle commit -q --yes names
isle undo -q --yes
is_before
isle undo -q --yes
isle undo -q --yes
is_before

# Metadata alone, and one name renamed; of one name, and another becomes something else.
fresh metadata 'echo A >a; ln a b; ln a c' 'chmod 600 a; mv b bb'
isle commit -q --yes metadata
same "$(stat -c %a "$D/a" "$D/c" | sort -u)" 600
isle undo -q --yes
is_before
fresh other 'echo A >a; ln a b; ln a c' 'chmod 600 a; rm b; ln -s nowhere b'
isle commit -q --yes other
same "$(stat -c %a "$D/a" "$D/c" | sort -u)" 600
same "$(readlink "$D/b")" nowhere
isle undo -q --yes
is_before

# What is discarded is not to be seen under any name, and comes back under all.
fresh discard 'echo A >a; ln a b' 'echo x >>a; chmod 600 a'
seen=$(inside discard 'cat a b; stat -c %a a b')
isle discard -q --yes discard "$D/a"
same "$(inside discard 'cat a b; stat -c %a a b | sort -u')" $'A\nA\n644'
isle undo -q --yes
same "$(inside discard 'cat a b; stat -c %a a b')" "$seen"
isle undo -q --yes
same "$(inside discard 'cat a b')" $'A\nA'
inside discard 'echo y >>b'
isle commit -q --yes discard
same "$(stat -c %a "$D/a" "$D/b" | sort -u)" 644
content "$D/b" $'A\ny'

# The isle has something else there by then.
fresh anew 'echo A >a; ln a b' 'echo x >>a'
isle discard -q --yes anew "$D/a"
inside anew 'echo y >>a'
seen=$(inside anew 'cat a b')
status_is 4 isle undo -q --yes 2>"$T/err"
has "$(cat "$T/err")" "$D/a: the isle has changed it anew since"
same "$(inside anew 'cat a b')" "$seen"

# For a user the names part when they are written to: none is lost, and a third one keeps what it had.
fresh part 'echo A >a; ln a b' 'echo x >>a; echo y >>b'
seen=$(inside part 'cat a b')
isle commit -q --yes --allow=link part "$D/a"
isle commit -q --yes part
same "$(cd "$D" && cat a b)" "$seen"
for operation in $(isle log | awk '/ commit .* part  / { print $1 }'); do isle undo -q --yes "$operation"; done
is_before
fresh part2 'echo A >a; ln a b; ln a c' 'echo x >>a; echo y >>b'
seen=$(inside part2 'cat a b c')
isle commit -q --yes --replace=write part2
same "$(cd "$D" && cat a b c)" "$seen"

# A copy that a user's isle has of another name from before, unchanged, does not take back what was written through the first.
fresh stale 'echo A >a; ln a b' 'echo x >>a; chmod 644 b; echo n >n'
isle commit -q --yes --allow=link stale "$D/a"
status_is "$(is_root && echo 0 || echo 4)" isle commit -q --yes stale 2>/dev/null
content "$D/a" $'A\nx'

# A commit of ours is no change of the host under another name of the file.
fresh ours 'echo A >a; ln a b' 'cat b >/dev/null; chmod 600 a; echo n >n; echo m >m'
isle commit -q --yes --allow=link ours "$D/a"
isle commit -q --yes ours "$D/n"
chmod 644 "$D/b"
status_is 4 isle commit -q --yes ours 2>"$T/err"
has "$(cat "$T/err")" "$D/b: the isle read it"

# Both ends of a swap go together, where the second would have its data from what the first has replaced.
fresh swap 'echo A >a; echo B >b' 'mv a x; mv b a; mv x b'
isle commit -q --yes swap "$D/b" 2>"$T/err"
isle commit -q --yes swap
same "$(cd "$D" && cat a b)" $'B\nA'
fresh onto 'echo A >a; echo B >b' 'mv a b'
isle commit --yes onto "$D/a" 2>"$T/err"
has "$(cat "$T/err")" "pulled in: $D/b"
absent "$D/a"
content "$D/b" A
fresh backup 'echo A >c' 'mv c n; echo new >c'
isle commit -q --yes backup "$D/c" 2>"$T/err"
isle commit -q --yes backup
same "$(cd "$D" && cat c n)" $'new\nA'
fresh out 'mkdir d; echo A >d/a; echo B >d/b' 'mv d/a a; mv d e'
isle commit -q --yes out "$D/e" 2>"$T/err"
content "$D/a" A
absent "$D/e/a" "$D/d"

# So they do where one of them conflicts.
fresh skip 'mkdir d; echo A >d/a' 'mkdir n; mv d/a n/b; echo q >n/q'
echo host >>"$D/d/a"
isle commit -q --yes --on-conflict=skip skip 2>"$T/err"
content "$D/d/a" $'A\nhost'
content "$D/n/q" q
absent "$D/n/b"
fresh tree 'mkdir d; echo A >d/a; echo B >d/b' 'mv d n'
echo host >>"$D/d/a"
isle commit -q --yes --on-conflict=skip tree 2>"$T/err"
if [ -e "$D/n" ]; then content "$D/n/b" B; else content "$D/d/b" B; fi

# A rename takes new attributes along.
fresh attributes 'mkdir g; echo A >a; setfattr -n user.old -v 1 a' 'setfattr -n user.new -v 2 a; setfattr -x user.old a; mv a g/b'
isle commit -q --yes attributes
same "$(getfattr --absolute-names --only-values -n user.new "$D/g/b")" 2
status_is 1 getfattr -n user.old "$D/g/b" 2>/dev/null
isle undo -q --yes
is_before
if is_root; then
	fresh capabilities 'mkdir g; echo A >a' 'setcap cap_net_raw+ep a; mv a g/b'
	status_is 6 isle commit -q --yes capabilities 2>/dev/null
	isle commit -q --yes --allow=caps capabilities
	has "$(getcap "$D/g/b")" cap_net_raw
fi

# What was written by a name that is gone shows under the others, and the layer does not say which: as root nothing of it is
# lost without a word.
if is_root; then
	for deed in 'echo x >>a; rm a' 'chmod 600 a; rm a' 'rm a; setfattr -n user.t -v 1 b' 'echo y >>a; mv o a'; do
		fresh orphan 'echo A >a; ln a b; echo o >o' "$deed"
		status_is 1 isle commit --yes orphan 2>"$T/err"
		has "$(cat "$T/err")" "a change that is not on the list" "isle run -n orphan -- touch -cr $D/b $D/b"
		status_is 1 isle plan orphan 2>/dev/null >/dev/null
		is_before
		inside orphan 'touch -cr b b' >/dev/null
		isle commit -q --yes orphan
	done
	same "$(cat "$D/b")" $'A\ny'
	fresh orphan 'echo A >a; ln a b; ln a c' 'rm a; touch b; rm b'
	isle commit -q --yes orphan
	fresh orphan 'echo A >a; ln a b' 'echo x >>a; rm a b'
	isle commit -q --yes orphan
	absent "$D/a" "$D/b"
	fresh orphan 'echo A >a; ln a b; echo c >c' 'echo x >>a; rm a; echo 2 >c'
	isle commit -q --yes --allow=link orphan "$D/c"
	status_is 1 isle commit --yes orphan 2>/dev/null
fi
