"""TLS as a client of it: what certificates a server gives, and whether this host trusts them."""

import re
import socket
import ssl
import struct
import time
import warnings

from ansible_collections.playrail.host.plugins.module_utils.connecting import (
    NotConnected,
    connected,
)

ANSWER_S, TALK_S = 6.0, 12.0
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL: dates are judged apart
DER = 2  # of _ssl.ENCODING_DER
LINE_BYTES = 4096
# What is spoken before TLS on a usual port, by what a server says there.
PLAIN_FIRST = {21: "ftp", 25: "smtp", 110: "pop3", 143: "imap", 587: "smtp", 5432: "postgresql"}


class NoTls(Exception):
    """What listens there does not speak TLS; with its words."""


class Lines:
    """A conversation in lines."""

    def __init__(self, made):
        self.socket, self.ahead = made, b""
        self.until = time.monotonic() + TALK_S

    def line(self):
        while b"\n" not in self.ahead:
            part = self.socket.recv(LINE_BYTES)
            if not part or time.monotonic() > self.until:
                raise NoTls("it ended the conversation")
            self.ahead += part
        line, _newline, self.ahead = self.ahead.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def reply(self, wanted):
        """Passes over a reply, which has to begin so."""
        while True:
            line = self.line()
            if line[3:4] != "-" or not line[:3].isdigit():
                break
        if not line.startswith(wanted):
            raise NoTls("it said: " + line[:100])
        return line

    def say(self, text):
        self.socket.sendall(text.encode("ascii") + b"\r\n")


def ask_for_tls(made, protocol):
    """Has the server of a plain protocol go on with TLS. Raises NoTls, OSError."""
    talk = Lines(made)
    if protocol == "postgresql":
        made.sendall(struct.pack("!2I", 8, 80877103))
        if made.recv(1) != b"S":
            raise NoTls("PostgreSQL there has no TLS")
        return
    greeting = talk.reply({"imap": "* ", "pop3": "+OK"}.get(protocol, "220"))
    if protocol == "smtp" and re.search(r"\bFTP\b", greeting):
        protocol = "ftp"
    if protocol == "smtp":
        talk.say("EHLO localhost")
        talk.reply("250")
    talk.say(
        {"smtp": "STARTTLS", "imap": "a STARTTLS", "pop3": "STLS", "ftp": "AUTH TLS"}[protocol]
    )
    talk.reply({"smtp": "220", "imap": "a OK", "pop3": "+OK", "ftp": "234"}[protocol])


def context(verify):
    """One that takes any server, or one that takes only whom this host trusts, whatever the
    dates and names say.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    if verify:
        made.load_default_certs()
        made.verify_flags |= NO_CHECK_TIME
        return made
    made.verify_mode = ssl.CERT_NONE
    try:
        made.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.minimum_version = ssl.TLSVersion.TLSv1
    except (ssl.SSLError, ValueError):
        pass  # this OpenSSL has no such old ones
    return made


def spoken(name, port, server_name, protocol, verify):
    """A connection on which TLS is spoken, and the server's address. Raises NotConnected,
    NoTls, OSError.
    """
    made, address = connected(name, port)
    made.settimeout(ANSWER_S)
    try:
        if protocol:
            ask_for_tls(made, protocol)
        return context(verify).wrap_socket(made, server_hostname=server_name), address
    except (ssl.SSLError, OSError, NoTls):
        made.close()
        raise


def greeted_by(name, port):
    """The plain protocol that a server begins by itself; None when it says nothing known."""
    made, _address = connected(name, port)
    with made:
        made.settimeout(ANSWER_S)
        try:
            begun = made.recv(LINE_BYTES).decode("utf-8", "replace")
        except OSError:
            return None
    for start, protocol in (("220", "smtp"), ("* OK", "imap"), ("+OK", "pop3")):
        if begun.startswith(start):
            return protocol
    return None


class Served:
    """What a server gave: `chain` in DER, `address`, `version`, `protocol` before TLS, and
    `whole`: whether all certificates are known. `untrusted` is why the host does not trust
    them, in OpenSSL's words, None when it does; `judged` whether that could be tried.
    """

    def __init__(self, name, port, server_name):
        """Raises NotConnected, NoTls, OSError."""
        self.protocol = PLAIN_FIRST.get(port)
        try:
            made, self.address = spoken(name, port, server_name, self.protocol, False)
        except (ssl.SSLError, ConnectionError, socket.timeout) as error:
            found = greeted_by(name, port) if self.protocol is None else None
            if found is None:
                raise NoTls(reason(error))
            self.protocol = found
            made, self.address = spoken(name, port, server_name, found, False)
        with made:
            self.version = made.version()
            self.chain, self.whole = given(made)
        self.untrusted, self.judged = None, True
        try:
            spoken(name, port, server_name, self.protocol, True)[0].close()
        except ssl.SSLCertVerificationError as error:
            self.untrusted = error.verify_message
        except (OSError, NoTls, NotConnected):
            self.judged = False


def reason(error):
    return str(getattr(error, "reason", None) or error).replace("_", " ").lower()


def given(made):
    """The certificates in DER, and whether these are all that the server sent; before Python
    3.10 only the first is told.
    """
    own = getattr(made, "_sslobj", None)
    if hasattr(made, "get_unverified_chain"):  # Python 3.13
        return [bytes(one) for one in made.get_unverified_chain()], True
    if hasattr(own, "get_unverified_chain"):
        return [one.public_bytes(DER) for one in own.get_unverified_chain()], True
    return [made.getpeercert(True)], False
