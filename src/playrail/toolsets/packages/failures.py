"""What package managers say when they fail, and what it means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from playrail.codes import calls, files, work
from playrail.codes.code import Code
from playrail.errors import Problem


class Failure(NamedTuple):
    """What the words of a package manager mean. `error` and `hint` say it better than the
    code does, where a package manager tells more than its code.
    """

    code: Code
    pattern: str
    error: str | None = None
    hint: str | None = None


LONGEST_SAID = 300  # characters
DPKGS_WORK = re.compile(
    r"(?:Setting up|Removing|Purging|Preparing to unpack|Unpacking|Processing triggers for) "
)
FAILURES = (
    Failure(
        files.PERMISSION_DENIED,
        r"13: Permission denied|are you root|under the root user|superuser|[Rr]oot privileges",
        "Only root may install packages.",
        "The operator has to give this server a user that may become root.",
    ),
    Failure(
        work.PACKAGE_MANAGER_BUSY,
        r"Could not get lock|Failed to lock|Unable to (?:acquire|lock)|transaction lock"
        r"|is locked by",
        "Another package manager is running on this host and did not finish within two minutes.",
    ),
    Failure(
        work.PACKAGE_NOT_FOUND,
        r"is a virtual package provided by",
        "This is no package, but a name that several packages provide.",
        "Name one of them; execute_command with `apt-cache showpkg NAME` lists them.",
    ),
    Failure(
        work.VERSION_NOT_FOUND,
        r"no available installation candidate for|Version '.+' for '.+' was not found",
    ),
    Failure(work.PACKAGE_HELD, r"Held packages were changed"),
    Failure(work.REMOVAL_NEEDED, r"Packages need to be removed but remove is disabled"),
    Failure(
        work.ESSENTIAL_PACKAGE, r"Essential packages were removed|following protected packages"
    ),
    Failure(
        work.PACKAGES_UNFINISHED,
        r"dpkg was interrupted",
        "dpkg was interrupted on this host before; until it has finished, nothing can be "
        "installed or removed.",
    ),
    Failure(
        work.PACKAGES_UNFINISHED,
        r"--fix-broken|apt(?:-get)? -f install",
        "Packages on this host lack others that they need, since before this call; nothing was "
        "done.",
        # dpkg has nothing to finish here: apt has to fetch what is missing.
        "execute_command with `apt-get --simulate --fix-broken install` shows what apt would do "
        "about it.",
    ),
    Failure(
        work.DEPENDENCY_CONFLICT,
        r"unmet dependencies|Unable to correct problems|conflicting requests|nothing provides",
    ),
    Failure(files.DISK_FULL, r"No space left|enough free space"),
    Failure(
        work.PACKAGE_NOT_FOUND,
        r"No package .+ available|Unable to locate package|no installation candidate|No match for"
        r"|no such package|not found in package names|No provider of|target not found"
        r"|Failed to install some of the specified",
    ),
    Failure(
        calls.COLLECTION_MISSING,
        r"Could not find a matching action",
        "Ansible's module for this host's package manager is not installed where Playrail runs.",
    ),
    Failure(
        work.REPOSITORY_UNREACHABLE,
        r"Failed to fetch|Failed to update apt cache|Temporary failure resolving"
        r"|[Cc]annot download|Failed to download",
    ),
)
FAILED_AT = re.compile(
    r"^dpkg: error processing (?:package|archive) (\S+) \(--\w+\):\r?\n\s+(.+?)\r?$", re.MULTILINE
)
SCRIPTS_LINES, SCRIPTS_CHARACTERS = 5, 500


def known_failure(message: str, *, version: str | None = None) -> Problem | None:
    """The failure that a package manager's words tell of, where they are known."""
    failure = next((each for each in FAILURES if re.search(each.pattern, message)), None)
    if failure is None:
        return None
    code, error = failure.code, failure.error or failure.code.meaning
    # Other managers than apt do not tell them apart
    if version and code == work.PACKAGE_NOT_FOUND:
        code, error = work.VERSION_NOT_FOUND, "There is no such package, or no such version of it."
    said = _said(failure.pattern, message)
    # A part that tells nothing more
    said = "" if re.fullmatch(failure.pattern, said) else said
    return Problem.of(code, f"{error} It said: {said}" if said else error, hint=failure.hint)


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
    return Problem.of(
        work.REPOSITORY_UNREACHABLE,
        f"No package lists could be fetched, so newer versions are not known: {why}"[:500],
    )


def with_repositories(problem: Problem, unreached: Sequence[str]) -> Problem:
    """The same, and which repositories could not be reached: what is missing may be there."""
    if not unreached or problem.code not in (
        work.PACKAGE_NOT_FOUND,
        work.VERSION_NOT_FOUND,
        work.REPOSITORY_UNREACHABLE,
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
