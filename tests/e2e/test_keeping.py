"""What stays in the store and what goes: tags, leases, garbage collection, rm, verify."""
import os
import subprocess
import time
import unittest
from pathlib import Path

from harness import BLOBCTL, DONE, FAILED, MISMATCH, NOT_FOUND, PERMISSION, TIMEOUT, USAGE, E2eTest, Result
from peers import Liar, write_random

MIB = 1 << 20
MEMBERS = (12345, 12346)
# Nothing is kept only because it is new.
AT_ONCE = "[store]\nlease_seconds = 0\n"
SERVING = AT_ONCE + '[serve]\nmode = "anyone"\n'


class KeepingTest(E2eTest):
    config = AT_ONCE

    def source(self, name, size=20_000):
        return write_random(self.directory / "source" / name, size, seed=name)

    def add(self, name, size=20_000):
        return self.daemon.add(self.source(name, size))

    def collection(self, name, *files, size=20_000):
        for file in files:
            write_random(self.directory / name / file, size, seed=f"{name}/{file}")
        return self.daemon.add(self.directory / name)

    def blobs(self):
        return {blob["hash"] for blob in self.daemon.ctl("blobs", "--json").json().get("blobs", [])}

    def children(self, name):
        """The hashes of a collection's files, in order of name."""
        return [self.daemon.add(path) for path in sorted((self.directory / name).iterdir())]

    def gc(self, *args):
        return self.ctl("gc", *args, "--json").json()

    def hashes(self, keepings):
        return [keeping["hash"] for keeping in keepings]

    def as_member(self, uid, *args):
        """blobctl as another user in the socket's group."""
        os.chmod(self.directory, 0o755)
        os.chmod(self.daemon.socket, 0o666)
        started = time.monotonic()
        done = subprocess.run(self.daemon.ctl_command(*args), capture_output=True, timeout=TIMEOUT, check=False,
                              stdin=subprocess.DEVNULL, user=uid, group=uid, extra_groups=[], cwd="/")
        return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def can_be_others():
    """Whether this process may become another user who can run blobctl."""
    if os.geteuid() != 0 or not BLOBCTL.exists():
        return False
    done = subprocess.run([BLOBCTL, "--version"], capture_output=True, check=False, user=MEMBERS[0], cwd="/")
    return done.returncode == 0


class Tags(KeepingTest):
    def test_a_tag_is_set_moved_listed_and_deleted(self):
        first, second = self.add("first"), self.add("second")
        self.assertEqual(self.ctl("tag", "-q", "data/latest", first).value, first)
        self.ctl("tag", "other", first)
        moved = self.ctl("tag", "data/latest", second, "--json").json()
        self.assertEqual((moved["tag"]["kind"]["hash"], moved["previousHash"]), (second, first))
        tags = self.ctl("tags", "--json").json()["tags"]
        self.assertEqual([(tag["name"], tag["kind"]["hash"]) for tag in tags],
                         [("data/latest", second), ("other", first)])
        self.assertEqual(self.ctl("tags", "-q", "data/").value, "data/latest")
        self.ctl("tag", "--delete", "other")
        self.ctl("tag", "--delete", "other", code=NOT_FOUND)
        self.assertEqual(self.ctl("tags", "-q").value, "data/latest")

    def test_a_move_can_depend_on_where_the_tag_stands(self):
        first, second = self.add("first"), self.add("second")
        self.ctl("tag", "--new", "t", first)
        self.ctl("tag", "--new", "t", second, code=FAILED)
        self.ctl("tag", "--expect", second, "t", second, code=FAILED)
        self.ctl("tag", "--expect", first, "t", second)
        self.ctl("tag", "--delete", "--expect", first, "t", code=FAILED)
        self.assertEqual(self.ctl("tag", "-q", "copy", "t").value, second)

    def test_a_tag_stands_for_its_hash(self):
        source = self.source("blob")
        self.ctl("tag", "it", self.daemon.add(source))
        self.assertEqual(self.ctl("cat", "it").stdout, source.read_bytes())
        self.ctl("export", "it", "-o", self.directory / "out")
        self.assert_same_file(self.directory / "out", source)
        self.assertIn("tag it", self.ctl("why", "it").text)
        self.assertTrue(self.ctl("ticket", "-q", "it", "--loopback").value.startswith("blob"))
        self.ctl("cat", "unknown", code=NOT_FOUND)
        self.collection("set", "a", "b")
        self.ctl("tag", "set", self.daemon.add(self.directory / "set"))
        self.ctl("export", "set", "-o", self.directory / "copy")
        self.assert_same_tree(self.directory / "copy", self.directory / "set")

    def test_a_bare_hash_of_a_collection_is_tagged_as_one(self):
        name = self.collection("set", "a", "b")
        self.assertEqual(self.ctl("tag", "-q", "set", name[1:]).value, name)
        ticket = self.ctl("ticket", "-q", "set", "--loopback").value
        self.assertEqual(self.ctl("tag", "-q", "by-ticket", ticket).value, name)

    def test_names_are_checked(self):
        blob = self.add("blob")
        for name in ("", "x" * 256, "a\nb", "a\u0085b", "5a" * 32, "s" + "5a" * 32):
            with self.subTest(name=name):
                self.ctl("tag", name, blob, code=USAGE)
        self.ctl("tag", "größe/✓ v1", blob)
        self.ctl("tag", "x" * 255, blob)

    def test_tags_survive_kill_9(self):
        blob = self.add("blob")
        self.ctl("tag", "kept", blob)
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.ctl("tag", "-q", "copy", "kept").value, blob)
        self.gc()
        self.assertEqual(self.blobs(), {blob})


@unittest.skipUnless(can_be_others(), "needs root, and a blobctl that others may run")
class Members(KeepingTest):
    config = SERVING

    def test_only_the_owner_and_root_change_a_tag(self):
        ann, joe = MEMBERS
        first, second = self.add("first"), self.add("second")
        self.assertEqual(self.as_member(ann, "tag", "t", first).code, DONE)
        self.assertEqual(self.as_member(joe, "tag", "t", second).code, PERMISSION)
        self.assertEqual(self.as_member(joe, "tag", "--delete", "t").code, PERMISSION)
        self.assertEqual(self.as_member(joe, "tags", "-q").value, "t")
        self.assertEqual(self.as_member(ann, "tag", "t", second).code, DONE)
        # Root may move it, and it stays hers.
        self.ctl("tag", "t", first)
        self.assertEqual(self.as_member(ann, "tag", "--delete", "t").code, DONE)

    def test_what_a_private_tag_names_is_shown_and_served_to_nobody_else(self):
        ann, joe = MEMBERS
        name = self.collection("set", "a", "b")
        other = self.start_daemon("other")
        self.assertEqual(self.as_member(ann, "tag", "--private", "secret", name).code, DONE)
        for uid, sees in ((ann, True), (joe, False), (0, True)):
            [tag] = self.as_member(uid, "tags", "--json").json()["tags"]
            self.assertEqual(("kind" in tag and tag["kind"] is not None), sees, uid)
        self.assertEqual(self.as_member(joe, "cat", "secret").code, PERMISSION)
        self.assertNotIn(name[1:], self.as_member(joe, "gc", "--dry-run", "--json").text)
        self.assertIn(name[1:], self.as_member(ann, "gc", "--dry-run", "--json").text)
        self.assertNotIn(name[1:], self.daemon.log())
        self.assertIn(name[1:], self.as_member(ann, "blobs", "--json").text)
        for blob in (name[1:], *self.children("set")):
            self.assertNotIn(blob, self.as_member(joe, "blobs", "--json").text)
        for blob in (name, *self.children("set")):
            result = other.ctl("get", blob, "--from", self.daemon.provider)
            self.assertNotEqual(result.code, DONE, blob)
            self.assertIn("not here", result.text)

    def test_nor_does_an_intent_or_its_repair_tell(self):
        ann, joe = MEMBERS
        blob = self.add("blob", 300_000)
        self.assertEqual(self.as_member(ann, "queue", "-q", blob).code, DONE)
        self.assertIn(blob, self.as_member(joe, "intents", "--all", "--json").text)
        self.assertEqual(self.as_member(ann, "tag", "--private", "plans", blob).code, DONE)
        logged = self.daemon.log().count(blob)
        [path] = Path(self.daemon.state).rglob(f"{blob}.data")
        flip(path, 100_000)
        self.ctl("verify", blob, code=MISMATCH)
        for uid, sees in ((ann, True), (joe, False), (0, True)):
            for command in (("intents", "--all"), ("transfers",), ("verify", "--all"), ("gc", "--dry-run")):
                text = self.as_member(uid, *command, "--json").text
                self.assertFalse(blob in text and not sees, (uid, command))
            self.assertEqual(blob in self.as_member(uid, "intents", "--all", "--json").text, sees, uid)
            self.assertEqual("plans" in self.as_member(uid, "why", blob).text, sees, uid)
        self.assertNotIn("plans", self.as_member(joe, "rm", blob).text)
        self.assertEqual(self.daemon.log().count(blob), logged)

    def test_a_private_tag_names_what_is_here(self):
        self.ctl("tag", "--private", "t", "5a" * 32, code=NOT_FOUND)
        self.assertEqual(self.ctl("tags", "-q").value, "")

    def test_members_may_look_but_only_root_collects(self):
        blob = self.add("blob")
        dry = self.as_member(MEMBERS[0], "gc", "--dry-run", "--json")
        self.assertEqual(self.hashes(dry.json()["removed"]), [blob])
        self.assertEqual(self.as_member(MEMBERS[0], "gc").code, PERMISSION)
        self.assertEqual(self.as_member(MEMBERS[0], "rm", "--force", blob).code, PERMISSION)
        self.assertEqual(self.blobs(), {blob})
        self.assertEqual(self.as_member(MEMBERS[0], "rm", blob).code, DONE)
        self.assertEqual(self.blobs(), set())


@unittest.skipUnless(can_be_others(), "needs root, and a blobctl that others may run")
class OwnDaemon(KeepingTest):
    def test_who_runs_a_daemon_is_its_administrator(self):
        owner, other = MEMBERS
        os.chmod(self.directory, 0o755)
        self.daemon.stop()
        self.daemon = self.start_daemon("own", AT_ONCE, uid=owner)
        blob = self.daemon.add(self.source("blob"))
        self.assertEqual(self.as_member(other, "gc").code, PERMISSION)
        self.assertEqual(self.as_member(owner, "gc").code, DONE)
        self.assertEqual(self.blobs(), set())
        self.assertNotEqual(blob, "")


class Collecting(KeepingTest):
    def test_a_dry_run_says_what_a_run_removes(self):
        kept = self.add("kept")
        self.ctl("tag", "kept", kept)
        loose = {self.add(f"loose-{i}", 1000 * 2 ** i) for i in range(8)}
        dry = self.gc("--dry-run")
        self.assertEqual(set(self.hashes(dry["removed"])), loose)
        self.assertEqual([(k["hash"], k["tag"]) for k in dry["kept"]], [(kept, "kept")])
        self.assertEqual(self.blobs(), loose | {kept})
        real = self.gc()
        for field in ("removedBlobs", "removedBytes", "keptBlobs", "keptBytes"):
            self.assertEqual(real[field], dry[field], field)
        self.assertEqual(self.hashes(real["removed"]), self.hashes(dry["removed"]))
        self.assertEqual(self.blobs(), {kept})
        self.assertEqual(self.gc()["removedBlobs"], "0")

    def test_a_tag_keeps_a_whole_collection(self):
        name = self.collection("set", "a", "b", "c")
        loose = self.collection("loose", "d")
        self.ctl("tag", "set", name)
        before = self.blobs()
        gone = set(self.hashes(self.gc()["removed"]))
        self.assertIn(loose[1:], gone)
        self.assertEqual(len(before - gone), 5)  # three files, their names, and the list
        self.ctl("export", "set", "-o", self.directory / "out")
        self.assert_same_tree(self.directory / "out", self.directory / "set")
        self.assertIn("in a collection", self.ctl("why", self.children("set")[0]).text)
        self.ctl("tag", "--delete", "set")
        self.gc()
        self.assertEqual(self.blobs(), set())

    def test_a_collection_whose_list_is_damaged_stops_everything(self):
        name = self.collection("set", *(f"f{i:03}" for i in range(520)), size=10)  # a list with a file of its own
        self.ctl("tag", "set", name)
        loose = self.add("loose")
        [path] = Path(self.daemon.state).rglob(f"{name[1:]}.data")
        flip(path, 100)
        before = self.blobs()
        result = self.ctl("gc", code=FAILED)
        self.assertIn('tag "set"', result.text)
        self.assertEqual(self.blobs(), before)
        # While it is being got again nobody knows either what belongs to it.
        self.assertEqual(self.ctl("verify", name, code=MISMATCH).code, MISMATCH)
        self.ctl("gc", code=FAILED)
        self.assertIn(loose, self.blobs())
        # Nobody has it, so it is not got again: what it kept is kept all the same, until its owner gives it up.
        self.ctl("cancel", self.ctl("intents", "-q").value)
        for restarted in (False, True):
            if restarted:
                self.daemon.stop()
                self.daemon.start()
            self.assertIn('tag "set"', self.ctl("gc", code=FAILED).text)
        self.assertEqual(self.blobs() - {name[1:]}, before - {name[1:]})
        self.ctl("tag", "--delete", "set")
        self.ctl("gc")
        self.assertEqual(self.blobs(), set())

    def test_to_a_size_the_oldest_use_goes_first(self):
        names = []
        for i in range(4):
            names.append(self.add(f"blob-{i}", MIB))
            time.sleep(0.01)  # uses are told apart by the millisecond
        gone = self.hashes(self.gc("--to", f"{5 * MIB // 2}B")["removed"])
        self.assertEqual(gone, names[:2])
        self.assertEqual(self.gc("--to", "2MiB")["removedBlobs"], "0")
        self.assertEqual(self.blobs(), set(names[2:]))

    def test_a_running_download_survives(self):
        peer = self.run_peer(Liar({"rate": 4 * MIB}))
        share = peer.share(self.source("blob", 16 * MIB))
        intent = self.queue(share["ticket"])
        self.wait_for_bytes(intent, MIB)
        loose = self.add("loose")
        result = self.gc()
        self.assertEqual(self.hashes(result["removed"]), [loose])
        self.assertEqual([k["because"] for k in result["kept"]], ["KEPT_BECAUSE_WANTED"])
        self.ctl("rm", share["hash"], code=FAILED)
        self.ctl("watch", intent)
        self.assertEqual(self.ctl("cat", share["hash"]).stdout, self.source("blob", 16 * MIB).read_bytes())


class SizeLimit(KeepingTest):
    config = "[store]\nlease_seconds = 0\nmax_bytes = 3000000\ncheck_seconds = 1\n"

    def test_the_oldest_use_goes_by_itself(self):
        kept = self.add("kept", MIB)
        self.ctl("tag", "kept", kept)
        names = []
        for i in range(4):
            time.sleep(0.01)
            names.append(self.add(f"blob-{i}", MIB // 2))
        # 3 MiB are over the limit; one blob less is enough.
        self.daemon.wait_until("it is under its limit", lambda: self.blobs() == {kept, *names[1:]})
        self.assertIn("its limit is", self.daemon.log())


class Leases(KeepingTest):
    config = '[serve]\nmode = "anyone"\n'

    def test_what_was_added_is_kept_for_a_while(self):
        blob = self.add("blob")
        name = self.collection("set", "a")
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.gc()["removedBlobs"], "0")
        why = self.ctl("why", blob, "--json").json()["keepings"]
        self.assertEqual(why[0]["because"], "KEPT_BECAUSE_LEASED")
        self.assertGreater(int(why[0]["untilUnixMs"]) / 1000, time.time() + 23 * 3600)
        # Who added it may take it away again.
        self.ctl("rm", blob, name[1:])
        self.ctl("rm", blob, code=NOT_FOUND)

    def test_what_was_got_is_kept_for_a_while(self):
        source = self.start_daemon("source", '[serve]\nmode = "anyone"\n')
        blob = source.add(self.source("blob"))
        self.ctl("get", blob, "--from", source.provider)
        self.assertEqual(self.gc()["removedBlobs"], "0")
        self.assertIn("got lately", self.ctl("why", blob).text)
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.gc()["removedBlobs"], "0")
        self.ctl("rm", blob)


class Removing(KeepingTest):
    def test_what_is_kept_is_removed_by_force_only(self):
        blob, loose = self.add("blob"), self.add("loose")
        self.ctl("tag", "t", blob)
        result = self.ctl("rm", loose, blob, code=FAILED)
        self.assertIn('tag "t"', result.text)
        self.assertEqual(self.blobs(), {blob, loose}, "nothing is removed if one of them is kept")
        self.ctl("rm", "--force", "t")
        self.assertEqual(self.blobs(), {loose})
        self.assertEqual(self.ctl("rm", "-q", loose).value, loose)

    def test_a_file_of_a_tagged_collection_is_kept(self):
        self.ctl("tag", "set", self.collection("set", "a", "b"))
        child = self.children("set")[0]
        refused = self.ctl("rm", child, code=FAILED).text
        self.assertIn("as part of a collection", refused)
        self.assertIn('"blobctl tag -d set" takes the tag away', refused)
        self.assertIn('tagged: "blobctl tag -d NAME" takes the tag away', self.ctl("gc", "--dry-run").text)


def flip(path, offset):
    with open(path, "r+b") as data:
        data.seek(offset)
        byte = data.read(1)
        data.seek(offset)
        data.write(bytes([byte[0] ^ 1]))


class Verifying(KeepingTest):
    config = SERVING
    SIZE = 2 * MIB

    def setUp(self):
        super().setUp()
        self.healthy = self.start_daemon("healthy", SERVING)
        self.path = self.source("blob", self.SIZE)
        self.blob = self.healthy.add(self.path)
        self.ctl("get", self.blob, "--from", self.healthy.provider)
        self.ctl("tag", "t", self.blob)

    def rot(self, offset):
        [path] = Path(self.daemon.state).rglob(f"{self.blob}.data")
        flip(path, offset)

    def assert_is_found_and_repaired(self):
        self.rot(self.SIZE // 2 + 5)
        result = self.ctl("verify", "--all", "--json", code=MISMATCH).json()
        [finding] = result["findings"]
        self.assertEqual((finding["hash"], finding["result"]), (self.blob, "VERIFY_RESULT_ROTTEN"))
        self.assertEqual((result["blobs"], finding["rottenGroups"]), ("1", "1"))
        self.ctl("watch", finding["intentId"])
        self.assertEqual(self.ctl("cat", self.blob).stdout, self.path.read_bytes())
        self.ctl("verify", "t")

    def test_what_is_well(self):
        result = self.ctl("verify", "--all")
        self.assertIn("0 not well", result.text)
        self.ctl("verify", "5a" * 32, code=NOT_FOUND)
        self.ctl("verify", code=USAGE)

    def test_what_a_collection_lacks_is_said(self):
        collection = self.collection("set", "a", "b", "c")
        self.assertNotIn("not here", self.ctl("verify", collection).text)
        self.ctl("rm", "--force", *self.children("set")[1:])
        self.ctl("tag", "whole", collection)
        for named in (collection, "whole"):
            said = self.ctl("verify", named, code=NOT_FOUND).text
            self.assertIn(f"{collection}: 2 of its 4 blobs are not here, or not whole", said)
            self.assertIn(f'"blobctl get {collection}" gets what is missing', said)
        self.assertEqual(self.ctl("verify", "--json", "whole", code=NOT_FOUND).json()["failedBlobs"], "0")

    def test_what_rotted_is_found_and_repaired(self):
        self.assert_is_found_and_repaired()

    def test_also_after_a_restart(self):
        self.daemon.stop()
        self.daemon.start()
        self.assert_is_found_and_repaired()


if __name__ == "__main__":
    unittest.main()
