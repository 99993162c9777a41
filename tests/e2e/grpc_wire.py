"""A gRPC client on a plain socket: it says exactly the bytes it is told to, as whatever user, and reads when it is told to.

No library in between decides what is sent, buffers what is not read, or shares connections: so malformed messages, callers
that never read, and who is at the other end are in a test's hands. HTTP/2 is spoken as far as gRPC needs it (RFC 9113);
headers are decoded by python3-hpack.

A Connection is used by one thread; nothing happens on it but in its methods.
"""
import base64
import os
import pickle
import select
import signal
import socket
import struct
import sys
import time
import traceback
import urllib.parse

try:
    import hpack
except ImportError:  # another Python of the same version comes first in PATH
    sys.path.append("/usr/lib/python3/dist-packages")
    import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
ENABLE_PUSH, INITIAL_WINDOW, MAX_FRAME = 2, 4, 5
WINDOW = 1 << 20
LARGEST_WINDOW = (1 << 31) - 1

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, \
    RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, \
    UNAUTHENTICATED = range(17)
CODE_NAMES = ("OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
              "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
              "UNAUTHENTICATED").split()
# What a reset of a stream stands for where no status came (gRPC over HTTP/2, "Errors").
RESETS = {7: UNAVAILABLE, 8: CANCELLED, 11: RESOURCE_EXHAUSTED, 12: PERMISSION_DENIED}


class Gone(Exception):
    """The connection has ended."""


def framed(message):
    """A message as gRPC frames it: not compressed, its length, its bytes."""
    return struct.pack(">BI", 0, len(message)) + message


def _frame(kind, flags, stream, payload=b""):
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def _literal(name, value):
    """A header without compression, which depends on nothing that was said before."""
    def text(each):
        size, data = len(each), each
        if size < 127:
            return bytes([size]) + data
        rest, size = b"", size - 127
        while size >= 128:
            rest, size = rest + bytes([size & 127 | 128]), size >> 7
        return b"\x7f" + rest + bytes([size]) + data
    return b"\0" + text(name) + text(value)


class Stream:
    """One call. What came of it so far: headers, messages, and when it has ended its status."""

    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.headers = {}
        self.messages = []  # what arrived, as bytes
        self.received = 0  # messages that arrived
        self.on_message = self.messages.append
        self.reads = True  # False: no room is given back for what arrives
        self.status = None  # (code, text) when it has ended
        self.details = b""  # grpc-status-details-bin
        self._buffer = bytearray()
        self._unread = 0
        self.send_window = connection.initial_send_window

    @property
    def has_ended(self):
        return self.status is not None

    def send(self, data, last=False):
        """Sends bytes as they are, see framed(); waits for room. Stops when the call has ended."""
        view = memoryview(data)
        while view and not self.has_ended:
            size = min(len(view), 16384, self.send_window, self.connection.send_window)
            if size <= 0:
                self.connection.pump(60)
                continue
            self.send_window -= size
            self.connection.send_window -= size
            self.connection.write(_frame(DATA, END_STREAM if last and size == len(view) else 0, self.number,
                                         bytes(view[:size])))
            view = view[size:]
        if last and not data and not self.has_ended:
            self.connection.write(_frame(DATA, END_STREAM, self.number))

    def cancel(self):
        if not self.has_ended:
            self.connection.write(_frame(RST_STREAM, 0, self.number, struct.pack(">I", 8)))
            self._end(CANCELLED, "we cancelled")

    def read_again(self):
        """Gives room for what was not read, and for what could not come."""
        self.reads = True
        self._unread += WINDOW
        self._give_room(0)

    def wait(self, seconds, messages=None):
        """Until it has ended, or so many messages have arrived. Returns whether that is so."""
        deadline = time.monotonic() + seconds
        while not self.has_ended and (messages is None or self.received < messages):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.connection.pump(left)
        return True

    def on_data(self, payload, size):
        self._buffer += payload
        while len(self._buffer) >= 5:
            length = int.from_bytes(self._buffer[1:5], "big")
            if len(self._buffer) < 5 + length:
                break
            self.received += 1
            self.on_message(bytes(self._buffer[5:5 + length]))
            del self._buffer[:5 + length]
        self._give_room(size)

    def _give_room(self, size):
        self._unread += size
        if self.reads and self._unread and not self.has_ended and self._unread * 2 >= self.connection.window:
            self.connection.write(_frame(WINDOW_UPDATE, 0, self.number, struct.pack(">I", self._unread)))
            self._unread = 0

    def on_headers(self, headers):
        self.headers.update(headers)
        if b"grpc-status" in self.headers:
            encoded = self.headers.get(b"grpc-status-details-bin", b"")
            self.details = base64.b64decode(encoded + b"=" * (-len(encoded) % 4))
            self._end(int(self.headers[b"grpc-status"]),
                      urllib.parse.unquote(self.headers.get(b"grpc-message", b"").decode("latin-1"), errors="replace"))

    def on_end(self):
        self._end(UNKNOWN, "the stream ended without a status")

    def on_reset(self, code):
        self._end(RESETS.get(code, INTERNAL), f"the stream was reset with code {code}")

    def on_gone(self):
        self._end(UNAVAILABLE, "the connection ended")

    def _end(self, code, text):
        if self.status is None:
            self.status = (code, text)
            self.connection.forget(self)


class Connection:
    """A connection to the socket at `path`, or over `connected`, a socket that somebody else connected."""

    def __init__(self, path=None, connected=None, window=WINDOW):
        """`window`: how many bytes of a stream may come before they are read."""
        self.window = window
        self.initial_send_window = 65535
        self.send_window = 65535
        self.most_streams = None  # that the server allows, when it has said so
        self.streams = {}
        self.gone = None  # why the connection has ended
        if connected is None:
            connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connected.connect(str(path))
        self.socket = connected
        self.socket.setblocking(False)
        self._decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self._incoming = bytearray()
        self._headers = b""  # of a block that is not complete
        self._next = 1
        self._unread = 0
        settings = struct.pack(">HIHI", ENABLE_PUSH, 0, INITIAL_WINDOW, window)
        self.write(PREFACE + _frame(SETTINGS, 0, 0, settings) +
                   _frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST_WINDOW - 65535)))

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self._end("we closed it")

    def forget(self, stream):
        self.streams.pop(stream.number, None)

    def write(self, data):
        """Sends all of it; what arrives meanwhile is taken in, so that nobody waits for nobody."""
        view = memoryview(data)
        while view and self.gone is None:
            try:
                view = view[self.socket.send(view):]
            except BlockingIOError:
                readable, _, _ = select.select([self.socket], [self.socket], [], 60)
                if readable:
                    self._receive()
            except OSError as error:
                self._end(f"sending: {error}")

    def start(self, path, timeout=None, headers=()):
        """Begins a call of "/package.Service/Method"; its messages are sent with Stream.send."""
        if self.gone is not None:
            raise Gone(self.gone)
        block = b"".join(_literal(name, value) for name, value in (
            (b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"localhost"),
            (b"te", b"trailers"), (b"content-type", b"application/grpc"), *headers))
        if timeout is not None:
            block += _literal(b"grpc-timeout", b"%dm" % (timeout * 1000))
        stream = Stream(self, self._next)
        self._next += 2
        self.streams[stream.number] = stream
        self.write(_frame(HEADERS, END_HEADERS, stream.number, block))
        return stream

    def pump(self, seconds):
        """Takes in what has arrived, or what arrives first within so many seconds. False: nothing did."""
        if self.gone is not None:
            return False
        readable, _, _ = select.select([self.socket], [], [], max(0, seconds))
        if readable:
            self._receive()
        return bool(readable)

    def _receive(self):
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError as error:
            return self._end(f"receiving: {error}")
        if not data:
            return self._end("the server closed it")
        self._incoming += data
        at = 0
        while len(self._incoming) - at >= 9:
            head, flags, number = struct.unpack_from(">IBI", self._incoming, at)
            size = head >> 8
            if len(self._incoming) - at < 9 + size:
                break
            self._on_frame(head & 255, flags, number & LARGEST_WINDOW, bytes(self._incoming[at + 9:at + 9 + size]))
            at += 9 + size
        del self._incoming[:at]

    def _on_frame(self, kind, flags, number, payload):
        stream = self.streams.get(number)
        size = len(payload)
        if flags & PADDED and kind in (DATA, HEADERS):
            payload = payload[1:len(payload) - payload[0]]
        if kind == DATA:
            self._unread += size
            if self._unread >= 1 << 20:
                self.write(_frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", self._unread)))
                self._unread = 0
            if stream is not None:
                stream.on_data(payload, size)
        elif kind == HEADERS:
            self._headers = payload[5:] if flags & PRIORITY else payload
        elif kind == CONTINUATION:
            self._headers += payload
        elif kind == RST_STREAM and stream is not None:
            stream.on_reset(int.from_bytes(payload[:4], "big"))
        elif kind == SETTINGS and not flags & ACK:
            self._on_settings(payload)
        elif kind == PING and not flags & ACK:
            self.write(_frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.goaway = payload
        elif kind == WINDOW_UPDATE:
            room = int.from_bytes(payload[:4], "big")
            if number == 0:
                self.send_window += room
            elif stream is not None:
                stream.send_window += room
        if kind in (HEADERS, CONTINUATION) and flags & END_HEADERS:
            # Also of calls that have ended here: the decoder has to see every block.
            headers = dict(self._decoder.decode(self._headers, raw=True))
            if stream is not None:
                stream.on_headers(headers)
        if kind in (DATA, HEADERS) and flags & END_STREAM and stream is not None:
            stream.on_end()

    def _on_settings(self, payload):
        for at in range(0, len(payload) - 5, 6):
            name, value = struct.unpack_from(">HI", payload, at)
            if name == INITIAL_WINDOW:
                for stream in self.streams.values():
                    stream.send_window += value - self.initial_send_window
                self.initial_send_window = value
            elif name == 3:
                self.most_streams = value
        self.write(_frame(SETTINGS, ACK, 0))

    def _end(self, why):
        if self.gone is None:
            self.gone = why
            self.socket.close()
            for stream in list(self.streams.values()):
                stream.on_gone()


# ---- Other users ----


class AsUser:
    """A process of another user, with the groups given, that runs `function` and pickles what it returns. It has no file
    of ours but sockets among the arguments."""

    def __init__(self, uid, groups, function, *args):
        # What this process has not printed would be printed twice.
        sys.stdout.flush()
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            sockets = [each for each in args if isinstance(each, socket.socket)]
            self._run(uid, groups, writing, sockets, lambda: function(*args))
        os.close(writing)
        self.reading = os.fdopen(reading, "rb")

    @staticmethod
    def _run(uid, groups, writing, sockets, function):
        code = 1
        try:
            # A connection ends when nobody has it any more.
            kept = {0, 1, 2, writing, *(each.fileno() for each in sockets)}
            for descriptor in map(int, os.listdir("/proc/self/fd")):
                if descriptor not in kept:
                    try:
                        os.close(descriptor)
                    except OSError:
                        pass  # that of the listing itself
            if os.geteuid() == 0:
                os.setgroups(groups)
                os.setgid(groups[0] if groups else uid)
                os.setuid(uid)
            answer = (True, function())
            code = 0
        except BaseException:  # pylint: disable=broad-except
            answer = (False, traceback.format_exc())
        try:
            with os.fdopen(writing, "wb") as out:
                pickle.dump(answer, out)
        finally:
            os._exit(code)

    def result(self):
        """What the function returned. Waits for it."""
        with self.reading:
            data = self.reading.read()
        self._reap()
        succeeded, value = pickle.loads(data) if data else (False, "it was ended")
        if not succeeded:
            raise AssertionError(f"in another process:\n{value}")
        return value

    def end(self):
        """Ends it, if it has not ended."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()
            self.reading.close()

    def _reap(self):
        os.waitpid(self.pid, 0)
        self.pid = None


class Dialler:
    """Connects to the socket at `path` as another user."""

    def __init__(self, path, uid, groups):
        self._ours, theirs = socket.socketpair()
        self._process = AsUser(uid, groups, self._serve, theirs, str(path))
        theirs.close()

    @staticmethod
    def _serve(theirs, path):
        while theirs.recv(1):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            error = connection.connect_ex(path)
            socket.send_fds(theirs, [struct.pack("i", error)], [connection.fileno()])
            connection.close()

    def connect(self, window=WINDOW):
        """A Connection. PermissionError, and other OSErrors: the kernel does not let this user connect."""
        self._ours.send(b"c")
        answer, descriptors, _, _ = socket.recv_fds(self._ours, 4, 1)
        connected = socket.socket(fileno=descriptors[0])
        error, = struct.unpack("i", answer)
        if error != 0:
            connected.close()
            raise OSError(error, os.strerror(error))
        return Connection(connected=connected, window=window)

    def close(self):
        self._ours.shutdown(socket.SHUT_RDWR)
        self._ours.close()
        self._process.result()
