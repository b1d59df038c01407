#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Operations on files chosen by chance end inside as they do outside, on a tree that the host has (chance.py). CHANCE='FROM TO' has other seeds than the
# usual ones; CHANCE_COUNT is how many operations each has.
# runs-as: root user
# time-limit: 240
. "$(dirname "$0")/../lib.sh"
need python3

program=$T/chance.py
cp "$(dirname "$(readlink -f "$0")")/chance.py" "$program"
chmod 0755 "$T"
links=()
! is_root || links=(--links) # as a user a write through one name parts it from the others
read -r from to <<<"${CHANCE:-1 24}"
for ((seed = from; seed <= to; seed++)); do
	chmod -R u+rwx "$T/native" "$T/host" 2>/dev/null || true
	rm -rf "$T/native" "$T/host"
	for where in native host; do
		python3 "$program" "${links[@]}" --make "$seed" "$T/$where"
	done
	before=$(tree_of "$T/host" 2>/dev/null | sha256sum) || true
	python3 "$program" "${links[@]}" "$seed" "$T/native" "${CHANCE_COUNT:-300}" >"$T/native.out"
	isle run -q -n "seed$seed" -- python3 "$program" "${links[@]}" "$seed" "$T/host" "${CHANCE_COUNT:-300}" >"$T/host.out"
	diff "$T/native.out" "$T/host.out" >"$T/diff" || fail "seed $seed: $(head -20 "$T/diff")"
	same "$(tree_of "$T/host" 2>/dev/null | sha256sum || true)" "$before" "seed $seed: the host's objects"
	[ "$(wc -l <"$T/native.out")" -ge "${CHANCE_COUNT:-300}" ] || fail "the operations were not done"
done
chmod -R u+rwx "$T/native" "$T/host"
