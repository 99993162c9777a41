#!/usr/bin/env python3
"""Makes and reads signed packets of nodes from the specifications alone: ed25519 as in RFC 8032, DNS as in RFC 1035, and
protocol/transport.md, section 8. It shares nothing with the code it is to check.

Run, it prints the two packets in hex that lib/lookup/signed_packet_test.cc reads, as a relay keeps them.
"""
import hashlib
import struct

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = (-121665 * pow(121666, P - 2, P)) % P
ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"


def inverse(x):
    return pow(x, P - 2, P)


def recover_x(y, sign):
    square = (y * y - 1) * inverse(D * y * y + 1) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x % 2 != sign else x


BASE = (recover_x(4 * inverse(5) % P, 0), 4 * inverse(5) % P)


def add(a, b):
    k = D * a[0] * b[0] * a[1] * b[1] % P
    return (a[0] * b[1] + b[0] * a[1]) * inverse(1 + k) % P, (a[1] * b[1] + a[0] * b[0]) * inverse(1 - k) % P


def multiply(point, n):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point = add(point, point)
        n >>= 1
    return result


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def keys(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:], encode(multiply(BASE, scalar))


def sign(seed, message):
    scalar, prefix, public = keys(seed)
    r = number(prefix, message) % ORDER
    point = encode(multiply(BASE, r))
    s = (r + number(point, public, message) * scalar) % ORDER
    return point + s.to_bytes(32, "little")


def decode(data):
    y = int.from_bytes(data, "little") & (1 << 255) - 1
    return recover_x(y, data[31] >> 7), y


def is_signed(public, message, signature):
    k = number(signature[:32], public, message)
    s = int.from_bytes(signature[32:], "little")
    return multiply(BASE, s) == add(decode(signature[:32]), multiply(decode(public), k))


def zbase32(data):
    bits = int.from_bytes(data, "big") << 4  # 256 bits in 52 characters leave four
    return "".join(ALPHABET[bits >> 5 * i & 31] for i in reversed(range(52)))


def name(*labels):
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def txt(owner, *strings):
    data = b"".join(bytes([len(text)]) + text.encode() for text in strings)
    return owner + struct.pack(">HHIH", 16, 1, 30, len(data)) + data


def packet(seed, microseconds, records):
    dns = struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)
    signature = sign(seed, b"3:seqi%de1:v%d:" % (microseconds, len(dns)) + dns)
    return signature + struct.pack(">Q", microseconds) + dns


def read_name(dns, at):
    """The labels of the name at `at`, and where it ends."""
    labels, end = [], None
    while dns[at]:
        if dns[at] & 0xC0:
            end = end or at + 2
            at = struct.unpack_from(">H", dns, at)[0] & 0x3FFF
            continue
        labels.append(dns[at + 1:at + 1 + dns[at]].decode().lower())
        at += 1 + dns[at]
    return labels, end or at + 1


def read_packet(public, payload):
    """The TXT records of a signed packet as (name, text). Raises ValueError if it is not signed by `public`."""
    signature, time, dns = payload[:64], struct.unpack(">Q", payload[64:72])[0], payload[72:]
    if not is_signed(public, b"3:seqi%de1:v%d:" % (time, len(dns)) + dns, signature):
        raise ValueError("not signed by the node")
    records, at = [], 12
    for _ in range(struct.unpack_from(">H", dns, 6)[0]):
        labels, at = read_name(dns, at)
        kind, _, _, size = struct.unpack_from(">HHIH", dns, at)
        data, at = dns[at + 10:at + 10 + size], at + 10 + size
        text = b""
        while data:
            text, data = text + data[1:1 + data[0]], data[1 + data[0]:]
        if kind == 16:
            records.append((".".join(labels), text.decode()))
    return records


def main():
    seed, time = b"\x07" * 32, 1700000000000000
    z = zbase32(keys(seed)[2])
    owner = name("_iroh", z)
    foreign = [
        txt(owner, "relay=https://relay.example/"),
        txt(owner, "addr=192.0.2.1:11205"),
        txt(name("_IROH", z.upper()), "addr=[2001:db8::1]:443"),
        txt(name("_other", z), "addr=203.0.113.9:1"),
        txt(owner, "addr=198.51.100.7:", "7 192.0.2.1:11205"),
        txt(owner, "unknown=1"),
    ]
    print(packet(seed, time, foreign).hex())
    first_name = b"\xc0\x0c"  # a pointer to the name of the first record
    print(packet(seed, time, [txt(owner, "relay=https://relay.example/"), txt(first_name, "addr=192.0.2.1:11205")]).hex())


if __name__ == "__main__":
    main()
