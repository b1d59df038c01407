#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random system calls in isles of root and of a user, recorded and not, and the host is as it was before.
# Without ESCAPE_WHO for the user alone: root's random calls also end their own run and pasta, which is told from damage to the host by hand.
# ESCAPE_FUZZ: for how many seconds, 30 without it. ESCAPE_SEED: the seed that a failed run printed. ESCAPE_CHILD: this child alone.
# runs-as: root
# time-limit: 120
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/escape/start.sh
. "$(dirname "$0")/../escape/start.sh"

ESCAPE_WHO=${ESCAPE_WHO:-user}
escape_start --fuzz "${ESCAPE_FUZZ:-30}" ${ESCAPE_SEED:+--seed "$ESCAPE_SEED"} ${ESCAPE_CHILD:+--child "$ESCAPE_CHILD"}
