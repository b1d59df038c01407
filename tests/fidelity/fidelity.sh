#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Python's own test-suite has the same outcome test by test on the host and in an isle, as root and as the ordinary user.
# runs-as: root
# time-limit: 600
. "$(dirname "$0")/../lib.sh"

[ -d /usr/lib/python3.11/test/libregrtest ] || skip "libpython3.11-testsuite is not installed"
chmod 0755 "$T" # the ordinary user works below it, too
TMPDIR=$T /usr/bin/python3 -B "$(dirname "$0")/fidelity.py"
