#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random system calls in isles of root and of a user, recorded and not, and the host is as it was before.
# ESCAPE_FUZZ: for how many seconds, 30 without it. ESCAPE_SEED: the seed that a failed run printed. ESCAPE_CHILD: this child alone.
# runs-as: root
# time-limit: 400
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/escape/start.sh
. "$(dirname "$0")/../escape/start.sh"

escape_start --fuzz "${ESCAPE_FUZZ:-30}" ${ESCAPE_SEED:+--seed "$ESCAPE_SEED"} ${ESCAPE_CHILD:+--child "$ESCAPE_CHILD"}
