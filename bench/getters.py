"""One download each, into an empty store on the same file system; tells what it took."""
import contextlib
import json
import subprocess

import harness
import peers
from measure import Run
from processes import cpu_seconds, peak_mib, timed


@contextlib.contextmanager
def fresh_blobd(work, place=None, config=None):
    """A daemon with an empty store."""
    where = {"listen": f"{place.getter_host}:0", "namespace": place.getter_namespace} if place else {}
    daemon = harness.Daemon(work.directory("getter"), config, **where)
    try:
        yield daemon.start()
    finally:
        if daemon.is_running:
            daemon.stop()


def asked(daemon, *args):
    """What a call of blobctl took, here and in the daemon."""
    before = cpu_seconds(daemon.pid)
    run = timed(*daemon.ctl_command(*args))
    return Run(seconds=run.seconds, cpu_seconds=run.cpu_seconds + cpu_seconds(daemon.pid) - before,
               peak_mib=peak_mib(daemon.pid))


def blobd(work, place, wanted, *options, output=False, config=None):
    """From `blobctl get` to done: verified and durable in the store; with `output` also written to a path."""
    target = ("-o", work.output()) if output else ()
    with fresh_blobd(work, place, config) as daemon:
        return asked(daemon, "get", "-q", wanted, *target, *options)


def iroh(work, place, ticket, output=False):
    """iroh 0.35's own getter into its store on disk, which it does not sync; the start of the node is not counted."""
    target = ("--out", work.output()) if output else ()
    done = subprocess.run(
        [str(word) for word in place.getter_command(
            peers.node_binary(), peers.INTEROP / "fetch.mjs", "--store", work.directory("getter"),
            "--host", place.getter_host, *target, ticket)],
        cwd=peers.INTEROP, capture_output=True, text=True, timeout=1800, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return Run(seconds=told["seconds"] + told.get("export_seconds", 0), cpu_seconds=told["cpu_seconds"])


def blobd_web(work, place, wanted, url, output=False):
    """The same from nginx: over as many connections as blobd finds right."""
    config = f'[mirrors]\nallow_local = true\nca_file = "{work.web(place).certificate}"\n'
    return blobd(work, place, wanted, "--from", url, output=output, config=config)


def curl(work, place, url):
    """From nginx to a file; nothing is verified or synced."""
    return timed(*place.getter_command("curl", "-sS", "--fail", "--cacert", work.web(place).certificate, "-o",
                                       work.directory("getter") / "blob.bin", url))


def aria2(work, place, url):
    """The same over eight connections."""
    return timed(*place.getter_command("aria2c", "-q", "-x8", "-s8", "--file-allocation=none", "-d",
                                       work.directory("getter"), url))


def curl_small(work, place):
    """Each small file into a file of its own; nothing is verified or synced."""
    target, config, web = work.directory("getter"), work.path / "curl.list", work.web(place)
    config.write_text("".join(f'url = "{web.http("by/" + name)}"\noutput = "{target / name}"\n'
                              for name in work.small_names))
    return timed("curl", "-sS", "--fail", "--parallel", "--parallel-max", "16", "-K", config)


def aria2_small(work, place):
    """The same."""
    urls, web = work.path / "aria2.list", work.web(place)
    urls.write_text("".join(web.http("by/" + name) + "\n" for name in work.small_names))
    return timed("aria2c", "-q", "-i", urls, "-j16", "--file-allocation=none", "-d", work.directory("getter"))
