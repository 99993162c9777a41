"""blobd as its packages install it, on a really booted systemd (machine.py)."""
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import machine
from machine import Machine

INSIDE, OUTSIDE = "10.99.0.1", "10.99.0.2"
READY_EVENT = re.compile(r'kReady:\s*return "(\w+)"')
# What systemd-analyze security may find at most, in tenths.
MOST_EXPOSURE = 15
STATE = "/var/lib/blobd"


def setUpModule():
    if not machine.packages():
        raise AssertionError("there are no packages: run packaging/build-deb")
    machine.make_tree()
    reason = machine.why_no_boot()
    if reason:
        raise unittest.SkipTest(f"no systemd can be booted here: {reason}")


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

    def add(self, content):
        file = self.directory / "content"
        file.write_bytes(content)
        return subprocess.run(self.command("add", "-q", file), check=True, capture_output=True,
                              text=True).stdout.strip()


class ServiceTest(BootTest):
    def test_install_starts_it_for_the_group_and_nobody_else(self):
        self.assertIn("Serving as node", self.machine.run("systemctl", "status", "blobd.service"))
        self.ctl("status", user="ann")
        self.ctl("status", user="joe", code=5)
        sockets = self.machine.run("stat", "-c", "%a %U %G %F", "/run/blobd/blobd.sock", "/run/blobd/blobd-data.sock")
        self.assertEqual(set(sockets.splitlines()), {"660 root blobd socket"})
        self.assertEqual(self.machine.run("stat", "-c", "%a %U %G", STATE).strip(), "700 blobd blobd")
        self.assertEqual(self.machine.show("blobd.service", "UnitFileState"), "enabled")
        self.assertEqual(self.machine.show("blobd.socket", "UnitFileState"), "enabled")
        self.assertEqual(self.machine.show("blobd-gc.timer", "UnitFileState"), "disabled")

    def test_the_first_call_starts_it(self):
        self.machine.run("systemctl", "stop", "blobd.service")
        self.assertEqual(self.machine.show("blobd.service", "ActiveState"), "inactive")
        self.ctl("status")
        self.assertEqual(self.machine.show("blobd.service", "ActiveState"), "active")
        self.machine.run("systemctl", "stop", "blobd.service")
        # On a file system from which descriptors are taken in.
        self.machine.run("dd", "if=/dev/zero", "of=/tmp/file", "bs=100000", "count=2")
        self.ctl("add", "-q", "/tmp/file")
        self.assertIn('"imported":"1"', self.ctl("status", "--json").replace(" ", ""))

    def test_reload_and_the_journal(self):
        extra = self.machine.root / "etc/blobd/conf.d"
        (extra / "10-test.toml").write_text("[limits]\nrequests = 9\n")
        self.addCleanup(self.machine.run, "systemctl", "reload", "blobd.service")
        self.addCleanup((extra / "10-test.toml").unlink)
        before = self.pid()
        self.machine.run("systemctl", "reload", "blobd.service")
        self.machine.wait_until("the limit is 9", lambda: re.search(r"\brequests +9\b", self.ctl("limits")))
        self.assertEqual(self.pid(), before)
        self.assertIn("limits.requests is 9 now", self.machine.journal())
        source = (machine.ROOT / "daemon/log_events.cc").read_text()
        ready = READY_EVENT.search(source).group(1)
        lines = [json.loads(line) for line in
                 self.machine.run("journalctl", "-o", "json", f"MESSAGE_ID={ready}").splitlines()]
        self.assertTrue(lines)
        self.assertIn("is ready: node", lines[-1]["MESSAGE"])
        self.assertEqual(lines[-1]["_SYSTEMD_UNIT"], "blobd.service")
        self.assertEqual(lines[-1]["SYSLOG_IDENTIFIER"], "blobd")

    def test_a_configuration_that_cannot_be_used_is_not_tried_again(self):
        extra = self.machine.root / "etc/blobd/conf.d"
        (extra / "10-test.toml").write_text("unheard_of = 1\n")
        self.addCleanup((extra / "10-test.toml").unlink)
        self.machine.try_run("systemctl", "restart", "blobd.service")
        self.assertEqual(self.machine.show("blobd.service", "ActiveState"), "failed")
        self.assertEqual(self.machine.show("blobd.service", "NRestarts"), "0")
        self.assertIn("10-test.toml:1: unknown key unheard_of", self.machine.journal())

    def test_kill_and_watchdog_lose_no_intent(self):
        ids = [self.queue_nothing(digit) for digit in "123"]
        self.machine.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "blobd.service")
        self.assertEqual(self.intents(), ids)
        self.drop_in("[Service]\nWatchdogSec=2s\n")
        self.machine.run("systemctl", "restart", "blobd.service")
        before = self.pid()
        self.machine.run("kill", "-STOP", before)
        self.assertEqual(self.intents(), ids)  # waits in the socket until somebody answers
        self.assertNotEqual(self.pid(), before)
        self.assertIn("Watchdog timeout", self.machine.journal())
        self.ctl("cancel", *ids)

    def test_a_key_from_the_credential_store(self):
        own = json.loads(self.ctl("status", "--json"))["nodeId"]
        store = self.machine.root / "etc/credstore"
        store.mkdir(exist_ok=True, mode=0o700)
        (store / "blobd.node-key").write_text("07" * 32)
        self.machine.run("systemctl", "restart", "blobd.service")
        other = json.loads(self.ctl("status", "--json"))["nodeId"]
        self.assertNotEqual(other, own)
        # The same key, encrypted for this machine.
        self.machine.run("mkdir", "-p", "-m", "700", "/etc/credstore.encrypted")
        self.machine.run("systemd-creds", "encrypt", "--name=blobd.node-key", "/etc/credstore/blobd.node-key",
                         "/etc/credstore.encrypted/blobd.node-key")
        (store / "blobd.node-key").unlink()
        self.drop_in("[Service]\nLoadCredentialEncrypted=blobd.node-key\n")
        self.machine.run("systemctl", "restart", "blobd.service")
        self.assertEqual(json.loads(self.ctl("status", "--json"))["nodeId"], other)
        self.machine.run("rm", "-r", "/etc/credstore.encrypted")
        self.machine.run("systemctl", "restart", "blobd.service")
        self.assertEqual(json.loads(self.ctl("status", "--json"))["nodeId"], own)

    def test_callers_are_unknown_with_private_users(self):
        self.drop_in("[Service]\nPrivateUsers=yes\n")
        self.machine.try_run("systemctl", "restart", "blobd.service")
        done = self.machine.try_run("timeout", "20", "runuser", "-u", "ann", "--", "blobctl", "queue", "-q", "1" * 64)
        self.assertNotEqual(done.returncode, 0)

    def test_units_are_sound_and_little_exposed(self):
        units = ["blobd.service", "blobd.socket", "blobd-gc.service", "blobd-gc.timer", "blobd-verify.service",
                 "blobd-verify.timer", "blobd-get@x.service", "blobd-metrics.socket"]
        done = self.machine.try_run("systemd-analyze", "verify", "--man=no", *units)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        for unit in ("blobd.service", "blobd-gc.service", "blobd-verify.service", "blobd-get@x.service"):
            done = self.machine.try_run("systemd-analyze", "security", f"--threshold={MOST_EXPOSURE}", unit)
            self.assertEqual(done.returncode, 0, done.stdout)
        # The guide explains each point that is left, and no other.
        found = json.loads(self.machine.run("systemd-analyze", "security", "--json=short", "blobd.service"))
        left = {one["name"] for one in found if one["exposure"] and float(one["exposure"]) > 0}
        guide = (machine.ROOT / "packaging/docs/operations.md").read_text().split("## The sandbox")[1].split("\n## ")[0]
        explained = set(re.findall(r"`([A-Z][A-Za-z]+=[^`]*)`", guide.replace("\\|", "|")))
        self.assertEqual(left, explained)

    def test_a_backup_is_taken_back_as_the_guide_says(self):
        kept = self.queue_nothing("4")
        self.machine.run("rm", "-f", "/var/tmp/b.registry")
        self.ctl("backup", "/var/tmp/b.registry")
        later = self.queue_nothing("5")
        self.machine.run("chown", "blobd", "/var/tmp/b.registry")
        self.machine.run("systemctl", "stop", "blobd.socket", "blobd")
        self.machine.run("runuser", "-u", "blobd", "--", "blobd", "--state-dir", STATE, "--restore-registry",
                         "/var/tmp/b.registry")
        self.machine.run("systemctl", "start", "blobd.socket", "blobd")
        self.assertEqual(self.intents(), [kept])
        self.assertGreater(int(self.queue_nothing("6")), int(later))
        self.ctl("cancel", *self.intents())
        offline = ("runuser", "-u", "blobd", "--", "blobctl", "--offline", "--state-dir", STATE, "intents", "-q", "-a")
        self.machine.run("systemctl", "stop", "blobd.socket", "blobd")
        self.assertIn(kept, self.machine.run(*offline).split())

    def test_a_unit_that_waits_for_content_leaves_nothing_behind(self):
        unit = f"blobd-get@{'7' * 64}.service"
        directory = self.machine.root / "etc/blobd/get"
        (directory / f"{'7' * 64}.env").write_text(f"BLOBD_GET_OPTIONS=--from {'2' * 64}@127.0.0.1:9\n")
        before = set(self.intents())
        self.machine.run("systemctl", "start", "--no-block", unit)
        self.machine.wait_until("it waits", lambda: set(self.intents()) - before)
        self.machine.run("systemctl", "stop", unit)
        self.assertEqual(set(self.intents()), before)
        # What was cancelled is not wanted again.
        self.machine.run("systemctl", "start", "--no-block", unit)
        self.ctl("cancel", *self.machine.wait_until("it waits", lambda: set(self.intents()) - before))
        self.machine.wait_until("it failed", lambda: self.machine.show(unit, "ActiveState") == "failed")
        self.assertEqual(self.machine.show(unit, "ExecMainStatus"), "10")

    def test_the_timers_commands_work(self):
        for unit in ("blobd-gc.service", "blobd-verify.service"):
            self.machine.run("systemctl", "start", unit)
            self.assertEqual(self.machine.show(unit, "Result"), "success")

    def test_metrics_are_told_where_they_are_asked_for(self):
        self.assertEqual(self.machine.show("blobd-metrics.socket", "UnitFileState"), "disabled")
        self.machine.run("systemctl", "stop", "blobd.service")
        self.machine.run("systemctl", "start", "blobd-metrics.socket")
        self.addCleanup(self.machine.run, "systemctl", "stop", "blobd-metrics.socket")
        self.machine.run("systemctl", "start", "blobd.service")
        ask = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
               "s.sendall(b'GET /metrics HTTP/1.1\\r\\n\\r\\n'); print(s.makefile().read())")
        path = Path("/proc", str(self.machine.leader), "root", "run/blobd/metrics.sock")
        done = subprocess.run(["python3", "-c", ask, str(path)], capture_output=True, text=True, check=True)
        self.assertIn("\nblobd_degraded 0\n", done.stdout)
        self.ctl("status")

    def test_ready_soon(self):
        spans = []
        for _ in range(3):
            self.machine.run("systemctl", "stop", "blobd.service")
            self.machine.run("systemctl", "start", "blobd.service")
            started = int(self.machine.show("blobd.service", "ExecMainStartTimestampMonotonic"))
            ready = int(self.machine.show("blobd.service", "ActiveEnterTimestampMonotonic"))
            spans.append((ready - started) / 1000)
        print(f"ms from start to READY: {spans}")
        self.assertLess(min(spans), 500)

    def test_a_user_has_a_daemon_of_their_own(self):
        self.machine.run("loginctl", "enable-linger", "joe")
        uid = self.machine.run("id", "-u", "joe").strip()
        home = self.machine.run("getent", "passwd", "joe").split(":")[5]
        as_joe = ["runuser", "-u", "joe", "--", "env", f"XDG_RUNTIME_DIR=/run/user/{uid}", f"HOME={home}"]
        self.machine.wait_until("joe has a manager", lambda: self.machine.try_run(
            *as_joe, "systemctl", "--user", "is-system-running").stdout.strip() in ("running", "degraded"))
        self.machine.run(*as_joe, "systemctl", "--user", "start", "blobd.socket")
        status = json.loads(self.machine.run(*as_joe, "blobctl", "status", "--json"))
        self.assertEqual(status["stateDirectory"], f"{home}/.local/state/blobd")
        self.machine.run(*as_joe, "systemctl", "--user", "stop", "blobd.socket", "blobd.service")
        self.machine.run("loginctl", "disable-linger", "joe")


class LoadTest(BootTest):
    """The sandbox under load, where a call that is not allowed ends the daemon."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.outside = Outside(cls)

    def setUp(self):
        super().setUp()
        self.drop_in("[Service]\nSystemCallErrorNumber=\n")
        self.machine.run("systemctl", "restart", "blobd.service")

    def get(self, *args):
        return self.ctl("get", "-q", *args, "--from", self.outside.provider)

    def test_everything_it_does_is_allowed(self):
        before = self.pid()
        self.assertRegex(self.machine.run("grep", "-E", "^(Seccomp|NoNewPrivs|CapEff)", f"/proc/{before}/status"),
                         r"CapEff:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2\n")
        contents = [os.urandom(size) for size in (0, 100, 70_000, 3 << 20, 64 << 20)]
        for number, content in enumerate(contents):
            blob = self.outside.add(content)
            self.get(blob, "-o", f"/var/tmp/got{number}")
            self.assertEqual((self.machine.root / f"var/tmp/got{number}").read_bytes(), content)
        files = self.machine.root / "var/tmp/files"
        files.mkdir()
        for number in range(300):
            (files / f"{number}").write_bytes(os.urandom(number * 37))
        collection = self.ctl("add", "-q", "/var/tmp/files", user=None).strip()
        self.ctl("export", collection, "-o", "/var/tmp/copy")
        self.ctl("tag", "kept", collection)
        self.ctl("ticket", collection)
        self.ctl("export-store", "/var/tmp/store")
        self.ctl("import-store", "/var/tmp/store")
        self.ctl("verify", "--all")
        self.ctl("rm", "--force", blob)
        self.ctl("gc")
        self.ctl("backup", "/var/tmp/registry.backup")
        self.ctl("limits", "requests=20", "--persist")
        self.ctl("limits", "--reset", "all")
        self.ctl("ban", "3" * 64, "--for", "1h")
        self.ctl("unban", "3" * 64)
        self.machine.run("systemctl", "reload", "blobd.service")
        self.ctl("drain")
        self.assertEqual(self.pid(), before)
        self.assertEqual(self.machine.show("blobd.service", "NRestarts"), "0")
        self.machine.run("systemctl", "stop", "blobd.service")
        self.assertEqual(self.machine.show("blobd.service", "Result"), "success")
        journal = self.machine.journal()
        self.assertNotRegex(journal, r"(?i)denied|not permitted|SIGSYS|Read-only file system")

    def needs(self, blob, options=""):
        """A unit that cannot start without this content."""
        directory = self.machine.root / "etc/blobd/get"
        (directory / f"{blob}.env").write_text(f"BLOBD_GET_OPTIONS=--from {self.outside.provider} {options}\n")
        unit = self.machine.root / "etc/systemd/system/needs.service"
        unit.write_text(f"[Unit]\nRequires=blobd-get@{blob}.service\nAfter=blobd-get@{blob}.service\n"
                        f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'blobctl cat {blob} >/var/tmp/needed'\n")
        self.machine.run("systemctl", "daemon-reload")
        return "needs.service"

    def test_another_unit_waits_for_content(self):
        blob = self.outside.add(os.urandom(300_000))
        self.machine.run("systemctl", "start", self.needs(blob), timeout=60)
        self.assertEqual((self.machine.root / "var/tmp/needed").stat().st_size, 300_000)
        self.assertEqual(self.machine.show(f"blobd-get@{blob}.service", "ActiveState"), "active")

    def test_it_waits_whatever_is_in_the_way_at_first(self):
        blob = self.outside.add(os.urandom(400_000))
        getting = f"blobd-get@{blob}.service"

        def tries():
            return self.machine.journal("-u", getting).count("trying again")

        # Nobody answers, and nobody can be started.
        sockets = ("blobd.socket", "blobd.service")
        self.machine.run("systemctl", "stop", *sockets)
        self.machine.run("systemctl", "mask", "--runtime", *sockets)
        self.addCleanup(self.machine.run, "systemctl", "unmask", "--runtime", *sockets)
        self.addCleanup(self.machine.run, "ip", "link", "set", "cable0", "up")
        self.machine.run("systemctl", "start", "--no-block", self.needs(blob, "--deadline 2s"))
        self.machine.wait_until("it tries again", tries)
        self.assertIn("needs.service", self.machine.run("systemctl", "list-jobs"))

        # Then nobody has it within the time that was given.
        self.machine.run("ip", "link", "set", "cable0", "down")
        self.machine.run("systemctl", "unmask", "--runtime", *sockets)
        self.machine.run("systemctl", "start", *sockets)
        before = tries()
        self.machine.wait_until("it tries again", lambda: tries() > before)
        self.assertIn("needs.service", self.machine.run("systemctl", "list-jobs"))

        self.machine.run("ip", "link", "set", "cable0", "up")
        needed = self.machine.root / "var/tmp/needed"
        self.machine.wait_until("it is there", lambda: needed.exists() and needed.stat().st_size == 400_000)
        self.assertEqual(self.machine.show(getting, "ActiveState"), "active")

    def test_a_get_outlives_a_restart_and_an_upgrade(self):
        # The sockets, and whoever waited for content, are to stay what they are.
        (self.machine.root / "var/tmp/here").write_bytes(b"content that is here")
        here = self.ctl("add", "-q", "/var/tmp/here").strip()
        stay = ("blobd.socket", f"blobd-get@{here}.service")
        self.machine.run("systemctl", "start", *stay)
        since = [self.machine.show(unit, "InactiveExitTimestampMonotonic") for unit in stay]
        # Held up, so that it is not done before.
        self.ctl("pause", "--everything")
        content = os.urandom(5 << 20)
        blob = self.outside.add(content)
        get = self.machine.start("blobctl", "get", blob, "--from", self.outside.provider, "--patience", "1h", "-o",
                                 "/var/tmp/outlived")
        self.addCleanup(get.wait)
        self.addCleanup(get.kill)
        self.machine.wait_until("it is queued", self.intents)
        self.machine.run("systemctl", "restart", "blobd.service")
        self.assertIsNone(get.poll())
        before = self.pid()
        self.machine.install(*relabelled("0.1.1~test", self.directory))
        self.assertIsNone(get.poll())
        self.assertNotEqual(self.pid(), before)
        self.assertEqual([self.machine.show(unit, "InactiveExitTimestampMonotonic") for unit in stay], since)
        self.assertIn("0.1.1~test", self.machine.run("dpkg-query", "-W", "blobd"))
        self.ctl("resume", "--everything")
        self.assertEqual(get.wait(60), 0, get.stderr.read().decode())
        self.assertEqual((self.machine.root / "var/tmp/outlived").read_bytes(), content)


class PackageTest(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="blobd-packaging-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.machine = Machine()
        self.addCleanup(self.machine.close)
        self.machine.boot()

    def files(self):
        """What is there, but for what any installation changes."""
        found = self.machine.run("find", "/", "-xdev", "-not", "-path", "/var/lib/dpkg/*", "-not", "-path",
                                 "/var/log/*", "-not", "-path", "/var/cache/*", "-not", "-path", "/var/tmp/*", "-not",
                                 "-path", "/var/lib/systemd/*", "-not", "-name", "*-", "-print")
        accounts = self.machine.run("getent", "passwd") + self.machine.run("getent", "group")
        return set(found.splitlines()), accounts

    def test_upgrade_with_migration_downgrade_remove_purge(self):
        before = self.files()
        self.machine.install(*our_packages())
        self.machine.run("blobctl", "queue", "-q", "1" * 64, "--patience", "24h")
        (self.machine.root / "var/tmp/content").write_bytes(b"kept over all of this" * 1000)
        blob = self.machine.run("blobctl", "add", "-q", "/var/tmp/content").strip()
        conffile = self.machine.root / "etc/blobd/blobd.toml"
        conffile.write_text(conffile.read_text() + "\n# changed by the administrator\n")

        # As a version before the last migration of store.db left it; the upgrade migrates it.
        self.machine.run("systemctl", "stop", "blobd.socket", "blobd.service")
        store = self.machine.root / STATE[1:] / "store.db"
        with sqlite3.connect(store) as database:
            last = database.execute("PRAGMA user_version").fetchone()[0]
            database.execute("ALTER TABLE blobs DROP COLUMN was_complete")
            database.execute(f"PRAGMA user_version={last - 1}")
        database.close()
        self.own(store)
        self.machine.install(*relabelled("0.2.0", self.directory))
        self.assertIn("changed by the administrator", conffile.read_text())
        self.assertEqual(self.machine.run("blobctl", "cat", blob), "kept over all of this" * 1000)
        self.assertEqual(self.machine.run("blobctl", "intents", "-q").split(), ["1"])
        copy = f"{STATE}/store.db.v{last - 1}"
        self.machine.run("test", "-s", copy)

        # A version to come has migrated it further; we are the older one.
        self.machine.run("systemctl", "stop", "blobd.socket", "blobd.service")
        with sqlite3.connect(store) as database:
            database.execute(f"PRAGMA user_version={last + 1}")
        database.close()
        self.own(store)
        said = self.machine.try_run("dpkg", "--install", *[f"/var/tmp/{p.name}" for p in our_packages()])
        self.assertIn(copy, said.stderr)
        self.machine.wait_until("it gave up", lambda: self.machine.show("blobd.service", "ActiveState") == "failed")
        self.assertEqual(self.machine.show("blobd.service", "ExecMainStatus"), "3")
        journal = self.machine.journal()
        self.assertIn("was made by a newer blobd", journal)
        self.assertIn(f"{copy} is what it was before", journal)

        # The way back that the guide describes.
        self.machine.run("sh", "-ec", f"systemctl stop blobd.socket blobd; cd {STATE}; mkdir aside; "
                         "for file in store.db store.db-wal store.db-shm; do [ ! -e $file ] || mv $file aside/; done; "
                         f"cp -p {copy} store.db; systemctl reset-failed; systemctl start blobd.socket blobd")
        self.assertEqual(self.machine.run("blobctl", "cat", blob), "kept over all of this" * 1000)

        self.machine.run("dpkg", "--remove", "blobd", "blobctl")
        self.assertEqual(self.machine.try_run("systemctl", "is-active", "blobd.socket").stdout.strip(), "inactive")
        self.machine.run("test", "-d", f"{STATE}/blobs")
        self.machine.run("test", "-f", "/etc/blobd/blobd.toml")
        self.machine.run("dpkg", "--purge", "blobd", "blobctl")
        self.machine.run("test", "!", "-e", "/run/blobd")
        after = self.files()
        self.assertEqual(sorted(after[0] - before[0]), [])
        self.assertEqual(sorted(before[0] - after[0]), [])
        self.assertEqual(after[1], before[1])

    def test_purge_takes_what_is_blobds_and_nothing_else(self):
        self.machine.run("mkdir", "-p", STATE, "/var/tmp/elsewhere")
        self.machine.run("mount", "-t", "tmpfs", "tmpfs", STATE)
        self.machine.install(*our_packages())
        self.machine.run("blobctl", "queue", "-q", "1" * 64, "--patience", "24h")
        self.machine.run("gpasswd", "-a", "daemon", "blobd")
        (self.machine.root / "etc/blobd/conf.d/10-site.toml").write_text("[limits]\nrequests = 9\n")
        (self.machine.root / "etc/blobd/notes").write_text("the administrator's\n")
        (self.machine.root / "etc/blobd/get/site.conf").write_text("HASH=none\n")
        self.machine.run("dpkg", "--purge", "blobd", "blobctl")
        self.assertEqual(self.machine.try_run("getent", "group", "blobd").returncode, 2)
        self.assertEqual(self.machine.run("ls", "-A", STATE), "")
        self.assertEqual(self.machine.run("find", "/etc/blobd", "-mindepth", "1").split(), ["/etc/blobd/notes"])

        # A link: what is behind it is somewhere else.
        self.machine.run("umount", STATE)
        self.machine.run("rmdir", STATE)
        self.machine.run("touch", "/var/tmp/elsewhere/kept")
        self.machine.run("ln", "-s", "/var/tmp/elsewhere", STATE)
        self.machine.install(*our_packages())
        self.machine.run("dpkg", "--purge", "blobd", "blobctl")
        self.machine.run("test", "-f", "/var/tmp/elsewhere/kept")
        self.machine.run("test", "!", "-L", STATE)

    def own(self, database):
        """Python looked at it as root; it is the daemon's again."""
        owner = database.parent.stat()
        for file in database.parent.glob(database.name + "*"):
            os.chown(file, owner.st_uid, owner.st_gid)


if __name__ == "__main__":
    unittest.main()
