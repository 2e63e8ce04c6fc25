"""What must hold for every playbook, and for every host module and what these share."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from playrail import catalog
from playrail.settings.content import collection
from playrail.tools.tool import PlaybookTool
from worlds.checkout import PLAYBOOKS, ROOT
from worlds.host_modules import MODULES, SHARED
from worlds.playbooks import BLOCK_WORDS, OURS, flat, module_of, only_looks, plays

INTERNAL = ("runs", "hosts", "resident")  # folders of playbooks that Playrail plays by itself
PLAY_WORDS = {
    "name",
    "hosts",
    "gather_facts",
    "environment",
    "tasks",
    "any_errors_fatal",
    "handlers",
    "vars",
}
# They run on the controller, read its files, or are a shell.
REFUSED = {
    *(
        "shell",
        "raw",
        "script",
        "template",
        "fetch",
        "add_host",
        "group_by",
        "include_vars",
        "synchronize",
        "expect",
    ),
    *(
        "import_playbook",
        "include_tasks",  # looked for beside the user's playbooks
        "import_tasks",
        "include_role",
        "import_role",
        "unarchive",
        "pause",
    ),
}
OF_TOOLS = {tool.playbook for tool in catalog.load().values() if isinstance(tool, PlaybookTool)}
PATHS = sorted(str(path.relative_to(PLAYBOOKS)) for path in PLAYBOOKS.glob("*/*.yml"))
SHARED_NAME = "ansible_collections.playrail.host.plugins.module_utils"
# Those play roles, for an operator
SHAPED = [path for path in PATHS if not path.startswith("hosts/")]
PREFIXES = ("ansible.builtin.", "ansible.posix.", "community.", OURS)
every_playbook = pytest.mark.parametrize("path", PATHS)
every_shaped_playbook = pytest.mark.parametrize("path", SHAPED)


@every_playbook
def test_a_playbook_is_some_tools_or_internal(path: str) -> None:
    assert path in OF_TOOLS or path.partition("/")[0] in INTERNAL


@every_playbook
def test_a_playbook_tells_what_it_does_and_how_to_play_it_by_hand(path: str) -> None:
    text = (PLAYBOOKS / path).read_text(encoding="utf-8")
    comment = [
        line
        for line in text.partition("\n---")[0].partition("\n- ")[0].splitlines()
        if line.startswith("#")
    ]

    assert text.startswith("# ")
    assert not comment[0].startswith("# By hand:")
    joined = "\n".join(comment).replace("\\\n#  ", "").splitlines()
    (by_hand,) = [line for line in joined if line.startswith("# By hand: ansible-playbook ")]
    assert f" playbooks/{path} " in by_hand
    assert "-e playrail_target=" in by_hand


def mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from mappings(each)


@every_playbook
def test_a_playbook_says_nothing_twice(path: str) -> None:
    """Ansible warns of it, also where a merged mapping says it, or fails."""
    for mapping in mappings(yaml.compose((PLAYBOOKS / path).read_text(encoding="utf-8"))):
        merged = [value for key, value in mapping.value if key.value == "<<"]
        keys = [key.value for each in (mapping, *merged) for key, _ in each.value]
        assert len(keys) == len(set(keys)), keys


@every_shaped_playbook
def test_a_playbook_is_one_play_on_the_hosts_it_is_given(path: str) -> None:
    (play,) = plays(path)

    assert set(play) <= PLAY_WORDS  # no become, roles, vars_files, connection ..
    assert play["name"]
    assert play["hosts"] == "{{ playrail_target }}"
    assert play["gather_facts"] is False
    if path != "runs/end_run.yml":  # which must not end itself
        assert play["environment"]["PLAYRAIL_RUN"] == "{{ playrail_run | default('by-hand') }}"


@every_shaped_playbook
def test_a_playbook_ends_with_the_task_that_reports(path: str) -> None:
    """What a host tells is the result of its last task, so that one is always played."""
    last = plays(path)[0]["tasks"][-1]

    assert "block" not in last
    assert "loop" not in last
    assert "when" not in last or path.startswith("resident/")


@every_shaped_playbook
def test_a_task_is_named_by_what_it_does(path: str) -> None:
    names = [task["name"] for task in flat(plays(path)[0]["tasks"])]

    assert [name for name in names if not re.match(r"[A-Z][a-z]+ \w", name)] == []


@every_shaped_playbook
def test_a_playbooks_tasks_are_named_and_use_full_module_names(path: str) -> None:
    for task in flat(plays(path)[0]["tasks"]):
        assert task.get("name")
        if "block" in task:
            assert set(task) <= {"name", "when", *BLOCK_WORDS}
            continue
        module = module_of(task)
        assert module.startswith(PREFIXES)
        assert module.rpartition(".")[2] not in REFUSED
        # Text would be taken apart into arguments
        assert task[module] is None or isinstance(task[module], dict)
        if module.startswith(OURS):
            assert (MODULES / f"{module.removeprefix(OURS)}.py").is_file()
        if module == "ansible.builtin.command":
            assert "changed_when" in task
            assert task[module].keys() <= {
                "argv",
                "chdir",
                "expand_argument_vars",
                "strip_empty_ends",
                "stdin",
            }
            assert task[module]["expand_argument_vars"] is False
        if module == "ansible.builtin.copy":
            assert "src" not in task[module]
        assert task.get("check_mode", True) is True or only_looks(task)


@every_shaped_playbook
def test_a_playbook_reads_nothing_of_the_controller(path: str) -> None:
    text = (PLAYBOOKS / path).read_text(encoding="utf-8")

    assert (
        re.findall(
            (
                r"\b(?:lookup|query|q|with_\w+|delegate_to|local_action|fileglob"
                r"|vars_prompt)\b\s*[(:]"
            ),
            text,
        )
        == []
    )


def test_nothing_else_lies_beside_the_playbooks() -> None:
    """Ansible loads plugins from folders beside a playbook."""
    found = {path.relative_to(PLAYBOOKS).parts for path in PLAYBOOKS.glob("*/*") if path.is_dir()}
    assert found <= {("resident", "callback_plugins")}
    files = [
        path for path in PLAYBOOKS.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {path.suffix for path in files} == {".py", ".yml"}
    assert not [path for path in files if path.is_symlink()]


@pytest.mark.parametrize("path", sorted(MODULES.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_runs_on_old_pythons_and_is_some_playbooks(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))

    # names only, at the top of a module
    assignments = [node for node in tree.body if isinstance(node, ast.Assign)]
    targets = [target for node in assignments for target in node.targets]
    assigned = {target.id for target in targets if isinstance(target, ast.Name)}
    assert {"DOCUMENTATION", "EXAMPLES", "RETURN"} <= assigned
    books = [book.read_text(encoding="utf-8") for book in PLAYBOOKS.rglob("*.yml")]
    assert any(f"{OURS}{path.stem}:" in book for book in books)


@pytest.mark.parametrize("path", sorted(SHARED.glob("*.py")), ids=lambda path: path.stem)
def test_what_modules_share_runs_on_old_pythons_and_is_some_modules(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))

    modules = [*MODULES.glob("*.py"), *SHARED.glob("*.py")]
    assert any(
        f"{SHARED_NAME}.{path.stem} import" in module.read_text(encoding="utf-8")
        for module in modules
    )


def test_the_collection_has_the_packages_version() -> None:
    galaxy = yaml.safe_load((collection() / "galaxy.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert f"{galaxy['namespace']}.{galaxy['name']}." == OURS
    assert galaxy["version"] == project["project"]["version"]
