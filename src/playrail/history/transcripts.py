"""A run as text for people: what Ansible would have printed, and what changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from playrail.history.runs import Run
from playrail.safe_text.diffs import unified
from playrail.safe_text.remote_text import cleaned
from playrail.safe_text.visible import in_one_line
from playrail.tasks import TaskResult
from playrail.tools.effects import Effect, diff_of, in_short, without_content
from playrail.tools.lasting import Kinds

WIDTH = 80  # columns, as ansible-playbook has where it cannot ask a terminal
COUNTED = ("ok", "changed", "unreachable", "failed", "skipped", "ignored")
OK_TOO = {"changed", "ignored"}  # what Ansible counts as ok beside


def output(run: Run) -> Iterator[str]:
    """The lines that ansible-playbook would have printed, rendered from the recorded tasks:
    they were not kept.
    """
    for line in run.text.split("\n") if run.text else ():
        yield in_one_line(line)
    yield from _heading(f"PLAY [{run.playbook or run.summary.tool}]")
    for tasks in _together(run.tasks):
        yield from _heading(f"TASK [{tasks[0].task}]")
        for task in tasks:
            yield from _of_a_host(task)
    yield from _heading("PLAY RECAP")
    for host in dict.fromkeys([*run.summary.hosts, *(task.host for task in run.tasks)]):
        statuses = Counter(task.status for task in run.tasks if task.host == host)
        statuses["ok"] += sum(statuses[status] for status in OK_TOO)
        counts = " ".join(f"{name}={statuses[name]:<4}" for name in COUNTED)
        yield in_one_line(f"{host:<26} : {counts}".rstrip())
    if run.cut:
        yield "\\ The record of this run leaves out results that were too large."


def diff(run: Run, kinds: Kinds) -> Iterator[str]:
    """What changed on each host, files as unified diffs: what was captured, or else what
    Ansible reported.
    """
    reported: dict[str, list[Mapping[str, Any]]] = {}
    for task in run.tasks:
        reported.setdefault(task.host, []).extend(task.diff)
    for host in dict.fromkeys([*run.effects, *reported]):
        effects = run.effects.get(host, ())
        texts: Iterable[str] = (
            [_of_effect(effect, kinds) for effect in effects]
            if effects
            else map(_of_ansible, reported[host])
        )
        lines = [line for text in texts for line in text.removesuffix("\n").split("\n") if line]
        if lines:
            yield f"# {in_one_line(host)}"
            yield from lines


def _heading(text: str) -> Sequence[str]:
    shown = in_one_line(text)
    return ("", f"{shown} {'*' * max(3, WIDTH - 1 - len(shown))}")


def _together(tasks: Sequence[TaskResult]) -> Iterator[list[TaskResult]]:
    """The same task of several hosts."""
    group: list[TaskResult] = []
    for task in tasks:
        if group and (task.task != group[0].task or task.host in {one.host for one in group}):
            yield group
            group = []
        group.append(task)
    if group:
        yield group


def _of_a_host(task: TaskResult) -> Iterator[str]:
    match task.status:
        case "ok" | "changed":
            yield in_one_line(f"{task.status}: [{task.host}]")
        case "skipped":
            yield in_one_line(f"skipping: [{task.host}]")
        case _:
            what = "UNREACHABLE" if task.status == "unreachable" else "FAILED"
            yield in_one_line(f"fatal: [{task.host}]: {what}! => {_as_json(task.result or {})}")
            if task.status == "ignored":
                yield "...ignoring"


def _of_effect(effect: Effect, kinds: Kinds) -> str:
    """A line about the change, and of a text that is known before and after the diff."""
    text, _ = diff_of(effect) or ("", False)
    was, became = without_content(effect.before), without_content(effect.after)
    told = in_short(
        {
            "kind": effect.kind,
            "name": effect.name,
            "before": was,
            "after": became,
            "diff": text or None,
        },
        kinds,
    )
    return f"# {in_one_line(told)}\n{text}"


def _of_ansible(part: Mapping[str, Any]) -> str:
    """One item of a module's `diff`: `prepared` is a diff already, `before` and `after` are
    to be compared.
    """
    if isinstance(prepared := part.get("prepared"), str):
        return "\n".join(map(in_one_line, prepared.split("\n")))
    before, after = (_text(part.get(side)) for side in ("before", "after"))
    name = part.get("after_header") or part.get("before_header") or "(no name)"
    return unified(before, after, name=str(name))[0]


def _text(side: Any) -> str:
    match side:
        case None:
            return ""
        case str():
            return side
    return f"{json.dumps(side, indent=4, sort_keys=True, ensure_ascii=False)}\n"


def _as_json(value: Any) -> str:
    return json.dumps(cleaned(value)[0], ensure_ascii=False, sort_keys=True)
