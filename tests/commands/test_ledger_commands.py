"""`playrail ledger`: what it prints, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from playrail.commands.ledger import app
from playrail.ledger.ledger import Ledger
from worlds.ledger_entries import entry, tamper


@pytest.fixture
def ledger(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAYRAIL_STATE_DIR", str(tmp_path / "state"))
    return ledger


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_where_nothing_is_recorded(ledger: Ledger) -> None:
    assert (run("head").stdout, run("head", "--json").stdout) == ("", "null\n")
    assert run("verify").stdout == f"{ledger.path}: nothing is recorded yet\n"
    assert (
        run("prune", "--older-than-days", "1").stdout == f"{ledger.path}: 0 records were deleted\n"
    )
    missing = run("verify", "--head", "1:abc")
    assert (missing.exit_code, "the known head is not in the chain" in missing.stderr) == (1, True)
    assert not ledger.path.exists()


def test_a_noted_head_finds_an_end_that_was_cut_off(ledger: Ledger) -> None:
    ledger.append(entry("a"), entry("b"))
    noted, at = run("head").stdout.split()
    assert at == json.loads(run("head", "--json").stdout)["at"]
    assert run("verify", "--head", noted).stdout == f"{ledger.path}: 2 records, the chain holds\n"

    tamper(ledger, "DELETE FROM records WHERE seq = 2")

    assert run("verify").exit_code == 0
    found = run("verify", "--head", noted)
    assert (found.exit_code, found.stdout) == (1, "")
    assert "its end was cut off" in found.stderr
    told = run("verify", "--head", noted, "--json")
    assert (told.exit_code, json.loads(told.stdout)["records"]) == (1, 1)
    assert "its end was cut off" in json.loads(told.stdout)["problem"]


def test_prune_wants_to_know_what(ledger: Ledger) -> None:
    ledger.append(entry("a"), entry("a", "ended", outcome="ok"))

    kept = run("prune", "--older-than-days", "1").stdout.splitlines()
    assert kept[0] == f"{ledger.path}: 0 records were deleted"
    assert "none is older than 1 days" in kept[1]
    assert run("prune").exit_code == 2
    assert run("prune", "--older-than-days", "-1").exit_code == 2
    pruned = run("prune", "--larger-than-mb", "0")
    assert pruned.stdout == f"{ledger.path}: 2 records were deleted\n"
    assert (
        run("verify").stdout
        == f"{ledger.path}: 1 records, the chain holds; those before 3 were pruned\n"
    )
