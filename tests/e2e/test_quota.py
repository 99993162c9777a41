"""What one user may have: unfinished, in bytes (`bytes_per_uid`; more of it in lib/engine/quota_test.cc), and under way."""
import subprocess

from api_world import OWNER_UID, ApiTest
from harness import DONE, NO_SPACE, TIMEOUT
from peers import write_random

KIB = 1 << 10


class BytesQuota(ApiTest):
    more_config = 'bytes_per_uid = "1MB"\n'

    def setUp(self):
        super().setUp()
        self.server = self.start_daemon("server", '[serve]\nmode = "anyone"\n')

    def blob(self, size):
        return self.server.add(write_random(self.directory / f"blob{size}", size, size))

    def get(self, uid, blob):
        """`blobctl get` of a member."""
        return subprocess.run(self.daemon.ctl_command("get", blob, "--from", self.server.provider), capture_output=True,
                              text=True, user=uid, group=uid, extra_groups=[self.group], cwd="/", check=False)

    def test_what_proves_to_be_beyond_it_fails_with_the_reason(self):
        small, large = self.blob(700 * KIB), self.blob(3000 * KIB)
        self.assertEqual(self.get(OWNER_UID, small).returncode, DONE)
        failed = self.get(OWNER_UID, large)
        self.assertEqual(failed.returncode, NO_SPACE, failed.stderr)
        self.assertIn(f"quota: with it the unfinished intents of uid {OWNER_UID} want", failed.stderr)
        self.assertIn("the limit is", failed.stderr)
        # Root has none, and what an administrator changes is in force at once.
        self.assertEqual(self.ctl("get", large, "--from", self.server.provider).code, DONE)
        self.ctl("rm", "--force", large)
        config = self.directory / "blobd.toml"
        config.write_text(config.read_text().replace('"1MB"', '"4MB"'))
        self.ctl("reload")
        self.assertEqual(self.get(OWNER_UID, large).returncode, DONE)


class Crowd(ApiTest):
    def test_adds_of_many_small_files_wait_for_each_other(self):
        """Each has more under way than a third of what one user may have."""
        trees = []
        for number in range(4):
            tree = self.directory / f"tree{number}"
            tree.mkdir()
            for file in range(150):
                # Too large to go with others in one call.
                (tree / f"{file}").write_text(f"{number} {file}".ljust(17_000))
            tree.chmod(0o755)
            trees.append(tree)
        adds = [subprocess.Popen(self.daemon.ctl_command("add", "-q", str(tree)), stdout=subprocess.PIPE, text=True,
                                 stderr=subprocess.PIPE, user=OWNER_UID, group=OWNER_UID, extra_groups=[self.group], cwd="/")
                for tree in trees]
        for add in adds:
            _, errors = add.communicate(timeout=TIMEOUT)
            self.assertEqual(add.returncode, DONE, errors)
        # Each tree's files, the names that all have, and each tree's list.
        self.assertEqual(self.ctl("status", "--json").json()["store"]["completeBlobs"], str(4 * 151 + 1))
