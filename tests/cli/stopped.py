# SPDX-License-Identifier: Apache-2.0
"""Stops and continues the processes of runs: stopped.py ISLE MARKER

MARKER is a word that no other process has in its command line. Three kinds of parents are tried: one that could do job
control without a terminal, one that leaves the run in an orphaned process group, and one with a terminal.
"""

import os
import pty
import random
import signal
import subprocess
import sys
import time

ISLE, MARKER = sys.argv[1:]
ROUNDS = 60
TIME = 30
runs = []


def stat(pid):
    """(state, parent, name), or None when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as f:
            head, tail = f.read().rsplit(")", 1)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return tail.split()[0], int(tail.split()[1]), head.split("(", 1)[1]


def has_marker(pid):
    try:
        with open(f"/proc/{pid}/cmdline", errors="replace") as f:
            return MARKER in f.read().split("\0")
    except OSError:
        return False


def stopped(pid):
    now = stat(pid)
    assert now is not None, f"{pid} has ended"
    return now[0] == "T"


def until(what, condition):
    end = time.monotonic() + TIME
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.002)


class Run:
    """A program in an isle that ends when it is told to."""

    def __init__(self, own_group):
        command = [ISLE, "run", "-q", "--discard", "--net", "none", "--"]
        command += ["sh", "-c", "echo begun; read line; echo end", "sh", MARKER]
        # A new process group in our session is not orphaned, a new session is.
        self.job = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    preexec_fn=os.setpgrp if own_group else os.setsid)
        self.isle = self.job.pid
        runs.append(self)
        assert self.job.stdout.readline() == b"begun\n"
        inside = [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) not in (os.getpid(), self.isle)]
        [self.command] = [p for p in inside if has_marker(p) and stat(p)[2] == "sh"]
        self.all = [self.command]
        above = stat(self.command)[1]
        while stat(above)[2].startswith("isle") and above not in self.all:
            self.all.append(above)
            above = stat(above)[1]
        if self.isle not in self.all:
            self.all.append(self.isle)
        assert len(self.all) >= 3, self.all

    def send(self, sig):
        random.shuffle(self.all)
        for pid in self.all:
            os.kill(pid, sig)
            if random.random() < 0.3:
                time.sleep(random.random() * 0.004)

    def end(self):
        out, _ = self.job.communicate(b"line\n", timeout=TIME)
        assert (out, self.job.returncode) == (b"end\n", 0), (out, self.job.returncode)


def many_times(own_group):
    run = Run(own_group)
    for i in range(ROUNDS):
        run.send(signal.SIGSTOP)
        time.sleep(random.choice((0, 0.001, 0.005)))
        run.send(signal.SIGCONT)
        time.sleep(random.choice((0, 0.001, 0.01)))
        until(f"all run again, round {i}", lambda: not any(stopped(p) for p in run.all))
    run.end()


def mirrored():
    """The parent is told of a stop; whichever of the two is continued, both go on."""
    run = Run(True)
    for one in (run.command, run.isle) * 5:
        os.kill(run.command, signal.SIGSTOP)
        until("isle stops with the program", lambda: stopped(run.isle))
        os.kill(one, signal.SIGCONT)
        until("both go on", lambda: not stopped(run.command) and not stopped(run.isle))
    os.kill(run.command, signal.SIGSTOP)
    until("isle stops with the program", lambda: stopped(run.isle))
    os.kill(run.command, signal.SIGKILL)
    assert run.job.wait(timeout=TIME) == 128 + signal.SIGKILL


def orphaned():
    """Nobody would continue isle: it is not stopped, and the program stays so until it is continued."""
    run = Run(False)
    for one in (run.command, run.isle) * 3:
        os.kill(run.command, signal.SIGSTOP)
        until("the program stops", lambda: stopped(run.command))
        time.sleep(0.1)
        assert stopped(run.command) and not stopped(run.isle)
        os.kill(one, signal.SIGCONT)
        until("it goes on", lambda: not stopped(run.command))
    run.end()


def tests():
    for own_group in (True, False):
        many_times(own_group)
    mirrored()
    orphaned()


def tests_alone():
    try:
        tests()
    finally:
        for run in runs:  # what failed leaves nothing stopped
            run.job.kill()


tests_alone()
child, terminal = pty.fork()
if child == 0:
    status = 1
    try:
        tests_alone()
        status = 0
    except BaseException as e:
        print(f"on a terminal: {type(e).__name__} {e}", flush=True)
    os._exit(status)
try:
    while text := os.read(terminal, 4096):
        sys.stdout.write(text.decode(errors="replace"))
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
