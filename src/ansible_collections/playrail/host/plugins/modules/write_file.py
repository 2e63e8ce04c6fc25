#!/usr/bin/python
"""Writes a whole text file at once, unless its place is protected or the file is not the
expected one.

`ansible.builtin.copy` needs a look at the place before, which costs a round trip more, and
finds out only after it has written that there is no such owner.
"""

DOCUMENTATION = r"""
module: write_file
short_description: Write a whole text file
description:
  - Writes a file in place of the old one, all or nothing, and only if it differs. Symbolic links
    are followed.
  - Refuses protected places, directories, devices, and missing parents unless O(parents) is set.
  - Refuses content that lacks what an answer does not show of the old file, unless O(replace_all)
    is set.
  - The old file's mode, owner and group are kept where no others are given; a user who could not
    keep them is refused.
  - The new file is made complete beside the old one, which is not touched before the new one takes
    its place.
options:
  path:
    description: The file. Neither C(~) nor C($NAME) is expanded; C(\\xff) is a byte of an odd name,
      as list_directory tells it.
    type: str
    required: true
  content:
    description: The text, which is written as UTF-8 and as it is. It does not get into the host's
      log.
    type: str
  encoding:
    description: Whether O(content) is the text itself or bytes in base64.
    type: str
    choices:
      - utf-8
      - base64
    default: utf-8
  link_to:
    description: Instead of O(content), where a symbolic link at O(path) shall lead. Only a link
      is replaced by it.
    type: str
  replace_all:
    description:
      - Whether to write though the old file's odd bytes, control characters, line ends of Windows
        or byte order mark are lost.
    type: bool
    default: false
  hard_links:
    description:
      - What becomes of a file with several names. C(keep) writes it in place, for all of them;
        C(break) gives this name a file of its own. Without it such a file is refused.
    type: str
    choices:
      - keep
      - break
  parents:
    description: Whether to make missing directories above.
    type: bool
    default: false
  mode:
    description: Permissions in octal, such as C(0644).
    type: str
  owner:
    description: Who shall own it; name or number.
    type: str
  group:
    description: Which group shall own it; name or number.
    type: str
  backup:
    description: Whether to keep the old file beside the new one.
    type: bool
    default: false
  expected_sha256:
    description: SHA-256 of the old file's content. When it is another, or there is no file, nothing
      is written.
    type: str
  secret:
    description: Whether the content is a secret, which no diff shows, nor what was there before.
    type: bool
    default: false
  protected:
    description:
      - Glob patterns of what must not be written, nor what lies below. C(default) stands for the
        usual places, such as the lists of users, sudo's rules and the kernel's file systems.
    type: list
    elements: str
    default:
      - default
  unreadable:
    description: As O(protected), of what must not be read. It is not written either, as a backup
      or a diff would tell it.
    type: list
    elements: str
    default:
      - default
author: Playrail
"""

EXAMPLES = r"""
- name: Write a page
  playrail.host.write_file:
    path: /srv/www/index.html
    content: "<p>Hello</p>\n"
    mode: "0644"
"""

RETURN = r"""
resolved_path:
  description: The path without symbolic links.
  type: str
  returned: success
size_bytes:
  description: Size of the file.
  type: int
  returned: success
sha256:
  description: SHA-256 of the file's content.
  type: str
  returned: success
old_sha256:
  description: SHA-256 of the content before; null when there was no file.
  type: str
  returned: success
mode:
  description: Permissions, octal.
  type: str
  returned: success
owner:
  description: Name of the owner.
  type: str
  returned: success
group:
  description: Name of the group.
  type: str
  returned: success
old:
  description: Mode, owner and group of the file before; null when there was none.
  type: dict
  returned: success
backup_file:
  description: Where the old file was kept; null when it was not.
  type: str
  returned: success
loses:
  description: What of the old content is lost, in words.
  type: list
  elements: str
  returned: with O(replace_all)
line_endings:
  description: 'C(before) and C(after): lf, crlf, cr, mixed.'
  type: dict
  returned: when they differ
hard_links:
  description: How many names the file has, if several.
  type: int
  returned: success
created_directories:
  description: Path and mode of each.
  type: list
  elements: dict
  returned: with O(parents)
link:
  description: Where the symbolic link leads.
  type: str
  returned: with O(link_to)
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import base64
import binascii
import hashlib
import os
import re
import stat

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.attributes import (
    Attributes,
    allowed,
    new_mode,
)
from ansible_collections.playrail.host.plugins.module_utils.bytes import Traits, losses
from ansible_collections.playrail.host.plugins.module_utils.files import (
    Place,
    attributes_of,
    check_expected,
    described,
    difference,
)
from ansible_collections.playrail.host.plugins.module_utils.links import Link
from ansible_collections.playrail.host.plugins.module_utils.names import meant, spelled
from ansible_collections.playrail.host.plugins.module_utils.places import (
    real_path,
    rules_for_changes,
)
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused, failure
from ansible_collections.playrail.host.plugins.module_utils.writing import (
    backup_name,
    write,
    write_in_place,
)


def foreseen(attributes, place):
    """Mode, owner and group as they would be. A new file's group may be that of its
    directory.
    """
    folder = os.fstat(place.folder)
    group = folder.st_gid if folder.st_mode & stat.S_ISGID else os.getegid()
    return described(
        new_mode() if attributes.mode is None else attributes.mode,
        os.geteuid() if attributes.owner is None else attributes.owner,
        group if attributes.group is None else attributes.group,
    )


def check_losses(place, content, given):
    """What is lost with the old content, in words, and how line ends change. Raises Refused
    when that is not wanted.
    """
    if place.old is None:
        return {}
    old, new = Traits(place.chunks()), Traits([content])
    lost = losses(old, new)
    if lost and not given["replace_all"]:
        message = "%s has %s, which the new content lacks; nothing was written"
        raise Refused("would_lose_bytes", message % (place.path, " and ".join(lost)))
    told = {"loses": lost} if lost else {}
    if new.line_ends and old.line_ends and new.line_ends != old.line_ends:
        told["line_endings"] = {"before": old.line_ends, "after": new.line_ends}
    return told


def check_links(place, given):
    """Raises Refused when the file has other names and nobody said what is to become of
    them.
    """
    if place.status is not None and place.status.st_nlink > 1 and given["hard_links"] is None:
        message = (
            "%s has %d names (hard links): the others would keep the old content, or get the "
            "new one as well"
        )
        raise Refused("hard_linked", message % (place.path, place.status.st_nlink))


def put(module, content):
    """Writes, or says what would be written. Raises Refused and OSError."""
    given = module.params
    if given["mode"] and not re.match(r"[0-7]{3,4}\Z", given["mode"]):
        raise Refused("invalid_argument", "mode is three or four octal digits")
    given["mode"] = given["mode"] and given["mode"].zfill(4)
    place = Place(meant(given["path"]), rules_for_changes(given), parents=given["parents"])
    check_expected(place, given["expected_sha256"])
    attributes = Attributes(given["mode"], given["owner"], given["group"], place.status)
    parts = attributes.changes(place.status)
    sha256 = hashlib.sha256(content).hexdigest()
    differs, status, backup, noted = sha256 != place.sha256, place.status, None, {}
    folders = made_folders(place)
    if differs:
        check_links(place, given)
        noted = check_losses(place, content, given)
        place.check_writable()
        if given["backup"] and place.old is not None:
            backup_name(place)
    elif parts["after"]:
        place.check_changeable()
    if differs and not module.check_mode:
        shared = (
            place.status is not None and place.status.st_nlink > 1 and given["hard_links"] == "keep"
        )
        status, backup = (write_in_place if shared else write)(module, place, content, attributes)
    elif parts["after"] and not module.check_mode:
        attributes.set(place.old)
        status = os.fstat(place.old)
    told = dict(
        noted,
        size_bytes=len(content),
        sha256=sha256,
        old_sha256=place.sha256,
        old=attributes_of(place.status),
    )
    told["backup_file"] = backup and spelled(os.path.join(os.path.dirname(place.resolved), backup))
    if module._diff:
        told["diff"] = diffs_of(place, content, parts, given["secret"])
    told.update(foreseen(attributes, place) if module.check_mode else attributes_of(status))
    if module.check_mode and place.status is not None and place.status.st_nlink > 1:
        told.update(
            {}
            if differs and given["hard_links"] == "break"
            else {"hard_links": place.status.st_nlink}
        )
    told.update({"created_directories": folders} if folders else {})
    return dict(
        told, changed=differs or bool(parts["after"]), resolved_path=spelled(place.resolved)
    )


def diffs_of(place, content, parts, secret):
    """The differences of the content, and of mode, owner and group where these change."""
    old = place.start if place.status else None
    found = [difference(place.resolved, old, content, secret)]
    if parts["after"]:
        header = "%s (file attributes)" % spelled(place.resolved)
        found.append(dict(parts, before_header=header, after_header=header))
    return found


def made_folders(place):
    """The directories that are made on the way, with their mode."""
    path, found = real_path(place.folder), []
    for name in place.missing:
        path = os.path.join(path, name)
        found.append({"path": spelled(path), "mode": "%04o" % allowed(0o777)})
    return found


def point(module):
    """Makes a symbolic link, or says what would become of it. Raises Refused and OSError."""
    given = module.params
    link = Link(meant(given["path"]), rules_for_changes(given))
    target = meant(given["link_to"])
    link.check_target(target)
    told = {"old": link.state(), "link": spelled(target), "resolved_path": spelled(link.resolved)}
    if link.old == target:
        return dict(told, changed=False)
    link.check_changeable()
    if not module.check_mode:
        link.point(target)
    if module._diff:
        told["diff"] = [
            {"before": "", "after": "", "before_header": link.path, "after_header": link.path}
        ]
    return dict(told, changed=True)


def bytes_of(given):
    """What is to be written. Raises Refused."""
    content = given.pop("content")
    if given["encoding"] == "utf-8":
        return content.encode("utf-8")
    try:
        return base64.b64decode(content.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Refused("invalid_argument", "content is no base64")


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "no_log": True},
            "encoding": {"type": "str", "choices": ["utf-8", "base64"], "default": "utf-8"},
            "link_to": {"type": "str"},
            "mode": {"type": "str"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "backup": {"type": "bool", "default": False},
            "expected_sha256": {"type": "str"},
            "secret": {"type": "bool", "default": False},
            "replace_all": {"type": "bool", "default": False},
            "hard_links": {"type": "str", "choices": ["keep", "break"]},
            "parents": {"type": "bool", "default": False},
            "protected": {"type": "list", "elements": "str", "default": ["default"]},
            "unreadable": {"type": "list", "elements": "str", "default": ["default"]},
        },
        required_one_of=[("content", "link_to")],
        mutually_exclusive=[("content", "link_to")],
        supports_check_mode=True,
    )
    # `no_log` has kept the content out of the host's log. Its other effect is not wanted:
    # every text of the answer that holds the content would be masked, with a content of "a"
    # any path that has an a.
    module.no_log_values.clear()
    try:
        told = (
            point(module)
            if module.params["content"] is None
            else put(module, bytes_of(module.params))
        )
    except (Refused, OSError) as error:
        module.fail_json(**failure(error, "write", module.params["path"]))
    module.params.pop("content", None)
    # No key `path` here: exit_json would add what lstat says of it, and so put other values
    # in place of ours.
    module.exit_json(**told)


if __name__ == "__main__":
    main()
