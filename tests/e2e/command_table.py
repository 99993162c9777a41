"""An example of every command of blobctl, as typed in the world of command_world.py.

A command that blobctl has and this table has not fails a test, and so does one that the table has and blobctl has not.
"""
import dataclasses
from typing import Callable, Optional

from harness import DONE, FAILED, INTERRUPTED, NO_PROVIDER, NOT_FOUND, USAGE


@dataclasses.dataclass
class Example:
    """`words`: what is typed behind the command, in this world; it may make what the command uses up."""

    words: Callable = lambda world: ()
    code: int = DONE  # as blobctl(1) has them
    also: tuple = ()  # other codes that are right: it depends on the machine
    # What --json gives: "one" document on one line, "lines" of one document each, or "" where --json changes nothing.
    json: str = "one"
    # Behind the command's name in the golden file, where the JSON is another one than of its other examples.
    shape: str = ""
    # Bytes of a blob or the text of a file that a program reads: not broken to the width of a terminal.
    verbatim: bool = False
    # It goes on until this is typed, and has said that before.
    until: Optional[str] = None
    typed: str = "\x03"


def _of(*words, **fields):
    """Words, each a string or a function of the world."""
    return Example(lambda world: [word(world) if callable(word) else word for word in words], **fields)


def _attribute(name):
    return lambda world: getattr(world, name)


BLOB, COLLECTION, TAG = _attribute("blob"), _attribute("collection"), _attribute("tag")
NOT_HERE = _attribute("not_here")
# Commands that are only what others stand behind.
_ABOVE = [Example(code=USAGE, json="")]

EXAMPLES = {
    "get": [_of(lambda w: w.got, "-o", lambda w: w.fresh_path(), json="lines"),
            _of(lambda w: w.collection, "-o", lambda w: w.fresh_path(), json="lines"),
            _of(lambda w: w.fresh_hash(), "--from", lambda w: w.without, code=NO_PROVIDER, json="lines"),
            _of("--detach", lambda w: w.fresh_hash(), shape="-detach")],
    "queue": [_of(lambda w: w.fresh_hash(), lambda w: w.fresh_hash(), "--label", "some words")],
    "cancel": [_of(lambda w: w.queue()), _of(lambda w: w.done)],
    "pause": [_of(lambda w: w.queue()), _of(lambda w: w.done)],
    "resume": [_of(lambda w: w.paused()), _of(lambda w: w.done)],
    "nodes-have": [_of(lambda w: w.wanted, lambda w: w.unreachable), _of(NOT_HERE, lambda w: w.unreachable)],
    "watch": [_of(lambda w: w.done, json="lines"), _of(lambda w: w.failed, json="lines", code=NO_PROVIDER)],
    "intents": [_of("--all"), _of("--state", "waiting"), _of("--state", "done", "--full", verbatim=True)],
    "requests": [_of()],
    "transfers": [_of("--all"), _of("--hash", lambda w: w.coming),
                  _of("--watch", until="receiving", code=INTERRUPTED)],
    "transfer": _ABOVE,
    "transfer show": [_of(lambda w: w.ended_transfer), _of(lambda w: w.running_transfer)],
    "transfer cancel": [_of(lambda w: w.ended_transfer)],
    "blobs": [_of()],
    "status": [_of()],
    "top": [_of("--once"), _of(until="disk", typed="q")],
    "dashboard": [_of(until="Ctrl-C ends it")],
    "add": [_of(lambda w: w.fresh_file()), _of(lambda w: w.fresh_directory()), _of("--private", lambda w: w.fresh_file())],
    "import": [_of(lambda w: w.url)],
    "cat": [_of(BLOB, verbatim=True, json="")],
    "export": [_of(BLOB, "-o", lambda w: w.fresh_path()), _of(COLLECTION, "-o", lambda w: w.fresh_path()),
               _of(COLLECTION, "-o", lambda w: w.half_exported())],
    "import-store": [_of(lambda w: w.store_files, "--collection")],
    "export-store": [_of(lambda w: w.fresh_path())],
    "gc": [_of("--dry-run"), _of()],
    "rm": [_of("--force", lambda w: w.fresh_blob()), _of("--force", lambda w: w.fresh_blob(), NOT_HERE, code=NOT_FOUND)],
    "why": [_of(lambda w: w.waiting), _of(lambda w: w.failed), _of(BLOB), _of(lambda w: w.wanted),
            _of(NOT_HERE, code=NOT_FOUND)],
    "verify": [_of(BLOB), _of("--all"), _of(BLOB, NOT_HERE, code=NOT_FOUND)],
    "tag": [_of(lambda w: w.word("a-tag"), BLOB), _of(TAG, COLLECTION), _of(TAG, BLOB),
            _of("--delete", lambda w: w.fresh_tag())],
    "tags": [_of()],
    "ticket": [_of(BLOB), _of(COLLECTION, "--loopback")],
    "private": [_of(lambda w: w.fresh_blob()), _of("--off", lambda w: w.fresh_blob())],
    "remotes": [_of(), _of("--watch", until="NODE", code=INTERRUPTED)],
    "remote": [_of(lambda w: w.node), _of(lambda w: w.down_node),
               _of(lambda w: w.node, "--watch", until="ADDRESS", code=INTERRUPTED)],
    "remotes forget": [_of(lambda w: w.known_node())],
    "remotes disconnect": [_of(lambda w: w.down_node)],
    "remotes add": [_of(lambda w: w.fresh_node(), "192.0.2.7:11205", "[2001:db8::7]:11205")],
    "limits": [_of(), _of("requests=40", "--persist"), _of("--reset", "all")],
    "config": _ABOVE,
    "config dump": [_of(verbatim=True), _of("limits", verbatim=True), _of("--changed", verbatim=True)],
    "config diff": [_of(), Example(lambda world: world.reconfigured() or ())],
    "reload": [_of("--dry-run"), Example(lambda world: world.reconfigured() or ())],
    "ban": [_of(lambda w: w.fresh_node(), "--for", "12h", "--reason", "it is for a test")],
    "unban": [_of(lambda w: w.banned())],
    "bans": [_of()],
    "backup": [_of(lambda w: w.fresh_path())],
    "registry": _ABOVE,
    "registry recover": [_of(code=FAILED, json="")],
    "outboard": [_of(lambda w: w.fresh_file())],
    "doctor": [_of(also=(FAILED,))],
    "completion": [_of("bash", verbatim=True, json=""), _of("zsh", verbatim=True, json=""),
                   _of("fish", verbatim=True, json="")],
    "version": [_of()],
    # Nothing moves any more after it.
    "drain": [_of()],
}
