#!/usr/bin/env python3
"""Runs test files written in Python: run_unittests.py [--report FILE] [--isolated] [-k PATTERN] PATH...

A PATH is a file, or a directory whose test_*.py are run. --report writes how many passed, failed and were skipped, as
JSON. --isolated runs them in a network namespace of their own that has nothing but loopback, where that is allowed: so
nothing leaves the machine, and nothing on it is in the way.
"""
import argparse
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


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


class Reporter(unittest.TextTestResult):
    """One line per test with its duration; counts what passed."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.passed = 0
        self._started = 0.0

    def startTest(self, test):
        self._started = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        self.passed += 1
        unittest.TestResult.addSuccess(self, test)
        self.stream.writeln(f"ok ({time.monotonic() - self._started:.1f} s)")
        self.stream.flush()


def load(paths, patterns):
    loader = unittest.TestLoader()
    if patterns:
        loader.testNamePatterns = [p if "*" in p else f"*{p}*" for p in patterns]
    suite = unittest.TestSuite()
    for path in paths:
        for file in sorted(path.glob("test_*.py")) if path.is_dir() else [path]:
            sys.path.insert(0, str(file.resolve().parent))
            suite.addTests(loader.loadTestsFromName(file.stem))
    return suite


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path)
    parser.add_argument("--isolated", action="store_true")
    parser.add_argument("-k", action="append", help="only tests whose name contains this")
    parser.add_argument("paths", nargs="+", type=Path)
    options = parser.parse_args()

    if options.isolated:
        # The real iroh nodes may still have to be installed, which needs the network.
        installed = subprocess.run([str(HERE / "interop" / "install")], check=True, stdout=subprocess.PIPE, text=True)
        os.environ["BLOBD_NODE"] = installed.stdout.strip()
        if not isolate():
            print("No network namespace of our own here: running on the machine's network.")
    suite = load(options.paths, options.k)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Reporter).run(suite)
    # A test that fails in its body and again in its tearDown has failed once.
    unhappy = [getattr(test, "test_case", test) for test, _ in result.failures + result.errors]
    failed = len({test.id() for test in unhappy + result.unexpectedSuccesses})
    if options.report:
        counts = {"passed": result.passed, "failed": failed, "skipped": len(result.skipped)}
        options.report.write_text(json.dumps(counts) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
