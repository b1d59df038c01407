# SPDX-License-Identifier: Apache-2.0
"""A command on a terminal, whose questions are answered, and what happens while one stands.

    asks.py OUTPUT ANSWERS COMMAND...

ANSWERS is a Python list. For each question in turn: the text to type, or (SHELL COMMAND, TEXT): the command runs to its
end while the question stands, then TEXT is typed. Prints the status of COMMAND; its output goes to OUTPUT.
"""
import ast
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

output, answers, command = sys.argv[1], ast.literal_eval(sys.argv[2]), sys.argv[3:]
patience = 30 * int(os.environ.get("ISLE_TEST_PATIENCE", "1"))
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen = after = b""
end = time.monotonic() + patience
while time.monotonic() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
        after += data
    if answers and re.search(rb"(\? |READY> |\[y/N\] )$", after):
        after = b""
        answer = answers.pop(0)
        if isinstance(answer, tuple):
            meanwhile = subprocess.run(["/bin/bash", "-euc", answer[0]], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=patience)
            seen += b"[meanwhile: %d %s]\n" % (meanwhile.returncode, meanwhile.stdout)
            answer = answer[1]
        os.write(fd, answer.encode())
else:
    os.kill(pid, signal.SIGKILL)
    seen += b"[no end within %d s]\n" % patience
if answers:
    seen += b"[%d answers were not asked for]\n" % len(answers)
with open(output, "wb") as out:
    out.write(seen.replace(b"\r", b""))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
