"""The keys that let somebody in over SSH: the lines of a file authorized_keys; sshd(8)."""

import base64
import binascii
import hashlib
import os
import re
import stat

FILE_BYTES = 1024 * 1024
TYPE = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa|webauthn-sk)-[A-Za-z0-9@.-]+\Z")
OPTIONS_CHARACTERS = 200
COMMENT_CHARACTERS = 80


def home_of(pattern, account):
    """The path that a word of AuthorizedKeysFile means for this account; sshd_config(5)."""
    given = {"%%": "%", "%h": account.pw_dir, "%u": account.pw_name, "%U": str(account.pw_uid)}
    path = re.sub("%[%huU]", lambda found: given[found.group()], pattern)
    return path if path.startswith("/") else os.path.join(account.pw_dir, path)


def parts(line):
    """The options and the other words of a line; None for one that is no key."""
    options, rest = "", line.strip()
    if not rest or rest.startswith("#"):
        return None
    if not TYPE.match(rest.split(None, 1)[0]):
        quoted = at = 0
        while at < len(rest) and (quoted or rest[at] not in " \t"):
            if rest[at] == "\\" and rest[at + 1 : at + 2] == '"':
                at += 1
            elif rest[at] == '"':
                quoted = not quoted
            at += 1
        options, rest = rest[:at], rest[at:].strip()
    words = rest.split(None, 2)
    if len(words) < 2 or not TYPE.match(words[0]):
        return None
    return options, words


def strings(blob):
    """The strings that a public key is made of; RFC 4253, section 6.6."""
    at = 0
    while at + 4 <= len(blob):
        size = int.from_bytes(blob[at : at + 4], "big")
        yield blob[at + 4 : at + 4 + size]
        at += 4 + size


def key_of(line):
    """What is told of a line; None for one that is no key."""
    found = parts(line)
    if found is None:
        return None
    options, words = found
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return None
    pieces = list(strings(blob))
    if not pieces or pieces[0] != words[0].encode("ascii"):
        return None  # it begins with its type
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
    told = {"type": words[0], "fingerprint": "SHA256:" + digest}
    if words[0] == "ssh-rsa" and len(pieces) == 3:
        told["bits"] = int.from_bytes(pieces[2], "big").bit_length()
    if len(words) > 2:
        told["comment"] = words[2].strip()[:COMMENT_CHARACTERS]
    if options:
        told["options"] = options[:OPTIONS_CHARACTERS]
    return told


def keys_in(path):
    """The keys of a file, and whether others than its owner and root may change it. Raises
    OSError.
    """
    # Whoever owns the home may put there what waits, or acts when it is opened
    if not stat.S_ISREG(os.stat(path).st_mode):
        return [], False
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return [], False
        lines = file.read(FILE_BYTES).decode("utf-8", "replace").splitlines()
    found = [key for key in map(key_of, lines) if key is not None]
    return found, bool(status.st_mode & 0o022)
