"""How toolsets are found: ours first, and no plugin that is wrong takes anything else down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from playrail import catalog
from playrail.ansible.environment import environment
from playrail.errors import SettingsInvalid
from playrail.settings.content import PACKAGE, collections_root
from playrail.settings.settings import Settings
from playrail.tools.lasting import Kind
from playrail.tools.tool import (
    AnyTool,
    ApiTool,
    Changing,
    DirectTool,
    OnHosts,
    PlaybookTool,
    Report,
    Risk,
    ToolInput,
)
from playrail.tools.toolset import Toolset
from worlds.local_plays import playrail

OURS = tuple(entry_points(group=catalog.ENTRY_POINT_GROUP))


class Greeting(BaseModel):
    words: str = "hello"
    times: int = 1


class WithSecret(BaseModel):
    password: SecretStr = SecretStr("")


class WithoutDefault(BaseModel):
    words: str


def tool(name: str = "read_motd", **more: Any) -> AnyTool:
    made: dict[str, Any] = {
        "name": name,
        "summary": "Read it.",
        "risk": Risk.READ,
        "input": OnHosts,
        "playbook": f"motd/{name}.yml",
        "report": Report,
    }
    return PlaybookTool(**{**made, **more})


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    for name in ("read_motd", "write_motd"):
        playbook = folder / "playbooks" / "motd" / f"{name}.yml"
        playbook.parent.mkdir(parents=True, exist_ok=True)
        playbook.touch()
    (folder / "collections/ansible_collections/motd/host").mkdir(parents=True)
    return folder


@pytest.fixture
def motd(content: Path) -> Toolset:
    return Toolset(name="motd", content=content, tools=(tool(),), settings=Greeting)


Assemble = Callable[..., catalog.Catalog]


@pytest.fixture
def assemble(monkeypatch: pytest.MonkeyPatch) -> Assemble:
    """Ours with what plugins declare, each under the name of its toolset."""

    def assembled(*declared: object) -> catalog.Catalog:
        points = []
        for number, each in enumerate(declared):
            module = ModuleType(f"a_plugin_{number}")
            vars(module)["toolset"] = each
            monkeypatch.setitem(sys.modules, module.__name__, module)
            name = each.name if isinstance(each, Toolset) else "motd"
            points.append(EntryPoint(name, f"{module.__name__}:toolset", "playrail.toolsets"))
        return catalog.assembled([*points, *OURS])

    return assembled


def test_a_plugins_toolset_stands_beside_ours(motd: Toolset, assemble: Assemble) -> None:
    found = assemble(motd)

    assert found.unusable == {}
    assert found.tools["read_motd"].toolset == "motd"
    assert found.tools.keys() - {"read_motd"} == catalog.load().keys()
    assert found.collections["motd.host"] == "motd"
    made = found.tools["read_motd"]
    assert isinstance(made, PlaybookTool)
    assert made.path.is_file()


def _changing(input_: type[OnHosts]) -> AnyTool:
    return tool("write_motd", risk=Risk.WRITE, input=input_)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"interface": 2}, "it is written for a newer Playrail (interface 2)"),
        ({"name": "Motd"}, "its name has other characters than a-z, 0-9 and single _"),
        ({"name": "files"}, "read_motd: it is of the toolset motd"),
        ({"name": "files", "tools": ()}, "two tools or toolsets are named files"),
        ({"name": "core", "tools": ()}, "two tools or toolsets are named core"),
        ({"tools": (tool(), tool())}, "two tools or toolsets are named read_motd"),
        (
            {"tools": (tool("read_file", playbook="motd/read_motd.yml"),)},
            "two tools or toolsets are named read_file",
        ),
        (
            {"tools": (tool(aliases=("write_file",)),)},
            "two tools or toolsets are named write_file",
        ),
        ({"tools": (tool("sing"),)}, "sing: there is no playbook motd/sing.yml"),
        ({"content": None}, "read_motd: there is no playbook motd/read_motd.yml"),
        (
            {"tools": (tool(playbook="motd/../../x.yml"),)},
            "read_motd: its playbook is named by a path that leads out of playbooks/",
        ),
        ({"tools": (tool(playbook="/etc/x.yml"),)}, "read_motd: it is of the toolset (none)"),
        (
            {"tools": (_changing(OnHosts),)},
            (
                "write_motd: it changes something, and its input is not Changing: it could not be "
                "previewed"
            ),
        ),
        ({"kinds": (Kind(name="file"),)}, "two kinds are named file"),
        ({"kinds": (Kind(name="motd"), Kind(name="motd"))}, "two kinds are named motd"),
        ({"settings": WithSecret}, "a setting of a toolset cannot be a secret"),
        ({"settings": WithoutDefault}, "PLAYRAIL_MOTD__WORDS: Field required"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_left_out_with_the_reason(
    motd: Toolset, assemble: Assemble, wrong: Mapping[str, Any], why: str
) -> None:
    found = assemble(replace(motd, **wrong))

    assert found.unusable == {wrong.get("name", "motd"): why}
    assert found.tools == dict(catalog.load())
    assert found.kinds == catalog.kinds()


def test_a_tool_that_changes_something_and_can_be_previewed_is_taken(
    motd: Toolset, assemble: Assemble
) -> None:
    found = assemble(replace(motd, tools=(_changing(Changing),), kinds=(Kind(name="motd"),)))

    assert found.unusable == {}
    assert "motd" in found.kinds


def test_what_is_no_toolset_is_left_out(assemble: Assemble) -> None:
    assert assemble([tool()]).unusable == {"motd": "a_plugin_0:toolset is no Toolset"}


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise ValueError('a\\nb')", "a b"),
    ],
)
def test_a_plugin_that_fails_when_it_is_imported_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    (tmp_path / "broken_plugin.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_plugin", raising=False)
    point = EntryPoint("motd", "broken_plugin:toolset", "playrail.toolsets")

    found = catalog.assembled([point, *OURS])

    assert found.unusable == {"motd": why}
    assert found.tools == dict(catalog.load())


def test_of_two_plugins_with_one_collection_the_first_counts(
    motd: Toolset, content: Path, assemble: Assemble
) -> None:
    other = replace(motd, name="zoo", tools=())

    assert assemble(other, motd).unusable == {"zoo": "motd brings the collection motd.host, too"}
    (content / "collections/ansible_collections/playrail/host").mkdir(parents=True)
    assert assemble(motd).unusable == {"motd": "playrail brings the collection playrail.host, too"}


def test_a_role_has_its_toolsets_name(motd: Toolset, content: Path, assemble: Assemble) -> None:
    (content / "roles" / "motd_folder").mkdir(parents=True)
    assert assemble(motd).unusable == {}
    (content / "roles" / "nginx").mkdir()

    why = "its role nginx does not begin with the toolset's name"
    assert assemble(motd).unusable == {"motd": why}


def test_ansible_finds_a_plugins_content_last(content: Path, tmp_path: Path) -> None:
    (content / "roles").mkdir()
    given = {
        "HOME": str(tmp_path),
        "ANSIBLE_ROLES_PATH": "/own/roles",
        "ANSIBLE_COLLECTIONS_PATH": "/own/collections",
    }
    settings = Settings.load(given, dotenv=None)

    child = environment(settings, given, [content])

    assert child["ANSIBLE_ROLES_PATH"] == f"/own/roles:{content}/roles"
    assert child["ANSIBLE_COLLECTIONS_PATH"] == (
        f"{collections_root()}:/own/collections:{content}/collections"
    )
    assert environment(settings, given)["ANSIBLE_ROLES_PATH"] == "/own/roles"


def test_where_ansible_looks_for_roles_by_itself_it_still_does(content: Path, cwd: Path) -> None:
    (content / "roles").mkdir()
    given = {"HOME": str(cwd)}

    child = environment(Settings.load(given, dotenv=None), given, [content])

    by_itself = "~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles"
    assert child["ANSIBLE_ROLES_PATH"] == f"{by_itself}:{content}/roles"


def test_one_of_ours_that_cannot_be_loaded_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        catalog.assembled([EntryPoint("x", "playrail.toolsets.no_such:toolset", "")])


def test_every_module_with_a_toolset_is_named_by_an_entry_point() -> None:
    """An installed Playrail's metadata and its modules are of one version."""
    declaring = {
        str(path.relative_to(PACKAGE.parent).with_suffix("")).replace("/", ".")
        for path in PACKAGE.glob("toolsets/**/*.py")
        if "\ntoolset = Toolset(" in path.read_text(encoding="utf-8")
    }

    assert {point.module for point in OURS if point.module.startswith("playrail.")} == declaring


def test_settings_of_a_toolset(motd: Toolset) -> None:
    assert motd.variables({"times": "2"}) == {
        "playrail_motd__words": "hello",
        "playrail_motd__times": 2,
    }
    with pytest.raises(SettingsInvalid, match="PLAYRAIL_MOTD__TIMES: Input should be a valid int"):
        motd.variables({"times": "often"})
    with pytest.raises(SettingsInvalid, match="PLAYRAIL_MOTD__LOUD: no such setting"):
        motd.variables({"loud": "1"})


@pytest.mark.parametrize("name", ["PLAYRAIL_MOTD__WORDS", "PLAYRAIL_FILES__WORDS"])
def test_a_setting_of_no_toolset_stops_the_start(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        playrail(tmp_path, **{name: "x"})


class Other(ToolInput):
    """An input without a preview."""


async def nothing(*_: Any) -> Report:
    return Report()


class OwnTool(DirectTool[Any, Any]):
    """A sort of tool that no engine runs."""


UNFIT: dict[str, AnyTool] = {
    "none of PlaybookTool": OwnTool(
        name="x",
        summary=".",
        risk=Risk.READ,
        input=Other,
        toolset="mine",
        output=Report,
        run=nothing,
    ),
    "pass the policy by": DirectTool(
        name="x",
        summary=".",
        risk=Risk.WRITE,
        input=Other,
        toolset="mine",
        output=Report,
        run=nothing,
    ),
    "could not be previewed": ApiTool(
        name="x",
        summary=".",
        risk=Risk.WRITE,
        input=Other,
        provider="mikrus",
        endpoint="/x",
        report=Report,
    ),
    "a request cannot be previewed": ApiTool(
        name="x",
        summary=".",
        risk=Risk.WRITE,
        input=Changing,
        provider="mikrus",
        endpoint="/x",
        report=Report,
    ),
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_plugins_tool_cannot_go_around_policy_and_previews(why: str) -> None:
    with pytest.raises(ValueError, match=why):
        catalog.Catalog().add(Toolset(name="mine", tools=[UNFIT[why]]))
