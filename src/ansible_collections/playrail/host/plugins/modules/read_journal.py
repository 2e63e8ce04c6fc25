#!/usr/bin/python
"""Reads systemd's journal with journalctl, newest entry first, and keeps no more than is
asked for.
"""

DOCUMENTATION = r"""
module: read_journal
short_description: Read systemd's journal
description:
  - Reads entries of a unit, of a priority, or with a text in their message. Changes nothing.
  - Tells whether the user may not see all entries, which journalctl only says in its debug
    messages.
  - Leaves out the entries that Ansible writes when it runs a module, and counts them.
  - An empty answer means that there is nothing. Where nothing is kept, or nobody knows the
    unit, it fails.
options:
  lines:
    description: How many entries to return at most.
    type: int
    default: 50
  unit:
    description: Only entries of this systemd unit, by any of its names; of a template all
      its instances. Where the system has no such unit, those of users' own units.
    type: str
  since:
    description: Only entries from this time on, as C(2026-01-31 12:00:00.0 UTC).
    type: str
  until:
    description: Only entries up to this time. O(before) takes its place.
    type: str
  hours:
    description: Only entries of so many hours before now, by the host's clock.
    type: int
  before:
    description: Only entries older than this one, a cursor.
    type: str
  priority:
    description: Only entries of this priority and worse.
    type: str
  term:
    description: Only entries whose message holds this text. It is no pattern.
    type: str
  ignore_case:
    description: Whether upper and lower case are the same in O(term).
    type: bool
    default: true
  count_lines:
    description: How many entries to look at at most, to count them by unit. At least O(lines)
      are.
    type: int
    default: 0
  message_characters:
    description: How much of each message to return at most, of a long one the part around
      O(term).
    type: int
    default: 500
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON. The newest entries
      go first.
    type: int
    default: 24000
  max_seconds:
    description: After that many seconds the reading ends and what was found so far is returned.
    type: int
    default: 40
author: Playrail
"""

EXAMPLES = r"""
- name: See what went wrong in the last hour
  playrail.host.read_journal:
    priority: err
    hours: 1
"""

RETURN = r"""
entries:
  description: Per entry time (ISO 8601, UTC), priority (a word), unit, user_number (of a user's
    unit), identifier, pid, message and, of one that was cut, message_bytes; what an entry has not
    is left out. Newest first.
  type: list
  elements: dict
  returned: success
unit:
  description: The unit's real name, which the entries then leave out.
  type: str
  returned: success; null when none was asked for
older:
  description: The cursor of the last entry when there are older ones, or may be.
  type: str
  returned: success
kept_since:
  description: When there are no older ones, the time of the oldest entry of all.
  type: str
  returned: success
notes:
  description: Sentences on what the journal of this host does not hold.
  type: list
  elements: str
  returned: success
counts:
  description: Per unit how many entries were looked at, when count_lines is set.
  type: list
  elements: dict
  returned: success
counted:
  description: How many entries were looked at.
  type: int
  returned: success
by_ansible:
  description: How many were left out that Ansible wrote.
  type: int
  returned: success
complete:
  description: False when max_seconds were over before all was read.
  type: bool
  returned: success
incomplete:
  description: Whether the user may not see all entries.
  type: bool
  returned: success
truncated:
  description: Whether a message was cut, or entries would be too much.
  type: bool
  returned: success
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.journal import (
    SECOND_US,
    Entry,
    Failed,
    Journalctl,
    short,
    told_time,
)
from ansible_collections.playrail.host.plugins.module_utils.journal_keeping import (
    Keeping,
    has_namespaces,
)
from ansible_collections.playrail.host.plugins.module_utils.journal_question import (
    CURSOR_TIME,
    options,
    since_us,
)
from ansible_collections.playrail.host.plugins.module_utils.journal_units import (
    alike,
    look,
    of_users,
)
from ansible_collections.playrail.host.plugins.module_utils.room import length

PLACES = 20  # of counts
NO_SEARCH = re.compile(
    r"without pattern matching|PCRE2 support|(?:unrecognized|invalid) option.*grep", re.IGNORECASE
)
NO_SUCH_UNITS = "add filter for units"  # so journalctl says that a pattern means none
ENVELOPE_BYTES = 500  # of the answer, beside what a host tells; less where many hosts share it
CUT_BYTES = 200  # of a single message that is longer than the whole answer may be


class Found:
    """The entries to return, one more than asked for (it tells whether there are older
    ones), and the counts.
    """

    def __init__(self, given, unit):
        self.given = given
        self.unit = unit.name if unit is not None else None
        self.left = given["max_bytes"]
        self.entries = []  # as they are told, with their cursors
        self.full = False
        self.counted = 0
        self.by_ansible = 0
        self.counts = {}

    def take(self, one):
        self.counted += 1
        if self.given["count_lines"]:
            name = one.unit or one.identifier or "?"
            self.counts[name] = self.counts.get(name, 0) + 1
        if self.full or len(self.entries) == self.given["lines"]:
            return
        told = one.told(self.given, self.unit)
        self.left -= length(told)
        self.full = self.left < 0 and len(self.entries) > 0
        if not self.full:
            self.entries.append((told, one.cursor))

    def told(self, rest):
        """All that is reported: `rest`, and as many entries as have room beside it."""
        counts = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))[:PLACES]
        found = dict(rest, counted=self.counted, by_ansible=self.by_ansible)
        found["counts"] = [{"unit": unit, "entries": count} for unit, count in counts]
        # The place to go on from and the words for what is cut are not there yet, so some
        # room is left for them.
        most = self.given["max_bytes"]
        room = most - min(ENVELOPE_BYTES, most // 5) - length(found)
        entries = []
        for one, _cursor in self.entries:
            room -= length(one)
            if room < 0 and entries:
                break
            entries.append(
                one
                if room >= 0
                else dict(one, message=one.get("message", "")[:CUT_BYTES] + "\u2026")
            )
        more = self.counted > len(entries) or not rest["complete"]
        shortened = any("message_bytes" in one for one in entries) or (bool(entries) and room < 0)
        return dict(
            found,
            entries=entries,
            older=self.entries[len(entries) - 1][1] if entries and more else None,
            truncated=shortened or len(entries) < min(self.counted, self.given["lines"]),
        )


def wanted(child, given, found, of_users):
    """The entries that are asked for, newest first; too old ones may follow."""
    # The entry itself and newer ones of the same microsecond come when its time stood for a
    # cursor.
    ahead = (
        short(given["before"])
        if given["term"] is not None and CURSOR_TIME.search(given["before"] or "")
        else None
    )
    until = int(CURSOR_TIME.search(ahead).group(1), 16) if ahead else None
    for raw in child.entries():
        one = Entry(raw, of_users)
        if ahead and one.time_us >= until:
            if one.cursor == ahead:
                ahead = None
            continue
        if one.by_ansible:
            found.by_ansible += 1
        else:
            yield one


def read(program, given, unit):
    """What journalctl tells, and whether it was all read and may all be seen. Raises
    Failed.
    """
    since = since_us(given)
    words = unit.words() if unit is not None else ["--namespace=*"] if has_namespaces() else []
    child = Journalctl([program] + options(given, since) + words, given["max_seconds"])
    found = Found(given, unit)
    enough, ended = max(given["lines"] + 1, given["count_lines"]), True
    for one in wanted(child, given, found, unit is not None and unit.of_users):
        ended = since is None or one.time_us >= since
        if ended:
            found.take(one)
            ended = found.counted < enough
        if not ended:
            break
    status = child.end(early=not ended)
    complaints = child.complaints
    nothing = status == 1 and given["term"] is not None and not complaints.error  # as grep says it
    if status and not nothing and NO_SUCH_UNITS not in complaints.error:
        raise why(complaints)
    return found, {"complete": not (ended and child.overdue), "incomplete": complaints.unreadable}


def why(complaints):
    """What journalctl's failure means."""
    if "insufficient permissions" in complaints.error:
        return unreadable()
    if "seek to cursor" in complaints.error:
        return Failed("invalid_argument", "before: is no place in this host's journal")
    if NO_SEARCH.search(complaints.error):
        return Failed(
            "search_unsupported", "the host's journalctl cannot search: it was built without PCRE2"
        )
    return Failed("task_failed", "journalctl failed: " + complaints.error[:300])


def unreadable():
    return Failed("permission_denied", "the journal has no such entries that this user may read")


def no_journal():
    return Failed("no_journal", "systemd does not run on this host, so it keeps no journal")


def oldest(program, unit):
    """The time of the oldest entry of all, or of the unit; None when there is none."""
    words = [program, "--no-pager", "--output=json", "--output-fields=_PID"]
    child = Journalctl(words + (unit.words() if unit is not None else []), 10)
    first = next(child.entries(), None)
    child.end(early=True)
    return None if first is None else int(first["__REALTIME_TIMESTAMP"])


def refuse_silence(program, unit, keeping, incomplete):
    """Nothing was found: raises Failed unless that is because there is nothing."""
    if not os.path.isdir("/run/systemd/system") and not incomplete:
        raise no_journal()
    if not incomplete and (keeping.nothing or not keeping.is_there):
        raise Failed("no_journal", keeping.why_none())
    if (
        unit is not None
        and unit.known is False
        and oldest(program, unit) is None
        and not incomplete
    ):
        others = alike(unit.name)
        named = "; there are %s" % ", ".join(others) if others else ""
        raise Failed(
            "service_not_found",
            "there is no unit %s on this host, nor entries of one%s" % (unit.name, named),
        )
    if incomplete:
        raise unreadable()


def notes(keeping, unit, since, first, incomplete):
    """What a reader has to know of what is not here, in sentences."""
    if incomplete:
        yield "This user sees only its own entries, not those of the system and of others."
    yield from keeping.notes()
    if since is not None and first is not None and first > since + SECOND_US:
        yield "The time asked for begins before the oldest entry that is kept, of %s." % told_time(
            first
        )
    if unit is None:
        return
    if unit.of_users:
        yield "The system has no such unit; these are entries of users' own units of this name."
    elif unit.known is False:
        yield "systemd knows no unit of this name now; these are the entries that it left."
    if unit.elsewhere:
        yield "What the unit itself writes goes to %s, not to the journal." % unit.elsewhere


def answer(program, given):
    """The whole report. Raises Failed."""
    unit = look(given["unit"]) if given["unit"] is not None else None
    found, rest = read(program, given, unit)
    if not found.counted and unit is not None and unit.known is False:
        users = of_users(unit, program)
        if users.names and oldest(program, users) is not None:
            unit = users
            found, rest = read(program, given, unit)
    keeping = Keeping()
    if not found.counted and not given["before"] and rest["complete"]:
        refuse_silence(program, unit, keeping, rest["incomplete"])
    reached_end = found.counted <= given["lines"] and rest["complete"]
    first = oldest(program, None) if reached_end else None
    said = list(notes(keeping, unit, since_us(given), first, rest["incomplete"]))
    rest.update(unit=unit.name if unit is not None else None, notes=said or None)
    return found.told(dict(rest, kept_since=None if first is None else told_time(first)))


def main():
    module = AnsibleModule(
        argument_spec={
            "lines": {"type": "int", "default": 50},
            "unit": {"type": "str"},
            "since": {"type": "str"},
            "until": {"type": "str"},
            "hours": {"type": "int"},
            "before": {"type": "str"},
            "priority": {"type": "str"},
            "term": {"type": "str"},
            "ignore_case": {"type": "bool", "default": True},
            "count_lines": {"type": "int", "default": 0},
            "message_characters": {"type": "int", "default": 500},
            "max_bytes": {"type": "int", "default": 24000},
            "max_seconds": {"type": "int", "default": 40},
        },
        supports_check_mode=True,
    )
    given = module.params
    program = module.get_bin_path("journalctl")
    try:
        if program is None:
            raise no_journal()
        found = answer(program, given)
    except Failed as failed:
        module.fail_json(msg=str(failed), playrail_code=failed.code)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
