"""The pace of requests to the API: so many per key in any minute, for all processes of this
user together.

A place is the moment at which a request may be sent. The places of a key, given away and
not yet old, stand in a small file that is locked while it is read and written.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from playrail.errors import PaceUnavailable, RateLimited

LONGEST_HOLD_S = 3600.0  # what is believed of a Retry-After
# Of the window: the API sees requests when they arrive, and some take longer than others
MARGIN = 0.01
LONGEST_LOCK_S = 2.0
MAX_FILE_BYTES = 64 * 1024
MAX_PLACES = 1000


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How many requests in any `window_s` seconds."""

    requests: int = 5
    window_s: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A place that was taken, `at` in wall-clock seconds, and the seconds until then."""

    at: float
    wait_s: float


@dataclass(frozen=True)
class _State:
    """`places` in wall-clock seconds, in order. No place is given before `held_until`, as
    was said at `held_at`.

    `free` are those of the places that were given back and can be given again.
    """

    places: tuple[float, ...] = ()
    held_at: float = 0.0
    held_until: float = 0.0
    free: tuple[float, ...] = ()


class Pace:
    """Gives places away. `directory` exists and is this user's own."""

    def __init__(self, directory: Path, rate: Rate) -> None:
        self.rate = rate
        self._directory = directory
        self._window_s = rate.window_s * (1 + MARGIN)

    def reserve(self, key: SecretStr, longest_s: float) -> Turn:
        """Takes the next place. Raises RateLimited, and takes none, when it is more than
        `longest_s` seconds away.
        """
        with self._locked(key) as file:
            now = time.time()
            state = self._sound(_read(file), now)
            at = max(now, state.held_until)
            if len(state.places) >= self.rate.requests:
                at = max(at, state.places[-self.rate.requests] + self._window_s)
            again = min((one for one in state.free if one >= state.held_until), default=math.inf)
            turn = Turn(at=min(at, again), wait_s=min(at, again) - now)
            if turn.wait_s > longest_s:
                raise too_fast(turn.wait_s)
            if again <= at:
                _write(
                    file,
                    replace(state, free=tuple((Counter(state.free) - Counter([again])).elements())),
                )
            else:
                _write(file, replace(state, places=(*state.places, at)))
            return turn

    def give_back(self, key: SecretStr, at: float) -> None:
        """Lets others have the place `at`, at which nothing was sent."""
        with self._locked(key) as file:
            now = time.time()
            state = self._sound(_read(file), now)
            free = Counter((*state.free, at))
            if free - Counter(state.places):
                return
            taken = Counter(state.places) - free
            if all(one <= now for one in taken):
                _write(file, replace(state, places=tuple(taken.elements()), free=()))
            else:
                # Places that others wait for were reckoned from this one, so it stays: as
                # one that is free.
                _write(file, replace(state, free=tuple(free.elements())))

    def hold_off(self, key: SecretStr, seconds: float) -> None:
        """Lets no request of the key go for so long, as the API asked."""
        with self._locked(key) as file:
            now = time.time()
            state = self._sound(_read(file), now)
            until = max(state.held_until, now + min(max(seconds, 0.0), LONGEST_HOLD_S))
            _write(file, replace(state, held_at=now, held_until=until))

    def _sound(self, state: _State, now: float) -> _State:
        """What of a state can be so, whatever the file says and however the clock was set
        meanwhile.

        A place in the future is there because the one `requests` before it was taken a
        window earlier, or because of a hold; any other counts as taken just now.
        """
        held = now < state.held_until <= state.held_at + LONGEST_HOLD_S and state.held_at <= now
        held_until = state.held_until if held else 0.0
        past = [at for at in state.places if now - self._window_s < at <= now][
            -self.rate.requests :
        ]
        places: list[float] = past
        for at in (at for at in state.places if at > now):
            before = len(places) - self.rate.requests
            latest = max(now, held_until, places[before] + self._window_s if before >= 0 else 0.0)
            places.append(min(at, latest))
        free = (Counter(state.free) & Counter(at for at in places if at > now)).elements()
        return _State(
            tuple(sorted(places)), state.held_at if held else 0.0, held_until, tuple(free)
        )

    @contextmanager
    def _locked(self, key: SecretStr) -> Iterator[int]:
        """The key's file, which nobody else reads or writes meanwhile."""
        path = self._directory / f"{sha256(key.get_secret_value().encode()).hexdigest()[:16]}.json"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                _lock(file)
                yield file
            finally:
                os.close(file)
        except OSError as error:
            raise PaceUnavailable(
                f"The pace of requests cannot be written down: {error.strerror}."
            ) from None


def _lock(file: int) -> None:
    """Locks the file. Others hold it for a moment only, unless they were stopped just then."""
    until = time.monotonic() + LONGEST_LOCK_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(errno.EBUSY, "another process keeps its file locked") from None
            time.sleep(0.001)
        else:
            return


def too_fast(wait_s: float) -> RateLimited:
    """The error for a request that may be sent in so many seconds only."""
    seconds = math.ceil(wait_s)
    return RateLimited(
        f"No more requests with this server's key now; the next may be sent in {seconds} s.",
        retry_after_s=seconds,
    )


def _read(file: int) -> _State:
    """What the file says; nothing when it makes no sense."""
    try:
        told = json.loads(os.pread(file, MAX_FILE_BYTES, 0))
        places = _numbers(told["places"])
        held_at, held_until = _numbers([told["held_at"], told["held_until"]])
        free = _numbers(told.get("free", []))
    except (ValueError, KeyError, TypeError, RecursionError):
        return _State()
    return _State(
        tuple(sorted(places)[-MAX_PLACES:]), held_at, held_until, tuple(free[:MAX_PLACES])
    )


def _numbers(found: Any) -> Sequence[float]:
    if not isinstance(found, list) or not all(
        type(one) in (int, float) and math.isfinite(one) for one in found
    ):
        raise ValueError("is no list of numbers")
    return [float(one) for one in found]


def _write(file: int, state: _State) -> None:
    written = os.pwrite(file, json.dumps(vars(state)).encode(), 0)
    os.ftruncate(file, written)
