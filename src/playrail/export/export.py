"""Writes what calls did as a directory that a person runs with plain `ansible-playbook`,
without Playrail.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from playrail import catalog
from playrail.ansible.content.named_content import named_collections
from playrail.ansible.content.unsafe_yaml import to_yaml
from playrail.errors import ExportFailed, SettingsInvalid
from playrail.export.carried import carry, carry_collection
from playrail.export.inventory import exported_inventory
from playrail.export.readme import readme, selected
from playrail.export.site import Provided, folder, site
from playrail.history.replay import Replay, Selection, replay
from playrail.ledger.entries import Capture, Ended, Interrupted, Started
from playrail.ledger.ledger import Ledger
from playrail.settings.content import COLLECTION, collection, collections_in
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool, PlaybookTool

UNTRUSTED = (
    "Nothing was written. `playrail ledger verify` says the same; find out who changed the file."
)
UNFINISHED = (
    "Remove what was written of it, and name a directory of this user's own on a disk with room."
)
# Each playbook asks for its target; ansible-lint looks at them one by one as well. The collection
# is Playrail's, and not for Galaxy.
LINT = {
    "profile": "production",
    "offline": True,
    "extra_vars": {"playrail_target": "localhost"},
    "exclude_paths": ["collections/"],
}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written, and the environment variables to provide, each with what it has to
    hold.
    """

    replay: Replay
    provide: Mapping[str, str]


def export(
    ledger: Ledger,
    selection: Selection,
    directory: Path,
    *,
    tools: Mapping[str, AnyTool],
    settings: Settings,
) -> Exported:
    """Writes the selected calls to `directory`, which must be new or empty. Raises
    ExportFailed, LedgerUnavailable.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ExportFailed(
            f"{directory} is not an empty directory.", hint="Name a directory that is to be made."
        )
    verified = ledger.verify()
    if verified.problem is not None:
        raise ExportFailed(f"The ledger cannot be trusted: {verified.problem}.", hint=UNTRUSTED)
    # One by one: they hold contents of files
    captures = ledger.read(kinds=(Capture.KIND,), caller=selection.caller)
    found = replay(chain(_records(ledger, selection), captures), selection, tools)
    if not found.steps:
        reasons = "; ".join(sorted({one.why for one in found.left_out}))
        raise ExportFailed(
            f"None of the {len(found.left_out)} selected calls can be replayed: {reasons}."
            if reasons
            else "No call was selected that changed a server."
        )
    provided = Provided()
    plays = site(found.steps, provided)
    hosts = list(dict.fromkeys(host for step in found.steps for host in step.hosts))
    inventory = exported_inventory(hosts, settings, provided, catalog.variables(settings))
    about = f"{selected(selection)} in a ledger whose head was `{verified.head}`"
    played = {step.tool.path: step.tool for step in found.steps}
    brought = _collections(played.values())
    named = {name for playbook in played for name in named_collections(playbook)}
    required = [{"name": name} for name in sorted(named - brought.keys())]
    texts = {
        "site.yml": plays,
        "inventory.yml": inventory.text,
        "requirements.yml": f"---\n{to_yaml({'collections': required})}",
        "README.md": readme(found, inventory, provided.variables, about=about, settings=settings),
        ".ansible-lint": f"---\n{to_yaml(LINT)}",
    }
    try:
        _write(directory, texts, list(played.values()), list(brought.values()))
    except (OSError, SettingsInvalid) as error:
        raise ExportFailed(f"The export could not be written: {error}", hint=UNFINISHED) from error
    return Exported(replay=found, provide=provided.variables)


def _collections(tools: Iterable[PlaybookTool[Any, Any]]) -> dict[str, Path]:
    """Those that the export carries: ours, and what the tools' toolsets bring."""
    brought = {COLLECTION: collection()}
    for tool in tools:
        brought |= collections_in(tool.content / "collections")
    return brought


def _records(ledger: Ledger, selection: Selection) -> list[dict[str, Any]]:
    """The records of all calls. Raises ExportFailed when a selected run is not among them."""
    kinds = (Started.KIND, Ended.KIND, Interrupted.KIND)
    records = list(ledger.read(kinds=kinds, caller=selection.caller))
    known = {
        Started.of_body(record["body"]).run for record in records if record["kind"] == Started.KIND
    }
    unknown = [run for run in selection.runs if run not in known]
    if unknown:
        raise ExportFailed(
            f"The ledger has no run {', '.join(unknown)}.",
            hint="`playrail runs` lists those it has.",
        )
    return records


def _write(
    directory: Path,
    texts: Mapping[str, str],
    tools: Sequence[PlaybookTool[Any, Any]],
    collections: Sequence[Path],
) -> None:
    """Writes the texts, the tools' playbooks with what they need, and the collections."""
    private_directory(directory)
    for name, text in texts.items():
        with os.fdopen(
            os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        ) as file:
            file.write(text.encode())
    for tool in tools:
        carry(tool, directory / "playbooks" / folder(tool))
    for path in collections:
        carry_collection(path, directory)
