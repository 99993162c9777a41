"""What no field of the API may have: from a request that is good, requests that are not, one wrong field in each.

The rules go by the names of fields, which mean the same everywhere in the protos. A field that is set in the good request is
tried, so that the table of test_api.py decides what is tried by what its good requests have.
"""
import dataclasses

LARGEST_64 = (1 << 64) - 1
A_HASH = "5" * 64

# Reasons that fit; the first is what is meant, the others say as much where a text is simply empty.
_HASH = ("MALFORMED_HASH",)
_NODE = ("MALFORMED_NODE_ID",)
_URL = ("MALFORMED_URL",)
_PROVIDER = ("MALFORMED_NODE_ID", "MALFORMED_URL", "INVALID_FIELD")
_NAME = ("INVALID_FIELD", "TOO_LONG", "MISSING_FIELD")
_ID = ("UNKNOWN_INTENT", "UNKNOWN_TRANSFER")

_NO_HASH = ["xyz", "5" * 63, "5" * 65, "5" * 63 + "g", "é" * 32, "5" * 3_000]
_NO_TOKEN = ["?", "i", "i ", "iffffffffffffffffff", "t0x1", "x1", "-1", "é", "\x01", "0" * 3_000]
_NO_ADDRESS = ["192.0.2.1", "somewhere:1", "192.0.2.1:99999", "[::1:5", "", "192.0.2.1:1:1"]
_NO_URL = ["", "ftp://192.0.2.1/x", "http://", "javascript:x", "http://192.0.2.1:99999/", "file:///etc/passwd"]

# By the field's name: values that are refused, and the reasons that fit.
RULES = {
    "hash": [(_NO_HASH, _HASH)],
    "hashes": [([*_NO_HASH, ""], _HASH)],
    "expected_hash": [(_NO_HASH, _HASH)],
    "node_id": [(_NO_HASH, _NODE)],
    "addresses": [(_NO_ADDRESS, ("MALFORMED_ADDRESS",))],
    "mirror_url": [(_NO_URL, _URL), (["http://192.0.2.1/" + "a" * 2048], ("TOO_LONG",))],
    "url": [(_NO_URL, _URL), (["http://192.0.2.1/" + "a" * 2048], ("TOO_LONG",))],
    "provider": [(["abc", "5" * 63, "ftp://192.0.2.1/x", "x" * 3_000], _PROVIDER)],
    "ticket": [(["", "blob", "blobzzzz", "nodeaaaa", "5" * 64], ("MALFORMED_TICKET",)),
               (["blob" + "a" * (16 << 10)], ("TOO_LONG",))],
    "page_token": [(_NO_TOKEN, ("PAGE_TOKEN",))],
    "resume_token": [(_NO_TOKEN, ("RESUME_TOKEN",))],
    "idempotency_key": [(["k" * 129], ("TOO_LONG",))],
    "reason": [(["r" * 257], ("TOO_LONG",))],
    "deadline_unix_ms": [([-1, -1 << 63, (1 << 63) - 1], ("INVALID_FIELD",))],
    "patience_ms": [([-1, -1 << 63, (1 << 63) - 1], ("INVALID_FIELD",))],
    "length_ms": [([-1, -1 << 63, (1 << 63) - 1], ("INVALID_FIELD",))],
}
# Where the empty text is a value like others.
MAY_BE_EMPTY = {"ListIntentsRequest", "ListTransfersRequest", "ListRequestsRequest", "WatchTransfersRequest",
                "WatchRemotesRequest"}
EMPTY_IS_WRONG = {"hash": (*_HASH, "MISSING_FIELD"), "node_id": (*_NODE, "MISSING_FIELD"),
                  "provider": (*_PROVIDER, "MISSING_FIELD")}
# Ids of nothing: NOT_FOUND.
IDS = {"intent_id", "intent_ids", "transfer_id"}
# Of what there may be so many.
LONGEST = {"items": 10_000, "intent_ids": 10_000, "hashes": 10_000, "transfer_ids": 1000, "states": 16, "providers": 64,
           "addresses": 32, "entries": 100_000, "contents": 1024}


@dataclasses.dataclass
class Wrong:
    """A request that is to be refused."""

    what: str
    request: object  # a message, or bytes
    reasons: tuple
    field: str = ""
    code: int = None  # if it is not the one that the reason has by itself


def _places(message, path=()):
    """Every scalar field that is set, of repeated ones the first element: the way to it."""
    for field, value in message.ListFields():
        repeated = field.label == field.LABEL_REPEATED
        step = (field.name, 0) if repeated else (field.name, None)
        if field.message_type is None:
            yield field, (*path, step)
        else:
            yield from _places(value[0] if repeated else value, (*path, step))


def _text_of(path):
    return ".".join(name if index is None else f"{name}[{index}]" for name, index in path)


def _with(message, path, value):
    """A copy of the message, with another value there."""
    copy = message.__class__.FromString(message.SerializeToString())
    at = copy
    for name, index in path[:-1]:
        at = getattr(at, name) if index is None else getattr(at, name)[index]
    name, index = path[-1]
    if index is None:
        setattr(at, name, value)
    else:
        getattr(at, name)[index] = value
    return copy


# Requests that may have more than 64 KiB.
TAKE_MUCH = {"QueueRequest", "CreateCollectionRequest", "NodesHaveRequest", "RemoveRequest", "VerifyRequest"}


def _invalid_utf8(message, path):
    """The message's bytes, with a text there that is none: protobuf itself would not make them."""
    mark = "Qq9" * 5
    return _with(message, path, mark).SerializeToString().replace(mark.encode(), b"\xff\xfe\xed\xa0\x80" * 3)


def _longer(message):
    """One more of what there may be so many of."""
    for field, value in message.ListFields():
        if field.label == field.LABEL_REPEATED and field.name in LONGEST:
            copy = message.__class__.FromString(message.SerializeToString())
            many = getattr(copy, field.name)
            first = value[0]
            while len(many) <= LONGEST[field.name]:
                many.append(first)
            yield field.name, copy


def wrong_requests(good, but=()):
    """What must be refused, made of a good request. `but`: names of fields that are left alone."""
    type_name = good.DESCRIPTOR.name
    for field, path in _places(good):
        text = _text_of(path)
        if field.name in but:
            continue
        if field.enum_type is not None:
            for value in (77, -1):
                yield Wrong(f"{text} = {value}", _with(good, path, value), ("INVALID_FIELD",), text)
        elif field.name in IDS:
            for value in (0, LARGEST_64):
                yield Wrong(f"{text} = {value}", _with(good, path, value), _ID)
        for values, reasons in RULES.get(field.name, ()):
            for value in values:
                shown = repr(value) if not isinstance(value, str) or len(value) < 80 else f"{len(value)} characters"
                yield Wrong(f"{text} = {shown}", _with(good, path, value), reasons, text)
        if field.name in EMPTY_IS_WRONG and type_name not in MAY_BE_EMPTY:
            yield Wrong(f"{text} = ''", _with(good, path, ""), EMPTY_IS_WRONG[field.name], text)
        if field.type == field.TYPE_STRING:
            yield Wrong(f"{text} is no UTF-8", _invalid_utf8(good, path), ("MALFORMED_REQUEST",))
            if type_name not in TAKE_MUCH:
                yield Wrong(f"{text} is longer than the request may be", _with(good, path, "x" * 100_000), ("MALFORMED_REQUEST",))
    for name, longer in _longer(good):
        if name not in but:
            yield Wrong(f"too many {name}", longer, ("TOO_MANY_ITEMS",), name)
