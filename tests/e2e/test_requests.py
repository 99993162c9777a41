"""Requests and transfers as blobctl shows them: lists with filters, watches, one transfer, and stopping it."""
import json
import unittest

from harness import INTERRUPTED, NOT_FOUND, TIMEOUT, USAGE, E2eTest
from peers import write_random

ANYONE = '[serve]\nmode = "anyone"\n'
NOWHERE = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"


class RequestsAndTransfers(E2eTest):
    def setUp(self):
        super().setUp()
        self.source = self.start_daemon("source", ANYONE)
        self.blob = self.source.add(write_random(self.directory / "file", 6_000_000))

    def begin(self):
        """A download that takes a while; the intent and its transfer."""
        self.ctl("limits", "download_rate=100kB/s")
        intent = self.queue(self.blob, "--from", self.source.provider)
        running = self.daemon.wait_until("it runs", lambda: self.ctl("transfers", "-q").value)
        return intent, int(running.split()[0])

    def listed(self, *args):
        return self.ctl(*args, "--json").json()

    def test_a_request_is_listed_once(self):
        intent, transfer = self.begin()
        other = self.queue(self.blob)
        waits = self.queue("5a" * 32, "--from", f"{NOWHERE}@192.0.2.1:7", "--patience", "1h")
        requests = {each["kind"]["hash"]: each for each in self.listed("requests")["requests"]}
        self.assertEqual(sorted(requests), sorted([self.blob, "5a" * 32]))
        shared = requests[self.blob]
        self.assertEqual(sorted(map(int, shared["intentIds"])), [intent, other])
        self.assertEqual(list(map(int, shared["transferIds"])), [transfer])
        self.assertEqual(list(map(int, requests["5a" * 32]["intentIds"])), [waits])
        running = self.listed("requests", "--state", "running")["requests"]
        self.assertEqual([each["kind"]["hash"] for each in running], [self.blob])
        self.assertEqual(self.ctl("requests", "-q", "--hash", "5a" * 32).value, "5a" * 32)
        text = self.ctl("requests").text
        self.assertRegex(text, r"HASH +FORMAT +STATE +PROGRESS .*INTENTS +WAITS FOR")
        self.assertRegex(text, rf"{self.blob[:10]} +raw +running .* 1 +2 +-")
        self.assertIn("no such unfinished requests", self.ctl("requests", "--state", "paused").text)
        self.ctl("requests", "--state", "done", code=USAGE)

    def test_one_transfer_is_shown_and_stopped(self):
        intent, transfer = self.begin()
        text = self.ctl("transfer", "show", transfer).text
        for words in (f"Transfer   {transfer}\n", f"Content    {self.blob}", f"Intents    {intent}\n"):
            self.assertIn(words, text)
        self.assertRegex(text, "State      (requesting|receiving)\n")
        self.assertEqual(self.listed("transfer", "show", transfer)["transferId"], str(transfer))
        self.assertIn(f"transfer {transfer} stopped", self.ctl("transfer", "cancel", transfer).text)
        self.assertIn("nothing to stop", self.ctl("transfer", "cancel", transfer).text)
        self.assertIn("State      cancelled", self.ctl("transfer", "show", transfer).text)
        self.assertNotIn(self.daemon.intent(intent)["state"], ("INTENT_STATE_CANCELLED", "INTENT_STATE_FAILED"))
        self.ctl("transfer", "show", 987654321, code=NOT_FOUND)
        self.ctl("transfer", "cancel", 987654321, code=NOT_FOUND)
        self.ctl("transfer", "show", "nonsense", code=USAGE)

    def test_transfers_are_filtered(self):
        _, transfer = self.begin()
        node = self.source.status()["nodeId"]
        ids = lambda *args: [int(each["transferId"]) for each in self.listed("transfers", *args)["transfers"]]
        self.assertEqual(ids("--provider", node), [transfer])
        self.assertEqual(ids("--provider", NOWHERE), [])
        self.ctl("transfer", "cancel", transfer)
        self.assertIn(transfer, ids("--state", "cancelled"))
        self.assertNotIn(transfer, ids("--state", "receiving", "--state", "done"))
        everything = ids("--all")
        self.assertEqual(ids("--all", "--newest-first"), everything[::-1])

    def test_transfers_are_watched(self):
        process = self.daemon.ctl_start("transfers", "--watch", "--json")
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.kill)
        messages = (json.loads(line) for line in process.stdout)
        self.assertTrue(next(messages)["fromBeginning"])
        _, transfer = self.begin()
        states, cancelled = [], False
        for message in messages:
            states += [each["state"] for each in message["transfers"] if each["transferId"] == str(transfer)]
            if "TRANSFER_STATE_RECEIVING" in states and not cancelled:
                self.ctl("transfer", "cancel", transfer)
                cancelled = True
            if str(transfer) in message["goneTransferIds"]:
                break
        self.assertEqual(states[-1], "TRANSFER_STATE_CANCELLED", "it is told how it ended, and then forgotten")
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT), INTERRUPTED)

    def test_intents_and_nodes_are_filtered(self):
        ids = [self.queue(letter * 64, "--from", f"{NOWHERE}@192.0.2.1:7", "--patience", "1h") for letter in "123"]
        self.ctl("cancel", ids[1])
        self.ctl("pause", ids[2])
        self.wait_for_state(ids[1], "CANCELLED")
        listed = lambda *args: [int(line) for line in self.ctl("intents", "-q", *args).value.split()]
        self.assertEqual(listed("--state", "cancelled"), [ids[1]])
        self.assertEqual(listed("--state", "paused", "--state", "cancelled", "--reverse"), [ids[2], ids[1]])
        self.assertEqual(listed("--all", "--newest-first"), ids[::-1])
        self.assertEqual(listed("--all", "--newest-first", "-n", 1), [ids[2]])
        self.assertEqual(self.ctl("remotes", "-q", "--state", "connected").value, "")
        self.assertIn("no such nodes", self.ctl("remotes", "--banned").text)
        self.ctl("ban", NOWHERE)
        self.assertEqual(self.ctl("remotes", "-q", "--banned").value, NOWHERE)
        self.daemon.stop()
        offline = [int(line) for line in self.ctl("--offline", "--state-dir", self.daemon.state, "intents", "-q", "--all",
                                                  "--newest-first").value.split()]
        self.assertEqual(offline, ids[::-1])
        self.assertEqual(self.ctl("--offline", "--state-dir", self.daemon.state, "intents", "-q", "--state",
                                  "cancelled").value, str(ids[1]))


if __name__ == "__main__":
    unittest.main()
