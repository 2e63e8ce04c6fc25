"""Tests of what the module `package` answered, by the words of the package managers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

# A list of packages lacks one, or a version, or names a file that is no longer there.
LACKING = re.compile(
    r"no package|no match for|no available installation candidate|unable to locate|404"
    r"|failed to fetch|not found|no such package|no provider|unable to select",
    re.IGNORECASE,
)
# apt's module needs python3-apt, which check mode does not install.
NOT_CHECKED = "to use check mode"
CHANGED = re.compile(r"\n(?:Unpacking |Removing )")  # dpkg, before it failed

Result = Mapping[str, Any]


def said(result: Result) -> str:
    """All that it said of a failure."""
    parts = [result.get("msg") or "", result.get("stderr") or "", *(result.get("failures") or ())]
    return "\n".join(map(str, parts))


def lacking_lists(result: Result) -> bool:
    """Whether it failed because the package lists lack what was asked for, or are old."""
    return bool(result.get("failed")) and LACKING.search(said(result)) is not None


def lacking_bindings(result: Result) -> bool:
    """Whether it failed in check mode for want of what a real run installs first."""
    return bool(result.get("failed")) and NOT_CHECKED in said(result)


def unable_to_preview(result: Result) -> bool:
    """Whether it failed in check mode for want of what a real run fetches or installs first."""
    return lacking_lists(result) or lacking_bindings(result)


def changing_packages(result: Result) -> bool:
    """Whether packages were changed, also where that failed half-way."""
    return bool(result.get("changed")) or CHANGED.search(result.get("stdout") or "") is not None


class TestModule:
    """Ansible looks for a class of this name."""

    def tests(self) -> dict[str, Callable[[Result], bool]]:
        """Each test by its name."""
        return {
            "changing_packages": changing_packages,
            "lacking_bindings": lacking_bindings,
            "lacking_lists": lacking_lists,
            "unable_to_preview": unable_to_preview,
        }
