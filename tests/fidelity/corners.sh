#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Rarer calls on files end inside as they do outside: attributes, flags, times, holes, maps, locks, unnamed files, long names, inheritance (corners.py),
# on objects that the host has and on new ones.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3
at_end 'chattr -R -i -a "$T" 2>/dev/null || true'

# What doc/fidelity.md explains: whiteouts, holes, handles; as root attributes and flags that are the machine's, and a write that clears set-user-ID bits.
explained() {
	local root='([a-z]+xattr (trusted|security)\.x .*|[a-z ]+ (immutable|append) (flags|flagged)|set-group-ID lost by write) \|'
	is_root || root='^$'
	grep -vE "^(whiteout|what is left|(hole|data) from (2097152|2101248)|(name_to|open_by)_handle_at) \||^$root"
}

program=$T/corners.py
cp "$(dirname "$(readlink -f "$0")")/corners.py" "$program"
python3 "$program" --make "$T/native"
python3 "$program" --make "$T/host"
python3 "$program" "$T/native" >"$T/native.out"
[ "$(explained <"$T/native.out" | wc -l)" -gt 300 ] || fail "the cases were not run"
before=$(cd "$T/host" && find . -printf '%p %m %U:%G %s %T@ %l\n' | sort | sha256sum)

# compare NAME: what came out inside with what came out outside.
compare() {
	diff <(explained <"$T/native.out") <(explained <"$T/$1") >"$T/diff" || fail "$1 differs: $(head -40 "$T/diff")"
}

isle run -q -n host -- python3 "$program" "$T/host" >"$T/host.out"
compare host.out
same "$(cd "$T/host" && find . -printf '%p %m %U:%G %s %T@ %l\n' | sort | sha256sum)" "$before" "the host's objects"

isle run -q -n own -- sh -c 'python3 "$1" --make "$2" && exec python3 "$1" "$2"' . "$program" "$T/own" >"$T/own.out"
compare own.out
absent "$T/own"

# Locks hold between two runs of one isle.
isle run -q -n host -- flock "$T/host/lock" sh -c ': >"$1/held"; until [ -e "$1/tried" ]; do sleep 0.05; done' . "$T/host" &
wait_for 20 isle run -q -n host -- test -e "$T/host/held"
status_is 1 isle run -q -n host -- flock -n "$T/host/lock" true
isle run -q -n host -- touch "$T/host/tried"
wait $!
isle run -q -n host -- flock -n "$T/host/lock" true
