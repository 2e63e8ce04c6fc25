"""The pace of requests holds for all processes together, and nothing in its file blocks it
for long.
"""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import stat
import time
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from playrail.errors import ApiError, PaceUnavailable, RateLimited
from playrail.mikrus.pace import MARGIN, Pace, Rate
from worlds.growth import lines_run

KEY = SecretStr("0123456789abcdef0123456789abcdef01234567")
RATE = Rate(requests=5, window_s=60)
WINDOW_S = RATE.window_s * (1 + MARGIN)


def file_of(directory: Path, key: SecretStr = KEY) -> Path:
    return directory / f"{sha256(key.get_secret_value().encode()).hexdigest()[:16]}.json"


def state(*places: float, held_at: float = 0.0, held_until: float = 0.0) -> str:
    return json.dumps({"places": places, "held_at": held_at, "held_until": held_until})


def test_places_are_free_until_the_rate_is_reached_and_then_a_window_apart(tmp_path: Path) -> None:
    pace = Pace(tmp_path, RATE)

    waits = [pace.reserve(KEY, 1000).wait_s for _ in range(11)]

    assert waits[:5] == [0.0] * 5
    assert waits[5:] == pytest.approx([WINDOW_S] * 5 + [2 * WINDOW_S], abs=0.5)


def test_a_place_that_is_too_far_away_is_not_taken(tmp_path: Path) -> None:
    pace = Pace(tmp_path, RATE)
    for _ in range(5):
        pace.reserve(KEY, 0)
    before = file_of(tmp_path).read_text()

    with pytest.raises(RateLimited) as caught:
        pace.reserve(KEY, 30)

    assert caught.value.problem.retry_after_s in (60, 61)
    assert caught.value.problem.retryable
    assert file_of(tmp_path).read_text() == before
    assert pace.reserve(KEY, 100).wait_s == pytest.approx(WINDOW_S, abs=0.5)


def test_each_key_has_its_own_pace_and_its_file_does_not_name_it(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Rate(requests=1, window_s=60))

    assert pace.reserve(KEY, 0).wait_s == 0
    assert pace.reserve(SecretStr("another"), 0).wait_s == 0

    files = list(tmp_path.iterdir())
    assert len(files) == 2
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert KEY.get_secret_value() not in path.name + path.read_text()


def test_old_places_are_forgotten(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Rate(requests=2, window_s=0.2))

    assert [pace.reserve(KEY, 0).wait_s for _ in range(2)] == [0, 0]
    time.sleep(0.25)
    assert [pace.reserve(KEY, 0).wait_s for _ in range(2)] == [0, 0]
    assert len(json.loads(file_of(tmp_path).read_text())["places"]) == 2


def _take(directory: str, count: int, taken: Any) -> None:
    pace = Pace(Path(directory), Rate(requests=10, window_s=60))
    for _ in range(count):
        try:
            taken.put(pace.reserve(KEY, 0).wait_s)
        except RateLimited:
            taken.put(None)


def test_processes_share_one_pace(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    taken = context.Queue()
    processes = [context.Process(target=_take, args=(str(tmp_path), 10, taken)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [taken.get(timeout=60) for _ in range(30)]
    for process in processes:
        process.join(timeout=60)

    assert found.count(0.0) == 10
    assert found.count(None) == 20


def test_a_place_that_is_given_back_is_free_at_once(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Rate(requests=2, window_s=60))
    now, last = (pace.reserve(KEY, 0) for _ in range(2))

    pace.give_back(KEY, last.at)
    assert pace.reserve(KEY, 0).wait_s == 0
    pace.give_back(KEY, now.at)
    assert pace.reserve(KEY, 0).wait_s == 0


def test_whoever_comes_next_gets_the_first_place_that_was_given_back(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Rate(requests=1, window_s=60))
    turns = [pace.reserve(KEY, 1000) for _ in range(5)]

    for turn in (turns[1], turns[3]):
        pace.give_back(KEY, turn.at)

    again = [pace.reserve(KEY, 1000).at for _ in range(3)]
    assert again == [turns[1].at, turns[3].at, pytest.approx(turns[4].at + 60.6)]


def test_what_nobody_waits_for_any_more_is_forgotten(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Rate(requests=1, window_s=60))
    turns = [pace.reserve(KEY, 1000) for _ in range(4)]

    for turn in turns[1:]:
        pace.give_back(KEY, turn.at)

    assert json.loads(file_of(tmp_path).read_text())["places"] == [turns[0].at]


def test_a_place_is_given_back_once_and_one_of_nobody_is_not(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Rate(requests=1, window_s=60))
    turns = [pace.reserve(KEY, 1000) for _ in range(3)]

    for at in (turns[1].at, turns[1].at, turns[0].at + 1, 0.0):
        pace.give_back(KEY, at)

    assert [pace.reserve(KEY, 1000).at for _ in range(2)] == [
        turns[1].at,
        pytest.approx(turns[2].at + 60.6),
    ]


def test_a_place_before_the_end_of_a_hold_is_not_given_again(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Rate(requests=1, window_s=60))
    turns = [pace.reserve(KEY, 1000) for _ in range(3)]
    pace.give_back(KEY, turns[1].at)
    pace.hold_off(KEY, 90)

    assert pace.reserve(KEY, 1000).at == pytest.approx(turns[2].at + 60.6)


@given(
    st.lists(
        st.tuples(st.floats(min_value=0, max_value=100), st.sampled_from(["take", "give", "hold"])),
        max_size=40,
    )
)
def test_however_places_are_given_back_no_window_has_too_many(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, str]]
) -> None:
    """Each step is so many seconds after the one before; what is given back is what still
    waits.
    """
    pace, now = Pace(tmp_path_factory.mktemp("pace"), Rate(requests=3, window_s=60)), 1e9
    sent: list[float] = []
    waiting: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now)
        for after_s, step in steps:
            now += after_s
            sent += [at for at in waiting if at <= now]
            waiting = [at for at in waiting if at > now]
            if step == "take":
                waiting.append(pace.reserve(KEY, 1e9).at)
            elif step == "hold":
                pace.hold_off(KEY, after_s)
            elif waiting:
                pace.give_back(KEY, waiting.pop(len(waiting) // 2))
    every = sorted([*sent, *waiting])
    assert all(later - earlier >= 60 for earlier, later in zip(every, every[3:], strict=False))


def test_a_hold_delays_everyone(tmp_path: Path) -> None:
    Pace(tmp_path, RATE).hold_off(KEY, 30)

    assert Pace(tmp_path, RATE).reserve(KEY, 100).wait_s == pytest.approx(30, abs=0.5)
    with pytest.raises(RateLimited):
        Pace(tmp_path, RATE).reserve(KEY, 10)


def test_a_shorter_hold_does_not_end_a_longer_one(tmp_path: Path) -> None:
    pace = Pace(tmp_path, RATE)
    pace.hold_off(KEY, 30)
    pace.hold_off(KEY, 1)
    pace.hold_off(KEY, -5)

    assert pace.reserve(KEY, 100).wait_s == pytest.approx(30, abs=0.5)


def test_a_hold_is_never_longer_than_an_hour(tmp_path: Path) -> None:
    pace = Pace(tmp_path, RATE)
    pace.hold_off(KEY, 1e12)

    assert pace.reserve(KEY, 1e9).wait_s == pytest.approx(3600, abs=0.5)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"places": 5}',
        '{"places": ["now"], "held_at": 0, "held_until": 0}',
        '{"places": [NaN], "held_at": 0, "held_until": 0}',
        '{"places": [true], "held_at": 0, "held_until": 0}',
        "[" * 60_000,
        "9" * 60_000,
        "\x00" * 100,
        state(*[0.0] * 50),
        '{"places": [], "held_at": 0, "held_until": 0, "free": "all"}',
    ],
    ids=range(13),
)
def test_broken_or_old_content_does_not_block(tmp_path: Path, content: str) -> None:
    file_of(tmp_path).write_text(content)

    assert Pace(tmp_path, RATE).reserve(KEY, 0).wait_s == 0
    assert len(json.loads(file_of(tmp_path).read_text())["places"]) == 1


@pytest.mark.parametrize("ahead_s", [1, 30, 3600, 1e12])
def test_places_from_a_clock_that_was_ahead_block_for_one_window_at_most(
    tmp_path: Path, ahead_s: float
) -> None:
    now = time.time()
    file_of(tmp_path).write_text(
        state(*[now + ahead_s] * 5, held_at=now + ahead_s, held_until=now + ahead_s + 50)
    )

    assert Pace(tmp_path, RATE).reserve(KEY, 1e15).wait_s <= WINDOW_S


@given(
    places=st.lists(st.floats(min_value=-1000, max_value=1e6), max_size=5),
    held=st.tuples(st.floats(min_value=1, max_value=1e6), st.floats(min_value=-1e6, max_value=1e6)),
)
def test_whatever_five_places_the_file_tells_of_the_wait_is_one_window_at_most(
    tmp_path_factory: pytest.TempPathFactory, places: list[float], held: tuple[float, float]
) -> None:
    directory = tmp_path_factory.mktemp("pace")
    now = time.time() + 5  # a hold that was told in the future is none
    told = state(*(now + at for at in places), held_at=now + held[0], held_until=now + held[1])
    file_of(directory).write_text(told)

    assert Pace(directory, RATE).reserve(KEY, 1e15).wait_s <= WINDOW_S


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(PaceUnavailable) as caught:
        Pace(tmp_path / "missing", RATE).reserve(KEY, 0)

    assert "No such file" in str(caught.value)
    assert (caught.value.problem.code, caught.value.problem.retryable) == ("pace_unavailable", True)
    assert "Nothing was sent" in caught.value.problem.hint
    assert isinstance(caught.value, ApiError)


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    file_of(tmp_path).symlink_to(victim)

    with pytest.raises(PaceUnavailable):
        Pace(tmp_path, RATE).reserve(KEY, 0)
    assert victim.read_text() == "precious"


@pytest.mark.slow
def test_a_file_that_somebody_keeps_locked_is_told(tmp_path: Path) -> None:
    pace = Pace(tmp_path, RATE)
    pace.reserve(KEY, 0)
    with file_of(tmp_path).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(PaceUnavailable):
            pace.reserve(KEY, 0)

    assert pace.reserve(KEY, 0).wait_s == 0


def test_a_reservation_costs_in_proportion_to_those_who_wait(tmp_path: Path) -> None:
    pace = Pace(tmp_path, RATE)
    reserve = partial(pace.reserve, KEY, 1e9)

    def lines_with(waiting: int) -> int:
        while len(json.loads(file_of(tmp_path).read_text())["places"]) < waiting:
            reserve()
        return lines_run(reserve)

    reserve()
    few = lines_with(50)
    assert lines_with(200) <= few * 4
