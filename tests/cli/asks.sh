#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A yes is for what was shown: whatever comes or changes while a question stands is not touched, and that is said.
# runs-as: root user
# time-limit: 200
. "$(dirname "$0")/../lib.sh"
need getfattr python3 setfacl setfattr

here=$(cd "$(dirname "$0")" && pwd)
H=$T/host
mkdir "$H"
cd "$H"
export SHELL=/bin/sh HISTFILE=/dev/null

# asks ANSWERS COMMAND...: prints the status; the terminal's text in $T/out.
asks() {
	python3 "$here/asks.py" "$T/out" "$@"
	! grep '^\[no end\|answers were not asked for' "$T/out" >&2 || fail "$(cat "$T/out")"
}

out() {
	cat "$T/out"
}

# What happened while a question stood went well.
meanwhile_worked() {
	has "$(out)" "[meanwhile: 0 "
	hasnt "$(out)" "[meanwhile: 1"
}

run=("$ISLE" run --net none)
quiet="$ISLE run -q --net none"

# --- the question after a run ---

# A second run of the same isle, while the question stands.
same "$(asks "[('$quiet -n first -- sh -c \"cp /bin/true evil; chmod 4755 evil\"', 'c\n'), 'k\n']" \
	"${run[@]}" -n first -- touch one)" 0
meanwhile_worked
has "$(out)" "nothing was done: isle 'first', or the host, has changed since this was shown" "evil"
same "$(grep -c 'hell? ' "$T/out")" 2
absent one evil
# What is shown then can be committed, with a yes to what is flagged.
same "$(asks '["c\n", "y\n"]' "${run[@]}" -n first -- true)" 0
exists one
same "$(stat -c %a evil)" 4755
status_is 0 isle status first >/dev/null

# All that is flagged is listed, also in new directories; a yes is for these.
many='mkdir -p deep/in; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do touch s$i; chmod 4755 s$i; done; touch deep/in/it; chmod 4755 deep/in/it'
same "$(asks "['c\n', ('$quiet -n second -- sh -c \"touch s13; chmod 4755 s13\"', 'y\n'), 'c\n', 'n\n', 'k\n']" \
	"${run[@]}" -n second -- sh -c "$many")" 0
meanwhile_worked
list=$(sed -n '/^these may do more/,/too? /p' "$T/out")
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do has "$list" "/s$i: setuid"; done
has "$list" "$H/deep/in/it: setuid"
has "$(out)" "has changed since this was shown"
same "$(grep -c "/s13: setuid" "$T/out")" 1 # in the second list, not in the first
absent s1 s12 s13 deep
# The content of something in a new directory, of the same size and mode.
same "$(asks "['c\n', ('$quiet -n second -- sh -c \"chmod 4755 deep/in/it; echo 2 >deep/in/plain\"', 'y\n'), 'k\n']" \
	"${run[@]}" -n second -- sh -c 'echo 1 >deep/in/plain')" 0
meanwhile_worked
has "$(out)" "has changed since this was shown"
absent s1 deep
same "$(asks "['c\n', ('$quiet -n second -- sh -c \"echo 3 >deep/in/plain; chmod 4755 deep/in/it\"', 'n\n'), 'c\n', 'c\n', 'y\n']" \
	"${run[@]}" -n second -- true)" 0
meanwhile_worked
content deep/in/plain 3
exists s1 s12 s13

# Dropping is for what was shown, too. The shell is part of what is shown.
same "$(asks "[('$quiet -n third -- sh -c \"echo precious >later\"', 'x\n'), 'k\n']" "${run[@]}" -n third -- touch early)" 0
meanwhile_worked
has "$(out)" "has changed since this was shown"
same "$(isle run -q -n third -- cat later)" precious
same "$(asks '["x\n"]' "${run[@]}" -n third -- true)" 0
has "$(out)" "isle: discarded"

# What the host does beside it does not matter; what it does to what is read there is a conflict; what it does to what is
# overwritten unread is seen before that.
echo 1 >./read
echo 1 >over
same "$(asks "[('echo 2 >beside', 'n\n'), ('echo 2 >over', 'c\n'), ('echo 2 >read', 'c\n'), 'k\n']" \
	"${run[@]}" -n fourth -- sh -c 'sed s/1/3/ read >over')" 0
has "$(out)" "isle 'fourth', or the host, has changed since this was shown" "not committed, the host has changed meanwhile"
content over 2
same "$(asks "[('echo 2 >beside', 'c\n')]" "${run[@]}" -n fifth -- touch five)" 0
exists five
isle rm -qy fourth

# --- commit ---

isle rm -qy fifth
isle run -q -n fifth -- sh -c 'mkdir new; echo 1 >new/f; touch plain'
# Nobody waits for an answer: another isle is committed meanwhile.
isle run -q -n other -- touch of-other
same "$(asks "[('$ISLE commit -qy other', 'y\n')]" "$ISLE" commit fifth "$H/plain")" 0
meanwhile_worked
exists plain of-other
same "$(asks "[('$quiet -n fifth -- sh -c \"echo 2 >new/f\"', 'y\n')]" "$ISLE" commit fifth)" 1
meanwhile_worked
has "$(out)" "nothing was done: something has changed since it was shown"
absent new
same "$(asks "[('$ISLE commit -qy fifth', 'y\n')]" "$ISLE" commit fifth)" 1
content new/f 2
isle run -q -n fifth -- sh -c 'echo 3 >new/f'
same "$(asks "[('echo host >new/f', 'y\n')]" "$ISLE" commit fifth)" 1
has "$(out)" "something has changed since it was shown"
content new/f host
isle discard -qy fifth
isle run -q -n fifth -- sh -c 'echo 4 >>new/f'
same "$(asks "[('echo now >new/f', 'y\n')]" "$ISLE" commit fifth)" 4
content new/f now
isle discard -qy fifth
isle run -q -n fifth -- touch gone
same "$(asks "[('$ISLE rm -qy fifth', 'y\n')]" "$ISLE" commit fifth)" 1
has "$(out)" "isle 'fifth' has been removed"
absent gone
# A yes on the command line is for kinds; what it lets through is shown before the question.
isle run -q -n sixth -- sh -c 'mkdir -p tree; touch tree/a tree/b tree/c; chmod 4755 tree/a tree/b'
status_is 6 isle commit --yes sixth 2>"$T/err"
has "$(cat "$T/err")" "flagged: $H/tree/a: setuid" "flagged: $H/tree/b: setuid"
same "$(asks "[('$quiet -n sixth -- chmod 4755 tree/c', 'y\n')]" "$ISLE" commit --allow=setuid sixth)" 1
has "$(out)" "flagged, and allowed: $H/tree/a: setuid" "flagged, and allowed: $H/tree/b: setuid"
hasnt "$(out)" "tree/c: setuid"
absent tree
# A saved plan is for what was in the directories that it makes.
isle plan -o "$T/plan" sixth >/dev/null
isle run -q -n sixth -- sh -c 'echo x >tree/b; chmod 4755 tree/b'
status_is 1 isle commit --yes --allow=setuid --plan "$T/plan" 2>"$T/err"
has "$(cat "$T/err")" "the plan no longer fits"
absent tree
isle plan -o "$T/plan" sixth >/dev/null
isle commit -q --yes --allow=setuid --plan "$T/plan"
content tree/b x

# --- discard ---

isle run -q -n seventh -- touch one
same "$(asks "[('$quiet -n seventh -- touch two', 'y\n')]" "$ISLE" discard seventh)" 1
meanwhile_worked
has "$(out)" "nothing was done: something has changed since it was shown"
isle run -q -n seventh -- sh -c 'ls one two' >/dev/null
same "$(asks "[('$quiet -n seventh -- sh -c \"echo 2 >one\"', 'y\n')]" "$ISLE" discard seventh "$H/one")" 1
same "$(isle run -q -n seventh -- cat one)" 2
same "$(asks '["y\n"]' "$ISLE" discard seventh)" 0
absent two
# However much it is, it is counted before somebody says yes to it.
isle run -q -n seventh -- sh -c 'for i in $(seq 2500); do echo m$i; done | xargs touch'
same "$(asks '["n\n"]' "$ISLE" discard seventh)" 1
has "$(out)" "discard 2500 created (isle 'seventh')?"

# --- undo ---

isle run -q -n eighth -- sh -c 'mkdir -p made/in; touch made/in/ours lone'
isle commit -qy eighth
same "$(asks "[('echo precious >made/in/theirs', 'y\n')]" "$ISLE" undo)" 4
has "$(out)" "conflict: $H/made: $H/made/in/theirs, which is in it, has been made or changed since"
content made/in/theirs precious
exists made/in/ours lone
isle run -q -n eighth -- touch eight nine
isle commit -qy eighth
same "$(asks "[('echo 2 >eight', 'y\n')]" "$ISLE" undo)" 4
content eight 2
exists nine
isle run -q -n eighth -- sh -c 'rm nine; echo 3 >eight'
isle commit -qy eighth
same "$(asks "[('touch nine', 'y\n')]" "$ISLE" undo)" 4
content eight 3
rm nine
# Somebody else was faster.
same "$(asks "[('$ISLE undo -qy', 'y\n')]" "$ISLE" undo)" 1
has "$(out)" "there is nothing to take back"
content eight 2
same "$(asks '["y\n"]' "$ISLE" undo)" 0 # the undo
content eight 3
# A discard is taken back only if the isle is still as it was.
isle run -q -n eighth -- touch ten
isle discard -qy eighth
same "$(asks "[('$quiet -n eighth -- touch eleven', 'y\n')]" "$ISLE" undo)" 4
has "$(out)" "$H/eleven: the isle has changed it anew"
isle run -q -n eighth -- sh -c 'ls eleven; ! ls ten 2>/dev/null' >/dev/null

# --- rm and gc ---

isle run -q -n ninth -- touch rm1
isle run -q -n tenth -- touch rm1
same "$(asks "['y\n', ('$quiet -n ninth -- touch rm2', 'y\n')]" "$ISLE" rm ninth tenth)" 1
meanwhile_worked
has "$(out)" "nothing was removed: the changes of isle 'ninth' are others than those asked about"
isle run -q -n ninth -- ls rm2 >/dev/null
status_is 3 isle status tenth >/dev/null
same "$(asks '["y\n", "y\n"]' "$ISLE" rm ninth tenth)" 0
status_is 1 isle status ninth 2>/dev/null

# What is committed while gc asks is none of what it asked about.
isle run -q -n last -- touch before
isle run -q -n newest -- touch after
isle commit -qy last
same "$(asks "[('$ISLE commit -qy newest', 'y\n')]" "$ISLE" gc --max-size 0)" 0
meanwhile_worked
has "$(out)" "over the limit: operation"
isle undo -qy
absent after
exists before

# --- rm: the isle that was shown, by whatever name ---

isle run -q -n victim --net none -- touch old
same "$(asks "[('$ISLE rename victim kept && $quiet -n victim -- touch precious', 'y\n')]" "$ISLE" rm victim)" 0
meanwhile_worked
status_is 3 isle status victim >"$T/text"
has "$(cat "$T/text")" "$H/precious"
hasnt "$(isle list -z | tr '\0' '\n')" kept
isle gc --yes -q 2>/dev/null || true
status_is 3 isle status victim >/dev/null
isle rm -q --yes victim
# A name that leads nowhere is not shown, and goes.
ln -s 0123456789abcdef "$ISLE_HOME/names/nowhere"
hasnt "$(isle list -z | tr '\0' '\n')" nowhere
isle gc --yes -q 2>/dev/null || isle gc -q
absent "$ISLE_HOME/names/nowhere"

# --- a plan that was saved: who may do what in a new directory ---

lists=
deeds=('setfattr -n user.k -v 2 inner/in')
if is_root; then
	lists='setfacl -m u:1:rwx,m::rwx inner/in; setfacl -d -m u:1:rwx inner/in'
	deeds+=('setfacl -m u:2:rwx inner/in' 'setfacl -d -m u:2:rwx inner/in')
fi
for deed in "${deeds[@]}"; do
	isle run -q -n saved --net none -- sh -euc "mkdir -p inner/in; setfattr -n user.k -v 1 inner/in; touch inner/in/file; $lists"
	isle plan -o "$T/plan" saved >/dev/null
	isle run -q -n saved --net none -- sh -euc "$deed"
	status_is 1 isle commit --yes --allow=all --plan "$T/plan" 2>"$T/err"
	has "$(cat "$T/err")" "no longer fits"
	absent inner
	isle rm -q --yes saved
done

# --- undo: what the host has done since to a directory of which metadata were committed ---

mkdir -m 755 closed
isle run -q -n mode --net none -- chmod 750 closed
isle commit -q --yes mode
chmod 700 closed
status_is 4 isle undo --yes 2>"$T/err"
has "$(cat "$T/err")" "$H/closed" "have changed since"
same "$(stat -c %a closed)" 700
chmod 750 closed
setfattr -n user.note -v host closed
status_is 4 isle undo --yes 2>"$T/err"
same "$(getfattr -n user.note --only-values closed)" host
setfattr -x user.note closed
touch closed/file # no change of the directory's own
status_is 0 isle undo -q --yes
same "$(stat -c %a closed)" 755
