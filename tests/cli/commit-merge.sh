#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Files of which both sides' changes are kept: logs that both appended to, texts merged three ways by line, a text of which some
# hunks are committed. What is composed is one step of the transaction like any other: with undo, and nothing done on a conflict.
# runs-as: root user
# time-limit: 200
. "$(dirname "$0")/../lib.sh"

D=$T/d
L=$'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n'
fresh() { # NAME SCRIPT
	rm -rf "$D"
	mkdir -p "$D"
	printf '%s' "$L" >"$D/text"
	printf '%s' "$L" >"$D/daily.log"
	printf 'a\0b\nc\n' >"$D/binary"
	(cd "$D" && isle run -q -n "$1" -- sh -eu -c "$2")
	sleep 0.02
}

# --- logs: both appended, both are kept, the host's part first; nobody is asked, and it is said
fresh logs 'echo isle >>daily.log'
echo host >>"$D/daily.log"
chmod 640 "$D/daily.log"
isle check logs >"$T/out"
isle plan logs >"$T/out"
has "$(cat "$T/out")" "append"
isle commit --yes logs 2>"$T/err"
has "$(cat "$T/err")" "appended: $D/daily.log"
content "$D/daily.log" "${L}host
isle"
same "$(stat -c %a "$D/daily.log")" 640 "the host's mode"
status_is 0 isle status logs >/dev/null
isle undo -q --yes
content "$D/daily.log" "${L}host"
same "$(stat -c %a "$D/daily.log")" 640

# Not when either did more than append, or is no log.
for script in 'sed -i s/two/TWO/ daily.log; echo isle >>daily.log' ': <daily.log; echo short >daily.log' ': <daily.log; : >daily.log'; do
	fresh "more-${#script}" "$script"
	echo host >>"$D/daily.log"
	status_is 4 isle commit -q --yes "more-${#script}" 2>/dev/null
	content "$D/daily.log" "${L}host"
done
fresh middle 'echo isle >>daily.log'
sed -i s/two/TWO/ "$D/daily.log"
status_is 4 isle commit -q --yes middle 2>/dev/null
status_is 4 isle commit -q --yes --on-conflict=append middle 2>/dev/null
hasnt "$(cat "$D/daily.log")" isle
# ... but for a text by choice, and for a log not when it was said.
fresh choice 'echo isle >>text; echo isle >>binary; echo isle >>daily.log'
for f in text binary daily.log; do echo host >>"$D/$f"; done
status_is 4 isle check --append none choice >"$T/out"
has "$(cat "$T/out")" "append"
has "$(cat "$T/out")" "$D/daily.log"
status_is 4 isle commit -q --yes choice 2>/dev/null
status_is 4 isle commit -q --yes --append none --on-conflict=merge choice 2>/dev/null # by line both are at one place
isle commit -q --yes --on-conflict=append choice 2>/dev/null
for f in text daily.log; do content "$D/$f" "${L}host
isle"; done
same "$(tr '\0' 0 <"$D/binary")" $'a0b\nc\nhost\nisle'
fresh pattern 'echo isle >>text'
echo host >>"$D/text"
isle commit -q --yes --append 'te?t' pattern 2>/dev/null
has "$(cat "$D/text")" $'host\nisle'
# A larger one than a block, and than what is kept as text.
fresh large 'seq 200000 >>daily.log'
seq 300000 >>"$D/daily.log"
isle commit -q --yes large
cmp "$D/daily.log" <(printf '%s' "$L"; seq 300000; seq 200000)

# --- three ways by line
fresh merge 'sed -i s/two/TWO/ text; echo more >new'
sed -i s/seven/SEVEN/ "$D/text"
status_is 4 isle check merge >"$T/out"
has "$(cat "$T/out")" "merge"
status_is 4 isle commit -q --yes merge 2>/dev/null
isle commit -q --yes --on-conflict=merge merge 2>/dev/null
content "$D/text" "$(printf '%s' "$L" | sed 's/two/TWO/; s/seven/SEVEN/')"
content "$D/new" more
status_is 0 isle status merge >/dev/null
isle undo -q --yes
content "$D/text" "$(printf '%s' "$L" | sed 's/seven/SEVEN/')"
absent "$D/new"
isle undo -q --yes
content "$D/text" "$(printf '%s' "$L" | sed 's/two/TWO/; s/seven/SEVEN/')"

# Written in place by both, not by a rename: the same.
fresh inplace 'printf "%s\n" "$(sed s/two/TWO/ text)" >text'
printf '%s\n' "$(sed s/seven/SEVEN/ "$D/text")" >"$D/text"
isle commit -q --yes --on-conflict=merge inplace 2>/dev/null
has "$(cat "$D/text")" TWO
has "$(cat "$D/text")" SEVEN

# What is not clean, or no text, stays a conflict, and with it everything.
fresh unclean 'sed -i s/two/TWO/ text; sed -i s/c/d/ binary; echo more >new'
sed -i s/two/Zwei/ "$D/text"
echo host >>"$D/binary"
status_is 4 isle commit -q --yes --on-conflict=merge unclean 2>"$T/err"
absent "$D/new"
hasnt "$(isle check unclean || :)" 'both merge'
# Of what nothing was kept, too.
rm -rf "$D"
mkdir "$D"
printf '%s' "$L" >"$D/text"
(cd "$D" && isle run -q --no-track -n nobase -- sed -i s/two/TWO/ text)
sleep 0.02
sed -i s/seven/SEVEN/ "$D/text"
status_is 4 isle commit -q --yes --on-conflict=merge nobase 2>/dev/null

# The mode: of whoever changed it; of both, no merge.
fresh mode 'sed -i s/two/TWO/ text; chmod 600 text'
sed -i s/seven/SEVEN/ "$D/text"
isle commit -q --yes --on-conflict=merge mode 2>/dev/null
same "$(stat -c %a "$D/text")" 600 "the isle's mode"
fresh modes 'sed -i s/two/TWO/ text; chmod 600 text'
sed -i s/seven/SEVEN/ "$D/text"
chmod 640 "$D/text"
status_is 4 isle commit -q --yes --on-conflict=merge modes 2>/dev/null
same "$(stat -c %a "$D/text")" 640

# A file with another name on the host is written in place: both names see it, and undo brings both back.
fresh linked 'sed -i s/two/TWO/ text'
ln "$D/text" "$D/name"
printf '%s\n' "$(sed s/seven/SEVEN/ "$D/text")" >"$D/text"
isle commit -q --yes --on-conflict=merge linked 2>/dev/null
same "$(stat -c %i "$D/text")" "$(stat -c %i "$D/name")"
has "$(cat "$D/name")" TWO
has "$(cat "$D/name")" SEVEN
isle undo -q --yes
hasnt "$(cat "$D/name")" TWO
has "$(cat "$D/name")" SEVEN

# As a choice in the plan file; what moves after that is refused.
fresh planned 'sed -i s/two/TWO/ text'
sed -i s/seven/SEVEN/ "$D/text"
status_is 4 isle plan -o "$T/plan" planned >/dev/null 2>&1
sed -i 's/^conflict abort/conflict merge/' "$T/plan"
sed -i s/eight/EIGHT/ "$D/text"
status_is 1 isle commit -q --yes --plan "$T/plan" 2>/dev/null
status_is 4 isle plan -o "$T/plan" planned >/dev/null 2>&1
sed -i 's/^conflict abort/conflict merge/' "$T/plan"
isle commit -q --yes --plan "$T/plan" 2>/dev/null
content "$D/text" "$(printf '%s' "$L" | sed 's/two/TWO/; s/seven/SEVEN/; s/eight/EIGHT/')"

# --- hunks: some are committed, the isle keeps the rest and goes on from there
hunks() {
	rm -rf "$D"
	mkdir "$D"
	seq 60 >"$D/text"
	echo other >"$D/other"
	(cd "$D" && isle run -q -n "$1" -- sh -eu -c "${2:-sed -i}"' "s/^5\$/five/; s/^25\$/twenty-five/; s/^45\$/forty-five/" text; echo 2 >other')
	sleep 0.02
}
for how in 'sed -i' 'f() { sed "$1" $2 >t; cat t >$2; rm t; }; f'; do
	name=hunks-${#how}
	hunks "$name" "$how"
	isle diff --hunks "$name" "$D/text" >"$T/out" || [ $? -eq 3 ]
	same "$(grep -o 'hunk [0-9]*$' "$T/out" | tr '\n' ' ')" "hunk 1 hunk 2 hunk 3 "
	isle commit -q --yes --hunk "$D/text:1,3" "$name"
	content "$D/text" "$(seq 60 | sed 's/^5$/five/; s/^45$/forty-five/')"
	content "$D/other" other
	has "$(isle diff "$name" "$D/text" || :)" twenty-five
	hasnt "$(isle diff "$name" "$D/text" || :)" forty-five
	has "$(isle run -q -n "$name" -- cat "$D/text")" forty-five
	# The rest commits by itself.
	isle commit -q --yes "$name"
	content "$D/text" "$(seq 60 | sed 's/^5$/five/; s/^25$/twenty-five/; s/^45$/forty-five/')"
	isle undo -q --yes
	content "$D/text" "$(seq 60 | sed 's/^5$/five/; s/^45$/forty-five/')"
done
# All of it does after an undo.
hunks again
(cd "$D" && isle commit -q --yes --hunk text:2 again)
isle undo -q --yes
content "$D/text" "$(seq 60)"
isle commit -q --yes --hunk "$D/text:1-3" again
content "$D/text" "$(seq 60 | sed 's/^5$/five/; s/^25$/twenty-five/; s/^45$/forty-five/')"
same "$({ isle status again || :; } | sed '$d')" "M  $D/other"

# In a plan, and with other files.
hunks plan
isle plan --hunk "$D/text:2" -o "$T/plan" plan "$D/other" >"$T/out"
has "$(cat "$T/out")" "hunks"
isle commit -q --yes --plan "$T/plan"
content "$D/text" "$(seq 60 | sed 's/^25$/twenty-five/')"
content "$D/other" 2
hunks planj
isle plan --json --hunk "$D/text:2" -o "$T/plan" planj >/dev/null
isle commit -q --yes --plan "$T/plan"
content "$D/text" "$(seq 60 | sed 's/^25$/twenty-five/')"
content "$D/other" other

# The host moved, before or between: no hunk of it.
hunks moved
isle commit -q --yes --hunk "$D/text:1" moved
echo host >>"$D/text"
status_is 4 isle commit -q --yes --hunk "$D/text:1" moved 2>/dev/null
status_is 4 isle commit -q --yes --on-conflict=isle --hunk "$D/text:1" moved 2>/dev/null
has "$(tail -1 "$D/text")" host

# Nonsense.
hunks bad
for hunk in text "text:" "$D/text:0" "$D/text:1,," "$D/text:x" "$D/text:3-1" ":1" "$D/text:-1"; do
	status_is 2 isle commit --yes --hunk "$hunk" bad 2>/dev/null
done
status_is 2 isle commit --yes --hunk "$D/text:1" --hunk "$D/text:2" bad 2>/dev/null
status_is 1 isle commit --yes --hunk "$D/text:4" bad 2>"$T/err"
has "$(cat "$T/err")" "no hunk 4"
status_is 1 isle commit --yes --hunk "$D/nothing:1" bad 2>"$T/err"
content "$D/text" "$(seq 60)"

# --- how a file is replaced
for way in rename write; do
	rm -rf "$D"
	mkdir "$D"
	echo old >"$D/f"
	echo old >"$D/g"
	ln "$D/g" "$D/g2"
	(cd "$D" && isle run -q -n "way-$way" -- sh -c 'echo isle >f; echo isle >g')
	f=$(stat -c %i "$D/f") g=$(stat -c %i "$D/g")
	isle commit -q --yes --replace=$way "way-$way"
	content "$D/f" isle
	content "$D/g" isle
	if [ $way = write ]; then
		same "$(stat -c %i "$D/f") $(stat -c %i "$D/g")" "$f $g"
		content "$D/g2" isle
	else
		differs "$(stat -c %i "$D/f")" "$f"
		differs "$(stat -c %i "$D/g")" "$g"
		content "$D/g2" old
	fi
	isle undo -q --yes
	content "$D/f" old
	content "$D/g" old
	content "$D/g2" old
	same "$(stat -c %i "$D/f") $(stat -c %i "$D/g")" "$f $g"
done
# All names of a file at once: one file again, and one after undo.
rm -rf "$D"
mkdir "$D"
echo old >"$D/f"
ln "$D/f" "$D/g"
(cd "$D" && isle run -q -n names -- sh -c 'echo isle >f; rm g; ln f g')
isle commit -q --yes names
content "$D/g" isle
same "$(stat -c %i "$D/f")" "$(stat -c %i "$D/g")"
isle undo -q --yes
content "$D/g" old
same "$(stat -c %i "$D/f")" "$(stat -c %i "$D/g")"
status_is 2 isle commit --yes --replace=maybe 2>/dev/null
nothing_left
