"""Times and endings of units, as `systemctl show` tells them in UTC: when timers run next and
ran last, when and how a unit failed.
"""

import calendar
import re
import time

from ansible_collections.playrail.host.plugins.module_utils.moments import utc

OF_TIMERS = ("NextElapseUSecRealtime", "NextElapseUSecMonotonic", "LastTriggerUSec")
FAILURE = ("Result", "ExecMainCode", "ExecMainStatus", "StateChangeTimestamp")
# systemd.time(7), as systemd itself writes spans
SECONDS = {
    "y": 31557600,
    "month": 2629800,
    "w": 604800,
    "d": 86400,
    "h": 3600,
    "min": 60,
    "s": 1,
    "ms": 1e-3,
    "us": 1e-6,
}
PART = re.compile(r"([\d.]+)(y|month|w|d|h|min|ms|us|s)\b")


def seconds_of(text):
    """Since 1970, of a time as `Fri 2026-11-20 21:44:30 UTC`; None when it is none."""
    try:
        return calendar.timegm(
            time.strptime((text or "").partition(" ")[2], "%Y-%m-%d %H:%M:%S UTC")
        )
    except ValueError:
        return None


def iso(seconds):
    """A time in ISO 8601, UTC; None for None, and for one that no calendar has."""
    try:
        return None if seconds is None else utc(seconds)
    except (ValueError, OverflowError, OSError):
        return None


def span(text):
    """The seconds of a span as `1d 15min 2.5s`; None when it is none, or has no end."""
    found = PART.findall(text or "")
    return sum(float(number) * SECONDS[unit] for number, unit in found) if found else None


def next_run(unit):
    """When the timer elapses next, in seconds since 1970; None when it does not."""
    since_boot = span(unit.get("NextElapseUSecMonotonic"))
    found = [seconds_of(unit.get("NextElapseUSecRealtime"))]
    if since_boot is not None:
        found.append(int(since_boot + time.time() - time.monotonic()))
    return min((moment for moment in found if moment is not None), default=None)


def last_run(unit):
    """When it elapsed last, in seconds since 1970; None when it never did, as is known."""
    return seconds_of(unit.get("LastTriggerUSec"))


def how_failed(unit):
    """Since when the unit is as it is, and how it ended; ExecMainCode is waitid(2)'s."""
    status = unit.get("ExecMainStatus", "")
    field = {"1": "exit_code", "2": "exit_signal", "3": "exit_signal"}.get(unit.get("ExecMainCode"))
    found = {
        "since": iso(seconds_of(unit.get("StateChangeTimestamp"))),
        "result": unit.get("Result"),
        field: int(status) if field and status.isdigit() else None,
    }
    return {key: value for key, value in found.items() if key and value is not None}


def by_name(units):
    """What systemctl shows of units, by each of their names: it tells less than it is asked
    for where a name is none.
    """
    return {name: one for one in units for name in one.get("Names", one.get("Id", "")).split()}
