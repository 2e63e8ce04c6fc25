"""How much memory a server has."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, computed_field

from playrail.tools.arguments import Rare
from playrail.tools.tool import OnHosts, PlaybookTool, Report, Risk


class MemoryChoice(OnHosts):
    details: Annotated[bool, Rare] = Field(
        default=False, description="Also buffers, shared memory and free swap.", examples=[True]
    )


def size(name: str, *, about: str, default: Any = None) -> Any:
    """A field that is read from /proc/meminfo; its manual page is proc_meminfo(5)."""
    return Field(default=default, validation_alias=AliasPath("memory", name), description=about)


class MemoryInfo(Report):
    """Memory in bytes, as the kernel counts it."""

    total_bytes: int = size("MemTotal", about="Memory that the system can use.", default=...)
    free_bytes: int = size("MemFree", about="Memory that nothing uses.", default=...)
    available_bytes: int | None = size(
        "MemAvailable",
        about=(
            "What a new program could have without swapping: free memory and what caches would "
            "give back."
        ),
    )
    buffers_bytes: int | None = size("Buffers", about="Block device buffers.")
    cached_bytes: int | None = size("Cached", about="Cache of file contents.")
    shared_bytes: int | None = size("Shmem", about="Shared memory and tmpfs.")
    swap_total_bytes: int = size("SwapTotal", about="Swap space.", default=...)
    swap_left_bytes: int = Field(validation_alias=AliasPath("memory", "SwapFree"), exclude=True)
    limit_bytes: int | None = Field(
        default=None,
        description="The most that this container may use, where that is less than total_bytes.",
    )
    limit_used_bytes: int | None = Field(
        default=None, description="What counts against it, caches too."
    )
    oom_kills: Annotated[int | None, BeforeValidator(lambda count: count or None)] = Field(
        default=None,
        description="How often since the start the kernel ended a process as memory ran out.",
    )

    # mypy 1362
    @computed_field(description="Swap space not in use.")
    @property
    def swap_free_bytes(self) -> int | None:
        return self.swap_left_bytes if self.buffers_bytes is not None else None

    # mypy 1362
    @computed_field(description="Total without available, as `free` counts it.")
    @property
    def used_bytes(self) -> int | None:
        return None if self.available_bytes is None else self.total_bytes - self.available_bytes

    # mypy 1362
    @computed_field(description="used_bytes in percent of total_bytes.")
    @property
    def used_percent(self) -> float | None:
        return (
            None if self.used_bytes is None else round(100 * self.used_bytes / self.total_bytes, 1)
        )

    @computed_field(description="Swap space in use.")
    @property
    def swap_used_bytes(self) -> int | None:
        return self.swap_total_bytes - self.swap_left_bytes if self.swap_total_bytes else None


get_memory_info = PlaybookTool(
    name="get_memory_info",
    summary=(
        "How much memory (RAM) and swap a server has, uses and has free; whether it is swapping."
    ),
    risk=Risk.READ,
    input=MemoryChoice,
    playbook="system/get_memory_info.yml",
    report=MemoryInfo,
)
