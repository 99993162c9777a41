"""One peer that asks for a hundred gibibytes does not keep another from its small blobs."""
import json
import subprocess
import unittest

from harness import BUILD, E2eTest, is_sanitized
from link import Network
from peers import write_random

MIB = 1 << 20
ANYONE = '[serve]\nmode = "anyone"\n'
ATTACK = BUILD / "tests" / "attack" / "blobd_attack"
SMALL_BLOBS, REQUESTS = 50, 1000
SECONDS = 120


class Fairness(E2eTest):
    """Each getter has a link of its own, so what they share is the daemon."""
    alone = True  # run_unittests.py: it measures

    def setUp(self):
        super().setUp()
        self.network = Network(seed=3)
        self.network.__enter__()
        self.addCleanup(self.network.close)
        server = self.network.add_namespace("server")
        for name in ("greedy", "modest"):
            self.network.add_namespace(name)
        self.network.link("one", "server", "10.99.1.1", "greedy", "10.99.1.2", delay="5ms", rate="60MB/s")
        self.network.link("two", "server", "10.99.2.1", "modest", "10.99.2.2", delay="5ms", rate="60MB/s")
        self.server = self.start_daemon("server", ANYONE, listen="0.0.0.0:0", namespace=server)
        status = self.server.status()
        self.node, self.port = status["nodeId"], status["listenAddresses"][0].rsplit(":", 1)[1]

    def start(self, namespace, mode, *args):
        network = {"greedy": "10.99.1.1", "modest": "10.99.2.1"}[namespace]
        return self.network.start(namespace, ATTACK, mode, "--node", self.node, "--address", f"{network}:{self.port}",
                                  "--seconds", SECONDS, *args, stdout=subprocess.PIPE, text=True)

    def small_ones(self):
        process = self.start("modest", "one-by-one", "--count", REQUESTS, *self.small)
        answer = json.loads(process.communicate(timeout=SECONDS + 30)[0])
        self.assertEqual(answer["answered"], REQUESTS)
        return answer

    # A matter of time, so for the release build only.
    if not is_sanitized():

        def test_small_blobs_beside_a_hundred_streams(self):
            size = 1024 * MIB
            sparse = self.directory / "large"
            with open(sparse, "wb") as out:
                out.truncate(size)
            large = self.server.add(sparse)
            self.small = []
            for i in range(SMALL_BLOBS):
                self.small += ["--hash", self.server.add(write_random(self.directory / f"small-{i}", 1000 + 300 * i, seed=i))]
            alone = self.small_ones()
            greedy = self.start("greedy", "bulk", "--connections", 1, "--streams", 100, "--hash", large)
            self.server.wait_until("the greedy one is served", lambda: any(
                int(upload["streams"]) >= 90 for upload in self.server.ctl("transfers", "--json").json().get("uploads", [])))
            beside = self.small_ones()
            self.assertIsNone(greedy.poll())
            ratio = beside["p99_us"] / alone["p99_us"]
            print(f"p99 {alone['p99_us'] / 1000:.1f} ms alone, {beside['p99_us'] / 1000:.1f} ms beside: {ratio:.2f} ... ",
                  end="", flush=True)
            # 3 is what is wanted; five times that is beyond what a busy machine explains.
            self.assertLess(ratio, 15)


if __name__ == "__main__":
    unittest.main()
