"""What Playrail needs of ansible-runner's events."""

from __future__ import annotations

from typing import Any

RESULT_LIMIT = 8_000_000  # characters; a longer result ansible-runner replaces by {}, its own limit is 700,000
TEXT_LIMIT = 4000  # characters of a message, or of a result that is not the report
REPORT_TASK = "Report"
EXPLAINING = ("msg", "rc", "stderr", "module_stderr", "module_stdout", "exception", "reason", "playrail_code")


def condense(event: dict[str, Any]) -> dict[str, Any] | None:
    """What Playrail needs of one of ansible-runner's events, or None. The report is whole, other results are cut."""
    name = event["event"]
    data = event.get("event_data") or {}
    if name in {"runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped"}:
        return {
            "event": name,
            "task": data.get("task"),
            "action": data.get("resolved_action") or data.get("task_action"),
            "host": data.get("host"),
            "ignored": bool(data.get("ignore_errors")),
            "duration_s": data.get("duration"),
            "result": _result(data),
        }
    if name == "playbook_on_task_start":
        return {"event": name, "task": data.get("task")}
    if name == "playbook_on_stats":
        return {
            "event": name,
            **{key: data.get(key) or {} for key in ("ok", "changed", "failures", "dark", "processed")},
        }
    if name in {"verbose", "error", "warning"} and (text := event.get("stdout", "").strip()):
        return {"event": "text", "text": text[:TEXT_LIMIT]}
    return None


def _result(data: dict[str, Any]) -> dict[str, Any]:
    result = data.get("res")
    if not isinstance(result, dict):
        return {}
    if data.get("task") == REPORT_TASK:
        return {
            key: value for key, value in result.items() if key not in {"invocation", "stdout_lines", "stderr_lines"}
        }
    kept: dict[str, Any] = {"changed": bool(result.get("changed"))}
    for key in EXPLAINING:
        if key in result:
            value = result[key]
            kept[key] = value[:TEXT_LIMIT] if isinstance(value, str) else value
    return kept
