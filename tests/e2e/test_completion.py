"""Completion of blobctl in real shells. Tags are other members' text: whatever they hold, it is offered, not run."""
import os
import pty
import select
import shutil
import signal
import subprocess
import time
import unittest

from harness import BLOBCTL, ROOT, TIMEOUT, E2eTest, is_long_run, is_sanitized

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


class CompletionTest(E2eTest):
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

    def interactive(self, name):
        """A shell that completes blobctl: "bash" or "zsh"."""
        if name == "bash":
            shell = self.shell("bash", "--norc", "--noprofile", "-i")
            shell.type(f"PS1=; source {FILES}/blobctl; printf '%s\\n' rea''dy\r")
        else:
            shell = self.shell("zsh", "-f", "-i")
            shell.type(f"PS1=; unsetopt beep; fpath=({FILES} $fpath); autoload -Uz compinit; compinit -u -D; "
                       "printf '%s\\n' rea''dy\r")
        shell.expect("ready\r\n")
        return shell

    def candidates(self, line):
        """What fish offers."""
        if shutil.which("fish") is None:
            self.skipTest("fish is not installed: tests/install-deps --tests does that")
        done = subprocess.run(["fish", "--no-config", "-c", f"source {FILES}/blobctl.fish; complete -C $argv[1]", line],
                              cwd=self.place, env=self.environment, capture_output=True, text=True, timeout=TIMEOUT,
                              check=True)
        self.assertEqual(done.stderr, "")
        return [each.split("\t")[0] for each in done.stdout.splitlines()]


class Completion(CompletionTest):
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
        self.check(self.interactive("bash"))

    def test_zsh(self):
        self.check(self.interactive("zsh"))

    def test_fish(self):
        candidates = self.candidates
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


class Many(CompletionTest):
    """10,000 intents, and 10,000 hashes, as many as are offered, in a long run: a short one has no time to add them."""

    INTENTS = 10_000
    HASHES = 10_000 if is_long_run() else 1_000
    # A shell is held up for no longer than the cap of 300 ms, and what it does itself.
    MOST_SECONDS = 5 * 0.3

    def setUp(self):
        super().setUp()
        many = self.directory / "many"
        many.mkdir()
        # Besides these, the list of the collection and its names, and the file of all tests.
        for number in range(self.HASHES - 3):
            (many / str(number)).write_text(str(number))
        self.daemon.add(many)
        self.ctl("queue", "-q", *(f"{number:04x}" * 16 for number in range(self.INTENTS)))
        self.hashes = self.ctl("blobs", "-q").text.split()
        self.assertEqual(len(self.hashes), self.HASHES)
        self.intents = self.ctl("intents", "-q").text.split()
        self.last = self.hashes[-1]

    def check_offered(self, shell):
        self.assert_completes(shell, f"blobctl cat {self.last[:12]}", ["blobctl", "cat", self.last])
        self.assert_completes(shell, f"blobctl cancel {self.intents[-1]}", ["blobctl", "cancel", self.intents[-1]])

    def offered_by_bash(self, *words):
        """All that it would show."""
        script = f'source {FILES}/blobctl; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _blobctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "--norc", "-c", script, "-", *words], env=self.environment, capture_output=True,
                              text=True, timeout=TIMEOUT, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def assert_soon(self, what, act):
        """At least one time of three; a machine has other work, too."""
        for _ in range(3):
            started = time.monotonic()
            act()
            taken = time.monotonic() - started
            if taken < self.MOST_SECONDS:
                return
        self.fail(f"{what} took {taken:.1f} s")

    def test_all_are_offered(self):
        for name in ("bash", "zsh"):
            with self.subTest(shell=name):
                self.check_offered(self.interactive(name))
        self.assertEqual(sorted(self.offered_by_bash("blobctl", "cat", "")), sorted(self.hashes))
        self.assertEqual(sorted(self.offered_by_bash("blobctl", "cancel", "")), sorted(self.intents))
        with self.subTest(shell="fish"):
            self.assertEqual(sorted(self.candidates("blobctl cat ")), sorted(self.hashes))
            self.assertEqual(sorted(self.candidates("blobctl cancel ")), sorted(self.intents))
        # With the cap as it is.
        del self.environment["BLOBCTL_COMPLETION_SECONDS"]
        self.check_soon()
        if not is_sanitized():
            wanted = ("blobctl", "cat", self.last[:12])
            self.assertTrue(any(self.offered_by_bash(*wanted) == [self.last] for _ in range(5)), "not within the cap")
        # A daemon that hangs, too: nothing is offered, and nothing said.
        os.kill(self.daemon.pid, signal.SIGSTOP)
        try:
            self.check_soon()
            self.assertEqual(self.offered_by_bash("blobctl", "cat", ""), [])
        finally:
            os.kill(self.daemon.pid, signal.SIGCONT)

    def check_soon(self):
        for name in ("bash", "zsh"):
            shell = self.interactive(name)
            self.assert_soon(name, lambda: (shell.type(f"blobctl cat {self.last[:12]}\t\x15echo do''ne\r"),  # pylint: disable=cell-var-from-loop
                                            shell.expect("done\r\n")))  # pylint: disable=cell-var-from-loop
        self.assert_soon("fish", lambda: self.candidates(f"blobctl cat {self.last[:12]}"))


if __name__ == "__main__":
    unittest.main()
