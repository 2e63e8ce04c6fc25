"""What must hold for every tool, so that nobody must remember it.

`python tests/test_catalog.py --write` writes the snapshots in tests/cases/schemas anew: what
`tools/list` says of each tool. A changed snapshot is a changed contract with every client;
look at the difference before you commit it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import yaml

from playrail import catalog
from playrail.server.schemas import describe
from playrail.tools.schemas import input_schema
from playrail.tools.tool import (
    AnyTool,
    ByField,
    Changing,
    DirectTool,
    OnHosts,
    PlaybookTool,
    Risk,
    ToolInput,
    variables,
)
from worlds.checkout import CASE_FILES, PLAYBOOKS, ROOT
from worlds.example_calls import INSTEAD, example_of
from worlds.host_modules import MODULES
from worlds.playbooks import OURS, module_of, only_looks, tasks_of

SCHEMAS = CASE_FILES / "schemas"
# What the engine itself passes to every play.
ENGINES = {
    "playrail_target",
    "playrail_run",
    "playrail_secrets",
    "playrail_protect_read",
    "playrail_protect_write",
}
UNCHECKED = {"command", "run_program"}  # modules that do nothing in check mode
HINTS = {
    Risk.READ: (True, None, False),
    Risk.SENSITIVE: (True, None, False),
    Risk.WRITE: (False, False, False),
    Risk.DESTRUCTIVE: (False, True, False),
    Risk.DANGEROUS: (False, True, True),
    Risk.SHELL: (False, True, True),
}

NAMES = catalog.load()
TOOLS = {tool.name: tool for tool in NAMES.values()}
PLAYED = {name: tool for name, tool in TOOLS.items() if isinstance(tool, PlaybookTool)}

every_tool = pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
REMOTE = {name: tool for name, tool in TOOLS.items() if not isinstance(tool, DirectTool)}
every_remote = pytest.mark.parametrize("tool", REMOTE.values(), ids=list(REMOTE))
every_played = pytest.mark.parametrize("tool", PLAYED.values(), ids=list(PLAYED))
every_name = pytest.mark.parametrize("name", NAMES)


@every_played
def test_a_tool_has_its_playbook_and_hands_it_every_argument(tool: PlaybookTool[Any, Any]) -> None:
    text = (PLAYBOOKS / tool.playbook).read_text(encoding="utf-8")

    # It is the tool's own, or that of another tool with the same risk, which has its name.
    named = PLAYED[Path(tool.playbook).stem]
    assert (named.playbook, named.risk) == (tool.playbook, tool.risk)
    assert issubclass(tool.input, OnHosts)
    given = variables(tool.input.model_validate(example_of(tool)))
    assert all(name.startswith("playrail_") for name in given)
    # A field that only serves to compute another one is told by the comment at the top, so
    # it occurs too.
    assert [name for name in given if not re.search(rf"\b{name}\b", text)] == []
    assert given.keys() & ENGINES == set()
    allowed = {*given, *ENGINES}
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    own = {
        *re.findall(r"register: (playrail_\w+)", code),
        *re.findall(r"^ +(playrail_\w+):", code, re.MULTILINE),
    }
    assert set(re.findall(r"\bplayrail_\w+", code)) - allowed - own == set()


@every_played
def test_a_tool_that_only_reads_uses_modules_that_only_read(tool: PlaybookTool[Any, Any]) -> None:
    changing = [task["name"] for task in tasks_of(tool.playbook) if not only_looks(task)]
    if tool.worst_risk.changes:
        assert changing, f"{tool.name} needs a lower risk: nothing in its playbook makes a change"
    else:
        assert changing == []


@every_tool
def test_a_tool_that_changes_can_be_previewed_or_says_why_not(tool: AnyTool) -> None:
    """What Playrail does to itself is not previewed."""
    changes = tool.worst_risk.changes and not isinstance(tool, DirectTool)

    assert issubclass(tool.input, Changing) is changes
    if isinstance(tool, PlaybookTool) and tool.unforeseeable is None and changes:
        silent = [
            task
            for task in tasks_of(tool.playbook)
            if module_of(task).rpartition(".")[2] in UNCHECKED
        ]
        assert silent == [], f"{tool.name} needs `unforeseeable`: check mode leaves these out"
    else:
        assert (tool.unforeseeable is not None) is changes


def secrets_of(tool: AnyTool) -> Collection[str]:
    """The arguments that may hold a secret, in a call that says so."""
    says_so = {"secret": True} if "secret" in tool.input.model_fields else {}
    given: ToolInput = tool.input.model_validate({**example_of(tool), **says_so})
    return given.secret_fields()


SECRETIVE = {name: tool for name, tool in PLAYED.items() if secrets_of(tool)}


def test_there_are_secret_arguments() -> None:
    assert "write_file" in SECRETIVE


@pytest.mark.parametrize("tool", SECRETIVE.values(), ids=list(SECRETIVE))
def test_a_secret_argument_is_not_logged(tool: PlaybookTool[Any, Any]) -> None:
    """Neither by a host, which is its module's business, nor with its task."""
    for name in secrets_of(tool):
        users = [
            (module_of(task), argument)
            for task in tasks_of(tool.playbook)
            if task.get("no_log") is not True
            for argument, value in task[module_of(task)].items()
            if re.search(rf"\bplayrail_{name}\b", str(value))
        ]
        assert users != []
        for module, argument in users:
            source = MODULES / f"{module.removeprefix(OURS)}.py"
            declared = re.search(rf'"{argument}": \{{.*\}}', source.read_text(encoding="utf-8"))
            assert declared is not None
            assert '"no_log": True' in declared[0]


@every_remote
def test_a_tool_has_a_case_that_succeeds_and_one_that_fails(tool: AnyTool) -> None:
    cases = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (CASE_FILES / "tools" / tool.name).glob("*.yml")
    ]

    assert {"problem" in case for case in cases} == {True, False}, (
        f"add one to tests/cases/tools/{tool.name}"
    )


@every_tool
def test_every_argument_is_described_with_an_example_that_is_right(tool: AnyTool) -> None:
    properties = input_schema(tool).get("properties", {})

    assert set(properties) == set(tool.input.model_fields)
    for schema in properties.values():
        assert schema["description"].endswith(".")
        assert schema["examples"]
    for name, schema in properties.items():
        for one in schema["examples"]:
            given = INSTEAD.get(tool.name, {}).get(name) or {**example_of(tool), name: one}
            assert given[name] == one
            tool.input.model_validate(given)


@every_tool
def test_the_hints_agree_with_the_risk(tool: AnyTool) -> None:
    hints = describe(tool.name, tool).annotations
    assert hints is not None

    told = (hints.read_only_hint, hints.destructive_hint, hints.open_world_hint)
    assert told == HINTS[tool.worst_risk]
    # Of what only reads the specification asks no more, and absent is false
    assert bool(hints.idempotent_hint) is (tool.worst_risk.changes and tool.idempotent)


@every_tool
def test_a_risk_by_field_is_of_a_real_field_and_its_values(tool: AnyTool) -> None:
    if isinstance(tool.risk, ByField):
        field = input_schema(tool)["properties"][tool.risk.field]
        allowed = [False, True] if field["type"] == "boolean" else field["enum"]
        assert set(tool.risk.cases) <= set(allowed)
        assert tool.risk.otherwise is tool.risk.worst  # a value nobody thought of is the worst


@every_tool
def test_a_description_is_short_and_starts_with_the_risk(tool: AnyTool) -> None:
    told = describe(tool.name, tool).description or ""
    # The word that clients know; a shell is no less
    prefix = f"[{min(tool.worst_risk, Risk.DANGEROUS).name}] "

    assert told.startswith(prefix) is (tool.worst_risk is not Risk.READ)
    assert len(re.findall(r"[.!?](?:\s|$)", told)) in (1, 2)
    assert told.endswith(".")
    assert len(told) <= 200
    assert re.fullmatch(r"[a-z][a-z0-9_]{2,63}", tool.name)


def listed(name: str) -> dict[str, Any]:
    """What `tools/list` says of the tool."""
    told = describe(name, NAMES[name], output=True)
    return told.model_dump(mode="json", by_alias=True, exclude_none=True)


def shown(name: str) -> str:
    return json.dumps(listed(name), indent=2, ensure_ascii=False) + "\n"


@every_name
def test_the_schema_is_the_one_that_clients_know(name: str) -> None:
    path = SCHEMAS / f"{name}.json"
    known = path.read_text(encoding="utf-8") if path.exists() else ""

    assert known == shown(name), (
        "a contract changed; if that is meant, run: python tests/test_catalog.py --write"
    )


def test_every_known_schema_is_some_tools() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(NAMES)


@every_name
def test_every_client_can_read_the_schemas(name: str) -> None:
    told = listed(name)

    assert re.findall(r"\$ref|\$defs", json.dumps(told)) == []
    for schema in (told["inputSchema"], told["outputSchema"]):
        assert schema["type"] == "object"
        assert schema.keys() & {"anyOf", "oneOf", "allOf", "not", "enum"} == set()
    assert input_schema(NAMES[name])["additionalProperties"] is False


def test_readmes_table_is_the_catalogues() -> None:
    command = [sys.executable, str(ROOT / "tests" / "checks" / "tool_table.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    SCHEMAS.mkdir(exist_ok=True)
    for old in SCHEMAS.glob("*.json"):
        old.unlink()
    for each in NAMES:
        (SCHEMAS / f"{each}.json").write_text(shown(each), encoding="utf-8")
