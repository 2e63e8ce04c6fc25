"""What a policy file may say, and how it is refused. Cases: tests/cases/policy/wrong.yml."""

from __future__ import annotations

import shutil
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from playrail import catalog
from playrail.errors import SettingsInvalid
from playrail.policy.file import read_policy
from playrail.policy.rules import LimitsOfCaller, LimitsOfHost, Window
from playrail.settings.protection import standing_variables
from playrail.settings.settings import Settings
from worlds.checkout import CASE_FILES, ROOT
from worlds.policy_world import TOOLS, policy_of

WRONG = yaml.safe_load((CASE_FILES / "policy" / "wrong.yml").read_text(encoding="utf-8"))
ALLOW = "rules: [{name: a, then: allow}]\n"


def text_of(case: Any) -> str:
    if "rules" in case:
        return "rules:\n" + textwrap.indent(case["rules"], "  ")
    if "window" in case:
        return f"{ALLOW}\nwindows:\n  night: {case['window']}\n"
    if "limits" in case:
        return f"{ALLOW}\nlimits: {case['limits']}\n"
    return str(case["text"])


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case["name"])
def test_what_stops_the_start(case: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        policy_of(tmp_path, text_of(case))

    assert str(caught.value) == f"{tmp_path}/policy.yml:{case['error']}"
    assert caught.value.__cause__ is None


def test_limits_and_windows(tmp_path: Path) -> None:
    policy = policy_of(
        tmp_path,
        f"""{ALLOW}
windows:
  evening: {{days: [mon, fri], from: 18:00, timezone: UTC}}  # YAML 1.1 reads 1080
limits:
  callers: {{"*": {{hosts_per_call: 2}}}}
  hosts: {{tag:db: {{calls_per_minute: 3}}, "*": {{changes_per_hour: 4}}}}
""",
    )

    assert policy.callers == {"*": LimitsOfCaller(hosts_per_call=2)}
    assert policy.hosts == {
        "tag:db": LimitsOfHost(calls_per_minute=3),
        "*": LimitsOfHost(changes_per_hour=4),
    }


def test_aliases_that_make_millions_of_values_are_refused_at_once(tmp_path: Path) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 8))
    for bomb in (f"l0: &l0 [x]\n{levels}rules: *l7\n", f"l0: &l0 [x]\n{levels}? *l7\n: x\n"):
        with pytest.raises(
            SettingsInvalid, match=r"makes more than 10000 values|a key that is no text"
        ):
            policy_of(tmp_path, bomb)


def test_the_digest_is_of_what_is_said(tmp_path: Path) -> None:
    digest = policy_of(tmp_path, ALLOW).digest

    assert policy_of(tmp_path, f"# a comment\n\n{ALLOW}").digest == digest
    assert policy_of(tmp_path, ALLOW.replace("allow", "deny")).digest != digest
    two = "rules: [{name: a, hosts: x, then: deny}, {name: b, hosts: y, then: allow}]"
    turned = "rules: [{name: b, hosts: y, then: allow}, {name: a, hosts: x, then: deny}]"
    assert policy_of(tmp_path, two).digest != policy_of(tmp_path, turned).digest


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"PLAYRAIL_POLICY: .* does not exist; allowed is"):
        read_policy(tmp_path / "policy.yml", TOOLS)


def test_a_file_that_others_can_write(tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    path.write_text(ALLOW)
    path.chmod(0o666)

    with pytest.raises(SettingsInvalid, match="others can write to it"):
        read_policy(path, TOOLS)


def test_no_tool_for_files_reaches_it(tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    variables = standing_variables(
        Settings(state_dir=tmp_path / "s", runtime_dir=tmp_path / "r", policy_file=path)
    )

    assert str(path) in variables["playrail_protect_read"]
    assert str(path) in variables["playrail_protect_write"]


def test_the_example_is_a_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    shutil.copyfile(ROOT / "policy.example.yml", path)
    path.chmod(0o600)

    policy = read_policy(path, catalog.load())

    assert {rule.then.word for rule in policy.rules} >= {
        "allow",
        "deny",
        "preview_first",
        "operator_approval",
    }
    told = path.read_text(encoding="utf-8")
    assert [
        word
        for word in ("client_approval", "tag:NAME", "hosts_per_call", "changes_per_hour")
        if word not in told
    ] == []


def window(tmp_path: Path, text: str) -> Window:
    during = (
        policy_of(tmp_path, f"windows: {{w: {text}}}\nrules: [{{name: a, during: w, then: allow}}]")
        .rules[0]
        .during
    )
    assert during is not None
    return during


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("{timezone: UTC}", ["2026-11-20T00:00", "2026-11-22T23:59"], []),
        (
            "{days: sat, timezone: UTC}",
            ["2026-11-21T00:00", "2026-11-21T23:59"],
            ["2026-11-20T23:59", "2026-11-22T00:00"],
        ),
        (
            "{to: 06:00, timezone: UTC}",
            ["2026-11-20T00:00", "2026-11-20T05:59"],
            ["2026-11-20T06:00"],
        ),
        (
            "{from: 18:00, timezone: UTC}",
            ["2026-11-20T18:00", "2026-11-20T23:59"],
            ["2026-11-20T00:00"],
        ),
        (  # over midnight: of the night to Saturday too
            "{days: fri, from: 22:00, to: 04:00, timezone: UTC}",
            ["2026-11-20T22:00", "2026-11-21T03:59"],
            ["2026-11-20T03:59", "2026-11-20T21:59", "2026-11-21T04:00", "2026-11-21T22:00"],
        ),
        (  # summer time: 8 o'clock in Warsaw is 6 o'clock UTC then, otherwise 7
            "{from: 08:00, to: 09:00, timezone: Europe/Warsaw}",
            ["2026-07-01T06:00", "2026-12-01T07:00"],
            ["2026-07-01T07:00", "2026-12-01T06:00"],
        ),
        (  # the day on which 2:00 to 3:00 is left out, and the one on which it comes twice
            "{from: 02:15, to: 02:45, timezone: Europe/Warsaw}",
            ["2026-10-25T00:30", "2026-10-25T01:30"],
            ["2026-03-29T00:59", "2026-03-29T01:00", "2026-10-25T01:00", "2026-10-25T01:45"],
        ),
    ],
)
def test_windows(tmp_path: Path, text: str, inside: list[str], outside: list[str]) -> None:
    during = window(tmp_path, text)

    def holding(times: list[str]) -> list[str]:
        return [at for at in times if during.holds(datetime.fromisoformat(at).replace(tzinfo=UTC))]

    assert (holding(inside), holding(outside)) == (inside, [])
