"""One download each, into an empty store on the same file system; returns the seconds it took."""
import json
import subprocess
import time

import harness
import peers
import places


def blobd(work, place, wanted, *options, config=None):
    """From `blobctl get` to done: verified and durable in the store."""
    daemon = harness.Daemon(work.directory("getter"), config, listen=f"{place.getter_host}:0",
                            namespace=place.getter_namespace).start()
    try:
        started = time.monotonic()
        result = daemon.ctl("get", "-q", wanted, *options, timeout=600)
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


def blobd_http(work, place, wanted, path):
    """The same from nginx: over as many connections as blobd finds right."""
    return blobd(work, place, wanted, "--from", f"{places.WEB}/{path}", config="[mirrors]\nallow_local = true\n")


def timed(*command):
    started = time.monotonic()
    subprocess.run([str(word) for word in command], check=True, timeout=600, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def curl(work):
    """From nginx to a file; nothing is verified or synced."""
    return timed("curl", "-sS", "-o", work.directory("getter") / "blob.bin", f"{places.WEB}/blob.bin")


def aria2(work):
    """The same over eight connections."""
    return timed("aria2c", "-q", "-x8", "-s8", "--file-allocation=none", "-d", work.directory("getter"),
                 f"{places.WEB}/blob.bin")


def curl_small(work):
    """Each small file into a file of its own; nothing is verified or synced."""
    target = work.directory("getter")
    config = work.path / "curl.list"
    config.write_text("".join(f'url = "{url}"\noutput = "{target / url.rsplit("/", 1)[1]}"\n' for url in work.small_urls))
    return timed("curl", "-sS", "--parallel", "--parallel-max", "16", "-K", config)


def aria2_small(work):
    """The same."""
    urls = work.path / "aria2.list"
    urls.write_text("\n".join(work.small_urls) + "\n")
    return timed("aria2c", "-q", "-i", urls, "-j16", "--file-allocation=none", "-d", work.directory("getter"))
