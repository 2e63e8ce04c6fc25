"""What a caller sends is data: for every text argument of every tool, whatever is in it.

Parsing is tried with a lot of texts; then plays are really run with the worst of those that
are let through.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from hypothesis import example, given, settings
from hypothesis import strategies as st

from playrail import catalog
from playrail.ansible.run.values import to_extravars
from playrail.calls.answers import Answer, parse
from playrail.engines.apis import request_of
from playrail.errors import InvalidArgument
from playrail.tools.schemas import input_schema
from playrail.tools.tool import AnyTool, ApiTool, PlaybookTool, variables
from worlds.example_calls import example_of
from worlds.local_plays import standing

TOOLS = {tool.name: tool for tool in catalog.load().values()}
# A play that never came to its task would show nothing.
NOT_REACHED = {
    "internal",
    "ansible_failed",
    "collection_missing",
    "no_report",
    "unexpected_report",
    "host_unreachable",
}
SHORT = 12  # characters; a shorter text may stand in the rule by chance
NASTY = (
    "'; touch CANARY; echo '",
    '"; touch CANARY; echo "',
    "$(touch CANARY)",
    "`touch CANARY`",
    "x\ntouch CANARY",
    "x; touch CANARY",
    "x && touch CANARY",
    "x | touch CANARY",
    "{{ lookup('pipe', 'touch CANARY') }}",
    "{% set x = lookup('pipe', 'touch CANARY') %}{{ x }}",
    "{{ cycler.__init__.__globals__.os.popen('touch CANARY').read() }}",
    "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00",
    "$ANSIBLE_VAULT;1.1;AES256\n00",
    "-rf",
    "--pre=touch CANARY",
    "--output=/tmp/CANARY",
    "-",
    "--",
    "../../../../etc/shadow",
    "~root",
    "$HOME",
    "%s%n",
    "*",
    "\x00",
    "x\x00y",
    "\x1b]0;title\x07",
    "\u202eevil",
    "ą" * 200,
    "\ud800",
    "true",
    "1.0",
    "null",
    "[]",
    '{"__ansible_unsafe": "x"}',
    "",
)
PIECES = st.sampled_from(
    [
        *NASTY,
        *"'\"`$(){}[]<>|&;*?!~\\#%\t\n\r ",
        "a",
        "1",
        "/",
        "-",
        ".",
        "é",
        "🙂",
        "\x7f",
        "\u2028",
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=8).map("".join))


def texts_of(tool: AnyTool) -> Iterator[str]:
    """The names of the arguments that take text."""
    for name, schema in input_schema(tool).get("properties", {}).items():
        kinds = schema.get("type", [])
        if "string" in ([kinds] if isinstance(kinds, str) else kinds) and "enum" not in schema:
            yield name


FIELDS = [(tool, name) for tool in TOOLS.values() for name in texts_of(tool)]
every_text = pytest.mark.parametrize(
    ("tool", "field"), FIELDS, ids=[f"{tool.name}-{name}" for tool, name in FIELDS]
)


def parsed(tool: AnyTool, field: str, text: str) -> Any:
    """The tool's input with this text, or None when it is refused. A refusal does not
    repeat the text.
    """
    try:
        return parse(tool, {**example_of(tool), field: text})
    except InvalidArgument as refused:
        told = str(refused)
    assert len(text) < SHORT or text not in told
    return None


@every_text
@settings(max_examples=30, deadline=None)
@given(text=TEXTS)
@example(text="{{ lookup('pipe', 'id') }}")
@example(text="\ud800")
def test_a_text_that_is_let_through_stays_the_same_text(
    tool: AnyTool, field: str, text: str
) -> None:
    """What Ansible makes of the variables is what the caller sent, after its own reading
    and templating.
    """
    asked = parsed(tool, field, text)
    if asked is None:
        return
    if isinstance(tool, ApiTool) and field != "server":
        endpoint, form = request_of(tool, asked)
        assert form.get(field) == text or endpoint == tool.endpoint.replace(f"{{{field}}}", text)
        assert re.fullmatch(r"/[a-z]+(/[A-Za-z0-9_-]+)?", endpoint)
    if not isinstance(tool, PlaybookTool):
        return
    sent = variables(asked)

    assert rendered(to_extravars(sent)) == json.loads(json.dumps(sent))


def rendered(extravars: str) -> dict[str, Any]:
    """What a play sees of a file of extra variables, which Ansible reads like this and
    takes for templates.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(extravars)
        file.flush()
        loaded = DataLoader().load_from_file(file.name, cache="none", trusted_as_template=True)
    templar = Templar(loader=DataLoader(), variables=loaded)
    return {name: templar.template(loaded[name]) for name in loaded}


def test_the_rendering_itself() -> None:
    assert rendered('{"playrail_x": "{{ 7 * 7 }}"}') == {"playrail_x": 49}
    assert rendered(to_extravars({"playrail_x": "{{ 7 * 7 }}"})) == {"playrail_x": "{{ 7 * 7 }}"}


PLAYED = [
    (tool, field) for tool, field in FIELDS if isinstance(tool, PlaybookTool) and field != "server"
]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Answer]]:
    with standing(tmp_path_factory.mktemp("standing"), ENABLE_WRITE_OPERATIONS="1") as calling:
        yield calling


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool", "field"), PLAYED, ids=[f"{tool.name}-{field}" for tool, field in PLAYED]
)
def test_nothing_in_a_text_is_ever_run(
    call: Callable[..., Answer], tool: PlaybookTool[Any, Any], field: str, tmp_path: Path
) -> None:
    """Real plays on this machine, with the worst text that each argument takes."""
    tmp_path.chmod(0o700)
    canary = tmp_path / "canary"
    nasty = [text.replace("CANARY", str(canary)) for text in NASTY if "CANARY" in text]
    if field in {"path", "chdir"}:
        nasty = [f"/tmp/{text}" for text in nasty]
    if field == "cmd":
        nasty = [f"echo {text}" for text in nasty]
    worst = [text for text in nasty if parsed(tool, field, text) is not None]
    more = (
        {"path": str(tmp_path / "file")}
        if "path" in tool.input.model_fields and field != "path"
        else {}
    )

    for text in worst[-3:]:  # none where each is refused by the argument's own rule
        given = {**example_of(tool), **more, "server": "localhost", field: text}
        given.pop("preview", None)  # it is to run
        answer = call(tool.name, **given)
        assert answer.meta.run_id
        assert answer.code not in NOT_REACHED

    assert not canary.exists()
    assert list(tmp_path.glob("canary*")) == []
