"""Real iroh nodes as peers, and content to share.

Provider runs interop/provide.mjs (iroh 0.35), Liar runs interop/liar.mjs (iroh 1.1 in front of a real 0.35). Both speak
JSON lines; a thread collects them, so that a test can wait for one or look back at all of them.
"""
import functools
import json
import os
import random
import subprocess
import threading
import time
from pathlib import Path

INTEROP = Path(__file__).resolve().parent.parent / "interop"
GROUP = 16 * 1024


@functools.lru_cache(maxsize=None)
def node_binary():
    """A Node.js that can run the peers; installs them if that was not done."""
    return os.environ.get("BLOBD_NODE") or subprocess.run(
        [str(INTEROP / "install")], check=True, capture_output=True, text=True).stdout.strip()


def write_random(path, size, seed=0):
    """A file of `size` bytes that are the same in every run."""
    rng = random.Random(f"{seed}/{size}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        left = size
        while left > 0:
            piece = rng.randbytes(min(left, 1 << 20))
            out.write(piece)
            left -= len(piece)
    return path


class Peer:
    """A Node.js program that reports events and takes commands, both as JSON lines."""

    def __init__(self, script, *args, namespace=None):
        self._log = []
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [*prefix, node_binary(), str(INTEROP / script), *map(str, args)], cwd=INTEROP, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._errors = []
        self._readers = [threading.Thread(target=self._read_events, daemon=True),
                         threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self._readers:
            reader.start()
        ready = self.wait_for("ready")
        self.node_id = ready["node_id"]
        # The daemon under test listens on IPv4 only.
        self.addresses = [a for a in ready["addresses"] if not a.startswith("[")]

    def _read_events(self):
        for line in self._process.stdout:
            with self._changed:
                self._log.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._log.append({"event": "ended"})
            self._changed.notify_all()

    def _read_errors(self):
        for line in self._process.stderr:
            self._errors.append(line)

    @property
    def provider(self):
        """The form that --from takes."""
        return f"{self.node_id}@{','.join(self.addresses)}"

    def events(self, name=None):
        with self._changed:
            return [e for e in self._log if name is None or e["event"] == name]

    def wait_for(self, name, after=0, timeout=60, where=lambda event: True):
        """The first event `name` among those from number `after` on."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for event in self._log[after:]:
                    if event["event"] == name and where(event):
                        return event
                    if event["event"] in ("ended", "error"):
                        raise AssertionError(f"peer: {event} while waiting for {name}: {''.join(self._errors)[-2000:]}")
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"peer: no {name} in {timeout} s")

    def command(self, answer, **what):
        """Sends a command and returns the event named `answer` that follows."""
        with self._changed:
            after = len(self._log)
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self.wait_for(answer, after)

    def share(self, path, hash_seq=False):
        """Shares a file or directory; returns hash, size, ticket. `hash_seq`: the file is a list of hashes."""
        extra = {"format": "HashSeq"} if hash_seq else {}
        return self.command("share", op="add", path=str(path), **extra)

    def stop(self):
        for _ in range(2):
            if self._process.poll() is None:
                self._process.terminate()
                try:
                    self._process.wait(10)
                except subprocess.TimeoutExpired:
                    self._process.kill()
        for reader in self._readers:
            reader.join(10)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            pipe.close()


class Provider(Peer):
    """An honest iroh 0.35 node. With `store` it keeps its blobs in that directory, else in memory. It listens on
    `host`, an IPv4 address of the namespace it runs in."""

    def __init__(self, *paths, store=None, in_place=False, host="127.0.0.1", namespace=None):
        args = ["--events", "--host", host]
        if store:
            args += ["--store", store]
        if in_place:
            args += ["--in-place"]
        super().__init__("provide.mjs", *args, *paths, namespace=namespace)

    def requests(self):
        return [e for e in self.events("served") if e.get("getRequestReceived")]


class Liar(Peer):
    """A provider that lies as told (see interop/liar.mjs) and knows what it was asked and what it sent."""

    def __init__(self, lie=None, *paths):
        super().__init__("liar.mjs", "--lie", json.dumps(lie or {}), *paths)

    def lie(self, **lie):
        self.command("lie", op="lie", **lie)

    def report(self):
        """Every request so far, also running ones: hash, runs, sent, data."""
        return self.command("report", op="report")["requests"]

    def wire_bytes(self):
        """UDP payload bytes sent on all connections so far."""
        return self.command("report", op="report")["wire_bytes"]


def requested_bytes(requests, size, index=0):
    """How many different bytes of the blob at `index` these requests asked for; its size is `size`."""
    chunks = max(1, -(-size // 1024))
    wanted = set()
    for request in requests:
        for run in request["runs"]:
            if not run["first"] <= index < (run["end"] or float("inf")):
                continue
            for start, end in run["ranges"]:
                last = chunks if end is None else end
                wanted.update(range(min(start, chunks), min(last, chunks)))
                if last > chunks - 1:
                    wanted.add(chunks - 1)
    return sum(min(size, (chunk + 1) * 1024) - chunk * 1024 for chunk in wanted)
