"""What a call is going to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playrail.ansible.run.play import Play
from playrail.calls.answers import Result
from playrail.engines.results import with_unusable
from playrail.errors import Problem
from playrail.policy.rules import Decision
from playrail.tools.tool import AnyTool, Risk, ToolInput


@dataclass(frozen=True)
class Going:
    """What a call is going to do, understood and allowed. `play` is None where none is run."""

    tool: AnyTool
    given: ToolInput
    hosts: Sequence[str]
    play: Play | None
    arguments: Mapping[str, Any]
    decision: Decision
    unusable: Mapping[str, Problem] = field(default_factory=dict)
    """Hosts that the call's words mean as well and that cannot be used. Nothing is done for
    them but to say so.
    """
    resumed: str | None = None
    """The plan that the call made before; to carry it out is what it goes on with."""

    @property
    def risk(self) -> Risk:
        return self.tool.risk_of(self.given)

    def whole(self, result: Result) -> Result:
        """The result with what could not be used."""
        return with_unusable(result, self.unusable, of=len(self.hosts))
