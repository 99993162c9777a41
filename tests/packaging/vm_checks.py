"""What vm-limits does in its virtual machine: whether the limits of blobd.service are in force, and what comes of meeting
them. Alone on a machine with the packages in /var/tmp, as root."""
import contextlib
import glob
import re
import shutil
import subprocess
import time
from pathlib import Path

UNIT = "blobd.service"
GROUP = Path("/sys/fs/cgroup/system.slice") / UNIT
DROP_IN = Path("/run/systemd/system") / f"{UNIT}.d"
CONTENT = Path("/var/tmp/content")
MIB = 1 << 20
BIG = 200  # MiB of the blob
INTENTS = 5000
# Less than the blob, and more than the daemon needs for itself.
TIGHT = 128
# What no start fits into.
TOO_LITTLE = "4M"
TOO_FEW_TASKS = 4
PATIENCE = 300  # seconds, for an emulated machine


def run(*command, timeout=PATIENCE):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))[:200]}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def show(name):
    return run("systemctl", "show", "--value", "-p", name, UNIT).strip()


def group(file):
    return (GROUP / file).read_text().strip()


def events():
    return {name: int(count) for name, count in (line.split() for line in group("memory.events").splitlines())}


def journal(since):
    run("journalctl", "--sync")
    return run("journalctl", "--no-pager", "-q", "-u", UNIT, "--since", f"@{since}")


def expect(right, what):
    if not right:
        raise AssertionError(what)


def wait_until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        expect(time.monotonic() < deadline, f"not within {PATIENCE} s: {what}")
        time.sleep(0.2)


@contextlib.contextmanager
def drop_in(*lines):
    """The unit with other limits, from its next start on; it starts with its own ones afterwards."""
    DROP_IN.mkdir(parents=True, exist_ok=True)
    (DROP_IN / "limits.conf").write_text("\n".join(("[Service]", *lines, "")))
    run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        shutil.rmtree(DROP_IN)
        run("systemctl", "daemon-reload")
        subprocess.run(["systemctl", "reset-failed", UNIT], check=False)
        run("systemctl", "restart", UNIT)


def bytes_of_memory():
    return int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) * 1024


def setting(name):
    """What the unit's own file says."""
    return re.search(rf"^{name}=(.*)$", Path(f"/lib/systemd/system/{UNIT}").read_text(), re.MULTILINE).group(1)


def intents():
    return run("blobctl", "intents", "-q").split()


def in_and_out(content):
    """Adds it, and gets it back."""
    blob = run("blobctl", "add", "-q", content).strip()
    back = content.with_suffix(".back")
    run("blobctl", "get", "-q", blob, "-o", back)
    run("cmp", content, back)
    back.unlink()
    return blob


# ---- The checks, in this order ----

def check_the_packages_start_it():
    run("dpkg", "--install", *sorted(glob.glob("/var/tmp/*.deb")))
    wait_until("it runs", lambda: show("ActiveState") == "active")
    expect("Serving as node" in show("StatusText"), show("StatusText"))


def check_memory_is_bounded_as_the_unit_says():
    for name, file in (("MemoryMax", "memory.max"), ("MemoryHigh", "memory.high")):
        wanted = bytes_of_memory() * int(setting(name).rstrip("%")) // 100
        expect(abs(int(group(file)) - wanted) < MIB, f"{file} is {group(file)}, {name}={setting(name)} is {wanted}")
    expect(group("memory.swap.max") == setting("MemorySwapMax"), f"memory.swap.max is {group('memory.swap.max')}")


def check_tasks_are_bounded_as_the_unit_says():
    expect(group("pids.max") == setting("TasksMax"), f"pids.max is {group('pids.max')}")


def check_the_processor_is_shared_as_an_administrator_says():
    # The unit asks for no more and no less than others have.
    expect(show("CPUWeight") == "[not set]", show("CPUWeight"))
    for weight in (20, 100):
        run("systemctl", "set-property", "--runtime", UNIT, f"CPUWeight={weight}")
        expect(group("cpu.weight") == str(weight), f"cpu.weight is {group('cpu.weight')}, not {weight}")


def check_load_stays_far_below():
    hashes = [f"{number:064x}" for number in range(INTENTS)]
    run("blobctl", "queue", "-q", "--patience", "24h", *hashes)
    run("dd", "if=/dev/urandom", f"of={CONTENT}", "bs=1M", f"count={BIG}")
    in_and_out(CONTENT)
    expect(len(intents()) == INTENTS, f"{len(intents())} intents")
    peak, tasks = int(group("memory.peak")), int(group("pids.current"))
    print(f"   {INTENTS} intents and {BIG} MiB in and out: at most {peak // MIB} MiB with the page cache, {tasks} tasks; "
          f"MemoryHigh is {int(group('memory.high')) // MIB} MiB", flush=True)
    expect(peak < int(group("memory.high")), "more than MemoryHigh=")
    met = {name: count for name, count in events().items() if count and name != "low"}
    expect(not met, f"memory.events: {met}")
    expect(tasks < int(group("pids.max")) // 8, f"{tasks} tasks")


def check_a_blob_larger_than_its_memory_goes_in_and_out():
    with drop_in(f"MemoryMax={TIGHT}M", "MemoryHigh=infinity"):
        run("systemctl", "restart", UNIT)
        expect(int(group("memory.max")) == TIGHT * MIB, group("memory.max"))
        before = show("MainPID")
        # Other content than what is there already.
        with open(CONTENT, "r+b") as file:
            for offset in range(0, BIG * MIB, 16 * 1024):
                file.seek(offset)
                file.write(b"other")
        in_and_out(CONTENT)
        expect(show("MainPID") == before, "it was started again")
        expect(events()["oom_kill"] == 0, str(events()))
        anonymous = int(re.search(r"^anon (\d+)$", group("memory.stat"), re.MULTILINE).group(1))
        print(f"   {BIG} MiB with MemoryMax={TIGHT}M: {anonymous // MIB} MiB are its own, the rest is page cache", flush=True)


def check_killed_for_its_memory_it_is_started_again_and_nothing_is_lost():
    queued, since, lives = intents(), int(time.time()), int(show("NRestarts"))
    expect(len(queued) == INTENTS, f"{len(queued)} intents")
    try:
        run("systemctl", "set-property", "--runtime", UNIT, f"MemoryMax={TOO_LITTLE}")
        wait_until("it is killed and started again", lambda: int(show("NRestarts")) > lives)
    finally:
        run("systemctl", "set-property", "--runtime", UNIT, f"MemoryMax={setting('MemoryMax')}")
    wait_until("it runs", lambda: show("ActiveState") == "active")
    said = journal(since)
    expect("killed by the OOM killer" in said and "'oom-kill'" in said, said[-3000:])
    expect(intents() == queued, f"{len(intents())} of {len(queued)} intents")


def check_too_few_tasks_are_said_and_not_tried_for_ever():
    queued, since = intents(), int(time.time())
    with drop_in(f"TasksMax={TOO_FEW_TASKS}"):
        subprocess.run(["systemctl", "restart", UNIT], check=False, capture_output=True)
        wait_until("it gave up", lambda: show("ActiveState") == "failed")
        said = journal(since)
    expect("no more threads" in said and "raise TasksMax=" in said, said[-3000:])
    print("   " + re.search(r"blobd: cannot run: .*", said).group(0), flush=True)
    expect(show("ActiveState") == "active", show("ActiveState"))
    expect(intents() == queued, f"{len(intents())} of {len(queued)} intents")


def main():
    passed = failed = 0
    for name, check in [(name, value) for name, value in globals().items() if name.startswith("check_")]:
        words = name.removeprefix("check_").replace("_", " ")
        started = time.monotonic()
        try:
            check()
        except (AssertionError, OSError, ValueError, KeyError, AttributeError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAILED {words}: {error}", flush=True)
        else:
            passed += 1
            print(f"ok {words} ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)


if __name__ == "__main__":
    main()
