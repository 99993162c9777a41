"""Who may do what, by the groups that the kernel says a caller has."""
import os
import subprocess
import unittest

from harness import BLOBCTL, DONE, PERMISSION, E2eTest

SOME_UID, SOME_GROUP = 12345, 23456


def run_as(command, groups=(), group=SOME_UID):
    return subprocess.run(command, user=SOME_UID, group=group, extra_groups=list(groups), capture_output=True, text=True,
                          timeout=60, check=False, cwd="/")


@unittest.skipUnless(os.geteuid() == 0, "only root may act as somebody else")
class AdminGroup(E2eTest):
    def setUp(self):
        super().setUp()
        if run_as([str(BLOBCTL), "--version"]).returncode != 0:
            self.skipTest("another user may not run blobctl here")

    def open_to_all(self, daemon):
        os.chmod(daemon.directory, 0o755)
        os.chmod(self.directory, 0o755)
        os.chmod(daemon.socket, 0o666)

    def change_limit(self, daemon, **who):
        return run_as(daemon.ctl_command("limits", "requests=7"), **who)

    def test_members_of_group_root_are_administrators_unless_another_is_configured(self):
        self.open_to_all(self.daemon)
        refused = self.change_limit(self.daemon, groups=[SOME_GROUP])
        self.assertEqual(refused.returncode, PERMISSION, refused.stderr)
        self.assertIn("admin_group", refused.stderr)
        self.assertEqual(run_as(self.daemon.ctl_command("limits")).returncode, DONE)
        for who in ({"groups": [0, SOME_GROUP]}, {"group": 0}):
            self.assertEqual(self.change_limit(self.daemon, **who).returncode, DONE)
        nobodys = self.start_daemon("nobodys", 'admin_group = ""\n')
        self.open_to_all(nobodys)
        self.assertEqual(self.change_limit(nobodys, groups=[0]).returncode, PERMISSION)

    def test_a_group_that_is_not_there_stops_the_start(self):
        for group, said in (("no-such-group-here", "there is no group"), ("nogroup", "take another")):
            with self.subTest(group):
                other = self.start_daemon(f"of-{group}", f'admin_group = "{group}"\n', wait=False)
                other.state.mkdir()
                done = subprocess.run(other.command(), capture_output=True, text=True, timeout=60, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
