"""The programs in client/examples, as somebody else would run them."""
import os
import subprocess

from harness import BUILD, ROOT, TIMEOUT, E2eTest
from peers import write_random

EXAMPLES = ROOT / "client" / "examples"
ANYONE = '[serve]\nmode = "anyone"\n'


class Examples(E2eTest):
    def setUp(self):
        super().setUp()
        self.source = self.start_daemon("source", ANYONE)
        self.file = write_random(self.directory / "file", 3_000_000)
        self.hash = self.source.add(self.file)

    def run_example(self, command, *args, **environment):
        return subprocess.run(
            [*command, *map(str, args)], capture_output=True, timeout=TIMEOUT, check=False,
            env={**os.environ, "BLOBD_SOCKET": str(self.daemon.socket), **environment})

    def assert_fetches(self, command, **environment):
        """By ticket, and by hash from a named node; what is here already, too. What cannot be had is an error."""
        done = self.run_example(command, self.source.ticket(self.hash), **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, self.file.read_bytes())
        self.assertIn(b"INTENT_STATE_DONE: 3000000 of 3000000 bytes", done.stderr)

        second = write_random(self.directory / "second", 100_000, seed=1)
        node, address = self.source.provider.split("@")
        wanted = self.source.add(second)
        for _ in range(2):
            done = self.run_example(command, wanted, node, address, **environment)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, second.read_bytes())

        failed = self.run_example(command, "5a" * 32, **environment)
        self.assertEqual((failed.returncode, failed.stdout), (1, b""))
        self.assertIn(b"provider", failed.stderr.splitlines()[-1])
        refused = self.run_example(command, "nonsense", **environment)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(b"hash", refused.stderr)

    def test_in_cpp(self):
        self.assert_fetches([BUILD / "client" / "blobd_fetch"])

    def test_in_python(self):
        stubs = self.directory / "stubs"
        stubs.mkdir()
        protos = ROOT / "proto"
        subprocess.run(
            ["protoc", "-I", protos, "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", f"--python_out={stubs}",
             f"--grpc_out={stubs}", *sorted((protos / "blobd" / "v1").glob("*.proto"))], check=True)
        # Debian's modules belong to Debian's interpreter.
        self.assert_fetches(["/usr/bin/python3", EXAMPLES / "fetch.py"], PYTHONPATH=str(stubs))
