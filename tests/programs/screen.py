# SPDX-License-Identifier: Apache-2.0
"""Full-screen programs in an isle on a pty: screen.py ISLE FILE. The isle is called screen."""
import os
import pty
import select
import signal
import sys
import time

ISLE, FILE = sys.argv[1:3]


class Terminal:
    def __init__(self, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(ISLE, [ISLE, "run", "-q", "-n", "screen", "--keep", "--net", "none", "--", *words])
        self.seen = b""

    def wait_for(self, text, seconds=15):
        end = time.monotonic() + seconds
        start = len(self.seen)
        while text not in self.seen[max(0, start - 200):]:
            left = end - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError("no %r in %r" % (text, self.seen[-2000:]))

    def _read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.seen += data
        return bool(data)

    def send(self, keys):
        os.write(self.fd, keys)

    def settle(self, seconds=0.5):
        while self._read(seconds):
            pass

    def end(self, status=0, seconds=15):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if select.select([self.fd], [], [], 0.05)[0] and not self._read(0):
                break
            done, code = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return self._check(code, status)
        while time.monotonic() < limit:
            done, code = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return self._check(code, status)
            time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("does not end: %r" % self.seen[-2000:])

    @staticmethod
    def _check(code, status):
        got = os.waitstatus_to_exitcode(code)
        assert got == status, "ends with %d instead of %d" % (got, status)


def vim():
    term = Terminal("vim", "-u", "NONE", "-N", FILE)
    term.wait_for(b"three")
    term.settle()
    term.send(b"gg0ichanged \x1b")
    term.settle()
    term.send(b":wq\r")
    term.end()
    assert b"\x1b[?1049l" in term.seen, "vim left its own screen"


def less():
    term = Terminal("less", FILE)
    term.wait_for(b"three")
    term.settle()
    term.send(b"q")
    term.end()


def top():
    term = Terminal("top")
    term.wait_for(b"PID")
    term.settle(0.3)
    term.send(b"q")
    term.end()


def tmux():
    """A program that makes ptys itself, with a server in the background and a socket."""
    term = Terminal("tmux", "-f", "/dev/null", "-L", "proof", "new-session")
    term.settle(1.0)
    term.send(b"echo in-$((40+2))-tmux; tty\r")
    term.wait_for(b"in-42-tmux")
    term.wait_for(b"/dev/pts/")
    term.send(b"exit\r")
    term.end()


def bash():
    """Job control: a stopped job and its return."""
    term = Terminal("bash", "--norc", "--noprofile", "-i")
    term.settle()
    term.send(b"PS1='READY> '\r")
    term.wait_for(b"READY> ")
    assert b"job control" not in term.seen, term.seen
    term.send(b"sleep 100\r")
    time.sleep(0.5)
    term.send(b"\x1a")
    term.wait_for(b"Stopped")
    term.send(b"kill %1; fg\r")
    term.settle()
    term.send(b"stty size; exit 7\r")
    term.end(7)


for test in (vim, less, top, tmux, bash):
    test()
    print("ok", test.__name__)
