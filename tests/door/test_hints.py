"""Every hint leads to a call that its reader may make: all that stand in the source, in
every state of the settings.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from playrail import catalog
from playrail.ansible.outcome import failure_rules
from playrail.ansible.outcome.failure_rules import Rule
from playrail.ansible.ssh import lines as ssh_lines
from playrail.calls.answers import Answer, Meta
from playrail.codes import every
from playrail.door.hints import NOTHING_LEFT, Hints
from playrail.errors import Problem
from playrail.settings.settings import Settings
from playrail.tools.offering import absences
from playrail.tools.tool import AnyTool
from worlds.checkout import ROOT

SRC = ROOT / "src" / "playrail"
EVERY = catalog.load()
ONLY_CHANGE = {
    "execute_command",
    "execute_on_multiple",
    "write_file",
    "remove_file",
    "install_package",
    "update_system",
}
STATES = [
    ("all", (), True),
    ("no writes", (), False),
    *((name, (name,), False) for name in ("files", "system", "mikrus")),
]
# A part of a hint that names execute_command with a line that only looks
LOOKS = re.compile(r"execute_command with `(?:apt-cache|dpkg --audit|systemctl list-)[^`]*`")
WORD = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
# Words with an underscore in hints that are no tools.
NO_TOOLS = {
    "plan_id", "run_id", "request_id", "left_out", "wait_s", "timeout_s", "retry_after_s",
    "known_hosts", "remote_tmp", "api_url", "ansible_python_interpreter", "become_method",
    "become_user", "control_path_dir", "ansible_ssh_executable", "ansible_become_exe",
    "ansible_become_method", "ansible_become_user", "task_timeout", "vault_password_file",
    "update_cache", "max_bytes", "changed_since", "next_offset", "client_approval",
    "allow_downgrade", "half_configured", "request_tty", "max_matches", "no_systemd",
    "replace_all", "hard_links", "link_to", "drop_ins", "fragment_path",
}  # fmt: skip


def hints_of(
    offered: Mapping[str, AnyTool], *, writes: bool = False, looks_file: Path | None = None
) -> Hints:
    settings = Settings.load({"HOME": "/nonexistent"}, dotenv=None)
    settings = replace(settings, enable_write_operations=writes, looks_file=looks_file)
    return Hints(EVERY, offered, settings)


def text_of(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may come to, with a word for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(part.value if isinstance(part, ast.Constant) else "it" for part in parts)  # type: ignore[misc]
        case ast.IfExp(body=one, orelse=other):
            yield from text_of(one)
            yield from text_of(other)


def written() -> Iterator[str]:
    """What the source gives as `hint=`, and what it assigns to a name with "hint" in it."""
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.keyword(arg="hint", value=text):
                    yield from text_of(text)
                case ast.Assign(targets=targets, value=text) if any(
                    "hint" in ast.unparse(each).lower() for each in targets
                ):
                    yield from text_of(text)


RULES = [
    one
    for value in vars(failure_rules).values()
    if isinstance(value, tuple)
    for one in value
    if isinstance(one, Rule)
]


@cache
def every_hint() -> tuple[str, ...]:
    found = {
        *(code.hint for code in every.EVERY.values()),
        *(rule.hint for rule in RULES if rule.hint),
        *(line.hint for line in ssh_lines.LINES if line.hint),
        *written(),
    }
    assert len(found) > 100
    return tuple(sorted(found - {""}))


def named(hint: str) -> set[str]:
    return set(WORD.findall(hint)) & set(EVERY)


def test_hints_name_tools_that_there_are() -> None:
    unknown = {hint: set(WORD.findall(hint)) - set(EVERY) - NO_TOOLS for hint in every_hint()}

    wrong = {
        hint: word for hint, words in unknown.items() for word in words if f"`{word}" not in hint
    }
    assert wrong == {}, "a tool that is not there, or a word for NO_TOOLS"


@pytest.mark.parametrize(
    ("toolsets", "writes"), [state[1:] for state in STATES], ids=[state[0] for state in STATES]
)
def test_hints_lead_to_calls_that_are_allowed(toolsets: tuple[str, ...], *, writes: bool) -> None:
    servers = {"vps": {"type": "mikrus", "srv": "x1", "key": "a-key"}}
    environ = {"HOME": "/nonexistent", "MCP_SERVERS": json.dumps(servers)}
    environ["PLAYRAIL_TOOLSETS"] = ",".join(toolsets)
    absent = absences(EVERY, Settings.load(environ, dotenv=None), needs=catalog.needs())
    offered = {name: tool for name, tool in EVERY.items() if name not in absent}
    hints = hints_of(offered, writes=writes)
    for hint in every_hint():
        fitted = hints.fitted(hint)
        assert fitted.strip()
        assert named(fitted) <= set(offered)
        of_looks = {"execute_command"} if LOOKS.search(fitted) else set()
        assert writes or not named(fitted) & ONLY_CHANGE - of_looks
        if not named(hint):
            assert fitted == hint


def test_hints_of_unreachable_hosts_name_no_tool() -> None:
    """A tool would meet the same trouble."""
    for line in ssh_lines.LINES:
        assert not named(line.hint or line.code.hint), line


@dataclass(frozen=True)
class Case:
    hint: str
    fitted: str


@pytest.mark.parametrize(
    "case",
    [
        Case("Look there; execute_command with `x y` shows it.", "Look there."),
        Case("execute_command with `df -h` shows it.", "execute_command with `df -h` shows it."),
        Case("execute_command with `rm x` mends it.", NOTHING_LEFT),
        Case("execute_command shows it; read_file too.", "read_file too."),
        Case("execute_command shows it.", NOTHING_LEFT),
        Case("Do not retry; execute_command shows it.", f"Do not retry. {NOTHING_LEFT}"),
        Case("Call read_file. Then execute_command.", "Call read_file."),
    ],
    ids=lambda case: case.hint,
)
def test_only_what_cannot_be_called_is_left_out(case: Case) -> None:
    hints = hints_of(EVERY)
    assert hints.fitted(case.hint) == case.fitted
    problem = Problem(code=every.named("x"), error="x", hint=case.hint)
    data = {"failed": {"web": problem.told()}, "hosts": {}}
    answer = hints.answer(Answer(meta=Meta(request_id="1"), problem=problem, data=data))
    assert answer.problem is not None
    assert answer.data is not None
    assert answer.problem.hint == answer.data["failed"]["web"]["hint"] == case.fitted


def test_a_program_that_the_operator_took_away_is_named_by_no_hint(tmp_path: Path) -> None:
    looks_file = tmp_path / "looks.yml"
    looks_file.write_text("without: [df]\n")
    looks_file.chmod(0o600)
    hints = hints_of(EVERY, looks_file=looks_file)
    assert hints.fitted("execute_command with `df -h` shows it.") == NOTHING_LEFT
