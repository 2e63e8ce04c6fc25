"""Everything that the operator decides, read once at the start from the environment and a `.env` file.

A value that is wrong stops the start with one line: the variable, what is wrong, what is allowed. Values are not
repeated in it, except paths, because any of them may turn out to be a secret.
"""

from __future__ import annotations

import configparser
import difflib
import io
import logging
import os
import re
import shlex
import stat
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dotenv.parser import parse_stream
from pydantic import SecretStr

from playrail.errors import SettingsInvalid
from playrail.private_files import is_anothers, trusted_text
from playrail.private_keys import has_agent
from playrail.servers import (
    FailedServer,
    MikrusServer,
    SshServer,
    expand_user,
    parse_servers,
    read_servers,
    shown,
    ssh_of,
)

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
PLAYRAIL_VARIABLES = (
    "PLAYRAIL_ALLOW_INVENTORY_SCRIPTS",
    "PLAYRAIL_INVENTORY",
    "PLAYRAIL_MIKRUS_RATE",
    "PLAYRAIL_PASS_ENV",
    "PLAYRAIL_POLICY",
    "PLAYRAIL_PROTECT_READ",
    "PLAYRAIL_PROTECT_WRITE",
    "PLAYRAIL_RUNTIME_DIR",
    "PLAYRAIL_STATE_DIR",
    "PLAYRAIL_TOOLSETS",
    "PLAYRAIL_WARM",
    "PLAYRAIL_WARM_IDLE_S",
    "PLAYRAIL_WARM_MEMORY_MB",
)
BUILT_IN_RULES = "default"  # stands for the rules that playbooks/files/module_utils/playrail_places.py has
_SET_BY_PLAYS = "PLAYRAIL_RUN"  # in the environment of what a play starts, which may be another Playrail
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off", ""})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEVER_PASSED = ("MCP_", "MIKRUS_", "PLAYRAIL_")  # these hold Playrail's own secrets

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator decided. Secrets in it are `SecretStr`, so that no repr, log or error shows them."""

    state_dir: Path
    runtime_dir: Path
    servers: Mapping[str, SshServer | MikrusServer] = field(default_factory=dict)
    failed_servers: Mapping[str, FailedServer] = field(default_factory=dict)
    default_server: str | None = None
    inventory: tuple[Path, ...] = ()
    ansible_config: Path | None = None
    enable_write_operations: bool = False
    policy_file: Path | None = None
    """The rules by which calls are decided, see policy_file.py; None: there are none."""
    log_level: str = "INFO"
    allow_inventory_scripts: bool = False
    pass_env: tuple[str, ...] = ()
    toolsets: tuple[str, ...] = ()
    """The toolsets that are offered; empty: all."""
    protect_read: tuple[str, ...] = (BUILT_IN_RULES,)
    """Patterns of paths that no tool for files reads on any server."""
    protect_write: tuple[str, ...] = (BUILT_IN_RULES,)
    mikrus_rate: tuple[int, int] = (5, 60)
    """How many requests to the mikr.us API one key may make, and in how many seconds."""
    warm: bool = True
    """Whether the server keeps an Ansible ready that serves plays."""
    warm_idle_s: int = 900
    """After how many seconds without a play that one ends."""
    warm_memory_mb: int = 400
    """It is replaced when its process has more resident memory than that."""
    dotenv: Path | None = None
    """The `.env` file that was read."""
    from_dotenv: Mapping[str, SecretStr] = field(default_factory=dict)
    """What the `.env` file says for Ansible's processes: its ANSIBLE_* variables and those that `pass_env` names."""

    @classmethod
    def load(cls, environ: Mapping[str, str], *, dotenv: Path | None) -> Settings:
        """Read the settings; `environ` wins over the file `dotenv`, which need not exist. Raises SettingsInvalid."""
        text = None if dotenv is None else trusted_text(dotenv.absolute())
        from_file = {} if dotenv is None or text is None else _variables(dotenv.name, text)
        values = {name: value for name, value in {**from_file, **environ}.items() if value != ""}
        _refuse_unknown(values)
        home = values.get("HOME")
        entries = _entries(values)
        servers, failed = read_servers(entries, home=home, agent=has_agent(values))
        ansible_config = _ansible_config(values, home)
        state_dir = _directory(values, "PLAYRAIL_STATE_DIR", home) or _default_state_dir(values, home)
        pass_env = _pass_env(values)
        _warn(servers, failed)
        return cls(
            state_dir=state_dir,
            runtime_dir=_directory(values, "PLAYRAIL_RUNTIME_DIR", home) or _default_runtime_dir(values, state_dir),
            servers=MappingProxyType(servers),
            failed_servers=MappingProxyType(failed),
            default_server=_default_server(values, entries),
            inventory=_inventory(values, home, ansible_config),
            ansible_config=ansible_config,
            enable_write_operations=_switch(values, "ENABLE_WRITE_OPERATIONS"),
            policy_file=expand_user(values["PLAYRAIL_POLICY"], home).absolute()
            if "PLAYRAIL_POLICY" in values
            else None,
            log_level=_log_level(values),
            allow_inventory_scripts=_switch(values, "PLAYRAIL_ALLOW_INVENTORY_SCRIPTS"),
            pass_env=pass_env,
            toolsets=_words(values, "PLAYRAIL_TOOLSETS"),
            protect_read=_rules(values, "PLAYRAIL_PROTECT_READ"),
            protect_write=_rules(values, "PLAYRAIL_PROTECT_WRITE"),
            mikrus_rate=_rate(values, "PLAYRAIL_MIKRUS_RATE"),
            warm=_switch(values, "PLAYRAIL_WARM", otherwise="yes"),
            warm_idle_s=_number(values, "PLAYRAIL_WARM_IDLE_S", otherwise=900),
            warm_memory_mb=_number(values, "PLAYRAIL_WARM_MEMORY_MB", otherwise=400),
            dotenv=None if dotenv is None or text is None else dotenv.absolute(),
            from_dotenv=MappingProxyType(
                {
                    name: SecretStr(value)
                    for name, value in from_file.items()
                    if name.startswith("ANSIBLE_") or name in pass_env
                }
            ),
        )


def read_config(path: Path) -> configparser.ConfigParser:
    """Read an ansible.cfg with the rules that Ansible has for it. Raises SettingsInvalid."""
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # `from None`: a parsing error quotes the line.
        raise SettingsInvalid(f"{path}: is not a readable ansible.cfg ({type(error).__name__})") from None
    return parser


def _variables(name: str, text: str) -> dict[str, str]:
    """Read the variables of a `.env` file as they stand there: `${NAME}` in a password is not replaced."""
    values = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            line = binding.original.line
            raise SettingsInvalid(f"{name}: line {line} cannot be read; allowed are NAME=value and comments")
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _refuse_unknown(values: Mapping[str, str]) -> None:
    for name in sorted(values):
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
                    f'{name}: {error}; allowed is a JSON object such as {{"web": {{"type": "ssh", "host": "…"}}}}'
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
    """Return the default as named, whatever became of it: another server in its place would be the wrong one."""
    named = values.get("MCP_DEFAULT_SERVER") or values.get("MIKRUS_DEFAULT_SERVER")
    return named or next(iter(entries), None)


def _warn(servers: Mapping[str, SshServer | MikrusServer], failed: Mapping[str, FailedServer]) -> None:
    for name, server in servers.items():
        ssh = ssh_of(server)
        if ssh is not None and not ssh.verify_host_key:
            _log.warning("%s: host-key verification is off; whoever is on the way can pose as this server", name)
    for name, failure in failed.items():
        _log.warning("server %s cannot be used: %s", shown(name), failure.reason)


def _switch(values: Mapping[str, str], name: str, *, otherwise: str = "no") -> bool:
    value = values.get(name, otherwise).strip().lower()
    if value not in _YES | _NO:
        raise SettingsInvalid(f"{name}: is neither yes nor no; allowed are 1, true, yes, on and 0, false, no, off")
    return value in _YES


def _log_level(values: Mapping[str, str]) -> str:
    level = values.get("LOG_LEVEL", "INFO").strip().upper()
    if level not in LOG_LEVELS:
        raise SettingsInvalid(f"LOG_LEVEL: no such level; allowed are {', '.join(LOG_LEVELS)}")
    return level


def _words(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A list with commas."""
    return tuple(dict.fromkeys(word.strip() for word in values.get(name, "").split(",") if word.strip()))


def _rules(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    rules = _words(values, name)
    if not all(rule == BUILT_IN_RULES or rule.removeprefix("!").startswith("/") for rule in rules):
        raise SettingsInvalid(
            f"{name}: holds something else; allowed are patterns that begin with / (exceptions with !/), and the word "
            f"{BUILT_IN_RULES} for the built-in ones, with commas"
        )
    return rules or (BUILT_IN_RULES,)


def _number(values: Mapping[str, str], name: str, *, otherwise: int) -> int:
    text = values.get(name, str(otherwise))
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise SettingsInvalid(f"{name}: is no number; allowed are whole ones from 1 to 999999")
    return int(text)


def _rate(values: Mapping[str, str], name: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", values.get(name, "5/60"))
    if found is None:
        raise SettingsInvalid(f"{name}: is no rate; allowed is REQUESTS/SECONDS such as 5/60, both from 1 to 9999")
    return int(found[1]), int(found[2])


def _pass_env(values: Mapping[str, str]) -> tuple[str, ...]:
    names = _words(values, "PLAYRAIL_PASS_ENV")
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise SettingsInvalid(
                "PLAYRAIL_PASS_ENV: holds something else; allowed are names of variables, with commas"
            )
        if name.startswith(_NEVER_PASSED):
            raise SettingsInvalid(f"PLAYRAIL_PASS_ENV: {name} is never passed; allowed are variables of your own")
    return names


def _directory(values: Mapping[str, str], name: str, home: str | None) -> Path | None:
    if name not in values:
        return None
    path = expand_user(values[name], home).absolute()
    if path.exists() and not path.is_dir():
        raise SettingsInvalid(f"{name}: {str(path)!r} is not a directory; allowed is a directory or a path to make one")
    return path


def _default_state_dir(values: Mapping[str, str], home: str | None) -> Path:
    base = Path(values.get("XDG_STATE_HOME", ""))  # its specification: a relative path is to be ignored
    return (base if base.is_absolute() else expand_user("~/.local/state", home)) / "playrail"


def _default_runtime_dir(values: Mapping[str, str], state_dir: Path) -> Path:
    """Memory rather than disk where there is any: secrets lie there while a run lasts."""
    session = Path(values.get("XDG_RUNTIME_DIR", ""))
    if session.is_absolute() and session.is_dir() and os.access(session, os.W_OK):  # stale after `su`, under cron
        return session / "playrail"
    memory = Path("/dev/shm")  # noqa: S108  (the directory in it is made 0700 and checked)
    if memory.is_dir() and os.access(memory, os.W_OK):
        return memory / f"playrail-{os.getuid()}"
    return state_dir / "runtime"


def _ansible_config(values: Mapping[str, str], home: str | None) -> Path | None:
    """Find the ansible.cfg that Ansible itself would choose in the working directory."""
    if "ANSIBLE_CONFIG" in values:
        path = expand_user(values["ANSIBLE_CONFIG"], home).absolute()
        path = path / "ansible.cfg" if path.is_dir() else path
        if not os.access(path, os.R_OK):
            raise SettingsInvalid(f"ANSIBLE_CONFIG: {str(path)!r} cannot be read; allowed is an existing ansible.cfg")
        return path
    here = Path.cwd()
    candidates = [expand_user("~/.ansible.cfg", home), Path("/etc/ansible/ansible.cfg")]
    if not here.stat().st_mode & stat.S_IWOTH:
        _refuse_anothers(here / "ansible.cfg")
        candidates.insert(0, here / "ansible.cfg")
    elif (here / "ansible.cfg").exists():
        _log.warning("ansible.cfg in %s is ignored, because everybody can write to that directory", here)
    return next((path for path in candidates if path.is_file() and os.access(path, os.R_OK)), None)


def _refuse_anothers(path: Path) -> None:
    """Refuse an ansible.cfg that nobody named and that another user wrote: it says what code Ansible runs."""
    try:
        status = path.stat()
    except OSError:
        return
    mend = f"remove it, or if you trust it set ANSIBLE_CONFIG={shlex.quote(str(path))}"
    if is_anothers(status):
        raise SettingsInvalid(f"{path}: belongs to another user; {mend}")
    if status.st_mode & stat.S_IWOTH:
        raise SettingsInvalid(f"{path}: everybody can write to it; run `chmod o-w {shlex.quote(str(path))}`, {mend}")


def _inventory(values: Mapping[str, str], home: str | None, config: Path | None) -> tuple[Path, ...]:
    """Find the user's inventories: PLAYRAIL_INVENTORY, or else where plain Ansible is told to look for them."""
    if "PLAYRAIL_INVENTORY" in values:
        texts = re.split(f"[,{re.escape(os.pathsep)}]", values["PLAYRAIL_INVENTORY"])
        return _existing("PLAYRAIL_INVENTORY", texts, home=home, base=Path.cwd())
    if "ANSIBLE_INVENTORY" in values:
        return _existing("ANSIBLE_INVENTORY", values["ANSIBLE_INVENTORY"].split(","), home=home, base=Path.cwd())
    if config is None:
        return ()
    listed = read_config(config).get("defaults", "inventory", fallback="")
    texts = string.Template(listed).safe_substitute(values).split(",")
    return _existing(f"{config}, [defaults] inventory", texts, home=home, base=config.parent)


def _existing(where: str, texts: list[str], *, home: str | None, base: Path) -> tuple[Path, ...]:
    paths = []
    for text in filter(None, map(str.strip, texts)):
        path = Path(os.path.normpath(base / expand_user(text, home)))
        if not path.exists():
            raise SettingsInvalid(f"{where}: {str(path)!r} does not exist; allowed are inventory files and directories")
        if not os.access(path, os.R_OK) or not (path.is_file() or path.is_dir()):
            raise SettingsInvalid(f"{where}: {str(path)!r} cannot be read; allowed are inventory files and directories")
        if "," in str(path):  # Ansible reads it as a list of host names
            raise SettingsInvalid(f"{where}: {str(path)!r} has a comma in it; allowed are paths without one")
        paths.append(path)
    return tuple(dict.fromkeys(paths))
