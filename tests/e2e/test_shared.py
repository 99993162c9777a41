"""Requests that share blobs and run at the same time: what they share comes once."""
import unittest

from harness import DONE, E2eTest, is_long_run, is_sanitized
from link import Network, can_make_networks
from peers import write_random

MIB = 1 << 20
EXACT = is_long_run() and not is_sanitized()
ANYONE = '[serve]\nmode = "anyone"\n'


@unittest.skipUnless(can_make_networks(), "wants root and /dev/net/tun")
class Shared(E2eTest):
    alone = True  # run_unittests.py: it measures

    def connect(self, rate):
        """A source behind a link of so many MB/s, and a getter."""
        network = Network(seed=5)
        network.__enter__()
        self.addCleanup(network.close)
        far, near = network.add_namespace("far"), network.add_namespace("near")
        network.link("wan", "far", "10.97.0.1", "near", "10.97.0.2", delay="1ms", rate=f"{rate}MB/s", queue="20ms")
        self.source = self.start_daemon("far", ANYONE, listen="10.97.0.1:11204", namespace=far)
        self.getter = self.start_daemon("near", listen="0.0.0.0:0", namespace=near)

    def add_directory(self, **sizes):
        """A directory of such files in the source; the hash of the collection, and of each file."""
        directory = self.directory / "files"
        directory.mkdir()
        files = {name: write_random(directory / name, size) for name, size in sizes.items()}
        return self.source.add(directory), {name: self.source.add(file) for name, file in files.items()}

    def received(self):
        return sum(int(transfer.get("receivedBytes", 0)) for transfer in self.getter.transfers())

    def assert_done(self, *intents):
        for intent in intents:
            result = self.getter.ctl("watch", intent)
            self.assertEqual(result.code, DONE, result.text)

    def test_a_file_and_a_collection_that_has_it(self):
        self.connect(rate=8)
        collection, files = self.add_directory(x=24 * MIB, y=6 * MIB)
        file = self.getter.ctl("queue", "-q", files["x"], "--from", self.source.provider).value
        self.getter.wait_until("the file is being received", lambda: self.received() > 0)
        everything = self.getter.ctl("queue", "-q", self.source.ticket(collection)).value
        self.assert_done(file, everything)
        received = self.received()
        print(f"{received / (30 * MIB):.3f} x of it received ... ", end="", flush=True)
        self.assertLess(received, 32 * MIB if EXACT else 38 * MIB)
        target = self.directory / "target"
        result = self.getter.ctl("get", collection, "-o", target)
        self.assertEqual(result.code, DONE, result.text)
        self.assert_same_file(target / "x", self.directory / "files" / "x")

    def test_what_is_cancelled_the_other_takes_up(self):
        self.connect(rate=8)
        collection, files = self.add_directory(x=16 * MIB, y=1 * MIB)
        file = self.getter.ctl("queue", "-q", files["x"], "--from", self.source.provider).value
        self.getter.wait_until("the file is being received", lambda: self.received() > 0)
        everything = self.getter.ctl("queue", "-q", self.source.ticket(collection)).value
        self.getter.wait_until("half of it has come", lambda: self.received() > 8 * MIB)
        self.assertEqual(self.getter.ctl("cancel", file).code, DONE)
        self.assert_done(everything)
        # What was on its way when it was cancelled is lost: a window at most.
        self.assertLess(self.received(), 22 * MIB if EXACT else 26 * MIB)


if __name__ == "__main__":
    unittest.main()
