"""A store that discards what came: for content that is all zeros, where a hole reads as what was written.

It lies in a file system in memory that says it is large, and everything that is in a blob's data file is taken out again
right behind whoever writes it. Nothing in the daemon knows of it.
"""
import concurrent.futures
import contextlib
import ctypes
import subprocess
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE = 1, 2  # linux/falloc.h
ROOM = "200g"    # what the file system says it has; it holds a fraction of a second's worth
EVERY = 0.1      # seconds


@contextlib.contextmanager
def discarding(path):
    """An empty directory at `path`, as long as this lasts. Wants root."""
    path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=700", "blobd-bench", str(path)], check=True)
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        work = pool.submit(_discard, path, over)
        try:
            yield path
        finally:
            over.set()
    try:
        work.result()  # if a hole could not be made, nothing was measured
    finally:
        subprocess.run(["umount", str(path)], check=True)
        path.rmdir()


def _discard(path, over):
    while not over.wait(EVERY):
        for data in path.rglob("*.data"):
            # It may have been moved or removed meanwhile.
            with contextlib.suppress(FileNotFoundError):
                facts = data.stat()
                if facts.st_blocks:
                    _make_hole(data, facts.st_size)


def _make_hole(path, size):
    with open(path, "r+b") as file:
        if LIBC.fallocate(file.fileno(), PUNCH_HOLE | KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)) != 0:
            raise OSError(ctypes.get_errno(), "fallocate")
