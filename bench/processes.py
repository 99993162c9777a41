"""What processes took, as the kernel counted it."""
import os
import re
import resource
import subprocess
import time
from pathlib import Path

from measure import Run


def cpu_seconds(pid):
    """Of a running process with all its threads, also those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _kib(pid, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE).group(1))


def peak_mib(pid):
    return _kib(pid, "VmHWM") / 1024


def resident_kib(pid):
    return _kib(pid, "VmRSS")


def wakes(pid):
    """How often threads of the process have gone to sleep so far."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE).group(1))
               for text in ((task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()))


def _children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(*command, timeout=1800, **options):
    """Runs a command to its end: time and CPU of it and its children. The only child that ends meanwhile."""
    before, started = _children(), time.monotonic()
    done = subprocess.run([str(word) for word in command], check=False, timeout=timeout, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {(done.stderr + done.stdout)[-2000:]}")
    return Run(seconds=seconds, cpu_seconds=_children() - before)
