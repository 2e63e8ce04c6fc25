"""What a play's events say: per host the report, whether it changed, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playrail.ansible.outcome.bounds import Bounds
from playrail.ansible.outcome.events import (
    DIFF_LIMIT,
    SPARE,
    TEXT_LIMIT,
    shortened,
    shown_diffs,
)
from playrail.ansible.outcome.failures import judge, without_output
from playrail.ansible.outcome.ways import Ways
from playrail.codes import calls
from playrail.errors import Problem
from playrail.safe_text.secrets import SecretTexts
from playrail.tasks import TaskResult

NO_REPORT = Problem.of(calls.NO_REPORT)
RUN_LIMIT = 4 * 1024 * 1024  # characters of all results and diffs of a run
STATUSES = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}


def without_secrets(value: Any, secrets: SecretTexts, *, limit: int) -> Any:
    """A value of JSON without the secrets in its texts and keys, each of which has at most
    `limit` characters then.

    A text may have been cut within a secret, `limit` + SPARE from its beginning.
    """

    def bounded(text: str) -> str:
        hidden = secrets.hide(text)
        if len(text) >= limit + SPARE and secrets.longest:
            hidden = hidden[: -secrets.longest]  # what is left of a secret at its end goes
        return hidden[:limit]

    return secrets.hide_in(value, each=bounded)


@dataclass(frozen=True, kw_only=True)
class HostOutcome:
    """One host's part of a run. `report` is the raw result of the task that reports; None
    when the host did not come so far.
    """

    report: Mapping[str, Any] | None = None
    changed: bool = False
    problem: Problem | None = None
    lost: bool = False
    """Work may have begun, and its end is not known: the connection broke, or the module
    told nothing.
    """


@dataclass(kw_only=True)
class Outcome:
    """Fed with a run's events; the judge is the play's final statistics, other events only
    explain.

    A rescued task emits a failure as well, so a failed event alone does not make a host
    failed.
    """

    secrets: SecretTexts = field(default_factory=SecretTexts)
    """Hidden in messages. A report stays as it is, it may be a file's content that is to be
    written back.
    """
    reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)
    """Hosts whose report was registered as `playrail_report`: no later task replaces it."""
    complete: set[str] = field(default_factory=set)
    """Hosts on which the task ended that registers the report, or the play's last task."""
    changed: set[str] = field(default_factory=set)
    failures: dict[str, Problem] = field(default_factory=dict)
    failed_last: set[str] = field(default_factory=set)
    """Hosts whose last task failed: what can be said while there are no statistics."""
    begun: set[str] = field(default_factory=set)
    """Hosts on which a task came to an end."""
    lost: set[str] = field(default_factory=set)
    statistics: Mapping[str, Any] | None = None
    text: list[str] = field(default_factory=list)
    tasks_started: int = 0
    tasks: list[TaskResult] = field(default_factory=list)
    ways: Ways = field(default_factory=Ways)
    unpreviewed: dict[str, list[str]] = field(default_factory=dict)
    """Per host what check mode could not tell, a sentence each."""
    room: int = RUN_LIMIT
    closed: bool = False
    """Set when the run is cut short: what comes after that tells of the cut, not of the
    host.
    """

    def feed(self, event: Mapping[str, Any]) -> None:
        if self.closed:
            return
        if event["event"] in STATUSES:
            self._take_task(event)
        self.ways.take(event)
        match event["event"]:
            case "playbook_on_task_start":
                self.tasks_started += 1
            case "runner_on_ok":
                self._ok(event["host"], event)
            case "runner_on_failed" | "runner_on_unreachable":
                self._failed(event["host"], event)
            case "playbook_on_stats":
                self.statistics = event
            case "text":
                self.text.append(self.secrets.hide(event["text"]))

    def _take_task(self, event: Mapping[str, Any]) -> None:
        status = STATUSES[event["event"]]
        if event.get("ignored") and status == "failed":
            status = "ignored"
        if status == "ok" and event["result"].get("changed"):
            status = "changed"
        result, cut = shortened(without_output(event["result"]), text=TEXT_LIMIT + SPARE)
        result = without_secrets(result, self.secrets, limit=TEXT_LIMIT)
        room = Bounds(text=DIFF_LIMIT, total=self.room)
        result = room.of(result)
        diff, diff_cut = shown_diffs(event["result"])
        diff = room.of(without_secrets(diff, self.secrets, limit=DIFF_LIMIT))
        self.room = room.left
        name, action = event["task"] or "", event["action"] or ""
        self.tasks.append(
            TaskResult(
                host=event["host"],
                task=self.secrets.hide(name),
                action=action,
                status=status,
                duration_s=event.get("duration_s"),
                result=result,
                diff=diff,
                cut=cut or diff_cut or room.cut,
            )
        )
        if event.get("unpreviewed"):
            why = self.secrets.hide(f"Task {name}: {action} {event['unpreviewed'].rstrip('.')}.")
            self.unpreviewed.setdefault(event["host"], []).append(why)

    def _ok(self, host: str, event: Mapping[str, Any]) -> None:
        self.failed_last.discard(host)
        self.begun.add(host)
        if event["result"].get("changed"):
            self.changed.add(host)
        self._take_report(host, event)

    def _failed(self, host: str, event: Mapping[str, Any]) -> None:
        unreachable = event["event"] == "runner_on_unreachable"
        if event["result"].get("changed"):
            self.changed.add(host)  # half an upgrade is a change as well
        if unreachable or not event.get("ignored"):
            failure = judge(self._without_secrets(event["result"]), unreachable=unreachable)
            self.failures[host] = failure.problem
            self.failed_last.add(host)
            if failure.begun or (unreachable and host in self.begun):
                self.lost.add(host)
        if not unreachable:
            self.begun.add(host)
            self._take_report(host, event)

    def _without_secrets(self, result: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: self.secrets.hide(value) if isinstance(value, str) else value
            for key, value in result.items()
        }

    def _take_report(self, host: str, event: Mapping[str, Any]) -> None:
        """The report is the result of the last task that ended on the host, or of the one
        that registers `playrail_report`. Of `debug` it is what that shows; text is none.
        """
        registered = bool(event.get("reports"))
        if host in self.registered and not registered:
            return
        result = event["result"]
        report = result.get("msg") if event["action"] == "ansible.builtin.debug" else result
        if isinstance(report, Mapping):
            self.reports[host] = report
            if registered:
                self.registered.add(host)
            if registered or event.get("last"):
                self.complete.add(host)
            else:
                self.complete.discard(host)  # a handler, or a second play

    def of(self, hosts: Iterable[str]) -> dict[str, HostOutcome]:
        """Each host's outcome. A host that the statistics do not know has not been run:
        that is a failure.
        """
        return {host: self._of_one(host) for host in hosts}

    def _of_one(self, host: str) -> HostOutcome:
        report = self._report(host)
        if self._has_failed(host):
            problem: Problem | None = self.failures.get(host, NO_REPORT)
        else:
            problem = NO_REPORT if report is None else None
        return HostOutcome(
            report=report,
            changed=host in self.changed
            or bool((self.statistics or {}).get("changed", {}).get(host)),
            problem=problem,
            lost=host in self.lost,
        )

    def _report(self, host: str) -> Mapping[str, Any] | None:
        """Where the play broke off, an earlier task's result is no report."""
        ended = self.statistics is not None and not self._has_failed(host)
        return self.reports.get(host) if ended or host in self.complete else None

    def _has_failed(self, host: str) -> bool:
        if self.statistics is None:  # the run was cut short
            return host in self.failed_last
        return any(self.statistics.get(kind, {}).get(host) for kind in ("failures", "dark"))
