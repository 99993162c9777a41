"""How Remotes and Admin are called. See api_table.py."""
from api import HEALTH, message_class, v1
from api_table import ADMIN, ENDLESS, HOUR_MS, LOOPBACK, MEMBER, a_list, entry, raw, sequence, wrong


@a_list("Remotes.List")
def list_remotes(w, caller):
    del caller
    yield v1.ListRemotesRequest(page_size=1, page_token=w.page_tokens["Remotes.List"],
                                states=[v1.REMOTE_STATE_DOWN], banned_only=True)


def unknown_remote(request):
    return lambda w, caller: [
        wrong("nothing is known of it", request(node_id=w.fresh_hash()), "UNKNOWN_REMOTE")]


@entry("Remotes.Get", MEMBER, refused=unknown_remote(v1.GetRemoteRequest))
def get_remote(w, caller):
    del caller
    yield v1.GetRemoteRequest(node_id=w.server_node)


@entry("Remotes.Watch", MEMBER, messages=ENDLESS)
def watch_remotes(w, caller):
    first = caller.call("Remotes.Watch", v1.WatchRemotesRequest(node_id=w.server_node), messages=1)
    yield v1.WatchRemotesRequest(node_id=w.server_node)
    if first.is_ok and first.messages[0].resume_token:
        yield v1.WatchRemotesRequest(node_id=w.server_node, resume_token=first.messages[0].resume_token)


def add_addresses_refused(w, _caller):
    yield wrong("no node", v1.AddAddressesRequest(), "MALFORMED_NODE_ID", "MISSING_FIELD", field="node.node_id")
    yield wrong("no address", v1.AddAddressesRequest(node=v1.Node(node_id=w.stranger_node)), "MISSING_FIELD",
                field="node.addresses")
    yield wrong("ourselves", v1.AddAddressesRequest(node=v1.Node(node_id=w.own_node, addresses=[LOOPBACK])), "OURSELVES")
    for address in ("0.0.0.0:1", "192.0.2.1:0", "224.0.0.1:1", "[ff02::1]:1"):
        yield wrong(f"address {address}", v1.AddAddressesRequest(node=v1.Node(
            node_id=w.stranger_node, addresses=[address])), "NOT_DIALLABLE", "MALFORMED_ADDRESS")


@entry("Remotes.AddAddresses", ADMIN, refused=add_addresses_refused)
def add_addresses(w, caller):
    del caller
    yield v1.AddAddressesRequest(node=v1.Node(node_id=w.stranger_node, addresses=[LOOPBACK, f"127.0.0.1:{w.number()}"]))


def known_remote(w):
    remote = w.fresh_hash()
    w.root.ok("Remotes.AddAddresses", v1.AddAddressesRequest(node=v1.Node(node_id=remote, addresses=[LOOPBACK])))
    return remote


def forget_refused(w, caller):
    yield from unknown_remote(v1.ForgetRemoteRequest)(w, caller)
    w.running()
    yield wrong("it is connected", v1.ForgetRemoteRequest(node_id=w.server_node), "REMOTE_IN_USE")


@entry("Remotes.Forget", ADMIN, refused=forget_refused)
def forget(w, caller):
    del caller
    yield v1.ForgetRemoteRequest(node_id=known_remote(w))


@entry("Remotes.Disconnect", ADMIN, refused=unknown_remote(v1.DisconnectRemoteRequest))
def disconnect(w, caller):
    del caller
    yield v1.DisconnectRemoteRequest(node_id=known_remote(w))


@entry("Remotes.Ban", ADMIN, refused=lambda w, caller: [
    wrong("ourselves", v1.BanRequest(provider=w.own_node), "OURSELVES")])
def ban(w, caller):
    del caller
    yield v1.BanRequest(provider=w.fresh_hash(), length_ms=HOUR_MS, reason="because")
    yield v1.BanRequest(provider=f"http://192.0.2.1/{w.number()}")


@entry("Remotes.Unban", ADMIN, refused=lambda w, caller: [
    wrong("it is not banned", v1.UnbanRequest(provider=w.fresh_hash()), "NOT_BANNED")])
def unban(w, caller):
    del caller
    banned = w.fresh_hash()
    w.root.ok("Remotes.Ban", v1.BanRequest(provider=banned))
    yield v1.UnbanRequest(provider=banned)


@a_list("Remotes.ListBans")
def list_bans(w, caller):
    del caller
    yield v1.ListBansRequest(page_size=1, page_token=w.page_tokens["Remotes.ListBans"])


# ---- Health ----


def health(service):
    return message_class(f"{HEALTH}.HealthCheckRequest")(service=service)


@entry("Health.Check", MEMBER, refused=lambda w, caller: [
    wrong("no such service", health("none"), "UNKNOWN_SERVICE")])
def health_check(w, caller):
    del w, caller
    yield health("blobd.v1.Downloads")
    yield health("")


@entry("Health.Watch", MEMBER, messages=ENDLESS)
def health_watch(w, caller):
    del w, caller
    yield health("blobd.v1.Blobs")
    yield health("none")


# ---- Admin ----


@entry("Admin.Status", MEMBER, check=lambda w, c, r, answer: w.expect(answer.messages[0].node_id, w.own_node))
def status(w, caller):
    del w, caller
    yield v1.StatusRequest()


@entry("Admin.GetLimits", MEMBER)
def get_limits(w, caller):
    del w, caller
    yield v1.GetLimitsRequest()


def limits(*changes, reset=(), **options):
    return v1.SetLimitsRequest(changes=[v1.LimitChange(**change) for change in changes], reset=reset, **options)


def set_limits_refused(w, caller):
    del w, caller
    good = {"name": "requests", "value": 7}
    yield wrong("nothing", limits(), "MISSING_FIELD")
    yield wrong("no such limit", limits(good, {"name": "none", "value": 1}), "UNKNOWN_LIMIT", field="changes[1].name")
    yield wrong("no such limit to reset", limits(reset=["none"]), "UNKNOWN_LIMIT", field="reset[0]")
    yield wrong("0", limits({"name": "requests", "value": 0}), "INVALID_FIELD")
    yield wrong("too much", limits({"name": "requests", "value": 1 << 63}), "INVALID_FIELD")
    yield wrong("twice", limits(good, good), "INVALID_FIELD")
    yield wrong("without limit, and no rate", limits({"name": "requests", "unlimited": True}), "INVALID_FIELD")
    yield wrong("without limit, and a value", limits({"name": "upload_rate", "unlimited": True, "value": 1000}),
                "INVALID_FIELD")
    yield wrong("too many", limits(*[good] * 257), "TOO_MANY_ITEMS", "INVALID_FIELD")


def check_limits(w, _caller, request, answer):
    shown = {limit.name: limit for limit in answer.messages[0].limits}
    for change in request.changes:
        w.expect((shown[change.name].value, shown[change.name].HasField("persisted")), (change.value, request.persist))


@entry("Admin.SetLimits", ADMIN, refused=set_limits_refused, check=check_limits)
def set_limits(w, caller):
    del w, caller
    yield limits({"name": "requests", "value": 51})
    yield limits({"name": "dials_per_hash", "value": 9}, persist=True)
    yield limits(reset=["requests", "dials_per_hash"])


@entry("Admin.GetConfig", MEMBER)
def get_config(w, caller):
    del w, caller
    yield v1.GetConfigRequest(changed_only=True)
    yield v1.GetConfigRequest(prefix="store")


@entry("Admin.Reload", ADMIN)
def reload(w, caller):
    del w, caller
    yield v1.ReloadRequest(dry_run=True)
    yield v1.ReloadRequest()


@entry("Admin.CreateTicket", MEMBER, refused=lambda w, caller: [
    wrong("no kind", v1.CreateTicketRequest(), "MALFORMED_HASH", "MISSING_FIELD", field="kind.hash"),
    wrong("nothing is here", v1.CreateTicketRequest(kind=raw(w.fresh_hash())), "UNKNOWN_BLOB"),
    wrong("it is private", v1.CreateTicketRequest(kind=raw(w.private)), "BLOB_PRIVATE"),
    wrong("no sequence", v1.CreateTicketRequest(kind=sequence(w.blob)), "NOT_A_COLLECTION", "LIST_UNREADABLE"),
    wrong("not diallable", v1.CreateTicketRequest(kind=raw(w.blob), addresses=["0.0.0.0:1"]), "NOT_DIALLABLE",
          "MALFORMED_ADDRESS", field="addresses"),
    wrong("none, and one", v1.CreateTicketRequest(kind=raw(w.blob), addresses=[LOOPBACK], no_addresses=True),
          "INVALID_FIELD", field="no_addresses")])
def create_ticket(w, caller):
    del caller
    yield v1.CreateTicketRequest(kind=raw(w.blob), addresses=["192.0.2.1:1"])
    yield v1.CreateTicketRequest(kind=raw(w.blob), no_addresses=True)
    yield v1.CreateTicketRequest(kind=raw(w.blob), include_loopback=True)


@entry("Admin.ParseTicket", MEMBER)
def parse_ticket(w, caller):
    del caller
    yield v1.ParseTicketRequest(ticket=w.ticket)


@entry("Admin.Backup", ADMIN, check=lambda w, c, r, answer: w.expect(
    sum(len(m.data) for m in answer.messages), answer.messages[-1].total_bytes))
def backup(w, caller):
    del w, caller
    yield v1.BackupRequest()


@entry("Admin.RecoverRegistry", ADMIN, refused=lambda w, caller: [
    wrong("it is not damaged", v1.RecoverRegistryRequest(), "REGISTRY_NOT_DAMAGED")])
def recover_registry(w, caller):
    # Nothing is damaged here: test_registry.py has that.
    del w
    return [v1.RecoverRegistryRequest()] if caller.uid else []


# test_api.py makes it the last one: after it nothing new is taken.
@entry("Admin.Drain", ADMIN, check=lambda w, c, r, answer: w.expect(
    w.other.call("Downloads.Queue", w.queue_request()).reason, "DRAINING"))
def drain(w, caller):
    del w, caller
    yield v1.DrainRequest()
