"""What the examples of command_table.py are about: a daemon with blobs, a collection, tags, bans and remotes, with intents
that wait, run, are done and have failed, a node that has more, and a mirror."""
import itertools
import re

from harness import DONE, NO_PROVIDER
from peers import write_random

MIB = 1 << 20
# The public keys of the seeds 07 07 07 ... and 08 08 08 ...
SOME_NODE = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
LONG_LABEL = "a label that takes more room than a narrow terminal has, 日本語 too"

# Whoever cannot be reached counts as unreachable within a second.
RETRY = "[retry]\ninitial_delay_ms = 20\nretries = 1\n"


def config_with(mirror):
    return f'{RETRY}[mirrors.origins."{mirror}"]\nallow_local = true\n'


class World:
    """What has a name stays as it is; what a method makes is there for one command."""

    not_here = "5a" * 32
    unreachable = f"{SOME_NODE}@127.0.0.1:9"

    def __init__(self, test, daemon, mirror, www):
        """`mirror`: a web server for the files in `www`, which the daemon may use."""
        self._directory, self._daemon = test.directory, daemon
        self._numbers = itertools.count(1)
        self.server = test.start_daemon("server", '[serve]\nmode = "anyone"\n')
        self.node, self.down_node = self.server.status()["nodeId"], SOME_NODE
        self._make_content()
        self._make_intents(test, mirror, www)
        self.url = f"{mirror}/imported"
        write_random(www / "imported", 70_000)

    def ctl(self, *args, code=DONE):
        result = self._daemon.ctl(*args)
        assert result.code == code, f"{args}: {result.text}"
        return result

    def _make_content(self):
        self._things = self._directory / "things"
        for name, size in {"a": 10, "deep/b": 50_000, "deep/er/c": 0}.items():
            write_random(self._things / name, size, seed=name)
        self.collection = self._daemon.add(self._things)
        self.blob = self._daemon.add(write_random(self._directory / "blob", 100_000))
        self.tag = "a-tag/" + "that-is-long/" * 8 + "日本語"
        self.ctl("tag", self.tag, self.collection)
        self.ctl("tag", "private", self.fresh_blob(), "--private")
        self.store_files = self._directory / "store-files"
        assert self.server.ctl("export-store", self.store_files, self.server.add(self._directory / "blob")).code == DONE

    def _make_intents(self, test, mirror, www):
        self.got = self.server.add(write_random(self._directory / "got", 300_000))
        self.done = self.queue(self.got, "--from", self.server.provider)
        test.wait_for_state(self.done, "DONE")
        self.ended_transfer = int(self._daemon.transfers()[0]["transferId"])
        # Over the limit that the server has from now on it takes longer than any test.
        self.coming = self.server.add(write_random(self._directory / "coming", 48 * MIB))
        assert self.server.ctl("limits", "upload_rate=64kB/s").code == DONE
        self.running = self.queue(self.coming, "--from", self.server.provider, "--label", LONG_LABEL)
        test.wait_for_bytes(self.running, 1)
        self.running_transfer = int(next(each["transferId"] for each in self._daemon.transfers()
                                         if each["state"] == "TRANSFER_STATE_RECEIVING"))
        self.without = f"{mirror}/" + "long/" * 20 + "none"
        self.failed = self.queue("5b" * 32, "--from", self.without, "--patience", "0s")
        self.ctl("watch", self.failed, code=NO_PROVIDER)
        self.wanted = "5c" * 32
        self.waiting = self.queue(self.wanted, "--from", self.without, "--from", self.unreachable)
        self._daemon.wait_until("the mirror has not got it", lambda: self._daemon.intent(self.waiting)["failures"])
        mirrored = write_random(www / "mirrored", 200_000)
        from_mirror = self.queue(self.server.add(mirrored), "--from", f"{mirror}/mirrored")
        test.wait_for_state(from_mirror, "DONE")
        self.ctl("ban", f"{mirror}/" + "other/" * 20, "--reason", "words " * 12)

    def reconfigured(self):
        """The configuration is written otherwise than it is in force."""
        path = self._directory / "blobd.toml"
        text = re.sub("initial_delay_ms = .*", f"initial_delay_ms = {100 + next(self._numbers)}", path.read_text())
        path.write_text(text)

    def queue(self, *args):
        return int(self.ctl("queue", "-q", *(args or (self.fresh_hash(),))).value)

    def paused(self):
        intent = self.queue()
        self.ctl("pause", intent)
        return intent

    def word(self, what):
        return f"{what}-{next(self._numbers)}"

    def fresh_hash(self):
        return f"{next(self._numbers):04x}" * 16

    def fresh_node(self):
        return self.fresh_hash()

    def known_node(self):
        node = self.fresh_node()
        self.ctl("remotes", "add", node, "192.0.2.8:11205")
        return node

    def banned(self):
        node = self.fresh_node()
        self.ctl("ban", node)
        return node

    def fresh_path(self):
        return self._directory / self.word("path")

    def fresh_file(self):
        path = self.fresh_path()
        path.write_text(path.name)
        return path

    def fresh_directory(self):
        path = self.fresh_path()
        path.mkdir()
        (path / "file").write_text(path.name)
        return path

    def fresh_blob(self):
        return self._daemon.add(self.fresh_file())

    def fresh_tag(self):
        tag = self.word("fresh")
        self.ctl("tag", tag, self.blob)
        return tag

    def half_exported(self):
        """A directory that has one of the collection's files."""
        path = self.fresh_path()
        path.mkdir()
        (path / "a").write_bytes((self._things / "a").read_bytes())
        return path
