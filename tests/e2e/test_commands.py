"""Every command of blobctl, in terminals of three widths and in a pipe, in a world that has something of everything."""
import concurrent.futures
import json
import re
import tempfile
import unittest

import golden
from api_world import serve_directory
from blobctl_help import commands, help_of, width
from command_table import EXAMPLES
from command_world import World, config_with
from harness import DONE, TIMEOUT, Daemon, E2eTest
from peers import write_random

WIDTHS = (40, 80, 200)
ALONE = ("verify", "drain")
# A word that is wider than what is left of a narrow line, such as a hash, stands in it as it is.
LEAST_ROOM = 20
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Their exit code is an answer, which standard output explains.
ANSWERS_BY_CODE = ("why", "doctor", "verify", "rm")
# What errors and notes look like, with the lines that say more of one.
ERROR_LINE = re.compile(r"(blobctl: |  )\S")


class Table(unittest.TestCase):
    def test_every_command_has_an_example(self):
        self.assertEqual(sorted(EXAMPLES), sorted(" ".join(command) for command in commands()),
                         "tests/e2e/command_table.py")


class GoldenHelp(unittest.TestCase):
    def test_of_every_command(self):
        for command in [(), *commands()]:
            with self.subTest(command=command):
                golden.check(self, f"help/{'-'.join(command) or 'blobctl'}.txt", help_of(*command))


def too_wide(text, columns):
    """Lines that could have been narrower."""
    for line in SEQUENCE.sub("", text).splitlines():
        if width(line) <= columns:
            continue
        begin, _, last = line.rstrip().rpartition(" ")
        if width(begin) > columns or width(last) <= columns - LEAST_ROOM:
            yield line


class Commands(E2eTest):
    def prepare(self):
        self.www = self.directory / "www"
        self.www.mkdir()
        self.mirror = serve_directory(self, self.www)
        self.daemon = Daemon(self.directory, config_with(self.mirror))

    def test_all(self):
        self.world = World(self, self.daemon, self.mirror, self.www)
        every = [(command, example) for command, examples in EXAMPLES.items() for example in examples]
        ending = [each for each in every if each[1].until is None]
        # After it nothing would move any more.
        before_drain = [each for each in ending if each[0] != "drain"]
        for columns in WIDTHS:
            # The narrow one has no colours, and is the hardest to fit; for the others one example of each has to do.
            chosen = before_drain if columns == min(WIDTHS) else list({each[0]: each for each in before_drain}.values())
            self.check_each(chosen, lambda *each: self.check_on_terminal(columns, *each), columns=columns)
        for command, example in every:
            if example.until is not None:
                self.check_until_interrupted(command, example)
        self.shapes = {}
        self.check_each([each for each in before_drain if each[1].json], self.check_json, to="JSON")
        for name, documents in self.shapes.items():
            with self.subTest(shape=name):
                golden.check_shape(self, f"json/{name}.json", documents)
        self.check_each(ending, self.check_in_a_pipe, to="a pipe")

    def check_each(self, examples, check, **where):
        """Two at a time, but those alone that can run once at a time; `drain`, if it is there, last."""
        def failure_of(each):
            try:
                check(*each)
            except AssertionError as failed:
                return failed
            return None
        alone = [each for each in examples if each[0] in ALONE]
        others = [each for each in examples if each[0] not in ALONE]
        with concurrent.futures.ThreadPoolExecutor(2) as two:
            failures = list(two.map(failure_of, others))
        failures += [failure_of(each) for each in alone]
        for (command, _), failure in zip([*others, *alone], failures):
            with self.subTest(command=command, **where):
                if failure is not None:
                    raise failure

    def words_of(self, command, example, *options):
        return [*command.split(), *map(str, example.words(self.world)), *options]

    def assert_code(self, example, words, code, said):
        self.assertIn(code, (example.code, *example.also), f"blobctl {' '.join(words)}:\n{said}")

    def assert_errors(self, said):
        """What standard error has is ours, and without control characters where it is no terminal."""
        self.assertNotRegex(said, r"[\x00-\x09\x0b-\x1f]")
        for line in said.splitlines():
            self.assertRegex(line, ERROR_LINE)

    def check_on_terminal(self, columns, command, example):
        """Standard output is one."""
        plain = columns == min(WIDTHS)
        words = self.words_of(command, example)
        with tempfile.TemporaryFile() as errors:
            result = self.daemon.ctl_on_terminal(*words, columns=columns, errors=errors,
                                                 environment={"NO_COLOR": "1"} if plain else None)
            errors.seek(0)
            said = errors.read().decode()
        self.assert_code(example, words, result.code, result.text + said)
        self.assert_errors(said)
        if not example.verbatim:
            self.assertEqual(list(too_wide(result.text, columns)), [], words)
            self.assertNotRegex(COLOUR.sub("", result.text) if not plain else result.text, "\x1b")

    def check_in_a_pipe(self, command, example):
        words = self.words_of(command, example)
        result = self.daemon.ctl(*words)
        self.assert_code(example, words, result.code, result.text)
        self.assert_errors(result.stderr.decode())
        if result.code != DONE and command not in ANSWERS_BY_CODE:
            self.assertTrue(result.stderr, f"{words} failed and does not say why")
            self.assertEqual(result.stdout, b"", words)
        if not example.verbatim:
            text = result.stdout.decode()
            self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f]")
            self.assertNotIn("blobctl: ", text, words)

    def check_json(self, command, example):
        words = self.words_of(command, example, "--json")
        result = self.daemon.ctl(*words)
        self.assert_code(example, words, result.code, result.text)
        self.assert_errors(result.stderr.decode())
        lines = result.stdout.decode().splitlines()
        if example.json == "one":
            self.assertEqual(len(lines), 1, f"{words}: {result.text}")
        self.shapes.setdefault(command.replace(" ", "-") + example.shape, []).extend(json.loads(line) for line in lines)

    def check_until_interrupted(self, command, example):
        words = self.words_of(command, example)
        with self.subTest(words=words):
            terminal = self.daemon.terminal(*words, columns=80)
            self.addCleanup(terminal.close)
            terminal.expect(example.until, TIMEOUT)
            terminal.type(example.typed)
            self.assert_code(example, words, terminal.wait(TIMEOUT), terminal.seen)


class Screen:
    """What stands on a terminal after what is redrawn in place."""

    def __init__(self):
        self._lines = [""]
        self._row = 0
        self._column = 0

    @property
    def lines(self):
        return [line for line in self._lines if line]

    def take(self, text):
        for sequence, character in re.findall(r"\x1b\[([0-9]*[A-Za-z])|([^\x1b])", text):
            line = self._lines[self._row]
            if character == "\r":
                self._column = 0
            elif character == "\n":
                self._row += 1
                self._lines += [""] * (self._row + 1 - len(self._lines))
            elif character:
                self._lines[self._row] = line[:self._column] + character + line[self._column + 1:]
                self._column += 1
            elif sequence in ("K", "J"):
                self._lines[self._row] = line[:self._column]
                if sequence == "J":
                    del self._lines[self._row + 1:]
            elif sequence.endswith("A"):
                self._row -= int(sequence[:-1])
        return self.lines


class Progress(E2eTest):
    """What is redrawn on a terminal: a line that fits, and nothing of it stays. NO_COLOR is about colours."""

    config = '[serve]\nmode = "anyone"\n'

    def test_it_fits_and_goes(self):
        blob = self.daemon.add(write_random(self.directory / "file", 300_000))
        for columns in WIDTHS:
            result = self.daemon.ctl_on_terminal("get", blob, "-o", self.directory / f"at-{columns}", columns=columns,
                                                 environment={"NO_COLOR": "1"})
            self.assertEqual(result.code, DONE, result.text)
            self.assertNotRegex(result.text, COLOUR)
            drawn = [piece.split("\r")[0] for piece in result.text.split("\r\x1b[K")]
            self.assertGreater(len(drawn), 2, result.text)
            self.assertEqual([line for line in drawn[1:-1] if width(line) >= columns], [])
            # The last was wiped before what stays was written.
            self.assertTrue(drawn[-1].startswith(blob), drawn)

    def test_a_collection_has_a_bar_of_its_blobs_too(self):
        folder = self.directory / "folder"
        folder.mkdir()
        for i in range(8):
            write_random(folder / f"file {i}", 400_000 + i)
        root = self.daemon.add(folder)
        getter = self.start_daemon("getter", '[limits]\ndownload_rate = "1MB/s"\n')
        for columns in WIDTHS:
            with self.subTest(columns=columns):
                target = self.directory / f"at-{columns}"
                result = getter.ctl_on_terminal("get", root, "--from", self.daemon.provider, "-o", target, columns=columns,
                                                environment={"NO_COLOR": "1"})
                self.assertEqual(result.code, DONE, result.text)
                screen = Screen()
                shown = [screen.take(piece) for piece in re.split(r"(?=\r)", result.text)]
                bars = [lines for lines in shown if len(lines) == 2 and lines[1].startswith("blobs  ")]
                if columns == min(WIDTHS):  # the others find everything there
                    self.assertTrue(bars, result.text)
                self.assertEqual([lines for lines in bars if max(map(width, lines)) >= columns], [])
                self.assertEqual([line for line in screen.lines if line.startswith("blobs")], [], "it was not wiped")

    def test_a_dumb_terminal_has_none(self):
        blob = self.daemon.add(write_random(self.directory / "file", 300_000))
        result = self.daemon.ctl_on_terminal("get", blob, "-o", self.directory / "target", environment={"TERM": "dumb"})
        self.assertNotIn("\x1b", result.text)
        self.assertEqual(result.text.replace("\r\n", "").count("\r"), 0)


if __name__ == "__main__":
    unittest.main()
