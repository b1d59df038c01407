#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the host changes right after a run is a conflict, though the clock of files may not have moved in between.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"

need python3
cd "$T"
# One process does both, so that as little time as possible passes between the end of the run and the host's change.
python3 -B - "$ISLE" <<'EOF'
import os
import subprocess
import sys

isle = sys.argv[1]
ROUNDS = 30


def run(name, *command):
    subprocess.run([isle, "run", "-q", "-n", name, "--keep", "--net", "none", "--", *command], check=True)


def rewrite():
    with open("f", "w", encoding="ascii") as file:
        file.write("host")


def rename():
    os.rename("f", "elsewhere")


missed = 0
for what, host in (("write", rewrite), ("rename", rename)):
    os.mkdir(what)
    os.chdir(what)
    for i in range(ROUNDS):
        with open("f", "w", encoding="ascii") as file:
            file.write("one")
        run("moment", "chmod", "600", "f")
        host()
        status = subprocess.run([isle, "commit", "--yes", "moment"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                check=False).returncode
        if status != 4:
            missed += 1
            print("%s: commit ends with %d in round %d" % (what, status, i))
        subprocess.run([isle, "rm", "--yes", "moment"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name in os.listdir("."):
            os.unlink(name)
    os.chdir("..")
sys.exit(missed != 0)
EOF
rmdir write rename

# Nor is a directory's time, which can be set back, what tells that nothing has gone from it.
mkdir back
echo one >back/f
isle run -q -n back --keep --net none -- chmod 600 back/f
mv back/f back/elsewhere
touch -d 2020-01-01 back
status_is 4 isle commit --yes back
rm -r back
isle rm -q --yes back
