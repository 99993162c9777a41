#!/usr/bin/env python3
"""Gets a blob by ticket or hash through blobd, shows the progress, and writes it to standard output.

Takes python3-grpcio and python3-protobuf, and the stubs, which are made once (PROTO is /usr/share/blobd/proto, or proto/
of the source):

    protoc -I PROTO --python_out=. --grpc_out=. --plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin \\
        PROTO/blobd/v1/*.proto
    ./fetch.py blobac... >file
"""
import os
import sys
import time
import uuid

import grpc
from blobd.v1 import blobs_pb2, blobs_pb2_grpc, downloads_pb2, downloads_pb2_grpc, types_pb2

SOCKET = os.environ.get("BLOBD_SOCKET", "/run/blobd/blobd.sock")


def item_of(wanted, provider):
    """What to queue. `provider`: NODE_ID, or NODE_ID and IP:PORT; empty: only who is known, or is in the ticket."""
    # Somebody waits: without a usable provider the answer is to come now, not after a day. The key makes it safe to ask
    # again when nobody knows whether the daemon has heard us.
    item = downloads_pb2.QueueItem(patience_ms=0, idempotency_key=f"fetch.py-{uuid.uuid4()}")
    if wanted.startswith("blob"):
        item.ticket = wanted
    else:
        item.kind.CopyFrom(types_pb2.Kind(hash=wanted, format=types_pb2.BLOB_FORMAT_RAW))
    if provider:
        item.providers.add(node=types_pb2.Node(node_id=provider[0], addresses=provider[1:]))
    return item


def wait(downloads, intent_id):
    """How the intent ended. It goes on without us, and a daemon that is started again still knows it."""
    request = downloads_pb2.WatchIntentRequest(intent_id=intent_id)
    while True:
        try:
            for response in downloads.WatchIntent(request, wait_for_ready=True):
                intent = response.intent
                print(f"{downloads_pb2.IntentState.Name(intent.state)}: {intent.verified_bytes} of {intent.total_bytes} "
                      f"bytes, {intent.rate:.0f} bytes/s {intent.waits_for}", file=sys.stderr)
            return intent
        except grpc.RpcError as error:
            # So ends what a daemon that goes away cuts.
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise
            time.sleep(0.5)


def read(blobs, wanted, out):
    """Writes the blob to `out`; after a restart it goes on behind the last byte."""
    offset = 0
    while True:
        try:
            for response in blobs.Read(blobs_pb2.ReadRequest(hash=wanted, offset=offset), wait_for_ready=True):
                out.write(response.data)
                offset += len(response.data)
            return
        except grpc.RpcError as error:
            # So ends what a daemon that goes away cuts.
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise
            time.sleep(0.5)


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: fetch.py TICKET|HASH [NODE_ID [IP:PORT]]")
    with grpc.insecure_channel(f"unix:{SOCKET}") as channel:
        downloads = downloads_pb2_grpc.DownloadsStub(channel)
        queued = downloads.Queue(downloads_pb2.QueueRequest(items=[item_of(sys.argv[1], sys.argv[2:])]))
        intent = wait(downloads, queued.intents[0].intent_id)
        if intent.state != downloads_pb2.INTENT_STATE_DONE:
            sys.exit(f"fetch.py: {intent.reason}")
        read(blobs_pb2_grpc.BlobsStub(channel), intent.kind.hash, sys.stdout.buffer)


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as failure:
        sys.exit(f"fetch.py: {failure.code().name}: {failure.details()}")
