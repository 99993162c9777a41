"""Collections whose names were made to hurt. Whatever happens, nothing is written outside the target."""
import subprocess
import unittest

from harness import DONE, E2eTest
from peers import Provider, write_random


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def metadata(names):
    """The metadata blob of a collection: magic, count, names with their lengths."""
    encoded = [name if isinstance(name, bytes) else name.encode() for name in names]
    return b"CollectionV0." + varint(len(encoded)) + b"".join(varint(len(name)) + name for name in encoded)


class HostileNames(E2eTest):
    def setUp(self):
        super().setUp()
        self.provider = self.run_peer(Provider())
        self.good = write_random(self.directory / "source" / "good", 3000, seed="good")
        self.evil = write_random(self.directory / "source" / "evil", 5000, seed="evil")
        # Everything that may be written is below `yard`, two levels deep, so that ../ and ../../ can be seen.
        self.yard = self.directory / "yard"
        self.inner = self.yard / "inner"
        self.inner.mkdir(parents=True)
        self.target = self.inner / "target"

    def share_collection(self, names, hashes=None):
        """A collection with these names; the content of all but the first is the evil file's."""
        good, evil = self.provider.share(self.good)["hash"], self.provider.share(self.evil)["hash"]
        hashes = hashes or [good] + [evil] * (len(names) - 1)
        meta = self.directory / "source" / "meta"
        meta.write_bytes(metadata(names))
        meta_hash = self.provider.share(meta)["hash"]
        root = self.directory / "source" / "root"
        root.write_bytes(b"".join(bytes.fromhex(h) for h in [meta_hash, *hashes]))
        return self.provider.share(root, hash_seq=True)

    def outside(self):
        """What is in the yard besides the target."""
        return sorted(str(p.relative_to(self.yard)) for p in self.yard.rglob("*")
                      if p != self.inner and p != self.target and self.target not in p.parents)

    def assert_refused(self, names):
        share = self.share_collection(names)
        result = self.daemon.ctl("get", share["ticket"], "-o", self.target)
        self.assertNotEqual(result.code, DONE, result.text)
        self.assertEqual(self.outside(), [], "written outside the target")
        left = [p for p in self.target.rglob("*")] if self.target.exists() else []
        self.assertEqual(left, [], "a collection that cannot be exported whole left something behind")
        self.assertEqual(len(result.stderr.splitlines()), 1, f"not one line: {result.stderr!r}")
        # Fetched it was, and each blob of it can be had by its hash.
        self.assertEqual(self.ctl("cat", share["hash"]).code, DONE)
        return result

    def test_parent_directory(self):
        self.assert_refused(["good", "../x"])

    def test_parent_directory_inside(self):
        self.assert_refused(["good", "a/../../x"])

    def test_parent_directory_at_the_end(self):
        self.assert_refused(["good", "a/.."])

    def test_absolute(self):
        self.assert_refused(["good", str(self.yard / "abs")])
        self.assertFalse((self.yard / "abs").exists())

    def test_duplicate(self):
        self.assert_refused(["good", "same", "same"])

    def test_duplicate_after_cleaning(self):
        self.assert_refused(["good", "a/same", "a//same"])

    def test_empty(self):
        self.assert_refused(["good", ""])

    def test_only_a_dot(self):
        self.assert_refused(["good", "."])

    def test_slash_at_the_end(self):
        self.assert_refused(["good", "dir/"])

    def test_nul(self):
        self.assert_refused(["good", "a\0b"])

    def test_file_against_directory(self):
        self.assert_refused(["good", "a", "a/b"])

    def test_300_bytes(self):
        self.assert_refused(["good", "x" * 300])

    def test_not_utf8(self):
        self.assert_refused(["good", b"\xff\xfe"])

    def test_more_names_than_hashes(self):
        hashes = [self.provider.share(self.good)["hash"]]
        share = self.share_collection(["good", "more"], hashes)
        result = self.daemon.ctl("get", share["ticket"], "-o", self.target)
        self.assertNotEqual(result.code, DONE, result.text)
        self.assertEqual(self.outside(), [])

    def test_newline(self):
        """Legal in a file name, so it may be exported; it must not break a line of output, nor leave the target."""
        share = self.share_collection(["good", "a\nb"])
        result = self.daemon.ctl("get", share["ticket"], "-o", self.target)
        self.assertEqual(self.outside(), [])
        self.assertNotIn(b"a\nb", result.stdout + result.stderr)
        if result.code == DONE:
            self.assert_same_file(self.target / "a\nb", self.evil)

    def test_escape_sequence_does_not_reach_the_terminal(self):
        share = self.share_collection(["good", "a\x1b[31mb"])
        result = self.daemon.ctl_on_terminal("get", share["ticket"], "-o", self.target)
        self.assertNotIn("a\x1b[31mb", result.text)
        self.assertEqual(self.outside(), [])

    def test_symlink_in_the_way(self):
        """A link inside an existing target that points out of it is not followed."""
        self.target.mkdir()
        (self.target / "link").symlink_to(self.yard)
        share = self.share_collection(["good", "link/x"])
        result = self.daemon.ctl("get", share["ticket"], "-o", self.target)
        self.assertNotEqual(result.code, DONE, result.text)
        self.assertFalse((self.yard / "x").exists())

    def test_existing_file_is_not_overwritten(self):
        self.target.mkdir()
        (self.target / "evil").write_text("mine")
        share = self.share_collection(["good", "evil"])
        self.daemon.ctl("get", share["ticket"], "-o", self.target)
        self.assertEqual((self.target / "evil").read_text(), "mine")
        self.assertEqual(self.outside(), [])

    def test_harmless_names_do_work(self):
        share = self.share_collection(["good", "dir/deep/evil", "..hidden", "a b", "ünï"])
        self.ctl("get", share["ticket"], "-o", self.target)
        self.assert_same_file(self.target / "good", self.good)
        for name in ("dir/deep/evil", "..hidden", "a b", "ünï"):
            self.assert_same_file(self.target / name, self.evil)
        self.assertEqual(self.outside(), [])


class ExportByHand(E2eTest):
    def test_into_a_directory_that_cannot_be_written(self):
        source = write_random(self.directory / "source", 10_000)
        added = self.ctl("add", "-q", source).value
        result = self.daemon.ctl("export", added, "-o", self.directory / "missing" / "deep" / "file")
        self.assertNotEqual(result.code, DONE)
        self.assertEqual(subprocess.run(["ls", str(self.directory / "missing")], capture_output=True,
                                        check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main()
