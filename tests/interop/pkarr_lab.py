#!/usr/bin/env python3
"""Real iroh 1.1 finds what blobd publishes, through pkarr and DNS. Run in network and mount namespaces of its own:

    unshare --net --mount python3 pkarr_lab.py NODE_JS BLOBD_PKARR BLOBD BLOBCTL

Here 127.0.0.1 is n0's name server and relay: iroh's preset asks dns.iroh.link, so that name and /etc/resolv.conf lead to
this program. What it serves by DNS is what was published to its relay, read by a decoder of its own (pkarr_packets.py).

Prints one line of JSON: what worked, and what was seen.
"""
import http.server
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import pkarr_packets  # noqa: E402  (it lies one directory up)

ORIGIN = "dns.iroh.link"
SEED = "07" * 32
PUBLIC = pkarr_packets.keys(bytes.fromhex(SEED))[2]
BASE = "http://127.0.0.1:8080/pkarr"
SIZE = 3 << 20
packets = {}  # by z-base-32 id: as it was PUT
publics = {}  # by z-base-32 id: whom we answer for


class Relay(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packets[self.path.rsplit("/", 1)[1]] = body
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        body = packets.get(self.path.rsplit("/", 1)[1])
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def texts_of(name):
    labels = name.split(".")
    payload = packets.get(labels[1]) if len(labels) > 1 else None
    public = publics.get(labels[1]) if payload else None
    if public is None:
        return []
    return [text for owner, text in pkarr_packets.read_packet(public, payload) if owner == ".".join(labels[:2])]


def publish(address, *others):
    """A packet of the node whose seed is known, made here: real iroh publishes over TLS to n0's relay only, and trusts no
    authority but those that are built into it."""
    z = pkarr_packets.zbase32(PUBLIC)
    records = [pkarr_packets.txt(pkarr_packets.name("_iroh", z), text) for text in (*others, f"addr={address}")]
    packets[z] = pkarr_packets.packet(bytes.fromhex(SEED), time.time_ns() // 1000, records)


class Daemon:
    """A whole blobd, that publishes itself, and looks others up, at the relay here."""

    def __init__(self, directory, blobd, blobctl, name, port):
        self.directory = directory / name
        self.directory.mkdir()
        self._ctl = [blobctl, "--socket", self.directory / "s"]
        config = self.directory / "blobd.toml"
        config.write_text(f'advertise = ["127.0.0.1:{port}"]\n[serve]\nmode = "anyone"\n'
                          f'[lookup]\npkarr = true\npkarr_publish = true\npkarr_relay = "{BASE}"\n')
        with open(self.directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                [blobd, "--state-dir", self.directory / "state", "--socket", self.directory / "s",
                 "--listen", f"127.0.0.1:{port}", "--config", config], stdout=log, stderr=log)
        wait_until(lambda: self.ctl("status", "--json")[0] == 0)
        self.node_id = json.loads(self.ctl("status", "--json")[1])["nodeId"]

    def ctl(self, *args):
        done = subprocess.run([*self._ctl, *args], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    def stop(self):
        self._process.terminate()
        return self._process.wait(30)


def wait_until(condition, timeout=60):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("not in time")
        time.sleep(0.05)


def with_daemons(node, blobd, blobctl, directory, seen):
    """Real iroh 1.1 gets a blob of a daemon that it knows by id alone, and a daemon one of a real iroh 1.1's."""
    source = directory / "source"
    source.write_bytes(bytes(i * 7 % 251 for i in range(SIZE)))
    sharing, getting = (Daemon(directory, blobd, blobctl, name, port) for name, port in (("a", 7731), ("b", 7732)))
    blob_hash = sharing.ctl("add", "-q", source)[1]
    z = pkarr_packets.zbase32(bytes.fromhex(sharing.node_id))
    publics[z] = bytes.fromhex(sharing.node_id)
    wait_until(lambda: z in packets)
    got = subprocess.run([node, HERE / "get11.mjs", "--node", sharing.node_id, "--out", directory, blob_hash],
                         capture_output=True, text=True, cwd=HERE, timeout=60)
    content = directory / blob_hash
    seen["iroh_got"] = content.exists() and content.read_bytes() == source.read_bytes()
    seen["iroh_got_said"] = got.stdout + got.stderr

    other = directory / "other"
    other.write_bytes(bytes(i * 11 % 241 for i in range(SIZE)))
    provider = subprocess.Popen([node, HERE / "liar.mjs", "--seed", SEED, other], cwd=HERE, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    events = [json.loads(provider.stdout.readline()) for _ in range(2)]
    publish(events[1]["addresses"][0])
    target = directory / "target"
    code, _, said = getting.ctl("get", events[0]["hash"], "--from", events[1]["node_id"], "-o", target)
    seen["daemon_got"] = code == 0 and target.read_bytes() == other.read_bytes()
    remote = json.loads(getting.ctl("remote", events[1]["node_id"], "--json")[1])["remote"]
    seen["daemon_found_by"] = [each["source"] for each in remote["addresses"]]
    seen["daemon_said"] = said
    provider.kill()
    provider.communicate()
    seen["ends"] = [daemon.stop() for daemon in (sharing, getting)]


def answer(query):
    labels, end = pkarr_packets.read_name(query, 12)
    name, kind = ".".join(labels), struct.unpack_from(">H", query, end)[0]
    if kind == 1 and name == ORIGIN:
        records = [socket.inet_aton("127.0.0.1")]
    elif kind == 16 and name.endswith("." + ORIGIN):
        records = [bytes([len(text)]) + text.encode() for text in texts_of(name)]
    else:
        records = []
    head = query[:2] + struct.pack(">HHHHH", 0x8180 if records else 0x8183, 1, len(records), 0, 0)
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(data)) + data for data in records)
    return head + query[12:end + 4] + body


def serve_dns():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        query, peer = server.recvfrom(1500)
        server.sendto(answer(query), peer)


def enter(directory):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (directory / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", directory / "resolv.conf", "/etc/resolv.conf"], check=True)
    threading.Thread(target=serve_dns, daemon=True).start()


def main():
    node, blobd_pkarr, blobd, blobctl = sys.argv[1:5]
    base, seen = BASE, {}
    publics[pkarr_packets.zbase32(PUBLIC)] = PUBLIC
    with tempfile.TemporaryDirectory() as name:
        enter(Path(name))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Relay)
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def iroh(*args):
            return subprocess.Popen([node, HERE / "dial11.mjs", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    text=True, cwd=HERE)

        # blobd publishes where an iroh node is, and another iroh node connects to it by its id alone.
        server = iroh("serve", SEED)
        ready = json.loads(server.stdout.readline())
        subprocess.run([blobd_pkarr, "publish", base, SEED, ready["address"]], check=True, stdout=subprocess.DEVNULL)
        seen["published"] = pkarr_packets.read_packet(PUBLIC, packets[pkarr_packets.zbase32(PUBLIC)])
        seen["address"] = ready["address"]
        out, errors = iroh("dial", ready["id"]).communicate(timeout=40)
        seen["iroh_connected"] = out.strip() != "" and json.loads(out)["connected"] == ready["id"]
        seen["iroh_said"] = errors if not seen["iroh_connected"] else ""
        server.kill()
        server.communicate()

        publish("192.0.2.1:11205", "relay=https://relay.example/")
        found = subprocess.run([blobd_pkarr, "resolve", base, ready["id"]], capture_output=True, text=True)
        seen["blobd_found"] = found.stdout.split("\n")[:-1]
        seen["blobd_said"] = found.stderr.strip()
        with_daemons(node, blobd, blobctl, Path(name), seen)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
