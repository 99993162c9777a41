"""The API under load: callers that come and go, lists that change while they are read, everything at once, and what is too
much of something.

BLOBD_LONG=1 runs all of it in the sizes that the product promises; the short form shows the same with less.
"""
import gzip
import os
import random
import struct
import time
import unittest

import api_admin  # noqa: F401  pylint: disable=unused-import
import api_blobs  # noqa: F401  pylint: disable=unused-import
import api_downloads  # noqa: F401  pylint: disable=unused-import
import grpc_wire
from api import LARGEST_MESSAGE, METHODS, Caller, answer_of, pages, v1
from api_table import TABLE
from api_world import ApiTest, World
from grpc_wire import (ABORTED, CANCELLED, CODE_NAMES, INTERNAL, OK, RESOURCE_EXHAUSTED, UNAVAILABLE, UNKNOWN, AsUser,
                       framed)
from harness import is_long_run, is_sanitized

FIRST_UID = 21_000
NOBODY_HAS_IT = "ab" * 32
MIB = 1 << 20
RECONNECTS = CHURN = 10_000
TOGETHER_SECONDS = 60 if is_long_run() else 10


def kinds(hashes, **options):
    return v1.QueueRequest(items=[v1.QueueItem(kind=v1.Kind(hash=each), **options) for each in hashes])


def hash_of(*numbers):
    return "".join(f"{number:016x}" for number in numbers).rjust(64, "7")


class Load(ApiTest):
    def together(self, jobs, others):
        """Runs jobs as other users, `others()` again and again meanwhile. What the jobs returned."""
        processes = [AsUser(uid, [self.group], function, *args) for uid, function, *args in jobs]
        for process in processes:
            self.addCleanup(process.end)
        while not all(self.has_ended(process) for process in processes):
            others()
        return [process.result() for process in processes]

    @staticmethod
    def has_ended(process):
        # What it returns may be more than a pipe holds, so it has ended when it begins to tell.
        ready, _, _ = grpc_wire.select.select([process.reading], [], [], 0)
        return bool(ready)


# ---- Coming and going ----


def come_and_go(path, uid, times, number):
    """Connects so often, and makes one call each time whose answer says for whom it was taken. Counts what came of them."""
    counts = {"queued": 0, "quota": 0, "denied": 0}
    for index in range(times):
        caller = Caller(uid, lambda: grpc_wire.Connection(path))
        try:
            if index % 10 == 0:
                answer = caller.call("Downloads.Queue", kinds([hash_of(uid, number, index)]))
                if answer.is_ok:
                    counts["queued"] += 1
                    intent = caller.ok("Downloads.GetIntent", v1.GetIntentRequest(
                        intent_id=answer.messages[0].intents[0].intent_id))
                    assert intent.owner_uid == uid, f"what {uid} queued is of {intent.owner_uid}"
                else:
                    assert answer.code == RESOURCE_EXHAUSTED and str(uid) in answer.text, answer
                    counts["quota"] += 1
            else:
                answer = caller.call("Downloads.Pause", v1.PauseRequest(everything=True))
                assert answer.code == grpc_wire.PERMISSION_DENIED and f"uid {uid}" in answer.text, answer
                counts["denied"] += 1
        finally:
            caller.close()
    return counts


class ComingAndGoing(Load):
    QUOTA = 20
    more_config = f"intents_per_uid = {QUOTA}\n"

    def test_every_call_is_taken_for_whose_it_is(self):
        """Two processes of each of four users reconnect without pause; a fifth and root call meanwhile."""
        uids = [FIRST_UID + i for i in range(4)]
        resident = self.member(FIRST_UID + 9)
        own = resident.ok("Downloads.Queue", kinds([hash_of(9)])).intents[0].intent_id
        calls = 0

        def others():
            nonlocal calls
            self.assertEqual(self.root.ok("Downloads.GetIntent", v1.GetIntentRequest(intent_id=own)).owner_uid, resident.uid)
            denied = resident.call("Downloads.Resume", v1.ResumeRequest(everything=True))
            self.assertIn(f"uid {resident.uid}", denied.text)
            calls += 2
        started = time.monotonic()
        counts = self.together([(uid, come_and_go, self.daemon.socket, uid, RECONNECTS // 8, number)
                                for number, uid in enumerate(uids * 2)], others)
        seconds = time.monotonic() - started
        print(f"{RECONNECTS} connections in {seconds:.1f} s, {calls} calls of others meanwhile", flush=True)
        for index, uid in enumerate(uids):
            mine = [counts[index], counts[index + 4]]
            self.assertEqual(sum(each["queued"] for each in mine), min(self.QUOTA, 2 * len(range(0, RECONNECTS // 8, 10))), uid)
            listed = pages(self.root, "Downloads.ListIntents", v1.ListIntentsRequest(owner_uid=uid), "intents")
            self.assertEqual(len(listed), sum(each["queued"] for each in mine))
        # Nothing of them is left.
        self.daemon.wait_until("the connections are closed", lambda: self.daemon.descriptors() < 200)


# ---- Lists that change ----


def churn(path, uid, amount):
    """Adds and ends so many intents."""
    caller = Caller(uid, lambda: grpc_wire.Connection(path))
    for start in range(0, amount, 200):
        queued = caller.ok("Downloads.Queue", kinds([hash_of(uid, start + i) for i in range(200)], label="comes and goes"))
        caller.ok("Downloads.Cancel", v1.CancelRequest(intent_ids=[each.intent_id for each in queued.intents]))
    caller.close()
    return amount


class ChangingLists(Load):
    def test_no_row_is_skipped_or_repeated(self):
        """What stays all along is between what comes and goes: in ids, hashes and names."""
        staying = set()
        for start in range(0, 1000, 100):
            queued = self.root.ok("Downloads.Queue", kinds([hash_of(FIRST_UID, 7 * (start + i), 1) for i in range(100)],
                                                           label="stays"))
            staying |= {each.intent_id for each in queued.intents}
            self.root.ok("Downloads.Cancel", v1.CancelRequest(intent_ids=[
                each.intent_id for each in self.root.ok("Downloads.Queue", kinds([hash_of(3, start)])).intents]))
        hashes = {hash_of(FIRST_UID, 7 * i, 1) for i in range(1000)}
        listings = {
            "all": ("Downloads.ListIntents", v1.ListIntentsRequest(page_size=97), "intents"),
            "unfinished": ("Downloads.ListIntents", v1.ListIntentsRequest(
                page_size=89, scope=v1.INTENT_SCOPE_UNFINISHED), "intents"),
            "by label": ("Downloads.ListIntents", v1.ListIntentsRequest(page_size=101, label="stays"), "intents"),
            "newest first": ("Downloads.ListIntents", v1.ListIntentsRequest(page_size=103, newest_first=True), "intents"),
        }
        seen = dict.fromkeys([*listings, "requests"], 0)

        def read():
            for name, (method, request, field) in listings.items():
                ids = [intent.intent_id for intent in pages(self.root, method, request, field)]
                self.assertEqual(ids, sorted(set(ids), reverse=name == "newest first"), f"{name}: in order, each once")
                self.assertEqual(staying - set(ids), set(), f"{name}: all that stay")
                if name == "by label":
                    self.assertEqual(set(ids), staying)
                seen[name] += 1
            rows = pages(self.root, "Downloads.ListRequests", v1.ListRequestsRequest(page_size=83), "requests")
            listed = [(row.kind.hash, row.kind.format) for row in rows]
            self.assertEqual(len(listed), len(set(listed)), "requests: each once")
            self.assertEqual(hashes - {blob for blob, _ in listed}, set(), "requests: all that stay")
            seen["requests"] += 1
        self.together([(FIRST_UID + i, churn, self.daemon.socket, FIRST_UID + i, CHURN // 2) for i in range(2)], read)
        print(f"{CHURN} intents added and ended; listings meanwhile: {seen}", flush=True)
        self.assertGreater(min(seen.values()), 0)


# ---- Everything at once ----

# What a call may come to when others are at work: it is refused as documented, or what it asks for is gone.
NEVER = {INTERNAL, UNKNOWN}


def everything(path, uid, requests, seconds, seed):
    """Makes random calls, some of which are broken off or malformed. How often each method was called, and what is wrong."""
    rng, caller = random.Random(seed), Caller(uid, lambda: grpc_wire.Connection(path))
    counts, wrong, codes = {}, [], {}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and len(wrong) < 5:
        name, request = rng.choice(requests)
        counts[name] = counts.get(name, 0) + 1
        stream = caller.start(name, request if isinstance(request, list) else request)
        way = rng.random()
        if way < 0.1:
            stream.cancel()
        elif way < 0.12:
            caller.close()
        elif not stream.wait(60, messages=TABLE[name].messages):
            wrong.append(f"{name} had no answer within a minute")
            stream.cancel()
        elif not stream.has_ended:
            stream.cancel()
        else:
            answer = answer_of(stream, METHODS[name].response)
            codes[CODE_NAMES[answer.code]] = codes.get(CODE_NAMES[answer.code], 0) + 1
            is_refused_in_order = answer.is_ok or answer.reason is not None
            if answer.code in NEVER or not is_refused_in_order and not stream.connection.gone:
                wrong.append(f"{name}: {answer}")
    caller.close()
    return counts, wrong, codes


class AllMethods(Load):
    more_config = "[mirrors]\nallow_local = true\n"

    def test_every_method_beside_every_other(self):
        w = World(self)
        left_out = {"Admin.Drain", "Admin.RecoverRegistry"}  # the first ends everything, the second has nothing to do
        jobs = []
        for number, caller in enumerate([w.owner, w.other, w.root] * 2):
            requests = [(name, request.SerializeToString() if hasattr(request, "SerializeToString") else
                         [each.SerializeToString() for each in request])
                        for name, entry in TABLE.items() if name not in left_out for request in entry.goods(w, caller)]
            jobs.append((caller.uid, everything, self.daemon.socket, caller.uid, requests, TOGETHER_SECONDS, number))
        before = self.daemon.memory_kib()
        results = self.together(jobs, lambda: time.sleep(0.1))
        called, codes = {}, {}
        for counts, wrong, each in results:
            self.assertEqual(wrong, [])
            for name, count in counts.items():
                called[name] = called.get(name, 0) + count
            for code, count in each.items():
                codes[code] = codes.get(code, 0) + count
        print(f"{sum(called.values())} calls in {TOGETHER_SECONDS} s, the rarest method {min(called.values())} times; {codes};"
              f" memory {before // 1024} -> {self.daemon.memory_kib() // 1024} MiB", flush=True)
        self.assertEqual(set(TABLE) - left_out - set(called), set())
        self.assertTrue(self.root.call("Admin.Status").is_ok)


# ---- Too much of something ----


class TooMuch(Load):
    # The bytes of all calls together [512 MiB]; sanitizers keep what is freed for a while.
    MOST_KIB = (1024 if is_sanitized() else 640) * 1024
    # One request, as bytes, as a message and as items; what sanitizers put around each of these is more than they are.
    MOST_KIB_OF_ONE = (256 if is_sanitized() else 128) * 1024

    def growth_while(self, work):
        """Runs `work`; how many KiB the daemon had more at most, as far as can be seen in between."""
        before = self.daemon.memory_kib()
        return max(work()) - before

    def assert_healthy(self):
        started = time.monotonic()
        self.assertTrue(self.member(FIRST_UID + 50).call("Admin.Status").is_ok)
        self.assertLess(time.monotonic() - started, 10)

    def test_giant_messages_that_never_end(self):
        """As many as one user can have under way, each just short of its end."""
        dialler = self.dialler(FIRST_UID, self.group)
        count = 48 if is_long_run() else 16

        def send():
            streams = []
            for _ in range(count):
                stream = dialler.connect().start(METHODS["Downloads.Queue"].path)
                streams.append(stream)
                # What cannot be sent because the daemon takes no more is not waited for.
                data = struct.pack(">BI", 0, LARGEST_MESSAGE) + bytes(LARGEST_MESSAGE - 1)
                self.send_what_is_taken(stream, data)
                yield self.daemon.memory_kib()
            for stream in streams:
                stream.connection.close()
            yield self.daemon.memory_kib()
        growth = self.growth_while(send)
        print(f"{count} messages of 16 MiB under way: {growth // 1024} MiB more", flush=True)
        self.assertLess(growth, self.MOST_KIB)
        self.assert_healthy()

    @staticmethod
    def send_what_is_taken(stream, data):
        deadline = time.monotonic() + 2
        view, connection = memoryview(data), stream.connection
        while view and not stream.has_ended and connection.gone is None and time.monotonic() < deadline:
            size = min(len(view), 16384, stream.send_window, connection.send_window)
            if size > 0:
                stream.send(view[:size])
                view = view[size:]
            elif not connection.pump(0.05):
                break

    def test_a_queue_of_a_million_items(self):
        """With a hash each as many as a message can have, and as many empty ones, which are two bytes each."""
        good = v1.QueueItem(kind=v1.Kind(hash=NOBODY_HAS_IT)).SerializeToString()
        small = b"\x0a\x00"
        requests = {"100,000 items": (b"\x0a" + bytes([len(good)]) + good) * 100_000, "a million items": small * 1_000_000,
                    "eight million items": small * (LARGEST_MESSAGE // 2)}
        before = len(pages(self.root, "Downloads.ListIntents", v1.ListIntentsRequest(), "intents"))
        for what, request in requests.items():
            def ask(request=request):
                answer = self.root.call("Downloads.Queue", request)
                # More than a message may have of anything is not even parsed.
                self.assertEqual(answer.reason, "TOO_MANY_ITEMS" if what == "100,000 items" else "MALFORMED_REQUEST", answer)
                yield self.daemon.memory_kib()
            growth = self.growth_while(ask)
            print(f"{what}: {growth // 1024} MiB more", flush=True)
            self.assertLess(growth, self.MOST_KIB_OF_ONE, what)
        self.assertEqual(len(pages(self.root, "Downloads.ListIntents", v1.ListIntentsRequest(), "intents")), before)
        self.assert_healthy()

    def test_many_million_item_queues_at_once(self):
        """What the messages hold once they are read counts, too."""
        dialler = self.dialler(FIRST_UID, self.group)
        request = framed(b"\x0a\x00" * (LARGEST_MESSAGE // 2))

        def ask():
            streams = []
            for _ in range(32 if is_long_run() else 8):
                streams.append(dialler.connect().start(METHODS["Downloads.Queue"].path))
                streams[-1].send(request, True)
                yield self.daemon.memory_kib()
            for stream in streams:
                self.assertTrue(stream.wait(60))
                self.assertIn(stream.status[0], (grpc_wire.INVALID_ARGUMENT, RESOURCE_EXHAUSTED))
                yield self.daemon.memory_kib()
        growth = self.growth_while(ask)
        print(f"queues of eight million items at once: {growth // 1024} MiB more", flush=True)
        self.assertLess(growth, self.MOST_KIB)
        self.assert_healthy()

    def test_what_unpacks_to_a_thousand_times_its_size(self):
        """Compressed messages are not taken: their limit would be one of what they are packed."""
        packed = gzip.compress(bytes(512 * MIB), 1)
        self.assertLess(len(packed), LARGEST_MESSAGE)

        def ask():
            stream = self.dialler(FIRST_UID, self.group).connect().start(METHODS["Downloads.Queue"].path,
                                                                         headers=((b"grpc-encoding", b"gzip"),))
            stream.send(struct.pack(">BI", 1, len(packed)) + packed, True)
            self.assertTrue(stream.wait(60))
            self.assertNotEqual(stream.status[0], OK)
            yield self.daemon.memory_kib()
        self.assertLess(self.growth_while(ask), 100 * 1024)
        self.assert_healthy()

    def test_readers_that_stop(self):
        """A blob is read by as many calls as are admitted, none of which takes anything."""
        blob = self.root.ok("Blobs.Add", [v1.AddRequest(data=os.urandom(MIB)) for _ in range(16)] + [v1.AddRequest(last=True)]).hash
        dialler = self.dialler(FIRST_UID, self.group)
        request = framed(v1.ReadRequest(hash=blob).SerializeToString())

        def read():
            connections = [dialler.connect(window=0) for _ in range(8)]
            streams = []
            for index in range(200):
                stream = connections[index % 8].start(METHODS["Blobs.Read"].path)
                stream.reads = False
                stream.send(request, True)
                streams.append(stream)
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                for connection in connections:
                    connection.pump(0.05)
                yield self.daemon.memory_kib()
            refused = [stream for stream in streams if stream.has_ended]
            # 640 units, of which each takes 4.
            self.assertEqual({stream.status[0] for stream in refused}, {RESOURCE_EXHAUSTED})
            self.assertEqual(len(streams) - len(refused), 160)
            self.assertTrue(self.root.call("Blobs.Read", v1.ReadRequest(hash=blob)).is_ok, "others read all the same")
            for connection in connections:
                connection.close()
        growth = self.growth_while(read)
        print(f"160 readers that stopped: {growth // 1024} MiB more", flush=True)
        self.assertLess(growth, self.MOST_KIB)
        self.assert_healthy()


if __name__ == "__main__":
    unittest.main()
