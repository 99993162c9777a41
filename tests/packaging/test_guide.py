"""The guide for operators does what it says: its blocks are run as they stand there, on a really booted systemd."""
import json
import re
import unittest
from pathlib import Path

import guide
from booted import STATE, BootTest, setUpModule  # noqa: F401

# Public keys (RFC 8032, test vectors 1 and 2).
NODES = ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
# test_packages.py runs it, where there is something to go back to.
ELSEWHERE = {"back"}


class GuideTest(BootTest):
    def do(self, name, **values):
        return self.machine.run("sh", "-ec", "cd /var/tmp\n" + guide.block(name, **values))

    def restart_without(self, *files):
        """After the test: these are gone, and blobd is as before."""
        def undo():
            self.machine.run("rm", "-rf", *files)
            self.machine.run("systemctl", "daemon-reload")
            self.machine.run("systemctl", "restart", "blobd.service")
        self.addCleanup(undo)

    def status(self):
        return json.loads(self.ctl("status", "--json"))

    def test_each_block_is_run(self):
        done = set(re.findall(r'(?:do|block)\("(\w+)"', Path(__file__).read_text()))
        self.assertEqual(sorted(guide.blocks().keys() - done), sorted(ELSEWHERE))

    def test_site(self):
        self.restart_without("/etc/blobd/conf.d/10-site.toml")
        self.do("site")
        self.machine.wait_until("it is read", lambda: 'store.max_bytes is "500GB" now' in self.machine.journal())

    def test_fleet(self):
        text = guide.block("fleet")
        for number in range(text.count("NODE_ID")):
            text = text.replace("NODE_ID", NODES[number % 2], 1)
        path = text.splitlines()[0].removeprefix("# ")
        (self.machine.root / path[1:]).write_text(text)
        self.restart_without(path)
        self.machine.run("blobd", "--check-config")
        self.machine.run("systemctl", "restart", "blobd.service")
        self.assertEqual(self.status()["serve"], "listed")

    def test_publish(self):
        self.machine.run("mkdir", "-p", "/var/tmp/image")
        for name in ("kernel", "system"):
            (self.machine.root / "var/tmp/image" / name).write_bytes(name.encode() * 10_000)
        self.do("publish")
        self.assertIn("images/current", self.ctl("tags"))

    def test_key(self):
        before = self.status()["nodeId"]
        (self.machine.root / "var/tmp/key.txt").write_text("07" * 32 + "\n")
        self.restart_without("/etc/credstore.encrypted", "/etc/systemd/system/blobd.service.d")
        self.do("key")
        self.assertNotEqual(self.status()["nodeId"], before)
        self.assertIn("the node's key is the service manager's credential", self.machine.journal())

    def test_mirrors(self):
        self.restart_without("/etc/blobd/conf.d/30-mirrors.toml")
        self.do("mirrors")
        self.ctl("status")
        self.assertNotIn("30-mirrors.toml", self.machine.journal())

    def test_reach(self):
        self.restart_without("/etc/systemd/system/blobd.service.d")
        self.do("reach")
        self.ctl("status")
        self.assertEqual(self.machine.show("blobd.service", "IPAddressDeny"), "10.0.0.0/8")

    def test_elsewhere(self):
        self.restart_without("/etc/blobd/conf.d/40-state.toml", "/etc/systemd/system/blobd.service.d")
        self.do("elsewhere")
        self.assertEqual(self.status()["stateDirectory"], "/srv/blobd")
        (self.machine.root / "var/tmp/content").write_bytes(b"kept elsewhere" * 10_000)
        self.ctl("add", "/var/tmp/content")

    def test_backup(self):
        (self.machine.root / "var/tmp/content").write_bytes(b"exists nowhere else" * 10_000)
        blob = self.ctl("add", "-q", "/var/tmp/content").strip()
        kept = self.queue_nothing("4")
        self.addCleanup(self.machine.run, "rm", "-r", "/backup")
        self.do("backup", **{"HASH...": blob})
        later = self.queue_nothing("5")
        self.ctl("rm", "--force", blob)

        copies = self.machine.run("find", "/backup", "-name", "*.registry", "-printf", "%f\n").split()
        self.assertEqual(len(copies), 1)
        self.do("restore", FILE=copies[0])
        self.assertEqual(self.intents(), [kept])
        self.assertEqual(self.ctl("cat", blob), "exists nowhere else" * 10_000)
        self.assertGreater(int(self.queue_nothing("6")), int(later))
        self.ctl("cancel", *self.intents())
        offline = ("runuser", "-u", "blobd", "--", "blobctl", "--offline", "--state-dir", STATE, "intents", "-q", "-a")
        self.machine.run("systemctl", "stop", "blobd.socket", "blobd")
        self.assertIn(kept, self.machine.run(*offline).split())

    def test_metrics(self):
        self.addCleanup(self.machine.run, "systemctl", "disable", "--now", "blobd-metrics.socket")
        self.assertIn("\nblobd_degraded 0\n", self.do("metrics"))
        self.machine.run("mkdir", "-p", "/var/lib/prometheus/node-exporter")
        self.do("textfile")
        told = self.machine.root / "var/lib/prometheus/node-exporter/blobd.prom"
        self.assertIn("\nblobd_degraded 0\n", told.read_text())
        # Once nobody answers, nothing old is told.
        self.machine.run("systemctl", "stop", "blobd.service", "blobd.socket")
        self.do("textfile")
        self.assertFalse(told.exists())

    def test_housekeeping(self):
        timers = ("blobd-verify.timer", "blobd-gc.timer")
        self.addCleanup(self.machine.run, "systemctl", "disable", "--now", *timers)
        self.do("housekeeping")
        for timer in timers:
            self.assertEqual(self.machine.show(timer, "ActiveState"), "active")
            self.assertEqual(self.machine.show(timer, "UnitFileState"), "enabled")


if __name__ == "__main__":
    unittest.main()
