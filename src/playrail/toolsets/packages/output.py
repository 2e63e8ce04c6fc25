"""What package managers write of what they did, read into versions before and after."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from playrail.toolsets.packages.effects import plain_name
from playrail.toolsets.packages.failures import script_failure

# What dpkg writes about each package, and what `apt-get --simulate` writes instead (in
# check mode); the locale is C.
UNPACKED = re.compile(
    r"^Unpacking (?P<name>\S+) \((?P<new>\S+)\) (?:over \((?P<old>\S+)\) )?\.\.\.", re.MULTILINE
)
WOULD_UNPACK = re.compile(
    r"^Inst (?P<name>\S+) (?:\[(?P<old>[^]\s]+)\] )?\((?P<new>\S+) ", re.MULTILINE
)
REMOVED = re.compile(r"^(?:Removing|Remv) (?P<name>\S+) [\[(](?P<old>[^\])\s]+)", re.MULTILINE)
# What the module dnf returns of each package.
DNF_DID = re.compile(
    r"(?P<did>Installed|Downgrade|Removed): "
    r"(?P<name>\S+)-(?P<version>[^-\s]+-[^-\s]+?)(?:\.[^.\s]+)?"
)

Versions = tuple[str | None, str | None]  # before and after


def packages_done(
    output: str, results: Sequence[str], architecture: str | None
) -> dict[str, Versions]:
    """What was, or in check mode would be, done to which package, by the words of apt and
    dpkg or of the module dnf.
    """
    old: dict[str, str | None] = {}
    new: dict[str, str | None] = {}
    for one in [
        *REMOVED.finditer(output),
        *UNPACKED.finditer(output),
        *WOULD_UNPACK.finditer(output),
    ]:
        words = one.groupdict()
        name = plain_name(words["name"], architecture)
        old.setdefault(name, words["old"])
        new[name] = words.get("new")
    for line in results:
        if (did := DNF_DID.fullmatch(line)) is not None:
            versions = old if did["did"] == "Removed" else new
            versions[did["name"]] = did["version"]
    return {name: (old.get(name), new.get(name)) for name in sorted({*old, *new})}


def left_open(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the work did not reach, and did not finish."""
    return {
        "unreachable_repositories": sorted(set(raw.get("unreached") or ())) or None,
        "unfinished": sorted(raw.get("unfinished") or ()) or None,
        "script": script_failure(raw["stdout"]),
    }


def failure_of(raw: Mapping[str, Any]) -> dict[str, str | None]:
    """What was said of a failure: `blind` in check mode, where a real run may not fail."""
    said = "\n".join(raw["said"]).strip() if raw["change_failed"] else None
    return {"failure": None if raw["blind"] else said, "blind": said if raw["blind"] else None}
