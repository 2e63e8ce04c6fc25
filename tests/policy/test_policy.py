"""What policy says to calls: without a policy, and with one. Cases:
tests/cases/policy/verdicts.yml.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from playrail import catalog
from playrail.errors import Denied, WritesDisabled
from playrail.hosts import Host
from playrail.policy.rules import Decision, Policy, Rule, Verdict, decide
from playrail.tools.tool import AnyTool, Risk
from worlds.checkout import CASE_FILES
from worlds.policy_world import ABOUT, HOSTS, MANAGE_SERVICE, NOON, READ_FILE, RUN, TOOLS, policy_of

CASES = CASE_FILES / "policy" / "verdicts.yml"
VERDICTS = [
    pytest.param(case, verdict, id=f"{case['name']}: {' '.join(verdict['call'])}")
    for case in yaml.safe_load(CASES.read_text(encoding="utf-8"))
    for verdict in case["verdicts"]
]
READS = {Risk.READ, Risk.SENSITIVE}
WEB1 = (HOSTS["web1"],)


def verdict_of(
    policy: Policy | None,
    *,
    tool: AnyTool = RUN,
    risk: Risk = Risk.SHELL,
    hosts: Sequence[Host] = WEB1,
    writes: bool = True,
    preview: bool = False,
) -> Verdict:
    return decide(
        tool=tool,
        risk=risk,
        hosts=hosts,
        caller="local",
        policy=policy,
        writes=writes,
        preview=preview,
        now=NOON,
    )


@pytest.mark.parametrize("risk", Risk)
def test_with_the_switch_everything_runs(risk: Risk) -> None:
    assert verdict_of(None, risk=risk).decision is Decision.ALLOW


@pytest.mark.parametrize("risk", sorted(READS))
def test_reads_run_without_the_switch(risk: Risk) -> None:
    assert verdict_of(None, risk=risk, writes=False).decision is Decision.ALLOW


@pytest.mark.parametrize("risk", sorted(set(Risk) - READS))
@pytest.mark.parametrize("rules", ["", "rules: [{name: all, then: allow}]"])
def test_changes_need_the_switch_and_previews_do_not(
    risk: Risk, rules: str, tmp_path: Path
) -> None:
    policy = policy_of(tmp_path, rules) if rules else None
    with pytest.raises(WritesDisabled, match=rf"run .*{risk.name}") as caught:
        verdict_of(policy, risk=risk, writes=False)

    assert isinstance(caught.value, Denied)
    assert not caught.value.problem.retryable
    assert "ENABLE_WRITE_OPERATIONS=1" in caught.value.problem.hint
    assert verdict_of(policy, risk=risk, writes=False, preview=True).decision is Decision.ALLOW


def test_a_preview_is_told_what_the_change_would_need(tmp_path: Path) -> None:
    policy = policy_of(
        tmp_path,
        "rules: [{name: web, hosts: web1, then: operator_approval}, {name: rest, then: deny}]",
    )

    assert verdict_of(policy, writes=False, preview=True).decision is Decision.OPERATOR_APPROVAL
    with pytest.raises(Denied) as caught:
        verdict_of(policy, hosts=tuple(HOSTS.values()), preview=True)
    assert caught.value.data == {"denied": ["db1", "lab1"]}


@pytest.mark.parametrize(("case", "verdict"), VERDICTS)
def test_verdicts(case: Any, verdict: Any, tmp_path: Path) -> None:
    before = "".join(f"{key}: {case[key]}\n" for key in ("windows", "tiers") if key in case)
    text = "rules:\n" + "".join(f"  {line}\n" for line in case["rules"].splitlines())
    policy = policy_of(tmp_path, text + before)
    name, *words = verdict["call"]
    tool = TOOLS[name]
    choice = "".join(word for word in words if word not in HOSTS)
    asked = {
        "tool": tool,
        "risk": tool.risk_of(tool.input.model_construct(choice=choice)),
        "hosts": [HOSTS[word] for word in words if word in HOSTS],
        "caller": verdict.get("caller", "local"),
        "now": datetime.fromisoformat(verdict["at"]) if "at" in verdict else NOON,
    }
    if verdict["is"] == "deny":
        with pytest.raises(Denied) as caught:
            decide(**asked, policy=policy, writes=True, preview=False)
        assert caught.value.problem.code == "denied"
        assert str(caught.value) == verdict.get("why", str(caught.value))
        return
    decided = decide(**asked, policy=policy, writes=True, preview=False)
    assert decided.decision.word == verdict["is"]
    rules = [
        ruling.rule for ruling in decided.rulings.values() if ruling.decision is decided.decision
    ]
    assert [rule.name if rule else None for rule in rules] == (
        [verdict["by"]] if "by" in verdict else []
    )
    assert decided.why() == verdict.get("why", decided.why())


UNKNOWN = Host(name="dim", groups=(), unread=("playrail_tags",))
FROZEN = "{name: f, hosts: 'tag:frozen', then: deny}"
ALL = "{name: rest, then: allow}"


@pytest.mark.parametrize(
    ("rules", "decision"),
    [
        ([FROZEN, ALL], Decision.DENY),
        (["{name: a, hosts: 'tag:x', then: operator_approval}", ALL], Decision.OPERATOR_APPROVAL),
        (["{name: a, hosts: 'tag:x', then: preview_first}", ALL], Decision.PREVIEW_FIRST),
        (
            ["{name: a, hosts: 'tag:free', then: allow}", "{name: b, then: client_approval}"],
            Decision.CLIENT_APPROVAL,
        ),
        (["{name: a, hosts: 'tag:free', then: allow}"], Decision.DENY),
        (["{name: a, hosts: 'tag:x', then: client_approval}", FROZEN, ALL], Decision.DENY),
        (["{name: a, hosts: dim, then: allow}", FROZEN], Decision.ALLOW),
        ([FROZEN.replace("then", "tools: read_file, then"), ALL], Decision.ALLOW),
    ],
    ids=str,
)
def test_tags_that_cannot_be_read_are_the_strictest(
    rules: list[str], decision: Decision, tmp_path: Path
) -> None:
    policy = policy_of(tmp_path, "rules:\n" + "".join(f"  - {rule}\n" for rule in rules))

    if decision is Decision.DENY:
        with pytest.raises(Denied):
            verdict_of(policy, hosts=(UNKNOWN,))
    else:
        assert verdict_of(policy, hosts=(UNKNOWN,)).decision is decision


def test_many_hosts_are_not_all_named(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, "rules: [{name: one, hosts: web1, then: allow}]")
    hosts = [Host(name=f"h{number}", groups=()) for number in range(12)]
    with pytest.raises(Denied, match=r"on h0, h1, .*, h9 and 2 more no rule") as caught:
        verdict_of(policy, hosts=hosts)
    assert caught.value.data == {"denied": [host.name for host in hosts]}


def test_no_host_at_all_is_not_allowed(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, "rules: [{name: all, then: allow}]")
    with pytest.raises(Denied):
        verdict_of(policy, hosts=())
    assert verdict_of(policy, tool=ABOUT, hosts=(), writes=False).decision is Decision.ALLOW


# Rules in which each selection is left out, holds the call's word, or another one.
RULES = st.lists(
    st.builds(
        Rule,
        name=st.uuids().map(str),
        line=st.just(1),
        then=st.sampled_from(Decision),
        callers=st.sampled_from([(), ("local",), ("cli",)]),
        hosts=st.sampled_from([(), ("web1",), ("tier:production",), ("tag:db", "group:web")]),
        tools=st.sampled_from([(), ("run",), ("toolset:services",)]),
        risk=st.sampled_from([(), (Risk.READ,), (Risk.WRITE, Risk.SHELL)]),
    ),
    max_size=6,
)
CALLS = st.tuples(
    st.sampled_from([RUN, MANAGE_SERVICE, READ_FILE]),
    st.sampled_from(Risk),
    st.lists(st.sampled_from(sorted(HOSTS)), min_size=1, unique=True),
)

Call = tuple[AnyTool, Risk, list[str]]


def decisions(rules: Sequence[Rule], call: Call) -> tuple[Decision, dict[str, Rule | None]]:
    """The decision of a call, and by host the rule that it comes from; those are not told
    of what is denied.
    """
    tool, risk, names = call
    policy = Policy(source="policy.yml", digest="", rules=tuple(rules))
    try:
        verdict = verdict_of(policy, tool=tool, risk=risk, hosts=[HOSTS[name] for name in names])
    except Denied:
        return Decision.DENY, {}
    return verdict.decision, {host: ruling.rule for host, ruling in verdict.rulings.items()}


@given(RULES, RULES, CALLS)
def test_rules_after_the_first_match_count_for_nothing(
    rules: list[Rule], more: list[Rule], call: Call
) -> None:
    decision, by = decisions(rules, call)
    for host, rule in by.items():
        assert rule is not None
        until = rules[: rules.index(rule) + 1]
        assert decisions([*until, *more], (*call[:2], [host])) == (rule.then, {host: rule})
    if by:
        assert decisions([*rules, *more], call) == (decision, by)


@given(RULES, CALLS)
def test_the_strictest_decision_counts(rules: list[Rule], call: Call) -> None:
    each = [decisions(rules, (*call[:2], [host]))[0] for host in call[2]]

    assert decisions(rules, call)[0] is max(each)


def test_a_rule_means_what_does_the_same_under_another_name() -> None:
    others = {name: tool for name, tool in catalog.load().items() if tool.same_as}
    assert len(others) > 1
    for name, tool in others.items():
        rule = Rule(name="a", line=1, then=Decision.DENY, tools=(str(tool.same_as),))
        assert rule.means(tool), name
        assert not replace(rule, tools=("no_such",)).means(tool)
