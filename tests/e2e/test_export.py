"""Export into directories that are there already: what is in them stays, what is the same is left alone, and nothing is
written unless all of it can be."""
import os
import re
import shutil
import subprocess
import unittest

from harness import DONE, FAILED, INTERRUPTED, TIMEOUT, E2eTest, Result
from peers import write_random
from test_keeping import MEMBERS, can_be_others

NAMES = {"a": 10, "deep/b": 50_000, "deep/er/c": 0}


class ExportTest(E2eTest):
    def setUp(self):
        super().setUp()
        self.things = self.directory / "things"
        for name, size in NAMES.items():
            write_random(self.things / name, size, seed=name)
        self.collection = self.daemon.add(self.things)
        self.target = self.directory / "target"

    def export(self, *options, code=DONE, target=None):
        result = self.ctl("export", self.collection, "-o", target or self.target, *options, code=code)
        self.assert_no_leftovers()
        return result

    def refused(self, *words, options=()):
        """It fails, says these words, and the target is as before."""
        before = self.state()
        result = self.export(*options, code=FAILED)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.text)
        self.assertEqual(result.stdout, b"")
        for word in words:
            self.assertIn(word, result.text)
        self.assertEqual(self.state(), before)

    def assert_no_leftovers(self):
        self.assertEqual([path for path in self.directory.rglob("*") if re.search(r"\.blobd-[0-9a-f]+", path.name)], [])

    def state(self):
        """Everything in the target: kinds, modes, inodes, times and what is in files."""
        def of(path):
            facts = path.lstat()
            content = path.read_bytes() if path.is_file() else os.readlink(path) if path.is_symlink() else None
            return facts.st_mode, facts.st_ino, facts.st_mtime_ns if not path.is_dir() else 0, content
        return {str(path): of(path) for path in [self.target, *self.target.rglob("*")] if os.path.lexists(path)}

    def copy(self, *names):
        """These files are in the target already."""
        for name in names:
            (self.target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.things / name, self.target / name)

    def put(self, name, text):
        path = self.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class IntoDirectories(ExportTest):
    def test_what_is_there_stays(self):
        mine, other = self.put("mine", "mine"), self.put("deep/mine", "mine too")
        self.target.chmod(0o700)
        inode = self.target.stat().st_ino
        self.assertEqual(self.export().text, "")
        self.assertEqual((mine.read_text(), other.read_text()), ("mine", "mine too"))
        self.assertEqual((self.target.stat().st_ino, self.target.stat().st_mode & 0o777), (inode, 0o700))
        for name in NAMES:
            self.assert_same_file(self.target / name, self.things / name)

    def test_an_empty_one_stays_the_same_directory(self):
        self.target.mkdir(mode=0o700)
        inode = self.target.stat().st_ino
        self.export()
        self.assertEqual((self.target.stat().st_ino, self.target.stat().st_mode & 0o777), (inode, 0o700))
        self.assert_same_tree(self.target, self.things)

    def test_the_one_we_are_in(self):
        self.target.mkdir()
        done = subprocess.run(self.daemon.ctl_command("export", self.collection, "-o", "."), cwd=self.target, timeout=TIMEOUT,
                              capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (DONE, b""))
        self.assert_same_tree(self.target, self.things)

    def test_a_slash_at_the_end(self):
        self.target.mkdir()
        self.export(target=f"{self.target}/")
        self.export(target=f"{self.directory}/new/")
        self.assert_same_tree(self.directory / "new", self.things)

    def test_what_is_the_same_is_left_alone(self):
        self.copy("a", "deep/b")
        before = self.state()
        result = self.export()
        self.assertEqual(result.stderr.decode(), "blobctl: 2 of 3 files were there already, and are the same\n")
        self.assert_same_tree(self.target, self.things)
        after = self.state()
        self.assertEqual({path: after[path] for path in before}, before)
        self.assertEqual(self.export("-q").text, "")
        counts = self.export("--json").json()
        self.assertEqual((counts["written"], counts["existed"], counts["kind"]["hash"]), ("0", "3", self.collection[1:]))

    def test_what_differs_is_named_and_stays(self):
        self.copy("a", "deep/er/c")
        self.put("deep/b", "mine")
        self.refused("target/deep/b exists and differs", "--force")
        self.put("a", "of 10 byte")
        self.refused("target/a exists and differs, and 1 more like it")

    def test_of_the_same_size_too(self):
        self.put("a", "x" * NAMES["a"])
        self.refused("target/a exists and differs")

    def test_force_replaces_what_differs(self):
        other = self.put("mine", "mine")
        self.put("deep/b", "mine")
        self.copy("a")
        kept = self.directory / "another-name"
        os.link(self.target / "deep/b", kept)
        inode = (self.target / "a").stat().st_ino
        self.export("--force")
        for name in NAMES:
            self.assert_same_file(self.target / name, self.things / name)
        self.assertEqual((self.target / "a").stat().st_ino, inode, "the same file was written again")
        self.assertEqual((other.read_text(), kept.read_text()), ("mine", "mine"), "it was written into, not replaced")

    def test_links_are_neither_followed_nor_replaced(self):
        outside = self.directory / "outside"
        outside.mkdir()
        (outside / "file").write_text("mine")
        self.target.mkdir()
        for name, to in (("a", outside / "file"), ("a", outside / "none"), ("deep", outside)):
            (self.target / name).symlink_to(to)
            for options in ((), ("--force",)):
                self.refused(f"target/{name} is a symbolic link", options=options)
            (self.target / name).unlink()
        self.assertEqual([path.name for path in outside.iterdir()], ["file"])

    def test_a_target_that_is_a_link(self):
        elsewhere = self.directory / "elsewhere"
        elsewhere.mkdir()
        self.target.symlink_to(elsewhere)
        for target in (self.target, f"{self.target}/"):
            result = self.export(target=target, code=FAILED)
            self.assertIn("is a symbolic link, which is not followed", result.text)
        self.assertEqual(list(elsewhere.iterdir()), [])

    def test_other_kinds_of_files(self):
        self.target.mkdir()
        (self.target / "a").mkdir()
        self.refused("target/a is a directory, which is not replaced", options=("--force",))
        (self.target / "a").rmdir()
        os.mkfifo(self.target / "a")
        self.refused("target/a is no regular file", options=("--force",))
        (self.target / "a").unlink()
        self.put("deep", "mine")
        self.refused("target/deep is a file where a directory is needed, which is not replaced", options=("--force",))

    def test_no_directory_at_all(self):
        self.target.write_text("mine")
        self.refused("exists and is no directory", options=("--force",))

    def test_where_nothing_may_be_written(self):
        if not can_be_others():
            self.skipTest("only root can be others")
        self.directory.chmod(0o755)
        os.chmod(self.daemon.socket, 0o666)
        self.copy("a", "deep/b")
        as_other = {"user": MEMBERS[0], "group": MEMBERS[0], "extra_groups": [], "cwd": "/"}

        def export():
            done = subprocess.run(self.daemon.ctl_command("export", self.collection, "-o", self.target), capture_output=True,
                                  timeout=TIMEOUT, check=False, **as_other)
            return Result(done.returncode, done.stdout, done.stderr, 0)
        before = self.state()
        result = export()
        self.assertEqual((result.code, len(result.text.splitlines())), (FAILED, 1), result.text)
        self.assertIn(f"mkdir in {self.target}: Permission denied", result.text)
        self.assertEqual(self.state(), before)
        # All of it is there: nothing has to be written.
        self.copy(*NAMES)
        self.assertEqual(export().code, DONE)


class Get(ExportTest):
    def setUp(self):
        super().setUp()
        self.server = self.start_daemon("server", '[serve]\nmode = "anyone"\n')
        self.more = self.directory / "more"
        for name in ("a", "x/y"):
            write_random(self.more / name, 30_000, seed=name)
        self.ticket = self.server.ticket(self.server.add(self.more))

    def test_again_and_into_what_is_there(self):
        mine = self.put("mine", "mine")
        self.ctl("get", self.ticket, "-o", self.target)
        again = self.ctl("get", self.ticket, "-o", self.target)
        self.assertIn("2 of 2 files were there already", again.text)
        self.assertEqual(mine.read_text(), "mine")
        self.assert_same_file(self.target / "x/y", self.more / "x/y")
        # Another collection with a file of the same name.
        self.refused("target/a exists and differs")
        self.assert_no_leftovers()

    def test_what_cannot_be_is_said_before_the_download(self):
        self.target.mkdir()
        blob = self.server.add(self.more / "a")
        for wanted in (blob, self.server.ticket(blob)):
            result = self.ctl("get", wanted, "-o", self.target, code=FAILED)
            self.assertIn("is a directory; name a file in it", result.text)
        file = self.put("file", "mine")
        for wanted in (self.ticket, self.collection):
            result = self.ctl("get", wanted, "-o", file, "--force", code=FAILED)
            self.assertIn("exists and is no directory", result.text)
        self.assertEqual(self.ctl("intents", "--all", "-q").text, "", "something was queued")


class IntoFiles(ExportTest):
    def test_what_is_there(self):
        blob = self.daemon.add(self.things / "deep/b")
        outside = self.directory / "outside"
        outside.write_text("mine")
        self.target.symlink_to(outside)
        for options, words in (((), "target is a symbolic link"), (("--force",), "is a symbolic link")):
            self.assertIn(words, self.ctl("export", blob, "-o", self.target, *options, code=FAILED).text)
        self.assertEqual(outside.read_text(), "mine")
        self.target.unlink()
        self.target.write_text("mine")
        self.assertIn("--force", self.ctl("export", blob, "-o", self.target, code=FAILED).text)
        self.ctl("export", blob, "-o", self.target, "--force")
        self.assert_same_file(self.target, self.things / "deep/b")


class Interrupted(E2eTest):
    def test_nothing_is_left(self):
        """What was written aside goes, and what is there stays."""
        things, target = self.directory / "things", self.directory / "target"
        for number in range(800):
            write_random(things / f"{number:04}", 100, seed=number)
        collection = self.daemon.add(things)
        target.mkdir()
        (target / "mine").write_text("mine")
        terminal = self.daemon.terminal("export", collection, "-o", target)
        self.addCleanup(terminal.close)
        terminal.expect("writing", TIMEOUT)
        terminal.type("\x03")
        self.assertEqual(terminal.wait(TIMEOUT), INTERRUPTED, terminal.seen)
        self.assertEqual([path.name for path in target.iterdir()], ["mine"])
        self.ctl("export", collection, "-o", target)
        self.assertEqual(len(list(target.iterdir())), 801)


if __name__ == "__main__":
    unittest.main()
