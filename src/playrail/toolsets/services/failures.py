"""What is a failure of an action on a systemd unit, though systemctl may have said that all
is well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, Field

from playrail.codes import work
from playrail.errors import Problem

RUNNING = ("active", "reloading", "refreshing")
UNDER_WAY = ("activating", "deactivating")
AT_BOOT = ("enabled", "enabled-runtime", "linked", "linked-runtime")
NEVER_ENABLED = {
    "static": "its unit file has no [Install] section",
    "transient": "it was made for this run of the system only",
}
RELOAD = f"{work.SERVICE_FAILED.hint[:-1]}; most likely its configuration is wrong."
# The words of systemd
SKIPPED = re.compile(r"\bskipped\b.*\b[Cc]ondition\b|\bCondition check resulted in\b")


class Change(BaseModel):
    """What an action on a unit came to: systemd's properties before and after, and what
    systemctl said.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    unit: str
    action: str
    status: Mapping[str, str]
    before: Mapping[str, str] = Field(default_factory=dict)
    changed: bool = False
    only_checked: bool = False
    job_failed: bool = False
    said: str = ""
    reloads: bool = False
    starters: tuple[str, ...] = ()
    boots: tuple[str, ...] = ()
    restarts: int = 0
    stopped: tuple[tuple[Mapping[str, str], Mapping[str, str]], ...] = ()
    restarted: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    ran: bool = False
    messages: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        return self.status.get("ActiveState", "")

    @property
    def file_state(self) -> str:
        return self.status.get("UnitFileState", "")

    @property
    def is_active(self) -> bool:
        return self.state in RUNNING

    @property
    def is_missing(self) -> bool:
        return self.status.get("LoadState") in (None, "not-found") and not self.is_active

    @property
    def is_new(self) -> bool:
        """In check mode: there is a file of which systemd does not know yet."""
        return self.is_missing and self.only_checked and self.reloads

    @property
    def is_gone(self) -> bool:
        """Whether the unit was there before the action and went with it, as one that was
        made for once does.
        """
        return self.is_missing and self.before.get("LoadState") not in (None, "not-found")

    @property
    def goes(self) -> bool:
        """In check mode: whether it would be gone."""
        return self.action == "stop" and self.before.get("Transient") == "yes"

    @property
    def words(self) -> str:
        """The first line of what systemctl said, as the end of a sentence."""
        return f": {self.said.splitlines()[0].rstrip('.')}" if self.said else ""

    @property
    def was_skipped(self) -> bool:
        """Whether its conditions were not met. systemd soon forgets what it knew of a unit
        that is not active.
        """
        known = self.status.get("ConditionTimestampMonotonic", "0") != "0"
        if known or self.ran:
            return known and self.status.get("ConditionResult") == "no" and not self.ran
        return any(SKIPPED.search(message) for message in self.messages)

    @property
    def ending(self) -> str:
        """How it ended, in brackets."""
        result, code = self.status.get("Result", ""), self.status.get("ExecMainCode", "")
        how = {"1": "exit status", "2": "signal", "3": "signal"}.get(code)
        told = [
            "" if result == "success" else result,
            *([f"{how} {self.status.get('ExecMainStatus')}"] if how else []),
        ]
        return f" ({', '.join(filter(None, told))})" if any(told) else ""


def failure_of(change: Change) -> Problem | None:
    """The failure, if there is one."""
    if change.is_missing and not change.is_new:
        return _missing(change)
    judge = JUDGES.get(change.action)
    return judge(change) if judge is not None else None


def _missing(change: Change) -> Problem | None:
    if change.is_gone and change.action in ("stop", "disable") and not change.job_failed:
        return None
    if change.is_gone:
        return Problem.of(
            work.SERVICE_FAILED,
            f"{change.unit} is gone: it was made for one run, which has ended{change.words}.",
            hint="get_journal_logs of this unit may say why.",
        )
    alike = f"There is {', '.join(change.alike)}. " if change.alike else ""
    template = (
        "A template such as name@ needs an instance: name@instance. "
        if change.unit.endswith("@")
        else ""
    )
    return Problem.of(
        work.SERVICE_NOT_FOUND,
        f"There is no unit {change.unit} on this host.",
        hint=f"{alike}{template}{'' if alike else work.SERVICE_NOT_FOUND.hint}".strip(),
    )


def _of_start(change: Change) -> Problem | None:
    if change.only_checked:
        return None
    if change.job_failed or change.state in ("failed", *UNDER_WAY):
        masked = change.status.get("LoadState") == "masked"
        why = change.words if change.state not in ("failed", *UNDER_WAY) else ""
        return Problem.of(
            work.SERVICE_FAILED,
            f"{change.unit} did not come up: it is {change.state}{change.ending}{why}.",
            hint="Somebody masked it on purpose; ask before it is unmasked."
            if masked
            else _way_on(change),
        )
    if change.restarts:
        return Problem.of(
            work.SERVICE_FAILED,
            f"{change.unit} does not stay up: it ended and was started again"
            f" ({change.restarts} x so far){change.ending}.",
        )
    return None if change.is_active or _may_end(change) else _ended(change)


def _way_on(change: Change) -> str:
    if change.status.get("Result") == "start-limit-hit":
        return (
            "It was started too often in a short time. When its cause is mended, "
            "execute_command with"
            f" `systemctl reset-failed {change.status.get('Id', change.unit)}` lets it be "
            "started again."
        )
    return work.SERVICE_FAILED.hint


def _may_end(change: Change) -> bool:
    """Whether the unit is one that runs for once; what a timer starts mostly does, whatever
    its type says.
    """
    timed = any(
        trigger.endswith((".timer", ".path"))
        for trigger in change.status.get("TriggeredBy", "").split()
    )
    return not change.was_skipped and (timed or change.status.get("Type") in (None, "", "oneshot"))


def _ended(change: Change) -> Problem:
    if change.was_skipped:
        return Problem.of(
            work.SERVICE_FAILED,
            f"{change.unit} was not started: a condition of its unit file is not met.",
            hint="Read its unit file (fragment_path, drop_ins), the settings Condition...=.",
        )
    return Problem.of(
        work.SERVICE_FAILED,
        f"{change.unit} ended by itself right after its start{change.ending}.",
        hint=(
            "If it is to run for once, that is done. A program that goes to the background "
            "needs Type=forking."
        ),
    )


def _of_stop(change: Change) -> Problem | None:
    if change.only_checked or not (
        change.job_failed or change.is_active or change.state in UNDER_WAY
    ):
        return None
    again = f": {', '.join(change.starters)} may have started it" if change.starters else ""
    return Problem.of(
        work.SERVICE_NOT_STOPPED,
        f"{change.unit} could not be stopped{change.words or '.'}"
        if change.job_failed
        else f"{change.unit} was stopped but is {change.state} again{again}.",
        hint=f"Stop {' and '.join(change.starters)} first." if change.starters else None,
    )


def _of_reload(change: Change) -> Problem | None:
    if (
        change.before.get("ActiveState") in RUNNING
        and not change.job_failed
        and (change.restarts or not change.is_active)
    ):
        again = " and was started again" if change.is_active or change.state in UNDER_WAY else ""
        return Problem.of(
            work.SERVICE_FAILED,
            f"{change.unit} was told to reload and ended{again}{change.ending}; it is "
            f"{change.state}.",
            hint=RELOAD,
        )
    if not change.is_active:
        return Problem.of(
            work.SERVICE_NOT_ACTIVE,
            f"{change.unit} is {change.state}, so there is nothing to reload; nothing was changed.",
        )
    if change.before.get("CanReload") == "no" and (change.job_failed or not change.reloads):
        return Problem.of(
            work.SERVICE_NOT_RELOADABLE,
            f"{change.unit} cannot be reloaded: its unit file does not say how; nothing was "
            "changed.",
        )
    if change.job_failed:
        return Problem.of(
            work.SERVICE_FAILED,
            f"The reload of {change.unit} failed{change.words}; it is {change.state}.",
            hint=RELOAD,
        )
    return None


def _of_enable(change: Change) -> Problem | None:
    if change.absent:
        return Problem.of(
            work.SERVICE_NOT_ENABLED,
            f"{change.unit} is enabled, but would never be started:"
            f" it is to start with {', '.join(change.absent)}, and there is no such unit.",
            hint="Disable it, mend WantedBy= or RequiredBy= of its unit file, and enable it again.",
        )
    if change.only_checked:
        fails = change.file_state in NEVER_ENABLED and not change.reloads
    else:
        others = change.file_state == "generated" or (
            change.file_state == "indirect" and change.boots
        )
        fails = change.job_failed or not (change.file_state in AT_BOOT or others)
    if not fails:
        return None
    why = (
        NEVER_ENABLED.get(change.file_state)
        or f"it is {change.file_state or 'in an unknown state'}"
    )
    said = change.words if change.job_failed else ""
    boots = f" It is started by {', '.join(change.boots)}." if change.boots else ""
    starters = f" Enable what starts it: {', '.join(change.starters)}." if change.starters else ""
    otherwise = f" {work.SERVICE_NOT_ENABLED.hint}"
    return Problem.of(
        work.SERVICE_NOT_ENABLED,
        f"{change.unit} is not enabled{said or ': ' + why}.",
        hint=f"Nothing was changed.{boots}{starters or ('' if boots else otherwise)}",
    )


def _of_disable(change: Change) -> Problem | None:
    if change.only_checked:
        return None
    stays = change.file_state in AT_BOOT or (
        change.file_state in ("static", "indirect") and change.boots
    )
    if not (stays or change.job_failed):
        return None
    boots = f", started by {', '.join(change.boots)}" if change.boots else ""
    return Problem.of(
        work.SERVICE_NOT_DISABLED,
        f"{change.unit} is still "
        f"{change.file_state}{boots}{change.words if change.job_failed else ''}.",
        hint=f"Disable {' and '.join(change.boots)} if that is meant." if change.boots else None,
    )


JUDGES: Mapping[str, Callable[[Change], Problem | None]] = {
    "start": _of_start,
    "restart": _of_start,
    "stop": _of_stop,
    "reload": _of_reload,
    "enable": _of_enable,
    "disable": _of_disable,
}
