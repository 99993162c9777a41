"""Plain web servers as providers: a real nginx, got from by the real daemon."""
import subprocess
import unittest

from harness import DONE, FAILED, MISMATCH, NO_PROVIDER, USAGE, E2eTest
from nginx import Nginx
from peers import write_random

MIB = 1 << 20
SIZE = 24 * MIB + 4321


def b3sum(path):
    done = subprocess.run(["b3sum", "--no-names", str(path)], check=True, capture_output=True, text=True)
    return done.stdout.strip()


class MirrorTest(E2eTest):
    """One nginx, and a daemon that may get from it although it is on this machine."""

    extra_config = ""

    def prepare(self):
        self.nginx = self.run_peer(Nginx(self.directory / "nginx"))
        self.daemon = self.start_daemon("getter", self.config_text(), wait=False)
        self._others.remove(self.daemon)
        self.target = self.directory / "target"

    def config_text(self):
        return f'[mirrors.origins."{self.nginx.origin}"]\nallow_local = true\n{self.extra_config}'

    def put(self, name, size=SIZE, seed=0):
        path = write_random(self.nginx.www / name, size, seed)
        return path, b3sum(path)

    def get(self, blob_hash, *urls, code=DONE, options=()):
        sources = [word for url in urls for word in ("--from", url)]
        return self.ctl("get", blob_hash, *sources, "-o", self.target, *options, code=code)

    def assert_got(self, source):
        self.assert_same_file(self.target, source)
        self.assertEqual(b3sum(self.target), b3sum(source))

    def assert_nothing_readable(self, blob_hash):
        self.assertFalse(self.target.exists(), "something was exported")
        self.assert_not_readable(blob_hash)
        states = [(b["hash"], b["state"]) for b in self.ctl("blobs", "--json").json().get("blobs", [])]
        self.assertNotIn((blob_hash, "BLOB_STATE_COMPLETE"), states)


class FromOneMirror(MirrorTest):
    def test_a_file_comes_over_several_connections(self):
        source, blob_hash = self.put("file")
        self.get(blob_hash, self.nginx.url("file"))
        self.assert_got(source)
        connections = {request[0] for request in self.nginx.requests()}
        self.assertGreater(len(connections), 1, self.nginx.requests())
        self.assertLessEqual(len(connections), 9)
        transfer = self.daemon.transfers()[-1]
        self.assertEqual(transfer["provider"], self.nginx.url("file"))
        self.assertEqual(int(transfer["verifiedBytes"]), SIZE)

    def test_connections_change_while_it_runs(self):
        source, blob_hash = self.put("file", 96 * MIB)
        intent = self.queue(blob_hash, "--from", self.nginx.url("limited/file"))
        self.daemon.wait_until("there are several", lambda: self.nginx.connections() > 2)
        self.ctl("limits", "connections_per_mirror=1")
        self.daemon.wait_until("one is left", lambda: self.nginx.connections() == 1)
        self.ctl("limits", "connections_per_mirror=8")
        self.daemon.wait_until("there are several again", lambda: self.nginx.connections() > 2)
        self.ctl("watch", str(intent))
        # What had come of the others stays.
        self.assertLess(self.nginx.sent_bytes("/limited/file"), (96 + 8 * 4) * MIB)
        self.get(blob_hash, self.nginx.url("limited/file"))
        self.assert_got(source)

    def test_sizes(self):
        for size in (0, 1, 16384, 16385, 5 * 16384, MIB, MIB + 1):
            with self.subTest(size):
                source, blob_hash = self.put(f"file{size}", size, seed=size)
                self.get(blob_hash, self.nginx.url(f"file{size}"), options=("--force",))
                self.assert_got(source)

    def test_without_ranges(self):
        source, blob_hash = self.put("file")
        self.get(blob_hash, self.nginx.url("noranges/file"))
        self.assert_got(source)

    def test_without_content_length(self):
        source, blob_hash = self.put("file")
        self.get(blob_hash, self.nginx.url("nolength/file"))
        self.assert_got(source)

    def test_small_without_content_length(self):
        for size in (0, 1, 16384, 16385):
            with self.subTest(size):
                source, blob_hash = self.put(f"file{size}", size, seed=size)
                self.get(blob_hash, self.nginx.url(f"nolength/file{size}"), options=("--force",))
                self.assert_got(source)

    def test_redirect_at_the_same_server(self):
        source, blob_hash = self.put("file", MIB)
        self.get(blob_hash, self.nginx.url("to-here/file"))
        self.assert_got(source)

    def test_a_redirect_to_where_nothing_is_configured_is_refused(self):
        _, blob_hash = self.put("file", MIB)
        result = self.get(blob_hash, self.nginx.url("to-other/file"), code=FAILED)
        self.assertIn("localhost", result.text)
        self.assert_nothing_readable(blob_hash)

    def test_not_found(self):
        _, blob_hash = self.put("file", MIB)
        result = self.get(blob_hash, self.nginx.url("other"), code=NO_PROVIDER)
        self.assertIn("404", result.text)
        self.assertIn(self.nginx.url("other"), result.text)

    def test_busy_is_waited_for_and_said(self):
        _, blob_hash = self.put("file", MIB)
        intent = self.queue(blob_hash, "--from", self.nginx.url("busy/file"))
        self.daemon.wait_until("it says why", lambda: "503" in self.ctl("why", str(intent)).text)
        self.assertIn(self.nginx.url("busy/file"), self.ctl("why", str(intent), "--json").text)
        # Another mirror helps.
        self.ctl("nodes-have", blob_hash, self.nginx.url("file"))
        self.wait_for_state(intent, "DONE")

    def test_the_second_mirror_has_it(self):
        source, blob_hash = self.put("file", MIB)
        self.get(blob_hash, self.nginx.url("none"), self.nginx.url("file"))
        self.assert_got(source)


class WrongContent(MirrorTest):
    def test_nothing_is_readable_and_the_url_is_named(self):
        source, blob_hash = self.put("file", 3 * MIB)
        with open(source, "r+b") as file:
            file.seek(2 * MIB)
            byte = file.read(1)
            file.seek(2 * MIB)
            file.write(bytes([byte[0] ^ 1]))
        result = self.get(blob_hash, self.nginx.url("file"), code=MISMATCH)
        self.assertIn("content does not match", result.text)
        self.assertIn(self.nginx.url("file"), result.text)
        self.assert_nothing_readable(blob_hash)
        # Whoever named the hash may have been wrong: the mirror is not banned.
        right = b3sum(source)
        self.get(right, self.nginx.url("file"))
        self.assert_got(source)
        self.assertEqual(self.ctl("bans", "--json").json().get("bans", []), [])

    def test_small_files_and_other_sizes_too(self):
        for name, size in (("small", 100), ("empty", 0), ("shorter", 2 * MIB)):
            with self.subTest(name):
                self.put(name, size)
                _, blob_hash = self.put("right", 2 * MIB + 5, seed=name)
                self.get(blob_hash, self.nginx.url(name), code=MISMATCH)
                self.assert_nothing_readable(blob_hash)

    def test_another_mirror_is_asked_then(self):
        source, blob_hash = self.put("file", 3 * MIB)
        self.put("wrong", 3 * MIB, seed=1)
        self.get(blob_hash, self.nginx.url("wrong"), self.nginx.url("file"))
        self.assert_got(source)

    def test_another_size_is_followed_then(self):
        source, blob_hash = self.put("file", 3 * MIB)
        self.put("wrong", 2 * MIB, seed=1)
        self.get(blob_hash, self.nginx.url("wrong"), self.nginx.url("file"))
        self.assert_got(source)


class Collections(MirrorTest):
    def test_each_blob_comes_by_its_hash(self):
        tree = self.directory / "tree"
        for index in range(40):
            write_random(tree / f"d{index % 3}" / f"f{index}", index * 3000, index)
        write_random(tree / "large", 5 * MIB, 99)
        holder = self.start_daemon("holder")
        root = holder.add(tree)
        for blob in holder.ctl("blobs", "--json").json()["blobs"]:
            path = self.nginx.www / "by" / blob["hash"]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(holder.ctl("cat", blob["hash"]).stdout)
        self.get(root, self.nginx.url("by/{hash}"))
        self.assert_same_tree(self.target, tree)

    def test_one_url_is_one_blob(self):
        _, blob_hash = self.put("file", 64)
        result = self.get("s" + blob_hash, self.nginx.url("file"), code=USAGE)
        self.assertIn("{hash}", result.text)


class Configured(MirrorTest):
    extra_config = 'headers = { X-Token = "open" }\nconnections = 1\n'

    def config_text(self):
        standing = f'[mirrors]\ntemplates = ["{self.nginx.origin}/secret/{{hash}}"]\n'
        return standing + super().config_text()

    def test_standing_templates_are_asked_with_their_headers(self):
        source, blob_hash = self.put("file", 8 * MIB)
        source.rename(self.nginx.www / blob_hash)
        self.get(blob_hash)
        self.assert_got(self.nginx.www / blob_hash)
        self.assertNotIn("open", self.daemon.log())
        # One connection at a time; the probe's cannot be used again.
        self.assertLessEqual(len({request[0] for request in self.nginx.requests()}), 2)


class NotConfigured(MirrorTest):
    def config_text(self):
        return ""

    def test_this_machine_is_not_fetched_from(self):
        _, blob_hash = self.put("file", MIB)
        result = self.get(blob_hash, self.nginx.url("file"), code=FAILED)
        self.assertIn("127.0.0.1", result.text)
        self.assertEqual(self.nginx.requests(), [])

    def test_urls_that_cannot_be_used_are_refused_at_once(self):
        _, blob_hash = self.put("file", 10)
        for url in ("http://user:password@h/x", "http://h/" + "x" * 3000, "http://"):
            self.get(blob_hash, url, code=USAGE)


class Killed(MirrorTest):
    def test_what_was_not_verified_stays_so(self):
        source, blob_hash = self.put("file", 24 * MIB)
        intent = self.queue(blob_hash, "--from", self.nginx.url("slow/file"))
        self.daemon.wait_until("some of it is there",
                               lambda: int(self.daemon.intent(intent).get("unprovenBytes", 0)) > 10 * MIB)
        self.assert_not_readable(blob_hash)
        self.daemon.kill()
        self.daemon.start()
        self.assert_not_readable(blob_hash)
        self.wait_for_state(intent, "DONE")
        self.ctl("export", blob_hash, "-o", self.target)
        self.assert_got(source)
        self.assertLess(self.nginx.sent_bytes("/slow/file"), 31 * MIB, "what was there was got again")

    def test_cancelled_it_leaves_nothing(self):
        _, blob_hash = self.put("file", 12 * MIB)
        intent = self.queue(blob_hash, "--from", self.nginx.url("slow/file"))
        partial = self.daemon.state / "partial"
        self.daemon.wait_until("some of it is there", lambda: list(partial.iterdir()))
        self.ctl("cancel", str(intent))
        self.daemon.wait_until("it is gone", lambda: not list(partial.iterdir()))


class Sidecars(MirrorTest):
    def test_one_wrong_byte_costs_a_block(self):
        source, blob_hash = self.put("file")
        holder = self.start_daemon("holder")
        self.assertEqual(holder.add(source), blob_hash)
        outboard = next((holder.state / "blobs").glob(f"*/{blob_hash}.obao4"))
        (self.nginx.www / "wrong.obao4").write_bytes(outboard.read_bytes())
        content = bytearray(source.read_bytes())
        content[20 * MIB] ^= 1
        (self.nginx.www / "wrong").write_bytes(content)
        result = self.get(blob_hash, self.nginx.url("wrong"), code=MISMATCH)
        self.assertIn(self.nginx.url("wrong"), result.text)
        before = self.nginx.sent_bytes("/file")
        self.get(blob_hash, self.nginx.url("file"))
        self.assert_got(source)
        verified = int(self.daemon.transfers()[0]["verifiedBytes"])
        self.assertGreater(verified, 0)
        # Of the first request's answer, whose end was lowered, socket buffers were full.
        self.assertLess(self.nginx.sent_bytes("/file") - before, SIZE - verified + 8 * MIB)


if __name__ == "__main__":
    unittest.main()
