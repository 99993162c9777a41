"""Nodes are disconnected and forgotten: two real daemons."""
import os
import subprocess
import unittest

from harness import DONE, FAILED, NOT_FOUND, PERMISSION, USAGE, E2eTest
from peers import write_random

# Slow enough to be met while it runs.
SERVED = '[serve]\nmode = "anyone"\n[limits]\nupload_rate = "1MB/s"\n'
NOBODY = "ab" * 32


class Remotes(E2eTest):
    def prepare(self):
        self.server = self.start_daemon("server", SERVED)
        self.node = self.server.status()["nodeId"]

    def remote(self, node=None):
        result = self.daemon.ctl("remote", node or self.node, "--json")
        return result.json()["remote"] if result.code == DONE else None

    def begin(self, size):
        """A transfer that runs; returns the intent."""
        blob = self.server.add(write_random(self.directory / "file", size))
        intent = self.queue(blob, "--from", self.server.provider)
        self.wait_for_bytes(intent, 1)
        return intent

    def test_a_node_that_is_disconnected_is_dialled_again_and_not_blamed(self):
        intent = self.begin(6 << 20)
        self.assertEqual(self.ctl("remotes", "disconnect", self.node).text, "we are disconnected from it\n")
        self.wait_for_state(intent, "DONE")
        remote = self.remote()
        self.assertEqual(remote["lastFailureUnixMs"], "0", remote)
        self.assertEqual(self.ctl("bans", "-q").text, "")
        self.ctl("remotes", "disconnect", NOBODY, code=NOT_FOUND)
        self.ctl("remotes", "disconnect", "x", code=USAGE)

    def test_a_node_that_gets_from_here_is_disconnected_too(self):
        intent = self.begin(6 << 20)
        us = self.daemon.status()["nodeId"]
        done = self.server.ctl("remotes", "disconnect", us, "--json")
        self.assertEqual(done.code, DONE, done.text)
        self.assertEqual(done.json(), {"wasConnected": False, "wasUploading": True})
        # It was closed in order, and comes back.
        self.wait_for_state(intent, "DONE")

    def test_a_node_is_forgotten_when_it_is_not_connected(self):
        intent = self.begin(6 << 20)
        refused = self.ctl("remotes", "forget", self.node, code=FAILED)
        self.assertIn("disconnect it first", refused.text)
        self.ctl("cancel", intent)
        self.ctl("remotes", "disconnect", self.node)
        self.daemon.wait_until("it is down", lambda: self.remote()["state"] == "REMOTE_STATE_DOWN")
        self.assertGreater(len(self.remote()["addresses"]), 0)
        self.assertEqual(self.ctl("remotes", "forget", self.node, "--json").json(), {"addresses": 1})
        self.assertIsNone(self.remote())
        self.ctl("remotes", "forget", self.node, code=NOT_FOUND)
        self.daemon.stop()
        self.daemon.start()
        self.assertIsNone(self.remote())

    def test_a_ban_is_not_forgotten(self):
        self.ctl("remotes", "add", NOBODY, "192.0.2.1:1")
        self.ctl("ban", NOBODY, "--reason", "too dear")
        self.assertIn("1 addresses", self.ctl("remotes", "forget", NOBODY).text)
        remote = self.remote(NOBODY)
        self.assertEqual((remote["banReason"], remote["addresses"]), ("too dear", []))

    def test_only_administrators_do_that(self):
        if os.geteuid() != 0:
            self.skipTest("needs another user")
        self.directory.chmod(0o755)
        self.daemon.socket.chmod(0o666)
        for command in ("forget", "disconnect"):
            done = subprocess.run(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
                                   *self.daemon.ctl_command("remotes", command, self.node)], capture_output=True, check=False)
            self.assertEqual(done.returncode, PERMISSION, done.stderr)


if __name__ == "__main__":
    unittest.main()
