"""The kind of thing that packages are: versions before and after a change, and the calls that
bring either about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from playrail.tools.effects import Effect
from playrail.tools.lasting import Intent, Invocation, Kind, Thing
from playrail.toolsets.packages.failures import last_words

# Those that dpkg did not finish have its own words.
Unfinished = Literal[
    "half_installed", "unpacked", "half_configured", "triggers_awaited", "triggers_pending"
]
Outcome = (
    Literal["installed", "upgraded", "downgraded", "removed", "unchanged", "not_previewed"]
    | Unfinished
)
UNFINISHED = get_args(Unfinished)
MOST_NAMES = 20  # of one call


def plain_name(name: str, architecture: str | None) -> str:
    """The name without the host's own architecture, which dpkg mostly writes behind it and
    apt does not. Another one stays: that is another package. None: the host did not tell
    its own.
    """
    package, _, of = name.partition(":")
    return package if architecture is None or of in ("", "all", architecture) else name


def effects_of(versions: Mapping[str, tuple[str | None, str | None]]) -> Sequence[Effect]:
    """Of packages with their versions before and after; None where they are not installed."""
    return [
        Effect(kind=PACKAGE.name, name=name, before=_state(before), after=_state(after))
        for name, (before, after) in versions.items()
        if before != after
    ]


def _state(version: str | None) -> Mapping[str, str] | None:
    return None if version is None else {"version": version}


def blindness(failure: str) -> Sequence[str]:
    """Why check mode could tell nothing, of what the package manager's module said."""
    why = (
        "What would be done is known only in a real run, which fetches package lists where "
        "these lack something"
    )
    # How long something took is another time each time; a plan is bound to these words.
    said = re.sub(r"\d+ (?=milliseconds|ms\b|seconds|s\b|bytes)", "", last_words(failure)).strip()
    return (f"{why}, and what Ansible needs; the preview ended with: {said}",)


def undo_package(effect: Effect) -> Invocation:
    """The call that brings the former version back, as far as the package lists still have
    it.
    """
    if effect.before is None:
        return removed(effect.name)
    return installed(effect.name, effect.before["version"])


def installed(name: str, version: str | None) -> Invocation:
    """The call that installs a package, in this version if it is given."""
    given = {"name": name, "state": "present", **({"version": version} if version else {})}
    return Invocation(tool="install_package", arguments=given)


def removed(name: str | Sequence[str]) -> Invocation:
    """The call that removes a package, or several."""
    given = {"name": name if isinstance(name, str) else list(name), "state": "absent"}
    return Invocation(tool="install_package", arguments=given, removes=True)


def _spellings(name: str) -> Sequence[str]:
    """Dpkg may leave out the architecture."""
    return (name, name.partition(":")[0])


PACKAGE = Kind(
    name="package",
    needs=("file",),  # a source of packages
    keeps=("version",),
    yields=("version",),
    spellings=_spellings,
    has_aliases=False,  # beside those that were asked for a call changes others
    restored_in_order=True,  # what depends on others went first
    restored_alone="Versions come back one by one, not together.",
    remove_several=removed,
    most_removed=MOST_NAMES,
)
UPGRADE = Kind(name="update_system", needs=("file", "package"), drifts=False, is_work=False)


def intent(name: str, call: Invocation, *, newest: bool = False) -> Intent:
    """What holds for a package after the call. `newest`: whatever version was asked for
    before.
    """
    return Intent(thing=Thing(PACKAGE, name), call=call, afresh=newest)
