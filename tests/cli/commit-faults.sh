#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Commits that once failed or said the wrong thing, each with what it must do.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"

H=$T/host

# start NAME: an empty directory of the host, and in it.
start() {
	name=$1
	chmod -R u+rwx "$H" 2>/dev/null || true
	rm -rf "$H"
	mkdir "$H"
	cd "$H"
}

inside() {
	isle run -q -n "$name" -- sh -eu -c "$1"
}

# Everything that stands below $H. What is closed is opened for the look at its content alone.
look() {
	find . \( -type d -printf '%p %y %m %U:%G\n' \) -o -printf '%p %y %m %U:%G %s %T@ %l\n' | sort
}

# Without the right to read them, files keep mode and content through commit, undo and redo.
start closed
echo one >f
echo keep >g
ln g h
chmod 000 g
setfattr -n user.x -v 1 f
inside 'echo two >>f; chmod 000 f; chmod u+w g; echo more >>g; chmod 000 g; echo new >n; setfattr -n user.y -v 2 n; chmod 000 n
	mkdir d; echo in >d/in; chmod 000 d/in; chmod 300 d'
isle commit -q --yes closed
status_is 0 isle status closed >/dev/null
same "$(stat -c %a f g n d)" $'0\n0\n0\n300'
chmod 400 f g n
chmod 700 d
chmod 400 d/in
content f $'one\ntwo'
content g $'keep\nmore'
content n new
content d/in in
same "$(getfattr --only-values -n user.x f)$(getfattr --only-values -n user.y n)" 12
same "$(stat -c %i g)" "$(stat -c %i h)"
has "$(getfattr -m - -d f n 2>&1)" user
hasnt "$(getfattr -m - -d f n 2>&1)" overlay

# The same taken back.
start closed-undo
echo one >f
chmod 000 f
look >"$T/before"
inside 'chmod 600 f; echo two >>f; chmod 000 f'
isle commit -q --yes closed-undo
isle undo -q --yes
same "$(look)" "$(cat "$T/before")"
isle undo -q --yes
chmod 400 f
content f $'one\ntwo'

# A file with another name outside, written in a directory that is renamed: it keeps its inode.
if is_root; then
	start moved
	mkdir a outside
	echo one >a/f
	ln a/f outside/f
	echo plain >a/g
	look >"$T/before"
	inside 'mv a b; echo two >>b/f; echo more >>b/g; chmod 600 b/g'
	isle commit -q --yes moved
	status_is 0 isle status moved >/dev/null
	look >"$T/after"
	content b/f $'one\ntwo'
	content outside/f $'one\ntwo'
	content b/g $'plain\nmore'
	same "$(stat -c %i b/f)" "$(stat -c %i outside/f)"
	isle undo -q --yes
	same "$(look)" "$(cat "$T/before")"
	isle undo -q --yes
	same "$(look)" "$(cat "$T/after")"
	# Refused, it is told by the names that the host has.
	start moved-conflict
	mkdir a
	echo one >a/f
	ln a/f other
	inside 'mv a b; echo two >>b/f'
	echo host >>other
	look >"$T/before"
	status_is 4 isle commit -q --yes moved-conflict 2>"$T/err"
	same "$(look)" "$(cat "$T/before")"
fi

# A directory of the host that has a layer of its own and has gone since is in nobody's way.
if is_root; then
	start layer-gone
	mkdir gone
	mount --bind gone gone
	at_end 'umount -l -q "$H/gone"'
	echo one >f
	inside 'echo two >>f'
	umount gone
	rmdir gone
	isle discard -q --yes layer-gone
	status_is 0 isle status layer-gone >/dev/null
	isle undo -q --yes
	has "$(isle status layer-gone || true)" "$H/f"
	isle commit -q --yes layer-gone
	content f $'one\ntwo'
fi

# The log says what a discard of everything took; of very much, that it was all.
start counts
echo one >f
echo two >g
inside 'echo more >>f; rm g; echo 1 >n1; echo 2 >n2'
isle discard -q --yes counts
has "$(isle log | head -n 1)" '2 created, 1 modified, 1 deleted'
isle undo -q --yes
has "$(isle status counts || true)" n1
isle discard -q --yes counts
isle discard --yes counts 2>"$T/err"
has "$(cat "$T/err")" 'no changes'
inside 'for i in $(seq 3000); do : >n$i; done'
isle discard -q --yes counts
has "$(isle log | head -n 1)" 'all changes'

# What a commit that fails has taken off is put back, values and all: the second of two exchanges fails here, after the
# layer was parked. A plan that is only shown is made without these values, and has the same id.
if command -v strace >/dev/null; then
	start noted
	echo one >f
	echo two >g
	inside 'echo more >>f; echo more >>g'
	noted() {
		getfattr -Rhd -m 'overlay.origin' -e hex "$ISLE_HOME/isles" 2>/dev/null | sort
	}
	before=$(noted)
	has "$before" 'overlay.origin'
	[ "$(id -u)" != 0 ] || has "$before" 'overlay.origin=0x00fb'
	strace -qq -f -o "$T/strace" -e trace=renameat2 -e inject=renameat2:error=EIO:when=3 "$ISLE" commit --yes noted >/dev/null 2>&1 &&
		fail 'the commit was to fail'
	has "$(cat "$T/strace")" INJECTED
	has "$(cat "$T/strace")" RENAME_EXCHANGE
	content f one
	same "$(noted)" "$before" 'what the overlay has noted'
	isle plan -o "$T/plan.json" noted >/dev/null
	isle commit -q --plan "$T/plan.json" --yes
	content g $'two\nmore'
	hasnt "$(getfattr -m - -d f g 2>&1)" overlay
fi

# A directory that cannot be asked whether it hides the host's is not one that does not: the plan is the same or there is none.
if command -v strace >/dev/null; then
	start unread
	mkdir d
	echo a >d/a
	inside 'rm -r d; mkdir d; echo b >d/b'
	plan=$(isle plan unread)
	has "$plan" "d/"
	tried=0
	for call in llistxattr lgetxattr; do
		for n in $(seq 40); do
			python3 "$(dirname "$0")/../helpers/without_xattrat.py" strace -qq -f -o "$T/strace" -e trace=$call \
				-e inject=$call:error=EIO:when="$n" "$ISLE" plan unread >"$T/plan" 2>/dev/null && same "$(cat "$T/plan")" "$plan" "$call $n"
			grep -q INJECTED "$T/strace" || break
			tried=$((tried + 1))
		done
	done
	[ $tried -gt 4 ] || fail "only $tried calls failed"
fi

nothing_left
