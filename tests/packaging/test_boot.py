"""blobd as its packages install it, on a really booted systemd: its units and its life."""
import json
import re
import unittest

import machine
from booted import STATE, BootTest, setUpModule  # noqa: F401

READY_EVENT = re.compile(r'kReady:\s*return "(\w+)"')
# What systemd-analyze security may find at most, in tenths.
MOST_EXPOSURE = 15


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

    def by_hand(self, directory):
        """The daemon over the service's state, started as in a shell: its pid, and what started it."""
        said = ("sh", "-c", f"echo $$ >{directory}/pid; exec blobd --config /etc/blobd/blobd.toml --state-dir {STATE} "
                            f"--socket {directory}/sock")
        started = self.machine.start("runuser", "-u", "blobd", "--", *said)
        self.addCleanup(started.communicate)
        self.addCleanup(lambda: started.poll() is None and self.machine.run("sh", "-c", f"kill -KILL $(cat {directory}/pid)"))
        self.machine.wait_until("it answers", lambda: self.machine.try_run(
            "blobctl", "--socket", f"{directory}/sock", "status").returncode == 0)
        return (self.machine.root / directory[1:] / "pid").read_text().strip(), started

    def test_started_by_hand_it_is_the_same(self):
        (self.machine.root / "var/tmp/content").write_text("the same to both")
        blob = self.ctl("add", "-q", "/var/tmp/content").strip()
        intent = self.queue_nothing()
        node = json.loads(self.ctl("status", "--json"))["nodeId"]
        self.machine.run("systemctl", "stop", "blobd.socket", "blobd.service")
        directory = "/var/tmp/hand"
        self.machine.run("install", "-d", "-m", "755", "-o", "blobd", directory)
        here = ("--socket", f"{directory}/sock")

        def assert_the_same(*to):
            self.assertEqual(json.loads(self.ctl(*to, "status", "--json"))["nodeId"], node)
            self.assertEqual(self.ctl(*to, "cat", blob), "the same to both")
            self.assertEqual(self.ctl(*to, "intents", "-q").split(), [intent])

        pid, killed = self.by_hand(directory)
        assert_the_same(*here)
        self.machine.run("kill", "-KILL", pid)
        killed.wait(30)
        pid, ended = self.by_hand(directory)
        assert_the_same(*here)
        self.machine.run("kill", "-HUP", pid)
        self.machine.run("kill", "-TERM", pid)
        self.assertEqual(ended.wait(30), 0)
        log = ended.stderr.read().decode() + ended.stdout.read().decode()
        self.assertRegex(log, r"is ready: node(?s:.*)keys that changed: 0(?s:.*)shutting down")
        self.machine.run("systemctl", "start", "blobd.socket", "blobd.service")
        assert_the_same()
        self.ctl("cancel", intent)

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
        self.assertIn("a unit must not have PrivateUsers=", self.machine.journal())

    def units(self, kind):
        """Those of the packages, with a name for the instance."""
        files = sorted(path.name for path in (machine.ROOT / "systemd" / kind).iterdir())
        return [file.replace("@.", "@x.") for file in files]

    def exposed(self, unit):
        found = json.loads(self.machine.run("systemd-analyze", "security", "--json=short", unit))
        return {one["name"] for one in found if one["exposure"] and float(one["exposure"]) > 0}

    def test_units_are_sound_and_little_exposed(self):
        done = self.machine.try_run("systemd-analyze", "verify", *self.units("system"))
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        services = [unit for unit in self.units("system") if unit.endswith(".service")]
        self.assertEqual(len(services), 4)
        for unit in services:
            done = self.machine.try_run("systemd-analyze", "security", f"--threshold={MOST_EXPOSURE}", unit)
            self.assertEqual(done.returncode, 0, done.stdout)
        # The guide explains each point that is left, and no other: of the daemon, and of what only calls it.
        guide = (machine.ROOT / "packaging/docs/operations.md").read_text().split("## The sandbox")[1].split("\n## ")[0]
        explained = [set(re.findall(r"`([A-Z][A-Za-z]+=[^`]*)`", part.replace("\\|", "|")))
                     for part in guide.split("The units that only call it")]
        self.assertEqual(self.exposed("blobd.service"), explained[0])
        self.assertEqual(set().union(*(self.exposed(unit) for unit in services if unit != "blobd.service")),
                         explained[1])

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

    def test_the_timers_start_them(self):
        for name in ("blobd-gc", "blobd-verify"):
            self.drop_in("[Timer]\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=100ms\n", f"{name}.timer")
            before = self.machine.show(f"{name}.service", "InvocationID")
            self.machine.run("systemctl", "start", f"{name}.timer")
            self.addCleanup(self.machine.run, "systemctl", "stop", f"{name}.timer")
            self.machine.wait_until(f"{name} has run", lambda: (
                self.machine.show(f"{name}.service", "InvocationID") not in ("", before)
                and self.machine.show(f"{name}.service", "ActiveState") == "inactive"))
            self.assertEqual(self.machine.show(f"{name}.service", "Result"), "success")

    def test_metrics_are_told_where_they_are_asked_for(self):
        self.assertEqual(self.machine.show("blobd-metrics.socket", "UnitFileState"), "disabled")
        self.machine.run("systemctl", "stop", "blobd.service")
        self.machine.run("systemctl", "start", "blobd-metrics.socket")
        self.addCleanup(self.machine.run, "systemctl", "stop", "blobd-metrics.socket")
        self.machine.run("systemctl", "start", "blobd.service")
        told = self.machine.run("curl", "--silent", "--unix-socket", "/run/blobd/metrics.sock", "http://blobd/metrics")
        self.assertIn("\nblobd_degraded 0\n", told)
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
        done = self.machine.try_run(*as_joe, "systemd-analyze", "--user", "verify", *self.units("user"))
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        self.machine.run(*as_joe, "systemctl", "--user", "start", "blobd.socket", "blobd-metrics.socket")
        status = json.loads(self.machine.run(*as_joe, "blobctl", "status", "--json"))
        self.assertEqual(status["stateDirectory"], f"{home}/.local/state/blobd")
        for unit in ("blobd-gc.service", "blobd-verify.service"):
            self.machine.run(*as_joe, "systemctl", "--user", "start", unit)
        self.assertIn("\nblobd_degraded 0\n", self.machine.run(
            *as_joe, "curl", "--silent", "--unix-socket", f"/run/user/{uid}/blobd/metrics.sock", "http://blobd/metrics"))
        self.machine.run(*as_joe, "systemctl", "--user", "stop", "blobd.socket", "blobd.service")
        self.machine.run("loginctl", "disable-linger", "joe")

if __name__ == "__main__":
    unittest.main()
