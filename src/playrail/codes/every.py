"""All codes in one table."""

from __future__ import annotations

from playrail.codes import api, calls, files, hosts, network, work
from playrail.codes.code import Code

SUBJECTS = (calls, hosts, files, work, network, api)
"""The modules that declare codes, in the order in which the page of codes shows them."""

EVERY = {
    str(code): code
    for subject in SUBJECTS
    for code in vars(subject).values()
    if isinstance(code, Code)
}


def named(name: str) -> Code:
    """The code of this name. One that a toolset of somebody else's brings has the hint of
    `task_failed`: to look before the next call.
    """
    return EVERY.get(name) or Code(name, "A failure of a toolset's own.", hosts.TASK_FAILED.hint)
