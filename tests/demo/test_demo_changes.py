"""The demo's change passes on this machine, and does not when something is not as it should
be.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from playrail.demo import changes
from playrail.demo.changes import on_terminal, show_changes
from playrail.demo.page import Page

pytestmark = pytest.mark.slow

ALL_THAT_IS_SHOWN = (
    "-colour = blue",
    "+colour = green",
    "approval_required",
    "is approved.",
    "plan_unusable",
    "approved by",
    "-size = 4  # somebody was here",
    "changed_since",
    "the chain holds",
)


def shown(capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    page = Page(verbose=True)
    asyncio.run(show_changes(os.environ, page))
    return page.right, capsys.readouterr().out


def test_the_scenario_passes_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    passed, text = shown(capsys)

    assert passed, text
    at = -1
    for words in ALL_THAT_IS_SHOWN:
        at = text.find(words, at + 1)
        assert at >= 0, (words, text)
    assert list(tmp_path.iterdir()) == []


def test_a_change_that_is_not_the_approved_one_fails_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy lets everything pass, so that what has to wait for the operator does not."""
    monkeypatch.setattr(changes, "POLICY", "rules: [{name: all, then: allow}]\n")

    passed, text = shown(capsys)

    assert (
        passed,
        (
            "✗ Apply it, which is not allowed yet: apply_plan should have ended with "
            "approval_required"
        )
        in text,
    ) == (False, True), text


def test_it_types_where_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not before: what comes too early, a terminal shows twice."""
    asks = "import time; time.sleep(0.2); print('typed', input('Go? Type the last 4: '))"
    started: list[Any] = []
    popen = subprocess.Popen

    def program(_: list[str], **options: Any) -> Any:
        started.append(popen([sys.executable, "-c", asks], **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", program)
    assert on_terminal([], dict(os.environ), "abcd") == (
        "Go? Type the last 4: abcd\ntyped abcd\n",
        0,
    )
