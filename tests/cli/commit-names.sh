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
# Files with several names.
as_native_links 'echo data >a; ln a b; echo other >g' 'echo x >>a; mv a g'
as_native_links 'echo data >a; ln a b; echo other >g' 'rm g; mv a g; echo x >>g'
as_native_links 'mkdir a e; echo data >a/1; ln a/1 e/1l' 'mv a/1 k; rmdir a; mv e a; echo x >>k'
as_native_links 'mkdir p; echo data >p/f' 'ln p/f h; mv p p2'
as_native_links 'mkdir d e; echo data >e/a' 'rmdir d; mv e d; ln d/a c'
as_native_links 'mkdir d e; echo data >e/a; echo q >d/q' 'mv d e; ln e/a c'
as_native_links 'mkdir a e; echo data >e/a; ln e/a a/a; echo 2 >e/2; ln e/2 a/3' 'rm -r a; mv e a; cp -al a e'
as_native 'ln -s t s; ln s s2; echo 7 >f; echo 8 >g' 'mv -T f s2; mv -T s g'
as_native_links 'echo data >a; ln a b; echo other >g' 'mv a g; chmod 600 g'
as_native_links 'echo data >a; ln a b; ln -s x g' 'mv -T a g; echo x >>g'
as_native_links 'echo data >a; ln a b; mkdir g; echo q >g/q' 'rm -r g; mv a g; echo x >>g'
as_native_links 'echo data >a; ln a b' 'mkdir n; mv a n/x; echo x >>n/x'
as_native_links 'echo data >a; ln a b' 'mkdir -p n/m; mv a n/m/x; echo q >n/q; chmod 600 n/m/x'
as_native_links 'mkdir p; echo data >p/a; ln p/a b' 'mv p/a n; rm -r p; echo x >>n'
as_native_links 'mkdir p; echo data >p/a; ln p/a b; ln b c' 'mv p/a n; mv c p/d; rm -r p; echo x >>n'
as_native_links 'echo data >a' 'mv a n; ln n n2; echo x >>n2'
as_native_links 'mkdir p; echo data >p/f' 'ln p/f h; mv p p2; echo x >>p2/f'
as_native_links 'mkdir -p p/q; echo data >p/q/f; echo 2 >p/q/g' 'ln p/q/f h; mv p/q r; ln r/g h2; mv p p2; mkdir p; mv r p/q'
as_native_links 'mkdir p; echo data >p/f; ln p/f b' 'ln p/f h; ln b h2; mv p p2; chmod 600 h'

# Many further names of host files: eight times as many take no more than eight times as long, with room for noise; each by itself
# against all others would take 64 times.
plan_time() { # NAME: milliseconds of the processor
	local TIMEFORMAT='%3U %3S' told
	told=$({ time isle plan "$1" >/dev/null; } 2>&1 | tail -1)
	awk '{ printf "%d\n", ($1 + $2) * 1000 }' <<<"$told"
}
many() { # COUNT
	rm -rf "$D"
	mkdir -p "$D/a"
	(cd "$D/a" && seq "$1" | xargs touch)
	(cd "$D" && isle run -q -n "many$1" -- cp -al a b)
	plan_time "many$1"
}
if is_root; then
	few=$(many 500)
	all=$(many 4000)
	[ "$all" -le $((few * 20 + 200)) ] || fail "500 links are planned in $few ms, 4000 in $all ms"
	isle commit -q --yes --allow=all many4000
	same "$(find "$D/b" -type f -links 2 | wc -l)" 4000
fi
