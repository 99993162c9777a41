"""Rows of one machine alone: imports, memory, the queue, starts, rest."""
import contextlib
import os

import getters
import harness
import imports
import intents
import resting
from discarding import discarding
from measure import ALONE, DEFAULT_SYNC, MORE, SHARE, Comparison, Figure, times_as_fast
from processes import peak_mib
from rows_downloads import peak
from sizes import GIB
from workplace import ANYONE, SMALL_SIZE, fresh_directory

COPIED = "cp, b3sum: page cache only"


def of_imports(work, sizes):
    what = ((f"{sizes.blob >> 20} MiB", lambda: work.blob(sizes.blob), sizes.blob),
            (f"{work.small:,} files of {SMALL_SIZE} bytes", work.tree, work.small * SMALL_SIZE))
    as_long, as_long_synced = (Figure(lambda run: run.seconds, SHARE, "s", "time taken", most=most)
                               for most in (1.3, None))
    rows = []
    for name, path, size in what:
        def add(path=path):
            return imports.blobd_add(work, path())

        def copy(path=path, synced=False):
            return imports.copied(work, path(), synced)
        rows += [
            Comparison(f"blobctl add of {name} against iroh's import", add,
                       lambda path=path: imports.iroh_add(work, path()), (times_as_fast(3),), needs=("iroh",),
                       sync="blobd: default sync; iroh's import does not sync", size=size),
            Comparison(f"blobctl add of {name} against cp and b3sum", add, copy, (as_long,), needs=("b3sum",),
                       sync=f"{DEFAULT_SYNC}; {COPIED}"),
            Comparison(f"blobctl add of {name} against cp, sync and b3sum", add,
                       lambda copy=copy: copy(synced=True), (as_long_synced,), needs=("b3sum",),
                       sync=f"{DEFAULT_SYNC}; the copy is synced"),
        ]
    return rows


def _got_between(work, place, where, size):
    """One download of so many zeros between two new daemons with their stores there."""
    ends = []
    for name in ("provider", "getter"):
        (where / name).mkdir()
        ends.append(harness.Daemon(where / name, ANYONE, listen=f"{place.provider_host}:0"))
    with contextlib.ExitStack() as stack:
        for daemon in ends:
            daemon.start()
            stack.callback(daemon.stop)
        provider, getter = ends
        added = provider.ctl("add", "-q", work.sparse(size), timeout=3600)
        run = getters.asked(getter, "get", "-q", provider.ticket(added.value))
        return run.with_provider(peak_mib(provider.pid))


def of_memory(work, places, sizes):
    """What a getter and its provider hold at most while much more comes than memory has."""
    provider = Figure(lambda run: run.provider_mib, ALONE, "MiB", "peak memory of the provider (with adding it)", most=96)

    def kept():
        with fresh_directory(work, "kept") as where:
            return _got_between(work, places.loopback, where, sizes.large)

    def discarded():
        with discarding(work.output("discarding")) as where:
            return _got_between(work, places.loopback, where, sizes.huge)

    # The store keeps what it got, at both ends.
    wanted, free = 2.1 * sizes.large, work.free_bytes()
    no_room = None if free > wanted else f"wants {wanted / GIB:.0f} GiB of disk and finds {free / GIB:.0f}"
    no_mount = None if os.geteuid() == 0 else "wants root, to mount a file system in memory"
    rows = []
    for size, get, why_not, how in ((sizes.large, kept, no_room, "a store on disk"),
                                    (sizes.huge, discarded, no_mount, "stores that discard what comes")):
        rows.append(Comparison(f"{size / GIB:g} GiB from a file of zeros, blobd from blobd (loopback), {how}", get, None,
                               (peak(), provider), is_long=True, times=1, size=size, output=False, why_not=why_not))
    return rows


def of_intents(work, sizes):
    rate = Figure(lambda run: run.per_second, SHARE, "intents/s", "rate", least=1)
    memory = Figure(lambda run: run.kib, SHARE, "KiB", "memory of the whole daemon per intent", most=0.15)
    return [
        Comparison("Queue by one caller, one after the other, against aria2's addUri",
                   lambda: intents.blobd_queues(work, sizes.queue_seconds),
                   lambda: intents.aria2_queues(work, sizes.queue_seconds), (rate,), needs=("aria2", "queue_bench"),
                   sync="blobd: each is durable when it is answered; aria2: in memory alone"),
        Comparison(f"{sizes.queued:,} intents that wait, against as many paused downloads of aria2",
                   lambda: intents.blobd_memory(work, sizes.queued), lambda: intents.aria2_memory(work, sizes.queued),
                   (memory,), needs=("aria2",), sync="blobd: durable; aria2: in memory alone", times=3),
    ]


def of_rest(work, sizes):
    more = Figure(lambda run: run.kib / 1024, MORE, "MiB", "resident memory", most=12)
    wakes = Figure(lambda run: run.wakes_per_second, ALONE, "wake-ups/s", "wake-ups of all threads", most=2)
    own_wakes = Figure(lambda run: run.wakes_per_second, MORE, "wake-ups/s", "of these, more than the empty server's")
    rows = [Comparison("idle, against an empty gRPC server that is linked as blobd is",
                       lambda: resting.blobd_idle(work, sizes.idle_seconds),
                       lambda: resting.empty_server_idle(work, sizes.idle_seconds), (more, wakes, own_wakes),
                       needs=("empty_server",), times=3)]
    for count, milliseconds, is_long in ((0, 100, False), (sizes.restarted, 10_000, True)):
        ready = Figure(lambda run: run.seconds * 1000, ALONE, "ms", "until READY=1", most=milliseconds)
        rows.append(Comparison(f"start with {count:,} intents", resting.Starts(work, count), None, (ready,),
                               is_long=is_long))
    return rows
