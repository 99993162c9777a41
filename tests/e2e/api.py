"""blobd's API for tests: messages from the protos, callers of several uids, errors with their reasons, and all of a daemon's
state as it shows itself.

    v1.QueueRequest(items=[...]), v1.PRIORITY_URGENT     messages and enumerators of package blobd.v1
    METHODS["Downloads.Queue"]                           what the protos say of a method
    caller.call("Downloads.Queue", request)              an Answer, whatever came of it
    caller.ok("Downloads.Queue", request)                the message (or messages) of a call that must succeed

Messages come from a descriptor set that protoc makes when this module is loaded: a method or field that the protos have is
a method or field here.
"""
import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path

import grpc_wire
from grpc_wire import CODE_NAMES, OK, framed

try:
    import google.protobuf  # noqa: F401  pylint: disable=unused-import
except ImportError:  # another Python of the same version comes first in PATH
    sys.path.append("/usr/lib/python3/dist-packages")
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

PROTOS = Path(__file__).resolve().parent.parent.parent / "proto"
PACKAGE, HEALTH = "blobd.v1", "grpc.health.v1"
LARGEST_MESSAGE = 16 << 20


def _descriptors():
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    made = subprocess.run(["protoc", f"-I{PROTOS}", "--include_imports", "-o/dev/stdout", *files],
                          check=True, capture_output=True)
    return descriptor_pb2.FileDescriptorSet.FromString(made.stdout)


_SET = _descriptors()
_POOL = descriptor_pool.DescriptorPool()
for _file in _SET.file:
    _POOL.Add(_file)
_FACTORY = message_factory.MessageFactory(_POOL)
_ENUMERATORS = {value.name: value.number for file in _SET.file if file.package == PACKAGE
                for enum in file.enum_type for value in enum.value}


def message_class(full_name):
    return _FACTORY.GetPrototype(_POOL.FindMessageTypeByName(full_name))


class _Names:
    @functools.cache
    def __getattr__(self, name):
        return _ENUMERATORS[name] if name in _ENUMERATORS else message_class(f"{PACKAGE}.{name}")


v1 = _Names()
_STATUS, _ERROR_INFO = message_class("google.rpc.Status"), message_class("google.rpc.ErrorInfo")


@dataclasses.dataclass(frozen=True)
class Method:
    name: str  # "Downloads.Queue"
    path: str  # "/blobd.v1.Downloads/Queue"
    request: type
    response: type
    takes_stream: bool
    gives_stream: bool


def _methods():
    for file in _SET.file:
        # Reflection, which is for tools, is left to theirs.
        for service in file.service if file.package in (PACKAGE, HEALTH) else ():
            for method in service.method:
                yield Method(f"{service.name}.{method.name}", f"/{file.package}.{service.name}/{method.name}",
                             message_class(method.input_type[1:]), message_class(method.output_type[1:]),
                             method.client_streaming, method.server_streaming)


METHODS = {method.name: method for method in _methods()}


@dataclasses.dataclass
class Answer:
    """What came of a call. `reason` and `metadata` are of its ErrorInfo; None and {} where it has none."""

    code: int
    text: str
    messages: list
    reason: str = None
    domain: str = None
    metadata: dict = dataclasses.field(default_factory=dict)

    @property
    def is_ok(self):
        return self.code == OK

    def __str__(self):
        return (f"{CODE_NAMES[self.code]} {self.reason or '(no reason)'} {self.metadata or ''} \"{self.text[:200]}\""
                f" with {len(self.messages)} messages")


def answer_of(stream, response):
    """The Answer that a Stream has come to."""
    code, text = stream.status
    answer = Answer(code, text, [response.FromString(each) for each in stream.messages])
    if stream.details:
        status = _STATUS.FromString(stream.details)
        assert (status.code, status.message) == (code, text), f"the details say something else: {status} and {code} {text}"
        for detail in status.details:
            if info := _error_info(detail):
                answer.reason, answer.domain, answer.metadata = info.reason, info.domain, {known.key: known.value for known in info.metadata}
    return answer


def _error_info(detail):
    if not detail.type_url.endswith("/google.rpc.ErrorInfo"):
        return None
    try:
        return _ERROR_INFO.FromString(detail.value)
    except DecodeError as error:
        raise AssertionError(f"an ErrorInfo that is none: {detail}") from error


class Caller:
    """Calls over one connection, which is made again when it has ended. `connect`: makes a Connection."""

    def __init__(self, uid, connect):
        self.uid = uid
        self._connect = connect
        self._connection = None

    @property
    def connection(self):
        if self._connection is None or self._connection.gone is not None:
            self._connection = self._connect()
        return self._connection

    def close(self):
        if self._connection is not None:
            self._connection.close()

    def start(self, name, requests=(), last=True, **options):
        """Begins a call. `requests`: a message, or several; messages that are bytes are sent as they are."""
        stream = self.connection.start(METHODS[name].path, **options)
        requests = requests if isinstance(requests, (list, tuple)) else [requests]
        for index, request in enumerate(requests):
            data = request if isinstance(request, bytes) else request.SerializeToString()
            stream.send(framed(data), last and index == len(requests) - 1)
        if not requests and last:
            stream.send(b"", True)
        return stream

    def call(self, name, requests=None, seconds=60, messages=None, **options):
        """A whole call. Without `requests` with one empty message. With `messages` it is cancelled after so many, which
        counts as success."""
        method = METHODS[name]
        stream = self.start(name, method.request() if requests is None else requests, **options)
        if not stream.wait(seconds, messages):
            stream.cancel()
            raise AssertionError(f"{name} of uid {self.uid} did not end within {seconds} s")
        if not stream.has_ended:
            stream.cancel()
            stream.status = (OK, "")
        return answer_of(stream, method.response)

    def ok(self, name, requests=None, **options):
        """The message of a call that must succeed; of a method with a stream of answers, all of them."""
        answer = self.call(name, requests, **options)
        assert answer.is_ok, f"{name} of uid {self.uid}: {answer}"
        return answer.messages if METHODS[name].gives_stream else answer.messages[0]


def caller_here(path, **options):
    """A Caller of this process's own user."""
    return Caller(os.geteuid(), lambda: grpc_wire.Connection(path, **options))


def pages(caller, name, request, field):
    """All rows of a paged list."""
    request = request.__class__.FromString(request.SerializeToString())
    rows = []
    while True:
        page = caller.ok(name, request)
        rows += getattr(page, field)
        if not page.next_page_token:
            return rows
        request.page_token = page.next_page_token


# What changes by itself.
_VOLATILE = {
    "rate", "download_rate", "downloaded_bytes", "free_bytes", "admitted_bytes", "lookup_services", "refused",
    "waits_for", "rtt_us", "last_success_unix_ms", "last_failure_unix_ms", "last_failed_unix_ms", "last_failure", "paths",
    "last_worked_unix_ms", "usage", "looking_up", "unsynced_bytes_bound", "failures", "opened", "imported", "since_unix_ms",
    "connected_address", "connections", "transfer_ids", "received_bytes", "verified_bytes", "unproven_bytes", "upload", "uploads",
    # Made of a duration, and so not the same to the millisecond.
    "until_unix_ms", "banned_until_unix_ms",
    "running_transfers", "partial_blobs", "partial_bytes", "claimed_bytes", "size", "size_proven", "total_bytes", "total_blobs",
    "complete_blobs",
}


def _still(message):
    """A message as a value, without what changes by itself."""
    value = {}
    for field, content in message.ListFields():
        if field.name in _VOLATILE:
            continue
        if field.message_type is None:
            value[field.name] = tuple(content) if field.label == field.LABEL_REPEATED else content
        elif field.label == field.LABEL_REPEATED:
            value[field.name] = tuple(_still(each) for each in content)
        else:
            value[field.name] = _still(content)
    return value


# States in which an intent or request is at one moment and not at the next.
_LIVE = {"INTENT_STATE_QUEUED", "INTENT_STATE_WAITING", "INTENT_STATE_PARKED", "INTENT_STATE_RUNNING"}


def snapshot(admin):
    """All state that callers can change, as the API shows it to an administrator: {what: {row: value}}."""
    live = {_ENUMERATORS[name] for name in _LIVE}
    state = {}

    def note(what, key, message):
        value = _still(message)
        if value.get("state") in live and what in ("intents", "requests"):
            value["state"] = "lives"
        state.setdefault(what, {})[key] = value
    for intent in pages(admin, "Downloads.ListIntents", v1.ListIntentsRequest(page_size=1000), "intents"):
        note("intents", intent.intent_id, intent)
    for request in pages(admin, "Downloads.ListRequests", v1.ListRequestsRequest(page_size=1000), "requests"):
        note("requests", (request.kind.hash, request.kind.format), request)
    for blob in pages(admin, "Blobs.List", v1.ListBlobsRequest(page_size=1000), "blobs"):
        note("blobs", blob.hash, blob)
    for tag in pages(admin, "Tags.List", v1.ListTagsRequest(page_size=1000), "tags"):
        note("tags", tag.name, tag)
    for remote in pages(admin, "Remotes.List", v1.ListRemotesRequest(page_size=1000), "remotes"):
        note("remotes", remote.node_id, remote)
        # Their order is the order of dialling.
        addresses = state["remotes"][remote.node_id].get("addresses", ())
        state["remotes"][remote.node_id]["addresses"] = sorted(each["address"] for each in addresses)
        state["remotes"][remote.node_id].pop("state", None)
    for ban in pages(admin, "Remotes.ListBans", v1.ListBansRequest(page_size=1000), "bans"):
        note("bans", ban.provider, ban)
    for limit in admin.ok("Admin.GetLimits").limits:
        note("limits", limit.name, limit)
    for value in admin.ok("Admin.GetConfig").values:
        note("config", value.key, value)
    note("daemon", "status", admin.ok("Admin.Status"))
    return state


def difference(before, after):
    """What two snapshots differ in, as lines of text; empty: in nothing."""
    lines = []
    for what in sorted({*before, *after}):
        old, new = before.get(what, {}), after.get(what, {})
        for key in sorted({*old, *new}, key=str):
            if old.get(key) != new.get(key):
                lines.append(f"{what} {key}: {old.get(key)} -> {new.get(key)}")
    return lines
