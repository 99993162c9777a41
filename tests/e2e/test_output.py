"""What blobctl writes, where it cannot write, and what a script may rely on."""
import os
import socket
import subprocess
import unittest

from harness import BLOBCTL, DONE, FAILED, NO_DAEMON, NO_PROVIDER, NO_SPACE, ROOT, TIMED_OUT, TIMEOUT, USAGE, E2eTest
from peers import Provider, write_random

# The public key of the seed 07 07 07 ...
SOME_NODE = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"


class StandardOutput(E2eTest):
    def to_full(self, *args, **streams):
        with open("/dev/full", "wb") as full:
            streams = {name: full for name in streams} or {"stdout": full}
            streams.setdefault("stdout", subprocess.PIPE)
            streams.setdefault("stderr", subprocess.PIPE)
            return subprocess.run(self.daemon.ctl_command(*args), stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                                  check=False, **streams)

    def test_a_full_disk_is_an_error(self):
        for args in (("status",), ("intents",), ("blobs", "--json"), ("--help",), ("get", "--help"), ("--version",)):
            done = self.to_full(*args)
            self.assertEqual(done.returncode, NO_SPACE, args)
            self.assertIn(b"blobctl: cannot write to standard output: No space left", done.stderr)

    def test_so_is_content(self):
        blob = self.daemon.add(write_random(self.directory / "source", 100_000))
        done = self.to_full("cat", blob)
        self.assertEqual(done.returncode, NO_SPACE, done.stderr)

    def test_what_cannot_be_said_changes_nothing(self):
        done = self.to_full("add", "-q", "-", stderr=True)
        self.assertEqual(done.returncode, DONE)
        self.assertEqual(self.to_full("cat", "5a" * 32, stderr=True).returncode, 4)

    def test_a_reader_that_has_gone(self):
        ours, theirs = os.pipe()
        os.close(ours)
        done = subprocess.run(["env", "--ignore-signal=PIPE", *self.daemon.ctl_command("status")], stdout=theirs,
                              stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
        os.close(theirs)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertEqual(done.stderr, b"blobctl: cannot write to standard output: Broken pipe\n")

    def test_content_and_json_are_not_mixed(self):
        share = self.run_peer(Provider()).share(write_random(self.directory / "source", 1000))
        result = self.ctl("get", share["ticket"], "-o", "-", "--json", code=USAGE)
        self.assertEqual(result.stdout, b"")
        self.assertEqual(self.ctl("intents", "--all", "--json").json()["intents"], [])

    def test_a_name_that_json_cannot_hold(self):
        name = os.fsencode(self.directory) + b"/\xff"
        with open(name, "wb") as file:
            file.write(b"content")
        done = subprocess.run([str(BLOBCTL), "outboard", "--json", name], capture_output=True, timeout=TIMEOUT,
                              check=False)
        self.assertEqual((done.returncode, done.stdout), (USAGE, b""))
        self.assertIn(b"the name is not UTF-8", done.stderr)


class Arguments(E2eTest):
    def test_json_alone_takes_no_word(self):
        hash_ = "5a" * 32
        queued = self.queue(hash_)
        why = self.ctl("why", "--json", queued).json()
        self.assertEqual(why["intent"]["intentId"], str(queued))
        self.assertEqual(self.ctl("--json", "why", queued).json().keys(), why.keys())
        self.assertEqual(self.ctl("intents", "--json=short").stdout.count(b"\n"), 1)
        self.assertGreater(self.ctl("intents", "--json=pretty").stdout.count(b"\n"), 1)
        self.ctl("intents", "--json=off")
        self.ctl("intents", "--json=loud", code=USAGE)

    def test_what_is_wrong_is_named_as_it_was_typed(self):
        for args, words in ((("get", "5a" * 32, "--from", "xyz"), '--from: "xyz" is no node id'),
                            (("queue", "blobaaaaaaaaaaaa"), "WANTED: "),
                            (("queue", "5a" * 32, "--label", "x" * 300), "--label: longer than"),
                            (("nodes-have", "5a" * 32, "xyz"), 'PROVIDER: "xyz" is no node id'),
                            (("limits", "no_such=1"), "NAME=VALUE: there is no limit"),
                            (("limits", "--reset", "no_such"), "--reset: there is no limit"),
                            (("cat", "s4faeda0a1b"), "written in full, as --full shows them")):
            text = self.ctl(*args, code=None).text
            self.assertIn(words, text)
            self.assertNotRegex(text, r"\w\[\d+\]", "a field of a message")

    def test_a_list_that_was_cut_says_so(self):
        for number in range(3):
            self.queue(f"{number:064x}")
        self.assertIn("there may be more", self.ctl("intents", "-n", 2).stderr.decode())
        self.assertEqual(self.ctl("intents", "-n", 4).stderr, b"")
        self.assertEqual(self.ctl("intents", "-n", 2, "-q").stderr, b"")

    def test_a_log_says_why_a_download_stands_still(self):
        result = self.ctl("get", "5a" * 32, "--patience", "1h", "--timeout", "8s", code=TIMED_OUT)
        lines = result.stderr.decode().splitlines()
        self.assertRegex(lines[0], r"\Ablobctl: waiting: intent \d+ waits for a provider: none is known\Z")
        self.assertEqual(len(lines), 2, "once, and the last word")


class LocalFiles(E2eTest):
    # A node that cannot be reached counts as unreachable within seconds.
    config = "[retry]\ninitial_delay_ms = 20\nretries = 1\n"

    def test_they_are_no_answers_of_the_daemon(self):
        source = write_random(self.directory / "source", 1000)
        blob = self.daemon.add(source)
        for args in (("export", blob, "-o", "/nowhere/x"), ("add", "/nowhere/x"), ("get", blob, "-o", "/nowhere/x"),
                     ("outboard", "/nowhere/x"), ("backup", "/nowhere/x"), ("export", blob, "-o", "/proc/x")):
            self.ctl(*args, code=FAILED)

    def test_what_is_no_name_for_a_file(self):
        blob = self.daemon.add(write_random(self.directory / "source", 1000))
        os.mkfifo(self.directory / "fifo")
        for command in (("export", blob), ("get", blob)):
            for target, words in ((f"{self.directory}/new/", "ends as a directory does"),
                                  ("/dev/stdout", "use -o - for standard output"),
                                  ("/dev/null", "/dev/null is a device, and only regular files are written"),
                                  (self.directory / "fifo", "is a FIFO, and only regular files are written")):
                for options in ((), ("--force",)):
                    result = self.ctl(*command, "-o", target, *options, code=FAILED)
                    self.assertIn(words, result.text)
                    self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertFalse((self.directory / "new").exists())

    def test_what_a_collection_cannot_hold_is_said(self):
        things = self.directory / "things"
        (things / "empty").mkdir(parents=True)
        (things / "file").write_bytes(b"content")
        os.mkfifo(things / "fifo")
        os.symlink("file", things / "link")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(things / "socket"))
        result = self.ctl("add", "-q", things)
        self.assertEqual(sorted(result.stderr.decode().splitlines()),
                         ["blobctl: empty is an empty directory and is left out",
                          "blobctl: fifo is a FIFO and is left out",
                          "blobctl: link is a symbolic link and is left out",
                          "blobctl: socket is a socket and is left out"])
        self.ctl("export", result.value, "-o", self.directory / "out")
        self.assertEqual(os.listdir(self.directory / "out"), ["file"])

    def test_what_was_added_says_what_it_is(self):
        things = self.directory / "things"
        things.mkdir()
        (things / "a").write_bytes(b"content")
        lines = self.ctl("add", "--json", things, things / "a").json_lines()
        self.assertEqual([(line["format"], line["path"]) for line in lines],
                         [("BLOB_FORMAT_HASH_SEQ", str(things)), ("BLOB_FORMAT_RAW", str(things / "a"))])
        self.assertEqual(lines[1].keys(), {"hash", "size", "existed", "format", "path"})
        self.assertEqual(lines[1]["size"], "7")
        wanted = "s" + lines[0]["hash"]
        self.assertEqual(self.ctl("get", "-q", wanted).value, wanted)
        self.assertIn("is the list of a collection", self.ctl("cat", wanted).stderr.decode())

    def test_nobody_can_be_reached(self):
        result = self.ctl("get", "5a" * 32, "--from", f"{SOME_NODE}@127.0.0.1:9", code=NO_PROVIDER)
        self.assertIn(SOME_NODE, result.text)

    def test_names_are_checked_before_the_work(self):
        things = self.directory / "things"
        things.mkdir()
        (things / "a").write_bytes(b"content")
        with open(os.fsencode(things) + b"/\xff", "wb"):
            pass
        result = self.ctl("add", things, code=USAGE)
        self.assertIn("not UTF-8", result.text)
        with open(os.fsencode(things) + b"/\xfe", "wb"):
            pass
        result = self.ctl("add", things, code=USAGE)
        self.assertIn("\\xfe", result.text)
        self.assertIn("\\xff", result.text)
        self.assertEqual(self.ctl("blobs", "-q").value, "", "nothing was taken in")


class GoneAway(E2eTest):
    def test_a_daemon_that_goes_away_interrupts_nobody(self):
        watch = self.daemon.ctl_start("remotes", "--watch", "--json")
        watch.stdout.readline()
        self.daemon.stop()
        _, errors = watch.communicate(timeout=TIMEOUT)
        self.assertEqual(watch.returncode, NO_DAEMON, errors)


class BashCompletion(unittest.TestCase):
    """Against something that answers like blobctl with more than a shell reads in that time byte by byte."""

    def test_a_long_answer_is_read_to_its_end(self):
        script = f"""
            blobctl() {{ :; }}
            source {ROOT}/packaging/completion/blobctl
            _blobctl_ask() {{ timeout 5 seq -f '%064.0f' 0 199999; }}
            COMP_WORDS=(blobctl rm 0000000000000000000000000000000000000000000000000000000000019999)
            COMP_CWORD=2
            _blobctl
            printf '%s\\n' "${{COMPREPLY[@]}}"
            """
        done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=TIMEOUT,
                              check=True)
        # Asked twice: for tags and for blobs.
        self.assertEqual(done.stdout.split(), 2 * [f"{19999:064}"], done.stderr)


if __name__ == "__main__":
    unittest.main()
