"""Every method of the API: who may call it, with what, and what it must refuse. test_api.py makes the calls.

An entry's functions get the World and one Caller. `goods` gives requests that must succeed, with as many fields set as can
be: what api_fields.py makes of them is refused. `refused` gives more that must be refused, `theirs` what is refused only
because it is somebody else's.
"""
import dataclasses
import time
from typing import Callable

from api import METHODS, v1
from api_fields import LARGEST_64, Wrong

MEMBER, OWNER, ADMIN = "every member", "the owner", "administrators"
NOBODY_HAS_IT = "ab" * 32
HOUR_MS = 3_600_000
LOOPBACK = "127.0.0.1:1"
# Of an entry whose calls do not end by themselves.
ENDLESS = 1

TABLE = {}


@dataclasses.dataclass
class Entry:
    right: str
    goods: Callable  # -> requests; of a method that takes a stream, lists of them
    refused: Callable = lambda w, caller: ()  # -> Wrong
    theirs: Callable = lambda w: ()  # -> (request, reason); asked as somebody who is neither owner nor root
    check: Callable = lambda w, caller, request, answer: None  # what a good call must have done
    but: tuple = ()  # fields that may have any value
    messages: int = None  # the call is ended after so many


def entry(name, right, **options):
    """The function below gives `goods`."""
    def add(goods):
        assert name in METHODS, name
        TABLE[name] = Entry(right, goods, **options)
        return goods
    return add


def wrong(what, request, *reasons, field="", **options):
    return Wrong(what, request, reasons, field, **options)


def raw(blob_hash):
    return v1.Kind(hash=blob_hash, format=v1.BLOB_FORMAT_RAW)


def sequence(blob_hash):
    return v1.Kind(hash=blob_hash, format=v1.BLOB_FORMAT_HASH_SEQ)


def node(node_id, *addresses):
    return v1.Provider(node=v1.Node(node_id=node_id, addresses=addresses))


def foreign_tokens(method):
    """Page tokens that other lists gave."""
    def refused(w, _caller):
        for other, token in w.page_tokens.items():
            if other != method:
                yield wrong(f"page token of {other}", METHODS[method].request(page_token=token), "PAGE_TOKEN",
                            field="page_token")
        if method == "Downloads.ListIntents":
            yield wrong("a token of the other direction", v1.ListIntentsRequest(
                page_token=w.page_tokens[method], newest_first=True), "PAGE_TOKEN", field="page_token")
    return refused


def a_list(name, **options):
    return entry(name, MEMBER, refused=foreign_tokens(name), **options)
