"""systemd units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AliasPath, BeforeValidator, Field, ValidationInfo, computed_field, model_validator

from playrail.errors import Problem
from playrail.fields import UnitName
from playrail.tool import OnHosts, PlaybookTool, Report, Risk, by_field

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


class ServiceAction(Service):
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
            "asked": (info.context or {}).get("given"),
            **_ending(status),
        }

    def problem(self) -> Problem | None:
        unit = self.asked.name
        action = self.asked.action if isinstance(self.asked, ServiceAction) else "status"
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
)

check_service_status = PlaybookTool(
    name="check_service_status",
    summary="See whether a systemd service is active and enabled at boot, since when, and how it ended last.",
    risk=Risk.READ,
    input=Service,
    playbook="services/check_service_status.yml",
    report=ServiceState,
)
