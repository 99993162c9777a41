"""What the API's tests call about: a daemon with content, intents, tags, bans and a slow provider, and three callers."""
import base64
import grp
import http.server
import itertools
import os
import threading
import unittest

import sandbox
from api import Caller, caller_here, v1
from grpc_wire import Dialler
from harness import Daemon, E2eTest
from peers import write_random

# Any but root's, and nobody's on a machine.
OWNER_UID, OTHER_UID, STRANGER_UID = 20_001, 20_002, 20_003
# A group that every Debian has; who is in it here may call.
SOCKET_GROUP = "users"
KIB, MIB = 1 << 10, 1 << 20


def _node_ticket_of(blob_ticket):
    """A blob ticket without its end, which is the format and the hash."""
    data = base64.b32decode(blob_ticket[4:].upper() + "=" * (-len(blob_ticket[4:]) % 8))
    return "node" + base64.b32encode(data[:-33]).decode().lower().rstrip("=")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args):  # pylint: disable=arguments-differ
        pass


def serve_directory(test, directory):
    """A web server for one directory, until the test is over. Its URL."""
    handler = lambda *args: _Quiet(*args, directory=str(directory))  # noqa: E731
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def end():
        server.shutdown()
        server.server_close()
        thread.join()
    test.addCleanup(end)
    return f"http://127.0.0.1:{server.server_address[1]}"


def needs_users(test):
    """Skips where this process cannot act as other users."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root may act as somebody else")
    sandbox.refuse(the_group_of_its_choice_for_the_socket=sandbox.is_on())
    return test


class ApiTest(E2eTest):
    """A daemon that a group may call; callers of several users."""

    more_config = ""

    def prepare(self):
        needs_users(self)
        self.group = grp.getgrnam(SOCKET_GROUP).gr_gid
        self.directory.chmod(0o755)
        self.daemon = Daemon(self.directory, f'socket_group = "{SOCKET_GROUP}"\n{self.more_config}')

    def setUp(self):
        super().setUp()
        self._callers = []
        self.root = caller_here(self.daemon.socket)
        self._callers.append(self.root)

    def tearDown(self):
        for caller in self._callers:
            caller.close()
        super().tearDown()

    def dialler(self, uid, *groups):
        dialler = Dialler(self.daemon.socket, uid, list(groups))
        self.addCleanup(dialler.close)
        return dialler

    def member(self, uid):
        """A Caller of this uid who is in the socket's group."""
        caller = Caller(uid, self.dialler(uid, self.group).connect)
        self._callers.append(caller)
        return caller


class World:
    """See the attributes. Everything is made once, but what methods with that name make."""

    def __init__(self, test):
        self._test = test
        self._numbers = itertools.count(1)
        self.root, self.owner, self.other = test.root, test.member(OWNER_UID), test.member(OTHER_UID)
        self.daemon, self.server = test.daemon, test.start_daemon("server", '[serve]\nmode = "anyone"\n')
        self.own_node, self.server_node = self.daemon.status()["nodeId"], self.server.status()["nodeId"]
        self.stranger_node = "0" * 63 + "1"
        self.server_address = self.server.status()["listenAddresses"][0]
        www = test.directory / "www"
        write_random(www / "file", 1000)
        self.web = serve_directory(test, www)
        # The server has it all, and gives it slowly.
        self.large_size = 48 * MIB
        self._large = {uid: self.server.add(write_random(test.directory / f"large{uid}", self.large_size, uid))
                       for uid in (0, OWNER_UID, OTHER_UID)}
        self.large = self._large[OWNER_UID]
        test.assertEqual(self.server.ctl("limits", "upload_rate=400kB/s").code, 0)
        self._make_content()

    def _make_content(self):
        self.content = b"content of the world"
        self.blob = self.add(self.owner, self.content.decode())
        self.tagged, self.private = self.add(self.owner, "tagged"), self.add(self.owner, "private")
        self.owner.ok("Blobs.SetPrivate", v1.SetPrivateRequest(kind=v1.Kind(hash=self.private), is_private=True))
        self.tag = "the-owners"
        self.owner.ok("Tags.Set", v1.SetTagRequest(name=self.tag, kind=v1.Kind(hash=self.tagged)))
        self.owner.ok("Tags.Set", v1.SetTagRequest(name="to-come-after", kind=v1.Kind(hash=self.tagged)))
        self.owner.ok("Tags.Set", v1.SetTagRequest(name="secret", kind=v1.Kind(hash=self.private), is_private=True))
        self.collection = self.owner.ok("Blobs.CreateCollection", v1.CreateCollectionRequest(
            entries=[v1.CollectionEntry(name="name", hash=self.blob)])).hash
        self.ticket = self.root.ok("Admin.CreateTicket", v1.CreateTicketRequest(
            kind=v1.Kind(hash=self.blob), no_addresses=True)).ticket
        self.node_ticket = _node_ticket_of(self.ticket)
        self.waiting = self.queue(self.owner)
        self.queue(self.other)
        for banned in (self.fresh_hash(), self.fresh_hash()):
            self.root.ok("Remotes.Ban", v1.BanRequest(provider=banned))
        for caller in (self.owner, self.other):
            self.running(caller)
        # Of every list that can be paged.
        self.page_tokens = {}
        for name, request in (("Downloads.ListIntents", v1.ListIntentsRequest),
                              ("Downloads.ListRequests", v1.ListRequestsRequest),
                              ("Downloads.ListTransfers", v1.ListTransfersRequest), ("Blobs.List", v1.ListBlobsRequest),
                              ("Tags.List", v1.ListTagsRequest), ("Remotes.List", v1.ListRemotesRequest),
                              ("Remotes.ListBans", v1.ListBansRequest)):
            answer = self.root.call(name, request(page_size=1))
            if answer.is_ok:
                assert answer.messages[0].next_page_token, f"{name} has one page only"
                self.page_tokens[name] = answer.messages[0].next_page_token
            else:
                self.page_tokens[name] = ""

    def expect(self, got, wanted):
        self._test.assertEqual(got, wanted)

    def number(self):
        return next(self._numbers)

    def word(self, what):
        return f"{what}-{self.number()}"

    def fresh_hash(self):
        """A hash, or the id of a node, that nobody has heard of."""
        return f"{self.number():032x}" * 2

    def add(self, caller, text):
        return caller.ok("Blobs.Add", [v1.AddRequest(data=text.encode(), last=True)]).hash

    def queue_request(self):
        return v1.QueueRequest(items=[v1.QueueItem(kind=v1.Kind(hash=self.fresh_hash()), label="waits")])

    def queue(self, caller):
        """An intent that waits for a provider."""
        return caller.ok("Downloads.Queue", self.queue_request()).intents[0].intent_id

    def set_tag(self, caller):
        name = self.word("tag")
        caller.ok("Tags.Set", v1.SetTagRequest(name=name, kind=v1.Kind(hash=self.blob)))
        return name

    def running(self, caller=None):
        """A transfer that runs for an intent of the caller, or of the owner."""
        caller = caller or self.owner
        blob = self._large[caller.uid]
        caller.ok("Downloads.Queue", v1.QueueRequest(items=[v1.QueueItem(
            kind=v1.Kind(hash=blob), idempotency_key=f"large {caller.uid}", providers=[v1.Provider(
                node=v1.Node(node_id=self.server_node, addresses=[self.server_address]))])]))

        def receiving():
            listed = self.root.ok("Downloads.ListTransfers", v1.ListTransfersRequest(running_only=True, hash=blob))
            return [each.transfer_id for each in listed.transfers if each.verified_bytes > 0]
        return self.daemon.wait_until(f"a transfer for {caller.uid} runs", receiving)[0]

    def is_partial(self, blob):
        self.running()
        stat = self.root.ok("Blobs.Stat", v1.StatRequest(hash=blob))
        return stat.state == v1.BLOB_STATE_PARTIAL
