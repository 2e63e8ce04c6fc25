"""The playbook of an export: each step one play of the tool's own playbook, with what the
caller sent as its variables.

What callers sent stands there as text that is never a template; secrets stand there as
environment variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pydantic import SecretStr

from playrail.ansible.content.unsafe_yaml import to_yaml
from playrail.history.steps import Step
from playrail.settings.target import Unsafe
from playrail.tools.tool import PlaybookTool, variables

NOT_IDEMPOTENT = "playrail_not_idempotent"  # the tag of what is marked
LONGEST_NAME = 100  # characters

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_TEMPLATE = re.compile(r"\{(?=[{%#])")  # without this brace, none begins
_NO_NAME = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True)
class Provided:
    """The environment variables that stand for secrets, each with what it has to hold.

    None of their names begins with PLAYRAIL_: Playrail would take them for settings of its
    own.
    """

    variables: dict[str, str] = field(default_factory=dict)

    def template(self, name: str, *, holds: str) -> str:
        """A template of the value of a new variable, which fails where that is not set."""
        name = f"REPLAY_{_NO_NAME.sub('_', name.upper()).strip('_')}"
        while name in self.variables:
            name += "_"
        self.variables[name] = holds
        return f"{{{{ lookup('ansible.builtin.env', '{name}', default=undef()) }}}}"


def site(steps: Sequence[Step], provided: Provided) -> str:
    """The text of site.yml. Adds to `provided` the secrets that the records of the steps do
    not have.
    """
    plays = [_play(step, provided) for step in steps]
    return "\n".join(["---", _look(steps, list(provided.variables)), *plays])


def folder(tool: PlaybookTool[Any, Any]) -> str:
    """The name of the directory that holds a tool's playbook and what that needs beside it."""
    return str(PurePath(tool.playbook).parent)


def one_line(text: str) -> str:
    """The text as it may stand in a comment or a name."""
    clean = _CONTROL.sub("\ufffd", text)
    return clean if len(clean) <= LONGEST_NAME else f"{clean[: LONGEST_NAME - 1]}…"


def _look(steps: Sequence[Step], secrets: Sequence[str]) -> str:
    """A play that ends the run before anything is changed when a server or a secret is
    missing.
    """
    servers = list(dict.fromkeys(host for step in steps for host in step.hosts))
    tasks = [
        _assertion(
            "Look for the servers",
            "item in groups['all']",
            "The inventory has no server {{ item }}",
            servers,
        ),
        _assertion(
            "Look for the secrets",
            "lookup('ansible.builtin.env', item) != ''",
            "The environment variable {{ item }} is not set",
            secrets,
        ),
    ]
    play = {
        "name": "Look whether all that is needed is there",
        "hosts": "localhost",
        "connection": "local",
        "become": False,
        "gather_facts": False,
        "tasks": [task for task in tasks if task["loop"]],
    }
    return to_yaml([play])


def _assertion(name: str, that: str, otherwise: str, loop: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "ansible.builtin.assert": {"that": that, "fail_msg": otherwise, "quiet": True},
        "loop": list(loop),
    }


def _play(step: Step, provided: Provided) -> str:
    source = step.source
    told = [source.at, source.caller, source.tool, f"run {source.run}"]
    comments = [
        " · ".join(map(one_line, told)),
        *([f"Not idempotent: {step.mark}."] if step.mark else []),
    ]
    playbook = step.tool.path.name
    play = {
        "name": _name(step.title),
        "ansible.builtin.import_playbook": f"playbooks/{folder(step.tool)}/{playbook}",
        **({"tags": [NOT_IDEMPOTENT]} if step.mark else {}),
        "vars": {"playrail_target": list(step.hosts), **_variables(step, provided)},
    }
    return "".join(f"# {comment}\n" for comment in comments) + to_yaml([play])


def _name(title: str) -> str:
    """A play's name, as ansible-lint wants it: no template, and it begins with a capital."""
    name = _TEMPLATE.sub("", one_line(title))
    return name if name[:1].isupper() else f"Call {name}"


def _variables(step: Step, provided: Provided) -> dict[str, Any]:
    secret = {f"playrail_{name}" for name in step.secrets}
    return {
        name: _provided(name, step, provided)
        if name in secret or isinstance(value, SecretStr)
        else as_text(value)
        for name, value in variables(step.given).items()
    }


def _provided(name: str, step: Step, provided: Provided) -> str:
    field = name.removeprefix("playrail_")
    what = f"{field} of {one_line(step.title)} (run {step.source.run})"
    if field not in step.given.secret_fields():
        what += ", with the secret in it that the record hides"
    return provided.template(f"SECRET_{len(provided.variables) + 1}", holds=what)


def as_text(value: Any) -> Any:
    """The same with each text marked as one that is never a template."""
    match value:
        case str() | PurePath():
            return Unsafe(value)
        case Mapping():
            return {str(key): as_text(item) for key, item in value.items()}
        case list() | tuple():
            return [as_text(item) for item in value]
    return value
