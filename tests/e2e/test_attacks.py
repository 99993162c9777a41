"""Peers that mean no good: the bounds of design/transfers.md hold, and an honest getter goes on meanwhile."""
import json
import subprocess
import time
import unittest

from harness import BUILD, DONE, E2eTest, is_sanitized
from peers import write_random

MIB = 1 << 20
ANYONE = '[serve]\nmode = "anyone"\n'
SECONDS = 6
# What the bounds allow: read buffers 64 MiB, requests 8 MiB, receive windows, and what sanitizers add to all of it.
MORE_MEMORY_KIB = (600 if is_sanitized() else 160) * 1024


class Attacks(E2eTest):
    config = ANYONE

    def setUp(self):
        super().setUp()
        self.getter = self.start_daemon("getter")
        self.blob = self.daemon.add(write_random(self.directory / "blob", 64 * MIB))
        self.honest = [self.daemon.add(write_random(self.directory / f"honest-{i}", 24 * MIB, seed=i)) for i in range(2)]

    def get(self, blob_hash):
        """Bytes per second at which an honest getter gets a blob."""
        started = time.monotonic()
        result = self.getter.ctl("get", blob_hash, "--from", self.daemon.provider, timeout=120)
        self.assertEqual(result.code, DONE, result.text)
        return 24 * MIB / (time.monotonic() - started)

    def attack(self, mode, *args):
        node, address = self.daemon.provider.split("@")
        alone = self.get(self.honest[0])
        before = self.daemon.memory_kib()
        attacker = subprocess.Popen(
            [str(BUILD / "tests" / "attack" / "blobd_attack"), mode, "--node", node, "--address", address,
             "--hash", self.blob, "--seconds", str(SECONDS), *map(str, args)], stdout=subprocess.PIPE, text=True)
        memory, descriptors, rate = [], [], None
        while attacker.poll() is None:
            memory.append(self.daemon.memory_kib())
            descriptors.append(self.daemon.descriptors())
            if rate is None and len(memory) > 20:
                rate = self.get(self.honest[1])
            time.sleep(0.05)
        did = json.loads(attacker.stdout.read())
        attacker.stdout.close()
        self.assertEqual(attacker.returncode, 0)
        print(f"{did}, memory + {(max(memory) - before) // 1024} MiB, {max(descriptors)} descriptors, "
              f"honest getter at {rate / alone:.2f} of {alone / MIB:.0f} MiB/s ... ", end="", flush=True)
        self.assertLess(max(memory) - before, MORE_MEMORY_KIB)
        self.assertLess(max(descriptors), 300)
        # The attacker takes its share of two cores too; without fairness the honest one would come to a stop.
        self.assertGreater(rate, 0.1 * alone)
        self.assertEqual(self.daemon.ctl("status").code, DONE)
        return did

    def test_requests_without_an_end(self):
        did = self.attack("no-fin", "--connections", 8, "--streams", 200)
        self.assertGreater(did["opened"], 1000)

    def test_answers_that_are_never_read(self):
        did = self.attack("never-read", "--connections", 8, "--streams", 50)
        self.assertGreaterEqual(did["opened"], 400)

    def test_resets_at_random_bytes(self):
        did = self.attack("reset", "--connections", 2, "--streams", 10)
        self.assertGreater(did["ended"], 10)

    def test_ten_thousand_connection_attempts(self):
        did = self.attack("connect", "--rate", 2500)
        self.assertGreaterEqual(did["sent"], 10_000)

    def test_a_flood_of_pings(self):
        did = self.attack("disco", "--rate", 5000)
        self.assertGreaterEqual(did["sent"], 20_000)

    def test_garbage(self):
        self.attack("garbage", "--rate", 5000)


if __name__ == "__main__":
    unittest.main()
