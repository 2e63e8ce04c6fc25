"""The environment of every Ansible process that Playrail starts.

It is an allow-list. What an Ansible process has in its environment, ansible-runner writes to a file and plays can read,
so Playrail's own secrets must not be there. The user's ANSIBLE_* variables are, except those that Playrail decides.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path

from playrail.settings import Settings, read_config

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
    *(spelling for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for spelling in (name, name.upper())),
)
_DECIDED = {
    # ansible-runner switches host-key checking off unless the variable is set, whatever ansible.cfg says.
    "ANSIBLE_HOST_KEY_CHECKING": "True",
    # A source that cannot be parsed would otherwise be a warning, and the play would run on fewer hosts.
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
    "ANSIBLE_INVENTORY_EXPORT": "False",  # it would leave group variables out of a host's own
    "ANSIBLE_LOCALHOST_WARNING": "False",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "ANSIBLE_NOCOLOR": "True",
    "ANSIBLE_FORCE_COLOR": "False",
    "ANSIBLE_NOCOWS": "True",
    # Both would mix other text into output that is read by a program.
    "ANSIBLE_DEBUG": "False",
    "ANSIBLE_VERBOSITY": "0",
    # With a terminal on the host (which `pipelining = False` would ask for), a lost connection sends SIGHUP to the work
    # there: half of a package upgrade. sudo reads its password without one, as it does when pipelining.
    "ANSIBLE_SSH_USETTY": "False",
    # Nobody is there to answer a question.
    "ANSIBLE_ASK_PASS": "False",
    "ANSIBLE_ASK_VAULT_PASS": "False",
    "ANSIBLE_BECOME_ASK_PASS": "False",
    # Ansible refuses to start in a locale that is not UTF-8 or not installed, such as one that an SSH login brought
    # along; this one is part of the C library, and its messages are the ones that are recognised in failures.
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}
_DROPPED = frozenset(
    {
        "ANSIBLE_SSH_HOST_KEY_CHECKING",  # the second name of a decided one
        "ANSIBLE_INVENTORY",  # settings.inventory
        "ANSIBLE_CONFIG",  # settings.ansible_config
        "ANSIBLE_STDOUT_CALLBACK",  # ansible-runner's own is the event stream, above ours
    }
)
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEFAULT_PLUGINS = ("host_list", "script", "auto", "yaml", "ini", "toml")  # Ansible's own default
_OWN_CONNECTIONS = Path(__file__).parent / "plugins" / "connection"
_OWN_CALLBACKS = _OWN_CONNECTIONS.with_name("callback")
_SCRIPT_PLUGINS = frozenset({"script", "ansible.builtin.script", "ansible.legacy.script"})
_YAML_PLUGINS = frozenset({"yaml", "ansible.builtin.yaml", "ansible.legacy.yaml"})
_PIPELINING_VARIABLES = frozenset({"ANSIBLE_PIPELINING", "ANSIBLE_SSH_PIPELINING"})
_PIPELINING_SECTIONS = ("defaults", "connection", "ssh_connection")


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Choose the variables for a child Ansible from `environ` and `.env`, and add what Playrail decides.

    Raises SettingsInvalid when ansible.cfg cannot be read.
    """
    given = {name: secret.get_secret_value() for name, secret in settings.from_dotenv.items()} | dict(environ)
    child = {name: given[name] for name in (*_PASSED, *settings.pass_env) if name in given}
    child |= {name: value for name, value in given.items() if name.startswith("ANSIBLE_") and name not in _DROPPED}
    child |= _DECIDED
    child["PATH"] = f"{Path(sys.executable).parent}:{given.get('PATH') or _DEFAULT_PATH}"
    config = ConfigParser(interpolation=None)
    if settings.ansible_config is not None:
        child["ANSIBLE_CONFIG"] = str(settings.ansible_config)
        config = read_config(settings.ansible_config)
    child["ANSIBLE_INVENTORY_ENABLED"] = ",".join(
        _inventory_plugins(given, config, allow_scripts=settings.allow_inventory_scripts)
    )
    child["ANSIBLE_CONNECTION_PLUGINS"] = f"{_connection_plugins(given, config, settings)}:{_OWN_CONNECTIONS}"
    child["ANSIBLE_CALLBACK_PLUGINS"] = ":".join(
        filter(None, (given.get("ANSIBLE_CALLBACK_PLUGINS"), str(_OWN_CALLBACKS)))
    )
    child["ANSIBLE_STDOUT_CALLBACK"] = "playrail_text"  # ansible-runner puts its own above it
    if not _says_pipelining(given, config):
        child["ANSIBLE_PIPELINING"] = "True"
    return child


def _inventory_plugins(given: Mapping[str, str], config: ConfigParser, *, allow_scripts: bool) -> list[str]:
    """Return the user's plugins: `script` only if allowed, `yaml` always, for the generated inventory."""
    listed = given.get("ANSIBLE_INVENTORY_ENABLED") or config.get("inventory", "enable_plugins", fallback="") or ""
    plugins = [name for name in map(str.strip, listed.split(",")) if name] or list(_DEFAULT_PLUGINS)
    if not allow_scripts:
        plugins = [name for name in plugins if name not in _SCRIPT_PLUGINS]
    return plugins if _YAML_PLUGINS.intersection(plugins) else [*plugins, "yaml"]


def _connection_plugins(given: Mapping[str, str], config: ConfigParser, settings: Settings) -> str:
    """Return where the user's own connection plugins are. What ansible.cfg says is relative to its directory."""
    if named := given.get("ANSIBLE_CONNECTION_PLUGINS"):
        return named
    configured = config.get("defaults", "connection_plugins", fallback="")
    if not configured:
        return f"{given.get('ANSIBLE_HOME', '~/.ansible')}/plugins/connection:/usr/share/ansible/plugins/connection"
    base = settings.ansible_config.parent if settings.ansible_config else Path.cwd()
    # Ansible itself expands what begins with ~ or $, and {{CWD}}.
    return ":".join(path if path.startswith(("~", "$", "{{")) else str(base / path) for path in configured.split(":"))


def _says_pipelining(given: Mapping[str, str], config: ConfigParser) -> bool:
    return not _PIPELINING_VARIABLES.isdisjoint(given) or any(
        config.has_option(section, "pipelining") for section in _PIPELINING_SECTIONS
    )
