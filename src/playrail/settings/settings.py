"""Everything that the operator decides, read once at the start from the environment and a
`.env` file.

A value that is wrong stops the start with one line: the variable, what is wrong, what is
allowed. Values are not repeated in it, except paths, because any of them may turn out to be
a secret.
"""

from __future__ import annotations

import difflib
import io
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dotenv.parser import parse_stream
from pydantic import SecretStr

from playrail.errors import SettingsInvalid
from playrail.settings.entry_fields import expand_user
from playrail.settings.private_files import trusted_text
from playrail.settings.private_keys import has_agent
from playrail.settings.project import (
    find_config,
    find_inventory,
    find_playbooks,
    named_project,
    project_of,
    warn_if_open,
)
from playrail.settings.servers import (
    FailedServer,
    parse_servers,
    read_servers,
    shown,
)
from playrail.settings.target import Target
from playrail.settings.variables import BUILT_IN_RULES, PLAYRAIL_VARIABLES, decided

# In the environment of what a play starts, which may be another Playrail
_SET_BY_PLAYS = "PLAYRAIL_RUN"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator decided. Secrets in it are `SecretStr`, so that no repr, log or
    error shows them.
    """

    state_dir: Path
    runtime_dir: Path
    servers: Mapping[str, Target] = field(default_factory=dict)
    failed_servers: Mapping[str, FailedServer] = field(default_factory=dict)
    default_server: str | None = None
    inventory: tuple[Path, ...] = ()
    ansible_config: Path | None = None
    project: Path | None = None
    """The working directory of Ansible's processes: where the user starts
    `ansible-playbook` by hand.
    """
    playbook_dir: Path | None = None
    """Where the user's playbooks lie; group_vars, host_vars and plugins beside them count
    as they do by hand.
    """
    enable_write_operations: bool = False
    policy_file: Path | None = None
    """The rules by which calls are decided, see policy/file.py; None: there are none."""
    looks_file: Path | None = None
    """More programs that only look, see toolsets/commands/looks.py; None: the built-in ones."""
    log_level: str = "INFO"
    allow_inventory_scripts: bool = False
    pass_env: tuple[str, ...] = ()
    toolsets: tuple[str, ...] = ()
    """Bundles, toolsets and tools that are offered; empty: all, see tools/offering.py."""
    of_toolsets: Mapping[str, str] = field(default_factory=dict)
    """The settings of toolsets, PLAYRAIL_<TOOLSET>__<SETTING>, which catalog.py reads."""
    aliases: bool = False
    """Whether tools are offered under their other names, too."""
    protect_read: tuple[str, ...] = (BUILT_IN_RULES,)
    """Patterns of paths that no tool for files reads on any server."""
    protect_write: tuple[str, ...] = (BUILT_IN_RULES,)
    mikrus_rate: tuple[int, int] = (5, 60)
    """How many requests to the mikr.us API one key may make, and in how many seconds."""
    text: str = "auto"
    """Whether the text of an answer has all of it (full), a line (short), or what the
    client needs (auto).
    """
    output_schemas: bool = False
    """Whether the list of tools has the schemas of their answers."""
    warm: bool = True
    """Whether the server keeps an Ansible ready that serves plays."""
    warm_idle_s: int = 900
    """After how many seconds without a play that one ends."""
    warm_memory_mb: int = 400
    """It is replaced when its process has more resident memory than that."""
    dotenv: Path | None = None
    """The `.env` file that was read."""
    from_dotenv: Mapping[str, SecretStr] = field(default_factory=dict)
    """What the `.env` file says for Ansible's processes: its ANSIBLE_* variables and those
    that `pass_env` names.
    """

    @classmethod
    def load(cls, environ: Mapping[str, str], *, dotenv: Path | None) -> Settings:
        """Read the settings; `environ` wins over the file `dotenv`, which need not exist.
        Raises SettingsInvalid.
        """
        text = None if dotenv is None else trusted_text(dotenv.absolute())
        from_file = {} if dotenv is None or text is None else _variables(dotenv.name, text)
        values = {name: value for name, value in {**from_file, **environ}.items() if value != ""}
        _refuse_unknown(values)
        home = values.get("HOME")
        entries = _entries(values)
        servers, failed = read_servers(entries, home=home, agent=has_agent(values))
        named = named_project(values, home)
        ansible_config = find_config(values, home, named)
        project = named or project_of(ansible_config)
        warn_if_open(project)
        chosen = decided(values, home=home)
        state_dir = chosen.setdefault("state_dir", _default_state_dir(values, home))
        chosen.setdefault("runtime_dir", _default_runtime_dir(values, state_dir))
        _warn(servers, failed)
        return cls(
            **chosen,
            servers=MappingProxyType(servers),
            failed_servers=MappingProxyType(failed),
            default_server=_default_server(values, entries),
            inventory=find_inventory(values, home, ansible_config, named),
            ansible_config=ansible_config,
            project=project,
            playbook_dir=find_playbooks(values, home, ansible_config, project),
            dotenv=None if dotenv is None or text is None else dotenv.absolute(),
            of_toolsets=MappingProxyType(
                {name: value for name, value in values.items() if _is_of_toolset(name)}
            ),
            from_dotenv=_for_ansible(from_file, chosen.get("pass_env", ())),
        )


def _variables(name: str, text: str) -> dict[str, str]:
    """Read the variables of a `.env` file as they stand there: `${NAME}` in a password is
    not replaced.
    """
    values = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            line = binding.original.line
            raise SettingsInvalid(
                f"{name}: line {line} cannot be read; allowed are NAME=value and comments"
            )
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _is_of_toolset(name: str) -> bool:
    return name.startswith("PLAYRAIL_") and "__" in name


def _refuse_unknown(values: Mapping[str, str]) -> None:
    for name in sorted(values):
        if _is_of_toolset(name):
            continue
        if name.startswith("PLAYRAIL_") and name not in (*PLAYRAIL_VARIABLES, _SET_BY_PLAYS):
            nearest = difflib.get_close_matches(name, PLAYRAIL_VARIABLES, n=1, cutoff=0)[0]
            raise SettingsInvalid(f"{name[:60]}: no such setting; the nearest is {nearest}")


def _entries(values: Mapping[str, str]) -> Mapping[str, object]:
    """Return the server entries, unread, from the first of the three places that has any."""
    for name in ("MCP_SERVERS", "MIKRUS_SERVERS"):
        if name in values:
            try:
                return parse_servers(values[name])
            except ValueError as error:
                raise SettingsInvalid(
                    f'{name}: {error}; allowed is a JSON object such as {{"web": {{"type": '
                    f'"ssh", "host": "…"}}}}'
                ) from None
    pair = ("MIKRUS_API_KEY", "MIKRUS_SERVER_NAME")
    missing = [name for name in pair if name not in values]
    if len(missing) == 1:
        raise SettingsInvalid(f"{missing[0]}: is not set; {' and '.join(pair)} go together")
    if missing:
        return {}
    srv = values["MIKRUS_SERVER_NAME"]
    entry = {"type": "mikrus", "key": values["MIKRUS_API_KEY"], "srv": srv}
    if "MIKRUS_API_URL" in values:
        entry["api_url"] = values["MIKRUS_API_URL"]
    return {srv: entry}


def _default_server(values: Mapping[str, str], entries: Mapping[str, object]) -> str | None:
    """Return the default as named, whatever became of it: another server in its place would
    be the wrong one.
    """
    named = values.get("MCP_DEFAULT_SERVER") or values.get("MIKRUS_DEFAULT_SERVER")
    return named or next(iter(entries), None)


def _warn(servers: Mapping[str, Target], failed: Mapping[str, FailedServer]) -> None:
    for name, server in servers.items():
        for warned in server.warnings():
            _log.warning("%s: %s. %s", name, warned.found, warned.mend)
    for name, failure in failed.items():
        _log.warning("server %s cannot be used: %s", shown(name), failure.reason)


def _for_ansible(from_file: Mapping[str, str], pass_env: Sequence[str]) -> Mapping[str, SecretStr]:
    return MappingProxyType(
        {
            name: SecretStr(value)
            for name, value in from_file.items()
            if name.startswith("ANSIBLE_") or name in pass_env
        }
    )


def _default_state_dir(values: Mapping[str, str], home: str | None) -> Path:
    # Its specification: a relative path is to be ignored
    base = Path(values.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else expand_user("~/.local/state", home)) / "playrail"


def _default_runtime_dir(values: Mapping[str, str], state_dir: Path) -> Path:
    """Memory rather than disk where there is any: secrets lie there while a run lasts."""
    session = Path(values.get("XDG_RUNTIME_DIR", ""))
    # Stale after `su`, under cron
    if session.is_absolute() and session.is_dir() and os.access(session, os.W_OK):
        return session / "playrail"
    memory = Path("/dev/shm")  # noqa: S108  (the directory in it is made 0700 and checked)
    if memory.is_dir() and os.access(memory, os.W_OK):
        return memory / f"playrail-{os.getuid()}"
    return state_dir / "runtime"
