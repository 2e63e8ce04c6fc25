#!/usr/bin/python
"""Fetches apt's package lists, and tells the repositories whose lists could not be fetched.

The module `apt` fails when one repository of many cannot be reached, after trying five
times, and does not say which.
"""

DOCUMENTATION = r"""
module: fetch_package_lists
short_description: Fetch apt's package lists
description:
  - Fetches the package lists. That some cannot be fetched is told and is no failure, older ones
    are used then.
author: Playrail
"""

EXAMPLES = r"""
- name: Fetch the package lists
  playrail.host.fetch_package_lists:
"""

RETURN = r"""
unreached:
  description: Addresses of repositories whose lists could not be fetched.
  type: list
  elements: str
  returned: success
reached:
  description: Whether any list was fetched, or is as it was.
  type: bool
  returned: success
said:
  description: What apt said of that.
  type: str
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import re
import time

from ansible.module_utils.basic import AnsibleModule

LOCKED = re.compile(r"Could not get lock|Unable to lock")
REACHED = re.compile(r"^(?:Get|Hit):")
TROUBLE = re.compile(r"^(?:Err:|[EW]: )")
ADDRESS = re.compile(
    r"\b(?:https?|ftp|file|copy|cdrom|tor\+https?|mirror\+\w+):/*[^\s'\",]+(?: [^\s/'\"]+)?"
)
LOCK_S = 120  # for another package manager to end
PAUSE_S = 3
SAID_CHARACTERS = 1000


def fetch(module):
    """What apt-get wrote, as soon as nobody else holds its lock."""
    program = module.get_bin_path("apt-get", required=True)
    deadline = time.monotonic() + LOCK_S
    while True:
        _status, out, err = module.run_command(
            [program, "-q", "-o", "Acquire::Retries=1", "update"]
        )
        text = out + "\n" + err
        if not LOCKED.search(text):
            return text
        if time.monotonic() > deadline:
            module.fail_json(msg=text.strip()[-300:], playrail_code="package_manager_busy")
        time.sleep(PAUSE_S)


def repository(address):
    """The repository's own address, and its suite where apt names that, of a file's in it."""
    place, _slash, rest = address.partition("/dists/")
    if rest:
        return "%s %s" % (
            place,
            rest.rpartition("/")[0] if rest.count("/") == 1 else rest.partition("/")[0],
        )
    return re.sub(r"/?\.?/?(?:In)?(?:Release|Packages)\S*$", "", address)


def main():
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(changed=False, unreached=[], reached=True, said="")
    module.run_command_environ_update = {
        "LC_ALL": "C",
        "LANGUAGE": "C",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    lines = [line.strip() for line in fetch(module).splitlines()]
    trouble = [line for line in lines if TROUBLE.match(line)]
    found = [address for line in trouble for address in ADDRESS.findall(line)]
    module.exit_json(
        changed=False,
        unreached=sorted({repository(address) for address in found}),
        reached=any(REACHED.match(line) for line in lines) or not trouble,
        said="\n".join(line for line in trouble if not line.startswith("Err:"))[:SAID_CHARACTERS],
    )


if __name__ == "__main__":
    main()
