"""Real plays on this machine, for tests: hosts with the local connection, and a Playrail of
their own in a directory.

Nothing here stands in for Playrail's code. A test's own tool is a declaration like any
other, with an absolute path as its playbook.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from anyio.from_thread import start_blocking_portal

from playrail.ansible.environment import environment
from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.run.play import Play, new_run_id
from playrail.ansible.run.runner import Runner, RunResult
from playrail.ansible.warm.resident import Resident
from playrail.calls.answers import Answer
from playrail.calls.bounds import Bounds
from playrail.door.door import Playrail
from playrail.errors import Problem
from playrail.settings.content import content_root
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool, OnHosts, PlaybookTool, Report, Risk
from worlds.callers import ANN

# A task that sleeps for so many seconds, see await_nap
NAP = "- {name: Report, ansible.builtin.command: {argv: [sleep, '%s']}, changed_when: false}"
PATIENCE_S = 100.0  # with a machine that does much else; less than pytest's own
LOCAL = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
}


@dataclass
class Way:
    """How plays are started; the fixture `way` of conftest.py sets it for a module's tests."""

    warm: bool = False


WAY = Way()


class Whatever(Report):
    """A report that only says whether there is one."""


def environ(place: Path, **more: str) -> dict[str, str]:
    """The environment of a Playrail whose files are all below `place`."""
    return {
        "HOME": str(place),
        "PATH": os.environ["PATH"],
        "PLAYRAIL_STATE_DIR": str(place / "state"),
        "PLAYRAIL_RUNTIME_DIR": str(place / "run"),
        "PLAYRAIL_ALIASES": "1",  # so that every tool can be called
        **more,
    }


def playrail(place: Path, *tools: AnyTool, **more: str) -> Playrail:
    """A Playrail of its own, with `tools` besides the built-in ones. Without an inventory
    it has the bundled one.
    """
    return bounded(Bounds(), place, *tools, **more)


def bounded(bounds: Bounds, place: Path, *tools: AnyTool, **more: str) -> Playrail:
    given = environ(place, **more)
    offered = {tool.name: tool for tool in tools}
    settings = Settings.load(given, dotenv=None)
    return Playrail(settings, environ=given, warm=WAY.warm, bounds=bounds, tools=offered)


def answered(server: Playrail, tool_: str, /, **arguments: Any) -> Answer:
    async def calling() -> Answer:
        async with server:
            return await server.call(tool_, arguments, caller=ANN)

    return asyncio.run(calling())


@contextmanager
def standing(place: Path, **more: str) -> Iterator[Callable[..., Answer]]:
    """Calls of one Playrail that stays, its Ansible kept ready: `call(tool, **arguments)`.

    For many calls of which none is about the start of a server or of Ansible.
    """
    given = environ(private_directory(place), **more)

    async def call(server: Playrail, tool_: str, /, **arguments: Any) -> Answer:
        return await server.call(tool_, arguments, caller=ANN)

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            Playrail(Settings.load(given, dotenv=None), environ=given, warm=True)
        ) as server,
    ):
        yield lambda tool_, /, **arguments: portal.call(partial(call, server, tool_, **arguments))


def inventory(place: Path, *hosts: str, variables: Mapping[str, Any] | None = None) -> Path:
    path = place / "hosts.yml"
    content = {"all": {"hosts": {host: {**LOCAL, **(variables or {})} for host in hosts}}}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def playbook(place: Path, tasks: str, *, name: str = "play.yml") -> Path:
    """A playbook with `tasks` (YAML text), for the hosts that it is played on."""
    head = {
        "name": "A test's play",
        "hosts": "{{ playrail_target }}",
        "gather_facts": False,
        "environment": {"PLAYRAIL_RUN": "{{ playrail_run }}"},
        "tasks": yaml.safe_load(tasks),
    }
    path = place / name
    path.write_text(yaml.safe_dump([head], sort_keys=False), encoding="utf-8")
    return path


def tool(
    place: Path, tasks: str, *, name: str = "probe", **more: Any
) -> PlaybookTool[OnHosts, Whatever]:
    declared: dict[str, Any] = {"risk": Risk.READ, "input": OnHosts, "report": Whatever, **more}
    path = playbook(place, tasks, name=f"{name}.yml")
    return PlaybookTool(name=name, summary="A test's tool.", playbook=str(path), **declared)


def play(book: Path, hosts: Sequence[str], sources: Sequence[Path], **more: Any) -> Play:
    given = {"run_id": new_run_id(), "variables": {}, "secrets": {}, **more}
    return Play(playbook=book, hosts=hosts, inventory=[str(source) for source in sources], **given)


def existing(sources: Sequence[str]) -> str:
    return ":".join(source for source in sources if Path(source).exists())


def made_for(place: Path, **more: str) -> tuple[Path, dict[str, str], Inventory]:
    """What a Runner or Resident of its own is made with: the directory for runs, the
    environment, the inventory.
    """
    given = environ(place, **more)
    settings = Settings.load(given, dotenv=None)
    runs_dir = private_directory(private_directory(place / "run") / "test")
    return (
        runs_dir,
        environment(settings, given),
        Inventory(settings, content_root(), environ=given),
    )


@asynccontextmanager
async def runner(place: Path, sources: Sequence[str], **more: str) -> AsyncIterator[Runner]:
    """A runner for plays on the hosts of `sources`, which is warm when the module's tests
    are.
    """
    runs_dir, child, known = made_for(place, PLAYRAIL_INVENTORY=existing(sources), **more)
    resident = None
    if WAY.warm:
        resident = Resident(
            runs_dir=runs_dir, environment=child, inventory=known, idle_s=600, most_bytes=1 << 30
        )
        assert await resident.ready() is not None
    try:
        yield Runner(runs_dir=runs_dir, environment=child, warm=resident)
    finally:
        if resident is not None:
            await resident.close()


def runs(
    place: Path, *what: Play, deadline_s: float = 60, given: Mapping[str, str] | None = None
) -> list[RunResult]:
    """Runs plays on the same hosts one after the other, with `given` in the environment.
    Raises AnsibleFailed.
    """

    async def running() -> list[RunResult]:
        async with runner(place, what[0].inventory, **(given or {})) as made:
            return [
                await made.run(each, deadline_s=deadline_s, stop=asyncio.Event(), progress=None)
                for each in what
            ]

    return asyncio.run(running())


def run(
    place: Path, what: Play, *, deadline_s: float = 60, given: Mapping[str, str] | None = None
) -> RunResult:
    """Runs `what` to its end, with `given` in the environment. Raises AnsibleFailed."""
    return runs(place, what, deadline_s=deadline_s, given=given)[0]


@contextmanager
def ready(place: Path, source: Path) -> Iterator[Callable[..., RunResult]]:
    """Runs plays on the hosts of an inventory, each in a fork of one Ansible that stays. A
    play that is given with `cut` is stopped when that function returns.
    """
    runs_dir, child, known = made_for(place, PLAYRAIL_INVENTORY=str(source))
    resident = Resident(
        runs_dir=runs_dir, environment=child, inventory=known, idle_s=600, most_bytes=1 << 30
    )
    made = Runner(runs_dir=runs_dir, environment=child, warm=resident)

    async def playing(what: Play, cut: Callable[[], None] | None = None) -> RunResult:
        assert await resident.ready() is not None
        stop = asyncio.Event()
        running = asyncio.create_task(made.run(what, deadline_s=60, stop=stop, progress=None))
        if cut is not None:
            await asyncio.to_thread(cut)
            stop.set()
        return await running

    with start_blocking_portal() as portal:
        try:
            yield partial(portal.call, playing)
        finally:
            portal.call(resident.close)


def codes(ran: RunResult) -> dict[str, str | None]:
    """Per host the code of its problem, None when it has none."""
    return {host: _code(outcome.problem) for host, outcome in ran.hosts.items()}


def _code(problem: Problem | None) -> str | None:
    return problem.code if problem else None


def processes(*words: str) -> list[int]:
    """The living processes whose command line and environment hold `words`."""
    wanted = [word.encode() for word in words]
    told = {pid: _told(pid, "cmdline") + _told(pid, "environ") for pid in _others()}
    return [pid for pid, text in told.items() if all(word in text for word in wanted)]


def await_work(seconds: str) -> None:
    """Returns when a `sleep SECONDS` is at work."""
    while not processes(f"sleep\0{seconds}\0"):
        time.sleep(0.1)


def end_at_work(pid: int, seconds: str) -> None:
    """Kills the process as soon as a `sleep SECONDS` is at work."""
    await_work(seconds)
    os.kill(pid, signal.SIGKILL)


def naps(place: Path, seconds: str) -> list[int]:
    """The processes `sleep SECONDS` of the Playrail in `place`, whose HOME that is."""
    nap, home = f"sleep\0{seconds}\0".encode(), f"HOME={place}\0".encode()
    # Few sleep so long: of all others the environment needs no look, which takes longest
    sleeping = [pid for pid in _others() if nap in _told(pid, "cmdline")]
    return [pid for pid in sleeping if home in _told(pid, "environ")]


def await_nap(place: Path, seconds: str) -> None:
    """Returns when a play has come to its `sleep SECONDS`. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while not naps(place, seconds):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def gone(place: Path, *, within_s: float) -> bool:
    """Whether no process is left of the Playrail in `place`, at the latest after `within_s`
    seconds.
    """
    deadline = time.monotonic() + within_s
    while processes(str(place)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _others() -> list[int]:
    names = os.listdir("/proc")  # noqa: PTH208  half the time
    numbers = [int(name) for name in names if name.isdigit()]
    return [pid for pid in numbers if pid != os.getpid()]


def _told(pid: int, what: str) -> bytes:
    """Nothing of a process that has ended, is gone meanwhile, or is another user's."""
    try:
        with open(f"/proc/{pid}/{what}", "rb") as file:  # noqa: PTH123  half the time
            return file.read()
    except OSError:
        return b""


def below(*places: Path) -> dict[str, bytes]:
    """Every file below `places` with its content."""
    found = {}
    for place in places:
        for path in place.rglob("*"):
            try:
                if path.is_file() and not path.is_symlink():
                    found[str(path)] = path.read_bytes()
            except OSError:  # gone meanwhile
                continue
    return found
