"""Blobs by descriptors: blobctl and the data socket, and what other ways it takes when there is none; whole stores as
directories of files."""
import fcntl
import os
import re
import socket
import stat
import subprocess
import time
import unittest

from harness import (BLOBCTL, BLOBD, DONE, FAILED, MISMATCH, NOT_FOUND, E2eTest)
from peers import write_random
from stuck_file import StuckFile

MIB = 1 << 20
SOME_UID = 12345
NO_SPACE = 8
# What a daemon lets itself be handed in (lib/rpc/import_source.cc), as far as a test may stand on it.
LOCAL_FILE_SYSTEMS = {"ext2/ext3", "xfs", "btrfs", "tmpfs", "f2fs", "zfs"}


def is_handed_in(directory):
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(directory)], check=True, capture_output=True, text=True)
    return kind.stdout.strip() in LOCAL_FILE_SYSTEMS


class DescriptorTest(E2eTest):
    def setUp(self):
        super().setUp()
        self.expected = is_handed_in(self.directory)

    def counts(self, daemon=None):
        """Descriptors taken in and given, and what was turned away."""
        status = (daemon or self.daemon).status()["dataSocket"]
        return tuple(int(status[key]) for key in ("imported", "opened", "refused"))

    def assert_counts(self, imported, opened):
        if self.expected:
            self.assertEqual(self.counts(), (imported, opened, 0))


class AddAndExport(DescriptorTest):
    def test_files_are_handed_over(self):
        source = write_random(self.directory / "source", MIB)
        added = self.daemon.add(source)
        self.assert_counts(1, 0)
        target = self.directory / "target"
        self.ctl("export", added, "-o", target)
        self.assert_same_file(target, source)
        self.ctl("get", added, "-o", self.directory / "got")
        self.assert_same_file(self.directory / "got", source)
        self.assertEqual(self.ctl("cat", added, "--offset", 5, "--length", 100_000).stdout,
                         source.read_bytes()[5:100_005])
        self.assert_counts(1, 3)
        self.assertNotEqual(self.daemon.ctl("export", added, "-o", target).code, DONE, "an existing file was replaced")
        self.ctl("export", added, "-o", target, "--force")
        self.assertEqual(list(self.directory.glob(".*blobd-*")), [], "a temporary file was left")

    def test_standard_input_and_output_may_be_files(self):
        source = write_random(self.directory / "source", MIB)
        with open(source, "rb") as stdin:
            added = subprocess.run(self.daemon.ctl_command("add", "-q", "-"), stdin=stdin, check=True,
                                   capture_output=True, text=True).stdout.strip()
        self.assert_counts(1, 0)
        target = self.directory / "target"
        for mode, times in (("wb", 1), ("ab", 2)):
            with open(target, mode) as stdout:
                subprocess.run(self.daemon.ctl_command("cat", added), stdout=stdout, check=True)
            self.assertEqual(target.read_bytes(), source.read_bytes() * times)
        with open(target, "wb") as stdout:
            for _ in range(2):
                subprocess.run(self.daemon.ctl_command("cat", added), stdout=stdout, check=True)
        self.assertEqual(target.read_bytes(), source.read_bytes() * 2)

    def test_what_was_read_of_standard_input_is_not_added(self):
        source = write_random(self.directory / "source", MIB)
        with open(source, "rb") as stdin:
            os.lseek(stdin.fileno(), 1000, os.SEEK_SET)
            added = subprocess.run(self.daemon.ctl_command("add", "-q", "-"), stdin=stdin, check=True,
                                   capture_output=True, text=True).stdout.strip()
        self.assertEqual(self.ctl("cat", added).stdout, source.read_bytes()[1000:])

    def test_a_directory_of_many_files(self):
        things = self.directory / "things"
        for i in range(60):
            write_random(things / f"{i % 7}" / f"file-{i}", (0, 100, 20_000, 70_000, 300_000)[i % 5], seed=i)
        added = self.daemon.add(things)
        self.assert_counts(24, 0)
        self.ctl("export", added, "-o", self.directory / "target")
        self.assert_same_tree(self.directory / "target", things)

    def test_without_the_data_socket_streams_do(self):
        (self.directory / "blobd-data.sock").unlink()
        source = write_random(self.directory / "source", MIB)
        added = self.daemon.add(source)
        self.ctl("export", added, "-o", self.directory / "target")
        self.assert_same_file(self.directory / "target", source)
        self.assertEqual(self.ctl("cat", added).stdout, source.read_bytes())
        self.assert_counts(0, 0)

    def test_files_that_may_keep_the_daemon_waiting_are_sent_as_a_stream(self):
        # Large, and a regular file by its own word.
        path = "/proc/kallsyms"
        if not os.access(path, os.R_OK):
            self.skipTest(f"no {path}")
        with open(path, "rb") as file:
            content = file.read()
        self.assertEqual(self.ctl("cat", self.daemon.add(path)).stdout, content)

    @unittest.skipUnless(os.geteuid() == 0, "only root may act as somebody else")
    def test_another_user(self):
        os.chmod(self.directory, 0o755)
        for name in ("blobd.sock", "blobd-data.sock"):
            os.chmod(self.directory / name, 0o666)
        home = self.directory / "home"
        source = write_random(home / "source", MIB)
        for path, mode in ((home, 0o700), (source, 0o400)):
            os.chmod(path, mode)
            os.chown(path, SOME_UID, SOME_UID)

        def run(*args):
            return subprocess.run(self.daemon.ctl_command(*args), user=SOME_UID, group=SOME_UID, extra_groups=[],
                                  capture_output=True, text=True, timeout=60, check=True).stdout.strip()
        if subprocess.run([str(BLOBCTL), "--version"], user=SOME_UID, group=SOME_UID, extra_groups=[],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("another user may not run blobctl here")
        added = run("add", "-q", "--private", source)
        self.assert_counts(1, 0)
        run("export", added, "-o", home / "target")
        self.assert_counts(1, 1)
        self.assert_same_file(home / "target", source)
        self.assertEqual((home / "target").stat().st_uid, SOME_UID)
        # The store's own file stays out of reach.
        blob = self.daemon.state / "blobs" / added[:2] / f"{added}.data"
        self.assertEqual(stat.S_IMODE(blob.stat().st_mode) & 0o077, 0)

    def test_an_interrupted_export_leaves_nothing(self):
        source = write_random(self.directory / "source", MIB)
        added = self.daemon.add(source)
        self.ctl("export", added, "-o", self.directory / "none" / "target", code=FAILED)
        self.ctl("export", added, "-o", "/dev/full", "--force", code=FAILED)


class Hostile(DescriptorTest):
    @unittest.skipUnless(os.geteuid() == 0, "only root mounts without a helper")
    def test_a_file_that_never_answers_costs_its_sender(self):
        mounted = self.directory / "mounted"
        mounted.mkdir()
        try:
            stuck = StuckFile(mounted, MIB)
        except OSError as error:
            self.skipTest(f"no FUSE here: {error}")
        self.addCleanup(stuck.stop)
        senders = [self.daemon.ctl_start("add", "-q", stuck.path) for _ in range(3)]
        self.assertTrue(stuck.wait_until_asked())
        for i in range(10):
            source = write_random(self.directory / f"source-{i}", MIB, seed=i)
            self.ctl("export", self.daemon.add(source), "-o", self.directory / f"target-{i}")
        self.assert_counts(10, 10)
        self.assertEqual([sender.poll() for sender in senders], [None] * 3)
        stuck.stop()
        for sender in senders:
            _, stderr = sender.communicate(timeout=30)
            self.assertNotEqual(sender.returncode, DONE)
            self.assertTrue(stderr)

    @unittest.skipUnless(os.geteuid() == 0, "only root mounts")
    def test_a_full_disk_is_said_and_nothing_is_left(self):
        small = self.directory / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(small)], check=False,
                          capture_output=True).returncode != 0:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(subprocess.run, ["umount", str(small)], check=True)
        added = self.daemon.add(write_random(self.directory / "source", MIB))
        self.ctl("export", added, "-o", small / "target", code=NO_SPACE)
        self.assertEqual(list(small.iterdir()), [])
        self.ctl("export-store", small, code=NO_SPACE)


class Sockets(DescriptorTest):
    def test_its_mode_and_its_end(self):
        path = self.directory / "blobd-data.sock"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)
        self.assertEqual(self.daemon.status()["dataSocket"]["path"], str(path))
        self.assertEqual(self.daemon.stop(), 0)
        self.assertFalse(path.exists())
        self.daemon.start()

    def test_a_second_daemon_does_not_take_it(self):
        second = subprocess.run([str(BLOBD), "--state-dir", str(self.directory / "other"), "--socket",
                                 str(self.directory / "other.sock"), "--listen", "127.0.0.1:0", "--config",
                                 str(self._config_with(self.directory / "blobd-data.sock"))],
                                capture_output=True, text=True, timeout=30, check=False)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("another program serves on", second.stderr)
        source = write_random(self.directory / "source", MIB)
        self.daemon.add(source)
        self.assert_counts(1, 0)

    def _config_with(self, path):
        config = self.directory / "second.toml"
        config.write_text(f'data_socket = "{path}"\n')
        (self.directory / "other").mkdir()
        return config

    def test_socket_activation(self):
        for kinds in ((socket.SOCK_STREAM, socket.SOCK_SEQPACKET), (socket.SOCK_SEQPACKET, socket.SOCK_STREAM),
                      (socket.SOCK_STREAM,)):
            with self.subTest(kinds=kinds):
                self._activate(kinds)

    def _activate(self, kinds):
        directory = self.directory / f"activated-{time.monotonic_ns()}"
        directory.mkdir()
        names = {socket.SOCK_STREAM: "s", socket.SOCK_SEQPACKET: "d"}
        sockets = []
        for kind in kinds:
            listening = socket.socket(socket.AF_UNIX, kind)
            self.addCleanup(listening.close)
            listening.bind(str(directory / names[kind]))
            listening.listen()
            sockets.append(listening)
        # systemd's way: from 3 on, and the pid of who shall take them.
        first = " ".join(f"{10 + i}<&{s.fileno()}" for i, s in enumerate(sockets))
        then = " ".join(f"{3 + i}<&{10 + i}" for i in range(len(sockets)))
        script = (f"exec {first}; exec {then}; LISTEN_FDS={len(sockets)} LISTEN_PID=$$ exec {BLOBD} "
                  f"--state-dir {directory}/state --socket /none --listen 127.0.0.1:0")
        (directory / "state").mkdir()
        with open(directory / "log", "wb") as log:
            daemon = subprocess.Popen(["bash", "-c", script], pass_fds=[s.fileno() for s in sockets], stdout=log,
                                      stderr=log, stdin=subprocess.DEVNULL)

        def ctl(*args):
            return subprocess.run([str(BLOBCTL), "--socket", str(directory / "s"), *map(str, args)], check=True,
                                  capture_output=True, text=True, timeout=60).stdout
        try:
            added = ctl("add", "-q", write_random(directory / "source", MIB)).strip()
            ctl("export", added, "-o", directory / "target")
            self.assert_same_file(directory / "target", directory / "source")
            status = ctl("status", "--json")
            self.assertEqual('"path":"' + str(directory / "d") in status, len(kinds) == 2, status)
        finally:
            daemon.terminate()
            self.assertEqual(daemon.wait(30), 0, (directory / "log").read_text())


class Stores(DescriptorTest):
    def setUp(self):
        super().setUp()
        self.disk = self.directory / "disk"
        self.files = [write_random(self.directory / "files" / f"{size}", size)
                      for size in (0, 5, 16_384, 16_385, 200_000)]
        self.hashes = [self.daemon.add(file) for file in self.files]

    def summary(self, daemon, *args, code=DONE):
        result = daemon.ctl(*args, "--json")
        self.assertEqual(result.code, code, result.text)
        return result.json()

    def test_there_and_back(self):
        secret = self.daemon.add(write_random(self.directory / "secret", 100), "--private")
        out = self.summary(self.daemon, "export-store", self.disk)
        self.assertEqual((out["written"], out["existed"], out["privateLeftOut"]), ("5", "0", "1"))
        self.assertEqual(out["writtenBytes"], str(sum(file.stat().st_size for file in self.files)))
        for file, blob_hash in zip(self.files, self.hashes):
            self.assert_same_file(self.disk / blob_hash[:2] / f"{blob_hash}.data", file)
        self.assertFalse((self.disk / secret[:2] / f"{secret}.data").exists())
        again = self.summary(self.daemon, "export-store", self.disk, "--private")
        self.assertEqual((again["written"], again["existed"]), ("1", "5"))

        other = self.start_daemon("other")
        taken = self.summary(other, "import-store", self.disk)
        self.assertEqual((taken["imported"], taken["existed"], taken["damaged"]), ("6", "0", []))
        for file, blob_hash in zip(self.files, self.hashes):
            self.assertEqual(other.ctl("cat", blob_hash).stdout, file.read_bytes())
        again = self.summary(other, "import-store", self.disk)
        self.assertEqual((again["imported"], again["existed"]), ("0", "6"))
        self.assertRegex(other.ctl("import-store", self.disk).text, "^0 blobs imported, 0 B; 6 were here already;")

    def test_what_is_damaged_is_named_and_the_rest_comes(self):
        self.ctl("export-store", self.disk)
        damaged = self.disk / self.hashes[4][:2] / f"{self.hashes[4]}.data"
        content = bytearray(damaged.read_bytes())
        content[100_000] ^= 1
        damaged.write_bytes(content)
        linked = self.disk / self.hashes[1][:2] / f"{self.hashes[1]}.data"
        linked.unlink()
        linked.symlink_to(self.files[1])
        other = self.start_daemon("other")
        taken = self.summary(other, "import-store", self.disk, code=MISMATCH)
        self.assertEqual(taken["imported"], "3")
        self.assertEqual([one["file"] for one in taken["damaged"]], [f"{self.hashes[4][:2]}/{self.hashes[4]}.data"])
        self.assertEqual(other.ctl("cat", taken["damaged"][0]["hash"]).stdout, content)
        self.assertEqual([one["file"] for one in taken["unreadable"]], [f"{self.hashes[1][:2]}/{self.hashes[1]}.data"])
        self.assertEqual(other.ctl("cat", self.hashes[4]).code, NOT_FOUND)
        text = other.ctl("import-store", self.disk).text
        self.assertIn(f"{self.hashes[4]}.data is damaged", text)
        self.assertIn("no regular file", self.ctl("export-store", self.disk, code=FAILED).text)
        linked.unlink()
        # Of another size than it must have, it is written again; a part that was left does no harm.
        damaged.write_bytes(b"short")
        damaged.with_suffix(".data.part").write_bytes(b"x" * 300_000)
        self.ctl("export-store", self.disk)
        self.assert_same_file(damaged, self.files[4])
        self.assertFalse(damaged.with_suffix(".data.part").exists())

    def test_a_state_directory_has_the_large_ones(self):
        other = self.start_daemon("other")
        taken = self.summary(other, "import-store", self.daemon.state)
        self.assertEqual(taken["imported"], "2")
        self.assertEqual(other.ctl("cat", self.hashes[4]).stdout, self.files[4].read_bytes())

    def test_collections_travel_whole(self):
        collection = self.daemon.add(self.directory / "files")
        self.daemon.add(write_random(self.directory / "more", 100))
        out = self.summary(self.daemon, "export-store", self.disk, collection)
        self.assertEqual(out["written"], "7", "five files, the names, and the list of hashes")
        other = self.start_daemon("other")
        self.assertEqual(other.ctl("import-store", self.disk).code, DONE)
        self.assertEqual(other.ctl("export", collection, "-o", self.directory / "target").code, DONE)
        self.assert_same_tree(self.directory / "target", self.directory / "files")

    def test_a_collection_of_all_that_came(self):
        self.ctl("export-store", self.disk)
        other = self.start_daemon("other")
        made = other.ctl("import-store", self.disk, "--collection", "-q").value
        self.assertRegex(made, "^s[0-9a-f]{64}$")
        self.assertEqual(other.ctl("export", made, "-o", self.directory / "target").code, DONE)
        self.assertEqual({p.name for p in (self.directory / "target").iterdir()}, set(self.hashes))

    def test_private_ones_stay_private(self):
        self.ctl("export-store", self.disk)
        other = self.start_daemon("other")
        self.assertEqual(other.ctl("import-store", self.disk, "--private").code, DONE)
        blobs = other.ctl("blobs", "--json").json()["blobs"]
        self.assertEqual([blob["isPrivate"] for blob in blobs], [True] * 5)

    def test_where_there_is_nothing(self):
        self.disk.mkdir()
        self.assertIn("export-store", self.ctl("import-store", self.disk, code=NOT_FOUND).text)
        self.ctl("import-store", self.directory / "none", code=FAILED)
        self.ctl("export-store", self.disk, "5a" * 32, code=NOT_FOUND)
        self.ctl("export-store", self.directory / "none" / "none", code=FAILED)

    def test_two_exports_do_not_meet(self):
        self.disk.mkdir()
        descriptor = os.open(self.disk, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        result = self.ctl("export-store", self.disk, code=FAILED)
        self.assertTrue(re.search("another blobctl", result.text))


if __name__ == "__main__":
    unittest.main()
