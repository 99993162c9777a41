"""Runs the real blobd in a directory of its own and speaks to it through the real blobctl.

BLOBD_BUILD names the build directory (build/dev if it is not set). A daemon's standard error is kept, searched for
reports of sanitizers when it has ended, and shown when a test fails.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import sandbox
from terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("BLOBD_BUILD", ROOT / "build" / "dev")).resolve()
BLOBD = BUILD / "daemon" / "blobd"
BLOBCTL = BUILD / "client" / "blobctl"
# What the harness asks again and again, it may ask with another build's: under sanitizers each start takes a third of a second.
ASKING_BLOBCTL = Path(os.environ.get("BLOBD_ASKING_BLOBCTL", BLOBCTL)).resolve()
PRELOAD = BUILD / "tests" / "faults" / "libblobd_preload.so"

# blobctl's exit codes.
DONE, FAILED, USAGE, NO_DAEMON, NOT_FOUND, PERMISSION, NO_PROVIDER, MISMATCH, NO_SPACE, TIMED_OUT, CANCELLED = range(11)
INTERRUPTED = 130

SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|broken invariant")


def is_sanitized():
    cache = BUILD / "CMakeCache.txt"
    return cache.exists() and re.search(r"^BLOBD_SANITIZE:\w+=.+", cache.read_text(), re.MULTILINE) is not None


def is_long_run():
    return os.environ.get("BLOBD_LONG") == "1"


# Everything is slower under sanitizers, and two cores may be shared with a build.
TIMEOUT = 120 if is_sanitized() else 60


class Result:
    """What one call of blobctl did."""

    def __init__(self, code, stdout, stderr, seconds):
        self.code, self.stdout, self.stderr, self.seconds = code, stdout, stderr, seconds

    @property
    def text(self):
        """Everything a user would have seen."""
        return (self.stdout + self.stderr).decode(errors="replace")

    @property
    def value(self):
        """What -q printed: one bare value."""
        return self.stdout.decode().strip()

    def json(self):
        return json.loads(self.stdout)

    def json_lines(self):
        return [json.loads(line) for line in self.stdout.splitlines() if line.strip()]


class Daemon:
    """One blobd. It can be stopped or killed and started again over the same state."""

    def __init__(self, directory, config=None, listen="127.0.0.1:0", namespace=None, uid=None):
        """`namespace`: the network namespace it runs in, made by the caller. `uid`: whom it runs as."""
        self.directory = Path(directory)
        self._listen = listen
        self._prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self._instance = None  # in the sandbox
        if sandbox.is_on():
            sandbox.refuse(a_network_of_its_own=namespace, another_user=uid is not None)
            self._instance = sandbox.next_instance()
            uid = sandbox.user()
        elif uid is not None:
            self._prefix += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        self._uid = uid
        if uid is not None:
            os.chown(directory, uid, uid)
        self.state = self.directory / "state"
        self.socket = self.directory / "blobd.sock"
        self.log_path = sandbox.log_of(self._instance) if self._instance else self.directory / "blobd.log"
        self.environment = {}  # besides ours
        self.inherited = ()  # descriptors that it is given, besides the usual ones
        self._config = None
        if config is not None:
            self._config = self.directory / "blobd.toml"
            self._config.write_text(config)
        self._process = None

    def command(self):
        command = [*self._prefix, str(BLOBD), "--state-dir", str(self.state), "--socket", str(self.socket),
                   "--listen", self._listen]
        return command + (["--config", str(self._config)] if self._config else [])

    def launch(self, environment=None):
        """Starts the process and waits for nothing. `environment`: what it has besides ours."""
        self.state.mkdir(exist_ok=True)
        if self._uid is not None:
            os.chown(self.state, self._uid, self._uid)
        if self._instance:
            program, *arguments = self.command()
            sandbox.refuse(another_program=program != str(BLOBD), descriptors_of_ours=self.inherited,
                           another_environment=environment)
            self._process = sandbox.Process(self._instance, arguments)
            return
        with open(self.log_path, "ab") as log:
            # To the daemon variables that begin like these of ours are its configuration.
            inherited = {name: value for name, value in os.environ.items() if not name.startswith("BLOBD_")}
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             env={**inherited, **(environment or {})}, pass_fds=self.inherited)

    def start(self):
        self.launch(self.environment)
        deadline = time.monotonic() + TIMEOUT
        while (asked := self.ask("status")).code != DONE:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"blobd did not come up (exit code {self._process.poll()}): {asked.text}")
            time.sleep(0.05)
        return self

    def preload(self, **settings):
        """From the next start on its calls that change files are minded (tests/faults/preload.cc)."""
        # The library comes before the sanitizer's, which does not like that.
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.environment = {"LD_PRELOAD": str(PRELOAD), "ASAN_OPTIONS": sanitizer.lstrip(":"), **settings}

    def stop(self):
        """SIGTERM, as systemd does it. Returns the exit code."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(30)
        self._process = None
        return code

    def kill(self):
        """kill -9: nothing of the process gets to run again."""
        self._process.kill()
        self._process.wait(60)  # it may be waiting for the disk
        self._process = None

    @property
    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def ctl_command(self, *args):
        return [str(BLOBCTL), "--socket", str(self.socket), *map(str, args)]

    def ctl(self, *args, stdin=b"", timeout=TIMEOUT):
        """Runs blobctl without a terminal."""
        started = time.monotonic()
        done = subprocess.run(self.ctl_command(*args), input=stdin, capture_output=True, timeout=timeout, check=False)
        return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def ask(self, *args):
        """What the daemon says, as JSON: for the harness's own questions, which are no test of blobctl."""
        _, *command = self.ctl_command(*args, "--json")
        done = subprocess.run([str(ASKING_BLOBCTL), *command], capture_output=True, timeout=TIMEOUT, check=False)
        return Result(done.returncode, done.stdout, done.stderr, 0)

    def ctl_on_terminal(self, *args, timeout=TIMEOUT, columns=100, environment=None, errors=None):
        """Runs blobctl on a terminal, as a person would; stdout and stderr come together, unless that has a file."""
        started = time.monotonic()
        terminal = self.terminal(*args, columns=columns, environment=environment, errors=errors)
        try:
            code = terminal.wait(timeout)
        finally:
            terminal.close()
        return Result(code, terminal.seen, b"", time.monotonic() - started)

    def terminal(self, *args, columns=100, environment=None, errors=None):
        """Starts blobctl on a terminal; the caller closes it."""
        return Terminal(self.ctl_command(*args), columns=columns, errors=errors, environment={
            **{name: value for name, value in os.environ.items() if name != "NO_COLOR"}, "TERM": "xterm",
            **(environment or {})})

    def ctl_start(self, *args):
        """Starts blobctl in the background."""
        return subprocess.Popen(self.ctl_command(*args), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def intent(self, intent_id):
        """One intent as the API shows it; None if it is not listed."""
        for intent in self.ask("intents", "--all").json().get("intents", []):
            if intent["intentId"] == str(intent_id):
                return intent
        return None

    def status(self):
        return self.ask("status").json()

    @property
    def provider(self):
        """The form that --from takes."""
        status = self.status()
        return f"{status['nodeId']}@{status['listenAddresses'][0]}"

    def add(self, path, *options):
        """Adds a file or directory; returns its hash."""
        result = self.ctl("add", "-q", path, *options)
        assert result.code == DONE, result.text
        return result.value

    def ticket(self, blob_hash, *options):
        """A ticket with all of this daemon's addresses, loopback too."""
        result = self.ctl("ticket", "-q", blob_hash, "--loopback", *options)
        assert result.code == DONE, result.text
        return result.value

    @property
    def pid(self):
        return self._process.pid

    def memory_kib(self):
        """Resident memory of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def transfers(self):
        """Running and recent transfers."""
        return self.ask("transfers", "--all").json().get("transfers", [])

    def wait_until(self, what, condition, timeout=TIMEOUT):
        """Asks until `condition()` is true; returns what it gave."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s: {what}")
            time.sleep(0.02)


class E2eTest(unittest.TestCase):
    """A test with a directory and a daemon of its own. Everything it started is ended after it."""

    maxDiff = None
    config = None

    def setUp(self):
        # Short, because the path of a Unix socket holds about a hundred bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="blobd-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self._ending = []
        self._others = []
        self.daemon = Daemon(self.directory, self.config)
        self.prepare()
        self.daemon.start()

    def prepare(self):
        """What is to be done before the daemon starts."""

    def tearDown(self):
        for peer in reversed(self._ending):
            peer.stop()
        ends = [self._end_daemon(daemon) for daemon in (*self._others, self.daemon)]
        for report, code in ends:
            self.assertIsNone(report, "blobd's log has a report of a sanitizer or a failed check")
            self.assertIn(code, (None, 0), "blobd did not end well on SIGTERM")

    def _end_daemon(self, daemon):
        code = daemon.stop() if daemon.is_running else None
        log = daemon.log()
        report = SANITIZER_REPORT.search(log)
        if self._has_failed() or report or code not in (None, 0):
            # A report matters from its beginning, anything else to its end.
            shown = log[report.start():][:12000] if report else log[-12000:]
            print(f"\n---- log of blobd in {daemon.directory}, {self.id()}, exit code {code} ----\n{shown}", flush=True)
        return report, code

    def _has_failed(self):
        result = self._outcome.result
        return any(getattr(test, "test_case", test) is self for test, _ in result.failures + result.errors)

    def run_peer(self, peer):
        """Ends `peer` after the test."""
        self._ending.append(peer)
        return peer

    def start_daemon(self, name, config=None, wait=True, **options):
        """One more daemon, with a state of its own; without `wait` the caller starts it later."""
        directory = self.directory / name
        directory.mkdir()
        daemon = Daemon(directory, config, **options)
        self._others.append(daemon)
        return daemon.start() if wait else daemon

    def ctl(self, *args, code=DONE, **kwargs):
        """Runs blobctl and checks its exit code; code=None takes any."""
        result = self.daemon.ctl(*args, **kwargs)
        if code is not None:
            self.assertEqual(result.code, code, f"blobctl {' '.join(map(str, args))}:\n{result.text[-3000:]}")
        return result

    def queue(self, *args):
        """Queues and returns the intent's id."""
        return int(self.ctl("queue", "-q", *args).value)

    def wait_for_state(self, intent_id, state, timeout=TIMEOUT):
        return self.daemon.wait_until(
            f"intent {intent_id} is {state}: {self.daemon.intent(intent_id)}",
            lambda: (self.daemon.intent(intent_id) or {}).get("state") == f"INTENT_STATE_{state}", timeout)

    def wait_for_bytes(self, intent_id, verified, timeout=TIMEOUT):
        """Waits until that much is verified; returns how much it was then."""
        def enough():
            now = int(self.daemon.intent(intent_id).get("verifiedBytes", 0))
            return now if now >= verified else 0
        return self.daemon.wait_until(f"intent {intent_id} has {verified} bytes", enough, timeout)

    def assert_same_file(self, path, expected):
        self.assertEqual(path.stat().st_size, expected.stat().st_size, f"size of {path}")
        same = subprocess.run(["cmp", str(path), str(expected)], capture_output=True, text=True, check=False)
        self.assertEqual(same.returncode, 0, same.stdout + same.stderr)

    def assert_same_tree(self, got, expected):
        def tree(top):
            return {str(p.relative_to(top)) for p in top.rglob("*") if p.is_file()}
        self.assertEqual(tree(got), tree(expected))
        for name in sorted(tree(expected)):
            self.assert_same_file(got / name, expected / name)

    def assert_not_readable(self, blob_hash):
        """Nothing of a blob whose bytes were wrong may come out."""
        result = self.daemon.ctl("cat", blob_hash)
        self.assertNotEqual(result.code, DONE)
        return result
