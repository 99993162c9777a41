"""aria2 as a queue: a daemon that keeps downloads it must not start, asked over its JSON-RPC."""
import json
import os
import socket
import subprocess
import time

PORT = 16800
# Nothing listens there; it would only be asked if something were resumed.
NOWHERE = "http://127.0.0.1:9/"


class Aria2:
    """With `urls` it has these from the start on. One connection that stays, one call at a time."""

    def __init__(self, directory, urls=None):
        command = ["aria2c", "--enable-rpc", f"--rpc-listen-port={PORT}", "--pause=true", "--quiet", "--no-conf",
                   f"--dir={directory}"]
        if urls:
            listed = directory / "urls"
            listed.write_text("".join(url + "\n" for url in urls))
            command += ["-i", str(listed)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._socket = self._connect()
        self._answers = self._socket.makefile("rb")

    def _connect(self):
        deadline = time.monotonic() + 300
        while True:
            try:
                connected = socket.create_connection(("127.0.0.1", PORT), 300)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connected
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    @property
    def pid(self):
        return self._process.pid

    @staticmethod
    def request(method, *params):
        """The bytes of a call, so that making them need not be part of what is timed."""
        body = json.dumps({"jsonrpc": "2.0", "id": "1", "method": f"aria2.{method}", "params": params}).encode()
        head = f"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def send(self, request):
        """Sends such bytes; returns the body of the answer."""
        self._socket.sendall(request)
        length = 0
        while (line := self._answers.readline().strip()):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return self._answers.read(length)

    def call(self, method, *params):
        answer = json.loads(self.send(self.request(method, *params)))
        if "result" not in answer:
            raise RuntimeError(f"aria2 refuses {method}: {answer}")
        return answer["result"]

    def waiting(self):
        return int(self.call("getGlobalStat")["numWaiting"])

    def close(self):
        self._socket.close()
        self._process.terminate()
        self._process.wait(60)


def some_urls(count):
    return [NOWHERE + os.urandom(32).hex() for _ in range(count)]
