"""Which of a host's variables a play uses: how it reaches the host, what policy goes by,
and what these refer to.

Others may change as they like: an inventory that asks the outside world tells of uptimes
and loads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from playrail.settings.targets import own_connections

# How the names of variables begin that Ansible or Playrail goes by
OURS = ("ansible_", "playrail_")
POLICY = frozenset({"tier", "tags"})
# What these connect by is in variables that begin with ansible_. What others read is theirs
# to say.
KNOWN_CONNECTIONS = frozenset(
    {
        "ssh",
        "smart",
        "local",
        "paramiko",
        "paramiko_ssh",
        "psrp",
        "winrm",
        "docker",
        "podman",
        "kubectl",
    }
)
# With these a template may name any, by a name that it makes
EVERY_VARIABLE = frozenset({"vars", "varnames"})
OF_OTHERS = "hostvars"
OF_GROUPS = frozenset({"groups", "group_names"})
BARE = frozenset(
    {"when", "changed_when", "failed_when", "until", "that", "loop", "var", "environment"}
)

_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]\w*")
_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
# Filters, tests, attributes and names of arguments are no variables.
_NO_VARIABLE = re.compile(r"(?:\||\bis(?:\s+not)?)\s*[\w.]+|\.\s*[A-Za-z_]\w*|\b\w+\s*=(?!=)")

Variables = Mapping[str, Any]


def bound_variables(
    listing: Mapping[str, Any], hosts: Sequence[str], used: Collection[str]
) -> dict[str, Any]:
    """What the inventory says that plays on these hosts go by: per variable and host its
    value, and their groups.

    `used` are the names that occur in the templates of the playbooks.
    """
    variables: Mapping[str, Variables] = listing.get("_meta", {}).get("hostvars", {})
    groups = {name: group for name, group in listing.items() if name != "_meta"}
    found: dict[str, dict[str, Any]] = {}
    named: set[str] = set(used)
    for host in hosts:
        own = variables.get(host, {})
        names, words = _of_host(own, used)
        named |= words
        for name in names:
            found.setdefault(f"the variable {name}", {})[host] = own[name]
    if OF_OTHERS in named:
        for host, own in variables.items():
            for name in named.intersection(own):
                found.setdefault(f"the variable {name} of other hosts", {})[host] = own[name]
    every = bool(named & OF_GROUPS) or OF_OTHERS in named
    return {
        **found,
        "the groups": groups
        if every
        else {host: sorted(_groups_of(host, groups)) for host in hosts},
    }


def _of_host(own: Variables, used: Collection[str]) -> tuple[set[str], set[str]]:
    """The variables of a host that count, and all words of their templates."""
    connection = str(own.get("ansible_connection", "ssh")).removeprefix("ansible.builtin.")
    if connection not in KNOWN_CONNECTIONS and connection not in own_connections():
        return set(own), set().union(*(_words_of(value) for value in own.values()))
    waiting = {name for name in own if name.startswith(OURS) or name in POLICY or name in used}
    names: set[str] = set()
    words: set[str] = set()
    while waiting:
        name = waiting.pop()
        names.add(name)
        new = _words_of(own[name])
        words |= new
        waiting |= (set(own) if new & EVERY_VARIABLE else new & own.keys()) - names
    return names, words


def _groups_of(host: str, groups: Mapping[str, Any]) -> Iterator[str]:
    """The groups that have the host, also through others."""
    above: dict[str, list[str]] = {}
    for name, group in groups.items():
        for child in group.get("children", ()):
            above.setdefault(child, []).append(name)
    waiting = [name for name, group in groups.items() if host in group.get("hosts", ())]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name
            waiting += above.get(name, ())


def _words_of(value: Any) -> set[str]:
    """The words in the templates of a value."""
    match value:
        case str():
            return {word for piece in _TEMPLATE.findall(value) for word in _WORD.findall(piece)}
        case Mapping():
            return set().union(*(_words_of(part) for item in value.items() for part in item))
        case list():
            return set().union(*(_words_of(item) for item in value))
    return set()


@lru_cache(maxsize=200)
def used_in(root: Path, state: str) -> frozenset[str]:
    """The names in the templates and conditions of all playbooks, tasks and templates below
    a directory, in a state.
    """
    del state  # what was found counts as long as it is the same
    return frozenset().union(*(_used_in_file(path) for path in texts(root)))


def texts(root: Path) -> Iterator[Path]:
    """The playbooks, tasks, variables and templates below a directory."""
    return (path for ending in ("yml", "yaml", "j2") for path in root.rglob(f"*.{ending}"))


def _used_in_file(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".j2":
        return _names_in_templates(text)
    try:
        content = yaml.load(text, Loader=_Tolerant)  # a safe one
    except (yaml.YAMLError, RecursionError):
        return set(_WORD.findall(text))
    return _used_in_content(content)


def _used_in_content(content: Any, key: str = "") -> set[str]:
    match content:
        case str() if key in BARE or key.startswith("with_"):
            return _names_in(content)
        case str():
            return _names_in_templates(content)
        case Mapping():
            return set().union(
                *(_used_in_content(item, str(name)) for name, item in content.items())
            )
        case list():
            return set().union(*(_used_in_content(item, key) for item in content))
    return set()


def _names_in_templates(text: str) -> set[str]:
    return set().union(*(_names_in(piece) for piece in _TEMPLATE.findall(text)))


def _names_in(expression: str) -> set[str]:
    """The names that may be variables in an expression of ours."""
    return set(_WORD.findall(_NO_VARIABLE.sub(" ", _TEXT.sub(" ", expression))))


# of which there may be none
class _Tolerant(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads texts with tags such as !unsafe as what they are."""


def _untagged(loader: Any, _: str, node: Any) -> Any:
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Tolerant.add_multi_constructor("!", _untagged)


def text_of(value: object) -> str | None:
    """Return the text of a variable, a template as it is; None of a structure, or what is
    encrypted.
    """
    if isinstance(value, dict):  # how the listing marks a text that is never a template
        value = value.get("__ansible_unsafe")
    return str(value) if isinstance(value, str | int) else None
