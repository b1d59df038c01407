# SPDX-License-Identifier: Apache-2.0
"""Stops and kills the processes of runs at every moment: life-cycle.py ISLE DIR

Each row of ROWS is a run in an isle of its own whose program appends to a file in the layer. The row's signals are sent, from
the host or from inside; then everything inside must end, the isle must be free, a commit must leave a file that nobody writes
to any more, and the isle must be good for another run.

    life-cycle.py ISLE DIR PATTERN       only the rows that match; "" means all, as ISLE_FAULTS=1 does
    life-cycle.py inside SHAPE FILE      is that program
"""

import concurrent.futures
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

LIMIT = 25
TICKS = os.sysconf("SC_CLK_TCK")
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PTRACE_TRACEME = 1, 36, 0
LEADER = os.getppid()

# --- inside ---


def write_for_ever(path, pause=0.001):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    while True:
        os.write(fd, b"%d\n" % time.monotonic_ns())
        time.sleep(pause)


def ignore_signals():
    for sig in range(1, signal.NSIG):
        if sig not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD):
            try:
                signal.signal(sig, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))


def in_child(act):
    """Forks; the child never comes back."""
    if os.fork() == 0:
        try:
            act()
        finally:
            os._exit(0)


def daemon(act):
    """A double fork with a session of its own."""
    def middle():
        os.setsid()
        in_child(act)
    in_child(middle)


def hop(path):
    """A process that is never the same for long."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    while True:
        os.write(fd, b"hop\n")
        if os.fork():
            os._exit(0)
        os.setsid()


def bomb(path):
    """Grows without an end; each process writes a little."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for _ in range(6):
        os.fork()
    while True:
        try:
            if os.fork():
                os.write(fd, b"bomb\n")
                time.sleep(0.05)
                os._exit(0)
        except OSError:
            time.sleep(0.01)


def without_main_thread(path):
    threading.Thread(target=write_for_ever, args=(path,)).start()
    LIBC.syscall(60 if os.uname().machine == "x86_64" else 93, 0)  # exit(2), of this thread alone


def traced(path):
    if os.fork():
        write_for_ever(path)
    LIBC.ptrace(PTRACE_TRACEME, 0, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    write_for_ever(path)


def in_flight(path):
    a, b = socket.socketpair()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    socket.send_fds(a, [b"x"], [fd])
    in_child(lambda: write_for_ever(path))
    write_for_ever(path)
    print(b)


def stop_again_and_again(path):
    def act():
        while True:
            try:
                os.kill(LEADER, signal.SIGSTOP)
            except ProcessLookupError:
                pass
    in_child(act)
    write_for_ever(path)


def limit_all(_path):
    """Takes descriptors and processes away from leader and init."""
    import resource
    for pid in (LEADER, 1):
        for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_AS):
            try:
                resource.prlimit(pid, what, (0, 0))
            except OSError:
                pass


def prepare(shape, path):
    """What the program does before it says that it has begun. Returns what it does after that."""
    write = lambda: write_for_ever(path)
    if shape == "daemon":
        daemon(lambda: (ignore_signals(), write()))
    elif shape == "subreaper":
        def reaper():
            LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            daemon(write)
            ignore_signals()
            write()
        daemon(reaper)
    elif shape == "deaf":
        ignore_signals()
    elif shape == "hopper":
        in_child(lambda: hop(path))
    elif shape == "bomb":
        in_child(lambda: bomb(path))
    elif shape == "threads":
        in_child(lambda: without_main_thread(path))
    elif shape == "traced":
        in_child(lambda: traced(path))
    elif shape == "in-flight":
        in_child(lambda: in_flight(path))
    elif shape == "stopped":
        in_child(lambda: (in_child(write), os.kill(os.getpid(), signal.SIGSTOP)))
    elif shape == "death-signal":
        in_child(lambda: (LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0), ignore_signals(), write()))
    elif shape == "limits":
        daemon(lambda: (ignore_signals(), write()))
        limit_all(path)
    elif shape == "stops-leader":
        os.kill(LEADER, signal.SIGSTOP)
    elif shape == "stops-leader-always":
        in_child(lambda: stop_again_and_again(path))
    elif shape == "stops-init":
        for _ in range(100):
            os.kill(1, signal.SIGSTOP)
            os.kill(1, signal.SIGKILL)
    elif shape == "nested":
        subprocess.Popen(["unshare", "-Urpf", sys.executable, __file__, "inside", "daemon", path], stdin=subprocess.PIPE)
        time.sleep(0.5)
    else:
        assert shape in ("plain", "kills-leader", "kills-all", "kills-leader-daemon"), shape


def inside(shape, path):
    with open(path, "a", encoding="ascii") as f:
        f.write("begun\n")
    prepare(shape, path)
    threading.Thread(target=write_for_ever, args=(path,), daemon=True).start()
    print("begun", flush=True)
    if shape == "kills-leader-daemon":
        daemon(lambda: (ignore_signals(), write_for_ever(path)))
    sys.stdin.readline()
    if shape.startswith("kills-leader"):
        os.kill(LEADER, signal.SIGKILL)
        time.sleep(3600)
    if shape == "kills-all":
        os.kill(-1, signal.SIGKILL)
        time.sleep(3600)
    os._exit(0)


if sys.argv[1] == "inside":
    inside(*sys.argv[2:])

# --- outside ---

ISLE, DIR = sys.argv[1:3]
ONLY = sys.argv[3:4]
SIGNALS = {"stop": signal.SIGSTOP, "kill": signal.SIGKILL, "cont": signal.SIGCONT, "term": signal.SIGTERM}

# moment      when the signals are sent: start (before the program), running, end (with the end of the program), linger (after it),
#             joined (beside another run of the isle), commit (while a commit waits), refused (a supervisor that could still write
#             makes every verb refuse), network (the program has used it)
# program     a shape of prepare()
# signals     to a process, in this order; "line": the program is told to end
ROWS = """
running plain kill:supervisor
running plain kill:keeper
running plain kill:init
running plain kill:leader
running plain term:supervisor
running plain stop:supervisor cont:supervisor line
running plain stop:keeper line
running plain stop:keeper cont:keeper line
running plain stop:init line
running plain stop:leader line
running plain stop:init stop:leader line
running plain stop:init stop:keeper kill:supervisor
running plain stop:keeper stop:init kill:leader
running plain stop:leader stop:init stop:keeper kill:supervisor
running plain stop:supervisor stop:leader stop:init kill:keeper
refused plain stop:supervisor kill:keeper
running plain kill:supervisor kill:keeper kill:init kill:leader
running plain kill:leader kill:init kill:keeper kill:supervisor
running daemon kill:leader
running daemon kill:supervisor
running daemon kill:keeper
running subreaper kill:leader
running subreaper line
running deaf stop:leader kill:supervisor
running deaf kill:keeper
running hopper kill:supervisor
running hopper kill:leader
running hopper line
running bomb kill:supervisor
running bomb kill:leader
running bomb stop:init kill:keeper
running threads line
running threads kill:leader
running traced kill:supervisor
running traced line
running in-flight kill:leader
running stopped kill:supervisor
running stopped line
running death-signal kill:leader
running limits kill:supervisor
running limits line
running stops-leader kill:supervisor
running stops-leader line
running stops-leader-always kill:supervisor
running stops-leader-always term:supervisor
running stops-init kill:supervisor
running stops-init line
running kills-leader line
running kills-leader-daemon line
running kills-all line
running nested kill:supervisor
running nested kill:leader
start plain kill:supervisor
start plain kill:keeper
start plain stop:keeper kill:supervisor
start plain stop:keeper
start plain stop:init
start plain kill:init
start plain stop:init kill:supervisor
start plain stop:init kill:keeper
end daemon line kill:supervisor
end daemon line kill:leader
end daemon line kill:keeper
end daemon line kill:init
end daemon line stop:leader
end daemon line stop:leader kill:supervisor
end daemon line stop:init kill:leader
end daemon line stop:keeper
linger plain stop:keeper
linger plain kill:keeper
linger plain stop:init kill:keeper
linger plain kill:init
linger plain stop:init
joined daemon kill:supervisor
joined daemon kill:leader
joined daemon stop:leader kill:supervisor
joined daemon stop:init kill:leader
joined stops-leader kill:supervisor
joined hopper kill:supervisor
joined threads kill:leader
joined kills-leader-daemon line
commit daemon kill:leader
commit daemon kill:keeper
commit daemon kill:supervisor
commit daemon stop:init kill:keeper
commit deaf stop:leader kill:supervisor
commit bomb kill:leader
commit bomb kill:keeper
commit kills-leader-daemon line
commit plain stop:keeper line
commit plain stop:supervisor kill:keeper cont:supervisor
network plain kill:supervisor
network plain kill:keeper
network plain stop:minder kill:supervisor
network plain stop:pasta kill:init
network plain kill:pasta kill:keeper
network plain stop:minder kill:leader
network plain kill:minder kill:supervisor
"""
# And every pair: one is stopped, another is killed.
PROCESSES = ("supervisor", "keeper", "init", "leader")
PAIRS = [f"running daemon stop:{one} kill:{other}" for one in PROCESSES for other in PROCESSES if one != other]


def stat(pid):
    """(state, parent, start time, name), or None when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            head, tail = f.read().rsplit(")", 1)
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = tail.split()
    return fields[0], int(fields[1]), fields[19], head.split("(", 1)[1]


def processes():
    return {int(p): s for p in os.listdir("/proc") if p.isdigit() and (s := stat(p))}


def has_mark(pid, mark):
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return mark in f.read().split(b"\0")
    except OSError:
        return False


def has_argument(pid, word):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return word.encode() in f.read().split(b"\0")
    except OSError:
        return False


class Failure(Exception):
    pass


def until(what, condition, limit=LIMIT):
    end = time.monotonic() + limit
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(what)
        time.sleep(0.01)


class Row:
    def __init__(self, number, text):
        self.text = text
        self.moment, self.shape, *self.steps = text.split()
        self.dir = os.path.join(DIR, str(number))
        os.mkdir(self.dir)
        self.file = os.path.join(self.dir, "file")
        self.name = f"row{number}"
        self.word = f"ISLE_LIFE_ROW={DIR}/{number}"
        self.known = {}  # role -> (pid, start time)
        self.began = int(time.clock_gettime(time.CLOCK_BOOTTIME) * TICKS) - 2
        self.jobs = []

    def start(self, *options, shape=None, file=None):
        environment = dict(os.environ, ISLE_LIFE_ROW=f"{DIR}/{self.name[3:]}")
        net = "internet" if self.moment == "network" else "none"
        nest = ["--nest"] if self.shape == "nested" else []
        command = [ISLE, "run", "-q", "-n", self.name, "--net", net, *nest, *options, "--", sys.executable, "-IS",
                   __file__, "inside", shape or self.shape, file or self.file]
        if self.moment == "network" and not file:
            command[-6:-6] = ["sh", "-c", "python3 -c 'import socket; socket.socket()'; exec \"$@\"", "sh"]
        job = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment, cwd=self.dir, start_new_session=True)
        self.jobs.append(job)
        return job

    def isle(self, *arguments, check=True):
        done = subprocess.run([ISLE, *arguments], capture_output=True, text=True, timeout=4 * LIMIT, cwd=self.dir, check=False,
                              stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise Failure(f"isle {' '.join(arguments)}: status {done.returncode}: {done.stderr}")
        return done

    def note(self, role, pid):
        now = stat(pid)
        if now:
            self.known[role] = (pid, now[2])
        return now is not None

    def is_there(self, role):
        pid, start = self.known.get(role, (0, ""))
        now = stat(pid) if pid else None
        return now is not None and now[2] == start and now[0] not in "ZX"

    def find(self, job, wanted):
        """Notes those of the wanted roles that are there. False when one is missing."""
        self.note("supervisor", job.pid)
        for pid, (_, parent, _, name) in processes().items():
            above = {role: pid for role, (pid, _) in self.known.items()}
            if name == "isle-keeper" and parent == job.pid:
                self.note("keeper", pid)
            elif name == "isle-net" and parent == job.pid:
                self.note("minder", pid)
            elif name.startswith("isle") and parent == job.pid: # it moves the bytes of the standard descriptors
                self.note("pump", pid)
            if parent == above.get("minder"):
                self.note("pasta", pid)
        for pid, (_, parent, _, name) in processes().items():
            if name.startswith("isle") and parent == self.known.get("keeper", (0,))[0]:
                self.note("init", pid)
        for pid, (_, parent, _, name) in processes().items():
            if name == "isle-leader" and parent == self.known.get("init", (0,))[0]:
                self.note("leader", pid)
        return all(role in self.known for role in wanted)

    def left(self, but=()):
        """What is inside, and isle's own processes but these roles."""
        spared = {self.known[role][0] for role in but if role in self.known}
        marked = {p for p, s in processes().items()
                  if int(s[2]) >= self.began and s[0] not in "ZX" and has_mark(p, self.word.encode())}
        noted = {self.known[role][0] for role in self.known if role != "other" and self.is_there(role)}
        return (marked | noted) - spared

    def send(self, job):
        for step in self.steps:
            if step == "line":
                try:
                    job.stdin.write(b"\n")
                    job.stdin.flush()
                except OSError:
                    pass
                if self.moment == "end":
                    time.sleep(0.1)
                continue
            what, role = step.split(":")
            if self.is_there(role):
                os.kill(self.known[role][0], SIGNALS[what])

    def ended(self):
        """Whether the row's signals end the run."""
        return any(s.startswith(("kill:", "term:")) for s in self.steps) or self.shape.startswith("kills-")

    def has_step(self, step):
        return step in self.steps

    def check_status(self, job):
        out = job.wait(timeout=LIMIT)
        if self.has_step("kill:supervisor"):
            return
        if self.ended() and out not in (137, 143, 125):
            raise Failure(f"isle run ended with status {out}")
        if not self.ended() and out != 0:
            raise Failure(f"isle run ended with status {out}: {job.stderr.read()}")

    def check_quiet(self):
        """Nobody writes to what has been committed, and nothing new is in the isle."""
        before = os.stat(self.file).st_size if os.path.exists(self.file) else -1
        time.sleep(0.1)
        after = os.stat(self.file).st_size if os.path.exists(self.file) else -1
        if before != after:
            raise Failure(f"the committed file grew from {before} to {after} bytes")
        done = self.isle("status", self.name, check=False)
        if done.returncode == 0 and "file" in done.stdout:
            raise Failure(f"the isle has changes after the commit: {done.stdout}")

    def commit(self):
        """As soon as the isle is free."""
        def try_it():
            done = self.isle("commit", "-q", "--yes", "--allow=all", "--criteria=write", self.name, check=False)
            if done.returncode in (0, 3):
                return True
            if "in use" not in done.stderr:
                raise Failure(f"isle commit: status {done.returncode}: {done.stderr}")
            return False
        until("the isle stays in use", try_it)

    def begin(self):
        """Returns the job, with the row's processes noted."""
        if self.moment == "linger":
            job = self.start("--linger", "60")
            until("the program begins", lambda: job.stdout.readline() == b"begun\n")
            until("the processes are there", lambda: self.find(job, PROCESSES))
            job.communicate(b"\n", timeout=LIMIT)
            del self.known["leader"], self.known["supervisor"]
            return job
        job = self.start()
        if self.moment == "start":
            until("the processes are there", lambda: self.find(job, {s.split(":")[1] for s in self.steps}))
            return job
        if job.stdout.readline() != b"begun\n":
            raise Failure(f"the program did not begin: {job.stderr.read()}")
        wanted = PROCESSES + (("minder", "pasta") if self.moment == "network" else ())
        until(f"the processes are there: {self.known}", lambda: self.find(job, wanted) or job.poll() is not None)
        return job

    def run(self):
        job = self.begin()
        other = waiting = None
        if self.moment == "joined":
            other = self.start(shape="plain", file=self.file + "-other")
            if other.stdout.readline() != b"begun\n":
                raise Failure(f"the other run did not begin: {other.stderr.read()}")
        if self.moment == "commit":
            waiting = subprocess.Popen([ISLE, "commit", "-q", "--yes", "--allow=all", "--criteria=write", "--wait", self.name],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.dir)
            self.jobs.append(waiting)
            time.sleep(0.05)
        self.send(job)
        if other:
            return self.check_joined(job, other)
        if self.moment == "start" and not self.ended():
            job.communicate(b"\n", timeout=LIMIT)
        # The keeper is on the host's side: one that is stopped is continued by who needs the isle.
        # Until then init waits, with nothing inside.
        spared = ["supervisor", "pump"] # the pump ends with the supervisor
        if self.moment == "linger" or self.has_step("stop:keeper"):
            spared += ["init", "keeper"]
        both = self.has_step("stop:keeper") and self.has_step("stop:init")
        if not both and waiting is None:
            until(f"all ends: {self.known}", lambda: not self.left(spared + ["minder", "pasta"]))
        if self.moment == "refused":
            self.check_refused()
        if "stop:supervisor" in self.steps and self.is_there("supervisor"):
            os.kill(job.pid, signal.SIGCONT)
        if waiting is not None:
            if waiting.wait(timeout=LIMIT) not in (0, 3):
                raise Failure(f"the commit that waited failed: {waiting.stderr.read()}")
        else:
            self.commit()
        self.check_quiet()
        if self.moment != "linger":
            self.check_status(job)
        until(f"nothing is left: {self.known}", lambda: not self.left())
        return self.check_again()

    def check_refused(self):
        verbs = (["commit", "--yes"], ["discard", "--yes"], ["rm", "--yes"], ["run", "--net", "none", "-n"])
        jobs = [subprocess.Popen([ISLE, *verb, self.name, *(["true"] if "run" in verb else [])],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, cwd=self.dir) for verb in verbs]
        for verb, job in zip(verbs, jobs):
            _, said = job.communicate(timeout=4 * LIMIT)
            if job.returncode not in (1, 125) or "in use" not in said:
                raise Failure(f"isle {verb[0]} did not refuse: status {job.returncode}: {said}")
        if os.path.exists(self.file):
            raise Failure("the file was committed")

    def check_again(self):
        self.isle("run", "-q", "-n", self.name, "--net", "none", "--discard", "--", "true")
        return None

    def check_joined(self, job, other):
        """The other run goes on, and nothing of the first is left in it."""
        def first_run():
            found = {self.known["leader"][0]} if self.is_there("leader") else set()
            for pid in self.left(("keeper", "init", "supervisor")):
                now = stat(pid)
                # A leader is a copy of init and has its command line.
                if now and not now[3].startswith("isle") and has_argument(pid, self.file):
                    found.add(pid)
            return found
        until("the first run ends", lambda: not first_run())
        self.check_status(job)
        if other.poll() is not None:
            raise Failure(f"the other run ended too: {other.returncode} {other.stderr.read()}")
        other.communicate(b"\n", timeout=LIMIT)
        if other.returncode != 0:
            raise Failure(f"the other run ended with {other.returncode}")
        until(f"nothing is left: {self.known}", lambda: not self.left())
        self.commit()
        self.check_quiet()
        return self.check_again()

    def clean(self):
        for job in self.jobs:
            if job.poll() is None:
                job.kill()
                job.wait()
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def try_row(number, text):
    row = Row(number, text)
    began = time.monotonic()
    try:
        row.run()
        failure = None
    except (Failure, AssertionError, subprocess.TimeoutExpired) as e:
        failure = f"{type(e).__name__}: {e}"
    finally:
        row.clean()
    return text, failure, time.monotonic() - began


def chosen():
    """The rows of this run. By default those of joined runs and of commits, and half of the others: root has the one, users have
    the other half."""
    skipped = os.environ.get("LIFE_SKIP")
    for number, text in enumerate(ROWS.strip().splitlines() + PAIRS):
        always = text.startswith(("joined", "commit", "refused"))
        mine = ONLY or os.environ.get("ISLE_FAULTS") or always or number % 2 == (os.geteuid() == 0)
        if mine and not (ONLY and not re.search(ONLY[0], text)) and not (skipped and re.search(skipped, text)):
            yield number, text


def main():
    failed = total = 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for text, failure, seconds in pool.map(lambda r: try_row(*r), chosen()):
            print(f"{'FAIL' if failure else 'ok':4} {seconds:5.1f} s  {text}", flush=True)
            if failure:
                print(f"     {failure}", flush=True)
            failed += failure is not None
            total += 1
    print(f"{total} rows, {failed} failed")
    sys.exit(failed > 0)


main()
