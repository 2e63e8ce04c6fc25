"""What the documents say is so: variables, commands, versions, and the JSON in them."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from playrail.cli import app
from playrail.settings.settings import Settings
from playrail.settings.variables import PLAYRAIL_VARIABLES
from worlds.checkout import ROOT

PAGES = [
    path.relative_to(ROOT)
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("src/**/*.md")])
]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "variable",
    [*PLAYRAIL_VARIABLES, "MCP_SERVERS", "MCP_DEFAULT_SERVER", "ENABLE_WRITE_OPERATIONS"],
)
def test_a_variable_is_in_the_page_of_settings_and_the_example(variable: str) -> None:
    assert f"`{variable}`" in CONFIGURATION
    assert re.search(rf"^#{variable}=", EXAMPLE, re.MULTILINE)


def test_the_example_can_be_used(tmp_path: Path) -> None:
    """With every line that names no file of this machine uncommented, the settings load."""
    lines = re.sub(
        r"^#(?!PLAYRAIL_INVENTORY|PLAYRAIL_PROJECT|MIKRUS)(?=[A-Z_]+=)",
        "",
        EXAMPLE,
        flags=re.MULTILINE,
    )
    (tmp_path / ".env").write_text(lines)
    settings = Settings.load({"HOME": str(tmp_path)}, dotenv=tmp_path / ".env")
    assert settings.enable_write_operations
    assert settings.default_server == "web1"


def test_the_commands_are_in_the_readme() -> None:
    told = README.partition("## Command line")[2].partition("##")[0]
    # the app is a group of commands
    for name in get_command(app).commands:  # type: ignore[attr-defined]
        assert re.search(rf"`(playrail )?{name}\b", told), name


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_json_in_a_page_is_json(page: Path) -> None:
    for block in re.findall(
        r"```json\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL
    ):
        assert json.loads(block)


def test_the_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(
        rf"^## {re.escape(importlib.metadata.version('playrail'))}\b", text, re.MULTILINE
    )


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / page.parent / target).exists(), target


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200
