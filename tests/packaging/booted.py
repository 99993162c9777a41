"""What tests of an installed blobd stand on: a booted machine (machine.py) with the packages in it, and a provider and
a mirror outside of it. A module of tests takes setUpModule from here."""
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import machine
from machine import Machine

sys.path.insert(0, str(machine.ROOT / "tests" / "e2e"))
from nginx import Nginx  # noqa: E402  pylint: disable=wrong-import-position

INSIDE, OUTSIDE = "10.99.0.1", "10.99.0.2"
STATE = "/var/lib/blobd"


@functools.cache
def why_not_here():
    machine.make_tree()
    return machine.why_no_boot()


def setUpModule():
    if not machine.packages():
        raise AssertionError("there are no packages: run packaging/build-deb")
    if reason := why_not_here():
        # Not something that may go unseen: without it nothing of the units is tried.
        if os.environ.get("BLOBD_MAY_SKIP_BOOT") == "1":
            raise unittest.SkipTest(f"no systemd can be booted here: {reason}")
        raise AssertionError(f"no systemd can be booted here (BLOBD_MAY_SKIP_BOOT=1 leaves it out): {reason}")


def relabelled(version, directory):
    """The same packages with another version: what an upgrade is to dpkg."""
    made = []
    for package in machine.packages():
        name = package.name.split("_")[0]
        if name.endswith("-dbgsym"):
            continue
        tree = directory / f"{name}-{version}"
        machine.run("dpkg-deb", "-R", package, tree)
        control = tree / "DEBIAN" / "control"
        old = re.search(r"^Version: (.*)$", control.read_text(), re.MULTILINE).group(1)
        control.write_text(control.read_text().replace(old, version))
        made.append(directory / f"{name}_{version}_all.deb")
        machine.run("dpkg-deb", "--root-owner-group", "-b", tree, made[-1], stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)
    return made


def our_packages():
    return [package for package in machine.packages() if "-dbgsym" not in package.name]


class BootTest(unittest.TestCase):
    """A machine of its own for each class, with blobd installed."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = Path(tempfile.mkdtemp(prefix="blobd-packaging-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.close)
        cls.machine.boot()
        cls.machine.run("useradd", "--create-home", "ann")
        cls.machine.run("useradd", "--create-home", "joe")
        cls.prepare()
        cls.machine.install(*our_packages())
        cls.machine.run("usermod", "-a", "-G", "blobd", "ann")

    @classmethod
    def prepare(cls):
        """Before the packages are installed."""

    def setUp(self):
        self.machine.run("systemctl", "reset-failed")
        self.machine.run("systemctl", "start", "blobd.socket", "blobd.service")

    # ---- Short words ----

    def ctl(self, *args, code=0, user=None):
        prefix = ["runuser", "-u", user, "--"] if user else []
        return self.machine.run(*prefix, "blobctl", *args, code=code)

    def pid(self):
        return int(self.machine.show("blobd.service", "MainPID"))

    def drop_in(self, text, unit="blobd.service"):
        directory = self.machine.root / "etc/systemd/system" / f"{unit}.d"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "test.conf").write_text(text)
        self.machine.run("systemctl", "daemon-reload")
        self.addCleanup(self._without_drop_in, directory)

    def _without_drop_in(self, directory):
        shutil.rmtree(directory)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.try_run("systemctl", "reset-failed")
        self.machine.run("systemctl", "restart", "blobd.service")

    def queue_nothing(self, digit="1"):
        """An intent that stays: nobody has it."""
        return self.ctl("queue", "-q", digit * 64, "--from", "2" * 64 + "@127.0.0.1:9", "--patience", "24h").strip()

    def intents(self):
        return self.ctl("intents", "-q").split()


class Outside:
    """A blobd of its own in a network namespace outside of the machine, which serves anyone."""

    def __init__(self, test):
        self.namespace = f"blobd-{os.getpid()}"
        machine.run("ip", "netns", "add", self.namespace)
        test.addClassCleanup(machine.run, "ip", "netns", "delete", self.namespace)
        self.directory = test.directory / "outside"
        self.directory.mkdir()
        for package in our_packages():
            machine.run("dpkg-deb", "-x", package, self.directory)
        test.machine.connect(self.namespace, f"{INSIDE}/24", f"{OUTSIDE}/24")
        with open(self.directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, str(self.directory / "usr/bin/blobd"), "--state-dir",
                 str(self.directory / "state"), "--socket", str(self.directory / "sock"), "--listen",
                 f"{OUTSIDE}:11205", "--serve", "anyone"], stdout=log, stderr=log)
        test.addClassCleanup(self.stop)
        deadline = time.monotonic() + 30
        while subprocess.run(self.command("status"), capture_output=True, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise AssertionError((self.directory / "log").read_text())
            time.sleep(0.1)
        status = json.loads(subprocess.run(self.command("status", "--json"), capture_output=True, check=True).stdout)
        self.provider = f"{status['nodeId']}@{OUTSIDE}:11205"

    def stop(self):
        self._process.terminate()
        self._process.wait(30)

    def command(self, *args):
        return [str(self.directory / "usr/bin/blobctl"), "--socket", str(self.directory / "sock"), *map(str, args)]

    def run(self, *args):
        return subprocess.run(self.command(*args), check=True, capture_output=True, text=True).stdout.strip()

    def add(self, content):
        file = self.directory / "content"
        file.write_bytes(content)
        return self.run("add", "-q", file)

    def mirror(self, test):
        """A web server beside it, with a directory of its own."""
        mirror = Nginx(test.directory / "mirror", OUTSIDE, self.namespace)
        test.addClassCleanup(mirror.stop)
        return mirror
