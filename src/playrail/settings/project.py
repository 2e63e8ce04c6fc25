"""Where the user's own Ansible is at home: its project, configuration, playbooks and
inventories.

What plain `ansible-playbook` finds when it is started in the project is what is found here.
"""

from __future__ import annotations

import configparser
import logging
import os
import re
import shlex
import string
from collections.abc import Mapping
from pathlib import Path

from playrail.errors import SettingsInvalid
from playrail.settings.entry_fields import expand_user
from playrail.settings.private_files import everybody_can_write, is_anothers

_log = logging.getLogger(__name__)


def read_config(path: Path | None) -> configparser.ConfigParser:
    """Read an ansible.cfg with the rules that Ansible has for it. Without one, it is empty.
    Raises SettingsInvalid.
    """
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    if path is None:
        return parser
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # `from None`: a parsing error quotes the line.
        raise SettingsInvalid(
            f"{path}: is not a readable ansible.cfg ({type(error).__name__})"
        ) from None
    return parser


def named_project(values: Mapping[str, str], home: str | None) -> Path | None:
    """The directory that PLAYRAIL_PROJECT names; None when it names none."""
    if "PLAYRAIL_PROJECT" not in values:
        return None
    path = Path(os.path.normpath(expand_user(values["PLAYRAIL_PROJECT"], home).absolute()))
    if not path.is_dir() or not os.access(path, os.R_OK | os.X_OK):
        raise SettingsInvalid(
            f"PLAYRAIL_PROJECT: {str(path)!r} is not a directory that can be read; allowed is "
            "the directory in which "
            "you start ansible-playbook"
        )
    return path


def project_of(config: Path | None) -> Path | None:
    """The directory of the ansible.cfg in use. That of `~/.ansible.cfg` is nobody's
    project: it serves all of them.
    """
    return None if config is None or config.name == ".ansible.cfg" else config.parent


def warn_if_open(project: Path | None) -> None:
    """Say that others can decide what Ansible does, which reads variables and plugins in
    the project.
    """
    if project is not None and everybody_can_write(project.stat()):
        _log.warning(
            "everybody can write to the project %s, and so decide what Ansible does here", project
        )


def find_playbooks(
    values: Mapping[str, str], home: str | None, config: Path | None, project: Path | None
) -> Path | None:
    """Where Ansible's own settings say that the playbooks lie, or else the project."""
    if "ANSIBLE_PLAYBOOK_DIR" in values:
        where, text, base = (
            "ANSIBLE_PLAYBOOK_DIR",
            values["ANSIBLE_PLAYBOOK_DIR"],
            project or Path.cwd(),
        )
    elif config is not None and (
        text := read_config(config).get("defaults", "playbook_dir", fallback="").strip()
    ):
        where, base = f"{config}, [defaults] playbook_dir", config.parent
    else:
        return project
    path = Path(os.path.normpath(base / expand_user(text, home)))
    if not path.is_dir():
        raise SettingsInvalid(
            f"{where}: {str(path)!r} is not a directory; allowed is the directory of your playbooks"
        )
    return path


def find_config(values: Mapping[str, str], home: str | None, project: Path | None) -> Path | None:
    """Find the ansible.cfg that Ansible itself would choose in the project, or else in the
    working directory.
    """
    if "ANSIBLE_CONFIG" in values:
        path = expand_user(values["ANSIBLE_CONFIG"], home).absolute()
        path = path / "ansible.cfg" if path.is_dir() else path
        if not os.access(path, os.R_OK):
            raise SettingsInvalid(
                f"ANSIBLE_CONFIG: {str(path)!r} cannot be read; allowed is an existing ansible.cfg"
            )
        return path
    here = project or Path.cwd()
    candidates = [expand_user("~/.ansible.cfg", home), Path("/etc/ansible/ansible.cfg")]
    if not everybody_can_write(here.stat()):
        _refuse_anothers(here / "ansible.cfg")
        candidates.insert(0, here / "ansible.cfg")
    elif (here / "ansible.cfg").exists():
        _log.warning(
            "ansible.cfg in %s is ignored, because everybody can write to that directory", here
        )
    return next((path for path in candidates if path.is_file() and os.access(path, os.R_OK)), None)


def _refuse_anothers(path: Path) -> None:
    """Refuse an ansible.cfg that nobody named and that another user wrote: it says what
    code Ansible runs.
    """
    try:
        status = path.stat()
    except OSError:
        return
    mend = f"remove it, or if you trust it set ANSIBLE_CONFIG={shlex.quote(str(path))}"
    if is_anothers(status):
        raise SettingsInvalid(f"{path}: belongs to another user; {mend}")
    if everybody_can_write(status):
        raise SettingsInvalid(
            f"{path}: everybody can write to it; run `chmod o-w {shlex.quote(str(path))}`, {mend}"
        )


def find_inventory(
    values: Mapping[str, str], home: str | None, config: Path | None, project: Path | None
) -> tuple[Path, ...]:
    """Find the user's inventories: PLAYRAIL_INVENTORY, or else where plain Ansible is told
    to look for them.

    Ansible's own variable is read as it is when Ansible is started in the `project` that
    was named.
    """
    if "PLAYRAIL_INVENTORY" in values:
        texts = re.split(f"[,{re.escape(os.pathsep)}]", values["PLAYRAIL_INVENTORY"])
        return _existing("PLAYRAIL_INVENTORY", texts, home=home, base=Path.cwd())
    if "ANSIBLE_INVENTORY" in values:
        base = project or Path.cwd()
        return _existing(
            "ANSIBLE_INVENTORY", values["ANSIBLE_INVENTORY"].split(","), home=home, base=base
        )
    if config is None:
        return ()
    listed = read_config(config).get("defaults", "inventory", fallback="")
    known = {**values, "PWD": str(project or config.parent)}
    texts = string.Template(listed).safe_substitute(known).split(",")
    return _existing(f"{config}, [defaults] inventory", texts, home=home, base=config.parent)


def _existing(where: str, texts: list[str], *, home: str | None, base: Path) -> tuple[Path, ...]:
    paths = []
    for text in filter(None, map(str.strip, texts)):
        path = Path(os.path.normpath(base / expand_user(text, home)))
        if not path.exists():
            allowed = "allowed are inventory files and directories"
            if "/" not in text and len(texts) > 1:
                allowed += (
                    ". A list of hosts with commas is no inventory here: write the hosts into "
                    "a file, one a "
                )
                allowed += "line, or into MCP_SERVERS"
            raise SettingsInvalid(f"{where}: {str(path)!r} does not exist; {allowed}")
        if not os.access(path, os.R_OK) or not (path.is_file() or path.is_dir()):
            raise SettingsInvalid(
                f"{where}: {str(path)!r} cannot be read; allowed are inventory files and "
                "directories"
            )
        if "," in str(path):  # Ansible reads it as a list of host names
            raise SettingsInvalid(
                f"{where}: {str(path)!r} has a comma in it; allowed are paths without one"
            )
        paths.append(path)
    return tuple(dict.fromkeys(paths))
