#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Which changes of the host stop a commit, and what a commit leaves: the rows of tests/criteria/table.
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"

need setfacl getfacl setfattr getfattr python3 fallocate
mkdir "$T/trees"
/usr/bin/python3 -B "$(dirname "$0")/criteria.py" "$T/trees"
