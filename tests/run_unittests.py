#!/usr/bin/env python3
"""Runs test files written in Python: run_unittests.py [--report FILE] [--isolated] [--jobs N] [-k PATTERN] [--without PATTERN] PATH...

A PATH is a file, or a directory whose test_*.py are run. --report writes how many passed, failed and were skipped, as
JSON. --isolated runs them in a network namespace of their own that has nothing but loopback, where that is allowed: so
nothing leaves the machine, and nothing on it is in the way. --jobs runs the classes in so many processes at once, each
isolated from the others; those that say `alone = True` come last, one after the other, with the machine to themselves.
"""
import argparse
import ctypes
import fcntl
import io
import itertools
import json
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
import unittest
from multiprocessing import connection
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
# A test that takes longer hangs; those of the long run have no limit.
MOST_SECONDS = 0 if os.environ.get("BLOBD_LONG") == "1" else 15 * 60


def isolate():
    """Moves this process into a network namespace of its own. Returns whether that worked."""
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        if libc.unshare(CLONE_NEWNET | CLONE_NEWUSER) != 0:
            return False
        for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            Path(f"/proc/self/{name}").write_text(line, encoding="ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", request)[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
    return True


class Stopped(Exception):
    """The time is over, or we were told to end: raised where the test is, so that its report shows what it waited for."""


def why_in_one_line(error):
    """What ends the list of failures: whoever sees nothing but the end of a log is to see what went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f": {type(error).__name__}: {' | '.join(lines)}"
    return text if len(text) <= 600 else f"{text[:400]} ... {text[-200:]}"


class Reporter(unittest.TestResult):
    """Tells of each test when it has ended: in one line, with its duration, what it printed and what went wrong."""

    def __init__(self, tell):
        super().__init__()
        self._tell = tell
        self._started = 0.0
        self._printed = io.StringIO()
        self._running = None
        self._outcome = "passed"
        self._reason = ""
        self._why = ""
        self._wrong = []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, self._end)

    def _end(self, number, _frame):
        if number != signal.SIGALRM:
            self.stop()
        if self._running:
            raise Stopped(f"ended by {signal.Signals(number).name} after {time.monotonic() - self._started:.0f} s")

    def startTest(self, test):
        super().startTest(test)
        self._running, self._started = test, time.monotonic()
        self._printed, self._outcome, self._reason, self._why, self._wrong = io.StringIO(), "passed", "", "", []
        sys.stdout = self._printed
        signal.alarm(MOST_SECONDS)

    def stopTest(self, test):
        super().stopTest(test)
        signal.alarm(0)
        sys.stdout = sys.__stdout__
        self._running = None
        words = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}[self._outcome] + self._reason
        printed = self._printed.getvalue()
        text = f"{test} ... {printed}{words} ({time.monotonic() - self._started:.1f} s)\n" + "".join(self._wrong)
        self._tell(self._outcome, test.id() + self._why, text)

    def _went_wrong(self, test, error):
        self._outcome = "failed"
        if not self._why or self._running is None:  # what came first is the cause
            self._why = why_in_one_line(error[1])
        self._wrong.append(f"{'-' * 20} {test}\n{''.join(traceback.format_exception(*error))}\n")
        if self._running is None:  # in setUpClass and the like
            self._tell("failed", test.id() + self._why, f"{test} ... FAILED\n{self._wrong.pop()}")

    def addError(self, test, err):
        self._went_wrong(test, err)

    def addFailure(self, test, err):
        self._went_wrong(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._went_wrong(subtest, err)

    def addUnexpectedSuccess(self, test):
        self._outcome, self._reason = "failed", ": it was expected to fail"

    def addSkip(self, test, reason):
        if self._running is None:
            self._tell("skipped", test.id(), f"{test} ... skipped: {reason}\n")
        elif self._outcome == "passed":
            self._outcome, self._reason = "skipped", f": {reason}"


def load(paths, patterns, left_out):
    """The tests by class, in the order of their files."""
    loader = unittest.TestLoader()
    if patterns:
        loader.testNamePatterns = [p if "*" in p else f"*{p}*" for p in patterns]
    suite = unittest.TestSuite()
    for path in paths:
        for file in sorted(path.glob("test_*.py")) if path.is_dir() else [path]:
            sys.path.insert(0, str(file.resolve().parent))
            suite.addTests(loader.loadTestsFromName(file.stem))
    wanted = [test for test in each_test(suite) if not any(word in test.id() for word in left_out)]
    return [unittest.TestSuite(tests) for _, tests in itertools.groupby(wanted, type)]


def each_test(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each_test(test)
        else:
            yield test


def is_alone(tests):
    return getattr(next(iter(tests)), "alone", False)


def work(classes, next_class, to_parent, options):
    """The life of a process that runs tests: takes one class after the other until none is left."""
    if options.isolated and options.jobs > 1:
        isolate()  # from the others, too
    result = Reporter(lambda *what: to_parent.send(what))
    while not result.shouldStop:
        with next_class.get_lock():
            number = next_class.value
            next_class.value += 1
        if number >= len(classes):
            break
        classes[number].run(result)
    to_parent.send(result.shouldStop)


def run(classes, jobs, options, ids):
    """Runs them in `jobs` processes. `ids`: of what passed, failed and was skipped, to be added to. False if ended."""
    was_ended = False
    context = multiprocessing.get_context("fork")
    next_class = context.Value("i", 0)
    workers = {}
    for _ in range(min(jobs, len(classes))):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(classes, next_class, theirs, options))
        process.start()
        theirs.close()
        workers[ours] = process
    while workers:
        for ours in connection.wait(list(workers)):
            try:
                told = ours.recv()
            except EOFError:
                told = False
                ids["failed"].add("a process of the runner, which ended in the midst of a test")
            if isinstance(told, bool):  # its last word
                was_ended = was_ended or told
                workers.pop(ours).join()
                continue
            outcome, test, text = told
            sys.stdout.write(text)
            sys.stdout.flush()
            ids[outcome].add(test)
    return not was_ended


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path)
    parser.add_argument("--isolated", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("-k", action="append", help="only tests whose name contains this")
    parser.add_argument("--without", action="append", default=[], help="no tests whose name contains this")
    parser.add_argument("paths", nargs="+", type=Path)
    options = parser.parse_args()

    if options.isolated:
        # The real iroh nodes may still have to be installed, which needs the network.
        installed = subprocess.run([str(HERE / "interop" / "install")], check=True, stdout=subprocess.PIPE, text=True)
        os.environ["BLOBD_NODE"] = installed.stdout.strip()
        if not isolate():
            print("No network namespace of our own here: running on the machine's network, one test after the other.")
            options.jobs = 1
    classes = load(options.paths, options.k, options.without)
    began = time.monotonic()
    ids = {"passed": set(), "failed": set(), "skipped": set()}
    if not classes:
        ids["failed"].add("the run, for which there is no test")
    # Whoever ends us means those that run the tests, who then say where they were.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    goes_on = True
    if options.jobs > 1:
        goes_on = run([tests for tests in classes if not is_alone(tests)], options.jobs, options, ids)
        classes = [tests for tests in classes if is_alone(tests)]
    goes_on = goes_on and run(classes, 1, options, ids)
    if not goes_on:
        ids["failed"].add("the run, which was ended before all tests had run")
    for test in sorted(ids["failed"]):
        print(f"FAILED: {test}")
    counts = {outcome: len(tests) for outcome, tests in ids.items()}
    print(f"{', '.join(f'{count} {outcome}' for outcome, count in counts.items())}, {time.monotonic() - began:.0f} s")
    if options.report:
        options.report.write_text(json.dumps(counts) + "\n", encoding="utf-8")
    return 1 if ids["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
