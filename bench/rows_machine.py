"""Rows of one machine alone: imports, memory, the queue, starts, rest."""
import getters
import imports
import intents
import resting
from measure import ALONE, DEFAULT_SYNC, MORE, SHARE, Comparison, Figure, times_as_fast
from processes import peak_mib
from rows_downloads import peak
from sizes import GIB
from workplace import SMALL_SIZE

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


def of_memory(work, places, sizes):
    """What a getter and its provider hold at most while much more comes than memory has."""
    provider = Figure(lambda run: run.provider_mib, ALONE, "MiB", "peak memory of the provider (with adding it)", most=96)
    rows = []
    for number, size in ((10, sizes.large), (11, sizes.huge)):
        def get(number=number, size=size):
            daemon = work.blobd(places.loopback, number)
            added = daemon.ctl("add", "-q", work.sparse(size), timeout=3600)
            run = getters.blobd(work, places.loopback, daemon.ticket(added.value))
            return run.with_provider(peak_mib(daemon.pid))
        # The store keeps what it got, at both ends.
        wanted, free = 2.1 * size, work.free_bytes()
        why_not = None if free > wanted else (
            f"wants {wanted / GIB:.0f} GiB of disk and finds {free / GIB:.0f}: "
            "a store that discards what came does not exist")
        rows.append(Comparison(f"{size / GIB:g} GiB from a file of zeros, blobd from blobd (loopback)", get, None,
                               (peak(), provider), is_long=True, times=1, size=size, output=False,
                               why_not=why_not))
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
    rows = [Comparison("idle, against an empty gRPC server that is linked as blobd is",
                       lambda: resting.blobd_idle(work, sizes.idle_seconds),
                       lambda: resting.empty_server_idle(work, sizes.idle_seconds), (more, wakes),
                       needs=("empty_server",), times=3)]
    for count, milliseconds, is_long in ((0, 100, False), (sizes.restarted, 10_000, True)):
        ready = Figure(lambda run: run.seconds * 1000, ALONE, "ms", "until READY=1", most=milliseconds)
        rows.append(Comparison(f"start with {count:,} intents", resting.Starts(work, count), None, (ready,),
                               is_long=is_long))
    return rows
