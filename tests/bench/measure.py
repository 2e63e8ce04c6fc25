"""Measures the calls of all contenders, interleaved, so that a slow moment of the machine
is everybody's.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from mcp import Client

from . import contenders
from .cases import CASES, SAME, UPTIME, WRITTEN, Case, Task
from .contenders import Contender
from .mcp_client import (
    COLD,
    PEER,
    WARM,
    Peer,
    Playrail,
    Program,
    called,
    linux_mcp_server,
    playrail,
)
from .place import Host, NotMeasured
from .table import Results
from .targets import CALL, EIGHT_CLIENTS, ONE_CLIENT

Job = Callable[[], Awaitable[float]]
SETTLE_S = 0.02  # between two calls, for what the one before left to be tidied up
WARM_UP_S = 10.0  # from the start of a warm server until it is measured
# What no target is about takes part in every third round, for the time it takes
SLOW, SLOW_SHARE = (COLD,), 3
BLOCKS, CALLS_OF_ONE, CALLS_OF_EIGHT = 5, 30, 80

_numbers = itertools.count(1)


async def interleave(
    results: Results, jobs: Mapping[str, Mapping[str, Job]], *, rounds: int, warm_ups: int = 2
) -> None:
    """Does every job once a round, by what is done and by whom. The warm-ups are not
    counted.

    What fails once is noted as not measured, and not done again.
    """
    # Nobody is always measured after the same other one, and each run has the same order
    order = random.Random(1)
    failed: set[tuple[str, str]] = set()
    for number in range(-warm_ups, rounds):
        for done, by_whom in jobs.items():
            for by in order.sample(sorted(by_whom), len(by_whom)):
                if (done, by) in failed or (by in SLOW and max(number, 0) % SLOW_SHARE):
                    continue
                try:
                    seconds = await by_whom[by]()
                except NotMeasured as error:
                    failed.add((done, by))
                    results.drop(done, by, error)
                    continue
                if number >= 0:
                    results.add(done, by, seconds)
                await asyncio.sleep(SETTLE_S)


async def measure_cases(
    results: Results, host: Host, python: Path | None, scratch: Path, *, rounds: int
) -> None:
    """Every case by every contender that has a way to do it."""
    async with AsyncExitStack() as stack:
        found: dict[str, Contender] = {}
        for name, opening in _contenders(host, python, scratch).items():
            try:
                found[name] = await stack.enter_async_context(opening)
            except NotMeasured as error:
                results.miss(name, error)
        jobs = {
            case.name: {
                by: _job(contender, case)
                for by, contender in found.items()
                if contender.does(case.task(0))
            }
            for case in CASES
        }
        await _ask_ssh(found, f"cat >{WRITTEN}-same", SAME)
        try:
            await interleave(results, jobs, rounds=rounds)
        finally:
            await _ask_ssh(found, f"rm -f {WRITTEN}-*")


async def _ask_ssh(found: Mapping[str, Contender], command: str, stdin: str = "") -> None:
    await found[contenders.SSH].ask(
        Task(tool="", arguments={}, stock={}, shell=command, stdin=stdin)
    )


def _contenders(
    host: Host, python: Path | None, scratch: Path
) -> Mapping[str, AbstractAsyncContextManager[Contender]]:
    """All contenders, not yet started. Those that need packages are left out when there are
    none.
    """
    found: dict[str, AbstractAsyncContextManager[Contender]] = {
        contenders.SSH: contenders.ssh(host, scratch / "ssh"),
        contenders.STOCK: contenders.stock(host, scratch / "stock"),
        COLD: connected(
            playrail([host], scratch / "cold", warm=False),
            lambda client: Playrail(client=client, host=host),
        ),
        WARM: connected(
            playrail([host], scratch / "warm", warm=True),
            lambda client: Playrail(client=client, host=host),
        ),
    }
    if python is not None:
        found |= {
            contenders.ASYNCSSH_KEPT: contenders.library(python, "asyncssh", "kept", [host]),
            contenders.ASYNCSSH_ANEW: contenders.library(python, "asyncssh", "anew", [host]),
            contenders.PARAMIKO_KEPT: contenders.library(python, "paramiko", "kept", [host]),
            PEER: connected(
                linux_mcp_server(python, host, scratch / "peer"),
                lambda client: Peer(client=client, host=host),
            ),
        }
    return found


@asynccontextmanager
async def connected(
    program: Program, made: Callable[[Client], Contender]
) -> AsyncIterator[Contender]:
    """A contender that asks a started server."""
    async with program.started() as client:
        contender = made(client)
        if program.name == WARM:
            await _warm_up(contender)
        yield contender


def _job(contender: Contender, case: Case) -> Job:
    return lambda: contender.ask(case.task(next(_numbers)))


async def _warm_up(contender: Contender) -> None:
    """Asks until the time is over; the server has then made everything that it keeps."""
    task = next(case for case in CASES if case.name == UPTIME).task(0)
    until = time.monotonic() + WARM_UP_S
    while time.monotonic() < until:
        await contender.ask(task)


async def measure_throughput(results: Results, host: Host, scratch: Path) -> None:
    """Seconds per call when one client asks call after call, and when eight do at once, of
    one warm server.

    Raises NotMeasured.
    """

    async def ask(client: Client, calls: int) -> None:
        for _ in range(calls):
            await called(client, "execute_command", {"cmd": "uptime", "server": host.name})

    async def block(client: Client, clients: int, calls: int) -> float:
        started = time.perf_counter()
        await asyncio.gather(*(ask(client, calls // clients) for _ in range(clients)))
        return (time.perf_counter() - started) / calls

    async with playrail([host], scratch / "throughput", warm=True).started() as client:
        await _warm_up(Playrail(client=client, host=host))
        jobs: dict[str, Job] = {
            ONE_CLIENT: lambda: block(client, 1, CALLS_OF_ONE),
            EIGHT_CLIENTS: lambda: block(client, 8, CALLS_OF_EIGHT),
        }
        await interleave(results, {CALL: jobs}, rounds=BLOCKS, warm_ups=1)
