"""A really booted systemd: a throw-away layer over a small Debian 12, in systemd-nspawn.

As root. The tree is made once (make-tree) and never written to; each machine has a layer of its own in memory, and a
network namespace that has only what the test puts into it.
"""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TREE = ROOT / "build" / "tree"
DEB = ROOT / "build" / "deb"
BOOT_SECONDS = 60


def packages(directory=DEB):
    """The packages that packaging/build-deb left."""
    return sorted(directory.glob("blob*_*.deb"))


def depends_of(package):
    """The names of the packages that it needs."""
    text = subprocess.run(["dpkg-deb", "-f", str(package), "Depends"], check=True, capture_output=True, text=True).stdout
    return [re.split(r"[ (|]", one.strip())[0] for one in text.split(",") if one.strip()]


def make_tree(tree=TREE, *others):
    """The tree, with everything that our packages need but not them, and with other packages."""
    needed = sorted({name for package in packages() for name in depends_of(package)} - {"blobd", "blobctl"})
    subprocess.run([str(HERE / "make-tree"), str(tree), *needed, *others], check=True)
    return tree


def run(*command, **options):
    return subprocess.run([*map(str, command)], check=True, **options)


def why_no_boot():
    """Boots the tree without our packages. None, or why this machine cannot do that: no fault of theirs."""
    try:
        bare = Machine()
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)
    try:
        bare.boot()
    except (AssertionError, OSError) as error:
        return str(error)
    finally:
        bare.close()
    return None


class Machine:
    _number = 0

    def __init__(self, tree=TREE, shown=(), size="2g"):
        """`shown`: files and directories of this machine that are there too, to be read. `size`: of its layer."""
        Machine._number += 1
        self.name = f"blobd-{os.getpid()}-{Machine._number}"
        self._work = Path(tempfile.mkdtemp(prefix="blobd-machine-"))
        run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self._work)
        for name in ("upper", "work", "root"):
            (self._work / name).mkdir()
        self.root = self._work / "root"
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={tree},upperdir={self._work}/upper,workdir={self._work}/work", self.root)
        # A machine-id of its own, and the journal kept.
        (self.root / "etc" / "machine-id").write_text(uuid.uuid4().hex + "\n")
        (self.root / "var" / "log" / "journal").mkdir(exist_ok=True)
        self._shown = [f"--bind-ro={path}" for path in shown]
        self._cgroups = []
        self._process = None
        self._leader = None

    # ---- Its life ----

    def boot(self):
        for hierarchy in ("", "systemd", "unified"):
            top = Path("/sys/fs/cgroup") / hierarchy
            if (top / "cgroup.procs").exists():
                own = top / self.name
                own.mkdir(exist_ok=True)
                self._cgroups.append(own)
        with open(self._work / "console", "wb") as console:
            self._process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--directory", str(self.root), "--machine", self.name, "--boot",
                 "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--link-journal=no", *self._shown],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=self._enter_cgroups)
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            self._leader = self._leader or self._find_leader()
            state = self.try_run("systemctl", "is-system-running").stdout.strip() if self._leader else ""
            if state in ("running", "degraded"):
                return self
            time.sleep(0.1)
        raise AssertionError(f"the machine did not boot:\n{(self._work / 'console').read_text(errors='replace')[-4000:]}")

    def _enter_cgroups(self):
        for own in self._cgroups:
            (own / "cgroup.procs").write_text(str(os.getpid()))

    def _find_leader(self):
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        # nspawn's own child is a process outside first; the leader has pid 1 inside.
        for child in children:
            status = Path(f"/proc/{child}/status").read_text()
            if re.search(r"^NSpid:.*\t1$", status, re.MULTILINE):
                return int(child)
        return None

    def close(self):
        if self._process is not None:
            if self._leader is not None and self._process.poll() is None:
                os.kill(self._leader, signal.SIGRTMIN + 4)  # poweroff
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for mount in (self.root, self._work):
            subprocess.run(["umount", "--lazy", str(mount)], check=False)
        shutil.rmtree(self._work, ignore_errors=True)
        for own in self._cgroups:
            for group in sorted((d for d in own.rglob("*") if d.is_dir()), key=lambda d: -len(d.parts)):
                self._remove_group(group)
            self._remove_group(own)

    @staticmethod
    def _remove_group(group):
        try:
            group.rmdir()
        except OSError:
            pass  # a process of it has not gone yet; it is empty and stays until the next boot

    # ---- What is done in it ----

    @property
    def leader(self):
        """Its init's pid, as this machine sees it."""
        return self._leader

    def command(self, *command):
        return ["nsenter", "-t", str(self._leader), "-a", "--", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *map(str, command)]

    def try_run(self, *command, timeout=120, stdin=b""):
        done = subprocess.run(self.command(*command), input=stdin, capture_output=True, timeout=timeout, check=False)
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(errors="replace"),
                                           done.stderr.decode(errors="replace"))

    def run(self, *command, code=0, **options):
        done = self.try_run(*command, **options)
        if done.returncode != code:
            raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}\n{done.stderr}\n"
                                 f"{self.journal()[-6000:]}")
        return done.stdout

    def start(self, *command):
        """Runs it in the background."""
        return subprocess.Popen(self.command(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def journal(self, *options):
        return self.try_run("journalctl", "--no-pager", "-o", "short-precise", "-u", "blobd*", *options).stdout

    def show(self, unit, name):
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def install(self, *files):
        """dpkg, without a network; what they need is in the tree."""
        names = []
        for file in files:
            shutil.copy(file, self.root / "var" / "tmp" / Path(file).name)
            names.append(f"/var/tmp/{Path(file).name}")
        return self.run("dpkg", "--install", "--force-confold", *names, timeout=300)

    def wait_until(self, what, condition, timeout=60):
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s: {what}\n{self.journal()[-6000:]}")
            time.sleep(0.1)

    def connect(self, namespace, inside, outside):
        """A cable to a network namespace of this machine; the addresses are IP/BITS."""
        cable = f"b{os.getpid() % 100000}-{Machine._number}"
        run("ip", "link", "add", cable, "type", "veth", "peer", "name", "cable0", "netns", str(self._leader))
        run("ip", "link", "set", cable, "netns", namespace)
        run("ip", "-n", namespace, "address", "add", outside, "dev", cable)
        run("ip", "-n", namespace, "link", "set", cable, "up")
        self.run("ip", "address", "add", inside, "dev", "cable0")
        self.run("ip", "link", "set", "cable0", "up")
