"""kill -9 in the middle of a download: the intent stays, and no verified chunk group is asked for again."""
import unittest

from harness import E2eTest
from peers import GROUP, Liar, requested_bytes, write_random

MIB = 1 << 20
SIZE = 32 * MIB
RATE = 6 * MIB
PER_LIFE = 4 * MIB


class Crash(E2eTest):
    def setUp(self):
        super().setUp()
        self.source = write_random(self.directory / "source" / "blob", SIZE)
        self.peer = self.run_peer(Liar({"rate": RATE}))
        self.share = self.peer.share(self.source)

    def assert_asked_for_the_rest_only(self, requests, verified):
        """`requests` came after `verified` bytes were known to be verified."""
        asked = requested_bytes(requests, SIZE)
        # The last group may be asked for to prove the size; it counts only when it was there before.
        self.assertLessEqual(asked, SIZE - verified, f"{verified} bytes were verified, yet {asked} were asked for")

    def test_three_kills(self):
        intent = self.queue(self.share["ticket"])
        verified = 0
        asked_before = 0
        for point in (SIZE // 8, SIZE // 3, SIZE * 3 // 4):
            verified = self.wait_for_bytes(intent, max(point, verified + GROUP))
            self.daemon.kill()
            requests = self.peer.report()
            self.assertGreater(len(requests), asked_before)
            self.daemon.start()
            self.assertIsNotNone(self.daemon.intent(intent), "the intent is gone after kill -9")
            self.assertGreaterEqual(int(self.daemon.intent(intent)["verifiedBytes"]), verified)
            asked_before = len(requests)
            self.daemon.wait_until("the download goes on", lambda: len(self.peer.report()) > asked_before)
            self.assert_asked_for_the_rest_only(self.peer.report()[asked_before:], verified)
        self.ctl("watch", intent)
        self.assert_asked_for_the_rest_only(self.peer.report()[asked_before:], verified)

        lives = 4
        self.assertLessEqual(self.peer.wire_bytes(), SIZE + lives * PER_LIFE)
        target = self.directory / "target"
        self.ctl("export", self.share["hash"], "-o", target)
        self.assert_same_file(target, self.source)

    def test_sigterm_in_the_middle(self):
        intent = self.queue(self.share["ticket"])
        verified = self.wait_for_bytes(intent, SIZE // 4)
        self.assertEqual(self.daemon.stop(), 0)
        asked_before = len(self.peer.report())
        self.daemon.start()
        self.ctl("watch", intent)
        self.assert_asked_for_the_rest_only(self.peer.report()[asked_before:], verified)
        self.assertEqual(self.daemon.ctl("cat", self.share["hash"]).stdout, self.source.read_bytes())

    def test_kill_before_the_first_byte(self):
        self.peer.lie(stop_after=0, how="hang")
        intent = self.queue(self.share["ticket"])
        self.daemon.kill()
        self.daemon.start()
        self.assertIsNotNone(self.daemon.intent(intent))
        self.peer.lie()
        self.ctl("watch", intent)


class CrashOfCollections(E2eTest):
    def test_kill_between_children(self):
        source = self.directory / "source" / "things"
        for number in range(40):
            write_random(source / f"file-{number:02}", 200_000, seed=number)
        peer = self.run_peer(Liar({"rate": 4 * MIB}))
        share = peer.share(source)
        intent = self.queue(share["ticket"])
        verified = self.wait_for_bytes(intent, 2_000_000)
        self.daemon.kill()
        asked_before = len(peer.report())
        self.daemon.start()
        self.ctl("watch", intent)
        sent_again = sum(end - start for request in peer.report()[asked_before:]
                         for _, start, end in request["data"])
        total = 40 * 200_000 + 41 * 32 + 2048
        self.assertLessEqual(sent_again, total - verified)
        target = self.directory / "target"
        self.ctl("export", "s" + share["hash"], "-o", target)
        self.assert_same_tree(target, source.parent)


if __name__ == "__main__":
    unittest.main()
