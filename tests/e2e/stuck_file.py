"""A FUSE file system with one file that can be opened, and a server that never says how the file system is.

Reading from it, or only asking about it, waits for ever: what a hostile caller could hand to a daemon. The server is a
process of its own (this file as a program), so that its end ends every wait.
"""
import ctypes
import errno
import os
import struct
import subprocess
import sys

FORGET, LOOKUP, GETATTR, OPEN, STATFS, INIT, BATCH_FORGET = 2, 1, 3, 14, 17, 26, 42
MS_NOSUID, MS_NODEV = 2, 4
FILE = 2  # its node id; the root has 1


class StuckFile:
    """Mounted at `directory`, as root; OSError if that cannot be done here."""

    def __init__(self, directory, size):
        self.path = directory / "file"
        self._directory = directory
        self._server = subprocess.Popen([sys.executable, __file__, str(directory), str(size)], stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True)
        if self._server.stdout.readline() != "mounted\n":
            self.stop()
            raise OSError("cannot mount")

    def wait_until_asked(self):
        """Until somebody asks how the file system is, in vain."""
        return self._server.stdout.readline() == "asked\n"

    def stop(self):
        """Whoever waits gets an error."""
        self._server.kill()
        self._server.wait()
        self._server.stdout.close()
        subprocess.run(["umount", "-l", str(self._directory)], check=False, capture_output=True)


def mount(directory):
    """The descriptor of the connection to the kernel."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"stuck", directory.encode(), b"fuse", MS_NOSUID | MS_NODEV, options) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    return device


def attributes(node, file_size):
    mode = 0o040755 if node == 1 else 0o100644
    size = 0 if node == 1 else file_size
    return struct.pack("<6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode, node, size):
    """(error, body), or None for no answer."""
    if opcode == INIT:
        return 0, struct.pack("<4I2H2I2H8I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, *[0] * 8)
    if opcode == LOOKUP:
        return 0, struct.pack("<4Q2I", FILE, 0, 3600, 3600, 0, 0) + attributes(FILE, size)
    if opcode == GETATTR:
        return 0, struct.pack("<Q2I", 3600, 0, 0) + attributes(node, size)
    if opcode == OPEN:
        return 0, struct.pack("<Q2I", 0, 0, 0)
    if opcode == STATFS:
        print("asked", flush=True)
    if opcode in (FORGET, BATCH_FORGET, STATFS):
        return None
    return -errno.ENOSYS, b""


def serve(directory, size):
    device = mount(directory)
    print("mounted", flush=True)
    while True:
        _, opcode, unique, node = struct.unpack_from("<2I2Q", os.read(device, 1 << 17))
        answered = answer(opcode, node, size)
        if answered is not None:
            error, body = answered
            os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
