"""The only provider goes away for a while, and comes back: the intent waits meanwhile, and finishes."""
import time
import unittest

from harness import DONE, E2eTest, is_long_run
from link import Network, can_make_networks
from peers import write_random

MIB = 1 << 20
ANYONE = '[serve]\nmode = "anyone"\n'
AWAY_SECONDS = 60 if is_long_run() else 6


@unittest.skipUnless(can_make_networks(), "wants root and /dev/net/tun")
class Outage(E2eTest):
    alone = True  # run_unittests.py: it measures

    def test_the_only_provider_is_away(self):
        network = Network(seed=5)
        network.__enter__()
        self.addCleanup(network.close)
        far, near = network.add_namespace("far"), network.add_namespace("near")
        network.link("wan", "far", "10.97.0.1", "near", "10.97.0.2", delay="1ms", rate="8MB/s", queue="20ms")
        # A port of its own: it comes back where it was.
        provider = self.start_daemon("far", ANYONE, listen="10.97.0.1:11204", namespace=far)
        getter = self.start_daemon("near", listen="0.0.0.0:0", namespace=near)
        size = 48 * MIB
        source = write_random(self.directory / "source", size)
        blob_hash = provider.add(source)
        queued = getter.ctl("queue", "-q", blob_hash, "--from", provider.provider)
        self.assertEqual(queued.code, DONE, queued.text)

        def intent():
            return getter.ctl("intents", "--all", "--json").json()["intents"][0]
        getter.wait_until("a part is there", lambda: int(intent().get("verifiedBytes", 0)) > size // 8)
        provider.kill()
        time.sleep(AWAY_SECONDS)
        waiting = intent()
        self.assertIn(waiting["state"], ("INTENT_STATE_QUEUED", "INTENT_STATE_WAITING", "INTENT_STATE_RUNNING"), waiting)
        had = int(waiting["verifiedBytes"])
        self.assertLess(had, size)
        self.assertEqual(getter.ctl("why", queued.value).code, DONE)
        provider.start()
        back = time.monotonic()
        watched = getter.ctl("watch", queued.value)
        self.assertEqual(watched.code, DONE, watched.text)
        print(f"{AWAY_SECONDS} s away, there {time.monotonic() - back:.1f} s after it was back ... ", end="", flush=True)
        # What was verified before it went was kept.
        shares = [int(transfer.get("verifiedBytes", 0)) for transfer in getter.transfers()]
        self.assertLessEqual(sum(shares), size)
        target = self.directory / "target"
        self.assertEqual(getter.ctl("export", blob_hash, "-o", target).code, DONE)
        self.assert_same_file(target, source)


if __name__ == "__main__":
    unittest.main()
