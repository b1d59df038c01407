#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# list, rename, rm and gc.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need strace

same "$(isle list)" "" "list of an empty store"
same "$(isle list --json)" '{"version":1,"isles":[]}'

isle run -q -n one -- touch "$HOME/isle-housekeeping-$$"
absent "$HOME/isle-housekeeping-$$"
isle run -q -n two -- true
same "$(isle list -z | tr '\0' ' ')" "two one " "newest first"
has "$(isle list)" "NAME"
has "$(isle list -l)" "CHANGES"
has "$(isle list --json)" '"isle":"one"'
has "$(isle list --json -l)" '"changes":1'

isle rename one first
same "$(isle list -z | tr '\0' ' ')" "two first "
status_is 1 isle rename two first 2>/dev/null
status_is 1 isle rename two ../evil 2>/dev/null
status_is 1 isle rename none other 2>/dev/null
status_is 2 isle rename two 2>/dev/null

# Changes are not thrown away unasked, and one misspelt name keeps the others.
status_is 1 isle rm first 2>"$T/err"
has "$(cat "$T/err")" "--yes"
status_is 1 isle rm --yes two no-such-isle 2>/dev/null
same "$(isle list -z | tr '\0' ' ')" "two first "
isle rm -q two
isle run -q -n three -- true
isle rm -q --yes fir three three
same "$(isle list)" ""
isle gc
status_is 2 isle rm 2>/dev/null

# An isle in which something runs is refused.
"$ISLE" run -q -n busy -- sleep 30 &
wait_for 10 sh -c '"$ISLE" list | grep -q running'
status_is 1 isle rm --yes busy 2>"$T/err"
has "$(cat "$T/err")" "hint:"
isle rename busy busier
kill %1
wait %1 || true
wait_for 10 sh -c '! "$ISLE" list | grep -q running'
isle rm -q --yes busier
isle gc

# Undo works until gc takes what it needs; a young operation keeps it unless --keep says otherwise.
cd "$T"
isle run -q -n kept -- sh -c 'echo one >one; echo two >two'
isle commit -q --yes kept "$T/one"
isle commit -q --yes kept "$T/two"
isle gc 2>"$T/err"
has "$(cat "$T/err")" "kept what undo needs of 2 operations"
isle undo -q --yes
content one one
absent two
isle gc --keep 0 2>"$T/err"
has "$(cat "$T/err")" "of 3 operations; 2 can no longer be undone"
has "$(isle log)" pruned
same "$(isle log --json | grep -o '"undoable":[a-z]*' | sort -u)" '"undoable":false' "what can be undone after gc"
status_is 1 isle undo --yes 1 2>/dev/null
same "$(ls "$ISLE_HOME/undo" "$ISLE_HOME/trash")" "$ISLE_HOME/trash:

$ISLE_HOME/undo:" "what gc leaves"
content one one
status_is 2 isle gc --keep forever 2>/dev/null
isle rm -q --yes kept

# A limit of size takes the oldest, also of the last days, but those only with a yes; and it says so.
for n in 1 2 3; do
	head -c 300000 /dev/urandom >"$T/big$n"
	isle run -q -n limited -- rm "$T/big$n"
	isle commit -q --yes limited
done
records() {
	cd "$ISLE_HOME/undo" && echo *
}
read -ra numbers < <(records)
set -- "${numbers[@]}"
isle gc --max-size 2M 2>"$T/err"
hasnt "$(cat "$T/err")" "--yes"
same "$(records)" "$*" "what a limit that is not reached leaves"
isle gc --max-size 700K 2>"$T/err"
has "$(cat "$T/err")" "nothing younger than 7 days goes without --yes"
hasnt "$(cat "$T/err")" freed
same "$(records)" "$*" "what gc leaves without a yes"
isle gc --max-size 700K --yes --dry-run 2>"$T/err"
has "$(cat "$T/err")" "would free operation $1, commit of isle 'limited'"
hasnt "$(cat "$T/err")" "operation $2,"
same "$(records)" "$*" "what --dry-run leaves"
isle gc --max-size 700K --yes 2>"$T/err"
has "$(cat "$T/err")" "freed operation $1, commit of isle 'limited'"
has "$(cat "$T/err")" "(1 deleted)"
has "$(cat "$T/err")" "kept what undo needs of 2 operations"
same "$(records)" "$2 $3" "what is left within the limit"
status_is 1 isle undo -q --yes "$1" 2>/dev/null
isle undo -q --yes "$3"
exists "$T/big3"
absent "$T/big1" "$T/big2"
isle gc -q --keep 1s --max-size 0 --yes
same "$(records)" "*" "what is left with a limit of nothing"
for wrong in 5X -1 1e9 '' 99999999P; do
	status_is 2 isle gc --max-size "$wrong" 2>/dev/null
done
for age in 1q -1d 101y ''; do
	status_is 2 isle gc --keep "$age" 2>/dev/null
done
isle rm -q --yes limited
isle gc -q --keep 0

# The log says what can still be undone: a discard of a removed isle cannot, a commit of it can, back and forth.
# undoable 'STATE...': of the operations from $first on, newest first
first=$(($(isle log | awk 'NR == 1 { print $1 }') + 1))
undoable() {
	same "$(isle log | awk -v first="$first" '$1 >= first { print $4 == "undo" ? $7 : $5 }' | xargs)" "$1"
	local words
	words=$(tr ' ' '\n' <<<"$1" | sed 's/^done$/true/; t; s/.*/false/' | xargs)
	same "$(isle log --json | grep -o '"undoable":[a-z]*' | cut -d: -f2 | xargs | cut -d' ' -f "1-$(wc -w <<<"$1")")" "$words"
}
isle run -q -n gone -- sh -c "echo 1 >$T/g1; echo 2 >$T/g2"
isle commit -q --yes gone "$T/g1"
isle discard -q gone
undoable 'done done'
isle undo -q --yes
undoable 'done undone done'
isle discard -q gone
isle rm -q gone
undoable 'final final undone done'
status_is 1 isle undo --yes $((first + 3)) 2>/dev/null
isle undo -q --yes # the last that can be
absent "$T/g1"
undoable 'done final final undone undone'
isle undo -q --yes
content "$T/g1" 1
undoable 'done undone final final undone undone'
isle gc -q --keep 0
undoable 'pruned undone pruned pruned undone undone'
status_is 1 isle undo --yes 2>/dev/null

# The queue of runs is not emptied before the catalog has them for good. (No leak detection beside strace.)
isle run -q -n queued -- true
[ -s "$ISLE_HOME/runs" ] || fail "nothing was queued"
ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f -y -e trace=fsync,fdatasync,ftruncate -o "$T/calls" "$ISLE" log --runs >"$T/out"
has "$(cat "$T/out")" queued
awk '/sync\(.*catalog.db-wal/ { synced = 1 } /ftruncate\(.*\/runs>/ { emptied = 1; exit } END { exit !(synced && emptied) }' "$T/calls" ||
	fail "emptied without a sync: $(cat "$T/calls")"
[ ! -s "$ISLE_HOME/runs" ] || fail "still queued"
isle rm -q --yes queued

# What is only told changes nothing, not even what isle remembers for itself.
mkdir "$T/touched"
isle run -q -n partly -- sh -c 'echo 1 >"$1/a"; echo 2 >"$1/b"' . "$T/touched"
isle commit -q --yes partly "$T/touched/a"
isle rm -q --yes partly
touched=$(cat "$ISLE_HOME/touched")
differs "$touched" ""
isle gc -q --keep 0 --dry-run
content "$ISLE_HOME/touched" "$touched"
isle gc -q --keep 0
content "$ISLE_HOME/touched" ""
nothing_left
