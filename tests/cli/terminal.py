#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Terminal behaviour of a runner, driven through a pty as a person would: terminal.py COMMAND WORD...

COMMAND is what runs a program, e.g. "isle run -q --keep --" or the terminal_job helper. A test is a function
whose name starts with test_; the closing line is 'N passed, N failed'.
"""
import fcntl
import hashlib
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback

RUN = sys.argv[1:]
TIME = float(os.environ.get("ISLE_TEST_TIME", "20"))
SCRATCH = tempfile.mkdtemp(prefix="terminal-", dir=os.environ.get("ISLE_TEST_SCRATCH"))


class Shell:
    """An interactive shell on a pty of its own."""

    def __init__(self, argv=None, rows=24, columns=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="READY> ", TERM="vt100", LC_ALL="C.UTF-8", HISTFILE="/dev/null", LESSHISTFILE="-")
            argv = argv or ["bash", "--norc", "--noprofile", "--noediting", "-i"]
            os.execvp(argv[0], argv)
        self.seen = b""
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self.fd)

    def raw(self):
        return not self.modes()[3] & termios.ICANON

    def send(self, text):
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def line(self, text):
        self.send(text + "\n")

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], max(seconds, 0))
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.seen += data
        return bool(data)

    def expect(self, pattern, seconds=TIME):
        """Waits for the pattern, forgets everything up to its end, returns the match."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern.encode(), self.seen, re.S)
            if match:
                self.seen = self.seen[match.end():]
                return match
            if not self.read(end - time.monotonic()):
                raise AssertionError(f"{pattern!r} not seen in {self.seen[-600:]!r}")

    def never(self, pattern, seconds):
        try:
            self.expect(pattern, seconds)
        except AssertionError:
            return
        raise AssertionError(f"{pattern!r} seen")

    def until(self, condition, what):
        end = time.monotonic() + TIME
        while not condition():
            if time.monotonic() > end:
                raise AssertionError("timeout: " + what)
            self.read(0.02)

    def prompt(self):
        self.expect(r"READY> ")

    def close(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def run(command):
    return " ".join(map(shlex.quote, RUN)) + " " + command


def with_shell(test):
    def wrapped():
        shell = Shell()
        try:
            shell.prompt()
            test(shell)
        finally:
            shell.close()

    wrapped.__name__ = test.__name__
    return wrapped


def scratch(name):
    return os.path.join(SCRATCH, name)


@with_shell
def test_all_three_are_the_pty(s):
    s.line(run("sh -c 'for i in 0 1 2; do [ -t $i ] && printf T$i; done; echo; : </dev/tty && echo opened'"))
    s.expect("T0T1T2\r\nopened\r\n")
    s.prompt()


@with_shell
def test_exit_status_and_modes_afterwards(s):
    before = s.modes()
    s.line(run("sh -c 'stty raw -echo; exit 7'") + "; echo status=$?")
    s.expect("status=7\r\n")
    s.prompt()
    assert s.modes() == before


@with_shell
def test_modes_and_size_inside_are_the_users(s):
    s.line("stty intr ^B; stty rows 33 cols 99")
    s.prompt()
    s.line(run("sh -c 'stty size; stty -a'"))
    s.expect("33 99\r\n")
    s.expect(r"intr = \^B")
    s.prompt()


@with_shell
def test_keys_reach_the_program(s):
    s.line(run("sh -c 'read line; echo \"got <$line>\"'"))
    s.until(s.raw, "the terminal is taken")
    s.line("hello world")
    s.expect("got <hello world>")
    s.prompt()


@with_shell
def test_end_of_file_key(s):
    s.line(run("sh -c 'cat; echo end=$?'"))
    s.until(s.raw, "the terminal is taken")
    s.send("a\n\x04")
    s.expect("end=0")
    s.prompt()


@with_shell
def test_control_c(s):
    s.line(run("sleep 100") + "; echo status=$?")
    s.until(s.raw, "the terminal is taken")
    s.send("\x03")
    s.expect("status=130|READY> ")
    s.line("echo again")
    s.expect("again\r\n")


@with_shell
def test_control_z_and_fg(s):
    before = s.modes()
    s.line(run("sh -c 'echo begun; read a; echo \"a=$a\"'"))
    s.expect("begun\r\n")
    s.until(s.raw, "the terminal is taken")
    s.send("\x1a")
    s.expect("Stopped")
    s.prompt()
    assert s.modes() == before
    s.line("jobs -l")
    s.expect(r"Stopped")
    s.prompt()
    s.resize(20, 50)
    s.line("fg")
    s.until(s.raw, "the terminal is taken again")
    s.line("after")
    s.expect("a=after")
    s.prompt()
    assert s.modes() == before


@with_shell
def test_bg_then_it_wants_keys(s):
    # not a shell: one that is just in vfork(2) cannot be stopped, with or without a runner
    program = "import time; print(\"begun\", flush=True); time.sleep(1); print(\"a=\" + input())"
    s.line(run(f"python3 -c '{program}'"))
    s.expect("begun\r\n")
    s.until(s.raw, "the terminal is taken")
    s.send("\x1a")
    s.expect("Stopped")
    s.prompt()
    s.line("bg")
    s.prompt()
    assert not s.raw()
    s.line("sleep 2.5; jobs")
    s.expect("Stopped")
    s.line("fg")
    s.until(s.raw, "the terminal is taken again")
    s.line("later")
    s.expect("a=later")
    s.prompt()


@with_shell
def test_control_z_of_a_pipeline(s):
    # Standard output is pumped: its process is neither stopped nor in the way.
    file = scratch("pipeline")
    loop = "i=0; while [ $i -lt 100 ]; do i=$((i + 1)); echo $i; sleep 0.1; done"
    s.line(run(f"sh -c '{loop}'") + f" | tee {file} | tail -n 1")
    s.until(lambda: os.path.exists(file) and os.path.getsize(file) > 4, "output has come")
    s.send("\x1a")
    s.expect("Stopped")
    s.prompt()
    time.sleep(0.5)
    size = os.path.getsize(file)
    time.sleep(1)
    assert os.path.getsize(file) == size, "the command goes on though it is stopped"
    s.line("bg")
    s.prompt()
    s.until(lambda: os.path.getsize(file) > size, "output goes on in the background")
    s.line("fg")
    s.expect("100\r\n")
    s.prompt()
    # Ctrl-C: what was written before arrives.
    s.line(run("sh -c 'echo first; exec sleep 100'") + f" >{file}; echo status=$?")
    s.until(lambda: os.path.getsize(file) == 6, "output has come to a file")
    s.send("\x03")
    s.expect("status=130|READY> ")
    with open(file) as f:
        assert f.read() == "first\n"
    s.line("echo again")
    s.expect("again\r\n")


@with_shell
def test_started_in_the_background(s):
    before = s.modes()
    s.line(run("sh -c 'echo out; read a; echo \"a=$a\"'") + " &")
    s.expect("out\r?\n")
    s.line("sleep 1; jobs")
    s.expect("Stopped")
    assert s.modes() == before
    s.line("fg")
    s.until(s.raw, "the terminal is taken")
    s.line("x")
    s.expect("a=x")
    s.prompt()
    assert s.modes() == before


def test_started_in_the_background_of_a_shell_that_edits_lines():
    s = Shell(["bash", "--norc", "--noprofile", "-i"])
    try:
        s.prompt()
        s.line("(sleep 0.5; exec " + run("sh -c 'read a; echo \"a=$a\"; cat; echo end=$?'") + ") &")
        s.until(lambda: not subprocess.run(["sh", "-c", f"ps -o stat= --ppid {s.pid} | grep -q T"], check=False).returncode,
                "the job is stopped")
        s.line("fg")
        s.expect(r"fg\r\n.*\r\n")
        s.line("x")
        s.expect("a=x")
        s.send("more\n\x04")
        s.expect("more\r\nmore\r\nend=0")
        s.prompt()
    finally:
        s.close()


@with_shell
def test_resize(s):
    s.line(run("bash -c 'trap \"stty size\" WINCH; echo begun; for i in 1 2 3 4 5 6 7 8; do sleep 0.2; done'"))
    s.expect("begun\r\n")
    s.resize(41, 123)
    s.expect("41 123")
    s.prompt()


@with_shell
def test_killed_runner_leaves_a_sane_terminal(s):
    before = s.modes()
    s.line("sh -c 'echo $$ > " + scratch("pid") + "; exec " + run("sleep 100").replace("'", "'\\''") + "'")
    s.until(s.raw, "the terminal is taken")
    with open(scratch("pid")) as f:
        os.kill(int(f.read()), signal.SIGKILL)
    s.expect("Killed")
    s.until(lambda: s.modes() == before, "the modes are restored")
    s.line("echo alive")
    s.expect("alive\r\n")


@with_shell
def test_terminated_runner_restores(s):
    before = s.modes()
    s.line("sh -c 'echo $$ > " + scratch("pid") + "; exec " + run("sleep 100").replace("'", "'\\''") + "'")
    s.until(s.raw, "the terminal is taken")
    with open(scratch("pid")) as f:
        os.kill(int(f.read()), signal.SIGTERM)
    s.until(lambda: s.modes() == before, "the modes are restored")


@with_shell
def test_pipe_to_less_leaves_less_its_keys(s):
    s.line(run("sh -c 'seq 1 500; [ -t 1 ] || echo piped >&2'") + " | less")
    s.expect("\r\n20")
    assert s.raw()  # that is less
    s.send("G")
    s.expect("500")
    s.send("q")
    s.prompt()


@with_shell
def test_output_of_a_pipe_is_exact(s):
    s.line(run("sh -c 'printf \"a\\nb\\r\\n\"; printf \"e\\n\" >&2'") + " | od -An -c")
    s.expect("e\r\n")
    s.expect(r"a\s+\\n\s+b\s+\\r\s+\\n")
    s.prompt()


@with_shell
def test_less_inside_with_piped_input(s):
    s.line("seq 1 500 | " + run("less"))
    s.expect("\r\n20")
    s.send("G")
    s.expect("500")
    s.send("q")
    s.prompt()
    s.line("echo alive")
    s.expect("alive\r\n")


@with_shell
def test_vim(s):
    name = scratch("edited")
    before = s.modes()
    s.line(run("vim -u NONE -N " + name + " -c 'set nomore'"))
    s.until(s.raw, "the terminal is taken")
    s.expect("~.*~")
    s.send("ihello\x1b:w! " + name + "\r")
    s.expect("written|1L")
    s.send("\x1a")
    s.prompt()
    s.line("fg")
    s.expect("hello")
    s.send(":q!\r")
    s.prompt()
    assert s.modes() == before


@with_shell
def test_shell_inside_has_job_control(s):
    s.line(run("bash --norc --noprofile --noediting -i"))
    s.prompt()
    s.line("sleep 50")
    time.sleep(0.5)
    s.send("\x1a")
    s.expect("Stopped")
    s.prompt()
    s.line("echo level=$SHLVL; kill %1; exit 0")
    s.expect("level=")
    s.prompt()


@with_shell
def test_hundred_megabytes_through_the_pty(s):
    s.line("stty -opost -echo")
    s.prompt()
    s.line(run("sh -c 'stty -opost; echo START; head -c 100000000 /dev/zero | tr \"\\0\" x; echo END'"))
    s.expect("START\n")
    count, tail = 0, b""
    data, s.seen = s.seen, b""
    while True:
        tail = (tail + data)[-4096:]
        count += data.count(b"x")
        if b"END" in tail:
            break
        ready, _, _ = select.select([s.fd], [], [], TIME)
        assert ready, f"stuck after {count} bytes"
        data = os.read(s.fd, 65536)
    assert count == 100000000, count


@with_shell
def test_slow_reader_loses_nothing(s):
    s.line(run("seq 1 60000"))
    time.sleep(1)
    s.expect("\r\n1\r\n")
    s.expect("\r\n60000\r\n")
    s.prompt()


@with_shell
def test_last_output_is_not_lost(s):
    for i in range(20):
        s.line(run(f"sh -c 'printf %02000d:{i}z 0'"))
        s.expect(f"0{{1999}}0?:{i}z")
        s.prompt()


def pipe_through(command, data):
    return subprocess.run(RUN + command, input=data, stdout=subprocess.PIPE, check=True, timeout=120).stdout


def test_binary_data_through_pipes():
    data = bytes(range(256)) * 4000
    assert pipe_through(["cat"], data) == data


def test_hundred_megabytes_through_pipes():
    process = subprocess.Popen(RUN + ["head", "-c", "100000000", "/dev/zero"], stdout=subprocess.PIPE)
    digest, count = hashlib.md5(), 0
    while chunk := process.stdout.read(1 << 20):
        digest.update(chunk)
        count += len(chunk)
    assert process.wait() == 0 and count == 100000000


def test_pipe_ends_with_the_program():
    start = time.monotonic()
    assert pipe_through(["sh", "-c", "echo x"], b"") == b"x\n"
    assert time.monotonic() - start < 5


def test_no_terminal_at_all():
    script = "[ -t 0 ] || [ -t 1 ] || [ -t 2 ] || echo none"
    out = subprocess.run(RUN + ["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, start_new_session=True, timeout=TIME, check=True)
    assert out.stdout == b"none\n"


def test_terminal_hangs_up():
    s = Shell()
    s.prompt()
    s.line("sh -c 'echo $$ > " + scratch("pid") + "; exec " + run("sleep 1000").replace("'", "'\\''") + "'")
    s.until(s.raw, "the terminal is taken")
    with open(scratch("pid")) as f:
        pid = int(f.read())
    os.close(s.fd)
    end = time.monotonic() + TIME
    while os.path.exists(f"/proc/{pid}/exe") and time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    break
        except FileNotFoundError:
            break
        time.sleep(0.05)
    else:
        assert not os.path.exists(f"/proc/{pid}/exe"), "the runner outlives its terminal"
    os.waitpid(s.pid, 0)


def test_orphaned_background_read_ends():
    s = Shell()
    try:
        s.prompt()
        # in a group of its own that no shell knows of
        s.line("((" + run("sh -c 'read a'") + "; echo ended > " + scratch("orphan") + ") &)")
        s.until(lambda: os.path.exists(scratch("orphan")), "the orphan ends")
    finally:
        s.close()


def main():
    wanted = os.environ.get("ISLE_TEST_ONLY", "")
    tests = [f for name, f in globals().items() if name.startswith("test_") and wanted in name]
    failed = 0
    for test in tests:
        try:
            test()
            print("ok", test.__name__, flush=True)
        except Exception:  # every failure is one of the test
            failed += 1
            print("not ok", test.__name__)
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
    subprocess.run(["rm", "-rf", SCRATCH], check=False)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
