#!/usr/bin/python
"""What answers when this host asks for a page."""

DOCUMENTATION = r"""
module: http_request
short_description: Ask for a page from a host
description:
  - Sends one GET or HEAD for each step of the way, without cookies, credentials or headers of a
    caller. Tells status, redirects, times, and the beginning of the body as text.
  - Refuses the addresses at which a cloud gives a server its credentials.
options:
  url:
    description: The page, http or https.
    type: str
    required: true
  method:
    description: The method.
    type: str
    choices: [GET, HEAD]
    default: GET
  address:
    description: Where to connect in place of the name's own address. The name is asked for.
    type: str
  body_bytes:
    description: How much of the body to return at most.
    type: int
    default: 1000
author: Playrail
"""

EXAMPLES = r"""
- name: See whether the page answers
  playrail.host.http_request:
    url: http://localhost/
"""

RETURN = r"""
status:
  description: The status of the last answer.
  type: int
  returned: success
redirects:
  description: Per step before it status and where it led.
  type: list
  elements: dict
  returned: success
url:
  description: The last address, where there were redirects.
  type: str
  returned: success
address:
  description: The address that it was connected to. Beside it ms (all), connect_ms, tls_ms,
    first_byte_ms of the last step.
  type: str
  returned: success
certificate_problem:
  description: Why this host does not trust the server's certificate, in OpenSSL's words.
  type: str
  returned: success
headers:
  description: Some that say what it is.
  type: dict
  returned: success
body_bytes:
  description: How long the body is, and body_cut where not all was read.
  type: int
  returned: success
body:
  description: Its beginning as text.
  type: str
  returned: success
body_left_out:
  description: Why no body is shown.
  type: str
  returned: success
truncated:
  description: Whether more of the body there is than is shown.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import ipaddress
import re
import socket
import ssl
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, urljoin, urlsplit

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.connecting import (
    MOST_ADDRESSES,
    Deadline,
    NotConnected,
    looked_up,
    ms_since,
    tried,
)
from ansible_collections.playrail.host.plugins.module_utils.keys import key_in
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused
from ansible_collections.playrail.host.plugins.module_utils.tls import NO_CHECK_TIME, context

ALL_S = 30.0
STEP_S = 10.0
MOST_REDIRECTS = 5
READ_BYTES = 1024 * 1024
TOLD_HEADERS = (
    *("content-type", "content-length", "server", "location", "retry-after", "last-modified"),
    *("strict-transport-security", "www-authenticate", "via", "x-powered-by", "allow"),
)
HEADER_CHARACTERS = 200
NO_LETTERS = "%/:=&?~#+!$,;'@()*[]"  # what stays in an address as it is
REDIRECTS = (301, 302, 303, 307, 308)
# Where clouds give a server its own credentials: all that is link-local, and these.
CREDENTIALS = (
    *("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "fd20:ce::/32"),
    *("100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "64:ff9b::a9fe:0/112"),
)
CHARSET = re.compile(r"charset=\"?([A-Za-z0-9_.:-]{1,40})")


class NoAnswer(Exception):
    """No answer that is HTTP."""


def check_address(address):
    """Raises Refused for an address that gives away the server's credentials."""
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    for network in map(ipaddress.ip_network, CREDENTIALS):
        if found.version == network.version and found in network:
            raise Refused("protected_address", "%s is a protected address" % address)


class Step(HTTPConnection):
    """One request and its answer. Without `trusting` a server has to convince this host."""

    def __init__(self, url, address, deadline, trusting):
        self.parts, self.wanted, self.deadline = urlsplit(url), address, deadline
        self.secure, self.trusting = self.parts.scheme == "https", trusting
        self.times = {}
        port = self.parts.port or (443 if self.secure else 80)
        HTTPConnection.__init__(self, self.parts.hostname, port, timeout=STEP_S)

    def connect(self):
        outcomes, began = [], time.monotonic()
        for family, place in looked_up(self.wanted or self.host, self.port)[:MOST_ADDRESSES]:
            check_address(place[0])
            made, outcome, _ms = tried(family, place)
            if made is not None:
                break
            outcomes.append("%s %s" % (place[0], outcome.replace("_", " ")))
        else:
            raise NotConnected(", ".join(outcomes))
        self.deadline.watch(made)
        made.settimeout(STEP_S)
        self.address = place[0]
        self.times["connect_ms"] = ms_since(began)
        if self.secure:
            began, secured = time.monotonic(), context(not self.trusting)
            if not self.trusting:
                secured.verify_flags &= ~NO_CHECK_TIME  # here dates count
                secured.check_hostname = True
            made = secured.wrap_socket(
                made, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.deadline.watch(made)  # the other one is empty now
            made.do_handshake()
            self.times["tls_ms"] = ms_since(began)
        self.sock = made

    def asked(self, method):
        """The answer, opened. Raises what connecting raises, and NoAnswer."""
        path = self.parts.path or "/"
        path += "?" + self.parts.query if self.parts.query else ""
        began = time.monotonic()
        try:
            self.connect()
            began = time.monotonic()
            headers = {"User-Agent": "playrail", "Accept": "*/*", "Connection": "close"}
            self.request(method, path, headers=headers)
            answer = self.getresponse()
        except ssl.SSLCertVerificationError:
            self.close()
            raise
        except (HTTPException, OSError, ValueError) as error:
            self.close()
            if self.deadline.passed or isinstance(error, socket.timeout):
                raise NoAnswer("it did not answer in time")
            raise NoAnswer(str(error) or type(error).__name__)
        self.times["first_byte_ms"] = ms_since(began)
        return answer


def step(url, given, deadline):
    """An answer, its connection, and why the certificate is not trusted, None where it is."""
    is_first = urlsplit(url).hostname == urlsplit(given["url"]).hostname
    address = given["address"] if is_first else None
    try:
        made = Step(url, address, deadline, False)
        return made.asked(given["method"]), made, None
    except ssl.SSLCertVerificationError as error:
        made = Step(url, address, deadline, True)
        return made.asked(given["method"]), made, error.verify_message


def allowed(url, seen_from=""):
    """The address without what stands behind #. Raises Refused."""
    try:
        url = urljoin(seen_from, quote(url.encode("latin-1", "replace"), safe=NO_LETTERS))
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        raise Refused("invalid_argument", "the address is none")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_one:
        raise Refused("invalid_argument", "only http and https lead somewhere")
    if parts.username is not None:
        raise Refused("invalid_argument", "an address with a user in it is not asked for")
    return url.partition("#")[0]


def read_body(answer, deadline):
    """The body as far as it is read, and whether there is more."""
    found = b""
    try:
        while len(found) < READ_BYTES:
            part = answer.read(min(65536, READ_BYTES - len(found)))
            if not part:
                return found, False
            found += part
    except (HTTPException, OSError):
        if not deadline.passed and not found:
            raise NoAnswer("it ended its answer half-way")
    return found, True


def body_told(body, kind, most):
    """What is told of a body: its beginning as text, or why not."""
    what = key_in(body)
    if what:
        return {"body_left_out": "it holds %s" % what}
    if b"\0" in body[:8192]:
        return {"body_left_out": "it is no text"}
    charset = CHARSET.search(kind)
    try:
        text = body[: most + 4].decode(charset.group(1) if charset else "utf-8", "replace")
    except (LookupError, UnicodeError):  # an encoding that is none for texts
        text = body[: most + 4].decode("utf-8", "replace")
    return {"body": text[:most]} if most and text else {}


def asked(given):
    began, url, redirects = time.monotonic(), allowed(given["url"]), []
    with Deadline(ALL_S) as deadline:
        while True:
            answer, made, untrusted = step(url, given, deadline)
            target = answer.getheader("Location")
            if answer.status not in REDIRECTS or not target or len(redirects) == MOST_REDIRECTS:
                break
            made.close()
            url = allowed(target, url)
            redirects.append({"status": answer.status, "url": url[:500]})
        body, more = read_body(answer, deadline) if given["method"] == "GET" else (b"", False)
        made.close()
    headers = {
        name: answer.getheader(name)[:HEADER_CHARACTERS]
        for name in TOLD_HEADERS
        if answer.getheader(name)
    }
    report = {"status": answer.status, "ms": ms_since(began), "address": made.address}
    report.update(made.times, redirects=redirects, headers=headers)
    report.update({"url": url} if redirects else {})
    report.update({"certificate_problem": untrusted} if untrusted else {})
    if given["method"] == "GET":
        report.update(body_bytes=len(body), body_cut=more)
        kind = headers.get("content-type", "")
        report.update(body_told(body, kind, given["body_bytes"]))
    return dict(report, truncated="body" in report and len(body) > len(report["body"].encode()))


def main():
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "method": {"type": "str", "choices": ["GET", "HEAD"], "default": "GET"},
            "address": {"type": "str"},
            "body_bytes": {"type": "int", "default": 1000},
        },
        supports_check_mode=True,
    )
    try:
        found = asked(module.params)
    except NotConnected as error:
        module.fail_json(msg="cannot connect: %s" % error, playrail_code="not_connected")
    except Refused as error:
        module.fail_json(msg=str(error), playrail_code=error.code)
    except (NoAnswer, OSError) as error:
        module.fail_json(msg="no answer: %s" % error, playrail_code="no_http_answer")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
