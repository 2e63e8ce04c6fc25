"""Questions to a name server and what it answers, as RFC 1035 has them."""

import os
import socket
import struct
import time

from ansible_collections.playrail.host.plugins.module_utils.connecting import ms_since

TYPES = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "CAA": 257,
}
NAMES = {number: name for name, number in TYPES.items()}
STATUSES = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    9: "NOTAUTH",
}
PORT = 53
HEADER = struct.Struct("!6H")
RECURSION, AUTHENTIC, TRUNCATED = 0x0100, 0x0020, 0x0200
WAIT_S, TRIES = 2.0, 2
ANSWER_CHARACTERS = 400
MOST_RECORDS = 500  # what is told is cut later: servers put the same ones into another order
MOST_LABELS = 128  # of a name; it has at most 255 bytes


class Malformed(Exception):
    """An answer that is none."""


def encoded(name):
    """A name as a question has it. Raises ValueError."""
    found = b""
    for label in name.rstrip(".").split("."):
        try:
            raw = label.encode("ascii")
        except UnicodeError:
            raw = label.encode("idna")
        if not 0 < len(raw) < 64:
            raise ValueError("a part of the name is empty or too long")
        found += bytes([len(raw)]) + raw
    if len(found) > 254:
        raise ValueError("the name is too long")
    return found + b"\0"


def question(name, kind, number):
    flags = RECURSION | AUTHENTIC  # the latter asks to be told whether it is
    return HEADER.pack(number, flags, 1, 0, 0, 0) + encoded(name) + struct.pack("!2H", kind, 1)


class Message:
    def __init__(self, raw, number):
        """Raises Malformed."""
        if len(raw) < HEADER.size:
            raise Malformed("too short")
        found, self.flags, self.questions, self.answers = HEADER.unpack_from(raw)[:4]
        self.raw, self.at = raw, HEADER.size
        if found != number or not self.flags & 0x8000:
            raise Malformed("of another question")
        if self.questions > 1:
            raise Malformed("of several questions")
        self.status = STATUSES.get(self.flags & 15, "RCODE%d" % (self.flags & 15))

    def byte(self, at):
        if at >= len(self.raw):
            raise Malformed("it ends too early")
        return self.raw[at]

    def name(self, at):
        """The name that begins there, and where it ends."""
        labels, end, jumps = [], None, 0
        while True:
            size = self.byte(at)
            if size & 0xC0 == 0xC0:
                end = at + 2 if end is None else end
                at = (size & 0x3F) << 8 | self.byte(at + 1)
                jumps += 1
                if jumps > 20:
                    raise Malformed("its names lead in a circle")
            elif not size:
                return ".".join(labels) or ".", at + 1 if end is None else end
            elif len(labels) == MOST_LABELS:
                raise Malformed("a name that is too long")
            else:
                labels.append(shown(self.raw[at + 1 : at + 1 + size]))
                at += 1 + size

    def records(self):
        """Each record of the answer as type, seconds to live and text."""
        at = self.at
        for _ in range(self.questions):
            at = self.name(at)[1] + 4
        for _ in range(min(self.answers, MOST_RECORDS)):
            _owner, at = self.name(at)
            if at + 10 > len(self.raw):
                raise Malformed("it ends too early")
            kind, _class, life, size = struct.unpack_from("!HHIH", self.raw, at)
            yield NAMES.get(kind, "TYPE%d" % kind), life, self.text(kind, at + 10, size)
            at += 10 + size

    def text(self, kind, at, size):
        raw = self.raw[at : at + size]
        name = NAMES.get(kind)
        try:
            if name in ("A", "AAAA"):
                return socket.inet_ntop(socket.AF_INET if name == "A" else socket.AF_INET6, raw)
            if name in ("NS", "CNAME", "PTR"):
                return self.name(at)[0]
            if name == "MX":
                return "%d %s" % (struct.unpack_from("!H", raw)[0], self.name(at + 2)[0])
            if name == "SRV":
                return "%d %d %d %s" % (struct.unpack_from("!3H", raw) + (self.name(at + 6)[0],))
            if name == "SOA":
                server, after = self.name(at)
                mail, after = self.name(after)
                return "%s %s %s" % (
                    server,
                    mail,
                    " ".join(map(str, struct.unpack_from("!5I", self.raw, after))),
                )
            if name == "TXT":
                return "".join(strings(raw))[:ANSWER_CHARACTERS]
            if name == "CAA":
                size = bytearray(raw)[1]
                return "%d %s %s" % (
                    bytearray(raw)[0],
                    shown(raw[2 : 2 + size]),
                    shown(raw[2 + size :]),
                )
        except (struct.error, ValueError, IndexError):
            raise Malformed("a record that is none")
        return raw.hex()[:ANSWER_CHARACTERS]


def strings(raw):
    at = 0
    while at < len(raw):
        size = bytearray(raw)[at]
        yield raw[at + 1 : at + 1 + size].decode("utf-8", "replace")
        at += 1 + size


def shown(raw):
    return "".join(chr(byte) if 0x21 <= byte < 0x7F else "\\%03d" % byte for byte in bytearray(raw))


def by_udp(family, place, packet, number):
    for _ in range(TRIES):
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.settimeout(WAIT_S)
            try:
                asked.connect(place)  # so only its own answers come, and refusals too
                asked.send(packet)
                return Message(asked.recv(65535), number)
            except socket.timeout:
                continue
    raise socket.timeout()


def by_tcp(family, place, packet, number):
    with socket.socket(family, socket.SOCK_STREAM) as asked:
        asked.settimeout(WAIT_S)
        asked.connect(place)
        asked.sendall(struct.pack("!H", len(packet)) + packet)
        raw = b""
        while len(raw) < 2 or len(raw) < 2 + struct.unpack_from("!H", raw)[0]:
            part = asked.recv(65535)
            if not part:
                break
            raw += part
        return Message(raw[2:], number)


def ask(server, name, kind, port=PORT):
    """What this server says of the name: status, answers (those of another type with theirs),
    ttl_s, ms, and `tcp` and `authenticated` where it is so.
    """
    began, number = time.monotonic(), struct.unpack("!H", os.urandom(2))[0]
    told = {"server": server, "type": kind}
    try:
        found = socket.getaddrinfo(server, port, 0, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)
        family, place = found[0][0], found[0][4]
        packet = question(name, TYPES[kind], number)
        message = by_udp(family, place, packet, number)
        if message.flags & TRUNCATED:
            message = by_tcp(family, place, packet, number)
            told["tcp"] = True
        records = list(message.records())
    except socket.timeout:
        return dict(told, status="timed_out", ms=ms_since(began))
    except (OSError, Malformed) as error:
        why = getattr(error, "strerror", None) or str(error)
        return dict(told, status="no_answer", why=why.lower(), ms=ms_since(began))
    texts = [text if found == kind else "%s %s" % (found, text) for found, _life, text in records]
    told.update(status=message.status, answers=sorted(texts), ms=ms_since(began))
    if records:
        told["ttl_s"] = min(life for _kind, life, _text in records)
    if message.flags & AUTHENTIC:
        told["authenticated"] = True
    return told
