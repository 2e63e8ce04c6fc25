"""Reads a policy from its file. Whatever is wrong in it stops the start with the file, the
line, and what is allowed.

The format is told in policy.example.yml.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from playrail.errors import SettingsInvalid
from playrail.policy.rules import CALLERS, EVERY_HOST, OTHERS, PRODUCTION, Policy, Rule, Window
from playrail.policy.schema import Place, PolicyEntry, place_of, told
from playrail.settings.private_files import trusted_text
from playrail.settings.servers import shown
from playrail.tools.tool import AnyTool, ByField, DirectTool, Risk

DEEPEST = 8  # levels of a policy; an alias that holds itself has more
# In a policy, each time that an alias repeats one; a few lines of these make millions
MOST_VALUES = 10_000
TOOLSET = "toolset:"
STANDARD = "tag:yaml.org,2002:"  # how the tags begin that YAML itself has

Decided = frozenset[tuple[str, Risk]]
"""What a rule can decide: tools, each with a risk of its calls."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The file, for messages: on which line what stands."""

    path: Path
    lines: Mapping[Place, int]

    def wrong(self, place: Place, what: str) -> SettingsInvalid:
        return SettingsInvalid(f"{self.path}:{self.line(place)}: {what}")

    def line(self, place: Place) -> int:
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]


def read_policy(path: Path, tools: Mapping[str, AnyTool]) -> Policy:
    """The policy in a file. `tools` are all there are by their names, also those that are
    not offered here.

    Raises SettingsInvalid, also when others could have written the file.
    """
    text = trusted_text(path)
    if text is None:
        raise SettingsInvalid(
            f"PLAYRAIL_POLICY: {str(path)!r} does not exist; allowed is the path of a policy file"
        )
    data, source = _read_yaml(path, text)
    entry = _validated(data, source)
    _check_tiers(entry, source)
    _check_limits(entry, source)
    _check_callers(entry, source)
    windows = {
        name: Window(
            name=name,
            days=frozenset(window.days),
            zone=window.timezone,
            start=window.start,
            end=window.end,
        )
        for name, window in entry.windows.items()
    }
    rules = [_rule(number, entry, windows, tools, source) for number in range(len(entry.rules))]
    _check_that_all_can_match(rules, entry.tiers, tools, source)
    return Policy(
        source=path.name,
        digest=hashlib.sha256(json.dumps(data).encode()).hexdigest(),
        rules=tuple(rules),
        tiers=entry.tiers,
        callers=entry.limits.callers,
        hosts=entry.limits.hosts,
    )


def _read_yaml(path: Path, text: str) -> tuple[Any, Source]:
    lines: dict[Place, int] = {(): 1}
    source = Source(path=path, lines=lines)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        lines[()] = error.problem_mark.line + 1 if error.problem_mark else 1
        raise source.wrong(
            (), f"cannot be read as YAML ({error.problem or error.context})"
        ) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise source.wrong((), f"cannot be read as YAML ({type(error).__name__})") from None
    return None if node is None else _plain(node, (), source, lines), source


def _plain(node: yaml.Node, place: Place, source: Source, lines: dict[Place, int]) -> Any:
    """The data of a node: texts as they stand there, and plain digits as a number.

    Nothing else is resolved: YAML 1.1 would make a number of 18:00 and a truth value of
    `on`.
    """
    lines.setdefault(place, node.start_mark.line + 1)
    if len(lines) > MOST_VALUES:
        raise source.wrong(
            place, f"makes more than {MOST_VALUES} values, which is too much for a policy"
        )
    if len(place) > DEEPEST:
        raise source.wrong(place, f"is nested too deep; allowed are {DEEPEST} levels")
    if not node.tag.startswith(STANDARD) or "/" in node.tag:
        raise source.wrong(place, f"has the tag {shown(node.tag)}; allowed are values without one")
    if node.value in ("", []) or node.tag == f"{STANDARD}null":
        where = shown(str(place[-1])) if place else "the file"
        raise source.wrong(place, f"{where} is empty; allowed is a value, or to leave the key out")
    if isinstance(node, yaml.MappingNode):
        return _plain_mapping(node, place, source, lines)
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(item, (*place, number), source, lines) for number, item in enumerate(node.value)
        ]
    return int(node.value) if node.tag == f"{STANDARD}int" and node.value.isdigit() else node.value


def _plain_mapping(
    node: yaml.MappingNode, place: Place, source: Source, lines: dict[Place, int]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise source.wrong(place, "has a key that is no text; allowed are names")
        name, line = str(key.value), key.start_mark.line + 1
        at = (*place, name)
        if name in found:
            was, lines[at] = lines[at], line
            raise source.wrong(
                at, f"the key {shown(name)} is in line {was} already; allowed is each key once"
            )
        lines[at] = line
        found[name] = _plain(value, at, source, lines)
    return found


def _validated(data: Any, source: Source) -> PolicyEntry:
    try:
        return PolicyEntry.model_validate(data)
    except ValidationError as error:
        wrong = [(place_of(item["loc"]), item) for item in error.errors(include_url=False)]
    place, item = min(wrong, key=lambda one: source.line(one[0]))
    raise source.wrong(place, told(place, item["type"], item["msg"]))


def _check_tiers(entry: PolicyEntry, source: Source) -> None:
    if PRODUCTION not in entry.tiers:
        raise source.wrong(
            ("tiers",),
            f"tiers: {PRODUCTION} is missing; a host that has no tier of these counts as it",
        )
    listed = [
        *(
            (("rules", n, "hosts", i), word)
            for n, rule in enumerate(entry.rules)
            for i, word in enumerate(rule.hosts)
        ),
        *((("limits", "hosts", word), word) for word in entry.limits.hosts),
    ]
    for place, word in listed:
        kind, _, tier = word.partition(":")
        if kind == "tier" and tier not in entry.tiers:
            raise source.wrong(
                place, f"unknown tier {shown(tier)}; allowed are {', '.join(entry.tiers)}"
            )


def _check_limits(entry: PolicyEntry, source: Source) -> None:
    words = list(entry.limits.hosts)
    for word, later in pairwise(words):
        if word in (OTHERS, EVERY_HOST):
            what = (
                f"{later} can never match, because {word} before it means every host; the "
                "first that matches counts"
            )
            raise source.wrong(("limits", "hosts", later), what)


def _rule(
    number: int,
    entry: PolicyEntry,
    windows: Mapping[str, Window],
    tools: Mapping[str, AnyTool],
    source: Source,
) -> Rule:
    given, place = entry.rules[number], ("rules", number)
    for before, other in enumerate(entry.rules[:number]):
        if other.name == given.name:
            line = source.line(("rules", before))
            raise source.wrong(
                (*place, "name"),
                f"name: the rule in line {line} is named {shown(given.name)} as well",
            )
    if given.during and given.during not in windows:
        allowed = ", ".join(windows) or "those below `windows`, where there are none"
        raise source.wrong(
            (*place, "during"), f"unknown window {shown(given.during)}; allowed are {allowed}"
        )
    return Rule(
        name=given.name,
        line=source.line(place),
        then=given.then,
        callers=given.callers,
        hosts=given.hosts,
        tools=tuple(
            _tool(word, (*place, "tools", i), tools, source) for i, word in enumerate(given.tools)
        ),
        risk=given.risk,
        during=windows.get(given.during),
    )


def _tool(word: str, place: Place, tools: Mapping[str, AnyTool], source: Source) -> str:
    """A word of a rule's `tools`, with a tool's own name in place of another one that it
    has.
    """
    toolsets = sorted({tool.toolset for tool in tools.values()})
    if word.startswith(TOOLSET):
        if word.removeprefix(TOOLSET) in toolsets:
            return word
        raise source.wrong(
            place, f"unknown toolset {shown(word)}; allowed are {', '.join(toolsets)}"
        )
    if word in tools:
        return tools[word].name
    if word in toolsets:
        raise source.wrong(
            place, f"unknown tool {shown(word)}; for the toolset allowed is {TOOLSET}{word}"
        )
    nearest = difflib.get_close_matches(word, tools, n=1, cutoff=0)[0]
    raise source.wrong(
        place, f"unknown tool {shown(word)}; the nearest is {nearest}, `playrail tools` lists all"
    )


def _check_callers(entry: PolicyEntry, source: Source) -> None:
    """There are no others than these, so a word that is none of them would never match."""
    listed: list[tuple[Place, str]] = [
        (("limits", "callers", word), word) for word in entry.limits.callers if word != OTHERS
    ]
    for number, rule in enumerate(entry.rules):
        listed += [(("rules", number, "callers", i), word) for i, word in enumerate(rule.callers)]
    for place, word in listed:
        if word not in CALLERS:
            raise source.wrong(
                place, f"unknown caller {shown(word)}; allowed are {', '.join(CALLERS)}"
            )


def _check_each_tool(
    rule: Rule, place: Place, tools: Mapping[str, AnyTool], source: Source
) -> None:
    """A word beside others that never has an effect is a mistake as well."""
    for number, word in enumerate(rule.tools):
        alone = replace(rule, tools=(word,))
        if not _decided(alone, tools):
            what = (
                f"{shown(word)} has no effect in the rule {rule.name!r}: {_why_never(alone, tools)}"
            )
            raise source.wrong((*place, "tools", number), what)


def _check_that_all_can_match(
    rules: Sequence[Rule], tiers: Sequence[str], tools: Mapping[str, AnyTool], source: Source
) -> None:
    decides = [_decided(rule, tools) for rule in rules]
    for number, rule in enumerate(rules):
        place = ("rules", number)
        if not decides[number]:
            raise source.wrong(
                place, f"the rule {rule.name!r} can never match: {_why_never(rule, tools)}"
            )
        _check_each_tool(rule, place, tools, source)
        earlier = [
            i
            for i in range(number)
            if decides[i] & decides[number] and _covers(rules[i], rule, tiers)
        ]
        if decides[number] <= frozenset().union(*(decides[i] for i in earlier)):
            names = " and ".join(f"{rules[i].name!r} (line {rules[i].line})" for i in earlier)
            what = (
                f"the rule {rule.name!r} can never match: what it is about was decided by {names}"
            )
            raise source.wrong(place, what)


def _decided(rule: Rule, tools: Mapping[str, AnyTool]) -> Decided:
    return frozenset(
        (tool.name, risk)
        for tool in _meant(rule, tools)
        for risk in _risks(tool)
        if rule.can_decide(risk)
    )


def _meant(rule: Rule, tools: Mapping[str, AnyTool]) -> list[AnyTool]:
    return [
        tool for tool in tools.values() if rule.means(tool) and not isinstance(tool, DirectTool)
    ]


def _risks(tool: AnyTool) -> Iterable[Risk]:
    return tool.risk.every if isinstance(tool.risk, ByField) else {tool.risk}


def _why_never(rule: Rule, tools: Mapping[str, AnyTool]) -> str:
    meant = _meant(rule, tools)
    if not meant:
        return "tools of Playrail itself are always allowed"
    has = sorted({risk for tool in meant for risk in _risks(tool)})
    if set(has) & set(rule.risk or Risk):
        return (
            f"{rule.then.word} is for changes, and it is about reads; allowed for these are "
            "allow and deny"
        )
    return f"its tools have no such risk; allowed are {', '.join(risk.name for risk in has)}"


def _covers(earlier: Rule, rule: Rule, tiers: Sequence[str]) -> bool:
    """Whether the earlier rule matches whatever the rule does, as far as callers, hosts and
    times go.
    """
    every = EVERY_HOST in earlier.hosts or {f"tier:{tier}" for tier in tiers} <= {*earlier.hosts}
    return (
        (
            not earlier.callers
            or {*CALLERS} <= {*earlier.callers}
            or _within(rule.callers, earlier.callers)
        )
        and (not earlier.hosts or every or _within(rule.hosts, earlier.hosts))
        and (earlier.during is None or earlier.during == rule.during)
    )


def _within(words: Sequence[str], of: Sequence[str]) -> bool:
    return bool(words) and {*words} <= {*of}
