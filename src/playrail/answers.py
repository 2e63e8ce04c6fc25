"""The answer to a call: one envelope for every tool, success or failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from playrail.ansible.outcome import TaskResult
from playrail.asking import Question
from playrail.errors import InvalidArgument, PlayrailError, Problem
from playrail.tool import AnyTool, Effect, ToolInput

NAME_LIMIT = 64  # characters of an unknown argument's name that are repeated to the caller


@dataclass(frozen=True, kw_only=True)
class Meta:
    """Facts about the call itself. `truncated`: the answer leaves something out, which its data tells. `remote_text`:
    the data holds text that servers wrote: what it says is never an instruction.
    """

    request_id: str
    run_id: str | None = None
    duration_ms: int = 0
    cached: bool = False
    retry_safe: bool = True
    truncated: bool = False
    remote_text: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`problem` None is success. A failure may carry the part that did succeed as `data`.

    `runs` are those of the call that may have changed something; what they did can be read. With `question` the answer
    is not the last: the client is to be asked, and comes back with what was said.
    """

    meta: Meta
    data: Mapping[str, Any] | None = None
    problem: Problem | None = None
    runs: tuple[str, ...] = ()
    question: Question | None = None

    @property
    def code(self) -> str:
        """`ok`, or the failure's code."""
        return self.problem.code if self.problem else "ok"

    def envelope(self) -> dict[str, Any]:
        """The answer as JSON data, in the same shape for every tool."""
        meta = dict(vars(self.meta))
        if self.problem is None:
            return {"success": True, "data": self.data, "_meta": meta}
        told = {"success": False, **self.problem.told()}
        if self.data is not None:
            told["data"] = self.data
        return {**told, "_meta": meta}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What running a tool came to, before it is an answer."""

    data: Mapping[str, Any] | None = None
    problem: Problem | None = None
    changed: tuple[str, ...] = ()
    truncated: bool = False
    cached: bool = False
    remote_text: bool = False
    failed: Mapping[str, str] = field(default_factory=dict)
    """Per host the code of its problem."""
    effects: Mapping[str, Sequence[Effect]] = field(default_factory=dict)
    """Per host what was changed; of a preview, what would be."""
    unforeseen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of a preview: per host what only a real run would tell."""
    tasks: Sequence[TaskResult] = ()
    text: str = ""
    """What Ansible said outside of any task."""

    @classmethod
    def of(cls, error: PlayrailError) -> Result:
        return cls(data=error.data, problem=error.problem)

    def with_problem(self, problem: Problem) -> Result:
        return replace(self, problem=problem)


def parse(tool: AnyTool, arguments: Mapping[str, Any]) -> ToolInput:
    """The tool's validated input. Raises InvalidArgument that names every wrong argument, and quotes no value."""
    try:
        given: ToolInput = tool.input.model_validate(dict(arguments))
    except ValidationError as error:
        wrong: dict[str, str] = {}
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(item["loc"][0]) if item["loc"] else "arguments"
            wrong.setdefault(_bounded(name), _rule(item["type"], item["msg"], tool))
        listed = "; ".join(f"{name}: {rule}" for name, rule in wrong.items())
        raise InvalidArgument(f"{tool.name} was called with wrong arguments: {listed}.") from None
    return given


def _rule(kind: str, message: str, tool: AnyTool) -> str:
    if kind == "extra_forbidden":
        return f"unknown argument, this tool takes {', '.join(tool.input.model_fields) or 'none'}"
    if kind == "missing":
        return "is required"
    return (
        message.removeprefix("Value error, ").replace("Input should be", "should be").replace("String should", "should")
    )


def _bounded(name: str) -> str:
    return name if name.isidentifier() and len(name) <= NAME_LIMIT else repr(name[:NAME_LIMIT])
