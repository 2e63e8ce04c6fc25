"""Among all tools of who has servers behind SSH, a search by words alone finds the right one.

What it cannot find, a weaker model does not find either: then the description lacks the
words that people use, or two tools are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from playrail import catalog
from playrail.settings.settings import Settings
from playrail.tools.offering import absences
from worlds.tool_search import ToolSearch

CASES = Path(__file__).parents[1] / "cases" / "requests.yml"
FIRST, AMONG_THREE = 0.85, 0.97


def test_requests_find_their_tools() -> None:
    settings = Settings.load({"HOME": "/nonexistent"}, dotenv=None)
    every = catalog.load()
    absent = absences(every, settings, needs=catalog.needs())
    search = ToolSearch({name: tool for name, tool in every.items() if name not in absent})
    found: dict[str, tuple[Sequence[str], Sequence[str]]] = {
        case["request"]: (case["tools"], search.best(case["request"])[:3])
        for case in yaml.safe_load(CASES.read_text())
    }

    named = {tool for right, _ in found.values() for tool in right}
    assert named <= set(every), named - set(every)
    missed = {request: best for request, (right, best) in found.items() if best[0] not in right}
    lost = {
        request: best for request, (right, best) in found.items() if set(best).isdisjoint(right)
    }
    assert len(lost) <= (1 - AMONG_THREE) * len(found), lost
    assert len(missed) <= (1 - FIRST) * len(found), missed
