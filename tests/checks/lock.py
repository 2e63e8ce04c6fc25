"""Fail the build when the lock files and pyproject.toml differ: `python
tests/checks/lock.py`.

uv.lock decides; for pip there are requirements.lock, which is what running needs, and
requirements-dev.lock, which is everything. The check needs no uv, so that it works wherever
the tests do. `make lock` writes all three.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "playrail"
RUNNING, EVERYTHING = "requirements.lock", "requirements-dev.lock"

Pins = Mapping[tuple[str, str], frozenset[str]]


def read_uv_lock(lock: Mapping[str, Any]) -> Pins:
    """Each locked package and version with the hashes of its files."""
    pins = {}
    for package in lock["package"]:
        if package["name"] != PROJECT:
            files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
            pins[package["name"], package["version"]] = frozenset(file["hash"] for file in files)
    return pins


def read_requirements(text: str) -> Pins:
    """Each pinned package and version with its hashes, in a file in pip's format."""
    pins = {}
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        line = entry.partition("#")[0].strip()
        if line:
            requirement, *hashes = line.split("--hash=")
            name, version = requirement.partition(";")[0].strip().split("==")
            pins[name, version] = frozenset(map(str.strip, hashes))
    return pins


def asked_by_project(project: Mapping[str, Any]) -> set[str]:
    """What pyproject.toml asks for, in one spelling."""
    lines = [("", line) for line in project["project"]["dependencies"]]
    for kind in (project["project"]["optional-dependencies"], project["dependency-groups"]):
        lines += [(name, line) for name, group in kind.items() for line in group]
    return {_spelled(group, Requirement(line)) for group, line in lines}


def asked_by_lock(lock: Mapping[str, Any]) -> set[str]:
    """What uv.lock was made for, in the same spelling."""
    package = next(package for package in lock["package"] if package["name"] == PROJECT)
    found = set()
    groups = {
        "": package["metadata"]["requires-dist"],
        **package["metadata"].get("requires-dev", {}),
    }
    for group, entries in groups.items():
        for entry in entries:
            marker = entry.get("marker", "")
            extra = re.search(r"extra == '([^']+)'", marker)
            # The project's range of Python versions is left out of the markers in uv.lock.
            found.add(
                _spelled(
                    extra[1] if extra else group,
                    Requirement(entry["name"] + entry.get("specifier", "")),
                )
            )
    return found


def _spelled(group: str, requirement: Requirement) -> str:
    return f"{group or 'project'}: {requirement.name} {requirement.specifier}"


def needed_to_run(lock: Mapping[str, Any]) -> set[str]:
    """The names of the packages that the project needs, and those that these need, on any
    system.
    """
    packages: dict[str, list[Mapping[str, Any]]] = {}
    for package in lock["package"]:
        packages.setdefault(package["name"], []).append(package)
    found: set[tuple[str, str]] = set()
    wanted = [(PROJECT, "")]
    while wanted:
        name, extra = wanted.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for package in packages[name]:
            needs = (
                package.get("optional-dependencies", {}).get(extra, ())
                if extra
                else package.get("dependencies", ())
            )
            for need in needs:
                wanted += [(need["name"], more) for more in ("", *need.get("extra", ()))]
    return {name for name, _ in found} - {PROJECT}


def differences(root: Path) -> Iterator[str]:
    """Yield a line for everything in which the files differ."""
    lock = tomllib.loads((root / "uv.lock").read_text(encoding="utf-8"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    locked, runs = read_uv_lock(lock), needed_to_run(lock)
    wanted = {
        EVERYTHING: locked,
        RUNNING: {pin: files for pin, files in locked.items() if pin[0] in runs},
    }
    for file, pins in wanted.items():
        text = (root / file).read_text(encoding="utf-8")
        yield from _differing(pins, read_requirements(text), file)
        if "://" in text:
            yield f"{file} names an index; which one to use is the installer's choice"
    for asked in sorted(asked_by_project(project) ^ asked_by_lock(lock)):
        yield f"{asked}: pyproject.toml and uv.lock disagree"


def _differing(locked: Pins, pinned: Pins, file: str) -> Iterator[str]:
    for name, version in sorted(locked.keys() ^ pinned.keys()):
        yield (
            f"{name} {version} is "
            f"{'missing in' if (name, version) in locked else 'too much in'} {file}"
        )
    for name, version in sorted(locked.keys() & pinned.keys()):
        if locked[name, version] != pinned[name, version]:
            yield f"{name} {version} has other hashes in {file} than in uv.lock"


def main() -> int:
    """Print the differences; exit status 1 if there are any."""
    found = list(differences(ROOT))
    for line in found:
        sys.stdout.write(f"{line}\n")
    if found:
        sys.stdout.write("`make lock` writes the lock files anew.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
