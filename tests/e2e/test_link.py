"""The emulated links themselves: what they do to packets, seen by programs at both ends."""
import hashlib
import os
import random
import select
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from link import BLOBD_LINK, LinkError, Network, can_make_networks

SOL_UDP, UDP_SEGMENT = 17, 103
A, B, A6, B6 = "10.9.0.1", "10.9.0.2", "fd09::1", "fd09::2"
PORT = 5000
# As long as a packet may take that is on its way, on a machine with other things to do.
SOON = 10


def namespaces_of_this_process():
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if line.startswith(f"blobd-{os.getpid()}-")]


@unittest.skipUnless(can_make_networks(), "wants root and /dev/net/tun")
class LinkTest(unittest.TestCase):
    """Two namespaces, a and b, and the link `wan` between them."""
    alone = True  # run_unittests.py: it measures

    def setUp(self):
        self.network = Network()
        self.network.__enter__()
        self.addCleanup(self.network.close)
        self.network.add_namespace("a")
        self.network.add_namespace("b")

    def link(self, **options):
        self.network.link("wan", "a", A, "b", B, ipv6=(A6, B6), **options)

    def udp(self, namespace, address=None):
        """A UDP socket that holds a lot, bound to `address` if there is one."""
        family = socket.AF_INET6 if address and ":" in address else socket.AF_INET
        udp = self.network.socket(namespace, family)
        self.addCleanup(udp.close)
        udp.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        udp.settimeout(SOON)
        if address:
            udp.bind((address, PORT))
        return udp

    def ping(self, address=B, count=10):
        """Round trips in ms that the kernel at the other end answered; none after SOON."""
        icmp = self.network.socket("a", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        with icmp:
            icmp.settimeout(SOON)
            trips = []
            for number in range(count):
                ours = struct.pack("!HH", os.getpid() & 0xffff, number)
                total = 0x0800 + sum(struct.unpack("!2H", ours))
                checksum = ~((total & 0xffff) + (total >> 16)) & 0xffff
                started = time.monotonic()
                icmp.sendto(struct.pack("!BBH", 8, 0, checksum) + ours, (address, 0))
                answer = b""
                # Type 0 is an echo's answer; a raw socket sees whatever ICMP comes.
                while answer[20:21] != b"\0" or answer[24:28] != ours:
                    answer = icmp.recv(2048)
                trips.append((time.monotonic() - started) * 1000)
            return trips

    def send_tcp(self, data, address=B):
        """Sends it from a to b; returns what arrived and how long that took."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.network.socket("b", family, socket.SOCK_STREAM) as listener:
            listener.bind((address, PORT))
            listener.listen(1)
            listener.settimeout(SOON)
            with self.network.socket("a", family, socket.SOCK_STREAM) as sender:
                sender.settimeout(60)
                sender.connect((address, PORT))
                receiver = listener.accept()[0]
                with receiver:
                    receiver.settimeout(60)
                    started = time.monotonic()

                    def send():
                        sender.sendall(data)
                        sender.shutdown(socket.SHUT_WR)
                    thread = threading.Thread(target=send)
                    thread.start()
                    arrived = bytearray()
                    while piece := receiver.recv(1 << 20):
                        arrived += piece
                    took = time.monotonic() - started
                    thread.join()
        return bytes(arrived), took


class Delay(LinkTest):
    def test_round_trip(self):
        self.link(delay="25ms")
        trips = self.ping(count=20)
        self.assertGreaterEqual(min(trips), 50)
        self.assertLess(statistics.median(trips), 75)

    def test_without_delay(self):
        self.link()
        self.assertLess(statistics.median(self.ping(count=20)), 10)

    def test_each_direction_has_its_own(self):
        self.link()
        self.network.set("wan", "b>a", delay="60ms")
        trips = self.ping()
        self.assertGreaterEqual(min(trips), 60)
        self.assertLess(statistics.median(trips), 110)

    def test_two_addresses_swap(self):
        self.link(delay="40ms")
        self.network.link("lan", "a", "10.9.1.1", "b", "10.9.1.2", delay="5ms")
        self.assertGreaterEqual(min(self.ping(B)), 80)
        self.assertLess(statistics.median(self.ping("10.9.1.2")), 60)
        self.network.set("wan", delay="5ms")
        self.network.set("lan", delay="40ms")
        self.assertLess(statistics.median(self.ping(B)), 60)
        self.assertGreaterEqual(min(self.ping("10.9.1.2")), 80)


class Loss(LinkTest):
    PACKETS = 20_000
    # So many may be on their way into the emulator: fewer than the 500 that the kernel keeps for it.
    AHEAD = 200

    def count_arrived(self, per_send=1, address=B):
        """Sends numbered datagrams, `per_send` of them in one super-packet; returns the numbers that arrived."""
        receiver = self.udp("b", address)
        sender = self.udp("a", A6 if ":" in address else None)
        size = 1000
        if per_send > 1:
            sender.setsockopt(SOL_UDP, UDP_SEGMENT, size)
        sender.connect((address, PORT))
        arrived = []

        def drain(timeout):
            while select.select([receiver], [], [], timeout)[0]:
                data = receiver.recv(2048)
                self.assertEqual(len(data), size)
                number = int.from_bytes(data[:8], "big")
                self.assertEqual(data, datagram(number, size))
                arrived.append(number)
        for first in range(0, self.PACKETS, per_send):
            sender.send(b"".join(datagram(number, size) for number in range(first, first + per_send)))
            drain(0)
            if (first + per_send) % self.AHEAD == 0:
                self.wait_until_offered(first + per_send)
        # Whatever was sent before has been counted now, and without delay was delivered or lost; each of those that
        # were delivered is waited for.
        counted = self.network.stats("wan")["a>b"]
        while len(arrived) < counted["delivered"]["packets"] and select.select([receiver], [], [], SOON)[0]:
            drain(0)
        self.assertEqual(counted["missed"], 0)
        self.assertEqual(counted["offered"]["packets"], self.PACKETS)
        self.assertEqual(counted["delivered"]["packets"], len(arrived))
        self.assertEqual(counted["dropped_loss"]["packets"], self.PACKETS - len(arrived))
        return arrived

    def wait_until_offered(self, packets):
        """Until the emulator has taken so many; how soon it gets to run is the machine's business."""
        deadline = time.monotonic() + SOON
        while self.network.stats("wan")["a>b"]["offered"]["packets"] < packets and time.monotonic() < deadline:
            time.sleep(0.001)

    def assert_about_one_percent_is_lost(self, arrived):
        self.assertEqual(arrived, sorted(set(arrived)))
        # Five standard deviations.
        self.assertAlmostEqual(self.PACKETS - len(arrived), self.PACKETS / 100, delta=5 * (self.PACKETS / 100) ** 0.5)

    def test_none(self):
        self.link()
        self.assertEqual(len(self.count_arrived()), self.PACKETS)

    def test_one_percent(self):
        self.link(loss="1%")
        self.assert_about_one_percent_is_lost(self.count_arrived())

    def test_one_percent_of_super_packets(self):
        self.link(loss="1%")
        self.assert_about_one_percent_is_lost(self.count_arrived(per_send=50))

    def test_one_percent_of_super_packets_over_ipv6(self):
        self.link(loss="1%")
        self.assert_about_one_percent_is_lost(self.count_arrived(per_send=50, address=B6))

    def test_one_percent_without_offload(self):
        self.link(loss="1%", offload=False)
        self.assert_about_one_percent_is_lost(self.count_arrived(per_send=50))

    def test_corrupt_packets_are_noticed(self):
        self.link(corrupt="100%")
        receiver, sender = self.udp("b", B), self.udp("a")
        for number in range(100):
            sender.sendto(datagram(number, 1000), (B, PORT))
        self.wait_until_delivered(100)
        # The kernel looks at checksums only now, so select() would already have called this readable.
        receiver.setblocking(False)
        self.assertRaises(BlockingIOError, receiver.recv, 2048)

    def wait_until_delivered(self, packets):
        deadline = time.monotonic() + SOON
        while self.network.stats("wan")["a>b"]["delivered"]["packets"] < packets:
            self.assertLess(time.monotonic(), deadline)


def datagram(number, size):
    return number.to_bytes(8, "big") + bytes([number % 251]) * (size - 8)


class Throughput(LinkTest):
    def test_rate(self):
        for offload in (True, False):
            with self.subTest(offload=offload):
                name = f"rate-{offload}"
                address = f"10.9.{2 + offload}.2"
                self.network.link(name, "a", f"10.9.{2 + offload}.1", "b", address, offload=offload, rate="4MB/s")
                data = random.Random(1).randbytes(6_000_000)
                arrived, took = self.send_tcp(data, address)
                self.assertEqual(arrived, data)
                # Headers and what is in buffers take a part of the 4 MB/s, and nothing goes beyond.
                self.assertLess(len(data) / took, 4.1e6)
                self.assertGreater(len(data) / took, 0.8e6)

    def test_fast(self):
        """Far below what it does on a free machine with a release build; a broken offload is below this."""
        self.link(delay="1ms")
        data = bytes(100_000_000)
        arrived, took = self.send_tcp(data)
        self.assertEqual(len(arrived), len(data))
        self.assertGreater(len(data) / took, 10e6)

    def test_nothing_is_changed_on_a_bad_link(self):
        """Segments are cut out of super-packets, come twice, late or not at all: TCP puts them together again."""
        self.link(delay="2ms", jitter="1ms", loss="1%", duplicate="1%", reorder="1%", corrupt="0.5%", rate="50MB/s")
        data = random.Random(2).randbytes(4_000_000)
        for address in (B, B6):
            with self.subTest(address=address):
                arrived, _ = self.send_tcp(data, address)
                self.assertEqual(hashlib.sha256(arrived).digest(), hashlib.sha256(data).digest())
        counted = self.network.stats("wan")["a>b"]
        for cause in ("dropped_loss", "duplicated", "reordered", "corrupted"):
            self.assertGreater(counted[cause]["packets"], 0, cause)

    def test_idle_costs_nothing(self):
        self.link(delay="25ms", rate="20MB/s")
        self.ping(count=1)

        def used():
            fields = Path(f"/proc/{self.network.emulator_pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        before = used()
        # Nobody else sends anything on this link, so this waits as long as it says.
        self.assertFalse(select.select([self.udp("b", B)], [], [], 1)[0])
        self.assertLess(used() - before, 0.1)


class Dark(LinkTest):
    def test_dark_and_back(self):
        self.link(delay="100ms")
        receiver, sender = self.udp("b", B), self.udp("a")
        sender.sendto(b"lost on the way", (B, PORT))
        self.network.dark("wan", True)
        sender.sendto(b"lost", (B, PORT))
        self.assertFalse(select.select([receiver], [], [], 0.5)[0])
        self.network.dark("wan", False)
        sender.sendto(b"arrives", (B, PORT))
        self.assertEqual(receiver.recv(100), b"arrives")
        self.assertEqual(self.network.stats("wan")["a>b"]["dropped_dark"]["packets"], 2)

    def test_at_a_time(self):
        self.link()
        receiver, sender = self.udp("b", B), self.udp("a")
        self.network.dark("wan", True)
        started = time.monotonic()
        self.network.at("300ms", "dark", "wan", "off")
        while not select.select([receiver], [], [], 0.01)[0]:
            sender.sendto(b"still there?", (B, PORT))
            self.assertLess(time.monotonic() - started, SOON)
        self.assertGreaterEqual(time.monotonic() - started, 0.3)


class Control(LinkTest):
    def test_bad_commands_change_nothing(self):
        self.link(delay="40ms")
        for bad in (lambda: self.network.set("wan", delay="1ms", loss="200%"),
                    lambda: self.network.set("lan", delay="1ms"),
                    lambda: self.network.set("wan", "up", delay="1ms"),
                    lambda: self.network.dark("wan\ndark wan on", True),
                    lambda: self.network.link("wan", "a", "10.9.1.1", "b", "10.9.1.2"),
                    lambda: self.network.link("lan", "a", "10.9.1.1", "b", "10.9.1.300")):
            self.assertRaises(LinkError, bad)
        self.assertGreaterEqual(min(self.ping(count=3)), 80)

    def test_a_link_that_cannot_be_made_leaves_nothing(self):
        taken = self.network.add_namespace("c")
        subprocess.run(["ip", "-n", taken, "tuntap", "add", "lan", "mode", "tun"], check=True, capture_output=True)
        self.assertRaises(LinkError, self.network.link, "lan", "a", "10.9.1.1", "c", "10.9.1.2")
        devices = self.network.run("a", "ip", "-o", "link", stdout=subprocess.PIPE, text=True).stdout
        self.assertNotIn("lan", devices)

    def test_script(self):
        with tempfile.NamedTemporaryFile("w", suffix=".link") as script:
            a, b = self.network.full_name("a"), self.network.full_name("b")
            script.write(f"# one link\nlink wan {a} {A} {b} {B}\nset wan both delay=40ms\n"
                         "at 300ms stats wan\nat 300ms quit\n")
            script.flush()
            started = time.monotonic()
            done = subprocess.run([str(BLOBD_LINK), "--script", script.name], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60, check=True)
            self.assertGreaterEqual(time.monotonic() - started, 0.3)
            self.assertIn('"a>b"', done.stdout)
            script.write("at noon quit\n")
            script.flush()
            refused = subprocess.run([str(BLOBD_LINK), "--script", script.name], stdin=subprocess.DEVNULL,
                                     capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("line 6", refused.stderr)


@unittest.skipUnless(can_make_networks(), "wants root and /dev/net/tun")
class Teardown(unittest.TestCase):
    def test_after_a_failure(self):
        class Failure(Exception):
            pass
        with self.assertRaises(Failure):
            with Network() as network:
                network.add_namespace("a")
                network.add_namespace("b")
                network.link("wan", "a", A, "b", B)
                sleeper = network.start("b", "sleep", "1000")
                pid = network.emulator_pid
                self.assertEqual(len(namespaces_of_this_process()), 2)
                raise Failure
        self.assertEqual(namespaces_of_this_process(), [])
        self.assertIsNotNone(sleeper.returncode)
        self.assertFalse(Path(f"/proc/{pid}").exists())

    def test_after_the_emulator_died(self):
        with self.assertRaises(LinkError):
            with Network() as network:
                network.add_namespace("a")
                os.kill(network.emulator_pid, 9)
                network.set("wan", delay="1ms")
        self.assertEqual(namespaces_of_this_process(), [])

    def test_networks_do_not_meet(self):
        with Network() as one, Network() as other:
            for network in (one, other):
                network.add_namespace("a")
                network.add_namespace("b")
                network.link("wan", "a", A, "b", B)
            self.assertNotEqual(one.full_name("a"), other.full_name("a"))


if __name__ == "__main__":
    unittest.main()
