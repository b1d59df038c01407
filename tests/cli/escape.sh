#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs in isles of root and of a user try their ways out (tests/escape), and the host is as it was before.
# ESCAPE_ONLY: names of classes or rows. ESCAPE_WHO: root or user alone. ESCAPE_VERBOSE: every row.
# runs-as: root
# time-limit: 400
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/escape/start.sh
. "$(dirname "$0")/../escape/start.sh"

escape_start ${ESCAPE_VERBOSE:+--verbose} ${ESCAPE_ONLY:+--only $ESCAPE_ONLY}
