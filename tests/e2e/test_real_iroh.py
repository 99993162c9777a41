"""An unmodified iroh 0.35 node shares, blobd fetches."""
import unittest

from harness import FAILED, NO_PROVIDER, E2eTest, is_long_run, is_sanitized
from peers import Provider, write_random

MIB = 1 << 20


class RealIroh(E2eTest):
    def setUp(self):
        super().setUp()
        self.provider = self.run_peer(Provider())

    def fetch_blob(self, size):
        source = write_random(self.directory / "source" / f"blob-{size}", size)
        share = self.provider.share(source)
        target = self.directory / "target"
        self.ctl("get", share["ticket"], "-o", target)
        self.assert_same_file(target, source)
        self.assertEqual(self.ctl("cat", share["hash"]).stdout, source.read_bytes())

    def fetch_collection(self, files):
        """Fetches a directory with these {name: size} as a collection."""
        source = self.directory / "source" / "things"
        for name, size in files.items():
            write_random(source / name, size, seed=name)
        share = self.provider.share(source)
        self.assertEqual(share["format"], "HashSeq")
        target = self.directory / "target"
        self.ctl("get", share["ticket"], "-o", target)
        # The node puts the directory's own name in front of every name.
        self.assert_same_tree(target, source.parent)

    def test_blob_of_0(self):
        self.fetch_blob(0)

    def test_blob_of_1(self):
        self.fetch_blob(1)

    def test_blob_of_1023(self):
        self.fetch_blob(1023)

    def test_blob_of_1024(self):
        self.fetch_blob(1024)

    def test_blob_of_1025(self):
        self.fetch_blob(1025)

    def test_blob_of_16383(self):
        self.fetch_blob(16383)

    def test_blob_of_16384(self):
        self.fetch_blob(16384)

    def test_blob_of_16385(self):
        self.fetch_blob(16385)

    def test_blob_of_1_mib_and_7(self):
        self.fetch_blob(MIB + 7)

    def test_collection_of_3(self):
        self.fetch_collection({"alpha.txt": 10, "dir/beta.bin": 100_000, "gämma.dat": 0})

    def test_collection_of_2000(self):
        self.fetch_collection({f"d{i % 20}/file-{i}": (i * 37) % 3000 for i in range(2000)})

    def test_collection_with_a_file_twice(self):
        source = self.directory / "source" / "things"
        for name in ("one", "two"):
            write_random(source / name, 50_000, seed="same")
        target = self.directory / "target"
        self.ctl("get", self.provider.share(source)["ticket"], "-o", target)
        self.assert_same_tree(target, source.parent)

    def test_a_second_get_needs_no_provider(self):
        source = write_random(self.directory / "source" / "blob", 200_000)
        share = self.provider.share(source)
        self.ctl("get", share["ticket"], "-o", self.directory / "first")
        self.provider.stop()
        self.ctl("get", share["hash"], "-o", self.directory / "second")
        self.assert_same_file(self.directory / "second", source)

    def test_hash_and_provider_instead_of_a_ticket(self):
        source = write_random(self.directory / "source" / "blob", 70_000)
        share = self.provider.share(source)
        target = self.directory / "target"
        self.ctl("get", share["hash"], "--from", self.provider.provider, "-o", target)
        self.assert_same_file(target, source)

    def test_unknown_hash_is_not_here(self):
        result = self.daemon.ctl_on_terminal("get", "5a" * 32, "--from", self.provider.provider,
                                             "-o", self.directory / "target")
        self.assertIn(result.code, (FAILED, NO_PROVIDER), result.text)
        self.assertIn("not here", result.text)
        self.assertLess(result.seconds, 10)
        self.assertFalse((self.directory / "target").exists())

    def test_child_that_the_provider_lacks_is_not_here(self):
        child = write_random(self.directory / "source" / "child", 5000)
        child_hash = self.provider.share(child)["hash"]
        root = self.directory / "source" / "root"
        root.write_bytes(bytes.fromhex(child_hash) + b"\x5a" * 32)
        share = self.provider.share(root, hash_seq=True)
        result = self.daemon.ctl_on_terminal("get", share["ticket"], "-o", self.directory / "target")
        self.assertIn(result.code, (FAILED, NO_PROVIDER), result.text)
        self.assertIn("not here", result.text)
        self.assertEqual(self.ctl("cat", child_hash).stdout, child.read_bytes())


class RealIrohLarge(E2eTest):
    """Blobs that the node keeps on disk."""

    def fetch_large(self, size):
        source = write_random(self.directory / "source" / "blob", size)
        provider = self.run_peer(Provider(store=self.directory / "store", in_place=True))
        share = provider.share(source)
        target = self.directory / "target"
        result = self.ctl("get", share["ticket"], "-o", target, timeout=900)
        print(f"{size / MIB / result.seconds:.0f} MiB/s ... ", end="", flush=True)
        self.assert_same_file(target, source)

    def test_blob_of_64_mib(self):
        self.fetch_large(64 * MIB)

    # The normal run does it with the release build; with sanitizers it is a matter of the long run.
    if is_long_run() or not is_sanitized():

        def test_blob_of_1_gib(self):
            self.fetch_large(1024 * MIB)


if __name__ == "__main__":
    unittest.main()
