#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What our own commits, undos and redos touch on the host counts as changed by nobody: not for the same isle, not for another one,
# not for undo, not in what `isle status` shows. What others did meanwhile counts, and what somebody saw in between does, too.
# runs-as: root user
# time-limit: 100
. "$(dirname "$0")/../lib.sh"
need python3

D=$T/d
fresh() {
	rm -rf "$D"
	mkdir -p "$D/sub/deep"
	for f in a b sub/x sub/deep/y; do echo "$f" >"$D/$f"; done
	sleep 0.02
}
run() {
	local name=$1
	shift
	(cd "$D" && isle run -q -n "$name" --keep --net none "${criteria[@]}" -- sh -euc "$1")
	sleep 0.02
}
criteria=()
# The directory's times tell that names came and went, and stay.
tree() {
	tree_of "$D" | awk '$2 == "d" { $6 = "" } { print }'
}
shown() {
	status_is 3 isle status "$1"
}
# last: the number of the last operation.
last() {
	isle log --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["operations"][0]["operation"])'
}

# An undo after a done and undone operation on the same file, by another isle: nothing has changed.
fresh
run one 'echo one >a; echo one >sub/x; mkdir -p new/in/deep; echo one >new/in/deep/f'
isle commit --yes one
first=$(last)
run two 'echo two >a; rm sub/x; echo two >new/in/deep/f; echo two >new/in/deep/g; mv new/in/deep/f new/in/f; chmod 600 b'
tree >"$T/before"
isle commit --yes two
isle undo --yes
diff "$T/before" <(tree) || fail "not undone"
isle undo --yes
isle undo --yes
diff "$T/before" <(tree) || fail "not undone a second time"
isle undo --yes "$first"
content "$D/a" a
content "$D/sub/x" sub/x
absent "$D/new"
# ... but somebody else has changed it.
fresh
run three 'echo three >a'
isle commit --yes three
first=$(last)
run four 'echo four >a'
isle commit --yes four
isle undo --yes
echo host >>"$D/a"
status_is 4 isle undo --yes "$first" 2>"$T/err"
has "$(cat "$T/err")" "$D/a"

# Another isle that relies on a file that was replaced and put back: nothing has changed. In between something has.
for how in aec write; do
	criteria=(--criteria "$how")
	fresh
	run reader-$how 'cat a >>b'
	run writer-$how 'echo new >a; echo new >>b'
	isle commit --yes writer-$how
	status_is 4 isle check reader-$how >"$T/out" 2>&1
	has "$(cat "$T/out")" "$D/b"
	isle undo --yes
	isle check reader-$how
	hasnt "$(shown reader-$how)" "on the host since"
	isle commit --yes reader-$how
	content "$D/b" $'b\na'

	# Who saw what was there in between, be it the same isle, has seen something else.
	fresh
	run middle-$how 'echo new >a'
	isle commit --yes middle-$how
	commit=$(last)
	run middle-$how 'echo more >>a'
	run late-$how 'echo late >>a'
	isle undo --yes "$commit"
	content "$D/a" a
	for name in middle late; do
		has "$(shown $name-$how)" "changed on the host since"
		status_is 4 isle commit --yes $name-$how 2>"$T/err"
		has "$(cat "$T/err")" "$D/a"
	done
	content "$D/a" a
	# With the commit done again it is what they saw.
	isle undo --yes
	content "$D/a" new
	for name in middle late; do
		isle check $name-$how
		hasnt "$(shown $name-$how)" "on the host since"
	done
	isle commit --yes late-$how
	content "$D/a" $'new\nlate'

	# A name that was free only because of the commit.
	fresh
	run name-$how 'mv a c; echo b >>b'
	isle commit --yes name-$how "$D/a" "$D/c"
	run name-$how 'echo mine >a'
	isle undo --yes
	status_is 4 isle commit --yes name-$how 2>"$T/err"
	has "$(cat "$T/err")" "$D/a"
	content "$D/a" a
done

# What a commit of a part made is the isle's own, whatever was done with it since: an older directory can take its place.
fresh
run own 'echo kept >sub/deep/kept; mkdir -p new/in; echo new >new/in/f; echo new >b; ln -s b link'
isle commit --yes own "$D/new" "$D/b" "$D/link"
isle undo --yes
isle undo --yes
run own 'rm -r new; mv sub new; rm link; mv a link'
isle check own
hasnt "$(shown own)" "on the host since"
isle commit --yes own
content "$D/new/deep/kept" kept
content "$D/link" a
absent "$D/sub" "$D/new/in"
# ... but not what the host has put into it.
fresh
run other 'echo kept >sub/deep/kept; mkdir -p new/in; echo new >new/in/f'
isle commit --yes other "$D/new"
isle undo --yes
isle undo --yes
run other 'rm -r new; mv sub new'
echo host >"$D/new/in/f"
status_is 4 isle commit --yes other 2>"$T/err"
has "$(cat "$T/err")" "$D/new"
content "$D/new/in/f" host

# After a commit of some hunks the rest is a modification of what the host has now, and nothing else.
fresh
seq 40 >"$D/text"
sleep 0.02
run hunks 'sed -i "s/^3\$/three/; s/^33\$/thirty-three/" text'
isle commit --yes --hunk "$D/text:1" hunks
status=$(shown hunks)
has "$status" "M  $D/text"
hasnt "$status" "on the host"
isle commit --yes hunks
content "$D/text" "$(seq 40 | sed 's/^3$/three/; s/^33$/thirty-three/')"

# Nobody asks any more: the list does not grow for ever.
[ -s "$ISLE_HOME/touched" ] || fail "nothing was noted"
isle list --json | python3 -c 'import json, sys
for one in json.load(sys.stdin)["isles"]: print(one["isle"])' | while read -r name; do isle rm --yes "$name"; done
isle gc --quiet --keep 0
[ ! -s "$ISLE_HOME/touched" ] || fail "still there: $(cat "$ISLE_HOME/touched")"
