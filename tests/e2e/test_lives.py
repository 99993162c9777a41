"""kill -9 at random moments, and between every pair of calls that change a file (lives.py)."""
import os
import random
import shutil
import unittest

from harness import DONE, PRELOAD, Daemon, is_long_run, is_sanitized
from lives import KIB, KilledAt, LivesTest
from peers import GROUP

LIVES = int(os.environ.get("BLOBD_LIVES", 500 if is_long_run() else 20))
SEED = int(os.environ.get("BLOBD_LIVES_SEED", "1"))


class RandomLives(LivesTest):
    def test_kill_at_random_moments(self):
        self.run_lives(LIVES, SEED, 1.5 if is_sanitized() else 0.8)


class EveryCall(LivesTest):
    """A small scenario, killed before its first call that changes a file, its second, and so on until one survives."""

    sizes = (5 * GROUP + 100, 9 * KIB)

    def test_between_every_pair_of_calls(self):
        self.assertTrue(PRELOAD.exists(), f"{PRELOAD} is not built")
        # The short run takes a sample of the calls.
        step = 1 if is_long_run() else 29
        number = survived = 0
        while not survived:
            number += step if number else 1
            try:
                survived = self.live_until(number)
            except Exception:
                print(f"killed before call {number}: ", end="")
                raise
            self.assertLess(number, 5000, "no run survives")
        print(f"{-(-number // step)} lives up to call {number} ", end="", flush=True)

    def live_until(self, number):
        """True if the process lived to the end of the scenario."""
        self.books = type(self.books)(self.fail)
        directory = self.directory / "victim"
        directory.mkdir()
        victim = KilledAt(directory, number)
        try:
            victim.start()
            survived = self.play(victim)
            self.assertEqual(survived, victim.is_running)
            self.books_after(directory, victim)
            return survived
        finally:
            if victim.is_running:
                victim.kill()
            shutil.rmtree(directory)

    def play(self, victim):
        """Queues both blobs and one that nobody has, cancels that, waits for the others."""
        rng = random.Random(1)
        for label, ticket in zip(("large", "small"), self.tickets.values()):
            self.books.tried.add(label)
            result = victim.ctl("queue", "-q", "--label", label, ticket)
            if result.code != DONE:
                return False
            self.books.queued[int(result.value)] = label
        self.books.tried.add("nobody has it")
        result = victim.ctl("queue", "-q", "--label", "nobody has it", "%064x" % rng.getrandbits(256))
        if result.code != DONE:
            return False
        nobody = int(result.value)
        self.books.queued[nobody] = "nobody has it"
        if victim.ctl("cancel", nobody).code != DONE:
            return False
        self.books.cancelled.add(nobody)
        for intent in self.books.queued:
            if intent != nobody and not victim.watch(intent):
                return False
            intents = self.everything(victim)
            if intents is None:
                return False
            self.books.see(intents)
        return True

    def books_after(self, directory, victim):
        """The next life has everything, and ends it well."""
        if victim.is_running:
            victim.kill()
        heir = Daemon(directory)
        heir.start()
        try:
            self.check(heir)
            for intent, label in self.books.queued.items():
                if label == "nobody has it":
                    heir.ctl("cancel", intent)
                else:
                    self.assertEqual(heir.ctl("watch", intent).code, DONE, label)
            self.books.see(self.everything(heir))
            for blob, path in self.files.items():
                result = heir.ctl("cat", blob)
                if result.code == DONE:
                    self.assertEqual(result.stdout, path.read_bytes())
        finally:
            self.assertEqual(heir.stop(), 0)


if __name__ == "__main__":
    unittest.main()
