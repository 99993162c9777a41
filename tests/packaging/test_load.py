"""blobd as its packages install it, at work: with a provider and a mirror outside of the machine."""
import json
import os
import re
import unittest

import machine
from booted import BootTest, Outside, relabelled, setUpModule  # noqa: F401


class LoadTest(BootTest):
    """The sandbox under load, where a call that is not allowed ends the daemon."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.outside = Outside(cls)
        cls.mirror = cls.outside.mirror(cls)

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
        # From a mirror: with its hash tree beside it, without, and one whose hash is not known before.
        for number, size in enumerate((5_000, 9 << 20)):
            content = os.urandom(size)
            (self.mirror.www / f"{number}").write_bytes(content)
            blob = self.outside.add(content)
            if number:
                self.outside.run("outboard", self.mirror.www / f"{number}")
            self.ctl("get", "-q", blob, "--from", self.mirror.url(f"{number}"), "-o", f"/var/tmp/mirrored{number}")
            self.assertEqual((self.machine.root / f"var/tmp/mirrored{number}").read_bytes(), content)
        self.assertEqual(self.ctl("import", "-q", self.mirror.url("1")).strip(), blob)
        files = self.machine.root / "var/tmp/files"
        files.mkdir()
        for number in range(300):
            (files / f"{number}").write_bytes(os.urandom(number * 37))
        collection = self.ctl("add", "-q", "/var/tmp/files").strip()
        self.ctl("export", collection, "-o", "/var/tmp/copy")
        self.ctl("tag", "kept", collection)
        self.ctl("ticket", collection)
        self.ctl("export-store", "/var/tmp/store")
        self.ctl("import-store", "/var/tmp/store")
        self.ctl("verify", "--all")
        self.ctl("rm", "--force", blob)
        self.ctl("gc")
        self.ctl("remotes")
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

    def test_what_is_off_by_default_is_allowed_too(self):
        extra = self.machine.root / "etc/blobd/conf.d/50-lookup.toml"
        # Nobody there speaks TLS, which is found out by trying.
        extra.write_text("[lookup]\nlocal = true\ndns = true\ndns_servers = [\"10.99.0.2:53\"]\npkarr = true\n"
                         "pkarr_publish = true\npkarr_relay = \"https://10.99.0.2:8080/pkarr\"\n")
        self.addCleanup(extra.unlink)
        self.machine.run("systemctl", "stop", "blobd.service")
        self.machine.run("systemctl", "start", "blobd-metrics.socket")
        self.addCleanup(self.machine.run, "systemctl", "stop", "blobd-metrics.socket")
        self.machine.run("systemctl", "start", "blobd.service")
        before = self.pid()
        done = self.machine.try_run("blobctl", "get", "-q", "3" * 64, "--from", "2" * 64, "--deadline", "3s")
        self.assertNotEqual(done.returncode, 0)
        self.machine.run("ip", "address", "add", "10.99.0.77/24", "dev", "cable0")
        self.machine.run("ip", "link", "set", "cable0", "down")
        self.machine.run("ip", "link", "set", "cable0", "up")
        self.machine.run("ip", "address", "delete", "10.99.0.77/24", "dev", "cable0")
        self.assertIn("\nblobd_degraded 0\n", self.machine.run(
            "curl", "--silent", "--unix-socket", "/run/blobd/metrics.sock", "http://blobd/metrics"))
        blob = self.outside.add(os.urandom(50_000))
        self.get(blob)
        self.assertEqual(self.pid(), before)
        self.assertNotRegex(self.machine.journal(), "SIGSYS|status=31")

    def test_a_get_that_moves_outlives_a_restart(self):
        # Too much to end while the daemon drains, which takes drain_grace_ms: it is cut. The limit ends with that life.
        content = os.urandom(48 << 20)
        blob = self.outside.add(content)
        self.ctl("limits", "download_rate=2MB/s")
        get = self.machine.start("blobctl", "get", blob, "--from", self.outside.provider, "--patience", "1h", "-o",
                                 "/var/tmp/moved")
        self.addCleanup(get.wait)
        self.addCleanup(get.kill)

        def verified():
            intents = json.loads(self.ctl("intents", "--json")).get("intents", [])
            return sum(int(intent.get("verifiedBytes", 0)) for intent in intents)
        self.machine.wait_until("it moves", lambda: verified() > 1 << 20 or get.poll() is not None)
        self.machine.run("systemctl", "stop", "blobd.service")
        self.assertIsNone(get.poll())
        self.machine.run("systemctl", "start", "blobd.service")
        self.assertEqual(get.wait(60), 0, get.stderr.read().decode())
        self.assertEqual((self.machine.root / "var/tmp/moved").read_bytes(), content)

    def lines(self, **fields):
        """Those of the journal that have these fields."""
        self.machine.run("journalctl", "--sync")
        matches = [f"{name}={value}" for name, value in fields.items()]
        return [json.loads(line) for line in self.machine.run("journalctl", "-q", "-o", "json", *matches).splitlines()]

    def test_the_journal_is_asked_by_what_it_is_about(self):
        source = (machine.ROOT / "daemon/log_events.cc").read_text()
        done = re.search(r'kIntentDone:\s*return "(\w+)"', source).group(1)
        for provider, name in ((self.outside.provider, "BLOBD_NODE"), (self.mirror.url("asked"), "BLOBD_MIRROR")):
            content = os.urandom(200_000)
            blob = self.outside.add(content)
            (self.mirror.www / "asked").write_bytes(content)
            intent = self.ctl("queue", "-q", blob, "--from", provider).strip()
            self.ctl("watch", intent)
            ended = self.lines(BLOBD_INTENT=intent, MESSAGE_ID=done)
            self.assertEqual([line["BLOBD_HASH"] for line in ended], [blob])
            self.assertEqual(ended[0]["_SYSTEMD_UNIT"], "blobd.service")
            transfers = [line for line in self.lines(BLOBD_HASH=blob) if name in line]
            self.assertTrue(transfers, name)
            self.assertIn(transfers[-1][name], provider)
            self.assertIn("transfer done", [line["MESSAGE"] for line in
                                            self.lines(BLOBD_TRANSFER=transfers[-1]["BLOBD_TRANSFER"])])

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

if __name__ == "__main__":
    unittest.main()
