# SPDX-License-Identifier: Apache-2.0
"""
Runs one module of Python's own test-suite and writes down the outcome of each test, a line of JSON for each as soon
as it is known: runtests.py MODULE FILE [SKIP]... A SKIP is a part of a test's name. The same file runs on the host and in an isle.
"""
import json
import os
import sys
import time
import unittest

from test import support  # noqa: E402 (Debian: libpython3.11-testsuite)


class Record(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out
        self.started = {}

    def _put(self, test, outcome, text=""):
        seconds = round(time.monotonic() - self.started.get(test.id(), time.monotonic()), 3)
        json.dump({"test": test.id(), "outcome": outcome, "text": text[-1500:], "seconds": seconds}, self.out)
        self.out.write("\n")
        self.out.flush()

    def startTest(self, test):
        super().startTest(test)
        self.started[test.id()] = time.monotonic()

    def addSuccess(self, test):
        self._put(test, "ok")

    def addFailure(self, test, err):
        self._put(test, "fail", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self._put(test, "error", self._exc_info_to_string(err, test) if hasattr(test, "failureException") else repr(err[1]))

    def addSkip(self, test, reason):
        self._put(test, "skip", reason)

    def addExpectedFailure(self, test, err):
        self._put(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        self._put(test, "unexpected success")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._put(subtest, "fail", self._exc_info_to_string(err, test))


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def main():
    name, path, skip = sys.argv[1], sys.argv[2], sys.argv[3:]
    support.use_resources = []
    support.verbose = False
    with open(path, "w", encoding="utf-8") as out:
        record = Record(out)
        try:
            found = unittest.defaultTestLoader.loadTestsFromName("test." + name)
        except unittest.SkipTest as reason:
            json.dump({"test": name, "outcome": "skip", "text": str(reason), "seconds": 0}, out)
            return
        suite = unittest.TestSuite(test for test in flatten(found) if not any(part in test.id() for part in skip))
        suite.run(record)
        json.dump({"test": name, "outcome": "end", "text": "", "seconds": 0}, out)
        out.write("\n")


if __name__ == "__main__":
    os.umask(0o022)
    main()
