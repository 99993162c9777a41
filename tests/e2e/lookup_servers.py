"""What daemons ask for addresses in tests: a name server and a pkarr relay, written from the specifications alone."""
import http.server
import socket
import struct
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import pkarr_packets  # noqa: E402  (it lies one directory up)


def zbase32_of(node_id):
    """The form of a node id (hex) in names and URLs."""
    return pkarr_packets.zbase32(bytes.fromhex(node_id))


class NameServer:
    """Answers questions for TXT records over UDP on a port of its own; `silent`: none at all."""

    def __init__(self, records=None, silent=False):
        self.records = records or {}  # texts by name
        self.silent = silent
        self.asked = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def set(self, node_id, origin, *texts):
        self.records[f"_iroh.{zbase32_of(node_id)}.{origin}"] = texts

    def stop(self):
        port = self._socket.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", port)
        self._thread.join(10)
        self._socket.close()

    def _serve(self):
        while True:
            query, peer = self._socket.recvfrom(1500)
            if not query:
                return
            labels, end = pkarr_packets.read_name(query, 12)
            name, kind = ".".join(labels), struct.unpack_from(">H", query, end)[0]
            self.asked.append(name)
            if self.silent:
                continue
            texts = self.records.get(name, ()) if kind == 16 else ()
            head = query[:2] + struct.pack(">HHHHH", 0x8180 if texts else 0x8183, 1, len(texts), 0, 0)
            body = b"".join(pkarr_packets.txt(b"\xc0\x0c", text) for text in texts)
            self._socket.sendto(head + query[12:end + 4] + body, peer)


class Relay:
    """Keeps signed packets as they are PUT; `silent`: it takes requests and never answers."""

    def __init__(self, silent=False):
        self.packets = {}  # by z-base-32 id
        self.asked = []
        self._quiet = threading.Event()
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                relay.packets[self._key()] = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(204, b"")

            def do_GET(self):
                relay.asked.append(self._key())
                if silent:
                    relay._quiet.wait()
                body = relay.packets.get(self._key())
                self._answer(404 if body is None else 200, body or b"")

            def _key(self):
                return self.path.rsplit("/", 1)[1]

            def _answer(self, code, body):
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.handle_error = lambda *_: None  # the asker may have gone
        self.url = "http://127.0.0.1:{}/pkarr".format(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def records(self, node_id):
        """What the packet of a node says, read by a decoder of its own; empty if there is none."""
        packet = self.packets.get(zbase32_of(node_id))
        return [text for _, text in pkarr_packets.read_packet(bytes.fromhex(node_id), packet)] if packet else []

    def stop(self):
        self._quiet.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
