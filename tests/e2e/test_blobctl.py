"""Every command of blobctl against a running daemon: what it does, prints and exits with."""
import re
import signal
import subprocess
import time
import unittest

from harness import (BLOBCTL, CANCELLED, DONE, INTERRUPTED, NO_DAEMON, NOT_FOUND, USAGE, E2eTest)
from peers import Liar, Provider, write_random

MIB = 1 << 20
UNKNOWN = "5a" * 32
# The public key of the seed 07 07 07 ...
SOME_NODE = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"


def b3sum(path):
    return subprocess.run(["b3sum", "--no-names", str(path)], check=True, capture_output=True,
                          text=True).stdout.strip()


class Status(E2eTest):
    def test_status_for_people(self):
        text = self.ctl("status").text
        self.assertIn("127.0.0.1:", text)

    def test_status_as_json(self):
        status = self.ctl("status", "--json").json()
        self.assertRegex(status["nodeId"], "^[0-9a-f]{64}$")
        self.assertRegex(status["listenAddresses"][0], r"^127\.0\.0\.1:\d+$")
        self.assertIsInstance(status["startedUnixMs"], str, "64-bit numbers are strings in protobuf's JSON")

    def test_identity_outlives_the_process(self):
        before = self.ctl("status", "--json").json()["nodeId"]
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        self.assertEqual(self.ctl("status", "--json").json()["nodeId"], before)

    def test_identity_is_private(self):
        self.assertEqual((self.daemon.state / "node.key").stat().st_mode & 0o777, 0o600)

    def test_a_second_daemon_on_the_same_state_is_refused(self):
        from harness import BLOBD  # pylint: disable=import-outside-toplevel
        second = subprocess.run([str(BLOBD), "--state-dir", str(self.daemon.state), "--socket",
                                 str(self.directory / "other.sock"), "--listen", "127.0.0.1:0"],
                                capture_output=True, timeout=30, check=False)
        self.assertNotEqual(second.returncode, 0)
        self.ctl("status")

    def test_no_daemon(self):
        result = subprocess.run([str(BLOBCTL), "--socket", str(self.directory / "none.sock"), "status"],
                                capture_output=True, timeout=30, check=False)
        self.assertEqual(result.returncode, NO_DAEMON, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertIn(b"none.sock", result.stderr)

    def test_usage(self):
        self.ctl("no-such-command", code=USAGE)
        self.ctl("queue", code=USAGE)
        self.assertIn("transfers", self.ctl("--help").text)


class Store(E2eTest):
    def test_add_cat_export_blobs(self):
        source = write_random(self.directory / "source", 300_000)
        added = self.ctl("add", "-q", source).value
        self.assertEqual(added, b3sum(source))
        self.assertEqual(self.ctl("cat", added).stdout, source.read_bytes())
        target = self.directory / "target"
        self.ctl("export", added, "-o", target)
        self.assert_same_file(target, source)
        self.assertNotEqual(self.daemon.ctl("export", added, "-o", target).code, DONE, "an existing file was overwritten")
        blobs = self.ctl("blobs", "--json").json()["blobs"]
        self.assertEqual([(b["hash"], b["state"], b["size"]) for b in blobs],
                         [(added, "BLOB_STATE_COMPLETE", "300000")])
        self.assertIn(added, self.ctl("blobs", "--full").text)
        self.assertEqual(self.ctl("blobs", "-q").value, added)

    def test_add_from_standard_input(self):
        self.assertEqual(self.ctl("add", "-q", "-", stdin=b"").value,
                         "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
        added = self.ctl("add", "-q", "-", stdin=b"x" * MIB).value
        self.assertEqual(self.ctl("cat", added).stdout, b"x" * MIB)

    def test_add_twice_is_harmless(self):
        source = write_random(self.directory / "source", 20_000)
        self.assertEqual(self.ctl("add", "-q", source).value, self.ctl("add", "-q", source).value)
        self.assertEqual(len(self.ctl("blobs", "--json").json()["blobs"]), 1)

    def test_add_a_directory_and_export_it(self):
        things = self.directory / "things"
        for name, size in {"a": 10, "b/c": 50_000, "b/d/e": 0}.items():
            write_random(things / name, size, seed=name)
        added = self.ctl("add", "-q", things).value
        self.assertRegex(added, "^s[0-9a-f]{64}$", "a collection's hash says what it is")
        target = self.directory / "target"
        self.ctl("export", added, "-o", target)
        self.assert_same_tree(target, things)

    def test_add_a_directory_of_many_small_files(self):
        """They go together, and those beside them that are not small for themselves."""
        things = self.directory / "things"
        sizes = [0, 1, 16_383, 16_384, 16_385, 70_000, *(7 * number for number in range(600))]
        for number, size in enumerate(sizes):
            write_random(things / f"{number % 10}" / f"{number}", size, seed=str(number))
        added = self.ctl("add", "-q", "--private", things).value
        target = self.directory / "target"
        self.ctl("export", added, "-o", target)
        self.assert_same_tree(target, things)
        status = self.ctl("status", "--json").json()["store"]
        # The empty one is there twice; the collection has a list and its names.
        self.assertEqual(status["completeBlobs"], str(len(sizes) - 1 + 2))
        self.assertTrue(all(blob["isPrivate"] for blob in self.ctl("blobs", "--json").json()["blobs"]))
        self.assertEqual(self.ctl("add", "-q", things).value, added)

    def test_unknown_hash(self):
        self.ctl("cat", UNKNOWN, code=NOT_FOUND)
        self.ctl("export", UNKNOWN, "-o", self.directory / "target", code=NOT_FOUND)
        self.assertFalse((self.directory / "target").exists())

    def test_malformed_hash(self):
        for text in ("nonsense", "5a" * 31, "zz" * 32, ""):
            self.assertNotEqual(self.daemon.ctl("cat", text).code, DONE)

    def test_what_was_added_outlives_the_process(self):
        source = write_random(self.directory / "source", 100_000)
        added = self.ctl("add", "-q", source).value
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.ctl("cat", added).stdout, source.read_bytes())


class Intents(E2eTest):
    """Intents that wait, since nobody has what they want."""

    def test_queue_lists_and_cancels(self):
        intent = self.queue(UNKNOWN)
        listed = self.ctl("intents", "--json").json()["intents"]
        self.assertEqual([i["intentId"] for i in listed], [str(intent)])
        self.assertEqual(listed[0]["kind"]["hash"], UNKNOWN)
        self.assertTrue(listed[0]["waitsFor"], "a waiting intent says what it waits for")
        self.assertIn(str(intent), self.ctl("intents").text)
        self.ctl("cancel", intent)
        self.assertEqual(self.daemon.intent(intent)["state"], "INTENT_STATE_CANCELLED")

    def test_cancelling_twice_is_no_error_and_says_so(self):
        intent = self.queue(UNKNOWN)
        self.ctl("cancel", intent)
        self.assertIn(str(intent), self.ctl("cancel", intent).text)

    def test_cancelling_an_unknown_intent(self):
        self.ctl("cancel", 987654321, code=NOT_FOUND)

    def test_watch_of_a_cancelled_intent(self):
        intent = self.queue(UNKNOWN)
        watch = self.daemon.ctl_start("watch", str(intent))
        time.sleep(0.3)
        self.ctl("cancel", intent)
        watch.communicate(timeout=30)
        self.assertEqual(watch.returncode, CANCELLED)
        self.ctl("watch", intent, code=CANCELLED)

    def test_watch_of_an_unknown_intent(self):
        self.ctl("watch", 987654321, code=NOT_FOUND)

    def test_ids_increase_and_are_never_used_again(self):
        first = self.queue(UNKNOWN)
        self.ctl("cancel", first)
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        second = self.queue(UNKNOWN)
        self.daemon.kill()
        self.daemon.start()
        third = self.queue("a5" * 32)
        self.assertLess(first, second)
        self.assertLess(second, third)

    def test_intents_outlive_the_process(self):
        intents = [self.queue(f"{number:02x}" * 32) for number in range(1, 6)]
        self.ctl("cancel", intents[2])
        for end in (self.daemon.stop, self.daemon.kill):
            end()
            self.daemon.start()
            states = {i["intentId"]: i["state"] for i in self.ctl("intents", "--all", "--json").json()["intents"]}
            self.assertEqual(sorted(states), sorted(map(str, intents)))
            self.assertEqual(states[str(intents[2])], "INTENT_STATE_CANCELLED")
            living = set(states.values()) - {"INTENT_STATE_CANCELLED"}
            self.assertTrue(living <= {"INTENT_STATE_QUEUED", "INTENT_STATE_WAITING"}, living)

    def test_malformed_ticket(self):
        for text in ("bloba", "blobaaaaaaaa", "not-a-ticket", "s" + "5a" * 31):
            self.assertNotEqual(self.daemon.ctl("queue", text).code, DONE, text)
        self.assertEqual(self.ctl("intents", "--all", "--json").json().get("intents", []), [])

    def test_nodes_have_for_a_hash_that_nobody_wants(self):
        answer = self.ctl("nodes-have", UNKNOWN, SOME_NODE, "--json").json()
        self.assertFalse(answer.get("wanted", False))
        self.assertEqual(self.ctl("intents", "--all", "--json").json().get("intents", []), [])


class Downloads(E2eTest):
    def setUp(self):
        super().setUp()
        self.source = write_random(self.directory / "source" / "blob", 2 * MIB)
        self.target = self.directory / "target"

    def slow_share(self, rate=MIB // 2):
        peer = self.run_peer(Liar({"rate": rate}))
        return peer, peer.share(self.source)

    def test_nodes_have_brings_a_waiting_intent_to_life(self):
        provider = self.run_peer(Provider())
        share = provider.share(self.source)
        intent = self.queue(share["hash"])
        self.wait_for_state(intent, "WAITING")
        self.ctl("nodes-have", share["hash"], provider.provider)
        self.ctl("watch", intent)
        self.assertEqual(self.daemon.intent(intent)["state"], "INTENT_STATE_DONE")

    def test_watch_as_json_lines(self):
        _, share = self.slow_share(MIB)
        intent = self.queue(share["ticket"])
        lines = [line.get("intent", line) for line in self.ctl("watch", intent, "--json").json_lines()]
        self.assertGreater(len(lines), 1)
        self.assertEqual(lines[-1]["state"], "INTENT_STATE_DONE")
        seen = [int(line.get("verifiedBytes", 0)) for line in lines]
        self.assertEqual(seen, sorted(seen), "progress went back")
        self.assertEqual(seen[-1], 2 * MIB)

    def test_transfers(self):
        peer, share = self.slow_share(MIB // 16)
        intent = self.queue(share["ticket"])
        self.wait_for_bytes(intent, 100_000)
        running = [t for t in self.daemon.transfers() if t["state"] == "TRANSFER_STATE_RECEIVING"]
        self.assertEqual([t["provider"] for t in running], [peer.node_id])
        self.assertEqual(running[0]["intentIds"], [str(intent)])
        self.assertGreater(int(running[0]["verifiedBytes"]), 0)
        self.assertIn(peer.node_id[:10], self.ctl("transfers").text)
        self.ctl("transfer-list")
        self.ctl("cancel", intent)
        self.daemon.wait_until("the transfer ends", lambda: all(
            t["state"] == "TRANSFER_STATE_CANCELLED" for t in self.daemon.transfers()))

    def test_two_intents_share_one_download(self):
        peer, share = self.slow_share(2 * MIB)
        first, second = self.queue(share["ticket"]), self.queue(share["ticket"])
        self.assertNotEqual(first, second)
        self.ctl("watch", first)
        self.ctl("watch", second)
        self.assertLess(sum(request["sent"] for request in peer.report()), 2 * MIB + 100_000)

    def test_cancelling_one_of_two_intents_leaves_the_other(self):
        _, share = self.slow_share(MIB // 8)
        first, second = self.queue(share["ticket"]), self.queue(share["ticket"])
        self.assertIn(f"others still want it, and it goes on for them: {second}", self.ctl("cancel", first).text)
        self.ctl("watch", second)
        self.ctl("watch", first, code=CANCELLED)

    def test_progress_bar_on_a_terminal(self):
        _, share = self.slow_share(MIB)
        result = self.daemon.ctl_on_terminal("get", share["ticket"], "-o", self.target)
        self.assertEqual(result.code, DONE, result.text)
        self.assertRegex(result.text, r"\d+ ?%")
        self.assertRegex(result.text, r"[kKM]i?B/s")
        self.assert_same_file(self.target, self.source)

    def test_no_control_characters_in_a_pipe(self):
        _, share = self.slow_share(4 * MIB)
        result = self.ctl("get", share["ticket"], "-o", self.target)
        self.assertNotIn(b"\x1b", result.stdout + result.stderr)
        self.assertNotIn(b"\r", result.stdout + result.stderr)

    def test_detach_and_get_again(self):
        _, share = self.slow_share(2 * MIB)
        intent = int(self.ctl("get", "--detach", "-q", share["ticket"], "-o", self.target).value)
        self.assertIsNotNone(self.daemon.intent(intent))
        self.ctl("get", share["ticket"], "-o", self.target)
        self.assert_same_file(self.target, self.source)

    def interrupt_get(self, *args):
        _, share = self.slow_share(MIB // 4)
        process = self.daemon.ctl_start("get", share["ticket"], "-o", str(self.target), *args)
        intent = int(self.daemon.wait_until(
            "the intent is queued", lambda: self.ctl("intents", "--json").json().get("intents"))[0]["intentId"])
        self.wait_for_bytes(intent, 50_000)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=30)[1].decode()
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertFalse(self.target.exists(), "half a file was left behind")
        # What goes on does so under an id of its own: nobody waits for it now, so it has patience.
        named = re.search(r"intent (\d+) goes on", errors)
        return self.daemon.intent(named.group(1) if named else intent)

    def test_interrupt_leaves_the_intent(self):
        self.assertEqual(self.interrupt_get()["state"], "INTENT_STATE_RUNNING")

    def test_interrupt_cancels_when_told_so(self):
        self.assertEqual(self.interrupt_get("--cancel-on-interrupt")["state"], "INTENT_STATE_CANCELLED")

    def test_get_refuses_to_overwrite(self):
        self.target.write_text("mine")
        provider = self.run_peer(Provider())
        result = self.daemon.ctl("get", provider.share(self.source)["ticket"], "-o", self.target)
        self.assertNotEqual(result.code, DONE)
        self.assertEqual(self.target.read_text(), "mine")


if __name__ == "__main__":
    unittest.main()
