"""A directory with what is measured with, and everybody who provides it. Each is made when it is first asked for."""
import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import harness
import peers
from web import Web

ANYONE = '[serve]\nmode = "anyone"\n'
SMALL_SIZE = 4096


@contextlib.contextmanager
def fresh_directory(work, name):
    """An empty directory, and nothing of it afterwards."""
    try:
        yield work.directory(name)
    finally:
        shutil.rmtree(work.path / name, ignore_errors=True)


class Workplace:
    """`small`: how many small files there are. Files lie in one directory, which web servers have, too."""

    def __init__(self, small):
        self.path = Path(tempfile.mkdtemp(prefix="blobd-bench-"))
        self.small = small
        self._www = self.path / "www"
        self._www.mkdir()
        self._iroh, self._blobd, self._tickets, self._hashes, self._webs = {}, {}, {}, {}, {}
        self._small_hash = None
        self.small_names = []

    def directory(self, name):
        """An empty directory; what it held before is gone."""
        directory = self.path / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        return directory

    def output(self, name="output"):
        """A path where nothing is."""
        path = self.path / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path

    def free_bytes(self):
        return shutil.disk_usage(self.path).free

    # ---- Content ----

    def blob(self, size):
        """A file of so many random bytes."""
        path = self._www / f"{size}.bin"
        return path if path.exists() else peers.write_random(path, size)

    def sparse(self, size):
        """A file of so many zeros that takes no room."""
        path = self.path / f"{size}.sparse"
        with open(path, "wb") as out:
            out.truncate(size)
        return path

    def tree(self):
        """A directory of small files."""
        tree = self.path / "tree"
        if not tree.exists():
            tree.mkdir()
            for number in range(self.small):
                (tree / f"{number}.bin").write_bytes(os.urandom(SMALL_SIZE))
        return tree

    def hash_of(self, path):
        if path not in self._hashes:
            done = subprocess.run(["b3sum", "--no-names", str(path)], check=True, capture_output=True, text=True)
            self._hashes[path] = done.stdout.strip()
        return self._hashes[path]

    def small_hash(self):
        """The name of the tree as a collection, which web servers have with all it takes as by/HASH."""
        if self._small_hash is None:
            holder = harness.Daemon(self.directory("holder")).start()
            try:
                self._small_hash = holder.add(self.tree())
                by_hash, exported = self.directory("www/by"), self.directory("exported")
                done = holder.ctl("export-store", exported)
                assert done.code == harness.DONE, done.text
                for path in exported.rglob("*.data"):
                    path.rename(by_hash / path.stem)
                by_hash.chmod(0o755)
            finally:
                holder.stop()
            self.small_names = sorted(path.name for path in by_hash.iterdir() if path.stat().st_size == SMALL_SIZE)
        return self._small_hash

    # ---- Providers ----

    def iroh_ticket(self, place, path):
        """Of a file or directory, from an iroh 0.35 node with its store on disk."""
        if place.name not in self._iroh:
            self._iroh[place.name] = peers.Provider(
                store=self.path / f"iroh-{len(self._iroh)}", host=place.provider_host, namespace=place.provider_namespace)
        return self._ticket(("iroh", place.name, path), lambda: self._iroh[place.name].share(path)["ticket"])

    def blobd(self, place, number=0, config=ANYONE):
        """A provider there; those with another number are others."""
        key = place.name, number
        if key not in self._blobd:
            self._blobd[key] = harness.Daemon(
                self.directory(f"blobd-{len(self._blobd)}"), config, listen=f"{place.provider_host}:0",
                namespace=place.provider_namespace).start()
        return self._blobd[key]

    def blobd_ticket(self, place, path):
        daemon = self.blobd(place)
        return self._ticket(("blobd", place.name, path), lambda: daemon.ticket(daemon.add(path)))

    def _ticket(self, key, make):
        if key not in self._tickets:
            self._tickets[key] = make()
        return self._tickets[key]

    def web(self, place):
        if place.name not in self._webs:
            self._webs[place.name] = Web(self.directory(f"nginx-{len(self._webs)}"), self._www, place.provider_host,
                                         place.provider_namespace)
        return self._webs[place.name]

    def close(self):
        with contextlib.ExitStack() as whatever_fails:
            whatever_fails.callback(shutil.rmtree, self.path, ignore_errors=True)
            for each in (*self._iroh.values(), *self._blobd.values()):
                whatever_fails.callback(each.stop)
            for web in self._webs.values():
                whatever_fails.callback(web.close)
