"""Rows of downloads: from nodes and from web servers, near and far."""
import functools

import getters
from measure import ALONE, SHARE, Comparison, Figure, times_as_fast
from sizes import GIB
from workplace import ANYONE, SMALL_SIZE

AGAINST_IROH = "blobd: default sync; iroh's getter does not sync"
AGAINST_CURL = "blobd: default sync; curl: page cache only"
AGAINST_ARIA2 = "blobd: default sync; aria2c: page cache only"
CURL_HTTP = 0.87  # 1.15 times its time: it verifies nothing
PROVIDERS = 4


def cpu_per_gib(size, most):
    return Figure(lambda run: run.cpu_seconds / (size / GIB), SHARE, "CPU s/GiB", "CPU of the getter", most=most)


def peak(most=96):
    return Figure(lambda run: run.peak_mib, ALONE, "MiB", "peak memory of the getter", most=most)


def from_nodes(work, places, sizes):
    """blobd and iroh 0.35, against each other and with each other."""
    size = sizes.blob

    def blobd(place, provider, output=False):
        return lambda: getters.blobd(work, place(), provider(place(), work.blob(size)), output=output)

    def iroh(place, provider, output=False):
        return lambda: getters.iroh(work, place(), provider(place(), work.blob(size)), output=output)

    def loopback():
        return places.loopback

    def veth():
        return places.veth

    mine, theirs = work.blobd_ticket, work.iroh_ticket
    common = {"sync": AGAINST_IROH, "size": size}
    plain = {"output": False, **common}
    return [
        Comparison("headline: blobd from blobd against iroh from iroh, over veth with MTU 1500", blobd(veth, mine),
                   iroh(veth, theirs), (times_as_fast(6), cpu_per_gib(size, 0.25), peak()),
                   needs=("iroh", "namespaces"), **plain),
        Comparison("headline with -o", blobd(veth, mine, True), iroh(veth, theirs, True), (times_as_fast(),),
                   needs=("iroh", "namespaces"), output=True, **common),
        Comparison("blobd from blobd against iroh from iroh, over loopback", blobd(loopback, mine),
                   iroh(loopback, theirs), (times_as_fast(),), needs=("iroh",), **plain),
        Comparison("from a real iroh 0.35: blobd against iroh's own getter (disk stores, loopback)",
                   blobd(loopback, theirs), iroh(loopback, theirs), (times_as_fast(2),), needs=("iroh",), **plain),
        Comparison("to a real iroh 0.35: from blobd against from iroh's own provider (loopback)",
                   iroh(loopback, mine), iroh(loopback, theirs), (times_as_fast(1.3),), needs=("iroh",),
                   sync="iroh's getter, which does not sync, on both sides", size=size, output=False),
        small_from_nodes(work, places),
        from_four(work, places, sizes),
    ]


def small_from_nodes(work, places):
    return Comparison(
        f"{work.small:,} files of {SMALL_SIZE} bytes over QUIC: blobd from blobd against iroh from iroh (veth)",
        lambda: getters.blobd(work, places.veth, work.blobd_ticket(places.veth, work.tree())),
        lambda: getters.iroh(work, places.veth, work.iroh_ticket(places.veth, work.tree())),
        (times_as_fast(4),), needs=("iroh", "namespaces"), sync=AGAINST_IROH, size=work.small * SMALL_SIZE, output=False)


def from_four(work, places, sizes):
    """Content per second, as a share of what the limits allow on the wire."""
    rate = sizes.provider_rate

    @functools.lru_cache(maxsize=None)
    def wanted():
        limited = f'{ANYONE}[limits]\nupload_rate = "{rate}MB/s"\n'
        daemons = [work.blobd(places.loopback, number, limited) for number in range(1, PROVIDERS + 1)]
        hashes = {daemon.add(work.blob(sizes.blob)) for daemon in daemons}
        return [*hashes, *(word for daemon in daemons for word in ("--from", daemon.provider))]

    def get():
        return getters.blobd(work, places.loopback, *wanted())
    share = Figure(lambda run: sizes.blob / run.seconds / (PROVIDERS * rate * 1e6), ALONE, "of the limits", "rate",
                   least=0.95)
    return Comparison(f"from {PROVIDERS} providers with upload_rate = {rate} MB/s each (loopback)", get, None, (share,),
                      size=sizes.blob, output=False)


def from_the_web(work, places, sizes):
    """From nginx over loopback. Only blobd verifies, and has what it got durable."""
    size, here = sizes.blob, places.loopback
    name = f"{size}.bin"

    def node(output=False):
        return lambda: getters.blobd(work, here, work.blobd_ticket(here, work.blob(size)), output=output)

    def mirror(url, output=False):
        return lambda: getters.blobd_web(work, here, work.hash_of(work.blob(size)), url(work.web(here), name), output)

    def curl(url):
        return lambda: (work.blob(size), getters.curl(work, here, url(work.web(here), name)))[1]

    def aria2(url):
        return lambda: (work.blob(size), getters.aria2(work, here, url(work.web(here), name)))[1]

    def http(web, path):
        return web.http(path)

    def https(web, path):
        return web.https(path)

    to_path = {"needs": ("nginx", "curl"), "sync": AGAINST_CURL, "size": size, "output": True}
    plain = {**to_path, "output": False}
    return [
        Comparison("yardstick: blobd from blobd against curl from nginx over HTTP (to disk, unverified)", node(),
                   curl(http), (times_as_fast(),), **plain),
        Comparison("blobd from blobd with -o against curl from nginx over HTTPS (to disk, unverified)", node(True),
                   curl(https), (times_as_fast(0.8),), **to_path),
        Comparison("HTTP: verified, against aria2c -x8 -s8", mirror(http), aria2(http),
                   (times_as_fast(1), cpu_per_gib(size, 1.3)), needs=("nginx", "aria2", "b3sum"), sync=AGAINST_ARIA2,
                   size=size, output=False),
        Comparison("HTTP: verified, against curl", mirror(http), curl(http), (times_as_fast(CURL_HTTP),), **plain),
        Comparison("HTTPS: verified, with -o, against curl", mirror(https, True), curl(https), (times_as_fast(),),
                   **to_path),
        *small_from_the_web(work, places),
    ]


def small_from_the_web(work, places):
    here = places.loopback
    name = f"{work.small:,} files of {SMALL_SIZE} bytes over HTTP: a collection"

    def ours():
        return getters.blobd_web(work, here, work.small_hash(), work.web(here).http("by/{hash}"))

    def of(getter):
        return lambda: (work.small_hash(), getter(work, here))[1]
    size = work.small * SMALL_SIZE
    return [
        Comparison(f"{name}, against aria2c -i -j16", ours, of(getters.aria2_small), (times_as_fast(1.5),),
                   needs=("nginx", "aria2"), sync=AGAINST_ARIA2, size=size, output=False),
        Comparison(f"{name}, against curl --parallel", ours, of(getters.curl_small), (times_as_fast(1.5),),
                   needs=("nginx", "curl"), sync=AGAINST_CURL, size=size, output=False),
    ]


def from_afar(work, places, sizes):
    """Over the emulated long link. TCP's sender is nginx's side, so that is where its congestion control is set."""
    size = sizes.wan
    where = "over 50 ms, 0.1 % loss, 400 Mbit/s"

    def ours():
        return getters.blobd(work, places.wan, work.blobd_ticket(places.wan, work.blob(size)))

    def iroh():
        return getters.iroh(work, places.wan, work.iroh_ticket(places.wan, work.blob(size)))

    def curl(control):
        def get():
            work.blob(size)
            web = work.web(places.wan)
            places.wan.set_congestion_control(control)
            return getters.curl(work, places.wan, web.http(f"{size}.bin"))
        return get
    return [
        Comparison(f"{where}: blobd from blobd against iroh from iroh", ours, iroh, (times_as_fast(1),),
                   needs=("link", "iroh"), sync=AGAINST_IROH, size=size, output=False),
        *(Comparison(f"{where}: blobd from blobd against curl with {control}", ours, curl(control), (times_as_fast(1),),
                     needs=("link", "nginx", "curl", control), sync=AGAINST_CURL, size=size, output=False)
          for control in ("cubic", "bbr")),
    ]
