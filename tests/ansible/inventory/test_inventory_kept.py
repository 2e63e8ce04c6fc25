"""How long what was read of an inventory is kept, and what ends with it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from playrail.ansible.inventory.inventory import Hosts
from worlds.inventories import SERVERS, inventory_of, load, write

pytestmark = pytest.mark.slow


def test_kept_until_a_source_changes(cwd: Path) -> None:
    write(cwd, {"inv/hosts": "a\n", "inv/group_vars/all.yml": "tier: one\n"})

    async def steps() -> list[tuple[list[str], str | None]]:
        inventory = inventory_of(load(cwd, {"PLAYRAIL_INVENTORY": "inv/hosts"}))
        first, *others = await asyncio.gather(*(inventory.hosts() for _ in range(4)))
        assert all(other is first for other in others), (
            "one reading for all who ask at the same time"
        )
        assert await inventory.hosts() is first
        seen = [first]
        write(cwd, {"inv/group_vars/all.yml": "tier: two!\n"})
        seen.append(await inventory.hosts())
        write(cwd, {"inv/host_vars/a.yml": "tier: three\n"})
        seen.append(await inventory.hosts())
        write(cwd, {"inv/hosts": "a\nb\n"})
        seen.append(await inventory.hosts())
        return [(list(hosts.hosts), hosts.hosts["a"].tier) for hosts in seen]

    assert asyncio.run(steps()) == [
        (["a"], "one"),
        (["a"], "two!"),
        (["a"], "three"),
        (["a", "b"], "three"),
    ]


def test_one_callers_cancellation_is_not_the_others(cwd: Path) -> None:
    write(cwd, {"hosts": "a\n"})

    async def steps() -> list[str]:
        inventory = inventory_of(load(cwd, {"PLAYRAIL_INVENTORY": "hosts"}))
        first, second = (asyncio.create_task(inventory.hosts()) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        return list((await second).hosts)

    assert asyncio.run(steps()) == ["a"]


def test_generated_file_comes_back(cwd: Path) -> None:
    inventory = inventory_of(load(cwd, servers=SERVERS))
    path = Path(inventory.sources()[0])
    path.unlink()
    assert list(asyncio.run(inventory.hosts()).hosts) == ["vps", "api"]
    assert path.exists()
    inventory.close()
    inventory.close()
    assert not path.exists()


def wait_for(path: Path) -> None:
    while not (path.exists() and path.read_text()):
        time.sleep(0.02)


def test_closing_ends_a_reading_and_what_it_started(cwd: Path) -> None:
    write(cwd, {"slow": f"#!/bin/sh\necho $$ > {cwd}/pid\nexec sleep 60\n"})
    (cwd / "slow").chmod(0o755)

    async def steps() -> tuple[Hosts | BaseException]:
        settings = load(
            cwd, {"PLAYRAIL_INVENTORY": "slow", "PLAYRAIL_ALLOW_INVENTORY_SCRIPTS": "1"}
        )
        inventory = inventory_of(settings)
        reading = asyncio.create_task(inventory.hosts())
        await asyncio.to_thread(wait_for, cwd / "pid")
        inventory.close()
        return await asyncio.gather(reading, return_exceptions=True)

    assert [type(outcome) for outcome in asyncio.run(steps())] == [asyncio.CancelledError]
    status = Path("/proc", (cwd / "pid").read_text().strip(), "stat")
    ends = time.monotonic() + 10
    while not has_ended(status) and time.monotonic() < ends:
        time.sleep(0.05)
    assert has_ended(status)


def has_ended(status: Path) -> bool:
    try:
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
