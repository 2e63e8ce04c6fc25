"""What policy says to every risk, with and without the operator's switch."""

from __future__ import annotations

from pathlib import Path

import pytest

from playrail.errors import Denied, WritesDisabled
from playrail.policy import decide
from playrail.settings import Settings
from playrail.tool import Risk

READS = {Risk.READ, Risk.SENSITIVE}


def settings(*, writes: bool) -> Settings:
    return Settings(state_dir=Path("/state"), runtime_dir=Path("/run"), enable_write_operations=writes)


@pytest.mark.parametrize("risk", Risk)
def test_with_the_switch_everything_runs(risk: Risk) -> None:
    decide(tool="some_tool", risk=risk, settings=settings(writes=True))


@pytest.mark.parametrize("risk", sorted(READS))
def test_reads_run_without_the_switch(risk: Risk) -> None:
    decide(tool="some_tool", risk=risk, settings=settings(writes=False))


@pytest.mark.parametrize("risk", sorted(set(Risk) - READS))
def test_changes_need_the_switch(risk: Risk) -> None:
    with pytest.raises(WritesDisabled, match=rf"some_tool .*{risk.name}") as caught:
        decide(tool="some_tool", risk=risk, settings=settings(writes=False))

    assert isinstance(caught.value, Denied)
    assert caught.value.problem.code == "writes_disabled"
    assert not caught.value.problem.retryable
    assert "ENABLE_WRITE_OPERATIONS=1" in caught.value.problem.hint


def test_writes_are_off_unless_said_otherwise() -> None:
    assert not Settings(state_dir=Path("/state"), runtime_dir=Path("/run")).enable_write_operations
