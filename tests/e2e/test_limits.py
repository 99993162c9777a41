"""Limits of the bandwidth: of downloads and uploads, of nodes and mirrors, as they are set, kept, changed and removed.

Times are asserted where a limit makes them: never faster than it allows, and many times that at the latest. The long run
measures the rates at the sender's interface.
"""
import time
import unittest

from harness import DONE, USAGE, E2eTest, is_long_run
from link import Network, can_make_networks
from nginx import Nginx
from peers import write_random

KIB, MIB, MB = 1 << 10, 1 << 20, 1_000_000
ANYONE = '[serve]\nmode = "anyone"\n'


class LimitsTest(E2eTest):
    """A daemon that gets, a server node and a web server."""

    getter_config = ""

    def prepare(self):
        self.nginx = self.run_peer(Nginx(self.directory / "nginx"))
        self.server = self.start_daemon("server", ANYONE)
        self.daemon = self.start_daemon(
            "getter", f'[mirrors]\nallow_local = true\n{self.getter_config}', wait=False)
        self._others.remove(self.daemon)

    def limits(self):
        return {limit["name"]: limit for limit in self.ctl("limits", "--json").json()["limits"]}

    def put(self, size, seed=0):
        """A file that both have; its hash."""
        path = write_random(self.nginx.www / f"file{seed}", size, seed)
        return self.server.add(path)

    def seconds_of(self, blob_hash, provider):
        result = self.ctl("get", blob_hash, "--from", provider)
        self.assertEqual({t["state"] for t in self.daemon.transfers()}, {"TRANSFER_STATE_DONE"}, "nothing was tried twice")
        return result.seconds


class Rates(LimitsTest):
    def test_downloads_from_a_node(self):
        blob = self.put(4 * MIB)
        self.ctl("limits", "download_rate=1MB/s")
        # The first window comes unasked.
        seconds = self.seconds_of(blob, self.server.provider)
        self.assertGreater(seconds, 3)
        self.assertLess(seconds, 4.2 * 5)

    def test_downloads_from_a_mirror(self):
        blob = self.put(4 * MIB)
        self.ctl("limits", "download_rate=1MB/s")
        seconds = self.seconds_of(blob, self.nginx.url("file0"))
        self.assertGreater(seconds, 2)
        self.assertLess(seconds, 4.2 * 5)

    def test_uploads(self):
        blob = self.put(4 * MIB)
        self.assertEqual(self.server.ctl("limits", "upload_rate=1MB/s").code, DONE)
        seconds = self.seconds_of(blob, self.server.provider)
        self.assertGreater(seconds, 3.5)
        self.assertLess(seconds, 4.2 * 5)

    def test_a_limit_is_changed_and_removed_while_it_holds(self):
        for name, provider in (("node", self.server.provider), ("mirror", self.nginx.url("file1"))):
            with self.subTest(name):
                blob = self.put(24 * MIB, seed=1 if name == "mirror" else 2)
                self.ctl("limits", "download_rate=256KiB/s")
                intent = self.queue(blob, "--from", provider)
                time.sleep(2)
                self.assertEqual(self.daemon.intent(intent)["state"], "INTENT_STATE_RUNNING")
                self.assertLess(int(self.daemon.intent(intent).get("verifiedBytes", 0)), 12 * MIB)
                self.ctl("limits", "download_rate=off")
                started = time.monotonic()
                self.wait_for_state(intent, "DONE")
                self.assertLess(time.monotonic() - started, 90 / 5, "at the limit it would take a minute and a half")

    def test_a_lower_limit_holds_soon(self):
        for name, provider in (("node", self.server.provider), ("mirror", self.nginx.url("file1"))):
            with self.subTest(name):
                blob = self.put(64 * MIB, seed=1 if name == "mirror" else 2)
                self.ctl("limits", "download_rate=4MB/s")
                intent = self.queue(blob, "--from", provider)
                self.daemon.wait_until("it moves", lambda: self.moved(intent) > 0)
                self.ctl("limits", "download_rate=128KiB/s")
                time.sleep(1)
                before = self.moved(intent)
                time.sleep(3)
                self.assertLess(self.moved(intent) - before, 2 * MIB, "at 128 KiB/s it is 384 KiB, at 4 MB/s 12 MB")
                self.ctl("cancel", intent)

    def moved(self, intent_id):
        intent = self.daemon.intent(intent_id)
        return int(intent.get("verifiedBytes", 0)) + int(intent.get("unprovenBytes", 0))

    def test_who_is_held_back_has_not_stalled(self):
        self.daemon.stop()
        self.daemon._config.write_text(self.daemon._config.read_text().replace(
            "[mirrors]", 'stall_timeout_ms = 500\n[limits]\ndownload_rate = "24KiB/s"\n[mirrors]'))
        self.daemon.start()
        for name, provider in (("node", self.server.provider), ("mirror", self.nginx.url("file1"))):
            with self.subTest(name):
                blob = self.put(224 * KIB, seed=1 if name == "mirror" else 2)
                self.assertGreater(self.seconds_of(blob, provider), 2)

    def test_a_cancelled_transfer_blocks_nobody(self):
        first, second = self.put(8 * MIB, seed=1), self.put(256 * KIB, seed=2)
        self.ctl("limits", "download_rate=256KiB/s")
        intent = self.queue(first, "--from", self.server.provider)
        self.wait_for_bytes(intent, 1)
        self.ctl("cancel", intent)
        self.assertLess(self.ctl("get", second, "--from", self.server.provider).seconds, 10)

    def test_many_small_files_are_slowed_too(self):
        self.ctl("limits", "download_rate=64KiB/s")
        tree = self.directory / "tree"
        tree.mkdir()
        for number in range(60):
            write_random(tree / f"{number}", 8 * KIB, number)
        blob = self.server.add(tree)
        for path in tree.iterdir():
            path.rename(self.nginx.www / self.server.add(path))
        # The list itself comes from the node, the files from the web server.
        started = time.monotonic()
        self.ctl("get", blob, "--from", self.server.provider, "--from", self.nginx.url("{hash}"))
        self.assertGreater(time.monotonic() - started, 3, "480 KiB")


class Settings(LimitsTest):
    getter_config = """
[limits]
download_rate = "50MB/s"
schedule = [
  { hours = "mon-sun 00:00-24:00", upload_rate = "3MB/s" },
  { hours = "00:00-24:00", download_rate = "off", upload_rate = "1MB/s" },
]
"""

    def test_the_configuration_and_its_schedule_rule_until_something_is_set(self):
        limits = self.limits()
        self.assertEqual(limits["upload_rate"]["value"], "3000000")
        self.assertEqual(limits["upload_rate"]["source"], "schedule mon-sun 00:00-24:00")
        self.assertEqual(limits["download_rate"]["value"], "0")
        self.assertEqual(limits["download_rate"]["source"], "schedule 00:00-24:00")
        self.assertGreater(int(limits["download_rate"]["untilUnixMs"]), time.time() * 1000 - 60_000)
        text = self.ctl("limits").text
        self.assertIn("3 MB/s", text)
        self.assertIn("schedule mon-sun 00:00-24:00", text)
        self.assertIn("The schedule of rates changes in", text)

        self.ctl("limits", "upload_rate=10MiB/s", "--persist")
        self.ctl("limits", "download_rate=1.5G")
        self.daemon.stop()
        self.daemon.start()
        limits = self.limits()
        self.assertEqual(limits["upload_rate"]["value"], str(10 * MIB))
        self.assertEqual(limits["upload_rate"]["persisted"], str(10 * MIB))
        self.assertEqual(limits["upload_rate"]["source"], "set to stay")
        self.assertEqual(limits["download_rate"]["value"], "0", "what was not to stay is gone")
        self.ctl("limits", "upload_rate=off", "--persist")
        self.assertIn("upload_rate=off", self.ctl("limits", "-q").text)
        self.ctl("limits", "--reset", "upload_rate")
        self.assertEqual(self.limits()["upload_rate"]["value"], "3000000")

    def test_a_reload_changes_them(self):
        config = self.daemon._config
        config.write_text(config.read_text().replace("3MB/s", "2MB/s"))
        self.daemon._process.send_signal(1)
        self.daemon.wait_until("it is read again", lambda: self.limits()["upload_rate"]["value"] == "2000000")
        self.assertIn("limit upload_rate: 2 MB/s, was 3 MB/s", self.daemon.log())
        config.write_text(config.read_text().replace("2MB/s", "0"))
        self.daemon._process.send_signal(1)
        self.daemon.wait_until("it is refused", lambda: "expected a rate from 16384" in self.daemon.log())
        self.assertEqual(self.limits()["upload_rate"]["value"], "2000000")

    def test_wrong_values_are_refused_and_change_nothing(self):
        for bad, said in (("download_rate=0", "pause"), ("download_rate=1", "not between 16384 and"),
                          ("download_rate=fast", "is not NAME=VALUE"), ("download_rate=10Mbit", "is not NAME=VALUE"),
                          ("connections=off", "only a rate can be without limit"),
                          ("connections=10M", "is not NAME=VALUE")):
            result = self.ctl("limits", bad, code=USAGE)
            self.assertIn(said, result.text)
        self.assertEqual(self.limits()["download_rate"]["value"], "0")


@unittest.skipUnless(can_make_networks(), "wants root and /dev/net/tun")
class Measured(E2eTest):
    """The sender's interface, over ten seconds after the first 250 ms."""
    alone = True  # run_unittests.py: it measures

    SENDER, GETTER = "10.98.1.1", "10.98.1.2"

    def prepare(self):
        self.network = Network(seed=7)
        self.network.__enter__()
        self.addCleanup(self.network.close)
        names = [self.network.add_namespace(name) for name in ("far", "near")]
        self.network.link("wan", "far", self.SENDER, "near", self.GETTER, delay="2ms")
        self.server = self.start_daemon("far", ANYONE, listen=f"{self.SENDER}:0", namespace=names[0])
        self.getter = self.start_daemon("near", "[mirrors]\nallow_local = true\n", listen=f"{self.GETTER}:0",
                                        namespace=names[1])

    def share(self, size, seed=1):
        return self.server.add(write_random(self.directory / f"file{seed}", size, seed))

    def sent(self):
        return self.network.stats("wan")["a>b"]["offered"]["bytes"]

    def measure(self, seconds=10):
        time.sleep(0.25)
        before, started = self.sent(), time.monotonic()
        time.sleep(seconds)
        return (self.sent() - before) / (time.monotonic() - started)

    def check(self, rate, measured):
        print(f"{measured / rate:.3f} of {rate} ... ", end="", flush=True)
        allowed = 0.05 * rate if rate >= MB else 0.1 * rate + 1.7 * KIB
        self.assertAlmostEqual(measured, rate, delta=allowed)

    def at_rate(self, daemon, name, rate):
        self.assertEqual(daemon.ctl("limits", f"{name}={rate}").code, DONE)
        intents = []
        blob = self.share(int(rate * 14) + MIB, seed=rate)
        intents.append(self.getter.ctl("queue", "-q", blob, "--from", self.server.provider).value)
        self.getter.wait_until("it runs", lambda: int(self.getter.intent(intents[0]).get("verifiedBytes", 0)) > 0)
        self.check(rate, self.measure())
        self.getter.ctl("cancel", *intents)

    def test_downloads(self):
        for rate in (64 * KIB, MB, 20 * MB):
            with self.subTest(rate):
                self.at_rate(self.getter, "download_rate", rate)

    def test_uploads(self):
        for rate in (64 * KIB, MB, 20 * MB):
            with self.subTest(rate):
                self.at_rate(self.server, "upload_rate", rate)

    def test_a_live_change_holds_within_a_second(self):
        blob = self.share(100 * MIB)
        self.getter.ctl("limits", f"download_rate={8 * MB}")
        intent = self.getter.ctl("queue", "-q", blob, "--from", self.server.provider).value
        self.getter.wait_until("it runs", lambda: int(self.getter.intent(intent).get("verifiedBytes", 0)) > 0)
        for rate in (2 * MB, 5 * MB, MB):
            self.getter.ctl("limits", f"download_rate={rate}")
            time.sleep(0.75)
            self.check(rate, self.measure(5))

    def test_eight_share_fairly(self):
        rate = 4 * MB
        self.getter.ctl("limits", f"download_rate={rate}", "requests_per_node=8")
        blobs = [self.share(12 * MIB, seed) for seed in range(1, 9)]
        intents = [self.getter.ctl("queue", "-q", blob, "--from", self.server.provider).value for blob in blobs]

        def got():
            return [int(self.getter.intent(intent).get("verifiedBytes", 0)) for intent in intents]
        self.getter.wait_until("all run", lambda: all(got()))
        before = got()
        self.check(rate, self.measure())
        shares = [after - b for after, b in zip(got(), before)]
        print(f"shares {[round(s / sum(shares), 3) for s in shares]} ... ", end="", flush=True)
        self.assertGreater(min(shares) / max(shares), 0.7)


if not is_long_run():
    del Measured  # it wants a quiet machine


if __name__ == "__main__":
    unittest.main()
