"""The tour of the README does what it says: every block is typed as it stands, by a user of a really booted machine."""
import os
import queue
import re
import shutil
import subprocess
import threading
import unittest
from pathlib import Path

import guide
import machine
from booted import INSIDE, OUTSIDE, our_packages, setUpModule  # noqa: F401
from machine import Machine

BLOCK_SECONDS = 120
USER = "ann"
# What is to be seen of a block, besides that no command of it fails.
SEEN = {
    "install": [r"Node {7}[0-9a-f]{64}"],
    "why": [r"intent \d+ is \w+: it ", r"kept: tag notes"],
}


class Shell:
    """A login shell of the user in which one block after the other is typed; the first command that fails ends it."""

    def __init__(self, there):
        self._process = subprocess.Popen(there.command("su", "-", USER, "-s", "/bin/bash"), stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._blocks = 0
        self.type("set -e\ncd clone\n")

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def type(self, text):
        """Returns what was seen of it."""
        self._blocks += 1
        end = f"block {self._blocks} is done"
        self._process.stdin.write(f"{text}\necho; echo {end}\n")
        self._process.stdin.flush()
        seen = []
        while True:
            try:
                line = self._lines.get(timeout=BLOCK_SECONDS)
            except queue.Empty:
                raise AssertionError(f"not done within {BLOCK_SECONDS} s:\n{text}\n---- seen:\n{''.join(seen)}") from None
            if line is None:
                raise AssertionError(f"a command failed:\n{text}\n---- seen:\n{''.join(seen)}")
            if line.strip() == end:
                return "".join(seen)
            seen.append(line)

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # What it left running may still hold the other end; the machine takes that with it.
        self._reader.join(1)


class TourTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.close)
        self.machine.boot()
        self.machine.run("useradd", "--create-home", USER)
        (self.machine.root / "etc/sudoers.d" / USER).write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
        built = self.machine.root / "home" / USER / "clone/build/deb"
        built.mkdir(parents=True)
        for package in our_packages():
            shutil.copy(package, built)
        self.machine.run("chown", "-R", f"{USER}:", f"/home/{USER}")
        # An address that is not of the loopback device, as every machine in a network has one.
        namespace = f"blobd-tour-{os.getpid()}"
        machine.run("ip", "netns", "add", namespace)
        self.addCleanup(machine.run, "ip", "netns", "delete", namespace)
        self.machine.connect(namespace, f"{INSIDE}/24", f"{OUTSIDE}/24")

    def shell(self):
        shell = Shell(self.machine)
        self.addCleanup(shell.close)
        return shell

    def test_every_block_as_it_stands(self):
        tour = guide.blocks(guide.README)
        self.assertEqual(list(tour)[0], "install")
        self.assertLessEqual(SEEN.keys(), tour.keys())
        shell = self.shell()
        for name, text in tour.items():
            print(f"{name} ... ", end="", flush=True)
            seen = shell.type(text)
            for pattern in SEEN.get(name, ()):
                self.assertRegex(seen, pattern)
            if name == "install":
                shell = self.shell()  # the next login, which has the group
        # Nothing is left of it but what the store keeps for a day.
        self.assertEqual(self.machine.run("ls", Path("/home") / USER / "clone").split(), ["build"])
        self.assertIsNone(re.search(r"\bnotes\b", self.machine.run("blobctl", "tags")))


if __name__ == "__main__":
    unittest.main()
