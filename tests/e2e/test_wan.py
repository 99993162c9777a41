"""Downloads over an emulated long link: delay, loss, darkness (tests/link)."""
import threading
import time
import unittest

from harness import DONE, E2eTest, is_long_run, is_sanitized
from link import Network
from peers import write_random

MIB = 1 << 20
MB = 1_000_000
ANYONE = '[serve]\nmode = "anyone"\n'
SERVER, GETTER = "10.99.1.1", "10.99.1.2"


class Wan(E2eTest):
    alone = True  # run_unittests.py: it measures

    def setUp(self):
        super().setUp()
        self.network = Network(seed=7)
        self.network.__enter__()
        self.addCleanup(self.network.close)
        names = [self.network.add_namespace(name) for name in ("far", "near")]
        self.server = self.start_daemon("far", ANYONE, listen=f"{SERVER}:0", namespace=names[0], wait=False)
        self.getter = self.start_daemon("near", listen=f"{GETTER}:0", namespace=names[1], wait=False)

    def connect(self, **settings):
        self.network.link("wan", "far", SERVER, "near", GETTER, **settings)
        self.server.start()
        self.getter.start()

    def share(self, size):
        source = write_random(self.directory / "source", size)
        return source, self.server.ticket(self.server.add(source))

    def get(self, ticket, source):
        """Gets into the store, which is what takes time here, and compares; returns the seconds of the former."""
        result = self.getter.ctl("get", ticket)
        self.assertEqual(result.code, DONE, result.text)
        exported = self.getter.ctl("get", ticket, "-o", self.directory / "target")
        self.assertEqual(exported.code, DONE, exported.text)
        self.assert_same_file(self.directory / "target", source)
        return result.seconds

    def assert_no_failed_transfer(self):
        states = [transfer["state"] for transfer in self.getter.transfers()]
        self.assertEqual(set(states), {"TRANSFER_STATE_DONE"}, self.getter.transfers())

    def fetch_at(self, loss, size, least):
        """Gets over 50 ms and 20 MB/s; `least`: the share of the link's rate that must be reached."""
        self.connect(delay="25ms", rate="20MB/s", loss=loss, queue="100ms")
        source, ticket = self.share(size)
        share = size / self.get(ticket, source) / (20 * MB)
        print(f"{share:.2f} of the link's rate ... ", end="", flush=True)
        self.assert_no_failed_transfer()
        self.assertGreater(share, least)

    # The long run asks for what is wanted; else the machine may be busy, and only a collapse is a failure.

    def test_loss_of_a_tenth_of_a_percent(self):
        whole = is_long_run() and not is_sanitized()
        self.fetch_at("0.1%", (100 if whole else 40) * MIB, 0.8 if whole else 0.16)

    def test_loss_of_one_percent(self):
        whole = is_long_run() and not is_sanitized()
        self.fetch_at("1%", (100 if whole else 40) * MIB, 0.5 if whole else 0.1)

    def test_reordering_and_duplication(self):
        self.connect(delay="10ms", jitter="3ms", rate="20MB/s", reorder="2%", duplicate="1%")
        source, ticket = self.share(10 * MIB)
        self.get(ticket, source)

    def test_corruption(self):
        self.connect(delay="5ms", rate="20MB/s", corrupt="1%")
        source, ticket = self.share(5 * MIB)
        self.get(ticket, source)

    def test_a_dark_link_for_five_seconds(self):
        self.connect(delay="25ms", rate="4MB/s")
        source, ticket = self.share(12 * MIB)
        def go_dark():
            time.sleep(1)
            self.network.dark("wan", True)
            time.sleep(5)
            self.network.dark("wan", False)
        darkness = threading.Thread(target=go_dark)
        darkness.start()
        seconds = self.get(ticket, source)
        darkness.join()
        self.assertGreater(seconds, 6)
        self.assert_no_failed_transfer()


if __name__ == "__main__":
    unittest.main()
