"""A program of somebody else against the client library as its package has it, built with pkg-config and with CMake."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import machine

CMAKE = """
cmake_minimum_required(VERSION 3.25)
project(fetch CXX)
find_package(blobd-client REQUIRED)
add_executable(fetch {example})
target_link_libraries(fetch blobd::client)
"""


class ClientLibrary(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="blobd-packaging-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        packages = sorted(machine.DEB.glob("libblobd-client-dev_*.deb"))
        if not packages:
            self.fail("there is no package: run packaging/build-deb")
        self.root = self.directory / "root"
        subprocess.run(["dpkg-deb", "-x", packages[0], self.root], check=True)
        self.example = self.root / "usr/share/doc/libblobd-client-dev/examples/fetch.cc"
        self.environment = {**os.environ, "BLOBD_SOCKET": "/nowhere/blobd.sock"}

    def assert_works(self, program):
        done = subprocess.run([program, "5a" * 32], capture_output=True, text=True, env=self.environment, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("blobd is not running at /nowhere/blobd.sock", done.stderr)

    def test_with_pkg_config(self):
        found = next(self.root.glob("usr/lib/*/pkgconfig"))
        self.environment.update(PKG_CONFIG_PATH=str(found))
        flags = subprocess.run(["pkg-config", f"--define-variable=prefix={self.root}/usr", "--cflags", "--libs",
                                "blobd-client"], check=True, capture_output=True, text=True, env=self.environment).stdout
        program = self.directory / "fetch"
        subprocess.run(["c++", "-std=c++17", self.example, "-o", program, *flags.split()], check=True)
        self.assert_works(program)

    def test_with_cmake(self):
        source = self.directory / "source"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(CMAKE.format(example=self.example))
        build = self.directory / "build"
        subprocess.run(["cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.root}/usr"],
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["cmake", "--build", build], check=True, stdout=subprocess.DEVNULL)
        self.assert_works(build / "fetch")


if __name__ == "__main__":
    unittest.main()
