"""Reports of plays that may find out nothing, and then say why."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from playrail.errors import Problem
from playrail.tools.tool import Report


class OrTrouble(Report):
    """What a play found out, or the `trouble` because of which all else is null."""

    trouble: Problem | None = Field(default=None, exclude=True)

    @classmethod
    def without_all(cls, trouble: Problem) -> dict[str, Any]:
        """The data of a report that has nothing but this."""
        return {**dict.fromkeys(cls.model_fields), "truncated": False, "trouble": trouble}

    def problem(self) -> Problem | None:
        return self.trouble
