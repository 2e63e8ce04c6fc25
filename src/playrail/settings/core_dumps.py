"""A process that crashes leaves an image of its memory behind, with the secrets that are in
it. Playrail's do not.
"""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

FILTER = Path("/proc/self/coredump_filter")  # core(5): which memory a dump has. Children inherit it


def forbid_core_dumps() -> None:
    """See to it that neither this process nor one that it starts leaves its memory in a
    file.

    The limit is for the file that the kernel writes. Where it hands the image to a program
    instead, which may take no notice of the limit, there is no memory in it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    with contextlib.suppress(OSError):  # a kernel without it, or a /proc that is not ours
        FILTER.write_text("0", encoding="ascii")
