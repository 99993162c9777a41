"""What users meet when something is wrong: golden/errors-*.txt have every text, with the exit code before it."""
import os
import subprocess
import unittest

import golden
import sandbox
from command_world import RETRY, SOME_NODE
from harness import BLOBCTL, DONE, TIMEOUT, E2eTest
from peers import write_random
from test_keeping import MEMBERS, can_be_others

NOT_HERE = "5a" * 32
NO_INTENT = "987654321"


class Transcript:
    """What was typed, and what came of it."""

    def __init__(self, test, replaced):
        self._test, self._replaced, self._lines = test, replaced, []

    def _plain(self, text):
        for what, word in self._replaced:
            text = text.replace(str(what), word)
        return text

    def run(self, command, shown, **options):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=TIMEOUT, check=False,
                              stdin=subprocess.DEVNULL, **options)
        said = f"$ blobctl {' '.join(map(str, shown))}\n[{done.returncode}] {done.stderr.rstrip()}\n"
        self._lines.append(self._plain(said))
        with self._test.subTest(shown=shown):
            self._test.assertNotEqual(done.returncode, DONE, "that is no error")
            self._test.assertEqual(done.stdout, "", "an error is for standard error")
            self._test.assertNotIn("\x1b", done.stderr)
            first, *more = done.stderr.splitlines()
            self._test.assertTrue(first.startswith("blobctl: "), first)
            self._test.assertEqual([line for line in more if not line.startswith(("  ", "blobctl: "))], [])

    def text(self):
        return "\n".join(self._lines)


class GoldenErrors(E2eTest):
    config = RETRY

    def setUp(self):
        super().setUp()
        self.transcript = Transcript(self, [(self.directory, "DIR")])
        self.blob = self.daemon.add(write_random(self.directory / "file", 20_000))
        things = self.directory / "things"
        for name in ("a", "b/c"):
            write_random(things / name, 1000, seed=name)
        self.collection = self.daemon.add(things)

    def run_all(self, name, *commands):
        for words in commands:
            self.transcript.run(self.daemon.ctl_command(*words), words)
        golden.check(self, f"errors-{name}.txt", self.transcript.text())

    def test_usage(self):
        self.run_all(
            "usage", (), ("statsu",), ("bogus",), ("remotes", "ad"), ("registry",), ("get",), ("get", "x", "y"),
            ("get", "x", "--frm", "y"), ("get", "x", "--zzz"), ("get", "x", "--label"), ("get", "x", "--priority", "high"),
            ("get", "x", "--patience", "5"), ("intents", "--jsn"), ("intents", "-n", "many"),
            ("intents", "--state", "dnoe"), ("status", "now"), ("cancel", "abc"), ("gc", "--to", "50"), ("gc", "--to", "10XB"),
            ("tag", "t", "x", "--new", "--delete"), ("tag", "t"), ("intents", "--state-dir", "/"), ("completion", "csh"),
            ("status", "--json=loud"), ("pause",), ("verify",), ("limits", "--persist"),
            ("get", self.blob, "-o", "-", "--json"), ("export", self.blob, "-o", "-", "--json"))

    def test_names(self):
        ticket = self.daemon.ticket(self.blob)
        self.transcript = Transcript(self, [(self.directory, "DIR"), (ticket[:-4], "TICKET-THAT-IS-CUT")])
        self.run_all(
            "names", ("cat", "mistyped"), ("get", "mistyped"), ("tag", "--delete", "mistyped"), ("cat", "5a5a5a5a5a"),
            ("cat", "zz" * 32), ("queue", "s" + "zz" * 32), ("get", "blobaaaa"), ("get", ticket[:-4]), ("cat", NOT_HERE),
            ("export", NOT_HERE, "-o", self.directory / "new"), ("export", "s" + NOT_HERE, "-o", self.directory / "new"),
            ("rm", NOT_HERE), ("ticket", NOT_HERE), ("private", NOT_HERE),
            *((command, NO_INTENT) for command in ("watch", "cancel", "pause", "resume", "why")),
            ("transfer", "show", NO_INTENT), ("transfer", "cancel", NO_INTENT), ("remote", NOT_HERE), ("remote", "xyz"),
            ("remotes", "add", "xyz", "127.0.0.1:1"), ("remotes", "add", SOME_NODE, "nowhere"), ("ban", "xyz"),
            ("unban", SOME_NODE), ("queue", NOT_HERE, "--from", "xyz"), ("queue", NOT_HERE, "--from", f"{SOME_NODE}@"),
            ("config", "dump", "limts"))

    def test_files(self):
        file, things = self.directory / "taken", self.directory / "partly"
        file.write_text("mine")
        things.mkdir()
        (things / "a").write_text("mine")
        self.run_all(
            "files", ("export", self.blob, "-o", file), ("get", self.blob, "-o", file), ("backup", file),
            ("outboard", self.directory / "file", "-o", file), ("export", self.blob, "-o", things),
            ("export", self.blob, "-o", "/nowhere/x"), ("export", self.collection, "-o", things),
            ("export", self.collection, "-o", file), ("export", self.collection, "-o", "-"),
            ("export", self.collection[1:], "-o", file), ("export", "s" + self.blob, "-o", self.directory / "new"),
            ("add", "/nowhere/x"), ("outboard", "/nowhere/x"), ("import-store", "/nowhere"), ("import-store", things),
            ("export-store", "/nowhere/x"))

    def test_the_daemon_refuses(self):
        self.ctl("tag", "taken", self.blob)
        self.run_all(
            "refused", ("rm", self.blob), ("tag", "taken", self.blob, "--new"),
            ("tag", "taken", self.collection, "--expect", NOT_HERE), ("tag", "a\x1bb", self.blob),
            ("limits", "conections=5"), ("limits", "connections=0"), ("limits", "connections=many"),
            ("limits", "--reset", "conections"), ("import", "http://127.0.0.1:9/x"), ("import", "ftp://mirror.example/x"),
            ("get", NOT_HERE, "--from", "http://127.0.0.1:9/x"), ("queue", NOT_HERE, "--label", "x" * 257),
            ("cat", self.blob, "--offset", "30000"), ("ticket", self.blob, "--address", "nowhere"),
            ("registry", "recover"), ("get", "5b" * 32))

    def test_no_daemon(self):
        for socket in ("/run/blobd/none.sock", self.directory / "none.sock", self.directory / "file"):
            words = ("--socket", socket, "status")
            self.transcript.run([BLOBCTL, *words], words)
        words = ("--offline", "--state-dir", self.directory / "none", "intents")
        self.transcript.run([BLOBCTL, *words], words)
        words = ("--offline", "--state-dir", self.daemon.state, "status")
        self.transcript.run([BLOBCTL, *words], words)
        golden.check(self, "errors-no-daemon.txt", self.transcript.text())

    def test_no_permission(self):
        if not can_be_others():
            self.skipTest("only root can be others")
        sandbox.refuse(a_socket_of_the_user_who_runs_the_test=sandbox.is_on())
        self.directory.chmod(0o755)
        os.chmod(self.daemon.socket, 0o666)
        others = self.queue(NOT_HERE)
        self.ctl("tag", "roots", self.blob)
        self.ctl("tag", "secret", self.collection, "--private")
        other = {"user": MEMBERS[0], "group": MEMBERS[0], "extra_groups": [], "cwd": "/"}
        for words in (("gc",), ("limits", "connections=5"), ("ban", SOME_NODE), ("import", "http://mirror.example/x"),
                      ("drain",), ("reload",), ("backup", "/tmp/none"), ("pause", "--everything"), ("cancel", others),
                      ("rm", self.blob), ("rm", "--force", self.blob), ("tag", "--delete", "roots"),
                      ("private", "--off", self.blob),
                      ("cat", "secret"), ("remotes", "forget", SOME_NODE), ("registry", "recover"),
                      ("export", self.blob, "-o", self.directory / "new")):
            self.transcript.run(self.daemon.ctl_command(*words), words, **other)
        os.chmod(self.daemon.socket, 0o600)
        self.transcript.run(self.daemon.ctl_command("status"), ("status",), **other)
        golden.check(self, "errors-no-permission.txt", self.transcript.text())


if __name__ == "__main__":
    unittest.main()
