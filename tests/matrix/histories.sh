#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Isle and host edit the same trees at random; check, commit and undo are as serial execution at the commit says (histories.py).
# runs-as: root user
# time-limit: 200
. "$(dirname "$0")/../lib.sh"

need getfacl getfattr python3
mkdir "$T/trees"
export ISLE_SEED=${ISLE_SEED:-1}
for criteria in ${ISLE_CRITERIA:-write aec}; do
	mkdir "$T/trees/$criteria"
	ISLE_CRITERIA=$criteria /usr/bin/python3 -B "$(dirname "$0")/histories.py" "$T/trees/$criteria"
done
