#!/usr/bin/python
"""A certificate, in a file or as a server gives it: what for, how long, and whom it convinces."""

DOCUMENTATION = r"""
module: certificate
short_description: Look at a certificate
description:
  - Tells names, dates and issuer of a certificate, in a file of the host or of a server that the
    host connects to, whether its chain is in order and the host trusts it. Changes nothing.
options:
  path:
    description: A file with certificates in PEM or DER.
    type: str
  address:
    description: The server, a name or an address as the host sees it.
    type: str
  port:
    description: Its port. Where mail, FTP or PostgreSQL are spoken, TLS is asked for.
    type: int
    default: 443
  name:
    description: The name that the certificate has to have; the address where none is named.
    type: str
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 4000
author: Playrail
"""

EXAMPLES = r"""
- name: See how long a certificate is good for
  playrail.host.certificate:
    address: localhost
    name: www.example.org
"""

RETURN = r"""
problems:
  description: What is wrong, in words, the worst first; none when all is well.
  type: list
  elements: str
  returned: success
subject:
  description: Whose certificate it is. Beside it issuer, names, not_before, not_after, days_left,
    key and fingerprint_sha256.
  type: str
  returned: success
chain:
  description: The certificates behind it, as they were given.
  type: list
  elements: dict
  returned: success
trusted:
  description: Whether the host's own store leads to it; absent where that could not be tried.
  type: bool
  returned: success
truncated:
  description: Whether names or certificates were left out.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import os
import ssl
import stat

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.certificates import (
    Certificate,
    NoCertificate,
    certificates_in,
    chain_problems,
)
from ansible_collections.playrail.host.plugins.module_utils.connecting import NotConnected
from ansible_collections.playrail.host.plugins.module_utils.names import meant, spelled
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused, failure
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting
from ansible_collections.playrail.host.plugins.module_utils.tls import NoTls, Served

FILE_BYTES = 2 * 1024 * 1024
MOST_NAMES = 20
PIPE_BYTES = 60000
OLD = ("SSLv3", "TLSv1", "TLSv1.1")
ORDER = (
    *("expired", "not_yet_valid", "name_mismatch", "self_signed", "issuer_unknown"),
    *("untrusted", "chain_expired", "chain_not_yet_valid", "chain_out_of_order"),
    *("weak_key", "weak_signature", "old_tls", "expires_soon"),
)


def content_of(path):
    """The bytes of a regular file. Raises OSError, Refused."""
    status = os.stat(path)  # first, as opening a device may already act
    if stat.S_ISDIR(status.st_mode):
        raise Refused("is_a_directory", "%s is a directory" % spelled(path))
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not_a_file", "%s is not a regular file" % spelled(path))
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
        return file.read(FILE_BYTES)


def piped(raw):
    """A descriptor from which a program reads these bytes, which are so few that a pipe takes
    them.
    """
    reading, writing = os.pipe()
    with open(writing, "wb") as file:
        file.write(raw)
    return reading


def trusted(module, chain):
    """Whether the host's store leads to the first certificate, and why not, in openssl's words;
    None where there is no openssl.
    """
    program = module.get_bin_path("openssl")
    if program is None:
        return None, None
    words = [program, "verify", "-no_check_time"]
    ends = []
    if chain[1:]:
        ends.append(piped(b"".join(map(pem, chain[1:]))[:PIPE_BYTES]))
        words += ["-untrusted", "/dev/fd/%d" % ends[0]]
    try:
        status, output, errors = module.run_command(
            words, data=pem(chain[0]), binary_data=True, pass_fds=ends, encoding=None
        )
    finally:
        for end in ends:
            os.close(end)
    told = (errors + output).decode("utf-8", "replace")
    why = [line for line in told.splitlines() if "lookup" in line and line.startswith("error ")]
    return status == 0, why[0].rpartition(": ")[2] if why else None


def pem(one):
    return ssl.DER_cert_to_PEM_cert(one.raw).encode("ascii")


def distrust(chain, whole):
    """Which word says best why the host does not trust the first certificate."""
    if chain[0].is_self_signed():
        return "self_signed"
    return "issuer_unknown" if whole and not chain[-1].is_self_signed() else "untrusted"


def looked(module, given):
    name, report = given["name"], {}
    if given["path"] is not None:
        chain, whole = certificates_in(content_of(meant(given["path"]))), True
        is_trusted, why = trusted(module, chain)
    else:
        server_name = name or given["address"]
        served = Served(given["address"], given["port"], server_name)
        chain, whole, why = [Certificate(one) for one in served.chain], served.whole, None
        is_trusted = served.untrusted is None if served.judged else None
        why, name = served.untrusted, server_name
        report.update(address=served.address, tls_version=served.version)
        report.update({"starttls": served.protocol} if served.protocol else {})
    first = chain[0]
    problems = set(first.problems() + chain_problems(chain))
    problems.update(["name_mismatch"] if name and not first.fits(name) else [])
    problems.update([distrust(chain, whole)] if is_trusted is False else [])
    problems.update(["old_tls"] if report.get("tls_version") in OLD else [])
    is_list = len(chain) > 1 and all(one.is_authority for one in chain)
    if is_list and given["path"] is not None:  # as a host's store is
        problems.discard("chain_out_of_order")
        chain[1:] = sorted(chain[1:], key=lambda one: one.ends)
    report.update(first.told(), fingerprint_sha256=first.fingerprint())
    report.update(names=first.names[:MOST_NAMES], names_total=len(first.names))
    report.update({} if is_trusted is None else {"trusted": is_trusted})
    report.update({"untrusted_why": why} if why and is_trusted is False else {})
    report.update({} if whole else {"chain_not_known": True})
    report["problems"] = [word for word in ORDER if word in problems]
    room = beside(report, given["max_bytes"])
    others = [told_of_others(one) for one in chain[1:]]
    kept, _room = fitting(others[:10], room)
    report.update(chain=kept, certificates_total=len(chain))
    return dict(report, truncated=len(kept) < len(others) or len(first.names) > MOST_NAMES)


def told_of_others(one):
    found = one.told()
    return {key: found[key] for key in ("subject", "issuer", "not_after", "days_left")}


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str"},
            "address": {"type": "str"},
            "port": {"type": "int", "default": 443},
            "name": {"type": "str"},
            "max_bytes": {"type": "int", "default": 4000},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        found = looked(module, given)
    except NoCertificate as error:
        module.fail_json(
            msg="there is no certificate in PEM or DER: %s" % error, playrail_code="no_certificate"
        )
    except ValueError as error:
        module.fail_json(msg="this is no name: %s" % error, playrail_code="invalid_argument")
    except NotConnected as error:
        module.fail_json(msg="cannot connect: %s" % error, playrail_code="not_connected")
    except NoTls as error:
        module.fail_json(msg="it does not speak TLS: %s" % error, playrail_code="no_tls")
    except (OSError, Refused) as error:
        if given["path"] is None:
            module.fail_json(msg="TLS failed: %s" % error, playrail_code="no_tls")
        module.fail_json(**failure(error, "read", spelled(meant(given["path"]))))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
