"""The registry outlives what happens to its file: copies taken and brought back, read while the daemon is down, damaged
and recovered."""
import os
import random
import sqlite3
import subprocess
import unittest

from harness import BLOBCTL, BLOBD, DONE, FAILED, NOT_FOUND, PERMISSION, E2eTest
from peers import write_random

EMPTY, FOREIGN, NEWER = "empty", "foreign", "newer"


def hash_of(number):
    """A hash that nobody has."""
    return f"{number:064x}"


class RegistryTest(E2eTest):
    @property
    def database(self):
        return self.daemon.state / "registry.db"

    def queue_nobody_has(self, *numbers):
        return [self.queue(hash_of(number), "--label", f"number {number}") for number in numbers]

    def unfinished(self):
        return {int(i["intentId"]): i["kind"]["hash"] for i in self.ctl("intents", "--json").json().get("intents", [])}

    def offline(self, *args):
        return subprocess.run([BLOBCTL, "--offline", "--state-dir", self.daemon.state, *args], capture_output=True,
                              text=True, check=False)

    def run_blobd(self, *args):
        """Runs a daemon that is to end by itself, as the user whose state it is."""
        owner = self.daemon.state.stat().st_uid
        as_owner = {}
        if owner != os.geteuid():
            # Of whom the home is not that of root either, where configuration would be looked for.
            as_owner = {"user": owner, "group": self.daemon.state.stat().st_gid,
                        "env": {**os.environ, "HOME": str(self.daemon.state)}}
        return subprocess.run([BLOBD, "--state-dir", self.daemon.state, "--socket", self.daemon.socket, *args],
                              capture_output=True, text=True, timeout=60, check=False, **as_owner)

    def hand_over(self, *paths):
        """What the test has written is the daemon's, as an operator would see to."""
        state = self.daemon.state.stat()
        for path in paths:
            os.chown(path, state.st_uid, state.st_gid)


class Backup(RegistryTest):
    def test_taken_while_it_runs_and_brought_back(self):
        before = self.queue_nobody_has(1, 2, 3)
        copy = self.directory / "copy.db"
        self.ctl("backup", copy)
        self.assertEqual(copy.stat().st_mode & 0o777, 0o600)
        after = self.queue_nobody_has(4)
        self.assertEqual(self.daemon.stop(), 0)
        self.hand_over(copy)
        restored = self.run_blobd("--restore-registry", str(copy))
        self.assertEqual(restored.returncode, 0, restored.stderr)
        self.daemon.start()
        self.assertEqual(self.unfinished(), dict(zip(before, map(hash_of, (1, 2, 3)))))
        # An id that was ever handed out never comes again, although the copy does not know of it.
        self.assertGreater(self.queue_nobody_has(5)[0], after[0])
        kept = [name for name in os.listdir(self.daemon.state) if name.startswith("registry.db.replaced-")]
        self.assertTrue(kept, os.listdir(self.daemon.state))

    def test_nothing_is_overwritten_or_left_behind(self):
        copy = self.directory / "copy.db"
        copy.write_text("mine")
        result = self.ctl("backup", copy, code=None)
        self.assertNotEqual(result.code, DONE)
        self.assertIn("exists", result.text)
        self.assertEqual(copy.read_text(), "mine")
        self.ctl("backup", self.directory / "other.db")
        self.assertEqual([n for n in os.listdir(self.daemon.state) if "backup" in n], [])
        self.assertEqual(sorted(n for n in os.listdir(self.directory) if n.endswith(".db")), ["copy.db", "other.db"])

    def test_a_damaged_copy_is_not_brought_back(self):
        ids = self.queue_nobody_has(1)
        copy = self.directory / "copy.db"
        self.ctl("backup", copy)
        content = bytearray(copy.read_bytes())
        for at in range(4096, len(content), 7):
            content[at] ^= 0x55
        copy.write_bytes(content)
        self.assertEqual(self.daemon.stop(), 0)
        self.hand_over(copy)
        refused = self.run_blobd("--restore-registry", str(copy))
        self.assertNotEqual(refused.returncode, 0)
        self.daemon.start()
        self.assertEqual(list(self.unfinished()), ids)

    def test_not_beside_a_running_daemon(self):
        copy = self.directory / "copy.db"
        self.ctl("backup", copy)
        self.hand_over(copy)
        refused = self.run_blobd("--restore-registry", str(copy))
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("another", refused.stderr)


class Offline(RegistryTest):
    def test_lists_what_was_there(self):
        ids = self.queue_nobody_has(1, 2)
        self.ctl("cancel", ids[1])
        blob = self.daemon.add(write_random(self.directory / "blob", 100_000))
        for how in (self.daemon.stop, self.daemon.kill):
            how()
            unfinished = self.offline("intents", "-q")
            self.assertEqual((unfinished.returncode, unfinished.stdout.split()), (0, [str(ids[0])]), unfinished.stderr)
            everything = self.offline("intents", "--all")
            self.assertIn("cancelled", everything.stdout)
            self.assertIn("number 1", everything.stdout)
            self.assertEqual(self.offline("blobs", "-q").stdout.split(), [blob])
            self.assertEqual(self.offline("transfers", "--all").returncode, 0)
            self.daemon.start()
        refused = self.offline("queue", hash_of(9))
        self.assertEqual(refused.returncode, FAILED)
        self.assertIn("--offline", refused.stderr)

    def test_no_such_state(self):
        missing = subprocess.run([BLOBCTL, "--offline", "--state-dir", self.directory / "nowhere", "intents"],
                                 capture_output=True, text=True, check=False)
        self.assertEqual(missing.returncode, NOT_FOUND, missing.stderr)


class Damage(RegistryTest):
    def make_large(self):
        """Many intents, so that there are pages to be damaged and pages to be saved."""
        with open(self.directory / "many", "w", encoding="ascii") as many:
            many.write("\n".join(map(hash_of, range(1, 2001))))
        hashes = [hash_of(number) for number in range(1, 2001)]
        for first in range(0, len(hashes), 500):
            self.ctl("queue", "-q", *hashes[first:first + 500])
        self.assertEqual(self.daemon.stop(), 0)

    def spoil_pages(self, share=0.1):
        """Noise over some pages of the second half: the first has the table of contents, without which nothing reads."""
        chance = random.Random(3)
        content = bytearray(self.database.read_bytes())
        pages = range(len(content) // 8192, len(content) // 4096)
        for page in chance.sample(pages, max(1, int(len(pages) * share))):
            content[page * 4096:(page + 1) * 4096] = chance.randbytes(4096)
        self.database.write_bytes(content)

    def test_degraded_then_recovered(self):
        blob = self.daemon.add(write_random(self.directory / "blob", 100_000))
        self.make_large()
        self.spoil_pages()
        self.daemon.start()
        status = self.daemon.status()
        self.assertEqual(status["state"], "degraded")
        self.assertIn("registry_damaged", status["degraded"])
        self.assertEqual(len(self.daemon.ctl("cat", blob).stdout), 100_000)
        for command in (("queue", hash_of(7)), ("intents",), ("cancel", "1"), ("backup", self.directory / "copy.db")):
            refused = self.ctl(*command, code=None)
            self.assertNotEqual(refused.code, DONE, command)
            self.assertIn("registry_damaged", refused.text)
            self.assertIn("blobctl registry recover", refused.text)
        recovered = self.ctl("registry", "recover", "--json").json()
        [intents] = [t for t in recovered["tables"] if t["name"] == "intents"]
        saved = int(intents["savedRows"])
        self.assertGreater(saved, 1000)
        self.assertEqual(self.daemon.status()["state"], "running")
        self.assertEqual(len(self.unfinished()), saved)
        self.assertTrue(os.path.exists(recovered["damagedFile"]))
        # What was lost is said, and no id comes twice.
        self.assertLess(saved, 2000)
        self.assertTrue(recovered["notes"])
        self.assertGreater(self.queue_nobody_has(5000)[0], 2000)
        again = self.ctl("registry", "recover", code=None)
        self.assertNotEqual(again.code, DONE)
        self.assertIn("not damaged", again.text)
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(len(self.unfinished()), saved + 1)

    def test_a_header_of_noise_is_damage(self):
        self.queue_nobody_has(1)
        self.assertEqual(self.daemon.stop(), 0)
        with open(self.database, "r+b") as file:
            file.write(random.Random(1).randbytes(100))
        self.daemon.start()
        self.assertEqual(self.daemon.status()["state"], "degraded")

    def test_a_file_that_is_not_ours_is_refused(self):
        self.queue_nobody_has(1)
        self.assertEqual(self.daemon.stop(), 0)
        good = self.database.read_bytes()
        for what, word in ((EMPTY, "empty"), (FOREIGN, "is not a registry of blobd"), (NEWER, "newer")):
            with self.subTest(what):
                self.database.unlink()
                if what == EMPTY:
                    self.database.touch()
                else:
                    self.database.write_bytes(good)
                    with sqlite3.connect(self.database) as database:
                        pragma = "application_id = 7" if what == FOREIGN else "user_version = 99"
                        database.execute(f"PRAGMA {pragma}")
                    database.close()
                self.hand_over(self.database)
                before = self.database.read_bytes()
                if what == EMPTY:
                    # What was there is gone, which is damage: the blobs are served, and recovery says what is lost.
                    self.daemon.start()
                    self.assertEqual(self.daemon.status()["state"], "degraded")
                    self.assertIn(word, self.daemon.status()["degraded"])
                    self.assertEqual(self.daemon.stop(), 0)
                else:
                    refused = self.run_blobd()
                    self.assertNotEqual(refused.returncode, 0)
                    self.assertIn(word, refused.stderr)
                self.assertEqual(self.database.read_bytes(), before)
        self.database.write_bytes(good)
        self.hand_over(self.database)
        self.daemon.start()

    def test_recovery_is_for_root(self):
        self.assertEqual(PERMISSION, 5)
        os.chmod(self.directory, 0o755)
        os.chmod(self.daemon.socket, 0o666)
        # Nor in the group root, whose members are administrators.
        as_member = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
        done = subprocess.run([*as_member, *self.daemon.ctl_command("registry", "recover")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, PERMISSION, done.stderr)
        self.assertIn("root", done.stderr)


if __name__ == "__main__":
    unittest.main()
