"""Daemons in the sandbox of blobd.service: instances of a unit that has every line of it but who it is for.

tests/packaging/run-sandboxed makes that unit on a booted machine and sets BLOBD_SANDBOX to the directory where daemons
may write. What a test needs that no unit could give it is refused, which leaves the test out and says why.
"""
import os
import pwd
import signal
import subprocess
import time
import unittest
from pathlib import Path

PLACE = Path(os.environ.get("BLOBD_SANDBOX") or "/nowhere")
UNIT = "blobd-e2e@{}.service"
# What the instances are started with, and their logs.
INSTANCES = PLACE / "instances"
# Waited for here: another life of the daemon may be started at once.
START_SECONDS = 30

_count = 0


def is_on():
    return "BLOBD_SANDBOX" in os.environ


def user():
    return pwd.getpwnam("blobd").pw_uid


def refuse(**needs):
    for what, needed in needs.items():
        if needed:
            raise unittest.SkipTest(f"not in the sandbox: needs {what.replace('_', ' ')}")


def next_instance():
    global _count  # pylint: disable=global-statement
    _count += 1
    return f"{os.getpid()}-{_count}"


def log_of(instance):
    return INSTANCES / f"{instance}.log"


def unit_text(installed):
    """The unit for tests, from the text of the one that is installed."""
    # Who it is for: its sockets, its state and its key; and that it is started again.
    left_out = ("ExecStart=", "ExecReload=", "Restart", "StateDirectory", "ConfigurationDirectory", "LoadCredential",
                # A call that is not allowed ends the daemon, and so the test.
                "SystemCallErrorNumber=")
    service = installed.split("[Service]\n", 1)[1].split("\n[Install]")[0]
    lines = [line for line in service.splitlines() if not line.startswith(left_out)]
    return "\n".join([
        "[Unit]", "Description=blobd for a test", "StartLimitIntervalSec=0", "[Service]", *lines,
        f"EnvironmentFile={INSTANCES}/%i.env", "ExecStart=/usr/bin/blobd $ARGUMENTS", f"ReadWritePaths={PLACE}",
        f"StandardOutput=append:{INSTANCES}/%i.log", f"StandardError=append:{INSTANCES}/%i.log", ""])


class Process:
    """One life of an instance, in the words of subprocess.Popen."""

    def __init__(self, instance, arguments):
        self._unit = UNIT.format(instance)
        (INSTANCES / f"{instance}.env").write_text(f"ARGUMENTS={' '.join(arguments)}\n")
        self.returncode = None
        subprocess.run(["systemctl", "start", "--no-block", self._unit], check=True)
        deadline = time.monotonic() + START_SECONDS
        while True:
            shown = self._show()
            self.pid = int(shown["MainPID"])
            if self.pid != 0 or shown["ActiveState"] == "failed":
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"{self._unit} was not started")
            time.sleep(0.02)

    def _show(self):
        text = subprocess.run(
            ["systemctl", "show", "-p", "ActiveState,MainPID,ExecMainCode,ExecMainStatus", self._unit],
            check=True, capture_output=True, text=True).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def poll(self):
        if self.returncode is not None or (self.pid and Path(f"/proc/{self.pid}").exists()):
            return self.returncode
        shown = self._show()
        if shown["ActiveState"] in ("inactive", "failed"):
            status = int(shown["ExecMainStatus"])
            # An instance that ended well may be forgotten already: all of that is 0 then.
            self.returncode = -status if int(shown["ExecMainCode"]) in (os.CLD_KILLED, os.CLD_DUMPED) else status
            subprocess.run(["systemctl", "reset-failed", self._unit], capture_output=True, check=False)
        return self.returncode

    def wait(self, timeout=None):
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self._unit, timeout)
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None and self.pid != 0:  # 0 would be the tests themselves
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)
