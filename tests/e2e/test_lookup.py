"""A node that is not where the ticket says: it is found through the lookup services, and downloaded from."""
import json
import signal
import socket
import subprocess
import unittest

from harness import DONE, INTERRUPTED, NOT_FOUND, TIMEOUT, E2eTest
from link import Network, can_make_networks
from lookup_servers import NameServer, Relay, zbase32_of
from peers import write_random

MIB = 1 << 20
ANYONE = '[serve]\nmode = "anyone"\n'
ORIGIN = "nodes.test"
STALE = "127.0.0.1:9"  # where nobody is
NOWHERE = "ab" * 32


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def has_nothing_but_loopback():
    return [name for _, name in socket.if_nameindex()] == ["lo"]


class LookupTest(E2eTest):
    """A provider, and daemons that look for it; each test says how."""

    def provider(self, config="", port=0):
        """Makes the daemon that has a blob; `self.ticket` is for it, with an address where nobody is."""
        self.source = write_random(self.directory / "source" / "blob", 3 * MIB, seed=self.id())
        provider = self.start_daemon("provider", config + ANYONE, listen=f"127.0.0.1:{port}")
        self.ticket = provider.ticket(provider.add(self.source), "--address", STALE)
        self.node_id = provider.status()["nodeId"]
        self.address = provider.status()["listenAddresses"][0]
        return provider

    def getter(self, *lines):
        return self.start_daemon("getter", "[lookup]\n" + "\n".join(lines) + "\n")

    def get(self, getter, timeout=TIMEOUT):
        target = self.directory / "target"
        result = getter.ctl("get", self.ticket, "-o", target, timeout=timeout)
        self.assertEqual(result.code, DONE, result.text)
        self.assert_same_file(target, self.source)
        return result

    def remote(self, getter, node_id=None):
        """The node's addresses as `blobctl remote` shows them."""
        result = getter.ctl("remote", node_id or self.node_id, "--json")
        self.assertEqual(result.code, DONE, result.text)
        return {each["address"]: each for each in result.json()["remote"]["addresses"]}

    def service(self, daemon, name):
        for service in daemon.status()["lookupServices"]:
            if service["name"] == name:
                return service
        self.fail(f"{name} is not switched on: {daemon.status()['lookupServices']}")

    def assert_found_by(self, getter, name):
        addresses = self.remote(getter)
        self.assertEqual(addresses[self.address]["source"], name)
        self.assertGreater(int(addresses[self.address]["lastWorkedUnixMs"]), 0)
        self.assertEqual(addresses[STALE]["source"], "ticket")
        self.assertEqual(int(addresses[STALE]["lastWorkedUnixMs"]), 0)
        self.assertEqual(int(self.service(getter, name)["found"]), 1)
        shown = getter.ctl("remote", self.node_id).text
        self.assertRegex(shown, rf"{self.address} +{name} ")
        self.assertIn(f"({name})", getter.ctl("remotes", "--full").text)


class Found(LookupTest):
    def test_through_dns(self):
        self.provider()
        names = self.run_peer(NameServer())
        names.set(self.node_id, ORIGIN, f"addr={self.address}", "user-data=of no use")
        getter = self.getter("dns = true", f'dns_servers = ["{names.address}"]', f'dns_origin = "{ORIGIN}"')
        self.get(getter)
        self.assert_found_by(getter, "dns")
        self.assertEqual(self.remote(getter)[self.address]["usage"], "ADDRESS_USAGE_ACTIVE")
        # The next life knows it, and who told.
        getter.stop()
        getter.start()
        self.assertEqual(self.remote(getter)[self.address]["source"], "dns")

    def test_through_pkarr(self):
        relay = self.run_peer(Relay())
        port = free_port()
        provider = self.provider(f'advertise = ["127.0.0.1:{port}"]\n[lookup]\npkarr_publish = true\n'
                                 f'pkarr_relay = "{relay.url}"\n', port)
        provider.wait_until("the provider says where it is", lambda: relay.records(self.node_id))
        self.assertEqual(relay.records(self.node_id), [f"addr={self.address}"])
        self.assertEqual(relay.asked, [], "publishing does not mean asking")
        getter = self.getter("pkarr = true", f'pkarr_relay = "{relay.url}"')
        self.get(getter)
        self.assert_found_by(getter, "pkarr")
        provider.wait_until("the relay's answer is counted",
                            lambda: int(self.service(provider, "pkarr")["published"]) > 0)

    @unittest.skipUnless(has_nothing_but_loopback(), "would speak on the machine's network")
    def test_through_the_local_network(self):
        port = free_port()
        self.provider(f'advertise = ["127.0.0.1:{port}"]\n[lookup]\nlocal = true\n', port)
        getter = self.getter("local = true")
        self.get(getter)
        self.assert_found_by(getter, "local")

    def test_through_the_configuration(self):
        self.provider()
        getter = self.getter(f'nodes = ["{self.node_id}@{self.address}"]')
        self.get(getter)
        self.assert_found_by(getter, "static")


class Troubled(LookupTest):
    def test_services_that_hang_delay_nothing(self):
        self.provider()
        names, relay = self.run_peer(NameServer(silent=True)), self.run_peer(Relay(silent=True))
        # Longer than the dial, and far longer than this may take.
        getter = self.getter("timeout_ms = 60000", "dns = true", f'dns_servers = ["{names.address}"]',
                             "pkarr = true", f'pkarr_relay = "{relay.url}"',
                             f'nodes = ["{self.node_id}@{self.address}"]')
        result = self.get(getter)
        self.assertLess(result.seconds, 10)
        self.assertTrue(names.asked)
        self.assertTrue(relay.asked)
        self.assert_found_by(getter, "static")

    def test_each_service_says_why_it_found_nothing(self):
        names, relay = self.run_peer(NameServer()), self.run_peer(Relay(silent=True))
        getter = self.getter("timeout_ms = 700", "dns = true", f'dns_servers = ["{names.address}"]',
                             f'dns_origin = "{ORIGIN}"', "pkarr = true", f'pkarr_relay = "{relay.url}"')
        intent = getter.ctl("queue", "-q", "12" * 32, "--from", NOWHERE).value

        def last_error():
            why = getter.ctl("why", intent, "--json").json()
            providers = [each for request in why.get("requests", []) for each in request.get("providers", [])]
            return "".join(each.get("lastError", "") for each in providers)
        said = getter.wait_until("the dial has failed", last_error)
        for word in ("no address is known", "static: ", "registry: ", "dns: ", "pkarr: no answer within 700 ms"):
            self.assertIn(word, said)
        self.assertEqual(names.asked[0], f"_iroh.{zbase32_of(NOWHERE)}.{ORIGIN}")
        self.assertGreaterEqual(int(self.service(getter, "pkarr")["timedOut"]), 1)
        self.assertGreaterEqual(int(self.service(getter, "dns")["empty"]), 1)
        self.assertIn("pkarr", getter.ctl("remotes", "--full").text)

    def test_what_others_say_is_not_believed(self):
        """Somebody else's address, and a packet that another signed, are found, tried and passed over."""
        self.provider()
        impostor = self.start_daemon("impostor", ANYONE)
        names, relay = self.run_peer(NameServer()), self.run_peer(Relay())
        names.set(self.node_id, ORIGIN, f"addr={impostor.status()['listenAddresses'][0]}", f"addr={self.address}")
        relay.packets[zbase32_of(self.node_id)] = b"\1" * 200
        getter = self.getter("dns = true", f'dns_servers = ["{names.address}"]', f'dns_origin = "{ORIGIN}"',
                             "pkarr = true", f'pkarr_relay = "{relay.url}"')
        self.get(getter)
        self.assertEqual(int(self.service(getter, "pkarr")["failed"]), 1)
        self.assertEqual(self.remote(getter)[self.address]["source"], "dns")

    def test_nothing_is_known_of_a_stranger(self):
        self.ctl("remote", NOWHERE, code=NOT_FOUND)
        self.ctl("remote", "nonsense", code=2)


@unittest.skipUnless(can_make_networks(), "wants root and namespaces")
class NetworkChanges(LookupTest):
    """Two namespaces, joined by a pair of interfaces that come and go."""

    def prepare(self):
        self.network = Network()
        self.network.__enter__()
        self.addCleanup(self.network.close)
        self.near, self.far = (self.network.add_namespace(name) for name in ("near", "far"))
        self.ip("link", "add", "near0", "netns", self.near, "type", "veth", "peer", "far0", "netns", self.far)
        for namespace, device, address in ((self.near, "near0", "10.97.0.1/24"), (self.far, "far0", "10.97.0.2/24")):
            self.ip("-n", namespace, "addr", "add", address, "dev", device)
            self.ip("-n", namespace, "link", "set", device, "up")

    @staticmethod
    def ip(*args):
        subprocess.run(["ip", *args], check=True, capture_output=True, timeout=30)

    def test_an_interface_that_comes_back_ends_the_wait_for_a_retry(self):
        provider = self.start_daemon("provider", ANYONE, listen="10.97.0.2:0", namespace=self.far)
        source = write_random(self.directory / "source", MIB)
        ticket = provider.ticket(provider.add(source))
        # By itself it would not try again before the test has failed.
        getter = self.start_daemon("getter", "[retry]\ninitial_delay_ms = 3600000\n", listen="0.0.0.0:0",
                                   namespace=self.near)
        self.ip("-n", self.near, "link", "set", "near0", "down")
        getter.wait_until("the change is noticed", lambda: "no address but loopback" in getter.log(), 5)
        intent = getter.ctl("queue", "-q", ticket).value
        getter.wait_until("the dial has failed", lambda: "dial failed" in getter.log())
        self.assertEqual(getter.intent(intent)["state"], "INTENT_STATE_PARKED")
        self.ip("-n", self.near, "link", "set", "near0", "up")
        getter.wait_until("it is done", lambda: getter.intent(intent)["state"] == "INTENT_STATE_DONE", 30)

    def test_a_new_address_is_published(self):
        with self.network.inside("near"):
            relay = self.run_peer(Relay())
        daemon = self.start_daemon("node", f'[lookup]\npkarr_publish = true\npkarr_relay = "{relay.url}"\n',
                                   listen="0.0.0.0:7711", namespace=self.near)
        node_id = daemon.status()["nodeId"]

        def published():
            return sorted(relay.records(node_id))
        daemon.wait_until("it says where it is", lambda: published() == ["addr=10.97.0.1:7711"])
        self.ip("-n", self.near, "addr", "add", "10.97.0.9/24", "dev", "near0")
        both = ["addr=10.97.0.1:7711", "addr=10.97.0.9:7711"]
        daemon.wait_until("the new address is said, too", lambda: published() == both, 15)
        self.ip("-n", self.near, "addr", "del", "10.97.0.9/24", "dev", "near0")
        daemon.wait_until("and no more", lambda: published() == both[:1], 15)


class Watched(LookupTest):
    def watch(self, *args):
        process = self.daemon.ctl_start(*args, "--watch", "--json")
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.kill)
        return process, (json.loads(line) for line in process.stdout)

    def test_what_changes_is_shown_until_the_watch_is_interrupted(self):
        self.ctl("remotes", "add", NOWHERE, "192.0.2.1:7")
        process, messages = self.watch("remotes")
        first = next(messages)
        self.assertEqual([each["nodeId"] for each in first["remotes"]], [NOWHERE])
        self.assertTrue(first["current"])
        self.ctl("remotes", "add", NOWHERE, "192.0.2.2:7")
        changed = next(messages)["remotes"]
        self.assertEqual([each["address"] for each in changed[0]["addresses"]], ["192.0.2.1:7", "192.0.2.2:7"])
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), INTERRUPTED)

    def test_one_node_is_watched_while_something_is_got_from_it(self):
        self.provider()
        _, messages = self.watch("remote", self.node_id)
        self.assertEqual(next(messages)["remotes"], [])
        self.ctl("queue", "-q", self.ticket)
        self.ctl("remotes", "add", self.node_id, self.address)
        states = (each["state"] for message in messages for each in message["remotes"])
        self.assertIn("REMOTE_STATE_CONNECTED", states)

    def test_an_unknown_form_of_id_is_refused(self):
        self.ctl("remote", "nonsense", "--watch", code=2)


class Many(LookupTest):
    def test_ten_thousand_known_nodes_are_listed(self):
        number, batch = 10_000, 64
        self.ctl("pause", "--everything")
        wanted = "34" * 32
        self.queue(wanted)
        ids = [f"{i:064x}" for i in range(1, number + 1)]
        for i in range(0, number, batch):
            self.ctl("nodes-have", wanted, *(f"{each}@192.0.2.1:7" for each in ids[i:i + batch]))
        result = self.ctl("remotes", "--json")
        self.assertEqual([each["nodeId"] for each in result.json()["remotes"]], ids)
        self.assertLess(result.seconds, 30)
        self.assertEqual(self.ctl("remotes", "-q", "-n", "3").value.split(), ids[:3])


if __name__ == "__main__":
    unittest.main()
