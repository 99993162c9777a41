"""Lives of a daemon that end by kill -9, and the books of what it acknowledged in them.

Intents are queued, cancelled and downloaded from a second daemon on loopback. After every life: whatever was
acknowledged is listed under its id, what has ended stays as it ended, verified bytes never go back, and what is
complete is right.
"""
import random
import signal
import threading
import time
from pathlib import Path

from harness import DONE, Daemon, E2eTest, is_long_run
from peers import write_random

KIB, MIB = 1 << 10, 1 << 20
# A life that was killed leaves a connection, until the source has heard nothing of it for 30 s.
ANYONE = '[serve]\nmode = "anyone"\nconnections_per_address = 1000\n'
ENDED = {"INTENT_STATE_DONE", "INTENT_STATE_CANCELLED", "INTENT_STATE_NO_PROVIDERS", "INTENT_STATE_FAILED",
         "INTENT_STATE_DEADLINE_EXCEEDED"}
# QUIC's own bytes, and what of one life was on its way or not yet verified when it ended.
OVERHEAD, WASTE_PER_LIFE = 1.15, 6 * MIB


def loopback_bytes():
    """What went over the loopback interface of this network namespace."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        if line.strip().startswith("lo:"):
            return int(line.split(":")[1].split()[0])
    raise AssertionError("there is no loopback interface")


class Books:
    """What was acknowledged, and what was seen of it. `fail` is called with what is wrong."""

    def __init__(self, fail):
        self._fail = fail
        self.queued = {}     # id: label
        self.tried = set()   # labels, also of calls that were not answered
        self.cancelled = set()
        self.ended = {}      # id: how it ended
        self.verified = {}   # id: the most bytes seen

    def see(self, intents):
        """Takes note of a listing of all intents, and compares it with what is known."""
        if behind := self.see_early(intents):
            self._fail(behind)

    def see_early(self, intents):
        """The same of a life that has just begun: what is said if an intent has fewer verified bytes than before.

        The store is asked for them after the daemon has begun to answer.
        """
        listed = {int(intent["intentId"]): intent for intent in intents}
        if len(listed) != len(intents):
            self._fail("an intent is listed twice")
        labels = [intent.get("label") for intent in intents]
        if len(set(labels)) != len(labels):
            self._fail(f"one call made two intents: {sorted(labels)}")
        if not set(labels) <= self.tried:
            self._fail(f"nobody queued {set(labels) - self.tried}")
        for intent_id, label in self.queued.items():
            if listed.get(intent_id, {}).get("label") != label:
                self._fail(f"intent {intent_id} ({label}) was acknowledged and is gone")
        return "; ".join(filter(None, (self._see_one(*one) for one in listed.items())))

    def _see_one(self, intent_id, intent):
        how = tuple(intent.get(key) for key in ("state", "reason", "finishedUnixMs", "totalBytes"))
        before = self.ended.get(intent_id)
        if before and before != how:
            self._fail(f"intent {intent_id} had ended as {before}, and is {how} now")
        if intent["state"] in ENDED:
            self.ended[intent_id] = how
            if intent["state"] not in ("INTENT_STATE_DONE", "INTENT_STATE_CANCELLED"):
                self._fail(f"intent {intent_id} has ended as {how}")
        elif intent_id in self.cancelled:
            self._fail(f"intent {intent_id} was cancelled and goes on")
        verified = int(intent.get("verifiedBytes", 0))
        before = self.verified.get(intent_id, 0)
        self.verified[intent_id] = max(verified, before)
        if verified < before and intent["state"] not in ENDED:
            return f"intent {intent_id} had {before} verified bytes, and has {verified}"
        return None


class LivesTest(E2eTest):
    """A test with `self.daemon` to be killed, and a daemon `self.source` that has everything."""

    # In the long run most lives are to end in the middle of something.
    sizes = (1 * KIB, 16 * KIB, 100 * KIB, 3 * MIB, 24 * MIB, 48 * MIB) + (160 * MIB,) * (8 if is_long_run() else 0)

    def setUp(self):
        super().setUp()
        self.source = self.start_daemon("source", ANYONE)
        self.files, self.tickets = {}, {}
        for number, size in enumerate(self.sizes):
            path = write_random(self.directory / "files" / f"blob-{number}", size, seed=number)
            blob = self.source.add(path)
            self.files[blob] = path
            self.tickets[blob] = self.source.ticket(blob)
        self.books = Books(self.fail)

    def everything(self, daemon):
        """All intents, or None if the daemon ended before it answered."""
        result = daemon.ask("intents", "--all", "--limit", 100000)
        return result.json().get("intents", []) if result.code == DONE else None

    def check(self, daemon=None):
        """All that was acknowledged is there, of a life that may have just begun."""
        deadline = time.monotonic() + 30
        while True:
            result = (daemon or self.daemon).ask("intents", "--all", "--limit", 100000)
            self.assertEqual(result.code, DONE, f"the daemon does not answer: {result.text}")
            behind = self.books.see_early(result.json().get("intents", []))
            if not behind:
                return
            self.assertLess(time.monotonic(), deadline, behind)
            time.sleep(0.05)

    def queue_one(self, rng, label, daemon=None):
        """Queues any blob. True if that was acknowledged."""
        self.books.tried.add(label)
        result = (daemon or self.daemon).ctl("queue", "-q", "--label", label, rng.choice(list(self.tickets.values())))
        if result.code == DONE:
            self.books.queued[int(result.value)] = label
        return result.code == DONE

    def cancel_one(self, rng):
        open_ones = sorted(set(self.books.queued) - set(self.books.ended) - self.books.cancelled)
        if not open_ones:
            return True
        intent = rng.choice(open_ones)
        result = self.daemon.ctl("cancel", intent)
        if result.code == DONE and "cancelled" in result.text:
            self.books.cancelled.add(intent)
        return result.code == DONE

    def check_content(self, blob):
        """Whatever comes out of the blob is right; whole if an intent for it is done."""
        result = self.daemon.ctl("cat", blob)
        if result.code == DONE:
            self.assertEqual(result.stdout, self.files[blob].read_bytes(), f"blob {blob} has wrong bytes")
        return result.code == DONE

    def live_once(self, rng, number, longest):
        """One life, ended by kill -9 after at most `longest` seconds."""
        self.daemon.start()
        self.check()
        process = self.daemon._process  # pylint: disable=protected-access
        killer = threading.Timer(rng.uniform(0, longest), process.send_signal, [signal.SIGKILL])
        killer.start()
        step = 0
        while process.poll() is None:
            step += 1
            kind = rng.random()
            if kind < 0.45:
                self.queue_one(rng, f"life {number} step {step}")
            elif kind < 0.65:
                self.cancel_one(rng)
            elif (intents := self.everything(self.daemon)) is not None:
                self.books.see(intents)
        killer.join()
        self.daemon.kill()

    def die_while_opening(self, rng):
        """A life that ends before it begins."""
        self.daemon.launch()
        time.sleep(rng.uniform(0, 0.3))
        self.daemon.kill()

    def run_lives(self, lives, seed, longest):
        rng = random.Random(seed)
        self.daemon.kill()
        sent_before = loopback_bytes()
        for number in range(lives):
            if rng.random() < 0.1:
                self.die_while_opening(rng)
            else:
                self.live_once(rng, number, longest)
        self.daemon.start()
        self.check()
        for intent in sorted(set(self.books.queued) - set(self.books.ended)):
            result = self.daemon.ctl("watch", intent)
            self.assertEqual(result.code, DONE, f"intent {intent}: {result.text[-500:]}")
        self.check()
        done = {blob for blob in self.files if self.check_content(blob)}
        sent = loopback_bytes() - sent_before
        allowed = OVERHEAD * sum(path.stat().st_size for path in self.files.values()) + lives * WASTE_PER_LIFE
        self.assertLessEqual(sent, allowed, "more was fetched than was lost")
        print(f"{lives} lives, {len(self.books.queued)} intents acknowledged, {len(self.books.ended)} ended, "
              f"{len(done)} blobs complete, {sent / MIB:.0f} MiB sent ", end="", flush=True)


class KilledAt(Daemon):
    """A daemon that is killed before its n-th call that changes a file."""

    def __init__(self, directory, number):
        super().__init__(directory)
        self.preload(BLOBD_KILL_AT=str(number))

    def start(self):
        """Starts it, and waits until it answers or has ended."""
        self.launch(self.environment)
        deadline = time.monotonic() + 60
        while self._process.poll() is None and self.ask("status").code != DONE:
            if time.monotonic() > deadline:
                raise AssertionError("blobd did not come up")
        return self

    def watch(self, intent):
        """True once the intent is done; False if the daemon ended before that: blobctl would wait for another."""
        watching = self.ctl_start("watch", intent)
        deadline = time.monotonic() + 60
        try:
            while watching.poll() is None and self.is_running:
                if time.monotonic() > deadline:
                    raise AssertionError(f"intent {intent} is not done: {self.ctl('why', intent).text}")
                time.sleep(0.01)
            return watching.poll() == DONE
        finally:
            watching.kill()
            watching.communicate()
