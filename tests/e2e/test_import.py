"""blobctl import: files from a web server whose hash nobody knows yet. blobctl outboard: trees for web servers."""
import os
import subprocess
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import DONE, FAILED, NOT_FOUND, PERMISSION, USAGE, E2eTest
from nginx import Nginx
from peers import write_random
from test_mirrors import b3sum

MIB = 1 << 20
SIZE = 24 * MIB + 4321


class BreakingServer:
    """Serves one file and breaks off every answer after a part of it; with or without a validator, or changed."""

    def __init__(self, content, piece, validator=True, changes=False):
        self.requests = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                asked = self.headers.get("Range")
                outer.requests.append(asked)
                begin = int(asked.split("=")[1].split("-")[0]) if asked else 0
                tag = f'"{len(outer.requests)}"' if changes else '"one"'
                same = self.headers.get("If-Range") in (None, tag)
                begin = begin if same else 0
                self.send_response(206 if asked and same else 200)
                if validator:
                    self.send_header("ETag", tag)
                self.send_header("Content-Length", str(len(content) - begin))
                if asked and same:
                    self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
                self.end_headers()
                self.wfile.write(content[begin:begin + piece])
                self.close_connection = True

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/file"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class WholeServer:
    """Serves one file, in one piece alone: what is asked for with a range is answered as told."""

    def __init__(self, content, to_a_range=None, chunked=False):
        self.ranges = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.ranges.append(self.headers.get("Range"))
                if outer.ranges[-1] and to_a_range:
                    self.send_response(to_a_range)
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                self.send_response(200)
                self.send_header(*("Transfer-Encoding", "chunked") if chunked
                                 else ("Content-Length", str(len(content))))
                self.end_headers()
                for at in range(0, len(content), MIB):
                    piece = content[at:at + MIB]
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                self.wfile.write(b"0\r\n\r\n" if chunked else b"")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/file"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class ImportTest(E2eTest):
    config = "[mirrors]\nallow_local = true\n"

    def prepare(self):
        self.nginx = self.run_peer(Nginx(self.directory / "nginx"))

    def put(self, name, size=SIZE, seed=0):
        path = write_random(self.nginx.www / name, size, seed)
        return path, b3sum(path)

    def blobs(self):
        return [blob["hash"] for blob in self.ctl("blobs", "--json").json().get("blobs", [])]

    def test_a_file_gets_its_hash(self):
        for size in (0, 1, 16384, 16385, SIZE):
            with self.subTest(size):
                source, blob_hash = self.put(f"file{size}", size, seed=size)
                result = self.ctl("import", self.nginx.url(f"file{size}"), "--json").json()
                self.assertEqual((result["hash"], int(result["totalBytes"])), (blob_hash, size))
                self.assertFalse(result.get("existed", False))
                self.ctl("export", blob_hash, "-o", self.directory / "target", "--force")
                self.assert_same_file(self.directory / "target", source)
                self.assertEqual(self.ctl("import", "-q", self.nginx.url(f"file{size}")).value, blob_hash)

    def test_what_was_imported_is_kept_and_may_be_private(self):
        _, blob_hash = self.put("file", MIB)
        self.ctl("import", "--private", self.nginx.url("file"))
        self.assertTrue(self.ctl("blobs", "--json").json()["blobs"][0]["isPrivate"])
        self.ctl("gc")
        self.assertEqual(self.blobs(), [blob_hash])

    def test_without_ranges_or_a_length(self):
        _, blob_hash = self.put("file")
        for place in ("noranges", "nolength"):
            self.assertEqual(self.ctl("import", "-q", self.nginx.url(f"{place}/file")).value, blob_hash)

    def test_servers_that_refuse_ranges_are_asked_without(self):
        for size, status in ((0, 416), (MIB, 416), (MIB, 206)):
            with self.subTest(size=size, status=status):
                path = write_random(self.directory / "content", size, seed=status)
                server = self.run_peer(WholeServer(path.read_bytes(), status))
                self.assertEqual(self.ctl("import", "-q", server.url).value, b3sum(path))
                self.assertEqual(server.ranges, ["bytes=0-", None])

    def test_the_largest_size_is_exact(self):
        path = write_random(self.directory / "content", 2 * MIB)
        for chunked in (False, True):
            with self.subTest(chunked=chunked):
                server = self.run_peer(WholeServer(path.read_bytes(), chunked=chunked))
                refused = self.ctl("import", server.url, "--max-size", str(2 * MIB - 1), code=FAILED)
                self.assertIn("allowed", refused.text)
                self.assertEqual(len(server.ranges), 1)
                self.assertEqual(self.ctl("import", "-q", server.url, "--max-size", "2MiB").value, b3sum(path))

    def test_errors_are_told_and_leave_nothing(self):
        self.put("file", 3 * MIB)
        for arguments, code, said in (
                ([self.nginx.url("none")], NOT_FOUND, "404"),
                ([self.nginx.url("file"), "--max-size", "2MiB"], FAILED, "3 MiB, more than"),
                ([self.nginx.url("nolength/file"), "--max-size", "2MiB"], FAILED, "2 MiB"),
                ([self.nginx.url("to-other/file")], None, "localhost"),
                (["ftp://example.org/file"], USAGE, "URL: ")):
            with self.subTest(arguments):
                result = self.ctl("import", *arguments, code=code)
                self.assertNotEqual(result.code, DONE)
                self.assertIn(said, result.text)
        self.assertEqual(self.blobs(), [])

    def test_only_administrators_may(self):
        if os.geteuid() != 0:
            self.skipTest("needs another uid")
        os.chmod(self.directory, 0o755)
        os.chmod(self.daemon.socket, 0o666)
        result = subprocess.run(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
                                 *self.daemon.ctl_command("import", self.nginx.url("file"))],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, PERMISSION, result.stderr)

    def test_local_addresses_are_not_asked_unless_configured(self):
        self.put("file", MIB)
        other = self.start_daemon("other")
        result = other.ctl("import", self.nginx.url("file"))
        self.assertEqual(result.code, PERMISSION, result.text)
        self.assertIn("127.0.0.1", result.text)
        self.assertEqual(self.nginx.requests(), [])

    def test_who_goes_away_leaves_nothing(self):
        self.put("file")
        process = self.daemon.ctl_start("import", self.nginx.url("slow/file"))
        self.daemon.wait_until("it is asked for", lambda: list(self.daemon.state.rglob("*import*"))
                               or [p for p in self.daemon.state.rglob("*") if p.is_file() and p.stat().st_size > MIB])
        self.assertEqual(self.blobs(), [], "nothing is readable before it is complete")
        process.terminate()
        process.communicate()

        def rest():
            return [p for p in self.daemon.state.rglob("*")
                    if p.is_file() and p.stat().st_size > 256 * 1024 and "blobs" in str(p.parent)]
        self.daemon.wait_until("nothing is left", lambda: not rest())
        self.assertEqual(self.blobs(), [])

    def breaking(self, **how):
        path = write_random(self.directory / "content", 3 * MIB)
        server = self.run_peer(BreakingServer(path.read_bytes(), MIB, **how))
        return server, b3sum(path)

    def test_an_interruption_is_gone_on_from(self):
        server, blob_hash = self.breaking()
        self.assertEqual(self.ctl("import", "-q", server.url).value, blob_hash)
        self.assertEqual([r.split("=")[1].split("-")[0] == "0" for r in server.requests], [True, False, False])

    def test_two_halves_that_may_be_of_two_files_are_not_joined(self):
        server, _ = self.breaking(validator=False)
        self.assertIn("after 1048576 bytes", self.ctl("import", server.url, code=FAILED).text)
        server, _ = self.breaking(changes=True)
        self.ctl("import", server.url, code=FAILED)
        self.assertEqual(self.blobs(), [])


class Outboard(E2eTest):
    config = "[mirrors]\nallow_local = true\n"

    def prepare(self):
        self.nginx = self.run_peer(Nginx(self.directory / "nginx"))

    def test_a_mirror_with_it_is_verified_part_by_part(self):
        source = write_random(self.nginx.www / "file", SIZE)
        result = self.ctl("outboard", source, "--json").json()
        self.assertEqual(result["hash"], b3sum(source))
        self.assertEqual(result["outboard"], f"{source}.obao4")
        groups = -(-SIZE // 16384)
        self.assertEqual((self.nginx.www / "file.obao4").stat().st_size, 64 * (groups - 1))
        # The last part is wrong: what was verified before that stays.
        with open(source, "r+b") as file:
            file.seek(SIZE - 1000)
            file.write(b"x" * 100)
        self.ctl("get", result["hash"], "--from", self.nginx.url("file"), code=None)
        blob = [b for b in self.ctl("blobs", "--json").json()["blobs"] if b["hash"] == result["hash"]][0]
        self.assertGreater(int(blob["verifiedBytes"]), 0)
        self.assertLess(int(blob["verifiedBytes"]), SIZE)

    def test_without_a_daemon_sizes_and_refusals(self):
        self.daemon.stop()
        for size in (0, 1, 16384, 16385, 3 * 16384 + 1):
            path = write_random(self.directory / f"file{size}", size)
            self.assertEqual(self.ctl("outboard", "-q", path).value, b3sum(path))
            groups = max(1, -(-size // 16384))
            self.assertEqual((self.directory / f"file{size}.obao4").stat().st_size, 64 * (groups - 1))
        result = self.ctl("outboard", path, code=FAILED)
        self.assertIn("exists", result.text)
        self.ctl("outboard", path, "--force")
        self.ctl("outboard", path, "-o", self.directory / "elsewhere")
        self.assert_same_file(self.directory / "elsewhere", self.directory / f"{path.name}.obao4")
        self.assertIn("no regular file", self.ctl("outboard", self.directory, code=None).text)
        self.ctl("outboard", self.directory / "none", code=FAILED)
        os.mkfifo(self.directory / "pipe")
        self.ctl("outboard", self.directory / "pipe", code=USAGE)
        self.assertEqual([p.name for p in self.directory.iterdir() if p.name.startswith(".")], [], "nothing is left over")

    def test_interrupted_it_leaves_nothing(self):
        self.daemon.stop()
        path = self.directory / "large"
        with open(path, "wb") as file:
            file.truncate(64 << 30)
        process = self.daemon.ctl_start("outboard", path)
        time.sleep(0.5)
        process.terminate()
        process.communicate()
        self.assertNotEqual(process.returncode, DONE)
        self.assertEqual({p.name for p in self.directory.iterdir() if "large" in p.name}, {"large"})


if __name__ == "__main__":
    unittest.main()
