"""blobd serves: to real iroh nodes of two generations and to other daemons."""
import json
import subprocess
import unittest
from pathlib import Path

from harness import DONE, FAILED, NO_PROVIDER, TIMEOUT, USAGE, E2eTest, is_long_run, is_sanitized
from peers import GROUP, INTEROP, Liar, node_binary, write_random

MIB = 1 << 20
ANYONE = '[serve]\nmode = "anyone"\n'


def run_node(script, *args, timeout=TIMEOUT):
    """Runs a peer to its end; returns its lines of JSON."""
    done = subprocess.run([node_binary(), str(INTEROP / script), *map(str, args)], cwd=INTEROP, capture_output=True,
                          text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{script} ended with {done.returncode}: {done.stdout[-1000:]} {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


class ServeTest(E2eTest):
    config = ANYONE

    def source(self, name, size):
        return write_random(self.directory / "source" / name, size, seed=name)


class ToIroh035(ServeTest):
    """An unmodified iroh 0.35 downloads from blobd."""

    def download(self, path, timeout=TIMEOUT):
        ticket = self.daemon.ticket(self.daemon.add(path))
        target = self.directory / "target"
        run_node("fetch.mjs", "--store", self.directory / "store", "--out", target, ticket, timeout=timeout)
        return target

    def serve_blob(self, size, timeout=TIMEOUT):
        source = self.source(f"blob-{size}", size)
        self.assert_same_file(self.download(source, timeout), source)

    def test_blobs_around_the_borders(self):
        for size in (0, 1, 1023, 1024, 1025, 16383, 16384, 16385, MIB + 7):
            with self.subTest(size=size):
                source = self.source(f"blob-{size}", size)
                ticket = self.daemon.ticket(self.daemon.add(source))
                target = self.directory / f"target-{size}"
                run_node("fetch.mjs", "--out", target, ticket)
                self.assert_same_file(target, source)

    def test_blob_of_64_mib(self):
        self.serve_blob(64 * MIB, 600)

    def test_collection_of_3(self):
        for name, size in {"alpha.txt": 10, "dir/beta.bin": 100_000, "gamma.dat": 0}.items():
            write_random(self.directory / "source" / name, size, seed=name)
        self.assert_same_tree(self.download(self.directory / "source"), self.directory / "source")

    def test_collection_of_2000(self):
        for i in range(2000):
            write_random(self.directory / "source" / f"d{i % 20}" / f"file-{i}", (i * 37) % 3000, seed=i)
        self.assert_same_tree(self.download(self.directory / "source"), self.directory / "source")

    def test_unknown_hash(self):
        known = self.daemon.add(self.source("known", 10_000))
        ticket = self.daemon.ticket(known)
        self.daemon.ctl("private", known)
        with self.assertRaisesRegex(AssertionError, "not found|NotFound|ended with"):
            run_node("fetch.mjs", ticket)

    if is_long_run() or not is_sanitized():

        def test_blob_of_1_gib(self):
            self.serve_blob(1024 * MIB, 600)


class Iroh11(ServeTest):
    """The transport of a real iroh 1.1; the tests speak the blobs protocol on it."""

    def test_it_dials_and_gets(self):
        sizes = {"ten": 10 * MIB, "small": 1000, "odd": MIB + 7}
        sources = {self.daemon.add(self.source(name, size)): name for name, size in sizes.items()}
        out = self.directory / "out"
        out.mkdir()
        node, address = self.daemon.provider.split("@")
        ends = run_node("get11.mjs", "--node", node, "--address", address, "--out", out, *sources, "5a" * 32)
        for blob_hash, name in sources.items():
            self.assert_same_file(out / blob_hash, self.directory / "source" / name)
        unknown = [end for end in ends if end["hash"] == "5a" * 32]
        self.assertEqual([(end["end"], end["bytes"]) for end in unknown], [("fin", 0)])

    def test_it_is_dialled_and_serves(self):
        liar = self.run_peer(Liar())
        source = self.source("ten", 10 * MIB)
        share = liar.share(source)
        self.ctl("get", share["ticket"], "-o", self.directory / "target")
        self.assert_same_file(self.directory / "target", source)


class BetweenDaemons(ServeTest):
    def setUp(self):
        super().setUp()
        self.other = self.start_daemon("other", ANYONE)

    def assert_gets(self, getter, ticket, source):
        target = self.directory / f"target-{source.name}-{getter.directory.name}"
        result = getter.ctl("get", ticket, "-o", target)
        self.assertEqual(result.code, DONE, result.text)
        if source.is_dir():
            self.assert_same_tree(target, source)
        else:
            self.assert_same_file(target, source)

    def test_by_ticket_both_ways(self):
        ours, theirs = self.source("ours", 5 * MIB + 3), self.source("theirs", 3 * MIB + 5)
        self.assert_gets(self.other, self.daemon.ticket(self.daemon.add(ours)), ours)
        self.assert_gets(self.daemon, self.other.ticket(self.other.add(theirs)), theirs)

    def test_a_directory(self):
        for i in range(300):
            write_random(self.directory / "source" / "things" / f"d{i % 7}" / f"file-{i}", (i * 997) % 60_000, seed=i)
        source = self.directory / "source" / "things"
        self.assert_gets(self.other, self.daemon.ticket(self.daemon.add(source)), source)

    def test_what_was_downloaded_is_served_on(self):
        source = self.source("blob", 2 * MIB)
        blob_hash = self.daemon.add(source)
        self.assert_gets(self.other, self.daemon.ticket(blob_hash), source)
        third = self.start_daemon("third")
        self.daemon.stop()
        self.assert_gets(third, self.other.ticket(blob_hash), source)

    def test_uploads_are_listed(self):
        source = self.source("blob", 8 * MIB)
        self.assert_gets(self.other, self.daemon.ticket(self.daemon.add(source)), source)
        uploads = self.ctl("transfers", "--json").json().get("uploads", [])
        self.assertEqual([upload["nodeId"] for upload in uploads], [self.other.status()["nodeId"]])
        # Acknowledgements of the last bytes may be on their way.
        self.daemon.wait_until("all is acknowledged", lambda: int(
            self.daemon.ctl("transfers", "--json").json()["uploads"][0]["sentBytes"]) > 8 * MIB)
        self.assertIn("uploads", self.ctl("transfers").text.lower())

    def test_private_blobs_look_unknown(self):
        source = self.source("blob", 100_000)
        blob_hash = self.daemon.add(source, "--private")
        provider = self.daemon.provider
        asked = [self.other.ctl("get", h, "--from", provider, "-o", self.directory / "x") for h in (blob_hash, "5a" * 32)]
        for result in asked:
            self.assertIn(result.code, (FAILED, NO_PROVIDER), result.text)
            self.assertIn("not here", result.text)
        self.assertNotEqual(self.daemon.ctl("ticket", blob_hash, "--loopback").code, DONE)
        self.assertEqual(self.ctl("private", "--off", blob_hash).code, DONE)
        self.assert_gets(self.other, self.daemon.ticket(blob_hash), source)

    def test_remotes_are_listed(self):
        source = self.source("blob", 100_000)
        self.assert_gets(self.other, self.daemon.ticket(self.daemon.add(source)), source)
        remotes = self.other.ctl("remotes", "--json").json()["remotes"]
        node, address = self.daemon.provider.split("@")
        self.assertEqual([remote["nodeId"] for remote in remotes], [node])
        self.assertIn(address, [known["address"] for known in remotes[0]["addresses"]])

    def test_addresses_given_beforehand_are_dialled(self):
        source = self.source("blob", 100_000)
        blob_hash = self.daemon.add(source)
        node, address = self.daemon.provider.split("@")
        self.assertEqual(self.other.ctl("remotes", "add", node, address).code, DONE)
        result = self.other.ctl("get", blob_hash, "--from", node, "-o", self.directory / "target")
        self.assertEqual(result.code, DONE, result.text)
        self.assert_same_file(self.directory / "target", source)

    def test_a_ticket_needs_something_to_share(self):
        self.assertNotEqual(self.daemon.ctl("ticket", "5a" * 32).code, DONE)
        self.assertEqual(self.daemon.ctl("ticket").code, USAGE)


class Policy(E2eTest):
    def refused(self, config):
        server = self.start_daemon("server", config)
        blob_hash = server.add(write_random(self.directory / "blob", 10_000))
        result = self.daemon.ctl("get", blob_hash, "--from", server.provider, "-o", self.directory / "target", timeout=60)
        self.assertNotEqual(result.code, DONE)
        return result

    def test_by_default_only_listed_nodes_are_served(self):
        self.assertIn("it does not serve this node", self.refused(None).text)

    def test_nobody(self):
        self.assertIn("it does not serve this node", self.refused('[serve]\nmode = "nobody"\n').text)

    def test_listed(self):
        node = self.daemon.status()["nodeId"]
        server = self.start_daemon("server", f'[serve]\nmode = "listed"\nnodes = ["{node}"]\n')
        source = write_random(self.directory / "blob", 10_000)
        result = self.daemon.ctl("get", server.add(source), "--from", server.provider, "-o", self.directory / "target")
        self.assertEqual(result.code, DONE, result.text)


class Partial(ServeTest):
    """What is not all here, and what is no longer right."""

    def setUp(self):
        super().setUp()
        self.getter = self.start_daemon("getter")

    def test_exactly_the_verified_ranges_are_served(self):
        size = 8 * MIB
        liar = self.run_peer(Liar({"stop_after": 3 * MIB, "how": "hang"}))
        share = liar.share(self.source("blob", size))
        held_by = self.queue(share["ticket"])
        verified = self.wait_for_bytes(held_by, MIB)
        # Nothing more comes once it is asked from another.
        self.daemon.wait_until("the provider hangs", lambda: liar.report()[-1]["sent"] >= 3 * MIB - GROUP)
        liar.stop()
        verified = self.daemon.wait_until("all of it is verified", lambda: int(
            next(b for b in self.daemon.ctl("blobs", "--json").json()["blobs"]
                 if b["hash"] == share["hash"])["verifiedBytes"]))
        result = self.getter.ctl("get", share["hash"], "--from", self.daemon.provider, "-o", self.directory / "x")
        self.assertNotEqual(result.code, DONE)
        self.assertIn("only a part", result.text)
        [got] = self.getter.ctl("blobs", "--json").json()["blobs"]
        self.assertEqual(got["state"], "BLOB_STATE_PARTIAL")
        self.assertLessEqual(int(got["verifiedBytes"]), verified)
        self.assertGreater(int(got["verifiedBytes"]), 0)

    def rot(self, blob_hash, offset):
        [path] = Path(self.daemon.state).rglob(f"{blob_hash}.data")
        with open(path, "r+b") as data:
            data.seek(offset)
            byte = data.read(1)
            data.seek(offset)
            data.write(bytes([byte[0] ^ 1]))

    def test_a_range_that_rotted_is_not_sent_but_repaired(self):
        size = 4 * MIB
        source = self.source("blob", size)
        healthy = self.start_daemon("healthy", ANYONE)
        blob_hash = healthy.add(source)
        self.ctl("get", blob_hash, "--from", healthy.provider)
        self.rot(blob_hash, size // 2 + 5)
        result = self.getter.ctl("get", blob_hash, "--from", self.daemon.provider, "-o", self.directory / "x")
        self.assertNotEqual(result.code, DONE)
        self.assertIn("not here", result.text)
        # The healthy one is known to have it, so it is asked.
        self.daemon.wait_until("the blob is whole again", lambda: self.daemon.ctl(
            "cat", blob_hash).stdout == source.read_bytes())
        result = self.getter.ctl("get", blob_hash, "--from", self.daemon.provider, "-o", self.directory / "y")
        self.assertEqual(result.code, DONE, result.text)
        self.assert_same_file(self.directory / "y", source)


if __name__ == "__main__":
    unittest.main()
