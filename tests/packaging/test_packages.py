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
        self.machine.run("systemctl", "reset-failed")
        self.machine.run("sh", "-ec", guide.block("back", **{"store.db.v3": Path(copy).name}))
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
