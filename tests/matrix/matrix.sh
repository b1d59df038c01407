#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every deed of an isle against every state of the host: check, commit and undo are as the model says (matrix.py).
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"

need setfacl getfacl getfattr python3
mkdir "$T/trees"
/usr/bin/python3 -B "$(dirname "$0")/matrix.py" "$T/trees"
