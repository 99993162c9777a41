#!/usr/bin/env python3
"""Reads every #include of our rooms, and what their build files link, against the floors of the house.

A room may use itself and rooms on lower floors. Static libraries alone do not enforce that: a header of a higher room
is found all the same.
"""
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FLOORS = [
    ["base"],
    ["blake3", "wire"],
    ["sqlite", "bao", "schedule", "path"],
    ["loop", "store", "registry"],
    ["quic", "http", "lookup"],
    ["transfer"],
    ["engine"],
    ["rpc"],
    ["daemon"],
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Uses on the same floor that are meant: both databases run on workers and post their answers.
SAME_FLOOR = {("store", "loop"), ("registry", "loop")}

# Generated code counts as a room of its own, used where the API is spoken.
PROTO_USERS = {"rpc", "daemon", "client"}
# Outboards are made without the daemon, by the pure room that knows them.
CLIENT_MAY_USE = {"client", "base", "bao", "proto"}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
LINKED = re.compile(r"\bblobd::(\w+)")


def may_use(room, used):
    """Whether code of `room` may use the room `used`."""
    if used == room:
        return True
    if room == "client":
        return used in CLIENT_MAY_USE
    if used == "proto":
        return room in PROTO_USERS
    if used not in FLOOR_OF:
        return False
    return FLOOR_OF[used] < FLOOR_OF[room] or (room, used) in SAME_FLOOR


def room_of_include(path):
    """The room that an included path belongs to; None for other people's headers and for those beside the file."""
    if "/" not in path:
        return None
    first = path.split("/", 1)[0]
    if first == "blobd":
        return "proto"
    is_ours = first in ("..", "daemon", "client", "tests", "bench") or (ROOT / "lib" / first).is_dir()
    return first if is_ours else None


def rooms():
    """Every room with its folder. lib/cmake holds build rules and is none."""
    for folder in sorted((ROOT / "lib").iterdir()):
        if folder.is_dir() and folder.name != "cmake":
            yield folder.name, folder
    for name in ("daemon", "client"):
        yield name, ROOT / name


def sources(folder):
    return sorted(f for f in folder.rglob("*") if f.suffix in {".h", ".cc", ".c"})


class Floors(unittest.TestCase):
    def test_every_room_has_a_floor(self):
        unknown = [name for name, _ in rooms() if name not in FLOOR_OF and name != "client"]
        self.assertEqual(unknown, [], "rooms of lib/ that no floor lists")

    def test_includes_point_down(self):
        wrong = []
        for name, folder in rooms():
            for source in sources(folder):
                for included in INCLUDE.findall(source.read_text(encoding="utf-8")):
                    used = room_of_include(included)
                    if used is not None and not may_use(name, used):
                        wrong.append(f"{source.relative_to(ROOT)} includes {included}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_own_headers_are_included_by_room(self):
        """"x.h" without its room would be looked up beside the file only, and says nothing about the floor."""
        wrong = []
        for name, folder in rooms():
            if name in ("daemon", "client"):
                continue
            for source in sources(folder):
                for included in INCLUDE.findall(source.read_text(encoding="utf-8")):
                    if (folder / included).exists() and room_of_include(included) is None:
                        wrong.append(f"{source.relative_to(ROOT)} includes {included}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_links_point_down(self):
        wrong = []
        for name, folder in rooms():
            build_file = folder / "CMakeLists.txt"
            if not build_file.exists():
                continue
            for used in sorted(set(LINKED.findall(build_file.read_text(encoding="utf-8")))):
                if not may_use(name, used):
                    wrong.append(f"{build_file.relative_to(ROOT)} links blobd::{used}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_the_rule_itself(self):
        self.assertTrue(may_use("store", "loop"))
        self.assertTrue(may_use("registry", "sqlite"))
        self.assertTrue(may_use("bao", "blake3"))
        self.assertTrue(may_use("client", "proto"))
        self.assertFalse(may_use("store", ".."))
        self.assertFalse(may_use("store", "registry"))
        self.assertFalse(may_use("schedule", "path"))
        self.assertFalse(may_use("base", "wire"))
        self.assertFalse(may_use("engine", "rpc"))
        self.assertFalse(may_use("engine", "proto"))
        self.assertFalse(may_use("client", "wire"))
        self.assertFalse(may_use("daemon", "client"))


if __name__ == "__main__":
    unittest.main()
