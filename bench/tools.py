"""What a comparison needs besides blobd, and why it is not there."""
import functools
import os
import shutil
import subprocess

import harness
import link
import peers

BENCH = harness.BUILD / "bench"


def _program(name, package):
    return None if shutil.which(name) else f"{name} is not installed (Debian: {package})"


def _built(path, target):
    return None if path.exists() else f"{path.name} is not built (target {target})"


def _iroh():
    try:
        peers.node_binary()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no iroh 0.35 here, tests/interop/install fails: {error}"
    return None


def _congestion(name):
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as known:
        return None if name in known.read().split() else f"this kernel has no {name}"


def _namespaces():
    # Root in a container may not.
    made = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
    return None if made.returncode == 0 else "network namespaces want root"


_CHECKS = {
    "iroh": _iroh,
    "aria2": lambda: _program("aria2c", "aria2"),
    "curl": lambda: _program("curl", "curl"),
    "nginx": lambda: _program("nginx", "nginx-light") or _program("openssl", "openssl"),
    "b3sum": lambda: _program("b3sum", "b3sum"),
    "namespaces": _namespaces,
    "link": lambda: _built(link.BLOBD_LINK, "blobd_link") or (
        None if link.can_make_networks() else "the emulated link wants root and /dev/net/tun"),
    "bbr": lambda: _congestion("bbr"),
    "cubic": lambda: _congestion("cubic"),
    "queue_bench": lambda: _built(BENCH / "blobd_queue_bench", "blobd_queue_bench"),
    "empty_server": lambda: _built(BENCH / "blobd_empty_server", "blobd_empty_server"),
}


@functools.lru_cache(maxsize=None)
def why_missing(need):
    """None if it is there."""
    return _CHECKS[need]()
