"""The environment of every Ansible process that Playrail starts.

It is an allow-list. What an Ansible process has in its environment, ansible-runner writes
to a file and plays can read, so Playrail's own secrets must not be there. The user's
ANSIBLE_* variables are, except those that Playrail decides or refuses: judgements.yml tells
which.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

from playrail.ansible.judgements import Setting, Verdict, decided, dropped, judgements, setting_of
from playrail.ansible.project import (
    COLLECTIONS,
    COLLECTIONS_PATH,
    ROLES,
    ROLES_PATH,
    SearchPath,
    adjacent_paths,
    plugin_path,
    project_variables,
)
from playrail.ansible.ssh.options import CONNECT_RETRIES
from playrail.settings.content import collections_root
from playrail.settings.project import read_config
from playrail.settings.settings import Settings

_PASSED = (
    "HOME",
    "USER",
    "LOGNAME",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "KRB5CCNAME",
    *(
        spelling
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
        for spelling in (name, name.upper())
    ),
)
_FIRST_NAMES = ("ANSIBLE_", "JUNIT_")  # of the variables that are Ansible's own
# Ansible refuses to start in a locale that is not UTF-8 or not installed, such as one that
# an SSH login brought along; this one is part of the C library, and its messages are the
# ones that are recognised in failures.
_LOCALE = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEFAULT_PLUGINS = ("host_list", "script", "auto", "yaml", "ini", "toml")  # Ansible's own default
_OWN_CONNECTIONS = Path(__file__).parent / "plugins" / "connection"
_OWN_CALLBACKS = _OWN_CONNECTIONS.with_name("callback")
_SCRIPT_PLUGINS = frozenset({"script", "ansible.builtin.script", "ansible.legacy.script"})
_YAML_PLUGINS = frozenset({"yaml", "ansible.builtin.yaml", "ansible.legacy.yaml"})
_ASKING_STRATEGIES = frozenset({"debug", "ansible.builtin.debug", "ansible.legacy.debug"})
FORKS = "ANSIBLE_FORKS"
SSH_OPTIONS = ("ssh_args", "ssh_common_args", "ssh_extra_args", "port", "remote_user")


def environment(
    settings: Settings, environ: Mapping[str, str], contents: Sequence[Path] = ()
) -> dict[str, str]:
    """Choose the variables for a child Ansible from `environ` and `.env`, and add what
    Playrail decides. `contents` are the content folders of plugins.

    Raises SettingsInvalid when ansible.cfg cannot be read.
    """
    user = _user(settings, environ)
    given = user.given
    child = {name: given[name] for name in (*_PASSED, *settings.pass_env) if name in given}
    child |= {name: value for name, value in given.items() if name.startswith(_FIRST_NAMES)}
    child = {name: value for name, value in child.items() if name not in dropped()}
    child |= decided() | _LOCALE
    child["PATH"] = f"{Path(sys.executable).parent}:{given.get('PATH') or _DEFAULT_PATH}"
    if settings.ansible_config is not None:
        child["ANSIBLE_CONFIG"] = str(settings.ansible_config)
    child["ANSIBLE_INVENTORY_ENABLED"] = ",".join(
        _inventory_plugins(user, allow_scripts=settings.allow_inventory_scripts)
    )
    child["ANSIBLE_CONNECTION_PLUGINS"] = (
        f"{user.paths(plugin_path('connection'))}:{_OWN_CONNECTIONS}"
    )
    child["ANSIBLE_CALLBACK_PLUGINS"] = f"{user.paths(plugin_path('callback'))}:{_OWN_CALLBACKS}"
    child["ANSIBLE_STDOUT_CALLBACK"] = "playrail_text"  # ansible-runner puts its own above it
    if user.says("DEFAULT_STRATEGY") in _ASKING_STRATEGIES:
        child["ANSIBLE_STRATEGY"] = "linear"
    for name, setting in (
        (CONNECT_RETRIES, "connection/ssh.reconnection_retries"),
        (FORKS, "DEFAULT_FORKS"),
    ):
        if said := user.says(setting):
            child[name] = said
    for each in judgements():
        said_so = any(user.mentions(setting) for setting in each.settings)
        if (each.verdict is Verdict.PRESET and not said_so) or (each.where == "given" and said_so):
            child |= each.env
    for path, beside in adjacent_paths(settings):
        child[path.variable] = f"{beside}:{child.get(path.variable) or user.paths(path)}"
    # Ours is found first: modules of another version would not fit the playbooks. Those of
    # plugins are found last, so that they take the place of none of the user's.
    theirs = child.get(COLLECTIONS_PATH.variable) or user.paths(COLLECTIONS_PATH)
    plugins = [str(path / COLLECTIONS) for path in contents]
    child[COLLECTIONS_PATH.variable] = ":".join([str(collections_root()), theirs, *plugins])
    if roles := [str(path / ROLES) for path in contents if (path / ROLES).is_dir()]:
        child[ROLES_PATH.variable] = ":".join([user.paths(ROLES_PATH), *roles])
    return child | project_variables(settings)


def inventory_environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Choose the variables for a child that lists inventories, which prints what nobody may
    log.
    """
    return environment(settings, environ) | decided("inventory")


def users_ssh_options(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the user says for all hosts of ssh's options, and of the connection
    (`transport`).
    """
    user = _user(settings, environ)
    names = {name: f"connection/ssh.{name}" for name in SSH_OPTIONS} | {
        "transport": "DEFAULT_TRANSPORT"
    }
    return {
        name: said for name, setting in names.items() if (said := user.says(setting)) is not None
    }


def forks_at_most(child: Mapping[str, str]) -> int | None:
    """Return on how many hosts the user wants Ansible to work at once, None when nothing is
    said.
    """
    said = child.get(FORKS, "").strip()
    return int(said) if said.isascii() and said.isdigit() and int(said) else None


@dataclass(frozen=True, kw_only=True)
class _User:
    """What the user says of settings, in the environment or in the ansible.cfg of the
    directory `base`.
    """

    given: Mapping[str, str]
    config: ConfigParser
    base: Path

    def mentions(self, setting: Setting) -> bool:
        return any(name in self.given for name in setting.env) or any(
            self.config.has_option(*name.split("/", 1)) for name in setting.ini
        )

    def says(self, name: str) -> str | None:
        """The value, as Ansible takes it: of several names the last counts, the environment
        before ansible.cfg.
        """
        setting = setting_of(name)
        values = [self.config.get(*each.split("/", 1), fallback="") for each in setting.ini]
        values += [self.given.get(each, "") for each in setting.env]
        return next((value.strip() for value in reversed(values) if value.strip()), None)

    def paths(self, path: SearchPath) -> str:
        """Where the user has Ansible look. What ansible.cfg says is relative to its
        directory.
        """
        if named := self.given.get(path.variable):
            return named
        if configured := self.config.get("defaults", path.key, fallback=""):
            return ":".join(map(self._path, configured.split(":")))
        home = self.given.get("ANSIBLE_HOME") or self._path(
            self.config.get("defaults", "home", fallback="")
        )
        own = f"{home or '~/.ansible'}/{path.below}"
        return ":".join(filter(None, (own, f"/usr/share/ansible/{path.below}", path.also)))

    def _path(self, path: str) -> str:
        # Ansible itself expands what begins with ~ or $, and {{CWD}}.
        return path if not path or path.startswith(("~", "$", "{{")) else str(self.base / path)


def _user(settings: Settings, environ: Mapping[str, str]) -> _User:
    given = {
        name: secret.get_secret_value() for name, secret in settings.from_dotenv.items()
    } | dict(environ)
    return _User(
        given=given, config=read_config(settings.ansible_config), base=base_directory(settings)
    )


def base_directory(settings: Settings) -> Path:
    """Return what relative paths of ansible.cfg are relative to."""
    return settings.ansible_config.parent if settings.ansible_config else Path.cwd()


def _inventory_plugins(user: _User, *, allow_scripts: bool) -> list[str]:
    """Return the user's plugins: `script` only if allowed, `yaml` always, for the generated
    inventory.
    """
    listed = user.says("INVENTORY_ENABLED") or ""
    plugins = [name for name in map(str.strip, listed.split(",")) if name] or list(_DEFAULT_PLUGINS)
    if not allow_scripts:
        plugins = [name for name in plugins if name not in _SCRIPT_PLUGINS]
    return plugins if _YAML_PLUGINS.intersection(plugins) else [*plugins, "yaml"]
