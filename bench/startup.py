# SPDX-License-Identifier: Apache-2.0
"""What it costs to get in: `true` as a new isle, in an isle that exists, in one that is mounted, in a full store."""
import os
import shutil

import measure
import workloads

FULL = 1000


def _isle(place, store, *arguments):
    return [f"ISLE_HOME={store}", place.isle, "run", "-q", "--keep", *arguments, "--", "/bin/true"]


def _fill(place, store, count, tell):
    tell(f"{place.name}: filling a store with {count} isles")
    script = 'i=0; while [ $i -lt $1 ]; do "$2" run -q --keep -n full-$i -- /bin/true || exit 1; i=$((i + 1)); done'
    place.call(["env", f"ISLE_HOME={store}", "sh", "-c", script, "-", str(count), place.isle])


def _commands(place, contenders, full_store):
    """The isle is measured in several ways, so it is spelt out; the others are what argv() says."""
    commands, by_name = {}, {c.name: c for c in contenders}
    for name, contender in by_name.items():
        contender.fresh()
        if name not in ("isle", "bare"):
            commands[name] = contender.argv(["/bin/true"])
    if "bare" in by_name:
        layers = place.new_directory("bare-new")
        place.call(["chattr", "+T", layers], check=False)  # as isle does where its isles are: store.c
        commands["bare, new layers"] = [place.bare, "-d", layers, "--", "/bin/true"]
        commands["bare, same layers"] = by_name["bare"].argv(["/bin/true"])
    if "isle" in by_name:
        store = place.path("store-start")
        commands["isle, new"] = _isle(place, store)
        commands["isle, at rest"] = _isle(place, store, "-n", "rests")
        if full_store:
            commands["isle, new, full store"] = _isle(place, full_store)
            commands["isle, at rest, full store"] = _isle(place, full_store, "-n", "full-1")
    return commands


def run(place, contenders, rounds, full, tell):
    """One row for the starts, one for joining what is mounted."""
    has_isle = any(c.name == "isle" for c in contenders)
    full_store = place.path("store-full") if full and has_isle else None
    if full_store:
        _fill(place, full_store, FULL, tell)
    tell(f"{place.name}: start-up")
    start = measure.time_turns(place, _commands(place, contenders, full_store), rounds, warmup=5)
    tell(f"{place.name}: joining")
    held = [c for c in contenders if c.name in ("native", "isle", "bare")]
    commands = {}
    try:
        for contender in held:
            contender.fresh()
            contender.hold()
            commands[contender.name] = contender.argv(["/bin/true"])
        join = measure.time_turns(place, commands, rounds, warmup=5)
    finally:
        for contender in held:
            contender.release()
    return (workloads.Row("`true`", "start-up", place.name, start), workloads.Row("`true`", "joining", place.name, join))
