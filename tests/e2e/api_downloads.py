"""How Downloads is called. See api_table.py."""
import time

from api import v1
from api_fields import LARGEST_64
from api_table import ENDLESS, HOUR_MS, LOOPBACK, MEMBER, NOBODY_HAS_IT, OWNER, a_list, entry, node, raw, sequence, wrong


def item(blob_hash, **options):
    return v1.QueueItem(kind=raw(blob_hash), **options)


def queue_refused(w, caller):
    key = w.word("key")
    caller.ok("Downloads.Queue", v1.QueueRequest(items=[item(w.fresh_hash(), idempotency_key=key)]))
    mirror = v1.Provider(mirror_url="http://192.0.2.1/one")
    good = item(w.fresh_hash())
    yield wrong("no item", v1.QueueRequest(), "MISSING_FIELD", "INVALID_FIELD", field="items")
    yield wrong("nothing is wanted", v1.QueueRequest(items=[v1.QueueItem()]), "MISSING_FIELD")
    yield wrong("no hash", v1.QueueRequest(items=[v1.QueueItem(kind=v1.Kind())]), "MALFORMED_HASH", "MISSING_FIELD",
                field="items[0].kind.hash")
    yield wrong("the second item", v1.QueueRequest(items=[good, v1.QueueItem()]), "MISSING_FIELD")
    yield wrong("a provider that is none", v1.QueueRequest(items=[item(w.fresh_hash(), providers=[v1.Provider()])]),
                "MISSING_FIELD")
    yield wrong("label", v1.QueueRequest(items=[item(w.fresh_hash(), label="l" * 257)]), "TOO_LONG", field="items[0].label")
    yield wrong("one URL for a sequence", v1.QueueRequest(items=[v1.QueueItem(kind=sequence(w.blob), providers=[mirror])]),
                "INVALID_FIELD", field="items[0].providers[0].mirror_url")
    yield wrong("a key for other content", v1.QueueRequest(items=[item(w.fresh_hash(), idempotency_key=key)]), "KEY_REUSED")
    yield wrong("a key twice", v1.QueueRequest(items=[item(w.fresh_hash(), idempotency_key="twice") for _ in range(2)]),
                "INVALID_FIELD", "KEY_REUSED")
    many = [node(f"{i:064x}", *[f"127.0.0.1:{p}" for p in range(1, 33)]) for i in range(1, 65)]
    yield wrong("too many rows", v1.QueueRequest(items=[item(w.fresh_hash(), providers=many) for _ in range(24)]),
                "TOO_MANY_ITEMS", field="items")
    yield wrong("a ticket of a node only", v1.QueueRequest(items=[v1.QueueItem(ticket=w.node_ticket)]), "INVALID_FIELD",
                "MALFORMED_TICKET", field="items[0].ticket")


def check_queued(w, caller, request, answer):
    queued = answer.messages[0].intents
    assert len(queued) == len(request.items)
    intent = caller.ok("Downloads.GetIntent", v1.GetIntentRequest(intent_id=queued[0].intent_id))
    assert intent.owner_uid == caller.uid, f"{intent.owner_uid} is not {caller.uid}"


@entry("Downloads.Queue", MEMBER, refused=queue_refused, check=check_queued)
def queue(w, caller):
    del caller
    yield v1.QueueRequest(items=[item(
        w.fresh_hash(), providers=[node(w.stranger_node, LOOPBACK), v1.Provider(mirror_url="http://192.0.2.1/{hash}")],
        priority=v1.PRIORITY_URGENT, deadline_unix_ms=int(time.time() * 1000) + HOUR_MS, patience_ms=HOUR_MS,
        label=w.word("label"), idempotency_key=w.word("key"))])
    yield v1.QueueRequest(items=[v1.QueueItem(ticket=w.ticket, label="by ticket")])


def foreign_intents(request):
    """The owner's alone, behind ones of the caller, and with everything that the caller may do."""
    return lambda w: [(request(intent_ids=[w.waiting]), "NOT_OWNER"),
                      (request(intent_ids=[w.queue(w.other), w.waiting]), "NOT_OWNER")]


def ids_refused(request):
    def refused(w, caller):
        yield wrong("no id", request(), "MISSING_FIELD", "INVALID_FIELD", field="intent_ids")
        yield wrong("an unknown id behind a known one", request(intent_ids=[w.queue(caller), LARGEST_64]),
                    "UNKNOWN_INTENT")
    return refused


def state_of(w, request):
    return w.root.ok("Downloads.GetIntent", v1.GetIntentRequest(intent_id=request.intent_ids[0]))


def check_cancelled(w, _caller, request, answer):
    assert list(answer.messages[0].cancelled) == list(request.intent_ids), answer
    assert state_of(w, request).state == v1.INTENT_STATE_CANCELLED


@entry("Downloads.Cancel", OWNER, theirs=foreign_intents(v1.CancelRequest), refused=ids_refused(v1.CancelRequest),
       check=check_cancelled)
def cancel(w, caller):
    yield v1.CancelRequest(intent_ids=[w.queue(caller)])


def everything_refused(request):
    def refused(w, caller):
        yield from ids_refused(request)(w, caller)
        reason = "INVALID_FIELD" if caller is w.root else "NEEDS_ADMIN"
        yield wrong("everything, and an id", request(intent_ids=[w.queue(caller)], everything=True), reason)
        if caller is not w.root:
            yield wrong("everything", request(everything=True), "NEEDS_ADMIN")
    return refused


def check_paused(w, _caller, request, answer):
    if request.everything:
        assert w.root.ok("Admin.Status").everything_paused
        w.root.ok("Downloads.Resume", v1.ResumeRequest(everything=True))
    else:
        assert list(answer.messages[0].paused) == list(request.intent_ids)
        assert state_of(w, request).paused


@entry("Downloads.Pause", OWNER, theirs=foreign_intents(v1.PauseRequest), refused=everything_refused(v1.PauseRequest),
       check=check_paused)
def pause(w, caller):
    yield v1.PauseRequest(intent_ids=[w.queue(caller)])
    if caller is w.root:
        yield v1.PauseRequest(everything=True)


def check_resumed(w, _caller, request, answer):
    if not request.everything:
        assert list(answer.messages[0].resumed) == list(request.intent_ids)
        assert not state_of(w, request).paused


@entry("Downloads.Resume", OWNER, theirs=foreign_intents(v1.ResumeRequest), refused=everything_refused(v1.ResumeRequest),
       check=check_resumed)
def resume(w, caller):
    intent = w.queue(caller)
    caller.ok("Downloads.Pause", v1.PauseRequest(intent_ids=[intent]))
    yield v1.ResumeRequest(intent_ids=[intent])
    if caller is w.root:
        yield v1.ResumeRequest(everything=True)


@entry("Downloads.Why", MEMBER, refused=lambda w, caller: [
    wrong("nothing is asked for", v1.WhyRequest(), "MISSING_FIELD")])
def why(w, caller):
    del caller
    yield v1.WhyRequest(intent_id=w.waiting)
    yield v1.WhyRequest(hash=NOBODY_HAS_IT)


@entry("Downloads.NodesHave", MEMBER, refused=lambda w, caller: [
    wrong("no provider", v1.NodesHaveRequest(hash=NOBODY_HAS_IT), "MISSING_FIELD", "INVALID_FIELD", field="providers"),
    wrong("a provider that is none", v1.NodesHaveRequest(hash=NOBODY_HAS_IT, providers=[v1.Provider()]), "MISSING_FIELD")])
def nodes_have(w, caller):
    del caller
    yield v1.NodesHaveRequest(hash=w.fresh_hash(), providers=[
        node(w.stranger_node, LOOPBACK), v1.Provider(mirror_url="http://192.0.2.1/x")])


@entry("Downloads.GetIntent", MEMBER, check=lambda w, c, r, answer: w.expect(answer.messages[0].owner_uid, w.owner.uid))
def get_intent(w, caller):
    del caller
    yield v1.GetIntentRequest(intent_id=w.waiting)


@a_list("Downloads.ListIntents")
def list_intents(w, caller):
    yield v1.ListIntentsRequest(
        page_size=3, page_token=w.page_tokens["Downloads.ListIntents"], scope=v1.INTENT_SCOPE_UNFINISHED, hash=NOBODY_HAS_IT,
        label="waits", owner_uid=caller.uid, states=[v1.INTENT_STATE_WAITING])


@entry("Downloads.WatchIntent", MEMBER, messages=ENDLESS)
def watch_intent(w, caller):
    del caller
    yield v1.WatchIntentRequest(intent_id=w.waiting)


@a_list("Downloads.ListRequests")
def list_requests(w, caller):
    yield v1.ListRequestsRequest(
        page_size=3, page_token=w.page_tokens["Downloads.ListRequests"], states=[v1.INTENT_STATE_WAITING],
        hash=NOBODY_HAS_IT, owner_uid=caller.uid)


@a_list("Downloads.ListTransfers")
def list_transfers(w, caller):
    del caller
    yield v1.ListTransfersRequest(page_size=3, running_only=True, hash=w.large, provider=w.server_node,
                                  states=[v1.TRANSFER_STATE_RECEIVING])
    yield v1.ListTransfersRequest(page_token=w.page_tokens["Downloads.ListTransfers"])


@entry("Downloads.GetTransfer", MEMBER)
def get_transfer(w, caller):
    del caller
    yield v1.GetTransferRequest(transfer_id=w.running())


@entry("Downloads.WatchTransfers", MEMBER, messages=ENDLESS)
def watch_transfers(w, caller):
    filters = {"hash": w.large, "running_only": True, "transfer_ids": [w.running()]}
    yield v1.WatchTransfersRequest(**filters)
    first = caller.call("Downloads.WatchTransfers", v1.WatchTransfersRequest(**filters), messages=1)
    if first.is_ok:
        yield v1.WatchTransfersRequest(**filters, resume_token=first.messages[0].resume_token)


def check_transfer_cancelled(w, _caller, request, answer):
    assert answer.messages[0].cancelled, answer
    transfer = w.root.ok("Downloads.GetTransfer", v1.GetTransferRequest(transfer_id=request.transfer_id))
    assert transfer.state == v1.TRANSFER_STATE_CANCELLED, transfer


@entry("Downloads.CancelTransfer", OWNER, check=check_transfer_cancelled,
       theirs=lambda w: [(v1.CancelTransferRequest(transfer_id=w.running()), "NOT_OWNER")])
def cancel_transfer(w, caller):
    yield v1.CancelTransferRequest(transfer_id=w.running(caller))
