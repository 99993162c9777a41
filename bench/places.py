"""Where a measurement runs: on loopback, over a veth pair, or over an emulated long link."""
import contextlib
import os
import subprocess

from link import Network


class Loopback:
    """Both ends on 127.0.0.1."""

    name = "loopback"
    provider_host = getter_host = "127.0.0.1"
    provider_namespace = getter_namespace = None

    def getter_command(self, *command):
        return command

    def close(self):
        pass


class Veth:
    """Two network namespaces joined by a veth pair with MTU 1500, as two machines on one switch would be."""

    name = "veth, MTU 1500"
    provider_host, getter_host = "10.99.77.1", "10.99.77.2"

    def __init__(self):
        self.provider_namespace, self.getter_namespace = (f"blobd-bench-{end}-{os.getpid()}" for end in "pg")
        ends = ((self.provider_namespace, "benchp", self.provider_host),
                (self.getter_namespace, "benchg", self.getter_host))
        for namespace, _, _ in ends:
            self._ip("netns", "add", namespace)
        self._ip("-n", ends[0][0], "link", "add", "benchp", "mtu", "1500", "type", "veth",
                 "peer", "name", "benchg", "mtu", "1500", "netns", ends[1][0])
        for namespace, device, host in ends:
            self._ip("-n", namespace, "addr", "add", f"{host}/24", "dev", device)
            for each in ("lo", device):
                self._ip("-n", namespace, "link", "set", each, "up")

    @staticmethod
    def _ip(*args):
        subprocess.run(["ip", *args], check=True)

    def getter_command(self, *command):
        return ["ip", "netns", "exec", self.getter_namespace, *command]

    def close(self):
        for namespace in (self.provider_namespace, self.getter_namespace):
            subprocess.run(["ip", "netns", "del", namespace], check=False)


class Wan:
    """Two namespaces joined by an emulated link (tests/link): round trips of 50 ms, 0.1 % loss, 400 Mbit/s."""

    name = "50 ms, 0.1 % loss, 400 Mbit/s"
    provider_host, getter_host = "10.99.78.1", "10.99.78.2"

    def __init__(self):
        self._network = Network(seed=11)
        self._network.__enter__()
        self.provider_namespace = self._network.add_namespace("far")
        self.getter_namespace = self._network.add_namespace("near")
        self._network.link("wan", "far", self.provider_host, "near", self.getter_host,
                           delay="25ms", loss="0.1%", rate="400Mbit/s", queue="100ms")

    def set_congestion_control(self, name):
        """How TCP connections that the provider takes from now on send."""
        # By the route: of the namespace's default only some can be chosen.
        self._network.run("far", "ip", "route", "replace", self.getter_host, "dev", "wan", "congctl", name)

    def getter_command(self, *command):
        return self._network.command_in("near", *command)

    def close(self):
        self._network.close()


class Places:
    """Each is made when it is first asked for."""

    def __init__(self):
        self._made = {}

    def _place(self, kind):
        if kind not in self._made:
            self._made[kind] = kind()
        return self._made[kind]

    @property
    def loopback(self):
        return self._place(Loopback)

    @property
    def veth(self):
        return self._place(Veth)

    @property
    def wan(self):
        return self._place(Wan)

    def close(self):
        with contextlib.ExitStack() as whatever_fails:
            for place in self._made.values():
                whatever_fails.callback(place.close)
