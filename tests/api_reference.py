#!/usr/bin/env python3
"""The API in words, and what of it was promised: api_reference.py [--check | --write | --accept [--force]]

--write makes packaging/docs/api.md from the comments in proto/, the table of lib/rpc/authority.cc and the reasons in
lib/base/error_reason.h. --check (the default) says whether that page and tests/api-v1.txt are up to date, and whether
anything that was released is gone: every line of tests/api-v1.txt is a promise. --accept adds to it what is new, and
refuses to take anything away; --force does that too, for what no released version had.
"""
import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
PAGE = ROOT / "packaging" / "docs" / "api.md"
RELEASED = ROOT / "tests" / "api-v1.txt"

TYPES = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 12: "bytes",
         13: "uint32"}
RIGHTS = {"kMember": "members", "kOwner": "owner", "kAdmin": "administrators"}

INTRO = """\
<!-- Made by tests/api_reference.py from the comments in proto/; change those. -->
# The API of blobd

blobd speaks gRPC on a Unix socket: `/run/blobd/blobd.sock`, or `$XDG_RUNTIME_DIR/blobd/blobd.sock` of a daemon that a
user runs. The protos are in `proto/` of the source, and server reflection tells them, so that `grpcurl` and the like
need no files:

```sh
grpcurl -plaintext unix:/run/blobd/blobd.sock list
grpcurl -plaintext unix:/run/blobd/blobd.sock blobd.v1.Admin/Status
```

**From programs.** C++ has a library in the package `libblobd-client-dev`: `blobd/client.h` connects, queues, watches and
reads, over restarts of the daemon, too, and makes any other call of this page. Other languages make stubs from the protos
with gRPC's own tools. The package has examples of both, which are in `client/examples` of the source.

**What stays.** Within `v1` fields, methods and values are only added; what is here keeps its name, number, type and
meaning. So ignore what you do not know, and expect new values of every enumeration.

**Who may what.** The kernel says who is at the other end of a connection; nothing in a message does. *members* are those
who may open the socket. *owner*: members, for what is theirs; administrators for everybody's. *administrators* are root,
the members of the admin group (`admin_group`, by default `root`), and the user that the daemon runs as.

**Bounds.** A request has at most 4 KiB and 256 values, which are its fields, those of messages in it, and those that the
daemon does not know. With tickets, addresses or limits it has 64 KiB and 2,048; where it lists ids, hashes or the
providers of a hash, 1 MiB and 20,480; `Queue` and `CreateCollection` take 16 MiB and 350,000,
`AddSmall` 2 MiB and 2,048. What has more is not read, and answered with `MALFORMED_REQUEST`. A connection has 64 calls
at a time, a user 64 connections. Lists are paged: ask
again with `next_page_token` until that is empty. What else is bounded is said where it is.

**Repeating.** What only reads can be repeated. `Downloads.Queue` can with an idempotency key; of the others it is said
where they can.

**Errors.** A call fails with one of gRPC's codes, a message for people that says what to do next, and a
`google.rpc.Status` in `grpc-status-details-bin` with one `google.rpc.ErrorInfo` of the domain `blobd`: its `reason` is
one of [these words](#reasons), its `metadata` has what is known besides, such as `field`, `value` (at most 256 bytes of
it) and `limit`. Messages are reworded, codes and reasons stay. What the gRPC library itself refuses, such as a message
of more than 16 MiB, has no reason.
"""

HEALTH = """\
## Health

`grpc.health.v1.Health` (`Check`, and `Watch` as a stream) knows these services:

| service | SERVING | NOT_SERVING |
|---|---|---|
| empty name | calls are answered, and intents are taken | draining, or degraded: the registry is damaged |
| `blobd.v1.Downloads` | intents are taken | draining or degraded |
| the others, by full name | calls are answered: what is here can be read, also while draining or degraded | never |

Before the daemon is ready the socket may take connections, and calls wait: nobody answers `NOT_SERVING` then. So who
asks should set a deadline, and take one that passed for the same.
"""


# ---- Reading descriptors: FileDescriptorSet, as protoc writes it ----

def wire_fields(data):
    """(number, value) of each field; a value is an int or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            size = varint()
            yield key >> 3, data[at:at + size]
            at += size
        else:
            size = {1: 8, 5: 4}[key & 7]
            yield key >> 3, data[at:at + size]
            at += size


def packed(data):
    """The numbers of a packed repeated field of small numbers."""
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return tuple(numbers)


@dataclass
class Element:
    """A service, method, message, field, enumeration or value."""
    kind: str
    name: str
    comment: str
    number: int = 0
    type: str = ""          # of a field, with "repeated " or "optional " before it
    oneof: str = ""         # the field's
    streams: tuple = ()     # of a method: (requests, answers)
    types: tuple = ()       # of a method: request, answer
    members: list = field(default_factory=list)


@dataclass
class File:
    path: str
    package: str
    comment: str
    services: list
    messages: list
    enums: list


class FileReader:
    """One FileDescriptorProto."""

    def __init__(self, data):
        fields = list(wire_fields(data))
        self.text = {n: v.decode() for n, v in fields if n in (1, 2) and isinstance(v, bytes)}
        self.comments = {}
        for number, value in fields:
            if number == 9:
                self.read_comments(value)
        self.package = self.text[2]
        self.file = File(
            self.text[1], self.package, self.comment((12,)),
            [self.service(v, (6, i)) for i, v in enumerate(v for n, v in fields if n == 6)],
            [m for i, v in enumerate(v for n, v in fields if n == 4) for m in self.message(v, (4, i), self.package)],
            [self.enum(v, (5, i), self.package) for i, v in enumerate(v for n, v in fields if n == 5)])

    def read_comments(self, info):
        for number, location in wire_fields(info):
            if number != 1:
                continue
            parts = dict(wire_fields(location))
            said = parts.get(3) or parts.get(4)
            if said is not None:
                self.comments[packed(parts.get(1, b""))] = said.decode()

    def comment(self, path):
        return " ".join(self.comments.get(path, "").split())

    def service(self, data, path):
        fields = list(wire_fields(data))
        name = next(v for n, v in fields if n == 1).decode()
        service = Element("service", f"{self.package}.{name}", self.comment(path))
        for i, method in enumerate(v for n, v in fields if n == 2):
            parts = dict(wire_fields(method))
            service.members.append(Element(
                "method", parts[1].decode(), self.comment(path + (2, i)),
                types=(parts[2].decode()[1:], parts[3].decode()[1:]),
                streams=(bool(parts.get(5)), bool(parts.get(6)))))
        return service

    def message(self, data, path, outer):
        """The message, then those inside of it. Maps are fields."""
        fields = list(wire_fields(data))
        name = f"{outer}.{next(v for n, v in fields if n == 1).decode()}"
        message = Element("message", name, self.comment(path))
        nested, maps = [], {}
        for i, inner in enumerate(v for n, v in fields if n == 3):
            parts = list(wire_fields(inner))
            options = [dict(wire_fields(v)) for n, v in parts if n == 7]
            if any(o.get(7) for o in options):
                types = {dict(wire_fields(v))[3]: self.plain_type(dict(wire_fields(v))) for n, v in parts if n == 2}
                maps[f"{name}.{next(v for n, v in parts if n == 1).decode()}"] = f"map<{types[1]}, {types[2]}>"
            else:
                nested += self.message(inner, path + (3, i), name)
        oneofs = [dict(wire_fields(v))[1].decode() for n, v in fields if n == 8]
        for i, value in enumerate(v for n, v in fields if n == 2):
            parts = dict(wire_fields(value))
            kind = self.plain_type(parts)
            is_optional = bool(parts.get(17))
            if kind in maps:
                kind = maps[kind]
            elif parts[4] == 3:
                kind = "repeated " + kind
            elif is_optional:
                kind = "optional " + kind
            message.members.append(Element(
                "field", parts[1].decode(), self.comment(path + (2, i)), parts[3], kind,
                oneofs[parts[9]] if 9 in parts and not is_optional else ""))
        enums = [self.enum(v, path + (4, i), name) for i, v in enumerate(v for n, v in fields if n == 4)]
        if enums:
            raise SystemExit(f"{name}: enumerations stand outside of messages")
        return [message] + nested

    @staticmethod
    def plain_type(parts):
        return parts[6].decode()[1:] if 6 in parts else TYPES[parts[5]]

    def enum(self, data, path, outer):
        fields = list(wire_fields(data))
        enum = Element("enum", f"{outer}.{next(v for n, v in fields if n == 1).decode()}", self.comment(path))
        for i, value in enumerate(v for n, v in fields if n == 2):
            parts = dict(wire_fields(value))
            enum.members.append(Element("value", parts[1].decode(), self.comment(path + (2, i)), parts.get(2, 0)))
        return enum


def read_files(proto=PROTO, package="blobd"):
    """Our protos below `proto`, in order of their names."""
    names = sorted(str(p.relative_to(proto)) for p in (proto / package).rglob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "set"
        subprocess.run(["protoc", f"--proto_path={proto}", f"--descriptor_set_out={out}", "--include_source_info", *names],
                       check=True)
        return [FileReader(v).file for n, v in wire_fields(out.read_bytes()) if n == 1]


# ---- What the code says ----

@dataclass
class Reason:
    name: str
    meaning: str
    code: str


def upper_words(name):
    """UnknownIntent -> UNKNOWN_INTENT"""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()


def read_reasons():
    """[(heading, [Reason])] of lib/base/error_reason.h, with the codes of error_reason.cc."""
    header = (ROOT / "lib/base/error_reason.h").read_text()
    rows = (ROOT / "lib/base/error_reason.cc").read_text()
    codes = dict(re.findall(r'\{Reason::k(\w+),\s*"\w+",\s*StatusCode::k(\w+)\}', rows))
    names = dict(re.findall(r'\{Reason::k(\w+),\s*"(\w+)"', rows))
    body = re.search(r"enum class Reason[^{]*\{(.*?)\n\};", header, re.DOTALL).group(1)
    groups, comment = [], []
    for line in (line.strip() for line in body.splitlines()):
        if heading := re.fullmatch(r"// -+ (.*?) -+", line):
            groups.append((heading.group(1), []))
        elif line.startswith("//"):
            comment.append(line[2:].strip())
        elif value := re.fullmatch(r"k(\w+),", line):
            name = upper_words(value.group(1))
            if names.get(value.group(1)) != name:
                raise SystemExit(f"error_reason.cc calls k{value.group(1)} {names.get(value.group(1))}, not {name}")
            groups[-1][1].append(Reason(name, " ".join(comment), upper_words(codes[value.group(1)])))
            comment = []
    return groups


def read_rights():
    """Of each method, as "Downloads.Queue", the rules of authority.cc: [(of what, right)]."""
    text = (ROOT / "lib/rpc/authority.cc").read_text()
    rights = {}
    for name, of_what, right in re.findall(r'\{Method::k\w+,\s*"([\w.]+)",\s*"([^"]*)",\s*(k\w+)\}', text):
        rights.setdefault(name, []).append((of_what, RIGHTS[right]))
    return rights


# ---- The page ----

def short(name):
    return name.rsplit(".", 1)[-1]


def linked(kind, known):
    """A field's type, with a link to where it is described."""
    before, _, name = kind.rpartition(" ")
    text = f"[`{short(name)}`](#{short(name).lower()})" if name in known else f"`{name}`"
    return f"{before} {text}".strip()


def cell(text):
    return text.replace("|", "\\|")


def method_text(service, method, rights, known):
    rules = rights[f"{short(service.name)}.{method.name}"]
    who = ", ".join(f"{right} ({of_what})" if of_what else right for of_what, right in rules)
    takes, gives = (("stream " if s else "") + linked(t, known) for s, t in zip(method.streams, method.types))
    text, _, errors = method.comment.partition("Errors:")
    lines = [f"### {short(service.name)}.{method.name}", "", f"{takes} → {gives}; for {who}", "", text.strip()]
    if errors:
        lines += ["", f"*Errors:* {errors.strip()}"]
    return lines + [""]


def message_text(message, known):
    lines = [f"### {short(message.name)}", ""]
    if message.comment:
        lines += [message.comment, ""]
    if not message.members:
        return lines + ["No fields.", ""]
    lines += ["| field | type | |", "|---|---|---|"]
    for each in message.members:
        one = f"one of `{each.oneof}`: " if each.oneof else ""
        lines.append(f"| `{each.name}` = {each.number} | {linked(each.type, known)} | {cell(one + each.comment)} |")
    return lines + [""]


def enum_text(enum):
    lines = [f"### {short(enum.name)}", "", enum.comment, "", "| value | |", "|---|---|"]
    return lines + [f"| `{v.name}` = {v.number} | {cell(v.comment)} |" for v in enum.members] + [""]


def page():
    files = read_files()
    rights = read_rights()
    known = {m.name for f in files for m in f.messages + f.enums}
    lines = INTRO.splitlines() + [""]
    for file in files:
        title = short(file.services[0].name) if file.services else Path(file.path).stem.replace("_", " ").capitalize()
        lines += [f"## {title}", "", f"`{file.path}`. {file.comment}", ""]
        for service in file.services:
            for method in service.members:
                lines += method_text(service, method, rights, known)
        for message in file.messages:
            lines += message_text(message, known)
        for enum in file.enums:
            lines += enum_text(enum)
    lines += HEALTH.splitlines() + ["", "## Reasons", "", "The code is the usual one.", ""]
    for heading, reasons in read_reasons():
        lines += [f"### {heading}", "", "| reason | code | |", "|---|---|---|"]
        lines += [f"| `{r.name}` | `{r.code}` | {cell(r.meaning)} |" for r in reasons] + [""]
    return "\n".join(lines).rstrip() + "\n"


# ---- What is promised ----

def describe(files, reasons):
    """The API as lines that stay: {what it is of: what it is}."""
    lines = {}
    for file in files:
        for service in file.services:
            for m in service.members:
                takes, gives = (("stream " if s else "") + t for s, t in zip(m.streams, m.types))
                lines[f"method {service.name}.{m.name}"] = f"{takes} -> {gives}"
        for message in file.messages:
            lines[f"message {message.name}"] = ""
            for each in message.members:
                of = f" of {each.oneof}" if each.oneof else ""
                lines[f"field {message.name} {each.number}"] = f"{each.type} {each.name}{of}"
        for enum in file.enums:
            for value in enum.members:
                lines[f"value {enum.name} {value.number}"] = value.name
    for _, group in reasons:
        for reason in group:
            lines[f"reason {reason.name}"] = ""
    return lines


def parse_released(text):
    lines = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition(": ")
            lines[key.rstrip(":")] = value
    return lines


def format_released(lines):
    head = "# What of the API was promised; tests/api_reference.py --accept adds to it. Lines are never changed.\n"
    return head + "".join(f"{key}: {value}".rstrip() + "\n" for key, value in sorted(lines.items(), key=sort_key))


def sort_key(item):
    kind, *rest = item[0].split(" ")
    return kind, rest[0], int(rest[1]) if len(rest) > 1 else 0


ADVICE = {
    "field": "keep it, and add a new field under a number that was never used",
    "value": "keep it, and add a new value under a number that was never used",
    "method": "keep it, and add a new method",
    "message": "keep it; fields can be added to it",
    "reason": "keep it; new errors may have a new reason",
}


def broken_promises(released, now):
    """Sentences about what is gone or changed."""
    said = []
    for key, value in sorted(released.items(), key=sort_key):
        if now.get(key) != value:
            what = f"was \"{value}\", is \"{now[key]}\"" if key in now else "is gone"
            said.append(f"{key} {what}: callers rely on it; {ADVICE[key.split(' ')[0]]}")
    return said


def without_comment(files):
    """Names of what has no comment. Requests and answers of methods are explained by these."""
    missing = [f.path for f in files if not f.comment]
    explained = {t for f in files for s in f.services for m in s.members for t in m.types}
    for file in files:
        for each in file.services + file.messages + file.enums:
            is_plain = each.kind == "service" or each.kind == "message"
            if not each.comment and not is_plain and each.name not in explained:
                missing.append(each.name)
            missing += [f"{each.name}.{m.name}" for m in each.members if not m.comment]
    return missing


def problems():
    files = read_files()
    now = describe(files, read_reasons())
    released = parse_released(RELEASED.read_text()) if RELEASED.exists() else {}
    said = [f"{name} has no comment" for name in without_comment(files)]
    said += broken_promises(released, now)
    if new := [key for key in now if key not in released]:
        said.append(f"{', '.join(new[:5])}{' and more' if len(new) > 5 else ''}: not promised yet; "
                    "tests/api_reference.py --accept")
    if not PAGE.exists() or PAGE.read_text() != page():
        said.append(f"{PAGE.relative_to(ROOT)} is not up to date: tests/api_reference.py --write")
    return said


def accept(force):
    now = describe(read_files(), read_reasons())
    released = parse_released(RELEASED.read_text()) if RELEASED.exists() else {}
    broken = broken_promises(released, now)
    if broken and not force:
        sys.exit("\n".join(broken) + "\nNothing was accepted.")
    RELEASED.write_text(format_released(now))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="say what is wrong (the default)")
    what.add_argument("--write", action="store_true", help="write the page")
    what.add_argument("--accept", action="store_true", help="promise what is new")
    parser.add_argument("--force", action="store_true", help="with --accept: break promises")
    options = parser.parse_args()
    if options.write:
        PAGE.write_text(page())
    elif options.accept:
        accept(options.force)
    elif said := problems():
        sys.exit("\n".join(said))


if __name__ == "__main__":
    main()
