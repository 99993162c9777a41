"""One download from nodes and plain web servers at once."""
import subprocess
import unittest

from harness import DONE, FAILED, MISMATCH, E2eTest, is_long_run, is_sanitized
from link import Network, can_make_networks
from nginx import Nginx
from peers import write_random

MIB = 1 << 20
MB = 1_000_000
ANYONE = '[serve]\nmode = "anyone"\n'
# The whole form wants a release build and a machine at rest.
WHOLE = is_long_run() and not is_sanitized()


def b3sum(path):
    done = subprocess.run(["b3sum", "--no-names", str(path)], check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Stripes(E2eTest):
    """A getter that may use mirrors on this machine."""

    def start_getter(self, mirrors, extra="", **options):
        config = "".join(f'[mirrors.origins."{each.origin}"]\nallow_local = true\n' for each in mirrors)
        return self.start_daemon("getter", config + extra, **options)

    def put(self, mirrors, size, seed=0):
        """A file at every mirror; returns it and its hash."""
        for mirror in mirrors:
            source = write_random(mirror.www / "file", size, seed)
        return source, b3sum(source)

    def shares(self, daemon, field="verifiedBytes"):
        """Bytes by the provider that they came from."""
        shares = {}
        for transfer in daemon.transfers():
            shares[transfer["provider"]] = shares.get(transfer["provider"], 0) + int(transfer.get(field, 0))
        return shares

    def print_shares(self, shares, size):
        print(f"shares {[round(share / size, 2) for share in shares.values()]} ... ", end="", flush=True)

    @staticmethod
    def froms(*providers):
        return [word for provider in providers for word in ("--from", provider)]

    def assert_got(self, daemon, blob_hash, source):
        target = self.directory / "target"
        result = daemon.ctl("get", blob_hash, "-o", target)
        self.assertEqual(result.code, DONE, result.text)
        self.assertEqual(b3sum(target), b3sum(source))


class OnThisMachine(Stripes):
    """Over the loopback; mirrors send at most 2 MB/s on a connection, so that everybody has time to join."""

    def prepare(self):
        self.mirrors = [self.run_peer(Nginx(self.directory / f"nginx{i}")) for i in range(2)]
        self.getter = self.start_getter(self.mirrors)

    def start_node(self, name, source, config=ANYONE):
        node = self.start_daemon(name, config)
        node.add(source)
        return node

    def test_two_nodes_and_two_mirrors(self):
        size = 96 * MIB + 77
        source, blob_hash = self.put(self.mirrors, size)
        nodes = [self.start_node(f"node{i}", source) for i in range(2)]
        urls = [mirror.url("limited/file") for mirror in self.mirrors]
        result = self.getter.ctl("get", blob_hash, *self.froms(*urls, *(node.provider for node in nodes)))
        self.assertEqual(result.code, DONE, result.text)
        shares = self.shares(self.getter)
        self.print_shares(shares, size)
        self.assertEqual(len(shares), 4, self.getter.transfers())
        self.assertTrue(all(share > 0 for share in shares.values()), shares)
        # But for races, of which a busy machine sees more, and what proves the ends of parts, every byte came from one.
        self.assertLess(sum(shares.values()), size + 12 * MIB if WHOLE else size * 3 // 2)
        self.assertLessEqual(size, sum(self.shares(self.getter, "receivedBytes").values()))
        # What comes without proof and is proven when its mirror has nothing more to do counts for none: a part each.
        self.assertLessEqual(size - 2 * 16 * MIB, sum(shares.values()))
        self.assert_got(self.getter, blob_hash, source)
        listed = self.getter.ctl("transfers", "--all").text
        for provider in (*urls, *(node.status()["nodeId"][:8] for node in nodes)):
            self.assertIn(provider[:24], listed)

    def test_two_mirrors_without_proof(self):
        size = 48 * MIB + 77
        source, blob_hash = self.put(self.mirrors, size)
        urls = [mirror.url("limited/file") for mirror in self.mirrors]
        result = self.getter.ctl("get", blob_hash, *self.froms(*urls))
        self.assertEqual(result.code, DONE, result.text)
        received = self.shares(self.getter, "receivedBytes")
        self.print_shares(received, size)
        self.assertEqual(set(received), set(urls), self.getter.transfers())
        self.assertLess(sum(received.values()), size + 12 * MIB if WHOLE else size * 3 // 2)
        self.assert_got(self.getter, blob_hash, source)

    def test_one_wrong_byte_beside_an_honest_node(self):
        size = 1024 * MIB if WHOLE else 64 * MIB
        source, blob_hash = self.put(self.mirrors, size)
        node = self.start_node("node", source)
        liar = self.mirrors[1]
        # Where it begins, so that nobody else brings it.
        with open(liar.www / "file", "r+b") as file:
            file.seek(MIB)
            byte = file.read(1)[0]
            file.seek(MIB)
            file.write(bytes([byte ^ 1]))
        url = liar.url("limited/file")
        result = self.getter.ctl("get", blob_hash, *self.froms(url, node.provider))
        self.assertEqual(result.code, DONE, result.text)
        honest = self.mirrors[0].www / "file"
        self.assert_got(self.getter, blob_hash, honest)
        verified = self.shares(self.getter)
        received = self.shares(self.getter, "receivedBytes")
        self.print_shares(verified, size)
        thrown_away = received.get(url, 0) - verified.get(url, 0)
        print(f"{thrown_away / MIB:.1f} MiB thrown away ... ", end="", flush=True)
        # A part is 16 MiB; on a busy machine more is on its way when the wrong byte is found.
        self.assertLess(thrown_away, 16 * MIB if WHOLE else 16 * MIB + 8 * 4 * MIB)
        self.assertIn("wrong bytes", self.getter.log())
        self.assertIn(url, self.getter.log())
        # It is not used for that hash any more.
        self.assertEqual(self.getter.ctl("rm", "--force", blob_hash).code, DONE)
        again = self.getter.ctl("get", blob_hash, *self.froms(url))
        self.assertEqual(again.code, MISMATCH, again.text)
        self.assertIn("sent wrong bytes of this before", again.text)

    def test_one_wrong_byte_without_anybody_who_knows(self):
        size = 24 * MIB
        _, blob_hash = self.put(self.mirrors, size)
        for mirror in self.mirrors:
            with open(mirror.www / "file", "r+b") as file:
                file.seek(20 * MIB)
                file.write(b"not what it was")
        urls = [mirror.url("file") for mirror in self.mirrors]
        target = self.directory / "target"
        result = self.getter.ctl("get", blob_hash, *self.froms(*urls), "-o", target)
        self.assertEqual(result.code, MISMATCH, result.text)
        self.assertIn("content does not match", result.text)
        self.assertFalse(target.exists())
        for url in urls:
            self.assertIn(url, result.text)

    def test_a_mirror_that_lies_about_the_size_harms_nobody(self):
        size = 48 * MIB
        source, blob_hash = self.put(self.mirrors, size)
        node = self.start_node("node", source)
        with open(self.mirrors[1].www / "file", "ab") as file:
            file.write(bytes(30 * MIB))
        url = self.mirrors[1].url("limited/file")
        result = self.getter.ctl("get", blob_hash, *self.froms(url, node.provider))
        self.assertEqual(result.code, DONE, result.text)
        self.assert_got(self.getter, blob_hash, self.mirrors[0].www / "file")
        self.assertNotIn("banned", self.getter.log())

    def test_the_node_dies(self):
        size = 64 * MIB
        source, blob_hash = self.put(self.mirrors, size)
        node = self.start_node("node", source, ANYONE + "[limits]\n")
        url = self.mirrors[0].url("limited/file")
        queued = self.getter.ctl("queue", "-q", blob_hash, *self.froms(url, node.provider))
        self.assertEqual(queued.code, DONE, queued.text)
        self.getter.wait_until("the node is used", lambda: len(self.shares(self.getter)) == 2)
        node.kill()
        self.getter.ctl("watch", queued.value)
        self.assert_got(self.getter, blob_hash, source)


@unittest.skipUnless(can_make_networks(), "wants root and /dev/net/tun")
class OverLinks(Stripes):
    """Two nodes and two mirrors behind links of their own, and a getter that reaches all of them."""
    alone = True  # run_unittests.py: it measures

    def test_at_the_rate_of_all_together(self):
        rates = (20, 40, 60, 80) if WHOLE else (2, 4, 6, 8)
        size = 1024 * MIB if WHOLE else 64 * MIB
        network = Network(seed=3)
        network.__enter__()
        self.addCleanup(network.close)
        near = network.add_namespace("near")
        mirrors, nodes = [], []
        for i, rate in enumerate(rates):
            far = network.add_namespace(f"far{i}")
            network.link(f"wan{i}", f"far{i}", f"10.97.{i}.1", "near", f"10.97.{i}.2", delay="1ms",
                         rate=f"{rate}MB/s", queue="20ms")
            if i % 2 == 0:
                nodes.append(self.start_daemon(f"far{i}", ANYONE, listen=f"10.97.{i}.1:0", namespace=far))
            else:
                mirrors.append(self.run_peer(Nginx(self.directory / f"nginx{i}", f"10.97.{i}.1", far)))
        source, blob_hash = self.put(mirrors, size)
        for node in nodes:
            node.add(source)
        getter = self.start_getter(mirrors, listen="0.0.0.0:0", namespace=near)
        urls = [mirror.url("file") for mirror in mirrors]
        result = getter.ctl("get", blob_hash, *self.froms(*urls, *(node.provider for node in nodes)))
        self.assertEqual(result.code, DONE, result.text)
        ideal = size / (sum(rates) * MB)
        shares = self.shares(getter)
        print(f"{result.seconds / ideal:.2f} x ideal, ", end="")
        self.print_shares(shares, size)
        self.assertEqual(len(shares), 4, shares)
        self.assert_got(getter, blob_hash, source)
        if WHOLE:
            self.assertLessEqual(result.seconds, 1.15 * ideal)
        elif not is_sanitized():
            # The machine may be busy; only a collapse is a failure.
            self.assertLess(result.seconds, 5 * ideal)


if __name__ == "__main__":
    unittest.main()
