"""Network namespaces, joined by emulated links (tests/link/README.md).

    with Network() as network:
        network.add_namespace("home")
        network.add_namespace("away")
        network.link("wan", "home", "10.9.0.1", "away", "10.9.0.2", delay="25ms", loss="0.1%")
        network.run("away", "ip", "route")
        network.set("wan", "a>b", rate="20MB/s")

Namespaces have the process in their names on the machine, so that runs do not meet. Whatever happens inside, what was
made is taken down at the end.
"""
import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from harness import BUILD

BLOBD_LINK = BUILD / "tests" / "link" / "blobd_link"
CLONE_NEWNET = 0x40000000
ANSWER_TIMEOUT = 20

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = iter(range(1 << 30))


class LinkError(Exception):
    """blobd_link refused a command, or has ended."""


def can_make_networks():
    """Whether this process may make namespaces and devices."""
    return os.geteuid() == 0 and os.access("/dev/net/tun", os.R_OK | os.W_OK)


@contextlib.contextmanager
def _inside(path):
    """This thread is in the network namespace at `path`, and back in its own afterwards."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _enter(own)
    finally:
        os.close(own)


def _enter(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "setns")


class Network:
    """Namespaces, links and the processes that run in them. One thread at a time."""

    def __init__(self, seed=1):
        self._prefix = f"blobd-{os.getpid()}-{next(_numbers)}"
        self._seed = seed
        self._namespaces = {}
        self._processes = []
        self._emulator = None
        self._errors = b""
        self._error_reader = None

    def __enter__(self):
        self._emulator = subprocess.Popen([str(BLOBD_LINK), "--seed", str(self._seed)], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._error_reader = threading.Thread(target=self._read_errors, daemon=True)
        self._error_reader.start()
        return self

    def __exit__(self, *failure):
        self.close()

    def close(self):
        """Ends every process and link and removes the namespaces. A second call does nothing."""
        failures = []
        with contextlib.ExitStack() as last_first:
            def then(step, *args):
                last_first.callback(self._collect, failures, step, *args)
            for name in list(self._namespaces):
                then(self._remove_namespace, name)
            then(self._end_emulator)
            for process in self._processes:
                then(self._end_process, process)
        self._processes.clear()
        if failures:
            raise failures[0]

    @staticmethod
    def _collect(failures, step, *args):
        """What cannot be taken down must not keep the rest up."""
        try:
            step(*args)
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)

    def add_namespace(self, name):
        """Makes a namespace with loopback up; returns its name on the machine."""
        full = f"{self._prefix}-{name}"
        subprocess.run(["ip", "netns", "add", full], check=True, capture_output=True, text=True)
        self._namespaces[name] = full
        subprocess.run(["ip", "-n", full, "link", "set", "lo", "up"], check=True, capture_output=True, text=True)
        return full

    @property
    def emulator_pid(self):
        """The process that carries the packets."""
        return self._emulator.pid

    def full_name(self, namespace):
        """The name of a namespace on the machine, as `ip netns` knows it."""
        return self._namespaces[namespace]

    def link(self, name, a, address_a, b, address_b, ipv6=None, mtu=1500, offload=True, **settings):
        """Joins namespaces `a` and `b`; `ipv6` is a pair of addresses. Settings hold for both directions."""
        self._command("link", name, self.full_name(a), address_a, self.full_name(b), address_b, *(ipv6 or ()),
                      f"mtu={mtu}", f"offload={'on' if offload else 'off'}")
        if settings:
            self.set(name, "both", **settings)

    def set(self, name, direction="both", **settings):
        """Changes settings of `direction`: "a>b", "b>a" or "both"."""
        self._command("set", name, direction, *(f"{key}={value}" for key, value in settings.items()))

    def dark(self, name, is_dark, direction="both"):
        """While a direction is dark, nothing passes."""
        self._command("dark", name, direction, "on" if is_dark else "off")

    def at(self, delay, *command):
        """Has a command carried out later: at("5s", "dark", "wan", "on")."""
        self._command("at", delay, *command)

    def stats(self, name):
        """What the directions "a>b" and "b>a" have counted."""
        return json.loads(self._command("stats", name))

    def command_in(self, namespace, *command):
        """The command line that runs `command` in the namespace."""
        return ["nsenter", f"--net=/run/netns/{self.full_name(namespace)}", "--", *map(str, command)]

    def run(self, namespace, *command, **kwargs):
        """subprocess.run in the namespace."""
        return subprocess.run(self.command_in(namespace, *command), **{"check": True, "timeout": 60, **kwargs})

    def start(self, namespace, *command, **kwargs):
        """subprocess.Popen in the namespace. The process is ended with the network."""
        process = subprocess.Popen(self.command_in(namespace, *command), **kwargs)
        self._processes.append(process)
        return process

    def socket(self, namespace, family=socket.AF_INET, kind=socket.SOCK_DGRAM, protocol=0):
        """A socket that belongs to the namespace, for use in this process."""
        with _inside(f"/run/netns/{self.full_name(namespace)}"):
            return socket.socket(family, kind, protocol)

    def inside(self, namespace):
        """A context in which this thread is in the namespace, and what it starts."""
        return _inside(f"/run/netns/{self.full_name(namespace)}")

    def _command(self, *words):
        line = " ".join(map(str, words))
        if "\n" in line:
            raise LinkError(f"more than one line: {line!r}")
        try:
            self._emulator.stdin.write(line.encode() + b"\n")
            self._emulator.stdin.flush()
        except OSError as failure:
            raise LinkError(f"{line}: blobd_link is gone: {self._errors.decode(errors='replace')}") from failure
        answer = self._read_answer(line)
        if answer != "ok" and not answer.startswith("ok "):
            raise LinkError(f"{line}: {answer}")
        return answer[3:]

    def _read_answer(self, line):
        answer = b""
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while not answer.endswith(b"\n"):
            ready = select.select([self._emulator.stdout], [], [], max(0, deadline - time.monotonic()))[0]
            if not ready:
                raise LinkError(f"{line}: no answer within {ANSWER_TIMEOUT} s")
            piece = os.read(self._emulator.stdout.fileno(), 65536)
            if not piece:
                self._error_reader.join(5)
                raise LinkError(f"{line}: blobd_link has ended: {self._errors.decode(errors='replace')}")
            answer += piece
        return answer.decode().rstrip("\n")

    def _read_errors(self):
        for line in self._emulator.stderr:
            self._errors += line

    def _remove_namespace(self, name):
        subprocess.run(["ip", "netns", "delete", self._namespaces.pop(name)], check=True, capture_output=True,
                       text=True)

    def _end_emulator(self):
        if self._emulator is None:
            return
        process, self._emulator = self._emulator, None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            code = process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            self._error_reader.join(5)
            process.stdout.close()
            process.stderr.close()
        if code != 0:
            raise LinkError(f"blobd_link ended with {code}: {self._errors.decode(errors='replace')}")

    @staticmethod
    def _end_process(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
