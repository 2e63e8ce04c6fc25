"""A Jinja expression in any text that a caller may send comes back as text, or is refused;
it never runs.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import Any

import pytest

from playrail import catalog
from playrail.tools.tool import AnyTool, PlaybookTool

from .conftest import Wire, on_host

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]

TOOLS = {tool.name: tool for tool in catalog.load().values() if isinstance(tool, PlaybookTool)}
REFUSED = {"invalid_argument", "unknown_server"}
GOOD: dict[str, dict[str, Any]] = {
    "execute_command": {"cmd": "pwd"},
    "execute_on_multiple": {"cmd": "pwd"},
    "write_file": {"path": "/srv/template-written"},
    "search_in_files": {"path": "/srv/template-searched"},
}


def texts(tool: AnyTool) -> list[str]:
    """The tool's arguments that take a text."""
    schema = tool.input.model_json_schema()
    found = []
    for name, field in schema["properties"].items():
        kinds = [field, *field.get("anyOf", [])]
        if any(kind.get("type") == "string" for kind in kinds):
            found.append(name)
    return found


def arguments(tool: AnyTool) -> dict[str, Any]:
    """Arguments that are good: each field's own example where it has no default."""
    schema = tool.input.model_json_schema()
    examples = {
        name: schema["properties"][name]["examples"][0] for name in schema.get("required", [])
    }
    return {**examples, **GOOD.get(tool.name, {})}


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, tool in TOOLS.items() for field in texts(tool)]
)
def test_a_template_stays_text(wire: Wire, name: str, field: str) -> None:
    marker = f"/tmp/was-run-{uuid.uuid4()}"
    template = "{{ lookup('pipe', 'touch " + marker + "') }}"
    good = arguments(TOOLS[name])
    text = (
        f"/srv/{template}"
        if str(good.get(field, "")).startswith("/") or field == "chdir"
        else template
    )
    if field == "cmd":
        text = f"echo '{text}'"
    if field == "pattern":
        wire.report("write_file", server="deb12", path=good["path"], content=text)
    if field == "term":
        on_host("deb12", "logger", "--", text)
    if field == "chdir":
        on_host("deb12", "mkdir", "-p", text)
    if field == "link_to":
        good = {"path": "/srv/template-link"}
        on_host("deb12", "rm", "-f", good["path"])
    answer = wire.call(name, **{**good, "server": "deb12", field: text})
    if field == "link_to":
        answer["leads_to"] = on_host("deb12", "readlink", good["path"])
    if field == "content":
        answer = wire.call("read_file", server="deb12", path=good["path"])
    for python in ([sys.executable], ["docker", "exec", "playrail-lab-deb12", "python3"]):
        code = f"import os, sys; sys.exit(os.path.exists({marker!r}))"
        assert subprocess.run([*python, "-c", code], check=False).returncode == 0, (
            "the template was run"
        )
    # Either it was refused as no such word, or it got as far as the host and was the text
    # that was sent there.
    assert "lookup" in str(answer) or answer.get("code") in REFUSED, answer


def test_a_template_in_a_list_stays_text(wire: Wire) -> None:
    answer = wire.call("get_memory_info", server=["deb12", "{{ lookup('pipe', 'id') }}"])
    assert answer["code"] == "unknown_server"
    assert answer["data"]["unknown"] == ["{{ lookup('pipe', 'id') }}"]


def test_what_a_host_sends_stays_text(wire: Wire) -> None:
    template = "{{ lookup('pipe', 'touch /tmp/sent-by-a-host') }}"
    on_host(
        "deb12",
        "sh",
        "-c",
        (
            f'printf %s "{template}" > /srv/template; mkdir -p '
            f'"/srv/dir/{template.replace("/", "_")}"'
        ),
    )
    assert wire.report("read_file", server="deb12", path="/srv/template")["content"] == template
    names = wire.report("list_directory", server="deb12", path="/srv/dir")["directories"]
    assert template.replace("/", "_") in names
    assert (
        wire.report("execute_command", server="deb12", cmd="cat /srv/template")["stdout"]
        == template
    )
