#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whichever process of a run is stopped or killed, in whatever order: everything inside ends, and a commit waits for that.
# ISLE_FAULTS=1: all rows of the table for each, instead of half.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"
need python3

skip=
if ! command -v pasta >/dev/null || [ ! -w /dev/net/tun ]; then
	[ -z "${ISLE_MUST_WORK:-}" ] || fail "this must work here: the network"
	skip='^network'
fi
LIFE_SKIP=$skip python3 "$(dirname "$0")/life-cycle.py" "$ISLE" "$T" >"$T/log" 2>&1 || fail "$(cat "$T/log")"
