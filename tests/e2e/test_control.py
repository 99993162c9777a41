"""Steering the daemon while it runs: pause, limits, bans, draining, standing providers, and what it says of waits."""
import time
import unittest

from harness import DONE, NOT_FOUND, NO_PROVIDER, USAGE, Daemon, E2eTest
from peers import Liar, write_random

ANYONE = '[serve]\nmode = "anyone"\n'
NOBODY_HAS_IT = "ab" * 32


class Control(E2eTest):
    def limits(self):
        return {limit["name"]: limit for limit in self.ctl("limits", "--json").json()["limits"]}

    def test_a_paused_intent_rests_over_a_restart(self):
        server = self.start_daemon("server", ANYONE)
        path = write_random(self.directory / "file", 3 << 20)
        blob = server.add(path)
        intent = self.queue(blob)  # nobody who has it is known
        self.assertEqual(self.ctl("pause", intent).text, f"intent {intent} paused\n")
        self.wait_for_state(intent, "PAUSED")
        self.assertIn("paused", self.ctl("intents").text)
        self.assertIn("is paused by its callers", self.ctl("why", intent).text)
        self.assertIn(f'"blobctl resume {intent}" lets it go on', self.ctl("why", intent).text)
        self.daemon.kill()
        self.daemon.start()
        self.wait_for_state(intent, "PAUSED")
        self.ctl("nodes-have", blob, server.provider)
        time.sleep(1)
        self.assertEqual(self.daemon.intent(intent)["state"], "INTENT_STATE_PAUSED")
        self.assertEqual(self.daemon.transfers(), [])
        self.assertEqual(self.ctl("resume", intent, "--json").json()["resumed"], [str(intent)])
        self.wait_for_state(intent, "DONE")
        self.assertIn("has ended already", self.ctl("pause", intent).text)
        self.ctl("pause", 999_999, code=NOT_FOUND)
        self.ctl("pause", code=USAGE)

    def test_a_paused_intent_that_others_want_says_so(self):
        peer = self.run_peer(Liar({"rate": 1 << 18}))
        ticket = peer.share(write_random(self.directory / "file", 16 << 20))["ticket"]
        intent, other = self.queue(ticket), self.queue(ticket)
        self.wait_for_bytes(other, 1)
        self.ctl("pause", intent)
        text = self.ctl("intents").text
        self.assertEqual(text.count("paused (others want it)"), 1, text)
        self.ctl("cancel", other)
        self.wait_for_state(intent, "PAUSED")
        self.assertNotIn("others", self.ctl("intents").text)

    def test_who_resumes_one_is_told_that_everything_rests(self):
        intent = self.queue(NOBODY_HAS_IT)
        self.ctl("pause", intent)
        self.ctl("pause", "--everything")
        self.assertIn("everything is paused still", self.ctl("resume", intent).text)
        self.ctl("resume", "--everything")
        self.assertNotIn("still", self.ctl("resume", intent).text)

    def test_everything_rests_until_it_is_resumed(self):
        server = self.start_daemon("server", ANYONE)
        blob = server.add(write_random(self.directory / "file", 100_000))
        self.ctl("pause", "--everything")
        intent = self.queue(blob, "--from", server.provider)
        self.assertIn("everything", self.ctl("status").text)
        self.daemon.stop()
        self.daemon.start()
        self.daemon.wait_until("it waits for the resumption",
                               lambda: "until everything is resumed" in self.ctl("why", intent).text)
        self.assertIn('"blobctl resume --everything"', self.ctl("why", intent).text)
        self.ctl("resume", "--everything")
        self.wait_for_state(intent, "DONE")

    def test_why_names_the_provider_its_error_and_the_next_try(self):
        dead = "0" * 63 + "1"
        intent = self.queue(NOBODY_HAS_IT, "--from", f"{dead}@127.0.0.1:1")
        self.daemon.wait_until("the dial failed", lambda: self.ctl("why", intent, "--json").json()["requests"][0]
                               ["providers"][0]["lastError"])
        why = self.ctl("why", intent, "--json").json()
        provider = why["requests"][0]["providers"][0]
        self.assertEqual(provider["provider"], dead)
        self.assertTrue(provider["sentence"])
        self.assertTrue(why["requests"][0]["sentence"].startswith("waits for "))
        text = self.ctl("why", intent).text
        self.assertIn(dead[:10], text)
        self.assertIn("LAST ERROR", text)
        # The hash is asked for in the same way, and says who wants it.
        text = self.ctl("why", NOBODY_HAS_IT).text
        self.assertIn(f"wanted by intent {intent}", text)
        self.assertIn("an unfinished intent wants it", text)
        self.ctl("cancel", intent)
        self.assertIn("cancelled", self.ctl("why", intent).text)
        self.ctl("why", NOBODY_HAS_IT, code=NOT_FOUND)
        self.ctl("why", 999_999, code=NOT_FOUND)

    def test_limits_change_at_once_and_stay_if_asked(self):
        self.assertEqual(self.limits()["connections"]["value"], "25")
        self.ctl("limits", "connections=7", "requests=9", "--persist")
        self.ctl("limits", "requests=3")
        shown = self.ctl("limits").text
        self.assertIn("PERSISTED", shown)
        self.daemon.stop()
        self.daemon.start()
        limits = self.limits()
        self.assertEqual((limits["connections"]["value"], limits["connections"]["persisted"]), ("7", "7"))
        self.assertEqual(limits["requests"]["value"], "9")
        self.ctl("limits", "--reset", "all")
        self.assertEqual(self.limits()["requests"]["value"], "50")
        self.assertNotIn("persisted", self.limits()["connections"])
        for bad, said in (("connections=0", "not between 1 and"), ("connects=1", "there is no limit"),
                          ("connections", "is not NAME=VALUE"), ("connections=x", "is not NAME=VALUE")):
            result = self.ctl("limits", bad, code=None)
            self.assertNotEqual(result.code, DONE)
            self.assertIn(said, result.text)

    def test_a_banned_node_is_not_used_until_the_ban_is_lifted(self):
        server = self.start_daemon("server", ANYONE)
        node = server.status()["nodeId"]
        blob = server.add(write_random(self.directory / "file", 100_000))
        self.ctl("ban", node, "--for", "2h", "--reason", "too dear")
        bans = self.ctl("bans", "--json").json()["bans"]
        self.assertEqual([(ban["provider"], ban["reason"]) for ban in bans], [(node, "too dear")])
        self.assertIn("too dear", self.ctl("bans").text)
        self.assertIn(f'"blobctl unban {node}", for root, ends that',
                      self.ctl("get", blob, "--from", server.provider, "--patience", "0s", code=NO_PROVIDER).text)
        intent = self.queue(blob, "--from", server.provider, "--patience", "2h", "--deadline", "3h")
        why = " ".join(self.ctl("why", intent).text.split())
        self.assertIn('"blobctl bans" says who is', why)
        self.assertIn("it gives up in 1 h 59 min at the earliest, unless somebody has it by then", why)
        self.assertIn("its deadline is in 2 h 59 min", why)
        self.ctl("cancel", intent)
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(len(self.ctl("bans", "--json").json()["bans"]), 1)
        self.ctl("unban", node)
        self.ctl("unban", node, code=NOT_FOUND)
        self.ctl("get", blob, "--from", server.provider)
        self.assertEqual(self.ctl("bans", "--no-legend").text, "")

    def test_a_drained_daemon_takes_no_more_and_stops_well(self):
        intent = self.queue(NOBODY_HAS_IT)
        self.assertIn("1 unfinished", self.ctl("drain").text)
        self.assertEqual(self.daemon.status()["state"], "draining")
        for command in ("queue", "get"):
            self.assertIn("is draining: ", self.ctl(command, NOBODY_HAS_IT, code=None).text)
        status = self.ctl("status").text
        self.assertRegex(status, r"\Ablobd \S+, draining, up for ")
        self.assertIn("goes on after the next start", " ".join(status.split()))
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        self.wait_for_state(intent, "WAITING")

    def test_the_commands_say_how_they_are_used(self):
        for command in ("pause", "resume", "why", "limits", "drain", "ban", "unban", "bans"):
            self.assertIn(f"blobctl {command}", self.ctl(command, "--help").text)
        self.ctl("ban", code=USAGE)


class StandingProviders(E2eTest):
    def prepare(self):
        self.server = self.start_daemon("server", ANYONE)
        self.daemon = Daemon(self.directory, f'peers = ["{self.server.provider}"]\n')

    def test_peers_of_the_configuration_are_asked_for_everything(self):
        path = write_random(self.directory / "file", 2 << 20)
        blob = self.server.add(path)
        out = self.directory / "out"
        self.ctl("get", blob, "-o", out)
        self.assert_same_file(out, path)
        # What they have not costs them nothing.
        self.ctl("get", NOBODY_HAS_IT, "--patience", "0s", code=None)
        self.ctl("get", self.server.add(write_random(self.directory / "more", 1000)))


if __name__ == "__main__":
    unittest.main()
