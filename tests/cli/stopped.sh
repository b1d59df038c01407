#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What stops and continues the processes of a run from outside, in any order, never leaves it stopped.
# runs-as: root user
# time-limit: 180
. "$(dirname "$0")/../lib.sh"
need python3

python3 "$(dirname "$0")/stopped.py" "$ISLE" "$T/marker" >"$T/log" 2>&1 || fail "$(cat "$T/log")"
