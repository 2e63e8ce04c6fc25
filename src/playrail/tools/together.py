"""Answers about several hosts together, in place of a report of each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from playrail.tools.tool import Report, ToolInput


class Together(Report):
    """What the reports of the hosts of a call come to."""

    of_hosts: ClassVar[int] = 2
    """How many hosts it is about. Where one of them did not report, nothing is told but why."""

    @classmethod
    @abstractmethod
    def of(cls, reports: Mapping[str, Any], given: ToolInput) -> Self:
        """Made of each host's report, which is of the tool's `report`."""
