# SPDX-License-Identifier: Apache-2.0
"""Runs the attempts of the tables in isles and looks whether the host is as before. tests/cli/escape.sh starts it, as root.

    host.py WHO UID GID ISLE ESCAPE [--only CLASS | NAME]... [--fuzz SECONDS [--seed SEED]]

README.md describes the tables. All rows that want the same set-up (mode, network, what they are given) share one run. When the host is
changed afterwards, the rows are run again in halves until it is known which row did it. Exit status 1 when a row escaped or could not be tried.
"""
import argparse, collections, ctypes, os, pty, random, re, shutil, signal, socket, subprocess, sys, tempfile, time

from canaries import Canaries, PORT, run

MODES = dict(recorded=[], nest=["--nest"], joined=[])
MODES["no-track"] = ["--no-track"]
MODES["weak"] = []  # root without CAP_SYS_ADMIN, as in a container
ALIASES = dict(all="recorded,no-track,nest,joined", any="recorded,no-track,nest", walls="recorded,no-track,joined", both="root,user", out="internet,none",
               every="internet,none,host")
LEAST = 400
LIMIT = 200

Row = collections.namedtuple("Row", "name who mode net given steps expected cls")
Case = collections.namedtuple("Case", "row mode net")


def core_goes_to_helper():
    with open("/proc/sys/kernel/core_pattern") as f:
        return f.read(1) in ("|", "@")


# A row whose last column says "if NAME" is run only there; it is counted as absent elsewhere.
CONDITIONS = dict(x86=lambda: os.uname().machine == "x86_64", core_helper=core_goes_to_helper, core_file=lambda: not core_goes_to_helper(),
                  kvm=lambda: os.path.exists("/dev/kvm"))


def read_tables(directory):
    rows, seen = [], set()
    for name in sorted(os.listdir(directory)):
        with open(f"{directory}/{name}") as f:
            for number, line in enumerate(f, 1):
                if line.startswith("#") or not line.strip():
                    continue
                fields = [field.strip() for field in line.rstrip("\n").split(" | ")]
                if len(fields) != 7 or fields[0] in seen:
                    sys.exit(f"{directory}/{name}:{number}: not a row, or a name that is there already: {fields[0]}")
                seen.add(fields[0])
                rows.append(Row(*fields, name))
    return rows


def spread(text):
    for part in text.split(","):
        yield from ALIASES.get(part, part).split(",")


class Runner:
    def __init__(self, o):
        self.o = o
        self.home = tempfile.mkdtemp(prefix="isle-escape.", dir=os.path.expanduser(f"~{o.who}"))
        os.chmod(self.home, 0o755)
        os.chown(self.home, o.uid, o.gid)
        for name in "bin", "rows", "store":
            os.mkdir(f"{self.home}/{name}")
            os.chown(f"{self.home}/{name}", o.uid, o.gid)
        os.chmod(self.home + "/store", 0o700)
        # A copy of isle that belongs to who runs this: for a user the installed one is out of reach anyway.
        for name, source in (("isle", o.isle), ("escape", o.escape)):
            shutil.copy(source, f"{self.home}/bin/{name}")
            os.chmod(f"{self.home}/bin/{name}", 0o755)
            os.chown(f"{self.home}/bin/{name}", o.uid, o.gid)
        self.isle = self.home + "/bin/isle"
        self.canaries = Canaries(self.home, o.uid, o.gid)
        self.canaries.vars |= dict(STORE=self.home + "/store", ISLE=self.isle)
        disk = os.stat("/").st_dev
        # The special attempts (calls.c ...) take what they need from the environment.
        self.env = dict(
            os.environ, ISLE_HOME=self.home + "/store", ISLE_CONFIG="none", ISLE_PLACES="none", TMPDIR="/var/tmp", ESCAPE_DIR=self.canaries.host,
            ESCAPE_FILE=self.canaries.host + "/file", ESCAPE_STORE=self.home + "/store", ESCAPE_PROGRAM=self.isle, ESCAPE_PID=self.canaries.vars["PID"],
            ESCAPE_ABSTRACT=self.canaries.vars["ABSTRACT"] + "-stream", ESCAPE_SOCKET=self.home + "/sockets/stream", ESCAPE_PORT=str(PORT),
            ESCAPE_ADDRESSES="127.0.0.1 127.0.0.2 192.0.2.10 198.51.100.10", ESCAPE_SHM="isle-escape", ESCAPE_SHMID=self.canaries.vars["SHMID"],
            ESCAPE_SHMKEY=self.canaries.vars["KEY"], ESCAPE_DISK=f"{os.major(disk)}:{os.minor(disk)}", ESCAPE_PIDNS=os.readlink("/proc/self/ns/pid"),
            ESCAPE_HANDLE=run(self.home + "/bin/escape", "--handle", self.canaries.host + "/file").strip())
        self.canaries.settle()
        self.before = self.canaries.state(True)
        self.number, self.counts, self.bad, self.guilty = 0, collections.Counter(), [], set()

    # ---- what a run is given

    def standard(self, given, slots):
        """given: "0<file 1>>file 0=KIND --option env:NAME=VALUE"; fills slots, returns options, environment and what to close."""
        options, env, opened = [], {}, []
        host = self.canaries.host
        flags = {"<": os.O_RDONLY, ">": os.O_WRONLY, "<>": os.O_RDWR, ">>": os.O_WRONLY | os.O_APPEND}
        for word in given.split():
            redirect = re.fullmatch(r"([012])(<>|>>|<|>)(\S+)", word)
            thing = re.fullmatch(r"([012])=(\S+)", word)
            if word == "-":
                continue
            if word.startswith("--"):
                options += [self.expand(part) for part in word.split("=", 1)]
            elif word.startswith("env:"):
                name, _, value = word[4:].partition("=")
                env[name] = self.expand(value)
            elif redirect:
                path = redirect[3] if redirect[3].startswith("/") else f"{host}/{redirect[3]}"
                fd = os.open(path, flags[redirect[2]] | os.O_NONBLOCK | os.O_NOCTTY)
                slots[int(redirect[1])] = fd
                opened.append(fd)
            elif thing:
                slots[int(thing[1])] = self.make_thing(thing[2], opened)
            else:
                sys.exit(f"what is '{word}'?")
        return options, env, opened

    def make_thing(self, kind, opened):
        c, host = self.canaries, self.canaries.host
        if kind == "dir":
            fd = os.open(host, os.O_RDONLY | os.O_DIRECTORY)
        elif kind == "root-dir":
            fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        elif kind == "path-dir":
            fd = os.open(host, os.O_PATH | os.O_DIRECTORY)
        elif kind == "path-file":
            fd = os.open(host + "/file", os.O_PATH)
        elif kind == "path-link":
            fd = os.open(host + "/link", os.O_PATH | os.O_NOFOLLOW)
        elif kind == "path-device":
            fd = os.open("/dev/null", os.O_PATH)
        elif kind == "pty":
            return c.pty_slave
        elif kind == "pty-master":
            return c.pty_master
        elif kind == "tcp":
            s = socket.create_connection(("192.0.2.1", PORT))
            fd = s.detach()
        elif kind in ("tcp-unconnected", "udp", "tcp6-unconnected", "udp6"):
            s = socket.socket(socket.AF_INET6 if "6" in kind else socket.AF_INET, socket.SOCK_DGRAM if "udp" in kind else socket.SOCK_STREAM)
            fd = s.detach()
        elif kind in ("unix-dgram", "unix-stream", "unix-seqpacket"):
            s = socket.socket(socket.AF_UNIX, dict(dgram=socket.SOCK_DGRAM, stream=socket.SOCK_STREAM, seqpacket=socket.SOCK_SEQPACKET)[kind[5:]])
            fd = s.detach()
        elif kind == "unix-pair":
            a, b = socket.socketpair()
            fd = a.detach()
            opened.append(b.detach())
        elif kind == "listener":
            fd = socket.create_server(("127.0.0.1", 0)).detach()
        elif kind == "packet":
            fd = socket.socket(socket.AF_PACKET, socket.SOCK_RAW).detach()
        elif kind == "netlink":
            fd = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).detach()
        elif kind == "memfd":
            fd = os.memfd_create("escape")
        elif kind == "memfd-ro":
            both = os.memfd_create("escape")
            fd = os.open(f"/proc/self/fd/{both}", os.O_RDONLY)
            c.memfds.append(both)
        elif kind in ("pipe-in", "pipe-out"):
            # The shell that started isle has the same pipe: what is written to it is a command, what is read from it is gone.
            r, w = os.pipe()
            os.fchown(r, self.o.uid, self.o.gid)
            if kind == "pipe-out":
                os.write(w, b"of the host")
                c.pipes_out.add((r, w))
            c.pipes.append((r, w))
            fd = os.dup(r if kind == "pipe-in" else w)
        elif kind == "pidfd":
            fd = os.pidfd_open(c.process.pid)
        elif kind == "userns":
            fd = os.open("/proc/self/ns/user", os.O_RDONLY)
        elif kind == "mntns":
            fd = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        elif kind == "netns":
            fd = os.open("/proc/self/ns/net", os.O_RDONLY)
        elif kind == "proc-dir":
            fd = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        elif kind == "mqueue":
            fd = os.open("/dev/mqueue/isle-escape", os.O_RDWR | os.O_NONBLOCK)
        elif kind == "epoll":
            import select
            e = select.epoll()
            fd = os.dup(e.fileno())
        elif kind == "inotify":
            fd = ctypes.CDLL(None).inotify_init1(0)
        elif kind == "closed":
            return "closed"
        else:
            sys.exit(f"no such thing: {kind}")
        opened.append(fd)
        return fd

    def expand(self, text):
        return re.sub(r"\$(\w+)", lambda m: self.canaries.vars.get(m[1], m[0]), text)

    # ---- a run

    def isle_run(self, mode, net, given, command, name=None, report=2, cwd=None):
        """Returns the status, what was reported, and the other text."""
        slots = [subprocess.DEVNULL, subprocess.DEVNULL, subprocess.DEVNULL]
        options, more, opened = self.standard(given, slots)
        report = 1 if report == 2 and slots[2] != subprocess.DEVNULL else report
        read, write = os.pipe()
        slots[report] = write
        other = tempfile.TemporaryFile()
        if report == 1 and slots[2] == subprocess.DEVNULL:
            slots[2] = other.fileno()
        keep = ["-n", name] if name else ["--discard"]
        weak = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"] if mode == "weak" else []
        words = [*weak, self.isle, "run", "-q", *keep, "--net", net, *MODES[mode], *options, "--", *[w.replace("@REPORT", str(report)) for w in command]]
        closed = [i for i, s in enumerate(slots) if s == "closed"]
        slots = [subprocess.DEVNULL if s == "closed" else s for s in slots]
        child = subprocess.Popen(words, stdin=slots[0], stdout=slots[1], stderr=slots[2], env=self.env | more | dict(ESCAPE_NET=net), cwd=cwd or self.canaries.host,
                                 start_new_session=True, user=self.o.uid, group=self.o.gid, extra_groups=[] if self.o.uid else [0],
                                 preexec_fn=(lambda: [os.close(i) for i in closed]) if closed else None)
        os.close(write)
        for fd in opened:
            os.close(fd)
        timer = time.time() + LIMIT
        text = b""
        os.set_blocking(read, False)
        while child.poll() is None and time.time() < timer:
            try:
                text += os.read(read, 65536)
            except BlockingIOError:
                pass
            time.sleep(0.01)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            text += b"\nthe run took too long\n"
        status = child.wait()
        time.sleep(0.02)
        try:
            while more_text := os.read(read, 65536):
                text += more_text
        except BlockingIOError:
            pass
        os.close(read)
        return status, text.decode(errors="replace")

    def attempt(self, cases, number=None):
        """One run of these cases, all of one set-up. Returns {case: (word, seen)}."""
        self.number += 1
        row, mode, net = cases[0].row, cases[0].mode, cases[0].net
        parts = row.steps.split(" ;; ")
        name = f"x{self.number}" if len(parts) > 1 else "joined-" + net if mode == "joined" else None
        results = {}
        for number, part in enumerate(parts):
            last = number + 1 == len(parts)
            path = f"{self.home}/rows/{self.number}-{number}"
            with open(path, "w") as f:
                for case in cases:
                    steps = self.expand(case.row.steps if len(parts) == 1 else part).replace("@NAME", case.row.name)
                    expected = re.sub(r" if \S+$", "", case.row.expected) if last else "own,refused"
                    f.write(f"{case.row.name}\t{expected}\t{steps}\n")
            os.chmod(path, 0o644)
            jobs = "16" if row.cls == "sockets" else "1"
            status, text = self.isle_run(mode, net, row.given, [self.home + "/bin/escape", "-j", jobs, "-o", "@REPORT", path], name, cwd="/" if len(parts) > 1 else None)
            reported = {}
            for line in text.splitlines():
                fields = line.split("\t")
                if len(fields) == 3:
                    reported[fields[1]] = (fields[0], fields[2])
            for case in cases:
                if case.row.name in reported:
                    results[case] = reported[case.row.name]
                elif status == 125 and "125" in case.row.expected.split(" ")[0].split(","):
                    results[case] = ("OK", "refused by isle run")
                else:
                    results[case] = ("UNTRIED", f"status {status}: " + " ".join(text.split())[-300:])
            if not last and any(results[c][0] == "UNTRIED" for c in cases) or status == 125:
                break
        if len(parts) > 1:
            self.delete(name)
        return results

    def delete(self, name):
        subprocess.run([self.isle, "rm", "-q", "--yes", name], env=self.env, user=self.o.uid, group=self.o.gid, extra_groups=[], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def changes(self, everything=False):
        time.sleep(0.03)
        after = self.canaries.state(everything)
        self.events = after["events"]
        return [f"{key}: {str(self.before.get(key))[:150]} -> {str(after.get(key))[:150]}" for key in sorted(after.keys() | (self.before.keys() if everything else set()))
                if self.before.get(key) != after.get(key) and not (key.startswith("modes ") and None in (self.before.get(key), after.get(key)))]

    def restore(self, changes):
        self.canaries.restore({change.split(": ")[0] for change in changes})

    def find(self, cases, everything):
        """Which of them changed the host? Yields (case, changes)."""
        if len(cases) == 1:
            self.attempt(cases)
            changes = self.changes(everything)
            if changes:
                self.restore(changes)
                yield cases[0], changes
            return
        for half in cases[:len(cases) // 2], cases[len(cases) // 2:]:
            self.attempt(half)
            changes = self.changes(everything)
            if changes:
                self.restore(changes)
                yield from self.find(half, everything)

    def named(self, cases, changes, results):
        """Datagrams carry the name of their row, and who makes a connection knows it. None when something else has changed."""
        if cases[0].row.cls != "sockets" or any(not change.startswith("events: ") for change in changes):
            return None
        guilty = [(case, [event]) for case in cases for event in self.events if f"b'{case.row.name}\\x00'" in event or f"b'{case.row.name}'" in event]
        known = {event for _, (event,) in guilty}
        rest = [event for event in self.events if event not in known]
        if rest and not any("ESCAPED" == word for word, _ in results.values()):
            return None
        return guilty

    def judge(self, cases):
        started = time.time()
        everything = cases[0].row.cls in ("proc", "sys")
        results = self.attempt(cases)
        changes = self.changes(everything)
        if changes:
            self.restore(changes)
            guilty = self.named(cases, changes, results)
            if guilty is None:
                guilty = list(self.find(cases, everything)) if len(cases) > 1 else [(cases[0], changes)]
            self.guilty |= {case.row.name for case, _ in guilty}
            for case, what in guilty:
                results[case] = ("ESCAPED", results[case][1] + "; the host: " + "; ".join(what[:4]))
            if not guilty:
                print(f"NOTE  the host changed once and not again, in {cases[0].mode}, {cases[0].net}: {changes[:3]}", flush=True)
        for case, (word, seen) in results.items():
            self.counts[word] += 1
            if word in ("ESCAPED", "UNTRIED"):
                self.bad.append(case.row.name)
            if word in ("ESCAPED", "UNTRIED") or self.o.verbose:
                print(f"{word:8}{self.o.who} {case.row.cls}/{case.row.name} {case.mode} {case.net}: {seen}", flush=True)
        if self.o.verbose:
            print(f"--      {len(cases)} cases in {time.time() - started:.1f} s, {cases[0].mode} {cases[0].net} {cases[0].row.given}", flush=True)

    # ---- all

    def groups(self, rows):
        groups = collections.defaultdict(list)
        for row in rows:
            if self.o.name not in spread(row.who):
                continue
            condition = re.search(r" if (\S+)$", row.expected)
            if condition and not CONDITIONS[condition[1]]():
                self.counts["ABSENT"] += 1
                continue
            for mode in spread(row.mode):
                for net in () if mode == "weak" and self.o.uid else spread(row.net):
                    alone = row.name if ";;" in row.steps else ""
                    groups[mode, net, row.given, row.cls in ("proc", "sys"), row.cls == "sockets", alone].append(Case(row, mode, net))
        return groups

    def keep_mounted(self, net):
        child = subprocess.Popen([self.isle, "run", "-q", "-n", "joined-" + net, "--net", net, "--", "sh", "-c", "echo up; exec sleep 1000"], env=self.env, user=self.o.uid,
                                 group=self.o.gid, extra_groups=[], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        child.stdout.readline()
        return child

    def run_interpreter(self):
        """CMD is a script whose interpreter is the program that executes it: the leader, which is isle."""
        path = self.home + "/rows/script"
        with open(path, "w") as f:
            f.write("#!/proc/self/exe\n")
        os.chmod(path, 0o755)
        self.isle_run("recorded", "none", "-", [path])
        changes = self.changes(True)
        if changes:
            print("ESCAPED a script that the leader interprets: " + "; ".join(changes[:10]))
            self.bad.append("interpreter")
            self.restore(changes)

    def run_all(self, rows):
        groups = self.groups(rows)
        mounted = {net: self.keep_mounted(net) for net in {net for mode, net, *_ in groups if mode == "joined"}}
        for cases in groups.values():
            # What changed the host in another set-up would hide what others do.
            known = [case for case in cases if case.row.name in self.guilty and case.row.cls != "sockets"]
            for case in known:
                self.judge([case])
            if len(known) < len(cases):
                self.judge([case for case in cases if case not in known])
        if not self.o.only:
            self.run_interpreter()
        for net, child in mounted.items():
            child.terminate()
            child.wait()
        last = self.changes(True)
        if last:
            print("ESCAPED the host is not as before at the end: " + "; ".join(last[:10]))
            self.bad.append("at the end")
        tried = len({case.row.name for cases in groups.values() for case in cases})
        print(f"{self.o.who}: {tried} rows, {sum(len(c) for c in groups.values())} attempts in {len(groups)} set-ups: {dict(self.counts)}")
        if not self.o.only and tried < LEAST:
            print(f"only {tried} of at least {LEAST} rows were tried")
            return 1
        if self.bad:
            print("failing rows: " + " ".join(sorted(set(self.bad))))
        return 1 if self.bad else 0

    def fuzz(self):
        seed = self.o.seed if self.o.seed is not None else random.randrange(1 << 30)
        bad = 0
        for mode, net in (("recorded", "internet"), ("no-track", "none")):
            # A program may end its own run, by what it does to the leader or to init, or stop itself for ever, by a
            # signal or as its own tracer. Then another seed has its turn. Children have the seeds that follow one
            # another: the next one is beyond them.
            for one in range(seed, seed + 6 * 1000003, 1000003):
                status, text = self.isle_run(mode, net, "", [self.home + "/bin/escape", "--fuzz", str(one), str(max(1, self.o.fuzz // 2))] +
                                             ([str(self.o.child)] if self.o.child else []))
                print(f"{self.o.who} {mode} {net}: status {status}: {' '.join(re.findall('fuzz: .*', text))}", flush=True)
                changes = self.changes(True)
                if changes or "children" in text or status not in (137, -signal.SIGKILL):
                    break
            if changes or "children" not in text:
                bad = 1
                print(f"ESCAPED {self.o.who} {mode} with seed {one}: " + "; ".join(changes[:20]), flush=True)
                self.restore(changes)
        return bad

    def end(self):
        self.canaries.end()
        shutil.rmtree(self.home, ignore_errors=True)


def main():
    global LIMIT
    p = argparse.ArgumentParser()
    for name in "who", "uid", "gid", "isle", "escape":
        p.add_argument(name, type=int if name in ("uid", "gid") else str)
    p.add_argument("--only", nargs="*", default=[])
    p.add_argument("--fuzz", type=int, default=0)
    p.add_argument("--seed", type=int)
    p.add_argument("--child", type=int)
    p.add_argument("--verbose", action="store_true")
    o = p.parse_args()
    o.name = "root" if o.uid == 0 else "user"
    if o.fuzz:
        LIMIT = o.fuzz // 2 + 20
    rows = read_tables(os.path.join(os.path.dirname(os.path.abspath(__file__)), "attempts"))
    if o.only:
        rows = [r for r in rows if r.cls in o.only or r.name in o.only]
    runner = Runner(o)
    try:
        sys.exit(runner.fuzz() if o.fuzz else runner.run_all(rows))
    finally:
        runner.end()


main()
