"""systemd units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AliasPath, BeforeValidator, Field, ValidationInfo, computed_field, model_validator

from playrail.errors import Problem
from playrail.fields import UnitName
from playrail.tool import Changing, Effect, Invocation, OnHosts, PlaybookTool, Report, Risk, by_field

BRINGS_BACK = {  # of a state before, the action that brings it back
    ("active", "active"): "start",
    ("active", "reloading"): "start",
    ("active", "refreshing"): "start",
    ("active", "inactive"): "stop",
    ("enabled", "enabled"): "enable",
    ("enabled", "disabled"): "disable",
}
BROUGHT_ABOUT: Mapping[str, Mapping[str, str]] = {  # by an action on a unit that is not so already
    "start": {"active": "active"},
    "restart": {"active": "active"},
    "stop": {"active": "inactive"},
    "enable": {"enabled": "enabled"},
    "disable": {"enabled": "disabled"},
}
ENABLED_FROM = ("disabled", "enabled", "enabled-runtime", "linked", "linked-runtime")  # of others only systemd knows
UNFORESEEN = {
    "start": "Whether {} comes up is known only when it is started.",
    "restart": "Whether {} comes up again is known only then; and that it was restarted cannot be taken back.",
    "reload": "What {} makes of its configuration is known only then; and that it was reloaded cannot be taken back.",
    "stop": "Units that require {} are stopped as well; which, is not told.",
}
STAYS_STOPPED = "Units that were stopped with it, because they require it, stay stopped."
RUNNING = ("active", "reloading", "refreshing")
# A generator may make these at each boot, of a script of SysV init for one; enabled-runtime may as well be gone then.
NOT_KNOWN = ("generated", "enabled-runtime")
NOT_SET = ("", "[not set]", "n/a", str(2**64 - 1))  # systemd's ways to say: no value

# Since when a unit is in its state is the time at which it entered that state (as `systemctl status` shows it).
ENTERED = {
    "active": "ActiveEnterTimestamp",
    "reloading": "ActiveEnterTimestamp",
    "refreshing": "ActiveEnterTimestamp",
    "inactive": "InactiveEnterTimestamp",
    "failed": "InactiveEnterTimestamp",
    "activating": "InactiveExitTimestamp",
    "deactivating": "ActiveExitTimestamp",
}

Action = Literal["status", "start", "stop", "restart", "reload", "enable", "disable", "is-active", "is-enabled"]


class Service(OnHosts):
    name: UnitName


class ServiceAction(Changing, Service):
    action: Action = Field(
        description="status, is-active and is-enabled only look; reload never starts a unit that is not active.",
        examples=["status"],
    )


def _set(value: Any) -> Any:
    return None if value in NOT_SET else value


def _some(number: Any) -> Any:
    return None if number in (*NOT_SET, "0") else number


def _time(text: str | None) -> datetime | None:
    """The time in `Fri 2026-11-20 21:44:30 UTC`; None when it is in another zone, whose offset is not known."""
    try:
        return datetime.strptime((text or "").partition(" ")[2], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    except ValueError:
        return None


def _ending(status: Mapping[str, str]) -> dict[str, str]:
    """How the main process ended. ExecMainCode is waitid(2)'s: 1 exited, 2 killed, 3 dumped; 0 is not at all."""
    field = {"1": "exit_code", "2": "exit_signal", "3": "exit_signal"}.get(status.get("ExecMainCode", ""))
    return {} if field is None else {field: status["ExecMainStatus"]}


def shown(name: str, *, about: str) -> Any:
    """A field that is read from the property `name`, as `systemctl show` has it."""
    return Field(default=None, validation_alias=AliasPath("status", name), description=about)


Word = Annotated[str | None, BeforeValidator(_set)]
Number = Annotated[int | None, BeforeValidator(_set)]


class ServiceState(Report):
    """A unit's properties; org.freedesktop.systemd1(5) has them."""

    name: Word = shown("Id", about="The unit's full name.")
    description: Word = shown("Description", about="What it is.")
    load_state: Word = shown("LoadState", about="loaded, not-found, masked ..")
    active_state: Word = shown("ActiveState", about="active, inactive, failed, activating ..")
    sub_state: Word = shown("SubState", about="The unit type's own word for it, such as running, exited or dead.")
    unit_file_state: Word = shown("UnitFileState", about="enabled, disabled, static .. as `is-enabled` says it.")
    main_pid: Annotated[int | None, BeforeValidator(_some)] = shown("MainPID", about="Its main process.")
    since: datetime | None = Field(default=None, description="When it entered its active_state.")
    memory_bytes: Number = shown("MemoryCurrent", about="Memory that its processes use.")
    restarts: Number = shown("NRestarts", about="How often systemd restarted it by itself.")
    result: Word = shown("Result", about="How it ended last: success, exit-code, signal, timeout ..")
    exit_code: int | None = Field(default=None, description="Exit status of its main process; null while it runs.")
    exit_signal: int | None = Field(default=None, description="Number of the signal that ended its main process.")

    start_failed: bool = Field(default=False, exclude=True)
    only_checked: bool = Field(default=False, exclude=True)
    changed: bool = Field(default=False, exclude=True)
    before: Mapping[str, str] = Field(default_factory=dict, exclude=True)
    asked: Service = Field(exclude=True)

    @computed_field(description="Whether it is active.")  # type: ignore[prop-decorator]  # mypy 1362
    @property
    def active(self) -> bool:
        return self.active_state in RUNNING

    @computed_field(  # type: ignore[prop-decorator]  # mypy 1362
        description="Whether it is started at boot by itself; null when its unit_file_state does not tell."
    )
    @property
    def enabled(self) -> bool | None:
        return None if self.unit_file_state in NOT_KNOWN else self.unit_file_state == "enabled"

    @model_validator(mode="before")
    @classmethod
    def _with_what_was_asked(cls, raw: Any, info: ValidationInfo) -> Any:
        if not isinstance(raw, dict) or "status" not in raw:
            raise ValueError("is no look at a unit")
        status = raw["status"]
        since = _time(status.get(ENTERED.get(status.get("ActiveState"), "")))
        return {
            "status": status,
            "since": since,
            "start_failed": raw.get("start_failed", False),
            "only_checked": raw.get("only_checked", False),
            "changed": raw.get("changed", False),
            "before": raw.get("before", {}),
            "asked": (info.context or {}).get("given"),
            **_ending(status),
        }

    @property
    def action(self) -> str:
        return self.asked.action if isinstance(self.asked, ServiceAction) else "status"

    def effects(self) -> Sequence[Effect]:
        """A restart of what is active leaves the state as it is. Of a failed start the state before is not known."""
        if not self.changed:
            return ()
        after: dict[str, str | None] = {"active": self.active_state, "enabled": self.unit_file_state}
        before = {"active": _set(self.before.get("ActiveState")), "enabled": _set(self.before.get("UnitFileState"))}
        if self.only_checked:
            after |= self._would_be()
        if not self.before:
            before["enabled"] = after["enabled"]
        effect = Effect(kind="service", name=_short(self.name or self.asked.name), before=before, after=after)
        return () if before == after else (effect,)

    def _would_be(self) -> Mapping[str, str]:
        """What a real run would bring about, as far as that is known beforehand."""
        if self._untold() is not None:
            return {"active": "inactive"} if self._ends_by_itself else {}
        if self.action == "disable" and self.before.get("UnitFileState") != "enabled":
            return {}  # static, generated and the like: Ansible disables them each time, and systemd leaves them so
        return BROUGHT_ABOUT.get(self.action, {})

    def _untold(self) -> str | None:
        """Why nobody knows beforehand in which state the unit will be, a sentence with {} for its name."""
        starts, state = self.action in ("start", "restart"), self.before.get("UnitFileState", "")
        if self.before.get("LoadState") == "masked" and (starts or self.action == "enable"):
            return "{} is masked: it can be neither started nor enabled."
        if starts and self._ends_by_itself:
            return "{} runs and ends each time that it is started; what comes of it is known only then."
        if self.action == "enable" and state not in ENABLED_FROM:
            return (
                f"What comes of enabling {{}}, which is {state or 'in an unknown state'}, is known only in a real run."
            )
        return None

    @property
    def _ends_by_itself(self) -> bool:
        return self.before.get("Type") == "oneshot" and self.before.get("RemainAfterExit") != "yes"

    def unforeseen(self) -> Sequence[str]:
        told = self._untold() or UNFORESEEN.get(self.action)
        return (told.format(self.asked.name),) if told and self.changed else ()

    def problem(self) -> Problem | None:
        unit = self.asked.name
        action = self.action
        done = not self.only_checked
        if self.load_state is None or (self.load_state == "not-found" and not self.active):
            return Problem(
                code="service_not_found",
                error=f"There is no unit {unit} on this host.",
                hint="Check the name; a template such as name@ needs an instance: name@instance.",
            )
        if (
            done
            and action in ("start", "restart")
            and (self.start_failed or self.active_state in ("failed", "activating"))
        ):
            return Problem(
                code="service_failed",
                error=f"{unit} did not come up: it is {self.active_state} ({self.result}).",
                hint="get_journal_logs of this unit says why.",
            )
        if action == "reload" and not self.active:
            return Problem(
                code="service_not_active",
                error=f"{unit} is {self.active_state}, so there is nothing to reload; nothing was changed.",
                hint="Use the action start, which reads the configuration as well.",
            )
        if done and action == "stop" and self.active:
            return Problem(
                code="service_not_stopped",
                error=f"{unit} was stopped but is {self.active_state} again.",
                hint="A socket, a timer or another unit may have started it; look at those.",
            )
        return None


def _short(unit: str) -> str:
    """nginx.service is nginx too."""
    return unit.removesuffix(".service")


def _undo(effect: Effect) -> Invocation | str:
    """The action that gives a unit its former state. A unit can be started and stopped, but not made to fail, and one
    that has failed is not made inactive by stopping it.
    """
    before, after = effect.before or {}, effect.after or {}
    changes = [
        (key, before.get(key), after.get(key)) for key in ("active", "enabled") if before.get(key) != after.get(key)
    ]
    actions = [BRINGS_BACK.get((key, was or "")) for key, was, now in changes if (was, now) != ("inactive", "failed")]
    if len(actions) == len(changes) == 1 and actions[0] is not None:
        leaves = (STAYS_STOPPED,) if actions[0] == "start" else ()
        arguments = {"name": effect.name, "action": actions[0]}
        return Invocation(tool="manage_service", arguments=arguments, leaves=leaves)
    told = " and ".join(f"{was or 'in an unknown state'}, now {now}" for _, was, now in changes)
    return f"{effect.name} was {told}: no action of manage_service brings that back."


def _what_is_set(given: ServiceAction) -> Mapping[str, Invocation]:
    kinds = {"start": "active", "stop": "active", "restart": "active", "enable": "enabled", "disable": "enabled"}
    if given.action not in kinds:
        return {}
    name = _short(given.name)
    action = "start" if given.action == "restart" else given.action
    lasting = Invocation(tool="manage_service", arguments={"name": name, "action": action})
    return {f"service {name} {kinds[given.action]}": lasting}


manage_service = PlaybookTool(
    name="manage_service",
    summary="Start, stop, restart, reload, enable, disable or look at a systemd service; tells its state afterwards.",
    risk=by_field(
        "action",
        {"status": Risk.READ, "is-active": Risk.READ, "is-enabled": Risk.READ},
        otherwise=Risk.DESTRUCTIVE,
    ),
    input=ServiceAction,
    playbook="services/manage_service.yml",
    report=ServiceState,
    timeout_s=180,
    undo=_undo,
    intents=_what_is_set,
)

check_service_status = PlaybookTool(
    name="check_service_status",
    summary="See whether a systemd service is active and enabled at boot, since when, and how it ended last.",
    risk=Risk.READ,
    input=Service,
    playbook="services/check_service_status.yml",
    report=ServiceState,
)
