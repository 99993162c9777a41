"""Where a measurement runs: on loopback, or over a veth pair with one network namespace per end."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import harness
import peers

WEB = "http://127.0.0.1:18080"
SMALL, SMALL_SIZE = 10_000, 4096
ANYONE = '[serve]\nmode = "anyone"\n'


class Loopback:
    """Both ends on 127.0.0.1."""

    name = "loopback"
    provider_host = getter_host = "127.0.0.1"
    provider_namespace = getter_namespace = None

    def close(self):
        pass


class Veth:
    """Two network namespaces joined by a veth pair with MTU 1500, as two machines on one switch would be."""

    name = "veth, MTU 1500"
    provider_host, getter_host = "10.99.77.1", "10.99.77.2"

    def __init__(self):
        self.provider_namespace, self.getter_namespace = (f"blobd-bench-{end}-{os.getpid()}" for end in "pg")
        ends = ((self.provider_namespace, "benchp", self.provider_host), (self.getter_namespace, "benchg", self.getter_host))
        for namespace, _, _ in ends:
            self._ip("netns", "add", namespace)
        self._ip("-n", ends[0][0], "link", "add", "benchp", "mtu", "1500", "type", "veth",
                 "peer", "name", "benchg", "mtu", "1500", "netns", ends[1][0])
        for namespace, device, host in ends:
            self._ip("-n", namespace, "addr", "add", f"{host}/24", "dev", device)
            for each in ("lo", device):
                self._ip("-n", namespace, "link", "set", each, "up")

    @staticmethod
    def _ip(*args):
        subprocess.run(["ip", *args], check=True)

    def close(self):
        for namespace in (self.provider_namespace, self.getter_namespace):
            subprocess.run(["ip", "netns", "del", namespace], check=False)


class Workplace:
    """A directory with one blob, and everybody who provides it. Providers are started when first asked for."""

    def __init__(self, mebibytes):
        self.path = Path(tempfile.mkdtemp(prefix="blobd-bench-"))
        self.size = mebibytes << 20
        self.blob = peers.write_random(self.path / "www" / "blob.bin", self.size)
        self._iroh = {}
        self._blobd = {}
        self._nginx = None
        self._hash = self._small = None
        self.small_urls = []

    def directory(self, name):
        """An empty directory; what it held before is gone."""
        directory = self.path / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        return directory

    def iroh_ticket(self, place):
        """Of an iroh 0.35 node with its store on disk."""
        if place.name not in self._iroh:
            provider = peers.Provider(store=self.path / f"iroh-{len(self._iroh)}", host=place.provider_host,
                                      namespace=place.provider_namespace)
            self._iroh[place.name] = provider, provider.share(self.blob)["ticket"]
        return self._iroh[place.name][1]

    def blobd_ticket(self, place):
        if place.name not in self._blobd:
            daemon = harness.Daemon(self.directory(f"blobd-{len(self._blobd)}"), ANYONE,
                                    listen=f"{place.provider_host}:0", namespace=place.provider_namespace).start()
            self._blobd[place.name] = daemon, daemon.ticket(daemon.add(self.blob))
        return self._blobd[place.name][1]

    def start_nginx(self):
        """Serves www at WEB, with the blob as blob.bin; False if nginx is not installed."""
        if not shutil.which("nginx"):
            return False
        if self._nginx:
            return True
        config = self.path / "nginx.conf"
        config.write_text(f"""
            daemon off; pid {self.path}/nginx.pid; error_log {self.path}/nginx.log; worker_processes 1;
            events {{ worker_connections 64; }}
            http {{
              access_log off; sendfile on; keepalive_requests 1000000;
              client_body_temp_path {self.path}/t1; proxy_temp_path {self.path}/t2; fastcgi_temp_path {self.path}/t3;
              uwsgi_temp_path {self.path}/t4; scgi_temp_path {self.path}/t5;
              server {{ listen 127.0.0.1:18080; root {self.path}/www; }}
            }}""")
        # The file must be readable for nginx's worker.
        for directory in (self.path, self.path / "www"):
            directory.chmod(0o755)
        self._nginx = subprocess.Popen(["nginx", "-c", str(config), "-p", str(self.path)], stderr=subprocess.DEVNULL)
        return True

    def blob_hash(self):
        """The name of the blob."""
        if self._hash is None:
            done = subprocess.run(["b3sum", "--no-names", str(self.blob)], check=True, capture_output=True, text=True)
            self._hash = done.stdout.strip()
        return self._hash

    def small_files(self):
        """The name of a collection of SMALL files, which nginx has with all it takes as by/HASH."""
        if self._small is None:
            tree = self.directory("tree")
            for number in range(SMALL):
                (tree / f"{number}.bin").write_bytes(os.urandom(SMALL_SIZE))
            holder = harness.Daemon(self.directory("holder")).start()
            try:
                self._small = holder.add(tree)
                store = self.directory("www/by")
                exported = self.directory("exported")
                assert holder.ctl("export-store", exported).code == 0
                for path in exported.rglob("*.data"):
                    path.rename(store / path.stem)
                store.chmod(0o755)
            finally:
                holder.stop()
            self.small_urls = [f"{WEB}/by/{path.name}" for path in sorted(store.iterdir())
                               if path.stat().st_size == SMALL_SIZE]
        return self._small

    def close(self):
        for provider, _ in self._iroh.values():
            provider.stop()
        for daemon, _ in self._blobd.values():
            daemon.stop()
        if self._nginx:
            self._nginx.terminate()
            self._nginx.wait(10)
        shutil.rmtree(self.path, ignore_errors=True)
