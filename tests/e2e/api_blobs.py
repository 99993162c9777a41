"""How Blobs and Tags are called. See api_table.py."""
from api import v1
from api_fields import LARGEST_64
from api_table import ADMIN, MEMBER, OWNER, a_list, entry, raw, sequence, wrong
from grpc_wire import OUT_OF_RANGE


def add_refused(w, _caller):
    yield wrong("a message of more than 1 MiB", [v1.AddRequest(data=bytes((1 << 20) + 1), last=True)], "MESSAGE_TOO_LARGE")
    yield wrong("private too late", [v1.AddRequest(data=b"a"), v1.AddRequest(data=b"b", is_private=True, last=True)],
                "INVALID_FIELD", field="is_private")
    yield wrong("no last message", [v1.AddRequest(data=w.word("broken").encode())], "STREAM_INCOMPLETE")
    yield wrong("no message", [], "STREAM_INCOMPLETE")


@entry("Blobs.Add", MEMBER, refused=add_refused)
def add(w, caller):
    del caller
    yield [v1.AddRequest(data=w.word("first").encode(), is_private=True), v1.AddRequest(data=b"x" * (1 << 20)),
           v1.AddRequest(last=True)]


def small_refused(w, _caller):
    del w
    yield wrong("no blob", v1.AddSmallRequest(), "TOO_MANY_ITEMS", "MISSING_FIELD", field="contents")
    yield wrong("a blob of more than 16 KiB", v1.AddSmallRequest(contents=[b"a", bytes((16 << 10) + 1)]), "MESSAGE_TOO_LARGE",
                field="contents[1]")
    yield wrong("more than 1 MiB", v1.AddSmallRequest(contents=[bytes(16 << 10)] * 65), "MESSAGE_TOO_LARGE", field="contents")


@entry("Blobs.AddSmall", MEMBER, refused=small_refused, check=lambda w, c, r, answer: w.expect(len(answer.messages[0].blobs), 2))
def add_small(w, caller):
    del caller
    yield v1.AddSmallRequest(contents=[w.word("small").encode(), b""], is_private=True)


def collection(name, blob_hash):
    return v1.CreateCollectionRequest(entries=[v1.CollectionEntry(name=name, hash=blob_hash)])


def collection_refused(w, _caller):
    for name in ("", "..", "a/../b", "/etc/passwd", "a//b", "a\0b", "a/", "n" * 70_000):
        yield wrong(f"name {name[:20]!r}", collection(name, w.blob), "INVALID_FIELD", "TOO_LONG", "MISSING_FIELD")
    twice = v1.CollectionEntry(name="twice", hash=w.blob)
    yield wrong("a name twice", v1.CreateCollectionRequest(entries=[twice, twice]), "INVALID_FIELD")
    yield wrong("a blob that is not here", collection("name", w.fresh_hash()), "UNKNOWN_BLOB")


@entry("Blobs.CreateCollection", MEMBER, refused=collection_refused)
def create_collection(w, caller):
    del caller
    yield collection(w.word("name"), w.blob)


def unknown_blob(request):
    def refused(w, _caller):
        yield wrong("a blob that is not here", request(w.fresh_hash()), "UNKNOWN_BLOB")
    return refused


def get_collection_refused(w, caller):
    yield from unknown_blob(lambda blob: v1.GetCollectionRequest(hash=blob))(w, caller)
    yield wrong("no collection", v1.GetCollectionRequest(hash=w.blob), "NOT_A_COLLECTION")


@entry("Blobs.GetCollection", MEMBER, refused=get_collection_refused,
       check=lambda w, c, r, answer: w.expect(answer.messages[0].total, 1))
def get_collection(w, caller):
    del caller
    yield v1.GetCollectionRequest(hash=w.collection, offset=0, limit=10)
    yield v1.GetCollectionRequest(hash=w.collection, offset=4_000_000_000)


def read_refused(w, caller):
    yield from unknown_blob(lambda blob: v1.ReadRequest(hash=blob))(w, caller)
    for offset, length in ((1 << 40, 0), (0, 1 << 40), (LARGEST_64, 1), (1, LARGEST_64), (LARGEST_64, LARGEST_64)):
        yield wrong(f"{length} bytes at {offset}", v1.ReadRequest(hash=w.blob, offset=offset, length=length), "PAST_END")
    if w.is_partial(w.large):
        yield wrong("what is not here yet", v1.ReadRequest(hash=w.large, offset=w.large_size - 300_000, length=100_000),
                    "BLOB_INCOMPLETE", code=OUT_OF_RANGE)


@entry("Blobs.Read", MEMBER, refused=read_refused,
       check=lambda w, c, r, answer: w.expect(b"".join(m.data for m in answer.messages), w.content[2:5]))
def read(w, caller):
    del caller
    yield v1.ReadRequest(hash=w.blob, offset=2, length=3)


@entry("Blobs.Stat", MEMBER)
def stat(w, caller):
    del caller
    yield v1.StatRequest(hash=w.blob)
    yield v1.StatRequest(hash=w.fresh_hash())


@a_list("Blobs.List")
def list_blobs(w, caller):
    del caller
    yield v1.ListBlobsRequest(page_size=1, page_token=w.page_tokens["Blobs.List"])


def set_private_refused(w, caller):
    yield from unknown_blob(lambda blob: v1.SetPrivateRequest(kind=raw(blob), is_private=caller is not w.root))(w, caller)
    yield wrong("no kind", v1.SetPrivateRequest(is_private=True), "MALFORMED_HASH", "MISSING_FIELD", field="kind.hash")
    yield wrong("no sequence", v1.SetPrivateRequest(kind=sequence(w.blob), is_private=True), "NOT_A_COLLECTION",
                "BLOB_INCOMPLETE", "LIST_UNREADABLE")
    if caller is not w.root:
        yield wrong("publishing", v1.SetPrivateRequest(kind=raw(w.private)), "NEEDS_ADMIN")


@entry("Blobs.SetPrivate", MEMBER, refused=set_private_refused,
       check=lambda w, c, r, answer: w.expect(answer.messages[0].changed, 1))
def set_private(w, caller):
    blob = w.add(caller, w.word("private"))
    yield v1.SetPrivateRequest(kind=raw(blob), is_private=True)
    if caller is w.root:
        yield v1.SetPrivateRequest(kind=raw(blob), is_private=False)


def open_refused(w, caller):
    yield from unknown_blob(lambda blob: v1.OpenRequest(hash=blob))(w, caller)
    if w.is_partial(w.large):
        yield wrong("a part of a blob", v1.OpenRequest(hash=w.large), "BLOB_INCOMPLETE")


@entry("Blobs.Open", MEMBER, refused=open_refused)
def open_blob(w, caller):
    del caller
    yield v1.OpenRequest(hash=w.blob)


@entry("Blobs.Import", MEMBER)
def import_blob(w, caller):
    del w, caller
    yield v1.ImportRequest(is_private=True)


def import_url_refused(w, _caller):
    yield wrong("a file that the server does not have", v1.ImportUrlRequest(url=f"{w.web}/none"), "URL_NOT_FOUND")
    yield wrong("too large", v1.ImportUrlRequest(url=f"{w.web}/file", max_bytes=3), "URL_TOO_LARGE")


@entry("Blobs.ImportUrl", ADMIN, refused=import_url_refused,
       check=lambda w, c, r, answer: w.expect(bool(answer.messages[-1].hash), True))
def import_url(w, caller):
    del caller
    yield v1.ImportUrlRequest(url=f"{w.web}/file", is_private=False, max_bytes=1 << 20)


@entry("Blobs.WhyKept", MEMBER)
def why_kept(w, caller):
    del caller
    yield v1.WhyKeptRequest(hash=w.blob)
    yield v1.WhyKeptRequest(hash=w.fresh_hash())


def remove_refused(w, caller):
    yield wrong("no hash", v1.RemoveRequest(), "MISSING_FIELD", "INVALID_FIELD", field="hashes")
    # Several reasons to keep it: a tag, that it was added lately.
    yield wrong("what a tag keeps", v1.RemoveRequest(hashes=[w.tagged]), "BLOB_KEPT")
    if caller is not w.root:
        yield wrong("force", v1.RemoveRequest(hashes=[w.tagged], force=True), "NEEDS_ADMIN")


@entry("Blobs.Remove", OWNER, refused=remove_refused, theirs=lambda w: [(v1.RemoveRequest(hashes=[w.blob]), "BLOB_KEPT")],
       check=lambda w, c, request, answer: w.expect(list(answer.messages[0].removed), list(request.hashes)))
def remove(w, caller):
    yield v1.RemoveRequest(hashes=[w.add(caller, w.word("removed"))])


def collect_refused(w, caller):
    if caller is not w.root:
        yield wrong("not only asking", v1.CollectGarbageRequest(), "NEEDS_ADMIN")


@entry("Blobs.CollectGarbage", MEMBER, refused=collect_refused,
       check=lambda w, c, r, answer: w.expect(any(m.finished for m in answer.messages), True))
def collect_garbage(w, caller):
    yield v1.CollectGarbageRequest(dry_run=True, to_bytes=0, max_listed=1000)
    if caller is w.root:
        yield v1.CollectGarbageRequest(to_bytes=1 << 40)


@entry("Blobs.Verify", MEMBER, check=lambda w, c, r, answer: w.expect(answer.messages[-1].finished, True))
def verify(w, caller):
    del caller
    yield v1.VerifyRequest(hashes=[w.blob])


# ---- Tags ----


def tag_refused(w, _caller):
    for name in ("", "t" * 256, "a\nb", "5" * 64, "\x7f", "a\u202eb"):
        yield wrong(f"name {name[:20]!r}", v1.SetTagRequest(name=name, kind=raw(w.blob)), "INVALID_FIELD", "TOO_LONG",
                    "MISSING_FIELD", field="name")
    yield wrong("no kind", v1.SetTagRequest(name="name"), "MALFORMED_HASH", "MISSING_FIELD", field="kind.hash")
    yield wrong("private, and not here", v1.SetTagRequest(name="name", kind=raw(w.fresh_hash()), is_private=True),
                "UNKNOWN_BLOB")
    yield wrong("another hash is expected", v1.SetTagRequest(name=w.word("tag"), kind=raw(w.blob), expected_hash="7" * 64),
                "TAG_MOVED")


def check_tag(w, caller, request, answer):
    w.expect((answer.messages[0].tag.name, answer.messages[0].tag.owner_uid), (request.name, caller.uid))


@entry("Tags.Set", OWNER, refused=tag_refused, check=check_tag,
       theirs=lambda w: [(v1.SetTagRequest(name=w.tag, kind=raw(w.blob)), "NOT_OWNER")])
def set_tag(w, caller):
    del caller
    yield v1.SetTagRequest(name=w.word("tag"), kind=raw(w.blob))
    yield v1.SetTagRequest(name=w.word("tag"), kind=raw(w.blob), is_private=False, expected_hash="")


@entry("Tags.Delete", OWNER, theirs=lambda w: [(v1.DeleteTagRequest(name=w.tag), "NOT_OWNER")],
       refused=lambda w, caller: [
           wrong("no such tag", v1.DeleteTagRequest(name=w.word("none")), "UNKNOWN_TAG"),
           wrong("another hash is expected", v1.DeleteTagRequest(name=w.set_tag(caller), expected_hash="7" * 64), "TAG_MOVED")])
def delete_tag(w, caller):
    yield v1.DeleteTagRequest(name=w.set_tag(caller), expected_hash=w.blob)


@a_list("Tags.List")
def list_tags(w, caller):
    del caller
    yield v1.ListTagsRequest(prefix="t", page_size=1, page_token=w.page_tokens["Tags.List"])
    yield v1.ListTagsRequest(name=w.tag)
