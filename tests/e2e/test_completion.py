"""Completion of blobctl in real shells. Tags are other members' text: whatever they hold, it is offered, not run."""
import os
import pty
import select
import shutil
import subprocess
import time
import unittest

from harness import BLOBCTL, ROOT, TIMEOUT, E2eTest

FILES = ROOT / "packaging" / "completion"
# Run by a shell that expands it, each leaves a file.
HOSTILE = ("x$(touch${IFS}ran)", "x`touch${IFS}ran`", "x;touch${IFS}ran;", "x'$(touch${IFS}ran)'", 'x"$(touch${IFS}ran)"',
           "x y", "x*", "x{a,b}", "x$HOME", "x~", "x!!", "x=(z)")


class Shell:
    """An interactive shell on a terminal."""

    def __init__(self, command, directory, environment):
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(command, cwd=directory, env=environment, stdin=theirs, stdout=theirs,
                                         stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.seen = b""

    def type(self, text):
        os.write(self._ours, text.encode())

    def expect(self, text):
        """Reads until `text` has come; what came before it counts only once."""
        deadline = time.monotonic() + TIMEOUT
        while text.encode() not in self.seen:
            if time.monotonic() > deadline or not select.select([self._ours], [], [], TIMEOUT)[0]:
                raise AssertionError(f"{text!r} has not come, but {self.seen[-3000:].decode(errors='replace')}")
            self.seen += os.read(self._ours, 65536)
        self.seen = self.seen.split(text.encode(), 1)[1]

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


class Completion(E2eTest):
    def setUp(self):
        super().setUp()
        self.place = self.directory / "place"
        self.place.mkdir()
        file = self.directory / "file"
        file.write_bytes(b"content")
        self.hash = self.daemon.add(file)
        self.environment = {"PATH": f"{BLOBCTL.parent}:{os.environ['PATH']}", "BLOBD_SOCKET": str(self.daemon.socket),
                            "HOME": str(self.place), "TERM": "xterm", "LANG": "C.UTF-8", "COLUMNS": "200",
                            "BLOBCTL_COMPLETION_SECONDS": "60",
                            **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}}

    def shell(self, *command):
        if shutil.which(command[0]) is None:
            self.skipTest(f"{command[0]} is not installed: tests/install-deps --tests does that")
        shell = Shell(command, self.place, self.environment)
        self.addCleanup(shell.close)
        return shell

    def assert_completes(self, shell, typed, words):
        """What Tab makes of a line are these words, after the shell has read the line like any other."""
        shell.type(f"{typed}\t\x01printf '<%s>' \x05; printf '%s\\n' end of it\r")
        shell.expect("".join(f"<{word}>" for word in words) + "end\r\n")

    def hostile_tags(self):
        """One after the other is the only one that begins with x."""
        for tag in HOSTILE:
            self.ctl("tag", tag, self.hash)
            with self.subTest(tag=tag):
                yield tag
                self.assertEqual(list(self.place.glob("ran*")), [])
            self.ctl("tag", "--delete", tag)

    def check(self, shell):
        for tag in self.hostile_tags():
            if "!" not in tag:  # history, which the line as a whole is searched for
                self.assert_completes(shell, "blobctl get x", ["blobctl", "get", tag])
        self.assert_completes(shell, f"blobctl cat {self.hash[:8]}", ["blobctl", "cat", self.hash])
        self.assert_completes(shell, "blobctl nodes-h", ["blobctl", "nodes-have"])
        self.assert_completes(shell, "blobctl get --cancel-on-i", ["blobctl", "get", "--cancel-on-interrupt"])
        self.assert_completes(shell, "blobctl get --no-leg", ["blobctl", "get", "--no-legend"])
        self.assert_completes(shell, "blobctl intents --state deadl",
                              ["blobctl", "intents", "--state", "deadline-exceeded"])
        self.assert_completes(shell, "blobctl requests --state par", ["blobctl", "requests", "--state", "parked"])
        self.assert_completes(shell, "blobctl transfer sh", ["blobctl", "transfer", "show"])
        self.assert_completes(shell, "blobctl --timeout 60s completion z", ["blobctl", "--timeout", "60s", "completion", "zsh"])
        self.daemon.stop()
        self.assert_completes(shell, f"blobctl cat {self.hash[:8]}", ["blobctl", "cat", self.hash[:8]])

    def test_bash(self):
        shell = self.shell("bash", "--norc", "--noprofile", "-i")
        shell.type(f"PS1=; source {FILES}/blobctl; printf '%s\\n' rea''dy\r")
        shell.expect("ready\r\n")
        self.check(shell)

    def test_zsh(self):
        shell = self.shell("zsh", "-f", "-i")
        shell.type(f"PS1=; unsetopt beep; fpath=({FILES} $fpath); autoload -Uz compinit; compinit -u -D; "
                   "printf '%s\\n' rea''dy\r")
        shell.expect("ready\r\n")
        self.check(shell)

    def test_fish(self):
        if shutil.which("fish") is None:
            self.skipTest("fish is not installed: tests/install-deps --tests does that")

        def candidates(line):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {FILES}/blobctl.fish; complete -C $argv[1]",
                                   line], cwd=self.place, env=self.environment, capture_output=True, text=True,
                                  timeout=TIMEOUT, check=True)
            return [each.split("\t")[0] for each in done.stdout.splitlines()]

        for tag in self.hostile_tags():
            self.assertEqual(candidates("blobctl get x"), [tag])
        self.assertEqual(candidates(f"blobctl cat {self.hash[:8]}"), [self.hash])
        self.assertEqual(candidates("blobctl nodes-h"), ["nodes-have"])
        self.assertEqual(candidates("blobctl get --cancel-on-i"), ["--cancel-on-interrupt"])
        self.assertEqual(candidates("blobctl get --no-leg"), ["--no-legend"])
        self.assertEqual(candidates("blobctl intents --state deadl"), ["deadline-exceeded"])
        self.assertEqual(candidates("blobctl requests --state pa"), ["parked", "paused"])
        self.assertEqual(candidates("blobctl transfer sh"), ["show"])
        self.assertEqual(candidates("blobctl --timeout 60s completion z"), ["zsh"])
        self.daemon.stop()
        self.assertEqual(candidates(f"blobctl cat {self.hash[:8]}"), [])


if __name__ == "__main__":
    unittest.main()
