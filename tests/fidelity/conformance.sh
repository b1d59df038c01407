#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Calls on files end inside as they do outside, by root, owners, members of groups and others: some ten thousand cases
# (conformance.py), on objects that the host has and on new ones.
# runs-as: root user
# time-limit: 180
. "$(dirname "$0")/../lib.sh"
need python3

# What doc/fidelity.md explains: nothing is a device inside, and two kinds of attributes are the machine's.
explained() {
	grep -vE '^(read|write|append|truncating open|open nofollow) \| .* \| (char|block) \| none \|' |
		grep -vE '^(trusted|security) attribute \| .* \| root \|'
}

program=$(dirname "$(readlink -f "$0")")/conformance.py
cp "$program" "$T/conformance.py"
program=$T/conformance.py
chmod 0755 "$T"
python3 "$program" --make "$T/native"
python3 "$program" --make "$T/host"
python3 "$program" "$T/native" >"$T/native.out"
[ "$(wc -l <"$T/native.out")" -gt 1000 ] || fail "the cases were not run"
before=$(cd "$T/host" && find . -printf '%p %m %U:%G %s %T@ %l\n' | sort | sha256sum)

# compare NAME: what came out inside with what came out outside.
compare() {
	diff <(explained <"$T/native.out") <(explained <"$T/$1") >"$T/diff" || fail "$1 differs: $(grep -c '^>' "$T/diff") cases: $(head -20 "$T/diff")"
}

isle run -q -n host -- python3 "$program" "$T/host" >"$T/host.out"
compare host.out
same "$(cd "$T/host" && find . -printf '%p %m %U:%G %s %T@ %l\n' | sort | sha256sum)" "$before" "the host's objects"

isle run -q -n own -- sh -c 'python3 "$1" --make "$2" && exec python3 "$1" "$2"' . "$program" "$T/own" >"$T/own.out"
compare own.out
absent "$T/own"
