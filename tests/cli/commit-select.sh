#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Parts of an isle, conflicts, flagged changes, saved plans: what the verbs say and what they leave alone.
# runs-as: root user
# time-limit: 200
. "$(dirname "$0")/../lib.sh"

D=$T/d
fresh() { # NAME SCRIPT
	rm -rf "$D"
	mkdir -p "$D/old"
	for f in a b c old/x old/y; do echo "$f" >"$D/$f"; done
	(cd "$D" && isle run -q -n "$1" -- sh -eu -c "$2")
}

# The lines of status without the total.
changes() {
	{ isle status "$1" || [ $? -eq 3 ]; } | sed '$d'
}

# Without a terminal nothing is done unasked.
fresh ask 'echo 2 >a'
status_is 1 isle commit ask 2>"$T/err"
has "$(cat "$T/err")" "--yes"
content "$D/a" a
status_is 2 isle commit --on-conflict=maybe ask 2>/dev/null
status_is 2 isle commit --allow=maybe ask 2>/dev/null

# By path, by pattern, by exception; what is needed is pulled in, and said.
fresh parts 'echo 2 >a; echo 2 >b; mkdir -p new/sub; echo 1 >new/sub/f.o; echo 1 >new/g; rm c; rm -r old'
isle commit --yes parts "$D/a" 2>"$T/err"
content "$D/a" 2
content "$D/b" b
absent "$D/new"
isle commit --yes parts "$D/new/sub/f.o" 2>"$T/err"
has "$(cat "$T/err")" "pulled in: $D/new ($D/new/sub/f.o needs it)"
content "$D/new/sub/f.o" 1
absent "$D/new/g"
(cd "$D" && isle run -q -n parts -- cat new/g new/sub/f.o) >"$T/out" || fail "the isle has lost what stayed in it"
isle commit -q --yes parts --except "$D/*/x"
absent "$D/c" "$D/old/y"
exists "$D/old/x"
content "$D/new/g" 1
content "$D/b" 2
status_is 3 isle status parts >"$T/out"
isle commit -q --yes parts
absent "$D/old"
status_is 0 isle status parts >/dev/null
status_is 1 isle commit --yes parts "$D/nothing-there" 2>"$T/err"
has "$(cat "$T/err")" "no change matches"

# By kind: each on its own, several, with a path; what they need comes along.
fresh kinds 'echo 2 >a; touch n; chmod 700 b; rm c'
planned() { # ISLE OPTION...
	isle plan "$@" 2>/dev/null | sed -e '$d' -e "s|$D/||g" -e 's/  */ /'
}
same "$(planned kinds --kind modify)" "replace a"
same "$(planned kinds --kind metadata)" "metadata b"
same "$(planned kinds --kind delete)" "remove c"
same "$(planned kinds --kind create,modify)" "replace a
create n"
same "$(planned kinds --kind create "$D/n" "$D/a")" "create n"
same "$(planned kinds --kind create --kind modify,delete --except "$D/a")" "remove c
create n"
for kinds in "" all read "create," "create,maybe"; do
	status_is 2 isle plan kinds --kind "$kinds" 2>"$T/err"
	has "$(cat "$T/err")" "--kind takes create, modify, delete, rename, replace and metadata"
done
isle commit -q --yes kinds --kind=delete,metadata
absent "$D/c"
same "$(stat -c %a "$D/b")" 700
content "$D/a" a
status_is 1 isle commit --yes kinds --kind replace 2>"$T/err"
has "$(cat "$T/err")" "no change matches"
isle discard -q --yes kinds --kind create
same "$(changes kinds)" "M  $D/a"

# A renamed directory: one change of root's layers, two of a user's, which go together.
fresh moves 'mv old moved; echo 3 >moved/z'
isle plan moves --kind create >"$T/out" 2>"$T/err"
has "$(cat "$T/err")" "pulled in: $D/"
if [ "$(id -u)" = 0 ]; then
	same "$(planned moves --kind rename)" "rename old -> moved/"
	same "$(planned moves --by mv)" "rename old -> moved/"
fi
isle commit -q --yes moves --by mv
absent "$D/old"
exists "$D/moved/x" "$D/moved/y"
isle commit -q --yes moves --by sh
exists "$D/moved/z"

# By process: what it and those it started made, by program, command line and number.
fresh by 'touch one; cp a two; mkdir dir; sh -c "touch dir/three; cp b dir/four"; echo 2 >a; rm c; touch last; mv last b'
same "$(planned by --by touch)" "create dir/
create dir/three
create one"
same "$(planned by --by rm)" "remove c"
same "$(planned by --by 'm[kv]*')" "replace b
create dir/"
same "$(planned by --by 'sh -c touch dir*')" "create dir/"
same "$(planned by --by touch --by rm --kind delete)" "remove c"
pid=$(isle trace --json by | python3 -c 'import json, sys
trace = json.load(sys.stdin)
print(next(p["pid"] for p in trace["processes"] if any(e["argv"][:2] == ["cp", "a"] for e in p["execs"])))')
same "$(planned by --by "$pid")" "create two"
status_is 1 isle commit --yes by --by nobody 2>"$T/err"
has "$(cat "$T/err")" "no process of isle 'by' is on record as 'nobody'"
status_is 2 isle commit --yes by --by '' 2>/dev/null
isle commit --yes by --by touch 2>"$T/err"
has "$(cat "$T/err")" "pulled in: $D/dir ($D/dir/three needs it)"
exists "$D/one" "$D/dir/three"
absent "$D/two" "$D/dir/four"
# What was committed is no more what that process made.
(cd "$D" && isle run -q -n by -- sh -c 'echo 2 >one')
status_is 1 isle commit --yes by --by touch 2>"$T/err"
isle discard -q --yes by --by rm
hasnt "$(changes by)" "D  "
# A saved plan keeps the selection, in both forms.
isle plan -o "$T/plan" by --by mv --kind modify,rename >/dev/null
has "$(cat "$T/plan")" "by mv" "kind modify" "kind rename"
isle commit -q --yes --plan "$T/plan"
same "$(cat "$D/b")" ""
absent "$D/two"
isle plan --json -o "$T/plan" by --by cp --kind create >/dev/null
isle commit -q --yes --plan "$T/plan"
exists "$D/two" "$D/dir/four"
content "$D/a" a
status_is 2 isle commit --yes --plan "$T/plan" --by cp 2>/dev/null
# What is on no record is nobody's, and that is said.
(cd "$D" && isle run -q --no-track -n by -- touch untold)
isle commit --yes by --by '*' 2>"$T/err"
has "$(cat "$T/err")" "run 3 has no whole record"
content "$D/a" 2
absent "$D/untold"
isle discard -q --yes by

# Whoever changed it, not just the first; of many the first few, and again those of what came after a removal.
fresh many 'echo 1 >f; for i in 1 2 3 4 5 6 7 8 9; do echo $i | tee -a f >tee.out; done; cp a c; chmod 600 c
	for i in 1 2 3 4 5 6 7 8 9; do echo $i | tee -a g >tee.out; done; rm g; touch g'
for by in cp chmod; do same "$(planned many --by "$by")" "replace c"; done
same "$(planned many --by touch)" "create g"
has "$(planned many --by tee)" "create f"
isle explain many "$D/c" >"$T/out"
has "$(cat "$T/out")" "changed by   cp (" "and by       chmod ("
same "$(isle trace --kind write --path "$D/f" many | grep -c " $D/f ")" 8 "writers on record"

# Names that a rename took away, onto one that was known.
fresh away 'touch n; mv b n; sh -c "echo 2 >b"'
isle explain away "$D/b" >"$T/out"
has "$(cat "$T/out")" "mv b n"

# What was read below a directory counts on when only the directory itself was committed.
fresh below 'cat old/x >a; chmod 700 old'
isle commit -q --yes below --kind metadata
echo changed >"$D/old/x"
status_is 4 isle check below >"$T/out"
has "$(cat "$T/out")" "$D/old/x"
isle discard -q --yes below

# A deletion in a directory that was made anew, which hides the host's names by itself: back and forth.
fresh hidden 'rm -r old; mkdir old; echo n >old/n'
for _ in 1 2; do
	isle discard -q --yes hidden "$D/old/x"
	same "$(isle run -q -n hidden -- ls "$D/old" | tr '\n' ' ')" "n x "
	isle undo -q --yes
	same "$(isle run -q -n hidden -- ls "$D/old" | tr '\n' ' ')" "n "
	same "$(changes hidden)" "A  $D/old/n
D  $D/old/x
D  $D/old/y"
done
isle discard -q --yes hidden

# Each conflict with who, the three states and the choices; in a process that only forked it is the one above.
fresh states 'cat b >x; (read -r line <a); echo 2 >>a; echo 1 >made; rm c'
before=$(stat -c %i "$D/a")
echo host >>"$D/a"
rm "$D/b"
mkdir "$D/made"
echo host >>"$D/c"
status_is 4 isle check states >"$T/out"
conflict() { # PATH
	sed -n "\\|^conflict: $D/$1: |,/^  one of/p" "$T/out"
}
has "$(conflict a)" "  read by: sh -eu -c 'cat b >x; (read"
has "$(conflict a)" "  then: file, 2 bytes, mode 0644, owner $(id -u):$(id -g), inode $before, last changed 2"
has "$(conflict a)" "  host now: file, 7 bytes"
has "$(conflict a)" "  isle: file, 4 bytes"
has "$(conflict b)" "  read by: cat b (run 1)
  then: file, 2 bytes"
has "$(conflict b)" "  host now: nothing
  one of: abort isle"
has "$(conflict c)" "  changed by: rm c (run 1)"
has "$(conflict c)" "  isle: nothing"
has "$(conflict made)" "  then: nothing
  host now: directory, mode 0"
status_is 4 isle commit --yes states 2>"$T/err"
has "$(cat "$T/err")" "isle: conflict: $D/a: " "  then: file, 2 bytes" "  host now: nothing"
status_is 4 isle check --json states >"$T/out"
python3 - "$T/out" "$D" <<'END'
import json, os, sys
conflicts = {os.path.relpath(c["path"], sys.argv[2]): c for c in json.load(open(sys.argv[1]))["conflicts"]}
a, b, c, made = (conflicts[name] for name in ("a", "b", "c", "made"))
st = os.stat(sys.argv[2] + "/a")
assert (a["now"]["dev"], a["now"]["ino"], a["now"]["size"]) == (st.st_dev, st.st_ino, 7), a
assert (a["then"]["ino"], a["then"]["size"], a["isle"]["size"], a["run"]) == (st.st_ino, 2, 4, 1), a
assert a["then"]["dev"] == st.st_dev and a["command"].startswith("sh -eu -c"), a
assert (b["now"], b["command"], b["then"]["size"]) == (None, "cat b", 2), b
assert (c["isle"], c["command"]) == (None, "rm c") and "not_later_than_ns" in c["then"], c
assert made["then"] is None and made["now"]["type"] == "directory", made
END

# Discard by path, and its undo.
fresh drop 'echo 2 >a; rm b; mkdir new; echo 1 >new/f; chmod 700 old; echo 3 >c'
isle discard -q --yes drop "$D/a" "$D/b" "$D/new" "$D/old"
same "$(changes drop)" "M  $D/c"
isle undo -q --yes
same "$(changes drop | wc -l)" 5
isle discard -q --yes drop
status_is 0 isle status drop >/dev/null
isle undo -q --yes
same "$(changes drop | wc -l)" 5
isle commit -q --yes drop
content "$D/a" 2
absent "$D/b"
content "$D/new/f" 1

# The host moved: nothing is touched, each conflict is named, and the choices do what they say.
conflicts() {
	fresh "$1" ': <a; echo isle >a; echo isle >b; rm c; echo new >n; echo x >>old/x'
	sleep 0.02
	echo host >"$D/a"
	echo host >"$D/n"
	rm "$D/b"
	echo host >"$D/c"
}
conflicts con
tree_of "$D" >"$T/before"
status_is 4 isle commit --yes con 2>"$T/err"
for f in a b c n; do has "$(cat "$T/err")" "conflict: $D/$f:"; done
hasnt "$(cat "$T/err")" "conflict: $D/old"
# What is proposed can be done for all of them, and what cannot is said to be so.
has "$(cat "$T/err")" "isle: nothing was done: the host has changed
hint: --on-conflict=skip leaves these in the isle, =host drops them from the isle, =isle lets the isle win"
status_is 4 isle commit --yes --on-conflict=both con 2>"$T/err"
has "$(cat "$T/err")" "--on-conflict=both cannot decide all of these"
diff "$T/before" <(tree_of "$D") || fail "a refused commit touched the host"
status_is 4 isle check --json con >"$T/out"
has "$(cat "$T/out")" '"case":"deleted"'
isle commit -q --yes --on-conflict=skip con 2>"$T/err"
has "$(cat "$T/err")" "conflict: $D/b: the isle changed it, and it has been deleted on the host since: left in the isle"
content "$D/a" host
same "$(cat "$D/old/x")" "old/x
x"
isle commit -q --yes --on-conflict=isle con 2>/dev/null
content "$D/a" isle
content "$D/b" isle
absent "$D/c"
content "$D/n" new
isle undo -q --yes
content "$D/a" host
absent "$D/b"
content "$D/n" host
conflicts both
isle discard -q --yes both "$D/b" "$D/c"
isle commit -q --yes --on-conflict=both both 2>/dev/null
content "$D/a" host
content "$D/a.isle-new" isle
content "$D/n.isle-new" new
conflicts host
isle commit -q --yes --on-conflict=host host 2>/dev/null
content "$D/a" host
status_is 0 isle status host >/dev/null

# The host moved after a commit: undo overwrites nothing.
fresh after 'echo isle >a; rm b'
isle commit -q --yes after
echo later >"$D/a"
status_is 4 isle undo --yes 2>"$T/err"
has "$(cat "$T/err")" "$D/a"
content "$D/a" later
absent "$D/b"
has "$(isle log | head -1)" "commit"

# Flagged changes need a yes of their own.
fresh flag 'cp /bin/true suid; chmod 4755 suid; mkdir -p .git/hooks; echo x >.git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; echo 2 >a'
status_is 6 isle commit --yes flag 2>"$T/err"
has "$(cat "$T/err")" "setuid"
has "$(cat "$T/err")" "autostart"
content "$D/a" a
status_is 6 isle commit --yes --allow=setuid flag 2>/dev/null
absent "$D/suid"
isle commit -q --yes --allow=setuid,autostart flag
exists "$D/suid" "$D/.git/hooks/pre-commit"

# A saved plan is done exactly, or not at all.
fresh saved 'echo 2 >a; echo 2 >b'
isle plan -o "$T/plan.json" saved "$D/a" >"$T/out"
has "$(cat "$T/plan.json")" '"action":"exchange"'
isle commit -q --yes --plan "$T/plan.json"
content "$D/a" 2
content "$D/b" b
status_is 1 isle commit --yes --plan "$T/plan.json" 2>/dev/null
isle plan -o "$T/plan.json" saved >/dev/null
echo host >"$D/c"
(cd "$D" && isle run -q -n saved -- sh -c 'echo 3 >b')
status_is 1 isle commit --yes --plan "$T/plan.json" 2>"$T/err"
has "$(cat "$T/err")" "no longer fits"
content "$D/b" b

# A directory that has become a symbolic link outside is not followed.
fresh link 'echo evil >old/x; echo evil >old/z'
mv "$D/old" "$D/away"
mkdir "$T/target"
ln -s "$T/target" "$D/old"
status_is 4 isle commit --yes link 2>/dev/null || status_is 1 isle commit --yes link 2>/dev/null
absent "$T/target/x" "$T/target/z"

# A file that was moved into a new directory is back when that directory is dropped.
fresh into 'mkdir -p made/in; mv a made/in/a'
isle discard -q --yes into "$D/made" "$D/a"
isle run -q -n into -- sh -c "[ -f '$D/a' ] && [ ! -e '$D/made' ]"

# Both ends of a rename go together, also where the layers show a deletion and a creation.
fresh ends 'mv old new; echo z >new/z; mv a r; echo more >>r; mv r s; echo 2 >b; echo own >own; mv own mine'
isle commit --yes ends "$D/new" 2>"$T/err"
absent "$D/old"
content "$D/new/x" old/x
content "$D/new/z" z
same "$(cat "$D/a" "$D/b")" $'a\nb'
isle commit --yes ends "$D/s" 2>"$T/err"
absent "$D/a"
content "$D/s" $'a\nmore'
content "$D/b" b
isle commit --yes ends "$D/mine" 2>"$T/err"
hasnt "$(cat "$T/err")" "pulled in"
content "$D/mine" own
same "$(changes ends)" "M  $D/b"

# A directory that was renamed onto another one's name, and one that has become a symbolic link: each is dropped once.
fresh onto ':'
mkdir "$D/empty"
(cd "$D" && isle run -q -n onto -- mv -T old empty)
isle discard -q --yes onto "$D/old" "$D/empty"
same "$(changes onto)" ""
isle run -q -n onto -- sh -c "[ -f '$D/old/x' ] && [ -d '$D/empty' ] && [ ! -e '$D/empty/x' ]"
isle undo -q --yes
isle run -q -n onto -- sh -c "[ ! -e '$D/old' ] && [ -f '$D/empty/x' ]"
fresh linked 'rm -r old; ln -s c old'
isle discard -q --yes linked "$D/old"
isle run -q -n linked -- cat "$D/old/x" >"$T/out"
content "$T/out" old/x

# What was moved away comes back below a directory whose name a link or another directory has got since.
contents() {
	(cd "$D" && find . -printf '%p %y %m %l\n' | sort && grep -r . .)
}
back() { # NAME SCRIPT
	fresh "$1" ':'
	cp -a "$D/old" "$D/other"
	contents >"$T/before"
	(cd "$D" && isle run -q -n "$1" -- sh -eu -c "$2")
	isle commit -q --yes "$1"
	isle undo -q --yes
	same "$(contents)" "$(cat "$T/before")" "$1"
}
back below-link 'mv old/x kept; rm -r old; ln -s c old'
back below-file 'mv old/x kept; rm -r old; echo file >old'
back below-other 'mv old/x kept; rm -r old; mv other old'
fresh replaced 'mv old/x kept'
isle commit -q --yes replaced
rm -r "$D/old"
ln -s c "$D/old"
status_is 4 isle undo --yes 2>"$T/err"
has "$(cat "$T/err")" "its directory has been replaced since"
exists "$D/kept"

# What undo moved the times of is not what the host has changed.
fresh again 'echo 2 >old/x; echo new >old/new; mkdir old/dir; echo 2 >a'
isle commit -q --yes again "$D/old"
isle undo -q --yes
isle undo -q --yes
(cd "$D" && isle run -q -n again -- chmod 0700 old)
isle check again >"$T/out" || fail "a conflict: $(cat "$T/out")"
isle commit -q --yes again
same "$(stat -c %a "$D/old")" 700
# Nor what is read after that.
fresh reread 'mv a moved'
isle commit -q --yes reread
isle undo -q --yes
isle undo -q --yes
(cd "$D" && isle run -q -n reread -- sh -c 'cat moved >copy')
isle check reread >"$T/out" || fail "a conflict: $(cat "$T/out")"
has "$(isle log --json)" '"version":1'

# A discard by path, back and forth; what the isle has changed since is not discarded by an undo.
fresh forth 'touch n1 n2; mkdir -p new/deep; echo 1 >new/x; echo 1 >new/deep/y; rm old/x; echo more >>a; chmod 700 old; mv old/y old/z'
shown() { { isle status -z --all forth || [ $? -eq 3 ]; } | tr '\0' ' '; }
before=$(shown)
isle discard -q forth "$D/new" "$D/old" "$D/n1"
after=$(shown)
differs "$before" "$after"
isle undo --yes 2>"$T/err"
has "$(cat "$T/err")" created
same "$(shown)" "$before"
for again in "$after" "$before" "$after" "$before"; do
	isle undo -q --yes
	same "$(shown)" "$again"
done
(cd "$D" && isle run -q -n forth -- sh -c 'echo more >>new/deep/y')
before=$(shown)
status_is 4 isle undo --yes 2>"$T/err"
has "$(cat "$T/err")" "conflict: $D/new: the isle has changed it anew since"
hasnt "$(cat "$T/err")" "--on-conflict" # which undo has not
hasnt "$(cat "$T/err")" "$D/old/x"
same "$(shown)" "$before"
nothing_left

# What the review cannot see is not committed, and stays in the isle.
if ! is_root; then
	for mode in 0600 0200 0000; do
		mkdir -p "$T/shut/h/s"
		echo x | tee "$T/shut/f" >"$T/shut/h/f"
		isle run -q -n shut -- sh -euc 'cd "$1"; echo y >>f; echo y >>h/f; mkdir n; echo n >n/f; chmod "$2" h n' . "$T/shut" "$mode"
		status_is 3 isle status shut >"$T/out"
		same "$(grep -c 'cannot be read: what is in it is not shown' "$T/out")" 2 "mode $mode"
		status_is 1 isle commit -q --yes shut 2>"$T/out"
		has "$(cat "$T/out")" "hint: leave it out with --except, or open it: isle run -n shut -- chmod -R u+rwX $T/shut/"
		content "$T/shut/f" x
		isle commit -q --yes --except "$T/shut/h" --except "$T/shut/n" shut
		isle run -q -n shut -- chmod -R u+rwX "$T/shut"
		isle commit -q --yes shut
		same "$(cd "$T/shut" && cat f h/f n/f | xargs)" "x y x y n" "mode $mode"
		rm -r "$T/shut"
		isle rm -q --yes shut
	done
fi

# A name does not come back to a directory that stays deleted, or a file.
for what in 'rm -r old' 'rm -r old; echo new >old'; do
	fresh "gone-${#what}" "$what"
	status_is 1 isle discard --yes "gone-${#what}" "$D/old/x" 2>"$T/err"
	has "$(cat "$T/err")" "left out: $D/old/x (needs $D/old, which is not discarded)"
	isle discard -q --yes "gone-${#what}" "$D/old"
	status_is 0 isle status "gone-${#what}" >/dev/null
done

# A directory that is closed to writing, by the isle at the end or by the host from the beginning: its owner may all the same.
picture() {
	(cd "$D" && find . -printf '%p %y %m %l\n' | sort && cat a old/*[xyzn])
}
for mode in 755 555; do
	for deed in 'echo n >old/n; echo 2 >old/x; rm old/y' 'mkdir old/e; mv old/x old/z; echo 2 >old/y'; do
		rm -rf "$D"
		mkdir -p "$D/old"
		for f in a old/x old/y; do echo "$f" >"$D/$f"; done
		chmod $mode "$D/old"
		picture >"$T/before"
		(cd "$D" && isle run -q -n closed -- sh -eu -c "chmod 755 old; $deed; echo 2 >a; chmod 555 old")
		isle commit -q --yes closed
		picture >"$T/after"
		same "$(stat -c %a "$D/old")" 555
		for tree in before after before; do
			isle undo -q --yes
			picture | diff "$T/$tree" - || fail "not the tree $tree"
		done
		# A part of it.
		(cd "$D" && isle run -q -n closed -- sh -eu -c "chmod 755 old; $deed; echo 2 >a; chmod 555 old")
		isle commit -q --yes closed "$D/old/y" "$D/a"
		same "$(stat -c %a "$D/old") $(cat "$D/a")" "$mode 2"
		isle commit -q --yes closed
		picture | diff "$T/after" - || fail "not the same in two parts"
		chmod -R u+w "$D"
	done
done
