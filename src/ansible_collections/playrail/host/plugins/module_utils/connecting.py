"""Connections from this host to others: what a name means, what came of each try, and an end
in time for all of it.
"""

import errno
import socket
import threading
import time

NAME_S = 8.0
CONNECT_S = 4.0
MOST_ADDRESSES = 4
OUTCOMES = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "no_route",
    errno.ENETUNREACH: "no_route",
    errno.ETIMEDOUT: "timed_out",
    errno.EACCES: "not_permitted",
    errno.EPERM: "not_permitted",
    errno.EADDRNOTAVAIL: "no_route",
    errno.EAFNOSUPPORT: "no_route",  # as IPv6 where the kernel was started without it
}


class NotConnected(Exception):
    """With what came of it, in words."""


def ms_since(began):
    return int((time.monotonic() - began) * 1000)


def within(seconds, work):
    """What the work returns, or the OSError that it raises; None when its time is over. The
    system's resolver cannot be told how long to wait.
    """
    found = []

    def run():
        try:
            found.append(work())
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else None


def looked_up(name, port=None, kind=socket.SOCK_STREAM):
    """Families and addresses that the host's resolver finds, each once. Raises NotConnected.

    A zone (fe80::1%eth0) is refused: the kernel loads a module of the name that it has.
    """
    if "%" in name:
        raise NotConnected("an address with a zone is not looked up")
    told = within(NAME_S, lambda: socket.getaddrinfo(name, port, 0, kind))
    if told is None:
        raise NotConnected("the resolver did not answer in %d s" % NAME_S)
    if isinstance(told, socket.gaierror):
        raise NotConnected(str(told.strerror or told).lower())
    if isinstance(told, Exception):
        raise NotConnected("it is no name of a host")
    return list(dict.fromkeys((one[0], one[4]) for one in told))


def tried(family, place, seconds=CONNECT_S):
    """A connection, None without one, and what came of the try: open, refused, timed_out ..;
    with the milliseconds it took.
    """
    began, made = time.monotonic(), None
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(seconds)
        made.connect(place)
        return made, "open", ms_since(began)
    except socket.timeout:
        outcome = "timed_out"
    except OSError as error:
        outcome = OUTCOMES.get(error.errno, str(error.strerror or error).lower())
    if made is not None:
        made.close()
    return None, outcome, ms_since(began)


def connected(name, port):
    """A connection to the first address of the name that takes one, and the address. Raises
    NotConnected.
    """
    outcomes = []
    for family, place in looked_up(name, port)[:MOST_ADDRESSES]:
        made, outcome, _ms = tried(family, place)
        if made is not None:
            return made, place[0]
        outcomes.append("%s %s" % (place[0], outcome.replace("_", " ")))
    raise NotConnected(", ".join(outcomes))


def attempts(name, port):
    """What came of a connection to each address of the name. Raises NotConnected."""
    found = []
    for family, place in looked_up(name, port)[:MOST_ADDRESSES]:
        made, outcome, took = tried(family, place)
        one = {"address": place[0], "outcome": outcome, "ms": took}
        if made is not None:
            one["from_address"] = made.getsockname()[0]
            made.close()
        found.append(one)
    return found


class Deadline:
    """Cuts a socket off when its time is over, however slowly bytes come; then `passed`."""

    def __init__(self, seconds):
        self.passed, self.sockets = False, []
        self.timer = threading.Timer(seconds, self.cut)
        self.timer.daemon = True

    def watch(self, made):
        """Cuts off this socket too, at once where the time is over."""
        self.sockets.append(made)
        if self.passed:
            self.cut()

    def cut(self):
        self.passed = True
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed meanwhile

    def __enter__(self):
        self.timer.start()
        return self

    def __exit__(self, *_):
        self.timer.cancel()
