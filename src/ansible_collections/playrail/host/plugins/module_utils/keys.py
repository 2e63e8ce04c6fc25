"""Finds private keys and credentials in the bytes of a file, in the forms in which programs
keep them.

What it looks for is written so that a form is hard to miss and plain words are not taken
for it: a certificate, a public key, a fingerprint, or a sentence that names the line which
begins a key, is no key. Hosts use it for what they show, and Playrail itself
for what is recorded.
"""

from __future__ import annotations

import base64
import re

LONGEST_BYTES = 16 * 1024  # of a form: what looks at a file in pieces has each overlap by as much

# Between the line that begins a key and the key itself: line ends, in JSON written as \n,
# indentation, quotes, marks of comments and of strings that are joined.
BETWEEN = rb"(?:\\+[nrtu]|<br ?/?>|&#1[03];|%0[ad]|[\s\"'+,#*>|;/])"
ARMOUR = (
    rb"-{4,5} ?begin (?:[a-z0-9-]{1,32} ){0,5}"
    rb"(?:(?:private|secret) key(?: block)?|static key v1|tls-crypt-v2 (?:client|server) key) "
    rb"?-{4,5}"
)
HEADER = rb"proc-type:|dek-info:|version:|comment:|hash:|subject:|charset:"
BASE64 = rb"[a-z0-9+/]"
HASH = rb"[./a-z0-9]"
ASSIGNED = rb"[ _-]?key[\"']?\s{0,9}[:=]\s{0,9}[\"']?" + BASE64 + rb"{43}="

# What it is; what the patterns are looked for with, which costs little; patterns that must
# all be there. All of it is compared with the bytes in small letters.
FORMS = (
    # A line of its own begins a key whatever follows: the rest may be in another part of
    # the file.
    ("a private key", b"begin ", (rb"(?m)^[ \t]*" + ARMOUR + rb"[ \t]*\r?$",)),
    (
        "a private key",
        b"begin ",
        (ARMOUR + BETWEEN + rb"{0,60}(?:" + BASE64 + rb"{24}|" + HEADER + rb")",),
    ),
    ("a PuTTY private key", b"putty-user-key-file-", (rb"(?m)^[ \t>|-]*putty-user-key-file-\d",)),
    ("an age identity", b"age-secret-key-", (rb"age-secret-key-[a-z0-9-]{16}",)),
    ("a WireGuard key", b"private", (rb"private" + ASSIGNED,)),
    ("a WireGuard key", b"preshared", (rb"preshared" + ASSIGNED,)),
    # netplan's words for the two.
    (
        "a WireGuard key",
        b"wireguard",
        (rb"(?m)^[ \t-]*[\"']?(?:key|private)[\"']?:\s{0,9}[\"']?" + BASE64 + rb"{43}=",),
    ),
    ("a key of Ceph", b"key", (rb"(?m)^\s{0,9}key\s{0,9}=\s{0,9}aq" + BASE64 + rb"{36}==",)),
    # What openssl tells of a key in words.
    (
        "a private key",
        b"priv",
        (rb"(?m)^\s{0,9}(?:privateexponent|priv):\s{0,20}(?:[0-9a-f]{2}:){8}",),
    ),
    ("a private key", b"ssh private key file format", (rb"\Assh private key file format",)),
    ("a private key of Tor", b"v1-secret", (rb"\A== ed25519v1-secret: ",)),
    (
        "a private key",
        b"client-key-data",
        (rb"client-key-data[\"']?\s{0,9}:[\s\"'|>-]{0,60}" + BASE64 + rb"{40}",),
    ),
    ("a DNSSEC private key", b"private-key-format", (rb"(?m)^private-key-format:\s{0,9}v\d",)),
    (
        "a TSIG key",
        b"hmac-",
        (rb"algorithm\s{1,9}\"?hmac-[^;]{2,30};\s{0,99}secret\s{1,9}\"?" + BASE64 + rb"{16}",),
    ),
    (
        "a signing key",
        b"untrusted comment",
        (rb"untrusted comment: .{0,80}secret key[^\n]{0,200}\n" + BASE64 + rb"{40}",),
    ),
    ("a private JSON web key", b'"kty"', (rb"\"(?:d|k)\"\s{0,9}:\s{0,9}\"[a-z0-9_=-]{16}",)),
    ("a private XML key", b"<rsakeyvalue>", (rb"<d>\s{0,99}" + BASE64 + rb"{16}",)),
    (
        "AWS credentials",
        b"secret",
        (
            rb"secret[ _-]?(?:access[ _-]?)?key[\"']?\s{0,9}(?:=>|[=:])\s{0,9}[\"']?"
            + BASE64
            + rb"{40}(?![a-z0-9+/=])",
        ),
    ),
    (
        "credentials of a Docker registry",
        b'"auths"',
        (rb"\"(?:auth|identitytoken|registrytoken|password)\"\s{0,9}:\s{0,9}\"[^\"]{4}",),
    ),
    (
        "credentials of a Docker registry",
        b'"auth"',
        (
            (
                rb"\"https?://[^\"\s]{3,99}\"\s{0,9}:\s{0,99}\{"
                rb"\s{0,99}\"auth\"\s{0,9}:\s{0,9}\"[^\"]{4}"
            ),
        ),
    ),
    (
        "a login of .netrc",
        b"password",
        (
            rb"\A(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:machine[ \t]|default[ \t\r\n]+login[ \t])",
            rb"(?m)(?:^|[ \t])password\s{1,99}\S",
        ),
    ),
    (
        "a token of a cloud account",
        b'"refresh_token"',
        (
            rb"\"type\"\s{0,9}:\s{0,9}\"authorized_user\"",
            rb"\"refresh_token\"\s{0,9}:\s{0,9}\"[^\"]{9}",
        ),
    ),
    (
        "a password hash",
        b"$",
        (rb"(?m):!{0,2}\$[0-9a-z]{1,8}\$[^:\s]{8,300}:(?:\d*:\d*:|[^:\n]*:[^:\n]*$)",),
    ),
    # Outside of shadow: .htpasswd, cloud-init, preseed, variables. Their length tells them.
    (
        "a password hash",
        b"$",
        (
            rb"\$(?:[156]|apr1)\$(?:rounds=\d{1,9}\$)?" + HASH + rb"{1,16}\$" + HASH + rb"{22}"
            rb"|\$g?y\$" + HASH + rb"{1,9}\$" + HASH + rb"{1,86}\$" + HASH + rb"{43}"
            rb"|\$2[abxy]\$\d\d\$" + HASH + rb"{53}",
        ),
    ),
)
COMPILED = tuple((what, word, [re.compile(one) for one in found]) for what, word, found in FORMS)

# How the numbers of private keys begin in base64: OpenSSH's; RSA's in PKCS#8 and PKCS#1;
# elliptic curves'.
NUMBERS = tuple(
    re.compile(one)
    for one in (
        rb"b3BlbnNzaC1rZXktdjEA",
        rb"MII[A-Za-z0-9+/]{3}IBADANBgkqhkiG9w0BAQEFAAS",
        rb"MII[A-Za-z0-9+/]{3}IBAAK[BC][A-Za-z0-9+/]{16}",
        rb"M(?:HcCAQEEI|IGkAgEBBD|IHcAgEBBEI)[A-Za-z0-9+/]{32}",
        rb"M[A-Za-z0-9+/]{2,4}AgEAM[BC][A-Za-z0-9+/]{2}ByqGSM49AgEG",
        rb"M[A-Za-z0-9+/]{2}CAQAwBQYDK2V[a-zA-Z0-9+/]{16}",
        rb"MII[A-Za-z0-9+/]{5}BgkqhkiG9w0BBQ[A-Za-z0-9+/]{16}",  # encrypted
        rb"MIG[A-Za-z0-9+/]{4}GCSqGSIb3DQEFD[A-Za-z0-9+/]{16}",
        rb"MII[A-Za-z0-9+/]{3}IBAzCC[A-Za-z0-9+/]{16}",  # PKCS#12
    )
)
NUMBER_WORDS = (
    *(b"b3BlbnNzaC1rZXktdjEA", b"IBADANBgkqhkiG9w0BAQEFAAS", b"IBAAK", b"CAQEEI", b"AgEBB"),
    *(b"ByqGSM49AgEG", b"CAQAwBQYDK2V", b"BgkqhkiG9w0BBQ", b"GCSqGSIb3DQEFD", b"IBAzCC"),
)
# A file that is nothing but a key, in bytes: PKCS#1 and #8 of RSA, elliptic curves in two
# forms, encrypted ones, PKCS#12, keystores of Java, Kerberos' keytab.
BINARY = re.compile(
    rb"\A(?:\x30(?:[\x00-\x7f]|\x81.|\x82..)(?:"
    rb"\x02\x01\x00(?:\x02[\x40-\x7f\x81\x82]|\x30.\x06.[\x2a\x2b])|\x02\x01\x01\x04[\x18-\x42]"
    rb"|\x30.\x06.\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05|\x0c\x01)|\x02\x01\x03\x30)"
    rb"|\xfe\xed\xfe\xed\0\0\0[\x01\x02]|\xce\xce\xce\xce\0\0\0[\x01\x02]"
    rb"|\x05[\x01\x02]\0\0\0.\0[\x01-\x09]\0)",
    re.DOTALL,
)


def base64_forms(words: bytes) -> list[bytes]:
    """What base64 makes of the words wherever they lie, without what depends on their
    neighbours.
    """
    found = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + words)
        found.append(encoded[(shift * 8 + 5) // 6 : (shift + len(words)) * 8 // 6])
    return found


ENCODED_WORDS = (b"PRIVATE KEY-----", b"SECRET-KEY-1", b"PuTTY-User-Key", b'{"auths":')
ENCODED = tuple(form for words in ENCODED_WORDS for form in base64_forms(words))
# Begun at a run's first: else each of its backslashes begins one
JOINTS = re.compile(rb"(?<!\\)\\+[nr]")


def key_in(data: bytes) -> str | None:
    """What private key or credential the bytes hold, in words; None when they hold none."""
    if BINARY.match(data):
        return "a private key"
    if b"\0" in data:
        data = data.translate(None, b"\0")  # of UTF-16 that leaves the plain letters
    small = data.lower()
    for what, word, patterns in COMPILED:
        if word in small and all(pattern.search(small) for pattern in patterns):
            return what
    joined = data.translate(None, b" \t\r\n")  # base64 is cut into lines anywhere
    if b"\\" in joined:
        joined = JOINTS.sub(b"", joined)
    if any(form in joined for form in ENCODED):
        return "a private key in base64"
    if any(word in joined for word in NUMBER_WORDS):
        return "a private key" if any(one.search(joined) for one in NUMBERS) else None
    return None
