"""A daemon that has nothing to do: how soon it is ready, what it holds, how often it wakes."""
import contextlib
import re
import socket
import subprocess
import time

import harness
from getters import fresh_blobd
from intents import ENOUGH, queue_many
from measure import Run
from processes import resident_kib, wakes
from tools import BENCH

TOLD_WITHIN = 5  # seconds after which a start has told how far it is
SETTLING = 3  # seconds until what belongs to the start is over


def _at_rest(pid, seconds):
    time.sleep(SETTLING)
    before = wakes(pid)
    time.sleep(seconds)
    return Run(kib=resident_kib(pid), wakes_per_second=(wakes(pid) - before) / seconds)


def blobd_idle(work, seconds):
    with fresh_blobd(work) as daemon:
        return _at_rest(daemon.pid, seconds)


def empty_server_idle(work, seconds):
    """A gRPC server without a method, linked as blobd is (empty_server.cc)."""
    server = subprocess.Popen([str(BENCH / "blobd_empty_server"), str(work.output("empty.sock"))],
                              stdout=subprocess.PIPE)
    try:
        server.stdout.readline()  # it listens
        return _at_rest(server.pid, seconds)
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


class Starts:
    """Over a registry with so many intents, which is filled once, until READY=1 is told to whoever started it."""

    def __init__(self, work, count):
        self._work, self._count = work, count
        self._daemon = None

    def _filled(self):
        if self._daemon is None:
            daemon = harness.Daemon(self._work.directory(f"start-{self._count}"), ENOUGH).start()
            queue_many(daemon, self._count)
            daemon.stop()
            self._daemon = daemon
        return self._daemon

    def __call__(self):
        daemon = self._filled()
        path = self._work.output("notify")
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
            manager.bind(str(path))
            manager.settimeout(120)
            started = time.monotonic()
            daemon.launch({"NOTIFY_SOCKET": str(path)})
            told = []
            try:
                while not told or "READY=1" not in told[-1].splitlines():
                    told.append(manager.recv(65536).decode())
                seconds = time.monotonic() - started
            finally:
                # Nobody reads any more, so that nothing it says at its end can wait.
                manager.close()
                daemon.stop()
        _see_that_it_tells(told[:-1], seconds)
        return Run(seconds=seconds)


def _see_that_it_tells(messages, seconds):
    """Whoever waits for a long start hears how far it is, and is asked for the time."""
    if not messages or any("EXTEND_TIMEOUT_USEC=" not in message for message in messages):
        raise RuntimeError(f"a start did not ask for time: {messages}")
    done = [int(count) for message in messages for count in re.findall(r"intents: (\d+)", message)]
    if seconds > TOLD_WITHIN and not any(done):
        raise RuntimeError(f"a start of {seconds:.0f} s did not tell how far it was: {messages}")
