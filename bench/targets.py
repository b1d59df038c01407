# SPDX-License-Identifier: Apache-2.0
"""What isle has promised to reach, and whether it does in this run. --quick looks for regressions only: it allows
three times as much, since it runs on busy machines with few samples, and start-ups that are slow because
the machine is (by what the bare program takes) pass."""
from measure import milliseconds
from report import Target

SLACK = 3.0
SLOW_MACHINE = 3.0
START_NOISE = 0.02
QUICK_NOISE = 0.1  # seconds: small trees are mostly start-up
STATUS_LIMIT = 0.100
CHANGED_RATE = 50000
RENAME_LIMIT, UNDO_LIMIT = 1.3, 1.3
PLAN_LIMIT, PLAN_FILES, PLAN_MEMORY = 1.0, 100000, 200
LOOK_LIMIT = 0.300  # check and trace of PLAN_FILES files that were read
DISCARD_GROWTH, DISCARD_NOISE = 1.5, 0.002  # constant time: no more than noise above that of a few files
START_LIMITS = {"user": 0.003, "root": 0.002}
JOIN_LIMIT = 0.0015
COMPILE_LIMIT, TREE_LIMIT, INSTALL_LIMIT = 1.02, 1.05, 1.00


def _above(row, name, limit, slack, text):
    """Milliseconds above native; bare is the same for the bare program, to tell a slow machine by."""
    bare = {"isle, at rest": "bare, same layers", "isle": "bare"}.get(name.replace(", full store", ""), "bare, new layers")
    measured, yardstick = row.samples.above(name, "native"), row.samples.above(bare, "native")
    allowed = limit * slack
    if slack > 1 and yardstick is not None:
        allowed = max(allowed, yardstick * SLOW_MACHINE) + START_NOISE
    return Target(text, f"{milliseconds(allowed)} ms above native",
                  f"{milliseconds(measured)} ms (bare {milliseconds(yardstick)})",
                  None if measured is None else measured <= allowed)


def _start(results, slack):
    out = []
    for row in results.start:
        if row.state == "joining" and "isle" in row.samples.by_name:
            out.append(_above(row, "isle", JOIN_LIMIT, slack, f"joining a mounted isle, {row.place}"))
        elif row.state != "joining":
            out += [_above(row, name, START_LIMITS[row.place], slack, f"start-up of {name}, {row.place}")
                    for name in row.samples.by_name if name.startswith("isle")]
    return out


def _ratio(row, base, limit, slack):
    measured, above = row.samples.ratio("isle", base), row.samples.above("isle", base)
    met = None if measured is None else measured <= limit or (slack > 1 and above <= QUICK_NOISE)
    return Target(f"{row.name}, {row.place}, {row.state}", f"{limit:.2f} x {base}",
                  "-" if measured is None else f"{measured:.2f}", met)


def _work(results, slack):
    out = []
    for row in results.work:
        if "isle" not in row.samples.by_name:
            continue
        if row.name == "compile":
            out.append(_ratio(row, "native", COMPILE_LIMIT, slack))
        elif row.name.startswith("dpkg"):
            out.append(_ratio(row, "native", INSTALL_LIMIT, slack))
        else:
            out.append(_ratio(row, "bare", TREE_LIMIT, slack))
    return out


def _keep(results, slack):
    out = []
    for place, keep in results.keep.items():
        limit = STATUS_LIMIT * slack
        out.append(Target(f"status after {keep.files} new files, {place}", f"{milliseconds(limit)} ms",
                          f"{milliseconds(keep.status)} ms", None if keep.status is None else keep.status <= limit))
        tree, small = keep.tree, keep.small_tree
        out.append(Target(f"commit of a new tree of {keep.tree_files} files, {place}", "as many renames and syncs as for 20 files",
                          f"{tree.renames} renames, {tree.syncs} syncs", (tree.renames, tree.syncs) == (
                              small.renames, small.syncs)))
        few, many = keep.discard.values()
        limit = few * DISCARD_GROWTH * slack + DISCARD_NOISE * slack
        out.append(Target(f"discard of {keep.files} files against 20, {place}", f"{milliseconds(limit)} ms",
                          f"{milliseconds(many)} ms", many <= limit))
    return out


def _changing(results, slack):
    out = []
    noise = QUICK_NOISE if slack > 1 else 0
    for place, one in results.changing.items():
        what = f"of {one.files} changed files, {place}"
        seconds, limit = one.traced.before_sync(), one.files / CHANGED_RATE * slack
        out.append(Target(f"commit {what}, before the syncs", f"{CHANGED_RATE} files/s", f"{one.files / seconds:.0f} files/s",
                          seconds <= limit + 4 * noise))
        for name, base, limit in (("commit", "rename", RENAME_LIMIT), ("undo", "commit", UNDO_LIMIT)):
            ratio, above = one.ratio(name, base), one.samples.above(name, base)
            against = "plain rename and two syncs" if base == "rename" else "its commit"
            out.append(Target(f"{name} {what}", f"{limit:.2f} x {against}", f"{ratio:.2f}", ratio <= limit or above <= noise))
        limit = one.plan_files / PLAN_FILES * PLAN_LIMIT * slack + noise
        out.append(Target(f"plan of {one.plan_files} changes, {place}", f"{milliseconds(limit)} ms, {PLAN_MEMORY} MB",
                          f"{milliseconds(one.plan)} ms, {one.plan_peak} MB",
                          one.plan <= limit and one.plan_peak <= PLAN_MEMORY))
        limit = one.plan_files / PLAN_FILES * LOOK_LIMIT * slack + noise
        for verb, measured in one.looks.items():
            out.append(Target(f"{verb} of {one.plan_files} files read, {place}", f"{milliseconds(limit)} ms",
                              f"{milliseconds(measured)} ms", measured <= limit))
    return out


def judge(results, quick):
    slack = SLACK if quick else 1.0
    return _start(results, slack) + _work(results, slack) + _keep(results, slack) + _changing(
        results, slack)


def exit_status(results, quick):
    """A full run reports; a quick one is a test: nothing measured, or a limit broken, is a failure."""
    if not quick:
        return 0
    judged = judge(results, quick)
    return 0 if judged and all(target.met for target in judged) else 1
