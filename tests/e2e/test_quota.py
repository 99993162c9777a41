"""What one user may have unfinished, in bytes: `bytes_per_uid`. What it does at the limit is tested in lib/engine/quota_test.cc."""
import subprocess

from api_world import OWNER_UID, ApiTest
from harness import DONE, NO_SPACE
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
