"""One import each of a file or a directory that is there already; tells what it took."""
import json
import os
import subprocess

import peers
from getters import asked, fresh_blobd
from measure import Run
from processes import timed


def blobd_add(work, path):
    """`blobctl add` into an empty store: hashed, and durable when it is done."""
    with fresh_blobd(work) as daemon:
        os.sync()
        return asked(daemon, "add", "-q", path)


def iroh_add(work, path):
    """iroh 0.35's own import into its store on disk: a copy, which it does not sync."""
    store = work.directory("getter")
    os.sync()
    done = subprocess.run([peers.node_binary(), str(peers.INTEROP / "add.mjs"), "--store", str(store), str(path)],
                          cwd=peers.INTEROP, capture_output=True, text=True, timeout=1800, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return Run(seconds=told["seconds"], cpu_seconds=told["cpu_seconds"])


def copied(work, path, synced=False):
    """`cp` and then `b3sum` of the copy, which uses all cores; with `synced` the copy is on the disk, too."""
    target = work.output("copy")
    os.sync()
    sync = 'find "$2" -type f -print0 | xargs -0 sync;' if synced else ""
    script = f'cp -r --reflink=auto "$1" "$2"; {sync} find "$2" -type f -print0 | xargs -0 b3sum >/dev/null'
    return timed("sh", "-ec", script, "sh", path, target)
