#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random histories of names end in an isle, and after its commit on the host, as they do without one (names.py). NAMES_COUNT is how many,
# 400 without it for each user; NAMES_SEED is the first one.
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"

need python3
mkdir "$T/histories"
NAMES_COUNT=${NAMES_COUNT:-400} /usr/bin/python3 -B "$(dirname "$0")/names.py" "$T/histories"
