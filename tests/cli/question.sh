#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The question at the end of a run on a terminal: its answers, what is no answer, and the shell, which has the run's options.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3
here=$(realpath "$(dirname "$0")")

H=$T/host
mkdir "$H" "$H/hidden"
touch "$H/hidden/secret"
cd "$H"
export SHELL=/bin/sh HISTFILE=/dev/null PS1='READY> ' ENV=

# session OUTPUT ANSWERS COMMAND...: on a terminal (asks.py). Prints the status.
session() {
	python3 "$here/asks.py" "$@"
}

last() {
	tail -n 1 "$T/out"
}

run=("$ISLE" run --net none)
same "$(session "$T/out" '["k\n"]' "${run[@]}" -- sh -c 'touch new; exit 3')" 3
has "$(last)" "isle: kept; go on with: isle diff"
# Something else, be it typed for the command, is no answer.
same "$(session "$T/out" '["cd /\n", "\n", "commit\n"]' "${run[@]}" -- touch typed)" 0
same "$(grep -c 'hell?' "$T/out")" 3
has "$(last)" "isle: committed"
exists typed
same "$(session "$T/out" "['$(printf 'c%.0s' {1..100})\n', 'discard\n']" "${run[@]}" -- touch long)" 0
same "$(grep -c 'hell?' "$T/out")" 2
has "$(last)" "isle: discarded"
absent long
# The end of input and the interrupt key keep; the line ends before what is said.
for end in '\x04' '\x03'; do
	same "$(session "$T/out" "['$end']" "${run[@]}" -- touch "end")" 0
	has "$(last)" "isle: kept; go on with"
	hasnt "$(last)" "hell?"
done
absent "end"
# The shell is in the same isle, under the same options; afterwards the question comes again.
same "$(session "$T/out" '["s\n", "ls hidden; echo in $ISLE; cat mine; echo more >>mine; exit 4\n", "c\n"]' \
	"${run[@]}" -n shelled --hide hidden -- sh -c 'echo first >mine')" 0
has "$(cat "$T/out")" "in shelled"
has "$(cat "$T/out")" first
grep -q '^secret' "$T/out" && fail "the shell sees what is hidden from the command"
has "$(last)" "isle: committed"
content mine $'first\nmore'

# The other questions.
isle run -q -n asked -- touch asked
same "$(session "$T/out" '["\x04"]' "$ISLE" commit asked)" 1
same "$(cat "$T/out")" "commit 1 created (isle 'asked')? [y/N] 
isle: nothing was done"
same "$(session "$T/out" '["yarn\n"]' "$ISLE" commit asked)" 1
same "$(session "$T/out" '["\x03"]' "$ISLE" commit asked)" 1
absent asked
same "$(session "$T/out" '["Yes\n"]' "$ISLE" commit asked)" 0
exists asked

# What comes along, and what becomes of conflicts, is said before the question, and once.
isle run -q -n along -- sh -c 'mkdir along; touch along/f along/g; echo 1 >beside'
for answer in n y; do
	session "$T/out" "['$answer\n']" "$ISLE" commit along "$H/along/f" >/dev/null
	same "$(head -n 2 "$T/out")" "isle: pulled in: $H/along ($H/along/f needs it)
commit 2 created (isle 'along')? [y/N] $answer"
	same "$(grep -c "pulled in" "$T/out")" 1
done
exists along/f
absent along/g
touch -d '1 hour ago' beside
same "$(session "$T/out" '["n\n"]' "$ISLE" commit --on-conflict=both along ./beside)" 1
has "$(sed -n 1p "$T/out")" "isle: conflict: $H/beside"
has "$(tail -n 2 "$T/out")" "commit 1 created (isle 'along')?"
content beside ""
