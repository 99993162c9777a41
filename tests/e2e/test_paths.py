"""Several paths to one node: the best one is found and used, also while a transfer runs."""
import time
import unittest

from harness import DONE, E2eTest
from link import Network, can_make_networks
from peers import write_random

MIB = 1 << 20
ANYONE = '[serve]\nmode = "anyone"\n'
PORT = 7720
A, B = f"10.96.0.2:{PORT}", f"10.96.1.2:{PORT}"


@unittest.skipUnless(can_make_networks(), "wants root and /dev/net/tun")
class TwoPaths(E2eTest):
    """A provider behind two links, slow enough that a download lasts."""

    def prepare(self):
        self.network = Network(seed=5)
        self.network.__enter__()
        self.addCleanup(self.network.close)
        self.near, self.far = (self.network.add_namespace(name) for name in ("near", "far"))
        for i, delay in enumerate(("20ms", "2500us")):
            self.network.link(f"wan{i}", "near", f"10.96.{i}.1", "far", f"10.96.{i}.2", delay=delay, rate="2MB/s",
                              queue="50ms")

    def begin(self, size=64 * MIB):
        """Starts a download over the first link; both addresses are known."""
        self.source = write_random(self.directory / "source" / "blob", size)
        provider = self.start_daemon("provider", ANYONE, listen=f"0.0.0.0:{PORT}", namespace=self.far)
        blob_hash = provider.add(self.source)
        self.node_id = provider.status()["nodeId"]
        self.getter = self.start_daemon("getter", listen="0.0.0.0:0", namespace=self.near)
        self.intent = self.getter.ctl("queue", "-q", blob_hash, "--from", f"{self.node_id}@{A}").value
        self.getter.wait_until("something came", lambda: self.verified() > 0)
        result = self.getter.ctl("remotes", "add", self.node_id, B)
        self.assertEqual(result.code, DONE, result.text)

    def verified(self):
        return int(self.getter.intent(self.intent).get("verifiedBytes", 0))

    def remote(self):
        return self.getter.ctl("remote", self.node_id, "--json").json()["remote"]

    def selected(self):
        return [path["address"] for path in self.remote()["paths"] if path["selected"]]

    def wait_for_path(self, address, timeout=25):
        self.getter.wait_until(f"the connection is at {address}: {self.remote()['paths']}",
                               lambda: self.remote()["connectedAddress"] == address, timeout)
        self.assertEqual(self.selected(), [address])

    def assert_never_restarted(self):
        transfers = self.getter.transfers()
        self.assertEqual(len(transfers), 1, transfers)

    def test_the_fast_path_is_found_and_found_again_when_they_are_swapped(self):
        self.begin()
        self.wait_for_path(B)
        self.network.set("wan0", delay="2500us")
        self.network.set("wan1", delay="20ms")
        self.wait_for_path(A)
        shown = self.getter.ctl("remote", self.node_id).text
        self.assertRegex(shown, rf"{A} +\d+\.\d ms +1 ")
        self.assert_never_restarted()

    def test_a_path_that_goes_dark_is_left(self):
        self.begin()
        self.wait_for_path(B)
        before = self.verified()
        self.getter.wait_until("it goes on", lambda: self.verified() > before)
        self.network.dark("wan1", True)
        started, stuck = time.monotonic(), self.verified()
        # What is on its way still counts a little.
        self.getter.wait_until("it goes on over the other path", lambda: self.verified() > stuck + MIB, 15)
        self.assertEqual(self.remote()["connectedAddress"], A)
        self.assertLess(time.monotonic() - started, 15)
        self.assert_never_restarted()
        self.assertEqual(self.getter.intent(self.intent)["state"], "INTENT_STATE_RUNNING")


if __name__ == "__main__":
    unittest.main()
