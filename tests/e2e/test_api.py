"""Every method of the API, as every kind of caller: what is good, malformed, too large, unknown, and somebody else's.

What must be refused is refused with the documented code and reason, and leaves everything as it was. The table is in
api_downloads.py, api_blobs.py and api_admin.py; what no field may have is in api_fields.py.
"""
import os
import struct
import unittest

import api_admin  # noqa: F401  pylint: disable=unused-import
import api_blobs  # noqa: F401  pylint: disable=unused-import
import api_downloads  # noqa: F401  pylint: disable=unused-import
import api_fields
from api import LARGEST_MESSAGE, METHODS, Answer, answer_of, difference, snapshot, v1
from api_table import ADMIN, TABLE
from api_world import STRANGER_UID, ApiTest, World
from grpc_wire import (CANCELLED, CODE_NAMES, INTERNAL, INVALID_ARGUMENT, NOT_FOUND, OK, PERMISSION_DENIED,
                       RESOURCE_EXHAUSTED, UNIMPLEMENTED, framed)

# By reason; of the others INVALID_ARGUMENT.
CODES = {
    "UNKNOWN_INTENT": NOT_FOUND, "UNKNOWN_TRANSFER": NOT_FOUND, "UNKNOWN_BLOB": NOT_FOUND, "UNKNOWN_TAG": NOT_FOUND,
    "UNKNOWN_REMOTE": NOT_FOUND, "NOT_BANNED": NOT_FOUND, "URL_NOT_FOUND": NOT_FOUND, "UNKNOWN_SERVICE": NOT_FOUND, "NOT_OWNER": PERMISSION_DENIED,
    "NEEDS_ADMIN": PERMISSION_DENIED, "KEY_REUSED": 6, "PAST_END": 11, "STREAM_INCOMPLETE": CANCELLED,
    **dict.fromkeys(("BLOB_INCOMPLETE", "BLOB_PRIVATE", "BLOB_KEPT", "NOT_A_COLLECTION", "LIST_UNREADABLE", "TAG_MOVED",
                     "REMOTE_IN_USE", "REGISTRY_NOT_DAMAGED", "URL_TOO_LARGE"), 9),
}
TOO_LARGE = framed(bytes(LARGEST_MESSAGE + 1))
# So that what is wrong with many methods is seen at once, and can be read.
SHOWN = 12


class EveryMethod(ApiTest):
    more_config = "drain_grace_ms = 300\n[mirrors]\nallow_local = true\n"

    def setUp(self):
        super().setUp()
        self.wrong = []

    def note(self, who, name, what, problem):
        self.wrong.append(f"{name} of {who}, {what}: {problem}")

    def role(self, caller):
        return {self.w.root: "root", self.w.owner: "the owner", self.w.other: "another member"}[caller]

    def check_refusal(self, caller, name, request, wanted):
        """`wanted`: an api_fields.Wrong."""
        answer = self.w_call(caller, name, request)
        expected = wanted.reasons
        # What cannot be read is refused before anybody asks who sent it.
        if TABLE[name].right == ADMIN and caller.uid != 0 and "MALFORMED_REQUEST" not in expected:
            expected = ("NEEDS_ADMIN",)
        problem = None
        if answer.reason not in expected:
            problem = f"{answer} instead of {' or '.join(expected)}"
        elif answer.code != (wanted.code or CODES.get(answer.reason, INVALID_ARGUMENT)):
            problem = f"{answer}: this reason has another code"
        elif answer.domain != "blobd":
            problem = f"its domain is {answer.domain}"
        elif wanted.field and expected == wanted.reasons and not self.is_named(wanted.field, answer):
            problem = f"{answer}: it does not name {wanted.field}"
        if problem:
            self.note(self.role(caller), name, wanted.what, problem)

    @staticmethod
    def is_named(field, answer):
        """A list may be named for one of its elements, and where a field's text could be in several forms its parent."""
        named = answer.metadata.get("field", "")
        return named == field or (named and field.startswith(named))

    def w_call(self, caller, name, request):
        return caller.call(name, request, messages=TABLE[name].messages)

    def test_every_method_has_an_entry(self):
        self.assertEqual([name for name in METHODS if name not in TABLE], [])

    def test_what_is_good_and_what_is_not(self):
        self.w = World(self)
        # After Drain nothing new is taken.
        for name in sorted(TABLE, key=lambda each: each == "Admin.Drain"):
            before = len(self.wrong)
            try:
                self.check_method(name)
            except AssertionError as error:
                self.note("somebody", name, "a call", error)
            if os.environ.get("BLOBD_VERBOSE"):
                print(f"{name}: {len(self.wrong) - before} wrong", flush=True)
        shown = "\n".join(self.wrong if os.environ.get("BLOBD_VERBOSE") else self.wrong[:SHOWN])
        if self.wrong:
            self.fail(f"{len(self.wrong)} wrong answers:\n{shown}")

    def check_method(self, name):
        entry, w = TABLE[name], self.w
        callers = (w.other, w.owner, w.root)
        # What requests take is made before it is noted how everything is.
        goods = {caller.uid: list(entry.goods(w, caller)) for caller in callers}
        refused = {caller.uid: list(entry.refused(w, caller)) for caller in callers}
        theirs = list(entry.theirs(w))
        before = snapshot(w.root)
        for caller in callers:
            for good in goods[caller.uid]:
                if not METHODS[name].takes_stream:
                    for each in api_fields.wrong_requests(good, entry.but):
                        self.check_refusal(caller, name, each.request, each)
                if entry.right == ADMIN and caller.uid != 0:
                    self.check_refusal(caller, name, good, api_fields.Wrong("a good request", good, ("NEEDS_ADMIN",)))
            for each in refused[caller.uid]:
                self.check_refusal(caller, name, each.request, each)
            self.check_bytes(caller, name)
        # Its size alone takes its time, and does not depend on who sends it.
        self.check_size(w.other, name)
        for request, reason in theirs:
            self.check_refusal(w.other, name, request, api_fields.Wrong("what is the owner's", request, (reason,)))
        if changed := difference(before, snapshot(w.root)):
            self.note("somebody", name, "what was refused changed something", "; ".join(changed)[:600])
        for caller in callers:
            if entry.right != ADMIN or caller.uid == 0:
                for good in goods[caller.uid]:
                    self.check_good(caller, name, good)

    def check_good(self, caller, name, good):
        answer = self.w_call(caller, name, good)
        try:
            self.assertEqual(answer.code, OK, answer)
            TABLE[name].check(self.w, caller, good, answer)
        except AssertionError as error:
            self.note(self.role(caller), name, f"good: {str(good)[:200]}".replace("\n", " "), str(error)[:600])

    def check_bytes(self, caller, name):
        """What is no message at all."""
        answer = caller.call(name, b"\xff\xff\xff\xff")
        fitting = ["MALFORMED_REQUEST"]
        if METHODS[name].takes_stream:
            fitting.append("STREAM_INCOMPLETE")
        if TABLE[name].right == ADMIN and caller.uid != 0:
            fitting.append("NEEDS_ADMIN")
        if answer.reason not in fitting:
            self.note(self.role(caller), name, "bytes that are no message", answer)

    def check_size(self, caller, name):
        stream = caller.connection.start(METHODS[name].path)
        stream.send(TOO_LARGE)
        self.assertTrue(stream.wait(30), f"{name}: no answer to a message that is too large")
        if stream.status[0] != RESOURCE_EXHAUSTED:
            self.note(self.role(caller), name, "too large a message", answer_of(stream, METHODS[name].response))


class Connecting(ApiTest):
    def test_who_is_not_in_the_group_does_not_get_in(self):
        with self.assertRaises(PermissionError):
            self.dialler(STRANGER_UID).connect()
        self.assertTrue(self.member(STRANGER_UID).call("Admin.Status").is_ok)

    def test_what_is_no_call_of_the_api(self):
        def call(path, data, **options):
            stream = self.root.connection.start(path, **options)
            stream.send(data, True)
            self.assertTrue(stream.wait(30), path)
            return answer_of(stream, v1.StatusResponse)
        status = METHODS["Admin.Status"].path
        for path in ("/blobd.v1.Admin/None", "/blobd.v2.Admin/Status", "/", "/blobd.v1.Admin", "/" + "x" * 5000, status + "/"):
            answer = call(path, framed(b""))
            self.assertEqual(answer.code, UNIMPLEMENTED, f"{path[:40]}: {answer}")
        # A message that says that it is compressed, though nobody said how; one that is not all there; two; none.
        for what, data in (("compressed", struct.pack(">BI", 1, 4) + bytes(4)), ("cut off", struct.pack(">BI", 0, 9) + b"abc"),
                           ("half a length", b"\0\0"), ("two", framed(b"") * 2), ("none", b""), ("flags", b"\xff" * 5)):
            answer = call(status, data)
            self.assertIn(answer.code, (OK, CANCELLED, INTERNAL, INVALID_ARGUMENT, UNIMPLEMENTED), f"{what}: {answer}")
        # The daemon lives, and this connection too.
        self.assertTrue(self.root.call("Admin.Status").is_ok)

    def test_connections_of_one_user_are_bounded(self):
        dialler = self.dialler(STRANGER_UID, self.group)
        path = METHODS["Admin.GetLimits"].path

        def answers(connection):
            if connection.gone is not None:
                return False
            stream = connection.start(path)
            stream.send(framed(b""), True)
            stream.wait(30)
            return stream.status[0] == OK
        kept = [dialler.connect() for _ in range(64)]
        self.assertEqual([answers(connection) for connection in kept], [True] * 64)
        self.assertEqual([answers(dialler.connect()) for _ in range(10)], [False] * 10)
        # Others are not kept out by it, and those that were there are not.
        self.assertTrue(self.root.call("Admin.Status").is_ok)
        self.assertTrue(self.member(STRANGER_UID + 1).call("Admin.Status").is_ok)
        self.assertTrue(all(answers(connection) for connection in kept))
        for connection in kept:
            connection.close()
        # Once they are noticed to be gone there is room again.
        self.daemon.wait_until("the user gets in again", lambda: answers(dialler.connect()))

    def test_streams_of_one_connection_are_bounded(self):
        member = self.member(STRANGER_UID)
        self.assertTrue(member.call("Admin.Status").is_ok)  # by then the server has said how many it takes
        connection = member.connection
        intent = self.root.ok("Downloads.Queue", v1.QueueRequest(items=[v1.QueueItem(kind=v1.Kind(hash="ab" * 32))]))
        request = framed(v1.WatchIntentRequest(intent_id=intent.intents[0].intent_id).SerializeToString())
        streams = []
        for _ in range(80):
            streams.append(connection.start(METHODS["Downloads.WatchIntent"].path))
            streams[-1].send(request, True)
        self.assertTrue(streams[63].wait(30, messages=1))
        self.assertEqual(connection.most_streams, 64)
        self.assertTrue(streams[70].wait(30))
        self.assertEqual(CODE_NAMES[streams[70].status[0]], "UNAVAILABLE")
        self.assertIsInstance(answer_of(streams[70], v1.WatchIntentResponse), Answer)


if __name__ == "__main__":
    unittest.main()
