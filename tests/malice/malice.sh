#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Isles, stores and hosts that somebody has spoilt, or spoils while a commit runs: nothing outside is changed, nothing crashes (malice.py).
# time-limit: 400
. "$(dirname "$0")/../lib.sh"

need getfattr setfattr getfacl python3
mkdir "$T/places"
/usr/bin/python3 -B "$(dirname "$0")/malice.py" "$T/places"
