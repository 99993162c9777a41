"""blobctl before people: help, usage errors, and tables that fit the terminal."""
import grp
import os
import pwd
import re
import subprocess
import unittest

from blobctl_help import commands, help_of, run, width
from harness import DONE, NO_DAEMON, PERMISSION, ROOT, TIMED_OUT, TIMEOUT, USAGE, E2eTest
from peers import write_random
from test_keeping import can_be_others

COLUMNS, LINES = 79, 24
SOME_NODE = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
CONTROL = re.compile(r"\x1b\[[0-9;]*[mK]")


class Help(unittest.TestCase):
    def test_each_fits_a_screen(self):
        names = list(commands())
        self.assertIn(("remotes", "add"), names)
        self.assertGreater(len(names), 35)
        for command in [(), *names]:
            with self.subTest(command=command):
                lines = help_of(*command).splitlines()
                self.assertLessEqual(len(lines), LINES, "\n".join(lines))
                self.assertLessEqual(max(map(len, lines)), COLUMNS, "\n".join(lines))
                self.assertTrue(lines[0].startswith(" ".join(("Usage: blobctl", *command))), lines[0])
                self.assertEqual([line for line in lines if line != line.rstrip()], [])

    def test_each_names_its_arguments_and_options(self):
        text = help_of("get")
        for word in ("WANTED", "-o, --output PATH", "--from PROVIDER", "--patience TIME", "Get a blob or collection"):
            self.assertIn(word, text)
        self.assertIn("--json[=FORM]", help_of())
        self.assertEqual(run("help").returncode, USAGE)


class Usage(unittest.TestCase):
    def check(self, args, *words):
        done = run(*args)
        self.assertEqual((done.returncode, done.stdout), (USAGE, ""), args)
        self.assertRegex(done.stderr, r'\Ablobctl: [^\n]+ see "blobctl[a-z -]* --help"\n\Z')
        for word in words:
            self.assertIn(word, done.stderr)

    def test_one_line_says_what_to_do(self):
        self.check((), "say which command")
        self.check(("statsu",), 'there is no command "statsu", did you mean "status"?')
        self.check(("bogus",), 'there is no command "bogus"; see "blobctl --help"')
        self.check(("x\x1b[31m\n",), r'"x\x1b[31m\n"')
        self.check(("registry",), 'see "blobctl registry --help"')
        self.check(("registry", "recovr"), 'did you mean "recover"?')
        self.check(("get",), "WANTED is missing", '"blobctl get --help"')
        self.check(("get", "x", "--frm", "y"), 'there is no option "--frm", did you mean "--from"?')
        self.check(("intents", "--jsn"), 'did you mean "--json"?')
        self.check(("status", "now"), 'one argument too many: "now"')
        self.check(("get", "x", "y"), "WANTED: at most 1, but there are 2")
        self.check(("cancel", "abc"), '"abc" is no id')
        self.check(("cancel", "99999999999999999999"), '"99999999999999999999" is no id')
        self.check(("intents", "-n", "many"), '--limit: "many" is no such number')
        self.check(("gc", "--to", "10XB"), '"10XB" is no size')
        self.check(("gc", "--to", "50"), '"50" is no size: write 500MB')
        self.check(("get", "x", "--patience", "5"), '"5" is no time: write 500ms')
        self.check(("get", "x", "--priority", "high"), "none of background, normal, urgent")
        self.check(("get", "x", "--label"), "its value is missing")
        self.check(("tag", "t", "x", "--new", "--delete"), "does not go with")
        self.check(("intents", "--state-dir", "/"), "--offline")

    def test_versions_and_what_has_no_effect(self):
        version = run("version")
        self.assertRegex(version.stdout, r"\Ablobctl \d+\.\d+\S*\n\Z")
        self.assertEqual(run("--version").stdout, version.stdout)
        self.assertEqual(run("version", "--no-pager").stdout, version.stdout)
        self.assertIn(run("version", "-q").stdout.strip(), version.stdout)
        self.assertIn('"version"', run("version", "--json").stdout)

    def test_completion_is_what_the_packages_install(self):
        for shell, name in {"bash": "blobctl", "zsh": "_blobctl", "fish": "blobctl.fish"}.items():
            self.assertEqual(run("completion", shell).stdout, (ROOT / "packaging/completion" / name).read_text())
        self.check(("completion", "csh"), "none of bash, zsh, fish")


class Lists(E2eTest):
    """Of everything, with long names, labels and addresses."""

    lists = (("intents",), ("intents", "--all"), ("requests",), ("transfers", "--all"), ("top", "--once"), ("blobs",),
             ("tags",), ("bans",), ("remotes",), ("limits",), ("gc", "--dry-run"), ("remote", SOME_NODE))

    def fill(self):
        self.ctl("queue", "5a" * 32, "--label", "a label that takes more room than a narrow terminal has, 日本語 too",
                 "--from", f"{SOME_NODE}@[2001:db8:1234:5678:9abc:def0:1234:5678]:11205")
        self.ctl("queue", "5b" * 32, "--from", "https://mirror.example/" + "long/" * 20)
        blob = self.daemon.add(write_random(self.directory / "source", 100_000))
        self.ctl("tag", "a-tag/" + "that-is-long/" * 8, blob)
        self.ctl("ban", "https://mirror.example/" + "other/" * 20, "--reason", "words " * 12)

    def test_they_fit(self):
        self.fill()
        for columns in (40, 80, 200):
            for command in self.lists:
                with self.subTest(columns=columns, command=command):
                    result = self.daemon.ctl_on_terminal(*command, columns=columns)
                    self.assertEqual(result.code, DONE, result.text)
                    lines = CONTROL.sub("", result.text).splitlines()
                    if command[0] == "remote":  # sentences about the node stand above its addresses
                        lines = lines[next(i for i, line in enumerate(lines) if line.startswith("ADDRESS")):]
                    if command[0] == "gc":  # and the sum below its table
                        lines = lines[:-1]
                    self.assertLessEqual(max(map(width, lines)), columns, "\n".join(lines))
        whole = self.daemon.ctl_on_terminal("tags", "--full", columns=40).text
        self.assertIn("a-tag/" + "that-is-long/" * 8, whole)

    def test_nothing_is_cut_or_coloured_in_a_pipe(self):
        self.fill()
        for command in self.lists:
            result = self.ctl(*command)
            self.assertNotIn(b"\x1b", result.stdout)
            self.assertNotIn(b"\r", result.stdout)
            self.assertNotIn("…", result.stdout.decode())
        self.assertIn("long/" * 20, self.ctl("remotes").text + self.ctl("bans").text.replace("other/", "long/"))

    def test_colours_are_for_terminals_that_have_them(self):
        self.fill()
        coloured = self.daemon.ctl_on_terminal("blobs")
        self.assertIn("\x1b[32mcomplete\x1b[0m", coloured.text)
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            plain = self.daemon.ctl_on_terminal("blobs", environment=environment)
            self.assertNotIn("\x1b", plain.text)
            self.assertEqual(plain.text, CONTROL.sub("", coloured.text))

    def test_nothing_is_said_in_words(self):
        for command, words in ((("intents",), "no unfinished intents"), (("intents", "--all"), "no intents"),
                               (("requests",), "no unfinished requests"),
                               (("transfers",), "no running transfers"), (("blobs",), "no blobs"), (("tags",), "no tags"),
                               (("bans",), "no bans"), (("remotes",), "no nodes are known")):
            self.assertIn(words, self.ctl(*command).text)
            self.assertEqual(self.ctl(*command, "--no-legend").text, "")
            self.assertEqual(self.ctl(*command, "-q").text, "")


class Texts(E2eTest):
    def test_a_target_that_cannot_be_written_is_said_before_the_download(self):
        (self.directory / "file").write_text("mine")
        (self.directory / "full").mkdir()
        (self.directory / "full" / "file").write_text("mine")
        for target, words in (("file", "--force"), ("full", "is a directory; name a file in it"),
                              ("none/x", "No such file or directory")):
            result = self.ctl("get", "5a" * 32, "--from", SOME_NODE, "-o", self.directory / target, code=None)
            self.assertNotEqual(result.code, DONE)
            self.assertIn(words, result.text)
        self.assertEqual(self.ctl("intents", "--all", "-q").text, "", "something was queued")

    def test_what_a_name_is_not(self):
        self.assertIn("written in full, as --full shows", self.ctl("cat", "5a5a5a5a5a", code=None).text)
        result = self.ctl("get", "mistyped", code=None)
        self.assertIn("nor is it a ticket", result.text)

    def test_a_list_is_not_its_files(self):
        things = self.directory / "things"
        write_random(things / "a", 1000)
        added = self.daemon.add(things)
        self.assertIn("only the list is hashed", self.ctl("verify", added).text)
        self.assertIn("is the list of a collection",
                      self.ctl("export", added[1:], "-o", self.directory / "list").text)
        self.assertIn("its files stay until gc", self.ctl("rm", "--force", added).text)
        self.assertIn("why: blobctl gc --dry-run", self.ctl("gc").text)


    def test_who_is_not_there_and_who_may_not(self):
        for socket, words in (("/run/blobd/none.sock", 'start it with "blobd --socket /run/blobd/none.sock"'),
                              (str(self.directory / "none"), "is not running at")):
            done = run("--socket", socket, "status")
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (NO_DAEMON, 1), done.stderr)
            self.assertIn(words, done.stderr)
        if not can_be_others():
            self.skipTest("only root can be others")
        os.chmod(self.directory, 0o755)
        os.chmod(self.daemon.socket, 0o660)
        os.chown(self.daemon.socket, 0, grp.getgrnam("audio").gr_gid)
        games = pwd.getpwnam("games")
        done = run("--socket", str(self.daemon.socket), "status", user=games.pw_uid, group=games.pw_gid, extra_groups=[],
                   cwd="/")
        self.assertEqual(done.returncode, PERMISSION, done.stderr)
        self.assertIn('it is for the group "audio": run "sudo adduser games audio"', done.stderr)


class TimeOut(E2eTest):
    def test_a_daemon_that_hangs_does_not_hang_others(self):
        stopped = subprocess.run(["kill", "-STOP", str(self.daemon.pid)], check=True)
        self.addCleanup(subprocess.run, ["kill", "-CONT", str(self.daemon.pid)], check=False)
        self.assertEqual(stopped.returncode, 0)
        try:
            for command in (("status",), ("add", "-"), ("remotes", "--watch"), ("get", "5a" * 32)):
                result = self.ctl(*command, "--timeout", "500ms", code=TIMED_OUT)
                self.assertLess(result.seconds, TIMEOUT)
                self.assertEqual(len(result.stderr.splitlines()), 1)
        finally:
            subprocess.run(["kill", "-CONT", str(self.daemon.pid)], check=True)
        self.ctl("status", "--timeout", f"{TIMEOUT}s")

    def test_a_get_goes_on_without_us(self):
        result = self.ctl("get", "5a" * 32, "--from", SOME_NODE, "--patience", "1h", "--timeout", "10s", code=TIMED_OUT)
        going_on = re.search(r"intent (\d+) goes on", result.text).group(1)
        self.assertIn(self.daemon.intent(going_on)["state"], ("INTENT_STATE_WAITING", "INTENT_STATE_PARKED",
                                                              "INTENT_STATE_RUNNING", "INTENT_STATE_QUEUED"))


if __name__ == "__main__":
    unittest.main()
