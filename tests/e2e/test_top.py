"""top on real terminals, in pipes, and as JSON."""
import os
import re
import signal
import time
import unittest

from harness import DONE, INTERRUPTED, NO_DAEMON, TIMEOUT, E2eTest
from peers import write_random

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
ANYONE = '[serve]\nmode = "anyone"\n'


class Top(E2eTest):
    def top(self, columns=80, *args):
        terminal = self.daemon.terminal("top", *args, columns=columns)
        self.addCleanup(terminal.close)
        return terminal

    def frames(self, terminal):
        """Each whole frame as its lines, without colours."""
        pieces = terminal.seen.split(b"\x1b[H")[1:]
        return [re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", piece.split(b"\x1b[J")[0]).decode().split("\r\n")
                for piece in pieces if b"\x1b[J" in piece]

    def assert_left_well(self, terminal):
        """What was there before is back, and nothing came after that but what a command has to say."""
        self.assertEqual(terminal.seen.count(ENTER), terminal.seen.count(LEAVE))
        self.assertIn(b"\x1b[?25h", terminal.seen)
        self.assertGreater(terminal.seen.rfind(LEAVE), terminal.seen.rfind(ENTER))
        self.assertNotIn(b"\x1b[H", terminal.seen[terminal.seen.rfind(LEAVE):])

    def test_the_screen_is_filled_and_no_more(self):
        for columns in (40, 80, 200):
            terminal = self.top(columns)
            terminal.expect("no connected nodes", TIMEOUT)
            terminal.expect("q quit", TIMEOUT)
            terminal.type("q")
            self.assertEqual(terminal.wait(TIMEOUT), DONE)
            self.assert_left_well(terminal)
            for frame in self.frames(terminal):
                self.assertEqual(len(frame), 30)
                self.assertLessEqual(max(map(len, frame)), columns, frame)

    def test_keys(self):
        terminal = self.top()
        terminal.expect("s sort: rate", TIMEOUT)
        terminal.type("s")
        terminal.expect("s sort: progress", TIMEOUT)
        terminal.type("h")
        terminal.expect("scroll the transfers", TIMEOUT)
        terminal.type("h\x1b[B\x1b[As")
        terminal.expect("s sort: provider", TIMEOUT)
        terminal.type("\x03")
        self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED)
        self.assert_left_well(terminal)

    def test_every_signal_leaves_the_terminal_as_it_was(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            terminal = self.top()
            terminal.expect("q quit", TIMEOUT)
            terminal.process.send_signal(number)
            self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED)
            self.assert_left_well(terminal)

    def test_two_signals_at_once(self):
        terminal = self.top()
        terminal.expect("q quit", TIMEOUT)
        for _ in range(2):
            terminal.process.send_signal(signal.SIGTERM)
        self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED)
        self.assertIn(LEAVE, terminal.seen)

    def test_it_stops_and_goes_on(self):
        terminal = self.top()
        terminal.expect("q quit", TIMEOUT)
        pid = terminal.process.pid
        terminal.type("\x1a")
        self.daemon.wait_until("it has stopped", lambda: self.state_of(pid) == "T")
        terminal.expect(LEAVE.decode(), TIMEOUT)
        terminal.seen = b""
        os.kill(pid, signal.SIGCONT)
        terminal.expect(ENTER.decode(), TIMEOUT)
        terminal.expect("q quit", TIMEOUT)
        terminal.type("q")
        self.assertEqual(terminal.wait(TIMEOUT), DONE)
        self.assertIn(LEAVE, terminal.seen)

    def state_of(self, pid):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    def test_a_daemon_that_goes_away_is_waited_for(self):
        terminal = self.top(200)
        terminal.expect("no running transfers", TIMEOUT)
        self.daemon.stop()
        terminal.expect("is not running at", TIMEOUT)
        terminal.look(2)
        frame = "\n".join(self.frames(terminal)[-1])
        self.assertNotIn(b"waiting for blobd at", terminal.seen)
        self.assertRegex(frame, r"no answer since \d\d:\d\d:\d\d: blobd is not running at")
        self.assertIn("down -   up -", frame)
        self.assertNotIn("B/s", frame)
        terminal.seen = b""
        self.daemon.start()

        def is_back():
            terminal.look(0.5)
            latest = "\n".join((self.frames(terminal) or [[]])[-1])
            return "no running transfers" in latest and "is not running" not in latest
        self.daemon.wait_until("it is asked again", is_back)
        terminal.type("q")
        self.assertEqual(terminal.wait(TIMEOUT), DONE)

    def test_what_goes_on_is_shown(self):
        source = self.start_daemon("source", ANYONE)
        file = write_random(self.directory / "file", 3_000_000)
        blob = source.add(file)
        self.daemon.ctl("limits", "download_rate=200kB/s")
        self.queue(blob, "--from", source.provider)
        terminal = self.top()
        terminal.expect(blob[:10], TIMEOUT)
        terminal.expect("receiving", TIMEOUT)
        terminal.expect("connected", TIMEOUT)
        terminal.type("q")
        self.assertEqual(terminal.wait(TIMEOUT), DONE)
        self.assertIn(source.status()["nodeId"][:10], terminal.seen.decode())

    def test_where_there_is_no_terminal_it_is_one_frame(self):
        for args in ((), ("--once",)):
            result = self.ctl("top", *args)
            self.assertNotIn(b"\x1b", result.stdout)
            self.assertIn(b"no running transfers", result.stdout)
            self.assertNotIn(b"quit", result.stdout)
        once = self.daemon.ctl_on_terminal("top", "--once", columns=40)
        self.assertEqual(once.code, DONE)
        self.assertNotIn("\x1b", once.text)
        self.assertLessEqual(max(map(len, once.text.splitlines())), 40)

    def test_json_comes_once_a_second(self):
        began = time.monotonic()
        documents = self.ctl("top", "--json", "--count", 2).json_lines()
        self.assertGreater(time.monotonic() - began, 0.9)
        self.assertEqual(len(documents), 2)
        for document in documents:
            self.assertEqual(sorted(document), ["remotes", "status", "transfers"])
            self.assertEqual(document["status"]["state"], "running")
        self.assertEqual(len(self.ctl("top", "--json", "--once").json_lines()), 1)

    def test_without_a_daemon_it_says_how_to_start_it(self):
        self.daemon.stop()
        for args in ((), ("--once",), ("--json",)):
            result = self.ctl("top", *args, code=NO_DAEMON)
            self.assertIn("start it with", result.text)


if __name__ == "__main__":
    unittest.main()
