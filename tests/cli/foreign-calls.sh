#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 32-bit programs: ended at their first system call, which is said and on record. The rest of the isle goes on.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3
[ "$(uname -m)" = x86_64 ] || exit 0

# ELF32, i386, static: exit(42).
python3 - "$T/i386" <<'PY'
import os, struct, sys
code = b"\xb8\x01\0\0\0\xbb\x2a\0\0\0\xcd\x80"
head = b"\x7fELF\1\1\1" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
size = 84 + len(code)
with open(sys.argv[1], "wb") as f:
    f.write(head + struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, size, size, 5, 0x1000) + code)
os.chmod(sys.argv[1], 0o755)
PY
native=0
"$T/i386" || native=$?
[ $native -eq 42 ] || { echo "this kernel runs no 32-bit programs: status $native"; exit 0; }

status_is 159 isle run --keep --net none -n i386 -- "$T/i386" 2>"$T/said"
has "$(cat "$T/said")" "32-bit"
same "$(isle trace --json i386 | python3 -c 'import json, sys; print([p["signal"] for p in json.load(sys.stdin)["processes"]])')" "[31]"
same "$(isle run -q --discard --net none -- sh -c '"$0"; echo $?' "$T/i386" 2>/dev/null)" 159
