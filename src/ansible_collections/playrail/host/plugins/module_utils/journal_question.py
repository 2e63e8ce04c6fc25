"""What journalctl is asked: a search that means just a text, times, and where to go on."""

import calendar
import re
import time

from ansible_collections.playrail.host.plugins.module_utils.journal import FIELDS, SECOND_US, Failed

# In microseconds, before the year 2113
CURSOR_TIME = re.compile(r"(?:^|;)t=([0-9a-f]{1,13})(?:;|$)")


def literal(term, ignore_case):
    """A pattern (pcre2pattern(3)) that means just the text. Of other scripts, PCRE does not
    know upper and lower case.
    """
    found = []
    for character in term:
        other = character.swapcase()
        if ord(character) < 128:
            found.append(character if character.isalnum() else "\\" + character)
        elif ignore_case and other != character:
            found.append("(?:%s|%s)" % (character, other))
        else:
            found.append(character)
    return "".join(found)


def stamp(time_us):
    """A time as every journalctl reads it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time_us // SECOND_US)) + ".%06d UTC" % (
        time_us % SECOND_US
    )


def microseconds(name, moment):
    whole, _dot, rest = moment[: -len(" UTC")].partition(".")
    try:
        seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%d %H:%M:%S"))
        return seconds * SECOND_US + int((rest or "0").ljust(6, "0")[:6])
    except ValueError:
        raise Failed("invalid_argument", "%s: must be as 2026-01-31 12:00:00.0 UTC" % name)


def since_us(given):
    """The earliest time that is asked for, None for any."""
    if given["hours"] is not None:
        return int(time.time() * SECOND_US) - given["hours"] * 3600 * SECOND_US
    return microseconds("since", given["since"]) if given["since"] else None


def options(given, since):
    """Journalctl takes a time or a cursor, not both. A search needs the time, or it would
    go on to the very oldest entry, so there the cursor's time takes its place; otherwise
    what is too old ends the reading (see read_journal.py).
    """
    found = ["--no-pager", "--reverse", "--all", "--output=json", "--output-fields=" + FIELDS]
    if given["priority"] is not None:
        found.append("--priority=" + given["priority"])
    if given["term"] is not None:
        found.append("--grep=" + literal(given["term"], given["ignore_case"]))
        found.append("--case-sensitive=" + ("false" if given["ignore_case"] else "true"))
    reached = CURSOR_TIME.search(given["before"] or "")
    if given["before"] and not (given["term"] is not None and reached):
        return found + ["--after-cursor=" + given["before"]]
    if given["before"]:
        found.append("--until=" + stamp(int(reached.group(1), 16)))
    elif given["until"]:
        found.append("--until=" + stamp(microseconds("until", given["until"])))
    if since is not None:
        found.append("--since=" + stamp(since))
    return found
