"""Whatever a caller sends reaches a play as the data that it is, never as a template."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from playrail.ansible.run.values import to_extravars
from worlds.local_plays import inventory, play, playbook, run

MARK = "MARK"
COMMAND = f"{{{{ lookup('pipe', 'touch {MARK}') }}}}"
HOSTILE = [
    COMMAND,
    f"{{% if lookup('pipe', 'touch {MARK}') %}}x{{% endif %}}",
    f"{{{{ query('ansible.builtin.pipe', 'touch {MARK}') }}}}",
    f"a {COMMAND} b",
    f"!unsafe {COMMAND}",
    f"!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  {COMMAND}",
    "{{ playrail_secrets }}",
    "{{ ansible_password | default('x') }}",
    "{{",
    "}}",
    "{#",
    "{% raw %}",
    "{{ 7 * 7 }}",
    "${HOME} $(id) `id`",
    "@/etc/passwd",
    "file:///etc/passwd",
    "path=a state=absent path=b",
    "yes",
    "null",
    "0644",
    "1e3",
    "[1, 2]",
    '{"__ansible_unsafe": "x"}',
    "- a\n- b",
    "*alias",
    "&anchor x",
    "",
    " ",
    "\n",
    "\t'\"\\",
    "zażółć \U0001f680 \u2028 \x7f",
    "x" * 70_000,
]
STRINGS: dict[str, Any] = {
    "list": HOSTILE,
    "nested": [[[COMMAND], {"a": {"b": [COMMAND]}}]],
    "keys": {COMMAND: COMMAND, "{{ 1 }}": 1, "": None},
    "others": [None, True, False, 0, -1, 2**53, 1.5, [], {}],
}
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text().filter(lambda key: "__ansible" not in key), inner)
    ),
    max_leaves=8,
)


@pytest.mark.slow
def test_a_real_play_gets_back_what_was_sent(tmp_path: Path) -> None:
    book = playbook(
        tmp_path,
        """
        - name: "Use it in a name: {{ playrail_values.list[0] }}"
          ansible.builtin.set_fact:
            again: "{{ playrail_values }}"
            joined: "{{ playrail_values.list | join('|') }}"
            inline: "{{ playrail_values.list | first }} {{ playrail_values.list | last | length }}"
        - name: Report
          ansible.builtin.debug:
            msg: {values: "{{ again }}", joined: "{{ joined }}", inline: "{{ inline }}"}
        """,
    )
    hosts = inventory(tmp_path, "here")

    ran = run(tmp_path, play(book, ["here"], [hosts], variables={"playrail_values": STRINGS}))

    assert ran.hosts["here"].problem is None
    assert ran.hosts["here"].report == {
        "values": STRINGS,
        "joined": "|".join(HOSTILE),
        "inline": f"{COMMAND} 70000",
    }
    assert list(tmp_path.rglob(MARK)) == []
    assert not Path(MARK).exists()


def plain(value: Any) -> Any:
    """The value as it was before. Fails where a string stands unmarked."""
    assert not isinstance(value, str)
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        assert not any(key.startswith("__ansible_") for key in value)
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.from_regex(r"playrail_[a-z]+", fullmatch=True), json_values, max_size=3))
def test_every_string_is_marked_and_nothing_else_changes(values: dict[str, Any]) -> None:
    assert plain(json.loads(to_extravars(values))) == values


def test_secrets_and_paths_are_marked_text() -> None:
    values = {"a": SecretStr("{{ 1 }}"), "b": PurePosixPath("/{{ 1 }}"), "c": ("{{ 1 }}",)}

    assert json.loads(to_extravars(values)) == {
        "a": {"__ansible_unsafe": "{{ 1 }}"},
        "b": {"__ansible_unsafe": "/{{ 1 }}"},
        "c": [{"__ansible_unsafe": "{{ 1 }}"}],
    }


@pytest.mark.parametrize(
    "value",
    [
        {"__ansible_unsafe": "{{ 1 }}"},
        {"__ansible_vault": "x"},
        {"__ansible_type": "x"},
        {"a": [{"__ansible_unsafe": 1}]},
        {1: "a"},
        object(),
        {"a", "b"},
        b"bytes",
        float("nan"),
        float("inf"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        to_extravars({"playrail_value": value})
