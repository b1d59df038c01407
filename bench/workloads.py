# SPDX-License-Identifier: Apache-2.0
"""Work on large trees: native, in each contender, cold and warm.

    cold   the kernel's caches are dropped before each sample; what a contender mounts is mounted within it
    new    caches are warm; what a contender mounts is mounted within the sample
    kept   caches are warm and the contender keeps its mounts from sample to sample, where it can be joined
"""
import os
import shlex

import measure
import trees

SLOW_ROUNDS = 2
STATES = {"cold": "caches dropped", "new": "warm, mounted anew", "kept": "warm, kept mounted"}


class Work:
    def __init__(self, name, script, states, writes=False, reset=None):
        self.name = name
        self.script = script
        self.states = states
        self.writes = writes  # each sample gets layers of its own
        self.reset = reset  # takes back what the native run did, not measured


class Row:
    def __init__(self, name, state, place, samples):
        self.name = name
        self.state = state
        self.place = place
        self.samples = samples


def tree_work(place, tree):
    quoted = shlex.quote(tree)
    out = shlex.quote(place.path("untarred"))
    return [
        Work("git status", f"git -C {quoted} status --short", ("cold", "new", "kept")),
        Work("find", f"find {quoted} -type f -size +1000k", ("cold", "new", "kept")),
        Work("grep -r", f"grep -r no-such-word {quoted} || true", ("cold", "new", "kept")),
        Work("untar", f"d=$(mktemp -d {out}.XXXXXX) && tar -xf {shlex.quote(place.path('tree.tar'))} -C $d",
             ("cold", "new"), writes=True),
    ]


def compile_work(project):
    build = shlex.quote(os.path.join(project, "build"))
    return Work("compile", f"ninja -C {build} -j2", ("new",), writes=True, reset=f"ninja -C {build} -t clean")


def install_work(place, package):
    """dpkg into a root of its own: natively that leaves this machine's own packages alone."""
    pristine = shlex.quote(place.path("pristine"))
    trees.make_dpkg_root(place, "pristine")
    native = shlex.quote(place.path("installed"))
    install = f"dpkg --root={native} --force-depends --force-script-chrootless -i {shlex.quote(package)}"
    # The native run gets a new copy each time; the old one is moved away, since deleting slows down what follows.
    renew = f"cp -a {pristine} {native}.new && {{ [ ! -e {native} ] || mv {native} $(mktemp -d {native}.old.XXXX); }} && " \
            f"mv {native}.new {native}"
    return Work(f"dpkg -i {os.path.basename(package).split('_')[0]}", install, ("new",), writes=True, reset=renew)


def _sample(place, contender, work, state):
    if work.writes:
        contender.fresh()
    if work.reset:
        place.call(["sh", "-c", work.reset])
    if state == "cold":
        measure.drop_caches()
    elif work.writes:
        os.sync()
    return measure.time_one(place, contender.argv(["sh", "-c", work.script]))


def _takes_part(contender, state, turn):
    return not contender.slow or (state != "kept" and 0 <= turn < SLOW_ROUNDS)


def _measure_state(place, contenders, work, state, rounds):
    samples = measure.Samples()
    for contender in contenders:
        contender.fresh()
        if state == "kept":
            contender.hold()
    try:
        for turn in range(-1, rounds):
            for offset in range(len(contenders)):
                contender = contenders[(turn + offset) % len(contenders)]
                if not _takes_part(contender, state, turn):
                    continue
                seconds = _sample(place, contender, work, state)
                if turn >= 0:
                    samples.add(contender.name, seconds)
    finally:
        for contender in contenders:
            contender.release()
    return samples


def run(place, contenders, work, rounds, tell):
    rows = []
    for state in work.states:
        if state == "cold" and os.geteuid() != 0:
            continue
        tell(f"{place.name}: {work.name}, {STATES[state]}")
        rows.append(Row(work.name, state, place.name, _measure_state(place, contenders, work, state, rounds)))
    return rows
