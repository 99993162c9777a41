"""Ctrl-C, signals and what becomes of a download that nobody waits for any more."""
import os
import re
import signal
import subprocess
import time
import unittest

from harness import DONE, INTERRUPTED, TIMEOUT, E2eTest
from peers import Liar, write_random

MIB = 1 << 20
QUESTION = "[Y/n] "


def minds_signals(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        blocked = re.search(r"^SigBlk:\s+(\w+)", status.read(), re.MULTILINE).group(1)
    return int(blocked, 16) >> (signal.SIGINT - 1) & 1


class GetInterrupted(E2eTest):
    # A node that cannot be reached counts as unreachable within a second.
    config = "[retry]\ninitial_delay_ms = 50\nretries = 2\nunreachable_first_ms = 200\nunreachable_max_ms = 400\n"

    def setUp(self):
        super().setUp()
        self.source = write_random(self.directory / "source" / "blob", 4 * MIB)
        self.target = self.directory / "target"

    def interrupted_get(self, *args, typed_before=""):
        """A get on a terminal that has begun, and was interrupted by Ctrl-C."""
        peer = self.run_peer(Liar({"rate": MIB // 4}))
        terminal = self.daemon.terminal("get", peer.share(self.source)["ticket"], "-o", self.target, *args)
        self.addCleanup(terminal.close)
        terminal.expect("/s", TIMEOUT)
        terminal.type(typed_before + "\x03")
        return terminal

    def states(self):
        return {int(i["intentId"]): i["state"].removeprefix("INTENT_STATE_")
                for i in self.ctl("intents", "--all", "--json").json()["intents"]}

    def check_goes_on(self, terminal):
        self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED)
        self.assertFalse(self.target.exists())
        going_on = int(re.search(rb"intent (\d+) goes on", terminal.seen).group(1))
        self.assertEqual(self.states()[going_on], "RUNNING")
        self.assertIn(b"run the same command again", terminal.seen)

    def test_enter_lets_it_go_on(self):
        terminal = self.interrupted_get()
        terminal.expect(QUESTION, TIMEOUT)
        terminal.type("\r")
        self.check_goes_on(terminal)

    def test_no_cancels_it(self):
        terminal = self.interrupted_get()
        terminal.expect(QUESTION, TIMEOUT)
        terminal.type("n\r")
        self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED)
        self.assertEqual(set(self.states().values()), {"CANCELLED"})

    def test_what_was_typed_before_the_question_is_no_answer(self):
        terminal = self.interrupted_get(typed_before="n\r")
        terminal.expect(QUESTION, TIMEOUT)
        terminal.type("y\r")
        self.check_goes_on(terminal)

    def test_a_second_one_ends_the_question_and_not_the_download(self):
        terminal = self.interrupted_get()
        terminal.expect(QUESTION, TIMEOUT)
        terminal.type("\x03")
        self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED)
        going_on = int(re.search(rb"intent (\d+) goes on", terminal.seen).group(1))
        self.assertEqual(self.states()[going_on], "RUNNING")

    def test_what_timeout_sends_twice_is_one_signal(self):
        """timeout(1) sends SIGTERM to its child, and to the group that the child is in."""
        peer = self.run_peer(Liar({"rate": MIB // 4}))
        ticket = peer.share(self.source)["ticket"]
        for delay in (0, 0.2, 3):
            process = self.daemon.ctl_start("get", ticket, "-o", str(self.target))
            self.daemon.wait_until("it minds signals", lambda: minds_signals(process.pid))
            time.sleep(delay)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            errors = process.communicate(timeout=TIMEOUT)[1].decode()
            self.assertEqual(process.returncode, INTERRUPTED, errors)
            living = [i for i, state in self.states().items() if state != "CANCELLED"]
            going_on = [int(i) for i in re.findall(r"intent (\d+) goes on", errors)]
            self.assertEqual(going_on, living, errors)
            if living:
                self.ctl("cancel", *living)
            else:
                self.assertIn("interrupted", errors)

    def test_a_signal_before_the_answer(self):
        peer = self.run_peer(Liar({"rate": MIB // 4}))
        ticket = peer.share(self.source)["ticket"]
        os.kill(self.daemon.pid, signal.SIGSTOP)
        try:
            process = self.daemon.ctl_start("get", ticket)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.daemon.wait_until("it minds signals", lambda: minds_signals(process.pid))
            time.sleep(2)  # until the call is under way
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            self.assertIsNone(process.poll(), "it left without a word")
        finally:
            os.kill(self.daemon.pid, signal.SIGCONT)
        errors = process.communicate(timeout=TIMEOUT)[1].decode()
        self.assertEqual(process.returncode, INTERRUPTED, errors)
        going_on = int(re.search(r"intent (\d+) goes on", errors).group(1))
        self.assertEqual([i for i, state in self.states().items() if state != "CANCELLED"], [going_on])

    def test_no_says_who_else_wants_it(self):
        peer = self.run_peer(Liar({"rate": MIB // 4}))
        share = peer.share(self.source)
        other = self.queue(share["ticket"])
        terminal = self.daemon.terminal("get", share["ticket"], "-o", self.target)
        self.addCleanup(terminal.close)
        terminal.expect("/s", TIMEOUT)
        terminal.type("\x03")
        terminal.expect(QUESTION, TIMEOUT)
        terminal.type("n\r")
        self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED)
        self.assertRegex(terminal.seen.decode(), rf"is cancelled; others still want it, and it goes on for them: {other}\b")
        self.assertEqual(self.states()[other], "RUNNING")

    def test_what_is_paused_stays_so(self):
        peer = self.run_peer(Liar({"rate": MIB // 4}))
        process = self.daemon.ctl_start("get", peer.share(self.source)["ticket"], "-o", str(self.target))
        intent = self.daemon.wait_until("it is queued", lambda: min(self.states(), default=0))
        self.ctl("pause", intent)
        self.wait_for_state(intent, "PAUSED")
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=TIMEOUT)[1].decode()
        self.assertIn(f'intent {intent} is paused; "blobctl resume {intent}" lets it go on', errors)
        self.assertEqual(self.states(), {intent: "PAUSED"})

    def test_there_is_no_question_where_the_answer_is_known(self):
        terminal = self.interrupted_get("--cancel-on-interrupt")
        self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED)
        self.assertNotIn(QUESTION.encode(), terminal.seen)
        self.assertEqual(set(self.states().values()), {"CANCELLED"})

    def test_a_signal_that_nobody_typed_asks_nothing(self):
        peer = self.run_peer(Liar({"rate": MIB // 4}))
        terminal = self.daemon.terminal("get", peer.share(self.source)["ticket"], "-o", self.target)
        self.addCleanup(terminal.close)
        terminal.expect("/s", TIMEOUT)
        terminal.process.send_signal(signal.SIGTERM)
        self.check_goes_on(terminal)
        self.assertNotIn(QUESTION.encode(), terminal.seen)

    def test_a_key_stays_with_what_it_was_given_to(self):
        terminal = self.interrupted_get("--key", "mine")
        terminal.expect(QUESTION, TIMEOUT)
        terminal.type("\r")
        self.check_goes_on(terminal)
        states = self.states()
        self.assertEqual(list(states.values()), ["RUNNING", "RUNNING"])
        again = self.ctl("queue", self.daemon.intent(min(states))["kind"]["hash"], "--key", "mine")
        self.assertIn(f"intent {min(states)} (queued before", again.text)

    def test_what_goes_on_outlives_that_nobody_can_be_reached(self):
        other = self.start_daemon("other", '[serve]\nmode = "anyone"\n[limits]\nupload_rate = "128KiB"\n')
        blob, provider = other.add(self.source), other.provider
        terminal = self.daemon.terminal("get", blob, "--from", provider, "-o", self.target)
        self.addCleanup(terminal.close)
        terminal.expect("/s", TIMEOUT)
        terminal.type("\x03")
        terminal.expect(QUESTION, TIMEOUT)
        terminal.type("\r")
        self.check_goes_on(terminal)
        going_on = max(self.states())
        other.kill()
        # Somebody who waits hears at once that there is nobody; this one is not ended by it.
        hasty = self.daemon.ctl("get", blob, "--from", provider, "--patience", "0s")
        self.assertNotEqual(hasty.code, DONE)
        self.assertIn(self.states()[going_on], ("PARKED", "WAITING", "RUNNING", "QUEUED"))
        other._listen = provider.split("@")[1]
        other.start()
        other.ctl("limits", "upload_rate=100MB/s")
        self.wait_for_state(going_on, "DONE")


class Reading(E2eTest):
    """`add` of what keeps it waiting."""

    def test_a_terminal(self):
        terminal = self.daemon.terminal("add", "-")
        self.addCleanup(terminal.close)
        self.interrupt(terminal)

    def test_a_fifo_without_a_writer(self):
        os.mkfifo(self.directory / "fifo")
        terminal = self.daemon.terminal("add", self.directory / "fifo")
        self.addCleanup(terminal.close)
        self.interrupt(terminal)

    def test_a_fifo_with_one(self):
        path = self.directory / "fifo"
        os.mkfifo(path)
        terminal = self.daemon.terminal("add", path)
        self.addCleanup(terminal.close)
        with open(path, "wb") as writer:
            writer.write(b"some")
            writer.flush()
            self.interrupt(terminal)

    def interrupt(self, terminal):
        self.daemon.wait_until("it minds signals", lambda: minds_signals(terminal.process.pid))
        terminal.type("\x03")
        self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED, terminal.seen)
        self.assertEqual(self.ctl("blobs", "-q").value, "")


if __name__ == "__main__":
    unittest.main()
