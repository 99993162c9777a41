"""What monitoring is told, on a socket of its own."""
import re
import subprocess
import unittest

from harness import DONE, NOT_FOUND, E2eTest

SAMPLE = re.compile(r'^(blobd_\w+)(?:\{((?:,?\w+="(?:[^"\\\\]|\\\\.)*")+)\})? ([-+0-9.e]+)$')


class Metrics(E2eTest):
    def prepare(self):
        self.socket = self.directory / "metrics.sock"
        self.daemon = type(self.daemon)(self.directory, f'metrics_socket = "{self.socket}"\n')

    def metrics(self):
        """Every sample, by name and label; each line is checked."""
        done = subprocess.run(["curl", "--silent", "--show-error", "--fail", "--max-time", "30", "--unix-socket",
                               str(self.socket), "http://blobd/metrics"], capture_output=True, text=True, check=True)
        types, samples = {}, {}
        for line in done.stdout.splitlines():
            if described := re.match(r"# TYPE (\w+) (counter|gauge|histogram)$", line):
                self.assertNotIn(described.group(1), types)
                types[described.group(1)] = described.group(2)
            elif not line.startswith("# HELP "):
                sample = SAMPLE.match(line)
                self.assertTrue(sample, line)
                name, label, value = sample.groups()
                family = re.sub(r"_(bucket|sum|count)$", "", name) if name not in types else name
                self.assertIn(family, types)
                if types[family] == "counter":
                    self.assertTrue(name.endswith("_total"), name)
                samples[f"{name}{{{label}}}" if label else name] = float(value)
        return samples

    def test_what_happens_is_counted(self):
        before = self.metrics()
        self.assertEqual(before["blobd_intents_unfinished"], 0)
        self.assertGreater(before["blobd_disk_free_bytes"], 0)
        other = self.start_daemon("other", '[serve]\nmode = "anyone"\n')
        file = self.directory / "file"
        file.write_bytes(b"counted" * 30_000)
        blob = other.add(file)
        self.ctl("get", "-q", blob, "--from", other.provider)
        self.ctl("get", "-q", "1" * 64, "--from", other.provider, code=None)
        waits = self.ctl("queue", "-q", "2" * 64, "--patience", "1h").value
        after = self.metrics()
        self.assertEqual(after['blobd_intents_ended_total{result="done"}'], 1)
        self.assertEqual(after['blobd_transfers_ended_total{outcome="done"}'], 1)
        self.assertEqual(after["blobd_verified_bytes_total"], 210_000)
        self.assertEqual(after["blobd_intent_seconds_count"], 1)
        self.assertEqual(after["blobd_intents_unfinished"], 1)
        self.assertEqual(after["blobd_store_blobs"], before["blobd_store_blobs"] + 1)
        self.assertGreaterEqual(after["blobd_dials_total"], 1)
        self.assertGreaterEqual(after['blobd_rpc_calls_total{method="Downloads.Queue",code="OK"}'], 3)
        self.assertGreaterEqual(after['blobd_rpc_call_seconds_count{service="Downloads"}'], 3)
        self.assertGreaterEqual(after["blobd_rpc_connections_total"], 3)
        self.ctl("watch", "123456789", code=NOT_FOUND)
        self.assertEqual(self.metrics()['blobd_rpc_errors_total{reason="UNKNOWN_INTENT"}'], 1)
        self.ctl("cancel", waits, code=DONE)

    def test_limits_and_what_they_hold_back_are_told(self):
        before = self.metrics()
        self.assertEqual(before['blobd_limit_bytes_per_second{limit="download_rate"}'], 0)
        self.assertEqual(before["blobd_download_limited_seconds_total"], 0)
        other = self.start_daemon("other", '[serve]\nmode = "anyone"\n')
        file = self.directory / "file"
        file.write_bytes(b"limited" * 300_000)
        self.ctl("limits", "download_rate=100kB/s", "requests=7")
        intent = self.ctl("queue", "-q", other.add(file), "--from", other.provider).value
        self.daemon.wait_until("something is held back",
                               lambda: self.metrics()["blobd_download_held_back_bytes"] > 0)
        limited = self.metrics()
        self.assertEqual(limited['blobd_limit_bytes_per_second{limit="download_rate"}'], 100_000)
        self.assertEqual(limited['blobd_limit{limit="requests"}'], 7)
        self.daemon.wait_until("time goes by", lambda: self.metrics()["blobd_download_limited_seconds_total"] >
                               limited["blobd_download_limited_seconds_total"])
        self.assertEqual(self.metrics()["blobd_upload_held_back_bytes"], 0)
        self.ctl("cancel", intent, code=DONE)

    def test_only_the_group_may_ask(self):
        self.assertEqual(self.socket.stat().st_mode & 0o777, 0o660)


if __name__ == "__main__":
    unittest.main()
