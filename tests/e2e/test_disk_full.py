"""A disk that is full, or read-only: downloads pause and say why, the daemon answers, and all goes on by itself."""
import json
import subprocess
import time
import unittest

from harness import DONE, NO_SPACE, PRELOAD, E2eTest, is_sanitized
from peers import write_random

MIB = 1 << 20
ANYONE = '[serve]\nmode = "anyone"\n'
# Promised are 5 s; two cores may be shared, and sanitizers are slow.
RESUMES_WITHIN = 25 if is_sanitized() else 10


class DiskTest(E2eTest):
    def setUp(self):
        super().setUp()
        self.source = self.start_daemon("source", ANYONE)

    def ticket(self, name, size):
        path = write_random(self.directory / "files" / name, size, seed=name)
        blob = self.source.add(path)
        return blob, path, self.source.ticket(blob)

    def wait_for_status(self, word):
        """Waits until `status` has the word in what it says of the disk."""
        self.daemon.wait_until(f"status says {word}", lambda: word in json.dumps(self.daemon.status()).lower())

    def wait_for_reason(self, intent, word):
        self.daemon.wait_until(f"intent {intent} waits for the {word}: {self.daemon.intent(intent)}",
                               lambda: word in self.daemon.intent(intent).get("waitsFor", "").lower())

    def assert_answers(self):
        started = time.monotonic()
        self.ctl("status")
        self.ctl("intents", "--all")
        self.assertLess(time.monotonic() - started, RESUMES_WITHIN)

    def assert_goes_on(self, intent, blob, path):
        started = time.monotonic()
        self.ctl("watch", intent)
        seconds = time.monotonic() - started
        self.assertEqual(self.ctl("cat", blob).stdout, path.read_bytes())
        self.assertLess(seconds, RESUMES_WITHIN, "it took long to go on")


class Full(DiskTest):
    """The state directory is a file system of 64 MiB."""

    def setUp(self):
        self._mounted = False
        super().setUp()

    def prepare(self):
        state = self.daemon.state
        state.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "blobd-test", str(state)],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"cannot mount: {mounted.stderr.strip()}")
        # After the daemon has ended.
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(state)], check=False)

    def test_goes_on_when_there_is_room(self):
        filler = write_random(self.daemon.state / "filler", 40 * MIB)
        blob, path, ticket = self.ticket("large", 30 * MIB)
        intent = self.queue(ticket)
        self.wait_for_reason(intent, "disk")
        self.wait_for_status("full")
        self.assert_answers()
        # What fits is got meanwhile, and a call that cannot be made durable is refused with the reason.
        small, small_path, small_ticket = self.ticket("small", MIB)
        result = self.daemon.ctl("queue", "-q", small_ticket)
        self.assertIn(result.code, (DONE, NO_SPACE))
        if result.code == NO_SPACE:
            self.assertIn("disk", result.text.lower())
        filler.unlink()
        self.assert_goes_on(intent, blob, path)
        if result.code == DONE:
            self.assert_goes_on(int(result.value), small, small_path)
        self.assertNotIn("disk", self.daemon.intent(intent).get("waitsFor", ""))

    def test_starts_where_not_a_byte_is_left(self):
        blob, path, ticket = self.ticket("blob", 8 * MIB)
        intent = self.queue(ticket)
        self.assert_goes_on(intent, blob, path)
        ballast = self.daemon.state / "ballast"
        self.daemon.wait_until("there is ballast", ballast.exists)
        self.assertEqual(self.daemon.stop(), 0)
        with (self.daemon.state / "filler").open("wb", buffering=0) as filler, self.assertRaises(OSError):
            while True:
                filler.write(bytes(4096))
        self.daemon.start()
        self.wait_for_status("full")
        self.assertFalse(ballast.exists())
        self.assertEqual(self.ctl("cat", blob).stdout, path.read_bytes())

    def test_what_can_never_fit_waits_and_others_go_on(self):
        _, _, ticket = self.ticket("huge", 80 * MIB)
        blob, path, other = self.ticket("other", 8 * MIB)
        huge = self.queue(ticket)
        self.wait_for_reason(huge, "disk")
        intent = self.queue(other)
        self.assert_goes_on(intent, blob, path)
        self.assertNotIn(self.daemon.intent(huge)["state"], ("INTENT_STATE_DONE", "INTENT_STATE_FAILED"))
        self.ctl("cancel", huge)


class ReadOnly(DiskTest):
    """Every change of a file fails with EROFS for a while."""

    def prepare(self):
        self.assertTrue(PRELOAD.exists(), f"{PRELOAD} is not built")
        self._flag = self.directory / "read-only"
        self.daemon.preload(BLOBD_READ_ONLY_WHILE=str(self._flag))

    def test_goes_on_when_it_may_be_written(self):
        blob, path, ticket = self.ticket("blob", 160 * MIB)
        intent = self.queue(ticket)
        self._flag.touch()
        self.wait_for_reason(intent, "disk")
        self.wait_for_status("read-only")
        self.assert_answers()
        result = self.daemon.ctl("queue", ticket)
        self.assertEqual(result.code, NO_SPACE, result.text)
        self.assertIn("read-only", result.text.lower())
        self._flag.unlink()
        self.assert_goes_on(intent, blob, path)


if __name__ == "__main__":
    unittest.main()
