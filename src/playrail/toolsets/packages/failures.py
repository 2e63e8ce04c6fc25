"""What package managers say when they fail, and what it means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from playrail.errors import Problem


class Failure(NamedTuple):
    """What the words of a package manager mean."""

    code: str
    pattern: str
    error: str
    hint: str


LONGEST_SAID = 300  # characters
DPKGS_WORK = re.compile(
    r"(?:Setting up|Removing|Purging|Preparing to unpack|Unpacking|Processing triggers for) "
)
FAILURES = (
    Failure(
        "permission_denied",
        r"13: Permission denied|are you root|under the root user|superuser|[Rr]oot privileges",
        "Only root may install packages.",
        "The operator has to give this server a user that may become root.",
    ),
    Failure(
        "package_manager_busy",
        (
            r"Could not get lock|Failed to lock|Unable to (?:acquire|lock)|transaction lock|is "
            r"locked by"
        ),
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
        "packages_unfinished",
        r"dpkg was interrupted",
        (
            "dpkg was interrupted on this host before; until it has finished, nothing can be "
            "installed or removed."
        ),
        (
            "execute_command with `dpkg --configure -a` lets it finish; `dpkg --audit` names "
            "the packages."
        ),
    ),
    Failure(
        "packages_unfinished",
        r"--fix-broken|apt(?:-get)? -f install",
        (
            "Packages on this host lack others that they need, since before this call; nothing "
            "was done."
        ),
        (
            "execute_command with `apt-get --simulate --fix-broken install` shows what apt "
            "would do about it."
        ),
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
        r"No package .+ available|Unable to locate package|no installation candidate|No match "
        r"for|no such package"
        r"|not found in package names|No provider of|target not found|Failed to install some "
        r"of the specified",
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
        (
            r"Failed to fetch|Failed to update apt cache|Temporary failure resolving|[Cc]annot "
            r"download|Failed to download"
        ),
        "The host could not fetch from its package repositories.",
        (
            "If it stays so, the operator has to look at the host's network and its list of "
            "repositories."
        ),
    ),
)
FAILED_AT = re.compile(
    r"^dpkg: error processing (?:package|archive) (\S+) \(--\w+\):\r?\n\s+(.+?)\r?$", re.MULTILINE
)
SCRIPTS_LINES, SCRIPTS_CHARACTERS = 5, 500
FINISH = (
    "execute_command with `dpkg --audit` tells what is not finished, `dpkg --configure -a` "
    "tries it again."
)
RETRYABLE = ("package_manager_busy", "repository_unreachable")


def known_failure(message: str, *, version: str | None = None) -> Problem | None:
    for failure in FAILURES:
        if re.search(failure.pattern, message):
            # Other managers than apt do not tell them apart
            if version and failure.code == "package_not_found":
                failure = failure._replace(  # noqa: PLW2901
                    code="version_not_found",
                    error="There is no such package, or no such version of it.",
                )
            said = _said(failure.pattern, message)
            # A part that tells nothing more
            said = "" if re.fullmatch(failure.pattern, said) else said
            return Problem(
                code=failure.code,
                error=f"{failure.error} It said: {said}" if said else failure.error,
                hint=failure.hint,
                retryable=failure.code in RETRYABLE,
            )
    return None


def _said(pattern: str, message: str) -> str:
    """The line in which a package manager says it, without the command that Ansible puts
    before it.
    """
    for line in message.splitlines():
        if (found := re.search(pattern, line)) is not None:
            start = line.rfind("E: ", 0, found.end())
            return line[max(start, 0) :].strip()[:LONGEST_SAID]
    return ""


def script_failure(output: str) -> str | None:
    """What dpkg says of the first package with which it failed, and what that package's
    script wrote before.
    """
    found = FAILED_AT.search(output)
    if found is None:
        return None
    before = output[: found.start()].splitlines()
    begins = [number for number, line in enumerate(before) if DPKGS_WORK.match(line)]
    written = [line.strip() for line in before[begins[-1] + 1 if begins else 0 :] if line.strip()][
        -SCRIPTS_LINES:
    ]
    told = (
        f" Before that was written: {' / '.join(written)[-SCRIPTS_CHARACTERS:]}" if written else ""
    )
    return f"dpkg could not process {found[1]}: {found[2].rstrip('.')}.{told}"


def no_lists(said: str) -> Problem | None:
    """The failure to learn what the newest versions are, of what was said when no list at
    all could be fetched.
    """
    if not said:
        return None
    why = said.splitlines()[0]
    return Problem(
        code="repository_unreachable",
        error=f"No package lists could be fetched, so newer versions are not known: {why}"[:500],
        hint=(
            "If it stays so, the operator has to look at the host's network and its list of "
            "repositories."
        ),
        retryable=True,
    )


def with_repositories(problem: Problem, unreached: Sequence[str]) -> Problem:
    """The same, and which repositories could not be reached: what is missing may be there."""
    if not unreached or problem.code not in (
        "package_not_found",
        "version_not_found",
        "repository_unreachable",
    ):
        return problem
    return replace(
        problem,
        error=f"{problem.error.rstrip('.')}. Not reached: {', '.join(unreached)}.",
        retryable=True,
    )


def last_words(message: str) -> str:
    """The last error of apt, which it writes behind E:, or else the message."""
    errors: list[str] = re.findall(r"\bE: .*", message)
    return (errors[-1] if errors else message)[:500]
