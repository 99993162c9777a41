"""What it costs to want something: how fast one caller queues, and the memory of what waits."""
import json
import os
import subprocess
import time

import harness
from aria2 import Aria2, some_urls
from getters import fresh_blobd
from measure import Run
from processes import resident_kib
from tools import BENCH

BATCH = 10_000  # items of one Queue
ENOUGH = "intents_per_uid = 10000000\n"


def blobd_queues(work, seconds):
    """One caller, one intent per call, each durable when it is answered (queue_bench.cc)."""
    with fresh_blobd(work, config=ENOUGH) as daemon:
        done = subprocess.run([str(BENCH / "blobd_queue_bench"), str(daemon.socket), str(work.directory("queue")),
                               str(seconds), "serial"], check=True, stdout=subprocess.PIPE, text=True, timeout=600)
        return Run(per_second=json.loads(done.stdout)["per_second"])


def aria2_queues(work, seconds):
    """One caller, one paused download per call over a connection that stays; kept in memory alone."""
    aria2 = Aria2(work.directory("getter"))
    try:
        count, started = 0, time.monotonic()
        while time.monotonic() - started < seconds:
            url = some_urls(1)
            answer = aria2.send(aria2.request("addUri", url, {"pause": "true"}))
            if b'"result"' not in answer:
                raise RuntimeError(f"aria2 refuses an URL: {answer}")
            count += 1
        rate = count / (time.monotonic() - started)
        if aria2.waiting() != count:
            raise RuntimeError(f"aria2 has {aria2.waiting()} of {count} downloads")
        return Run(per_second=rate)
    finally:
        aria2.close()


def queue_many(daemon, count):
    """So many intents that wait for somebody to provide them."""
    for first in range(0, count, BATCH):
        hashes = [os.urandom(32).hex() for _ in range(min(BATCH, count - first))]
        done = daemon.ctl("queue", "-q", "--patience", "24h", *hashes, timeout=600)
        if done.code != harness.DONE:
            raise RuntimeError(f"blobctl queue failed: {done.text[-2000:]}")


def blobd_memory(work, count):
    """Of the whole daemon, per intent that it holds."""
    with fresh_blobd(work, config=ENOUGH) as daemon:
        queue_many(daemon, count)
        return Run(kib=resident_kib(daemon.pid) / count)


def aria2_memory(work, count):
    """Of the whole aria2, per download that waits."""
    aria2 = Aria2(work.directory("getter"), some_urls(count))
    try:
        deadline = time.monotonic() + 600
        while aria2.waiting() < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"aria2 has only {aria2.waiting()} of {count} downloads")
            time.sleep(0.2)
        return Run(kib=resident_kib(aria2.pid) / count)
    finally:
        aria2.close()
