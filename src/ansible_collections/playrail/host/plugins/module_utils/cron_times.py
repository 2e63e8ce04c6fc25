"""When cron runs something next, as crontab(5) has it."""

import datetime as dt
import re
import time

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Of each field the least and the largest number, and the number of the first name.
FIELDS = ((0, 59, 0, ()), (0, 23, 0, ()), (1, 31, 0, ()), (1, 12, 1, MONTHS), (0, 7, 0, DAYS))
WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
AT_START = "@reboot"
NUMBER = re.compile(r"[0-9]{1,4}\Z")
MOST_DAYS = 8 * 366  # within which there is a 29th of February


class Unreadable(ValueError):
    """A schedule that cron would refuse."""


def number(text, first, names):
    if text.lower() in names:
        return names.index(text.lower()) + first
    if not NUMBER.match(text):
        raise Unreadable(text)
    return int(text)


def values(text, least, most, first, names):
    """The numbers that a field means. Raises Unreadable."""
    found = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        low, dash, high = span.partition("-")
        if span == "*":
            start, end = least, most
        else:
            start = number(low, first, names)
            end = number(high, first, names) if dash else most if slash else start
        if slash and not (NUMBER.match(step) and int(step)):
            raise Unreadable(part)
        if not least <= start <= end <= most:
            raise Unreadable(part)
        found.update(range(start, end + 1, int(step) if slash else 1))
    return found


class Schedule:
    """Five fields, or a word such as @daily. Raises Unreadable."""

    def __init__(self, text):
        self.at_start = text == AT_START
        fields = WORDS.get(text, text).split()
        if self.at_start:
            return
        if len(fields) != len(FIELDS):
            raise Unreadable(text)
        found = [values(one, *rule) for one, rule in zip(fields, FIELDS)]
        self.minutes, self.hours = sorted(found[0]), sorted(found[1])
        self.days, self.months = found[2], found[3]
        self.weekdays = {day % 7 for day in found[4]}
        # Where both are restricted, either is enough
        self.either = not fields[2].startswith("*") and not fields[4].startswith("*")

    def is_on(self, day):
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (
            by_month or by_week if self.either else by_month and by_week
        )

    def next_run(self, now):
        """In seconds since 1970, by the host's time zone; None when it never comes."""
        if self.at_start:
            return None
        today = dt.date(*time.localtime(now)[:3])
        for offset in range(MOST_DAYS):
            day = today + dt.timedelta(offset)
            for hour in self.hours if self.is_on(day) else ():
                for minute in self.minutes:
                    moment = time.mktime((day.year, day.month, day.day, hour, minute, 0, 0, 0, -1))
                    if moment > now:
                        return int(moment)
        return None
