"""Moments as answers have them."""

import time


def utc(seconds):
    """Seconds since 1970 as a date and time, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
