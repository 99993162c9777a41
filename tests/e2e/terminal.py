"""A program on a terminal of a given size, as a person has it before them."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time


class Terminal:
    """Standard input, output and error of the program are one terminal, which is also its controlling one: what is
    typed as Ctrl-C interrupts it."""

    def __init__(self, command, columns=100, lines=30, environment=None, cwd=None, errors=None):
        """`errors`: a file for its standard error, which is no terminal then."""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = dict(os.environ if environment is None else environment)
        environment.setdefault("TERM", "xterm")
        environment.pop("COLUMNS", None)
        # No preexec_fn: other threads may be about.
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["setsid", "--ctty", *command], cwd=cwd, env=environment, stdin=theirs, stdout=theirs,
            stderr=errors or theirs)
        os.close(theirs)
        self.seen = b""

    def type(self, text):
        os.write(self._ours, text.encode())

    def _read(self, seconds):
        """Takes what comes within that time; False if the program has let go of the terminal."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return self.process.poll() is None
        try:
            piece = os.read(self._ours, 65536)
        except OSError:
            return False
        self.seen += piece
        return bool(piece)

    def expect(self, text, timeout):
        """Reads until `text` was seen, from the beginning on."""
        deadline = time.monotonic() + timeout
        while text.encode() not in self.seen:
            if not self._read(0.1) or time.monotonic() > deadline:
                raise AssertionError(f"{text!r} has not come, but {self.seen[-3000:]!r}")

    def look(self, seconds):
        """Takes what comes within that time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._read(0.1):
            pass

    def wait(self, timeout):
        """Reads until the program has ended; returns its exit code."""
        deadline = time.monotonic() + timeout
        while self._read(0.1):
            if time.monotonic() > deadline:
                self.close()
                raise AssertionError(f"it did not end within {timeout} s: {self.seen[-2000:]!r}")
        return self.process.wait(10)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1
