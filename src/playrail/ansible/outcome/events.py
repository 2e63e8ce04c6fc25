"""What Playrail needs of ansible-runner's events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from playrail.ansible.outcome.bounds import Bounds
from playrail.ansible.outcome.remarks import remark_in

# Characters; a longer result ansible-runner replaces by {}, its own limit is 700,000
RESULT_LIMIT = 8_000_000
TEXT_LIMIT = 4000  # characters of a message, or of any text in a task's result as records have it
SPARE = 4000  # characters beyond it, in which a secret may end that begins before it
TOTAL_LIMIT = 64 * 1024  # characters of such a result
DIFF_LIMIT = 100 * 1024  # characters of what was there before a change, and of what is after it
EXPLAINING = (
    "changed",
    "msg",
    "rc",
    "stderr",
    "module_stderr",
    "module_stdout",
    "exception",
    "reason",
    "playrail_code",
)
TOLD_TWICE = {
    "invocation",
    "stdout_lines",
    "stderr_lines",
    "module_stdout_lines",
    "module_stderr_lines",
}


def condense(event: dict[str, Any]) -> dict[str, Any] | None:
    """What Playrail needs of one of ansible-runner's events, or None.

    Results are whole: only the end of a play says which of them is a host's report.
    """
    name = event["event"]
    data = event.get("event_data") or {}
    if name in {"runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped"}:
        remark = remark_in(event.get("stdout") or "")
        return {
            "event": name,
            "task": data.get("task"),
            "action": data.get("resolved_action") or data.get("task_action"),
            "host": data.get("host"),
            "ignored": bool(data.get("ignore_errors")),
            "duration_s": data.get("duration"),
            "unpreviewed": remark.unpreviewed,
            "reports": remark.reports,
            "last": remark.last,
            "result": _result(data),
        }
    if name == "playbook_on_task_start":
        return {"event": name, "task": data.get("task")}
    if name == "playbook_on_stats":
        return {
            "event": name,
            **{
                key: data.get(key) or {}
                for key in ("ok", "changed", "failures", "dark", "processed")
            },
        }
    if name in {"verbose", "error", "warning"} and (text := event.get("stdout", "").strip()):
        return {"event": "text", "text": text[:TEXT_LIMIT]}
    return None


def _result(data: dict[str, Any]) -> dict[str, Any]:
    """The result, without what stands twice in it."""
    result = data.get("res")
    if not isinstance(result, dict):
        return {}
    return {key: value for key, value in result.items() if key not in TOLD_TWICE}


def shown_diffs(result: Mapping[str, Any]) -> tuple[list[Any], bool]:
    """The diffs of a result, in which texts may be SPARE too long, and whether something
    was left out.
    """
    bounds = Bounds(text=DIFF_LIMIT + SPARE, total=3 * (DIFF_LIMIT + SPARE))
    return bounds.of(list(_diffs(result))), bounds.cut


def shortened(result: Mapping[str, Any], *, text: int) -> tuple[dict[str, Any], bool]:
    """A result without its diffs, with texts of at most so many characters, and whether
    something was left out.
    """
    bounds = Bounds(text=text, total=TOTAL_LIMIT)
    return bounds.of(_plain(result)), bounds.cut


def _plain(result: Mapping[str, Any]) -> dict[str, Any]:
    """Without what stands elsewhere in the event, in the items of a loop too. What explains
    a failure goes first.
    """
    kept = {key: result[key] for key in EXPLAINING if key in result}
    kept |= {
        key: value
        for key, value in result.items()
        if key not in {*TOLD_TWICE, "diff"} and key[:9] != "_ansible_"
    }
    if isinstance(items := kept.pop("results", None), list):
        kept["results"] = [_plain(item) if isinstance(item, dict) else item for item in items]
    return kept


def _diffs(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The diffs of a result and of the items of its loop. A module tells one, or a list of
    them.
    """
    diff = result.get("diff")
    for one in diff if isinstance(diff, list) else [diff]:
        if isinstance(one, dict) and one:
            yield one
    for item in result.get("results") or ():
        if isinstance(item, dict):
            yield from _diffs(item)
