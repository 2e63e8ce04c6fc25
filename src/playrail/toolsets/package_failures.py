"""What package managers say when they fail, and what it means."""

from __future__ import annotations

import re
from typing import NamedTuple

from playrail.errors import Problem


class Failure(NamedTuple):
    """What the words of a package manager mean."""

    code: str
    pattern: str
    error: str
    hint: str


FAILURES = (
    Failure(
        "permission_denied",
        r"13: Permission denied|are you root|under the root user|superuser|[Rr]oot privileges",
        "Only root may install packages.",
        "The operator has to give this server a user that may become root.",
    ),
    Failure(
        "package_manager_busy",
        r"Could not get lock|Failed to lock|Unable to (?:acquire|lock)|transaction lock|is locked by",
        "Another package manager is running on this host and did not finish within two minutes.",
        "Try again in some minutes; unattended upgrades take that long.",
    ),
    Failure(
        "package_not_found",
        r"is a virtual package provided by",
        "This is no package, but a name that several packages provide.",
        "Name one of them; execute_command with `apt-cache showpkg NAME` lists them.",
    ),
    Failure(
        "version_not_found",
        r"no available installation candidate for|Version '.+' for '.+' was not found",
        "There is no such version of this package in the host's package lists.",
        "execute_command with `apt-cache policy NAME` shows which there are; or leave version out.",
    ),
    Failure(
        "package_held",
        r"Held packages were changed",
        "A package is on hold, so it was left as it is.",
        "Somebody put it on hold on purpose (`apt-mark showhold`); ask before it is released.",
    ),
    Failure(
        "removal_needed",
        r"Packages need to be removed but remove is disabled",
        "Other packages would have to be removed for it; nothing was changed.",
        "Remove what it conflicts with first, with state absent, if that is meant.",
    ),
    Failure(
        "essential_package",
        r"Essential packages were removed|following protected packages",
        "The system cannot do without this package; nothing was removed.",
        "Do not look for another way.",
    ),
    Failure(
        "dependency_conflict",
        r"unmet dependencies|Unable to correct problems|conflicting requests|nothing provides",
        "Its dependencies cannot be met on this host.",
        "Another version, or update_system first, may help.",
    ),
    Failure(
        "disk_full",
        r"No space left|enough free space",
        "No space is left on the server's disk.",
        "Free some space first; analyze_disk shows what takes it.",
    ),
    Failure(
        "package_not_found",
        r"No package .+ available|Unable to locate package|no installation candidate|No match for|no such package"
        r"|not found in package names|No provider of|target not found|Failed to install some of the specified",
        "There is no such package in the host's package lists.",
        "Check the package's name; distributions name the same thing differently.",
    ),
    Failure(
        "collection_missing",
        r"Could not find a matching action",
        "Ansible's module for this host's package manager is not installed where Playrail runs.",
        "The operator has to install Playrail's extra `full`, which brings Ansible's collections.",
    ),
    Failure(
        "repository_unreachable",
        r"Failed to fetch|Failed to update apt cache|Temporary failure resolving|[Cc]annot download|Failed to download",
        "The host could not fetch from its package repositories.",
        "Try again later; if it stays so, the operator has to look at its network and its list of repositories.",
    ),
)
RETRYABLE = ("package_manager_busy", "repository_unreachable")


def known_failure(message: str, *, version: str | None = None) -> Problem | None:
    for failure in FAILURES:
        if re.search(failure.pattern, message):
            if version and failure.code == "package_not_found":  # other managers than apt do not tell them apart
                failure = failure._replace(  # noqa: PLW2901
                    code="version_not_found", error="There is no such package, or no such version of it."
                )
            return Problem(
                code=failure.code, error=failure.error, hint=failure.hint, retryable=failure.code in RETRYABLE
            )
    return None


def last_words(message: str) -> str:
    """The last error of apt, which it writes behind E:, or else the message."""
    errors: list[str] = re.findall(r"\bE: .*", message)
    return (errors[-1] if errors else message)[:500]
