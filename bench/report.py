# SPDX-License-Identifier: Apache-2.0
"""The tables, for the terminal and for doc/benchmarks.md (the same text: Markdown that reads as it is)."""
import os
import platform
import subprocess
import time

from measure import milliseconds

TITLES = ["measure", "as", "state"]


class Target:
    """met is None where it was not measured."""

    def __init__(self, text, limit, measured, met):
        self.text = text
        self.limit = limit
        self.measured = measured
        self.met = met


def table(rows):
    """rows of strings, the first is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def line(row):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"

    return "\n".join([line(rows[0]), "|" + "|".join("-" * (w + 2) for w in widths) + "|"] + [line(r) for r in rows[1:]])


def start_table(rows):
    out = [["start-up of", "as", "median ms", "above native, ms", "samples"]]
    for row in rows:
        for name in row.samples.by_name:
            label = name if row.state == "start-up" else f"{name}, joining"
            if row.state == "joining" and name == "native":
                continue
            out.append([label, row.place, milliseconds(row.samples.median(name)),
                        milliseconds(row.samples.above(name, "native")), str(len(row.samples.good(name)))])
    return table(out)


def work_table(rows, names):
    out = [TITLES + list(names)]
    for row in rows:
        cells = [row.name, row.place, row.state]
        for name in names:
            ratio = row.samples.ratio(name, "native")
            cells.append("-" if ratio is None else f"{milliseconds(row.samples.median(name))} ({ratio:.2f})")
        out.append(cells)
    return table(out)


def target_table(targets):
    words = {True: "met", False: "NOT met", None: "not measured"}
    return table([["target", "limit", "measured", ""]] + [[t.text, t.limit, t.measured, words[t.met]] for t in targets])


def _cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def _file_system(directory):
    done = subprocess.run(["findmnt", "-n", "-o", "FSTYPE,OPTIONS", "--target", directory], stdout=subprocess.PIPE, text=True,
                          check=False)
    return " ".join(done.stdout.split()) or "unknown"


def file_system_type(directory):
    return _file_system(directory).split(" ")[0]


def machine(directory):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return "\n".join([
        f"- date: {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC",
        f"- kernel: {platform.system()} {platform.release()}",
        f"- processor: {os.cpu_count()} × {_cpu()}, {memory} GiB of memory",
        f"- file system: {_file_system(directory)}",
        f"- load when it began: {os.getloadavg()[0]:.2f}",
    ])


def document(command, about, sections):
    """sections: (title, text) pairs."""
    parts = ["# Benchmarks", f"Made by `{command}`; see [bench/run](../bench/run). Numbers of one machine and one hour: the "
             "ratios within a table are what counts.", about]
    for title, text in sections:
        parts.append(f"## {title}\n\n{text}")
    return "\n\n".join(parts) + "\n"
