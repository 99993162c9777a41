"""One download each, into an empty store on the same file system; returns the seconds it took."""
import json
import subprocess
import time

import harness
import peers


def blobd(work, place, ticket):
    """From `blobctl get` to done: verified and durable in the store."""
    daemon = harness.Daemon(work.directory("getter"), listen=f"{place.getter_host}:0",
                            namespace=place.getter_namespace).start()
    try:
        started = time.monotonic()
        result = daemon.ctl("get", "-q", ticket, timeout=600)
        seconds = time.monotonic() - started
        if result.code != 0:
            raise SystemExit(f"blobctl get failed: {result.text}")
        return seconds
    finally:
        daemon.stop()


def iroh(work, place, ticket):
    """iroh 0.35's own getter into its store on disk, which it does not sync; the start of the node is not counted."""
    prefix = ["ip", "netns", "exec", place.getter_namespace] if place.getter_namespace else []
    done = subprocess.run(
        [*prefix, peers.node_binary(), str(peers.INTEROP / "fetch.mjs"), "--store", str(work.directory("getter")),
         "--host", place.getter_host, ticket],
        cwd=peers.INTEROP, capture_output=True, text=True, timeout=900, check=True)
    return json.loads(done.stdout.splitlines()[-1])["seconds"]


def curl(work):
    """From nginx to a file; nothing is verified or synced."""
    target = work.directory("getter") / "blob.bin"
    started = time.monotonic()
    subprocess.run(["curl", "-sS", "-o", str(target), "http://127.0.0.1:18080/blob.bin"], check=True, timeout=600)
    return time.monotonic() - started
