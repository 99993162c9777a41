"""Providers that lie: they are named and dropped, and nothing wrong can be read."""
import unittest

from harness import DONE, MISMATCH, E2eTest
from peers import Liar, Provider, write_random

SIZE = (1 << 20) + 7


class Liars(E2eTest):
    def setUp(self):
        super().setUp()
        self.source = write_random(self.directory / "source" / "blob", SIZE)
        self.target = self.directory / "target"

    def get_from(self, lie, **kwargs):
        peer = self.run_peer(Liar(lie))
        share = peer.share(self.source)
        return peer, share, self.daemon.ctl_on_terminal("get", share["ticket"], "-o", self.target, **kwargs)

    def assert_dropped(self, lie):
        peer, share, result = self.get_from(lie)
        self.assertEqual(result.code, MISMATCH, result.text)
        self.assertFalse(self.target.exists(), "something was exported")
        self.assert_not_readable(share["hash"])
        ends = [t for t in self.daemon.transfers() if t["provider"] == peer.node_id]
        self.assertTrue(ends, "the transfer is not listed")
        self.assertIn("drop provider", ends[-1]["reason"])
        self.assertIn(peer.node_id[:10], result.text, "the provider is not named to the user")
        # What is readable of the blob is right, byte for byte: nothing is stored before it is verified.
        blobs = self.ctl("blobs", "--json").json().get("blobs", [])
        self.assertNotIn((share["hash"], "BLOB_STATE_COMPLETE"), [(b["hash"], b["state"]) for b in blobs])
        return peer

    def test_bit_in_the_first_leaf(self):
        self.assert_dropped({"flip": "data"})

    def test_bit_in_a_later_leaf(self):
        self.assert_dropped({"flip": "data", "nth": 20, "bit": 77})

    def test_bit_in_the_last_leaf(self):
        self.assert_dropped({"flip": "last", "bit": 3})

    def test_bit_in_the_root_pair(self):
        self.assert_dropped({"flip": "pair"})

    def test_bit_in_a_later_pair(self):
        self.assert_dropped({"flip": "pair", "nth": 9, "bit": 300})

    def test_size_that_changes_the_tree(self):
        self.assert_dropped({"flip": "size", "bit": 21})

    def test_size_one_byte_too_small(self):
        # The lowest bit of the size is set: without it the last leaf is one byte short.
        self.assert_dropped({"flip": "size", "bit": 0})

    def test_absurd_size(self):
        self.assert_dropped({"flip": "size", "bit": 62})

    def test_a_dropped_provider_is_not_asked_again(self):
        peer = self.assert_dropped({"flip": "data"})
        asked = len(peer.report())
        peer.lie()
        share = peer.share(self.source)
        result = self.daemon.ctl_on_terminal("get", share["ticket"], "-o", self.target)
        self.assertNotEqual(result.code, DONE)
        self.assertEqual(len(peer.report()), asked)

    def test_an_honest_provider_makes_up_for_a_liar(self):
        honest = self.run_peer(Provider())
        share = honest.share(self.source)
        liar = self.run_peer(Liar({"flip": "data", "nth": 5}))
        liar.share(self.source)
        self.ctl("get", share["hash"], "--from", liar.provider, "--from", honest.provider, "-o", self.target)
        self.assert_same_file(self.target, self.source)

    def test_an_answer_that_stops_is_not_believed_complete(self):
        _, share, result = self.get_from({"stop_after": 300_000})
        self.assertNotEqual(result.code, DONE)
        self.assertFalse(self.target.exists())
        self.assert_not_readable(share["hash"])

    def test_reset_after_a_part_keeps_the_part(self):
        peer = self.run_peer(Liar({"stop_after": 600_000, "how": "reset", "code": 99}))
        share = peer.share(self.source)
        intent = self.queue(share["ticket"])
        self.wait_for_bytes(intent, 300_000)
        peer.wait_for("response", where=lambda response: response["end"] == "reset")
        peer.lie()
        self.ctl("watch", intent)
        self.assertEqual(self.ctl("cat", share["hash"]).stdout, self.source.read_bytes())
        received = sum(request["sent"] for request in peer.report())
        self.assertLess(received, SIZE + 600_000)

    def test_a_provider_that_never_answers_does_not_hold_up_another(self):
        silent = self.run_peer(Liar({"stop_after": 0, "how": "hang"}))
        silent.share(self.source)
        honest = self.run_peer(Provider())
        share = honest.share(self.source)
        self.ctl("get", share["hash"], "--from", silent.provider, "--from", honest.provider, "-o", self.target)
        self.assert_same_file(self.target, self.source)

    def test_a_wrong_child_of_a_collection(self):
        things = self.directory / "source" / "things"
        for name in ("a", "b", "c"):
            write_random(things / name, 40_000, seed=name)
        peer = self.run_peer(Liar({"flip": "data", "blob": 3}))
        share = peer.share(things)
        result = self.daemon.ctl_on_terminal("get", share["ticket"], "-o", self.target)
        self.assertNotEqual(result.code, DONE)
        self.assertIn("drop provider", " ".join(t["reason"] for t in self.daemon.transfers()))
        self.assertFalse(self.target.exists() and any(self.target.rglob("*")), "part of a collection was exported")


if __name__ == "__main__":
    unittest.main()
