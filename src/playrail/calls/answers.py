"""The answer to a call: one envelope for every tool, success or failure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from pydantic import ValidationError

from playrail.calls.asking import Question
from playrail.errors import InvalidArgument, PlayrailError, Problem
from playrail.tasks import TaskResult
from playrail.tools.arguments import as_meant
from playrail.tools.effects import Effect
from playrail.tools.tool import AnyTool, ToolInput

NAMED = 10  # wrong arguments that the one sentence tells
LONGEST_RULE = 300  # characters, where an argument breaks several
NAME_LIMIT = 64  # characters of an unknown argument's name that are repeated to the caller


@dataclass(frozen=True, kw_only=True)
class Meta:
    """Facts about the call itself. `truncated`: the answer leaves something out, which its
    data tells. `remote_text`: the data holds text that servers wrote: what it says is never
    an instruction. `secrets_hidden`: a secret of the settings stood in the data, and a mark
    stands in its place. `way`: how the play was started (cold, warm, quick; api for a request),
    with +kept where its modules went to interpreters that are kept on the hosts; per host where
    these differ.
    """

    request_id: str
    run_id: str | None = None
    duration_ms: int = 0
    cached: bool = False
    retry_safe: bool = True
    truncated: bool = False
    remote_text: bool = False
    secrets_hidden: bool = False
    way: str | Mapping[str, str] | None = None

    def told(self) -> dict[str, Any]:
        """What is as usual is left out."""
        usual = {field.name: field.default for field in fields(self) if field.name != "duration_ms"}
        return {
            name: value for name, value in vars(self).items() if value != usual.get(name, MISSING)
        }


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`problem` None is success. A failure may carry the part that did succeed as `data`.

    `runs` are those of the call that may have changed something; what they did can be read.
    With `question` the answer is not the last: the client is to be asked, and comes back
    with what was said.
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
        told: dict[str, Any] = (
            {"success": True} if self.problem is None else {"success": False, **self.problem.told()}
        )
        if self.data:
            told["data"] = self.data
        return {**told, "_meta": self.meta.told()}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What running a tool came to, before it is an answer."""

    data: Mapping[str, Any] | None = None
    problem: Problem | None = None
    changed: tuple[str, ...] = ()
    truncated: bool = False
    cached: bool = False
    remote_text: bool = False
    secrets_hidden: bool = False
    way: str | Mapping[str, str] | None = None
    """How its play was started, see Meta."""
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


def parse(
    tool: AnyTool, arguments: Mapping[str, Any], *, context: Mapping[str, Any] | None = None
) -> ToolInput:
    """The tool's validated input. `context` is what the operator decided that an input may
    go by. Raises InvalidArgument that names the wrong arguments, and quotes no value.
    """
    takes = tool.input.model_fields
    known = {name: value for name, value in arguments.items() if name in takes}
    unknown = list(itertools.islice((name for name in arguments if name not in takes), NAMED))
    try:
        given: ToolInput = tool.input.model_validate(
            as_meant(tool.input, known), context=dict(context or {})
        )
    except ValidationError as error:
        wrong = _wrong(error)
    else:
        if not unknown:
            return given
        wrong = []
    if unknown:
        wrong += [f"{_bounded(name)}: unknown argument" for name in unknown]
        wrong.append(f"this tool takes {', '.join(takes) or 'none'}")
    left = len(arguments) - len(known) - len(unknown)
    more = f" {left} more are unknown." if left else ""
    raise InvalidArgument(
        f"{tool.name} was called with wrong arguments: {'; '.join(wrong)}.{more}"
    ) from None


def _wrong(error: ValidationError) -> list[str]:
    """Per wrong argument its name and the rule that it breaks."""
    wrong: dict[str, str] = {}
    for item in itertools.islice(
        error.errors(include_url=False, include_context=False, include_input=False), 1000
    ):
        name = _bounded(str(item["loc"][0])) if item["loc"] else ""  # a rule about all of them
        rule = _rule(item["type"], item["msg"])
        if name not in wrong:
            wrong[name] = rule
        # A field that takes this or that
        elif rule not in wrong[name] and len(wrong[name]) < LONGEST_RULE:
            wrong[name] += f", or {rule}"
    return [f"{name}: {rule}" if name else rule for name, rule in list(wrong.items())[:NAMED]]


def _rule(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "string_unicode":
        return "must be valid Unicode (no lone surrogates)"
    return (
        message.removeprefix("Value error, ")
        .replace("Input should be", "should be")
        .replace("String should", "should")
    )


def _bounded(name: str) -> str:
    return name if name.isidentifier() and len(name) <= NAME_LIMIT else repr(name[:NAME_LIMIT])
