"""What dpkg does with the packages, on a really booted systemd."""
import os
import shutil
import sqlite3
import tempfile
import unittest
from pathlib import Path

import guide
from booted import STATE, our_packages, relabelled, setUpModule  # noqa: F401
from machine import Machine

KEPT = "kept over all of this" * 1000
# What undoes the last migration of each database.
LAST_MIGRATIONS = {
    "registry.db": ("DROP INDEX intents_by_owner", "DROP INDEX intents_by_label", "DROP INDEX intents_ended"),
    "store.db": ("ALTER TABLE blobs DROP COLUMN was_complete",),
}


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
        (self.machine.root / "var/tmp/content").write_text(KEPT)
        blob = self.machine.run("blobctl", "add", "-q", "/var/tmp/content").strip()
        self.assert_all_is_here(blob)
        conffile = self.machine.root / "etc/blobd/blobd.toml"
        conffile.write_text(conffile.read_text() + "\n# changed by the administrator\n")

        # As a version before the last migration of both databases left them; the upgrade migrates them.
        self.machine.run("systemctl", "stop", "blobd.socket", "blobd.service")
        last = {name: self.take_back(name, *undo) for name, undo in LAST_MIGRATIONS.items()}
        self.machine.install(*relabelled("0.2.0", self.directory))
        self.assertIn("changed by the administrator", conffile.read_text())
        self.assert_all_is_here(blob)
        copies = {name: f"{STATE}/{name}.v{version - 1}" for name, version in last.items()}
        for copy in copies.values():
            self.machine.run("test", "-s", copy)

        # A version to come has migrated one of them further; we are the older one.
        for name, copy in copies.items():
            with self.subTest(name):
                self.machine.install(*relabelled("0.2.0", self.directory))
                self.machine.run("systemctl", "stop", "blobd.socket", "blobd.service")
                self.change(name, f"PRAGMA user_version={last[name] + 1}")
                said = self.machine.try_run("dpkg", "--install", *[f"/var/tmp/{p.name}" for p in our_packages()])
                for each in copies.values():
                    self.assertIn(each, said.stderr)
                self.machine.wait_until("it gave up",
                                        lambda: self.machine.show("blobd.service", "ActiveState") == "failed")
                self.assertEqual(self.machine.show("blobd.service", "ExecMainStatus"), "3")
                shown = self.machine.try_run("systemctl", "status", "--full", "blobd.service").stdout
                for told in (self.machine.journal(), shown):
                    self.assertIn(f"{STATE}/{name} was made by a newer blobd", told)
                    self.assertIn(f"{copy} is what it was before", told)

                # The way back that the guide describes.
                self.machine.run("systemctl", "reset-failed")
                self.machine.run("sh", "-ec", guide.block("back", **{"store.db.v3": Path(copy).name}))
                self.assert_all_is_here(blob)

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

    def assert_all_is_here(self, blob):
        self.assertEqual(self.machine.run("blobctl", "cat", blob), KEPT)
        self.assertEqual(self.machine.run("blobctl", "intents", "-q").split(), ["1"])

    def change(self, name, *statements):
        """Changes a database of the daemon, which does not run. The version that it had."""
        path = self.machine.root / STATE[1:] / name
        with sqlite3.connect(path) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            for statement in statements:
                database.execute(statement)
        database.close()
        # That was root; it is the daemon's again.
        owner = path.parent.stat()
        for file in path.parent.glob(name + "*"):
            os.chown(file, owner.st_uid, owner.st_gid)
        return version

    def take_back(self, name, *undo):
        """Makes a database what it was before its last migration. The version that it had."""
        version = self.change(name, *undo)
        self.change(name, f"PRAGMA user_version={version - 1}")
        return version


if __name__ == "__main__":
    unittest.main()
