"""What a certificate says, read from its bytes: X.509 in DER, RFC 5280.

Python's ssl tells it of trusted certificates only, and one is mostly looked at because it
is none.
"""

import base64
import binascii
import calendar
import hashlib
import ipaddress
import re
import socket
import time

from ansible_collections.playrail.host.plugins.module_utils.moments import utc

PEM = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)"
    rb"-----END (?:TRUSTED |X509 )?CERTIFICATE-----"
)
NAME_PARTS = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
}
CURVES = {
    "1.2.840.10045.3.1.7": ("P-256", 256),
    "1.3.132.0.34": ("P-384", 384),
    "1.3.132.0.35": ("P-521", 521),
    "1.3.132.0.10": ("secp256k1", 256),
}
EDWARDS = {"1.3.101.112": "ed25519", "1.3.101.113": "ed448"}
RSA, EC = ("1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"), "1.2.840.10045.2.1"
WEAK_SIGNATURES = {
    "1.2.840.113549.1.1.4": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10040.4.3": "sha1",
}
OTHER_NAMES, CONSTRAINTS = "2.5.29.17", "2.5.29.19"
ENCODINGS = {20: "latin-1", 30: "utf-16-be"}
DAY_S = 86400
SOON_DAYS = 14
NAME_CHARACTERS = 200


class NoCertificate(Exception):
    """The bytes are none."""


def piece(raw, at):
    """The tag of the piece that begins there, where its content begins, and where it ends."""
    data = memoryview(raw)
    if at + 2 > len(data):
        raise NoCertificate("it ends too early")
    tag, size, start = data[at], data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + size > len(data):
        raise NoCertificate("it ends too early")
    return tag, start, start + size


def pieces(raw, start, end):
    """The pieces between there: tag, content."""
    found = []
    while start < end:
        tag, begins, ends = piece(raw, start)
        found.append((tag, raw[begins:ends], raw[start:ends]))
        start = ends
    return found


def inner(raw):
    return pieces(raw, 0, len(raw))


def identifier(raw):
    """An object identifier in numbers."""
    numbers, value = [], 0
    for byte in bytearray(raw):
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    return ".".join(map(str, [first, numbers[0] - 40 * first] + numbers[1:] if numbers else []))


def name_of(raw):
    """A name as `CN=.., O=..`, the most special part first."""
    found = []
    for _tag, several, _whole in inner(raw):
        for _set, pair, _all in inner(several):
            (_oid, kind, _a), (tag, value, _b) = inner(pair)[:2]
            short = NAME_PARTS.get(identifier(kind))
            if short:
                text = value.decode(ENCODINGS.get(tag, "utf-8"), "replace")
                found.append("%s=%s" % (short, text))
    order = list(NAME_PARTS.values())
    found.sort(key=lambda one: order.index(one.partition("=")[0]) != 0)
    return ", ".join(found)[:NAME_CHARACTERS]


def seconds_of(tag, raw):
    """A UTCTime or GeneralizedTime as seconds."""
    text = raw.decode("ascii", "replace")
    if tag == 23:
        text = ("19" if text[:2] >= "50" else "20") + text
    try:
        return calendar.timegm(time.strptime(text[:14], "%Y%m%d%H%M%S"))
    except ValueError:
        raise NoCertificate("its dates are none")


def key_of(raw):
    """The type of a key, and its size in bits where that says something."""
    (_tag, about, _whole), (_bits, key, _all) = inner(raw)[:2]
    kinds = inner(about)
    kind = identifier(kinds[0][1])
    if kind in RSA:
        modulus = inner(inner(key[1:])[0][1])[0][1]
        return "rsa %d" % int.from_bytes(modulus, "big").bit_length()
    if kind == EC and len(kinds) > 1:
        curve = identifier(kinds[1][1])
        return "ec %s" % CURVES.get(curve, (curve,))[0]
    return EDWARDS.get(kind, kind)


class Certificate:
    def __init__(self, raw):
        """Raises NoCertificate."""
        self.raw = bytes(raw)
        try:
            self.read()
        except (IndexError, ValueError) as error:
            raise NoCertificate(str(error))

    def read(self):
        _tag, start, end = piece(self.raw, 0)
        body = inner(pieces(self.raw, start, end)[0][1])
        body = body[1:] if body[0][0] == 0xA0 else body  # the version
        self.issuer_raw, self.subject_raw = body[2][1], body[4][1]
        self.issuer, self.subject = name_of(self.issuer_raw), name_of(self.subject_raw)
        self.signature = identifier(inner(body[1][1])[0][1])
        self.begins, self.ends = [seconds_of(tag, raw) for tag, raw, _all in inner(body[3][1])]
        self.key = key_of(body[5][1])
        self.names, self.is_authority = [], False
        for tag, content, _whole in body[6:]:
            if tag == 0xA3:
                self.read_extensions(inner(content)[0][1])

    def read_extensions(self, raw):
        for _tag, extension, _whole in inner(raw):
            parts = inner(extension)
            kind, value = identifier(parts[0][1]), parts[-1][1]
            if kind not in (CONSTRAINTS, OTHER_NAMES):
                continue
            content = inner(inner(value)[0][1])
            if kind == CONSTRAINTS:
                self.is_authority = any(tag == 1 and one != b"\0" for tag, one, _all in content)
            else:
                for tag, name, _all in content:
                    if tag == 0x82:
                        self.names.append(name.decode("ascii", "replace").lower())
                    elif tag == 0x87 and len(name) in (4, 16):
                        family = socket.AF_INET if len(name) == 4 else socket.AF_INET6
                        self.names.append(as_certified(socket.inet_ntop(family, name)))

    def days_left(self):
        return int((self.ends - time.time()) // DAY_S)

    def is_self_signed(self):
        return self.issuer_raw == self.subject_raw

    def fits(self, name):
        """Whether it is for this name or address; RFC 6125."""
        name = as_certified(name)
        return any(
            one == name or (one.startswith("*.") and one[1:] == "." + name.partition(".")[2])
            for one in self.names
        )

    def told(self):
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "not_before": utc(self.begins),
            "not_after": utc(self.ends),
            "days_left": self.days_left(),
            "key": self.key,
        }

    def fingerprint(self):
        return hashlib.sha256(self.raw).hexdigest()

    def problems(self):
        now = time.time()
        bits = int(self.key.split()[1]) if self.key.startswith("rsa") else 2048
        found = [
            ("expired", self.ends < now),
            ("not_yet_valid", self.begins > now),
            ("expires_soon", 0 <= self.ends - now < SOON_DAYS * DAY_S),
            ("weak_key", bits < 2048),
            (
                "weak_signature",
                self.signature in WEAK_SIGNATURES and not self.is_self_signed(),
            ),
        ]
        return [word for word, is_so in found if is_so]


def as_certified(name):
    """The name or address as a certificate spells it: in ASCII, RFC 5890; RFC 5952."""
    name = name.rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        pass
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return name  # no certificate has it


def certificates_in(raw):
    """The certificates of a file, in PEM or DER. Raises NoCertificate."""
    found = []
    for block in PEM.findall(raw):
        try:
            found.append(Certificate(base64.b64decode(b"".join(block.split()))))
        except (binascii.Error, ValueError):
            raise NoCertificate("its base64 is none")
    return found or [Certificate(raw)]


def chain_problems(chain):
    """What is wrong with the order in which certificates are given, each to be signed by the
    next.
    """
    in_order = all(one.issuer_raw == after.subject_raw for one, after in zip(chain, chain[1:]))
    found = [] if in_order else ["chain_out_of_order"]
    later = [word for one in chain[1:] for word in one.problems()]
    return found + ["chain_" + word for word in ("expired", "not_yet_valid") if word in later]
