"""What a service manager sees of blobd, and gives it: readiness, status, watchdog, reload, credentials, sockets."""
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time
import unittest
from pathlib import Path

from harness import BLOBCTL, BLOBD, DONE, INTERRUPTED, TIMEOUT, E2eTest, is_long_run

WATCHDOG_SECONDS = 4


class Manager:
    """The receiving end of sd_notify(3)."""

    def __init__(self, path):
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.messages = []

    def close(self):
        self._socket.close()

    def receive(self, seconds):
        """The next message as a dictionary; None if there is none in that time."""
        if not select.select([self._socket], [], [], seconds)[0]:
            return None
        text = self._socket.recv(65536).decode()
        message = dict(line.split("=", 1) for line in text.splitlines())
        self.messages.append(message)
        return message

    def drain(self):
        """As a service manager that reads on: sd_notify(3) waits while ten messages lie unread."""
        while self.receive(0):
            pass

    def wait_for(self, key, timeout=TIMEOUT):
        """The next message that has this key."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            message = self.receive(max(0.0, deadline - time.monotonic()))
            if message is not None and key in message:
                return message
        raise AssertionError(f"no {key} within {timeout} s; there were {self.messages[-5:]}")


class SupervisedTest(E2eTest):
    watchdog = None

    def prepare(self):
        self.manager = Manager(self.directory / "notify")
        self.addCleanup(self.manager.close)
        self.daemon.environment = {"NOTIFY_SOCKET": str(self.manager.path)}
        if self.watchdog:
            self.daemon.environment["WATCHDOG_USEC"] = str(self.watchdog * 1_000_000)


class NotifyTest(SupervisedTest):
    def test_a_start_is_told_step_by_step_and_an_end_asks_for_time(self):
        ready = self.manager.wait_for("READY")
        node = self.daemon.status()["nodeId"]
        self.assertEqual(ready["STATUS"], f"Serving as node {node}")
        before = [m["STATUS"] for m in self.manager.messages if "READY" not in m]
        self.assertEqual(before[:3], ["Opening the registry", "Opening the store", "Loading intents: 0 so far"])
        for message in self.manager.messages[:-1]:
            self.assertGreater(int(message["EXTEND_TIMEOUT_USEC"]), 10_000_000)
        self.assertEqual(self.daemon.stop(), 0)
        stopping = self.manager.wait_for("STOPPING")
        self.assertIn("Draining", stopping["STATUS"])
        self.assertGreater(int(stopping["EXTEND_TIMEOUT_USEC"]), 10_000_000)

    def test_the_status_says_what_is_done(self):
        self.manager.wait_for("READY")
        self.queue("0" * 64, "--from", "1" * 64 + "@127.0.0.1:9", "--patience", "1h")
        self.assertIn("; 1 requests, 0 transfers", self.manager.wait_for("STATUS")["STATUS"])
        self.ctl("pause", "--everything")
        while "everything is paused" not in self.manager.wait_for("STATUS")["STATUS"]:
            pass


class WatchdogTest(SupervisedTest):
    watchdog = WATCHDOG_SECONDS

    def test_it_is_fed_in_time_and_not_while_the_process_is_stopped(self):
        self.manager.wait_for("READY")
        last = time.monotonic()
        for _ in range(5):
            self.manager.wait_for("WATCHDOG")
            self.assertLess(time.monotonic() - last, WATCHDOG_SECONDS)
            last = time.monotonic()
        os.kill(self.daemon.pid, signal.SIGSTOP)
        self.addCleanup(self._go_on, self.daemon.pid)
        while self.manager.receive(0.1):
            pass
        self.assertIsNone(self.manager.receive(WATCHDOG_SECONDS))
        os.kill(self.daemon.pid, signal.SIGCONT)
        self.manager.wait_for("WATCHDOG")

    @staticmethod
    def _go_on(pid):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


class IdleTest(SupervisedTest):
    watchdog = 30  # as in the unit
    seconds = 6

    def wake_ups(self):
        """How often the control loop, which is the main thread, has gone to sleep so far."""
        status = Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE).group(1))

    def test_it_hardly_wakes(self):
        self.manager.wait_for("READY")
        file = self.directory / "content"
        file.write_bytes(os.urandom(100_000))
        self.daemon.add(file)
        # One may be from the start; by the next one nothing of that is left to do.
        for _ in range(2):
            self.manager.wait_for("WATCHDOG")
        # It looks at the status every two seconds, for uploads each second, and asks the network loop every eight: two or
        # three sleeps each second. That the store asks for no tick is tested beside it; here a busy machine has its room.
        least = min(self.in_a_while() for _ in range(3))
        self.assertLess(least, 10 * self.seconds)

    def in_a_while(self):
        before = self.wake_ups()
        deadline = time.monotonic() + self.seconds
        while time.monotonic() < deadline:
            self.manager.receive(deadline - time.monotonic())
        return self.wake_ups() - before


class ReloadTest(SupervisedTest):
    config = "log_level = \"info\"\nworkers = 2\n[limits]\nrequests = 7\n"

    def reload(self, config):
        (self.directory / "blobd.toml").write_text(config)
        os.kill(self.daemon.pid, signal.SIGHUP)
        reloading = self.manager.wait_for("RELOADING")
        self.assertGreater(int(reloading["MONOTONIC_USEC"]), 0)
        self.manager.wait_for("READY")

    def limit(self, name):
        for limit in self.ctl("limits", "--json").json()["limits"]:
            if limit["name"] == name:
                return int(limit["value"])
        self.fail(f"no limit {name}")
        return None

    def test_what_can_change_does_and_each_key_is_named(self):
        self.manager.wait_for("READY")
        self.reload("log_level = \"debug\"\nworkers = 3\n[limits]\nrequests = 9\n[serve]\nmode = \"anyone\"\n")
        self.assertEqual(self.limit("requests"), 9)
        self.assertEqual(self.daemon.status()["serve"], "anyone")
        log = self.daemon.log()
        self.assertIn("limits.requests is 9 now, was 7", log)
        self.assertIn('log_level is "debug" now, was "info"', log)
        self.assertIn('serve.mode is "anyone" now, was the default', log)
        self.assertIn("workers is 3 in the configuration and needs a restart; until then it is 2", log)
        self.assertIn("keys that changed: 4", log)
        # What needs a restart is said until there was one; the rest is as it is written now.
        self.reload("workers = 3\n[limits]\nrequests = 9\n")
        self.assertIn("keys that changed: 3", self.daemon.log())
        self.assertEqual(self.daemon.status()["serve"], "listed")

    def test_a_file_that_cannot_be_used_changes_nothing(self):
        self.manager.wait_for("READY")
        self.reload("[limits]\nrequests = 9\nunheard_of = 1\n")
        self.assertEqual(self.limit("requests"), 7)
        self.assertIn("nothing changes: ", self.daemon.log())
        self.assertIn("blobd.toml:3: unknown key limits.unheard_of", self.daemon.log())

    def test_a_limit_that_was_set_to_stay_stays(self):
        self.manager.wait_for("READY")
        self.ctl("limits", "requests=5", "--persist")
        self.reload("[limits]\nrequests = 9\n")
        self.assertEqual(self.limit("requests"), 5)
        self.ctl("limits", "--reset", "requests")
        self.assertEqual(self.limit("requests"), 9)

    def test_what_is_advertised_from_now_on_is_not_dialled(self):
        self.manager.wait_for("READY")
        node = "2" * 64
        self.ctl("queue", "-q", "1" * 64, "--from", f"{node}@192.0.2.55:1", "--patience", "1h")
        self.reload("advertise = [\"192.0.2.55:1\"]\n")
        remote = json.dumps(self.ctl("remote", node, "--json").json())
        self.assertIn("ADDRESS_USAGE_OURS", remote)

    def test_reloads_that_overlap_end_with_what_is_written_last(self):
        self.manager.wait_for("READY")
        for requests in range(100, 140):
            new = self.directory / "new.toml"
            new.write_text(f"[limits]\nrequests = {requests}\n")
            new.rename(self.directory / "blobd.toml")
            os.kill(self.daemon.pid, signal.SIGHUP)
            self.manager.drain()
        self.daemon.wait_until("the last one holds", lambda: self.manager.drain() or self.limit("requests") == 139)
        self.assertNotIn("nothing changes", self.daemon.log())

    def test_a_node_that_is_not_listed_any_more_is_not_served(self):
        self.manager.wait_for("READY")
        file = self.directory / "content"
        file.write_bytes(os.urandom(100_000))
        blob = self.daemon.add(file)
        other = self.start_daemon("other")
        get = ("get", blob, "--from", self.daemon.provider, "--json")
        self.reload(f"[serve]\nnodes = [\"{other.status()['nodeId']}\"]\n")
        self.assertEqual(other.ctl(*get).code, DONE)
        self.reload("[serve]\nnodes = []\n")
        other.ctl("rm", "--force", blob)
        self.assertNotEqual(other.ctl(*get).code, DONE)


class CredentialTest(E2eTest):
    def prepare(self):
        credentials = self.directory / "credentials"
        credentials.mkdir()
        (credentials / "blobd.node-key").write_text("07" * 32 + "\n")
        self.daemon.environment = {"CREDENTIALS_DIRECTORY": str(credentials)}

    def test_the_key_is_the_credential_and_is_written_nowhere(self):
        with_credential = self.daemon.status()["nodeId"]
        self.assertFalse((self.daemon.state / "node.key").exists())
        self.daemon.stop()
        self.daemon.environment = {}
        self.daemon.start()
        self.assertNotEqual(self.daemon.status()["nodeId"], with_credential)
        self.daemon.stop()
        self.daemon.environment = {"CREDENTIALS_DIRECTORY": str(self.directory / "credentials")}
        self.daemon.start()
        self.assertEqual(self.daemon.status()["nodeId"], with_credential)

    def test_a_credential_that_is_no_key_stops_the_start(self):
        self.daemon.stop()
        (self.directory / "credentials" / "blobd.node-key").write_text("not a key")
        self.daemon.launch(self.daemon.environment)
        self.assertEqual(self.daemon._process.wait(TIMEOUT), 1)
        self.assertIn("is not a key: want 64 hex digits", self.daemon.log())


class RestartTest(E2eTest):
    """Sockets that are passed in outlive the daemon, and its callers only wait."""

    config = ("data_socket = \"/nowhere/data.sock\"\nmetrics_socket = \"/nowhere/metrics.sock\"\n"
              "socket_group = \"nobody\"\n")

    def prepare(self):
        self.sockets = []
        for name, kind in (("blobd-data.sock", socket.SOCK_SEQPACKET), ("blobd.sock", socket.SOCK_STREAM)):
            listening = socket.socket(socket.AF_UNIX, kind)
            listening.bind(str(self.directory / name))
            listening.listen(100)
            self.sockets.append(listening)
            self.addCleanup(listening.close)
        plain = self.daemon.command()
        # systemd's way: from 3 on, and the pid of who shall take them.
        first, second = (s.fileno() for s in self.sockets)
        script = (f'exec 20<&{first} 21<&{second}; exec 3<&20 4<&21 20<&- 21<&-; '
                  'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"')
        self.daemon.command = lambda: ["bash", "-c", script, "bash", *plain]
        self.daemon.inherited = [s.fileno() for s in self.sockets]

    def test_what_the_configuration_says_of_sockets_is_not_used_and_that_is_said(self):
        log = self.daemon.log()
        self.assertRegex(log, r'data_socket = "/nowhere/data.sock" in the configuration is not used: .*, for this '
                         + str(self.directory / "blobd-data.sock"))
        self.assertRegex(log, r'metrics_socket = "/nowhere/metrics.sock" .* and none for this')
        self.assertIn("socket_group in the configuration is not used", log)

    def test_a_get_outlives_a_restart_and_kill(self):
        content = os.urandom(300_000)
        (self.directory / "content").write_bytes(content)
        other = self.start_daemon("other", "[serve]\nmode = \"anyone\"\n")
        blob = other.add(self.directory / "content")
        provider = other.provider
        address = provider.split("@")[1]
        other.stop()
        # Nobody has it yet, so it waits over the restarts.
        target = self.directory / "got"
        get = subprocess.Popen([str(BLOBCTL), "--socket", str(self.daemon.socket), "get", blob, "--from", provider,
                                "--patience", "1h", "-o", str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(get.wait)
        self.addCleanup(get.kill)
        self.daemon.wait_until("it is queued", lambda: self.daemon.ctl("intents", "-q").value)
        self.daemon.stop()
        self.daemon.start()
        self.assertIsNone(get.poll())
        self.daemon.kill()
        # Nobody accepts now, and this one waits like the other.
        asks = subprocess.Popen(self.daemon.ctl_command("intents", "-q"), stdout=subprocess.PIPE)
        self.daemon.start()
        self.assertEqual(asks.communicate(timeout=TIMEOUT)[0].decode().split(), ["1"])
        self.assertIsNone(get.poll())
        other._listen = address
        other.start()
        self.assertEqual(get.wait(TIMEOUT), DONE, get.stderr.read().decode())
        self.assertEqual(target.read_bytes(), content)

    def test_no_call_is_lost(self):
        # Neither those that are cut nor those that come meanwhile: what only reads, and what is queued.
        commands = 2 * [("status", "-q"), ("queue", "-q", "5a" * 32)]
        queued = 0
        for end in (self.daemon.stop, self.daemon.kill, self.daemon.stop):
            calls = [self.daemon.ctl_start(*command) for command in commands]
            time.sleep(0.1)
            end()
            calls += [self.daemon.ctl_start(*command) for command in commands]
            self.daemon.start()
            for call in calls:
                self.assertEqual(call.wait(TIMEOUT), DONE, call.stderr.read().decode())
                call.stdout.close()
                call.stderr.close()
            queued += len(calls) // 2
        intents = self.daemon.ctl("intents", "-q", "--all").value.split()
        self.assertEqual(len(intents), queued, "each was queued once")

    def test_a_long_wait_for_the_daemon_is_said_once(self):
        self.daemon.kill()
        asks = self.daemon.terminal("status", "-q")
        self.addCleanup(asks.close)
        quiet = self.daemon.ctl_start("status", "-q")
        speaks = self.daemon.terminal("status")
        self.addCleanup(speaks.close)
        speaks.expect("blobctl: waiting for blobd at ", TIMEOUT)
        # Longer than the minute that a daemon without a manager has, in the long form.
        time.sleep(70 if is_long_run() else 3)
        self.assertIsNone(quiet.poll())
        self.daemon.start()
        self.assertEqual(speaks.wait(TIMEOUT), DONE, speaks.seen)
        self.assertEqual(speaks.seen.count(b"waiting for blobd"), 1)
        self.assertEqual(asks.wait(TIMEOUT), DONE)
        self.assertNotIn(b"waiting", asks.seen)
        output, errors = quiet.communicate(timeout=TIMEOUT)
        self.assertEqual((quiet.returncode, errors), (DONE, b""), output)

    def test_a_wait_for_the_daemon_can_be_interrupted(self):
        self.daemon.kill()
        asks = self.daemon.terminal("intents")
        self.addCleanup(asks.close)
        asks.expect("waiting for blobd", TIMEOUT)
        asks.type("\x03")
        self.assertEqual(asks.wait(TIMEOUT), INTERRUPTED)
        self.daemon.start()

    @staticmethod
    def read(descriptor, size):
        data = b""
        while len(data) < size:
            data += os.read(descriptor, size - len(data))
        return data

    def test_a_stream_goes_on_behind_what_has_come(self):
        content = os.urandom(24 << 20)
        (self.directory / "content").write_bytes(content)
        blob = self.daemon.add(self.directory / "content")
        # Without the data socket it comes as a stream.
        (self.directory / "blobd-data.sock").unlink()
        offset, length = 12_345, len(content) - 23_456
        calls = [(self.daemon.ctl_start("cat", blob), content),
                 (self.daemon.ctl_start("cat", blob, "--offset", str(offset), "--length", str(length)),
                  content[offset:offset + length])]
        begun = [self.read(call.stdout.fileno(), 1 << 20) for call, _ in calls]
        self.daemon.kill()
        self.daemon.start()
        for (call, expected), first in zip(calls, begun):
            rest, errors = call.communicate(timeout=TIMEOUT)
            self.assertEqual(call.returncode, DONE, errors)
            self.assertEqual(first + rest, expected)


class ByHandTest(E2eTest):
    """What the unit says of files and core dumps holds without a unit."""

    def prepare(self):
        plain = self.daemon.command()
        self.daemon.command = lambda: ["bash", "-c", 'umask 0; ulimit -S -c hard; exec "$@"', "bash", *plain]

    def test_what_it_makes_is_for_nobody_else(self):
        (self.directory / "content").write_bytes(os.urandom(100_000))
        self.daemon.add(self.directory / "content")
        made = list(self.daemon.state.rglob("*"))
        self.assertGreater(len(made), 5)
        self.assertEqual([path for path in made if path.lstat().st_mode & 0o077], [])

    def test_its_memory_is_for_nobody_else(self):
        limits = Path(f"/proc/{self.daemon.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 ")
        if os.geteuid() != 0:
            self.skipTest("needs another user")
        # What is to be read of such a process belongs to root, whoever runs it.
        os.chmod(self.directory, 0o755)
        other = self.start_daemon("other", "", uid=12345)
        self.assertEqual(Path(f"/proc/{other.pid}/environ").stat().st_uid, 0)
        self.assertRegex(Path(f"/proc/{other.pid}/status").read_text(), r"Uid:\t12345\t")


class RefusalTest(E2eTest):
    def test_exit_codes_say_whether_another_try_helps(self):
        def run(*options):
            return subprocess.run([str(BLOBD), "--listen", "127.0.0.1:0", *map(str, options)],
                                  capture_output=True, timeout=TIMEOUT, check=False)
        in_use = run("--state-dir", self.daemon.state, "--socket", self.directory / "second.sock")
        self.assertEqual(in_use.returncode, 1, in_use.stderr)
        self.assertIn(b"another blobd uses", in_use.stderr)
        (self.directory / "wrong.toml").write_text("nothing = 1\n")
        wrong = run("--config", self.directory / "wrong.toml")
        self.assertEqual(wrong.returncode, 2, wrong.stderr)
        (self.directory / "shared").mkdir()
        (self.directory / "shared").chmod(0o777)
        shared = run("--state-dir", self.directory / "shared")
        self.assertEqual(shared.returncode, 3, shared.stderr)

    def test_without_threads_it_says_which_limit_that_was(self):
        if os.geteuid() != 0:
            self.skipTest("needs another user: the limit is on all processes of one")
        uid, home = 12346, self.directory / "home"
        home.mkdir()
        os.chown(home, uid, uid)
        os.chmod(self.directory, 0o755)
        def few():
            resource.setrlimit(resource.RLIMIT_NPROC, (4, 4))
        done = subprocess.run([str(BLOBD), "--listen", "127.0.0.1:0", "--state-dir", str(home / "state"), "--socket",
                               str(home / "sock")], env={"HOME": str(home)}, user=uid, group=uid, extra_groups=[],
                              preexec_fn=few, capture_output=True, timeout=TIMEOUT, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, b"(?m)^blobd: cannot run: the system gives it no more threads.*TasksMax=.*ulimit -u")

    def test_under_a_service_manager_it_waits_for_the_one_before_it(self):
        manager = Manager(self.directory / "notify")
        self.addCleanup(manager.close)
        node = self.daemon.status()["nodeId"]
        second = self.start_daemon("second", wait=False)
        second.state = self.daemon.state
        second.launch({"NOTIFY_SOCKET": str(manager.path)})
        self.assertIn("Waiting for another blobd", manager.wait_for("STATUS")["STATUS"])
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(manager.wait_for("READY")["STATUS"], f"Serving as node {node}")
        self.assertIn("waiting until it has ended: another blobd uses", second.log())


if __name__ == "__main__":
    unittest.main()
