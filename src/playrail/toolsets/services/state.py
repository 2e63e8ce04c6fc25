"""What is told of a systemd unit, after an action on it too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    computed_field,
    model_validator,
)

from playrail.errors import Problem
from playrail.tools.effects import Effect
from playrail.tools.tool import Report
from playrail.toolsets.services.actions import SERVICE, Service, short_name
from playrail.toolsets.services.failures import RUNNING, Change, failure_of

BROUGHT_ABOUT: Mapping[str, Mapping[str, str]] = {  # by an action on a unit that is not so already
    "start": {"active": "active"},
    "restart": {"active": "active"},
    "stop": {"active": "inactive"},
    "enable": {"enabled": "enabled"},
    "disable": {"enabled": "disabled"},
}
# Of others only systemd knows
ENABLED_FROM = ("disabled", "enabled", "enabled-runtime", "linked", "linked-runtime")
UNFORESEEN = {
    "start": "Whether {} comes up is known only when it is started.",
    "restart": (
        "Whether {} comes up again is known only then; and that it was restarted cannot be "
        "taken back."
    ),
    "reload": (
        "What {} makes of its configuration is known only then; and that it was reloaded "
        "cannot be taken back."
    ),
}
# A generator may make these at each boot, of a script of SysV init for one; enabled-runtime
# may as well be gone then.
NOT_KNOWN = ("generated", "enabled-runtime")
NOT_SET = ("", "[not set]", "n/a", "infinity", str(2**64 - 1))  # systemd's ways to say: no value

# Since when a unit is in its state is the time at which it entered that state (as
# `systemctl status` shows it).
ENTERED = {
    "active": "ActiveEnterTimestamp",
    "reloading": "ActiveEnterTimestamp",
    "refreshing": "ActiveEnterTimestamp",
    "inactive": "InactiveEnterTimestamp",
    "failed": "InactiveEnterTimestamp",
    "activating": "InactiveExitTimestamp",
    "deactivating": "ActiveExitTimestamp",
}

# What a look tells beside properties
OF_LOOKS = ("failed_step", "details", "command", "listens", "next_run", "last_run", "processes")

READS_FILES = (
    "systemd reads all changed unit files anew first: those of {} are not what it has read."
)


def _set(value: Any) -> Any:
    return None if value in NOT_SET else value


def _some(number: Any) -> Any:
    return None if number in (*NOT_SET, "0") else number


def _seconds(nanoseconds: Any) -> Any:
    number = _set(nanoseconds)
    return round(int(number) / 1e9, 1) if number is not None else None


def _time(text: str | None) -> datetime | None:
    """The time in `Fri 2026-11-20 21:44:30 UTC`; None when it is in another zone, whose
    offset is not known.
    """
    try:
        return datetime.strptime((text or "").partition(" ")[2], "%Y-%m-%d %H:%M:%S UTC").replace(
            tzinfo=UTC
        )
    except ValueError:
        return None


def _ending(status: Mapping[str, str]) -> dict[str, str]:
    """How the main process ended. ExecMainCode is waitid(2)'s: 1 exited, 2 killed, 3
    dumped; 0 is not at all.
    """
    field = {"1": "exit_code", "2": "exit_signal", "3": "exit_signal"}.get(
        status.get("ExecMainCode", "")
    )
    return {} if field is None else {field: status["ExecMainStatus"]}


def shown(name: str, *, about: str) -> Any:
    """A field that is read from the property `name`, as `systemctl show` has it."""
    return Field(default=None, validation_alias=AliasPath("status", name), description=about)


def _split(value: Any) -> Any:
    return value.split() or None if isinstance(value, str) else value


Word = Annotated[str | None, BeforeValidator(_set)]
Words = Annotated[list[str] | None, BeforeValidator(_split)]
Names = Annotated[list[str] | None, BeforeValidator(lambda names: names or None)]
Number = Annotated[int | None, BeforeValidator(_set)]
Some = Annotated[int | None, BeforeValidator(_some)]
Seconds = Annotated[float | None, BeforeValidator(_seconds)]


def detail(name: str, *, about: str) -> Any:
    """The same of a property that only a look reads."""
    return Field(default=None, validation_alias=AliasPath("details", name), description=about)


class OfUnit(BaseModel):
    pid: int
    name: str


class ServiceState(Report):
    """A unit's properties; org.freedesktop.systemd1(5) has them."""

    name: Word = shown("Id", about="The unit's full name.")
    description: Word = shown("Description", about="What it is.")
    load_state: Word = shown("LoadState", about="loaded, not-found, masked ..")
    active_state: Word = shown("ActiveState", about="active, inactive, failed, activating ..")
    sub_state: Word = shown(
        "SubState", about="The unit type's own word for it, such as running, exited or dead."
    )
    unit_file_state: Word = shown(
        "UnitFileState", about="enabled, disabled, static .. as `is-enabled` says it."
    )
    main_pid: Some = shown("MainPID", about="Its main process.")
    since: datetime | None = Field(default=None, description="When it entered its active_state.")
    memory_bytes: Number = shown("MemoryCurrent", about="Memory that its processes use.")
    restarts: Number = shown("NRestarts", about="How often systemd restarted it by itself.")
    result: Word = shown(
        "Result", about="How it ended last: success, exit-code, signal, timeout .."
    )
    exit_code: int | None = Field(
        default=None, description="Exit status of its main process; null while it runs."
    )
    exit_signal: int | None = Field(
        default=None, description="Number of the signal that ended its main process."
    )

    failed_step: str | None = Field(
        default=None, description="Which of its commands failed, and how."
    )
    fragment_path: Word = shown("FragmentPath", about="Its unit file.")
    drop_ins: Words = shown("DropInPaths", about="Files that change it.")
    triggered_by: Words = shown("TriggeredBy", about="Units that start it: sockets, timers, paths.")
    triggers: Words = shown("Triggers", about="Of a timer, socket or path: what it starts.")
    next_run: datetime | None = Field(default=None, description="Of a timer; null: none is due.")
    last_run: datetime | None = Field(default=None, description="Of a timer.")
    listens: Names = Field(default=None, description="Addresses of a socket.")
    command: str | None = Field(
        default=None, description="What it runs; *** is in place of what looks secret."
    )
    user: Word = detail("User", about="As whom, where its file says so.")
    status_text: Word = detail("StatusText", about="What the service says of itself.")
    tasks: Annotated[int | None, BeforeValidator(_some)] = detail(
        "TasksCurrent", about="How many processes and threads it has."
    )
    processes: list[OfUnit] | None = Field(
        default=None, description="Its processes beside the main one, at most 10."
    )
    memory_limit_bytes: Number = detail("MemoryMax", about="The most that it may have.")
    cpu_s: Seconds = detail("CPUUsageNSec", about="Processor time that it has used, in seconds.")
    need_daemon_reload: bool | None = Field(
        default=None,
        description="true: its files are not what systemd has read; restart reads them.",
    )
    daemon_reloaded: bool | None = Field(
        default=None, description="true: systemd has read changed unit files anew for this."
    )
    also_stopped: Names = Field(default=None, description="Units that were stopped with it.")
    also_restarted: Names = Field(
        default=None, description="Units that were started again with it."
    )
    left: list[OfUnit] | None = Field(
        default=None,
        description=(
            "Its processes that run on, though it was stopped: KillMode= of its file leaves them."
        ),
    )
    said: str | None = Field(default=None, description="What systemctl said.")
    messages: list[str] | None = Field(
        default=None,
        description="The last lines of its journal, when asked for or an action left it not up.",
    )
    messages_known: bool | None = Field(
        default=None, description="False when the user on the host may not read all of them."
    )

    done: Change = Field(exclude=True)
    asked: Service = Field(exclude=True)

    # mypy 1362
    @computed_field(description="Whether it is active.")
    @property
    def active(self) -> bool:
        return self.active_state in RUNNING

    @computed_field(
        description=(
            "Whether it is started at boot by itself; null when its unit_file_state does not tell."
        )
    )
    @property
    def enabled(self) -> bool | None:
        return None if self.unit_file_state in NOT_KNOWN else self.unit_file_state == "enabled"

    @model_validator(mode="before")
    @classmethod
    def _with_what_was_asked(cls, raw: Any, info: ValidationInfo) -> Any:
        if not isinstance(raw, dict) or "status" not in raw:
            raise ValueError("is no look at a unit")
        status, asked = raw["status"], (info.context or {})["given"]
        done = Change.model_validate(
            {**raw, "unit": asked.name, "action": getattr(asked, "action", "status")}
        )
        return {
            "status": status,
            "since": _time(status.get(ENTERED.get(status.get("ActiveState"), ""))),
            "need_daemon_reload": status.get("NeedDaemonReload") == "yes" or None,
            "daemon_reloaded": (done.reloads and not done.only_checked) or None,
            "also_stopped": []
            if done.only_checked
            else [short_name(was["Id"]) for was, _now in done.stopped],
            "also_restarted": [short_name(name) for name in done.restarted],
            "left": raw.get("left") or None,
            "said": done.said or None,
            "messages": raw.get("messages") or None,
            "messages_known": None if raw.get("messages_known", True) else False,
            **{name: raw.get(name) or None for name in OF_LOOKS},
            "done": done,
            "asked": asked,
            **_ending(status),
        }

    def effects(self) -> Sequence[Effect]:
        """A restart of what is active leaves the state as it is. The state before may be
        unknown.
        """
        if not self.done.changed:
            return ()
        was = self.done.before
        now = {"active": self.active_state, "enabled": self.unit_file_state}
        if self.done.only_checked:
            now |= self._would_be()
        enabled = _set(was.get("UnitFileState")) if was else now["enabled"]
        before = {"active": _set(was.get("ActiveState")), "enabled": enabled}
        after = None if self.done.is_gone or (self.done.only_checked and self.done.goes) else now
        name = short_name(self.name or self.asked.name)
        effect = Effect(kind=SERVICE.name, name=name, before=before, after=after)
        return (*self._with_it(), *(() if before == after else (effect,)))

    def _with_it(self) -> Iterator[Effect]:
        """Of the units that were stopped with it, or would be; the farthest first, so that
        it comes back before.
        """
        if self.done.only_checked and self.done.action == "restart":  # they are started again
            return
        for was, now in reversed(self.done.stopped):
            enabled = _set(was.get("UnitFileState"))
            active = "inactive" if self.done.only_checked else now.get("ActiveState")
            after = None if active is None else {"active": active, "enabled": enabled}
            before = {"active": was["ActiveState"], "enabled": enabled}
            yield Effect(kind=SERVICE.name, name=short_name(was["Id"]), before=before, after=after)

    def _would_be(self) -> Mapping[str, str]:
        """What a real run would bring about, as far as that is known beforehand."""
        if self._untold() is not None:
            return {"active": "inactive"} if self._ends_by_itself else {}
        if self.done.action == "disable" and self.done.before.get("UnitFileState") != "enabled":
            return {}  # of generated ones and the like only systemd knows
        return BROUGHT_ABOUT.get(self.done.action, {})

    def _untold(self) -> str | None:
        """Why nobody knows beforehand in which state the unit will be, a sentence with {}
        for its name.
        """
        before, action = self.done.before, self.done.action
        starts, state = action in ("start", "restart"), before.get("UnitFileState", "")
        if self.done.is_new:
            return "systemd does not know {} yet; what it makes of its file is known only then."
        if before.get("LoadState") == "masked" and (starts or action == "enable"):
            return "{} is masked: it can be neither started nor enabled."
        if starts and self._ends_by_itself:
            return (
                "{} runs and ends each time that it is started; what comes of it is known only "
                "then."
            )
        if action == "enable" and state not in ENABLED_FROM:
            return (
                f"What comes of enabling {{}}, which is {state or 'in an unknown state'}, is "
                "known only in a real run."
            )
        return None

    @property
    def _ends_by_itself(self) -> bool:
        return (
            self.done.before.get("Type") == "oneshot"
            and self.done.before.get("RemainAfterExit") != "yes"
        )

    def unforeseen(self) -> Sequence[str]:
        if not self.done.changed:
            return ()
        told = [self._untold() or UNFORESEEN.get(self.done.action)]
        if self.done.reloads:
            told.append(READS_FILES)
        if self.done.action == "restart" and self.done.stopped:
            told.append(
                f"{', '.join(short_name(was['Id']) for was, _now in self.done.stopped)} are "
                f"started again with {{}}."
            )
        if self.done.action == "stop" and self.done.starters:
            told.append(f"{', '.join(self.done.starters)} can start {{}} again.")
        return tuple(sentence.format(self.asked.name) for sentence in told if sentence)

    def problem(self) -> Problem | None:
        return failure_of(self.done)
