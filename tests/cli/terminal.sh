#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A program in an isle has a terminal with job control, and pipes pass through it byte for byte.
# runs-as: root user
# time-limit: 180
. "$(dirname "$0")/../lib.sh"
need python3 vim less

export ISLE_TEST_SCRATCH=$T
python3 "$(dirname "$0")/terminal.py" "$ISLE" run -q --discard --net none -- >"$T/log" 2>&1 || fail "$(cat "$T/log")"
tail -n 1 "$T/log"
