#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Names that come, go and come back: directories made anew and moved back, files with several names, renames of both. What a commit leaves is
# what the same commands leave without isle, and an undo gives back what was before.
# runs-as: root user
# time-limit: 180
. "$(dirname "$0")/../lib.sh"
need setfattr

D=$T/d
N=$T/native

# picture DIRECTORY: types, modes, sizes, contents and which names are one file; not the times.
picture() {
	(cd "$1" && find . -mindepth 1 \( -type f -o -type l \) -printf '%i %P\n' | sort -k2 |
		awk '{ if (!($1 in first)) first[$1] = $2; print $2, "is", first[$1] }' &&
		find . -printf '%P %y %m %l\n' | sort && find . -type f -exec sha256sum {} + | sort -k2)
}

# as_native SETUP COMMANDS: both in an isle that is committed and without one.
number=0
as_native() {
	local name=case$((++number)) before after allow=--allow=all
	echo "case $number: $1 | $2"
	rm -rf "$D" "$N"
	mkdir "$D" "$N"
	(cd "$D" && eval "$1")
	(cd "$N" && eval "$1" && eval "$2")
	before=$(picture "$D")
	sleep 0.02
	(cd "$D" && isle run -q -n "$name" -- sh -euc "$2")
	isle status "$name" >"$T/status" || [ $? = 3 ]
	isle diff "$name" >/dev/null || [ $? = 3 ]
	isle explain "$name" "$D" >/dev/null 2>&1 || [ $? -lt 100 ]
	isle check "$name" >"$T/check" || fail "check: $(cat "$T/check")"
	if ! isle commit -q --yes $allow "$name" 2>"$T/err"; then
		fail "commit: $(cat "$T/err" "$T/status")"
	fi
	after=$(picture "$D")
	same "$after" "$(picture "$N")"
	if [ "$before" != "$after" ]; then
		isle undo -q --yes
		same "$(picture "$D")" "$before"
		isle undo -q --yes
		same "$(picture "$D")" "$after"
	fi
	isle rm -q --yes "$name" 2>/dev/null || true
}

# What can be written through one name and seen under another: as root, where the layer has one file for all names.
as_native_links() {
	if is_root; then
		as_native "$@"
	fi
}

# A parent made anew, and what was in it moved back.
as_native 'mkdir -p c/d; echo x >c/d/f' 'mv c c2; mkdir c; mv c2/* c; rmdir c2'
as_native 'mkdir -p c/d c/k; echo x >c/d/f' 'mv c t; mkdir c; mv t/d c/d'
as_native 'mkdir -p c/d c/k; echo x >c/d/f' 'mv c t; mkdir c; mv t/d c/d; rm -r t'
as_native 'mkdir -p a/x b/y; echo 1 >a/x/f; echo 2 >b/y/g' 'mv a t; mv b a; mv t b; mv b/x a/x'
as_native 'mkdir -p a/x b/y; echo 1 >a/x/f; echo 2 >b/y/g' 'mv a t; mv b a; mv t b; mv a/y b/y; mv b/x a/x'
as_native 'mkdir -p c/d/e; echo x >c/d/e/f; echo y >c/d/g' 'mv c t; mkdir c; mv t/d c/d; echo z >>c/d/e/f; rm c/d/g; rm -r t'
as_native 'mkdir -p c/d/e; echo x >c/d/e/f; echo y >c/d/g' 'mv c/d t; rmdir c; mkdir c; mv t c/d'
as_native 'mkdir -p c/d/e; echo x >c/d/e/f; echo y >c/d/g' 'mv c/d t; rmdir c; mkdir c; mkdir c/d; mv t/e c/d/e'
as_native 'mkdir -p c/d/e; echo x >c/d/e/f; echo y >c/d/g' 'mv c/d t; rmdir c; mkdir c; mkdir c/d; mv t/e c/d/e; rm -r t'
as_native 'mkdir -p c/d/e; echo x >c/d/e/f; echo y >c/d/g' 'mv c/d t; mkdir c/d; mv t/e c/d/e; rm -r t'
as_native 'mkdir -p c/d/e; echo x >c/d/e/f; echo y >c/d/g' 'mv c t; mkdir c; mv t/d c/q; rmdir t; mv c/q c/d'
as_native 'mkdir -p c/d/e; echo x >c/d/e/f; echo y >c/d/g' 'mv c t; mkdir c; mv t/d c/q; rmdir t; mkdir c/d; mv c/q/e c/d/e'
