"""What blobd publishes about a node is found by an unmodified iroh 1.1, and what others publish is found by blobd.

A network of its own plays n0's name server and relay: interop/pkarr_lab.py.
"""
import json
import os
import subprocess
import unittest

from harness import BLOBCTL, BLOBD, BUILD
from peers import INTEROP, node_binary


def has_namespaces():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "--net", "--mount", "true"], capture_output=True).returncode == 0


@unittest.skipUnless(has_namespaces(), "needs root and namespaces")
class Pkarr(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lab = subprocess.run(
            ["unshare", "--net", "--mount", "python3", INTEROP / "pkarr_lab.py", node_binary(),
             BUILD / "tests" / "interop" / "blobd_pkarr", BLOBD, BLOBCTL], capture_output=True, text=True, timeout=240)
        if lab.returncode != 0:
            raise AssertionError(lab.stderr)
        cls.seen = json.loads(lab.stdout)

    def test_iroh_connects_by_what_blobd_published(self):
        self.assertTrue(self.seen["iroh_connected"], self.seen["iroh_said"])

    def test_what_blobd_signs_is_read_by_a_decoder_of_the_specification(self):
        self.assertEqual([text for _, text in self.seen["published"]], ["addr=" + self.seen["address"]])

    def test_blobd_finds_what_others_published(self):
        self.assertEqual(self.seen["blobd_found"], ["relay=https://relay.example/", "addr=192.0.2.1:11205"],
                         self.seen["blobd_said"])

    def test_iroh_gets_a_blob_of_a_daemon_that_it_knows_by_its_id(self):
        self.assertTrue(self.seen["iroh_got"], self.seen["iroh_got_said"])

    def test_a_daemon_gets_a_blob_of_an_iroh_that_it_knows_by_its_id(self):
        self.assertTrue(self.seen["daemon_got"], self.seen["daemon_said"])
        self.assertEqual(self.seen["daemon_found_by"], ["pkarr"])
        self.assertEqual(self.seen["ends"], [0, 0])


if __name__ == "__main__":
    unittest.main()
