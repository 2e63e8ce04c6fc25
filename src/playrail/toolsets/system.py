"""What a server is, and how much memory it has."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, computed_field, model_validator

from playrail.tool import OnHosts, PlaybookTool, Report, Risk

MIB = 1024 * 1024
KIB = 1024
NOT_KNOWN = ("", "NA", "N/A", "unknown")  # what Ansible's facts say where they found nothing


def _known(value: Any) -> Any:
    return None if value in NOT_KNOWN else value


def _bytes_of_mib(mib: Any) -> Any:
    return mib * MIB if isinstance(mib, int) else None


def _cpu_model(processor: Any) -> Any:
    """The processor's name. Ansible lists per thread its number, vendor and model; on ARM often the number only."""
    if not isinstance(processor, Sequence) or isinstance(processor, str):
        return processor
    return next((word for word in reversed(processor) if not str(word).isdigit()), None)


Word = Annotated[str | None, BeforeValidator(_known)]
Mebibytes = Annotated[int | None, BeforeValidator(_bytes_of_mib)]


def fact(*path: str, about: str, default: Any = None) -> Any:
    """A field that is read from the fact `path`, which `setup` gives a prefix."""
    alias = AliasPath("ansible_facts", f"ansible_{path[0]}", *path[1:])
    return Field(default=default, validation_alias=alias, description=about)


class SystemInfo(Report):
    """https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_vars_facts.html lists the facts."""

    hostname: str = fact("hostname", about="Short name.", default=...)
    fqdn: Word = fact("fqdn", about="Full name, as the server itself resolves it.")
    os_name: Word = fact("distribution", about="Distribution.")
    os_version: Word = fact("distribution_version", about="Its version.")
    os_codename: Word = fact("distribution_release", about="Its code name.")
    os_family: Word = fact("os_family", about="The family it belongs to: Debian, RedHat, Alpine ..")
    kernel: str = fact("kernel", about="Kernel release.", default=...)
    architecture: Word = fact("architecture", about="Machine architecture, such as x86_64.")
    cpu_model: Annotated[Word, BeforeValidator(_cpu_model)] = fact("processor", about="Processor.")
    cpu_sockets: int | None = fact("processor_count", about="Processors.")
    cpu_cores_per_socket: int | None = fact("processor_cores", about="Cores of each processor.")
    cpu_threads: int | None = fact("processor_vcpus", about="Threads of all cores: what runs at the same time.")
    memory_total_bytes: Mebibytes = fact("memtotal_mb", about="To the MiB; get_memory_info is exact.")
    swap_total_bytes: Mebibytes = fact("swaptotal_mb", about="To the MiB.")
    swap_free_bytes: Mebibytes = fact("swapfree_mb", about="To the MiB.")
    load_1m: float | None = fact("loadavg", "1m", about="Load average of the last minute.")
    load_5m: float | None = fact("loadavg", "5m", about="Load average of the last 5 minutes.")
    load_15m: float | None = fact("loadavg", "15m", about="Load average of the last 15 minutes.")
    uptime_s: int | None = fact("uptime_seconds", about="Seconds since the start.")
    time: datetime | None = fact("date_time", "iso8601", about="What the server's clock says.")
    timezone: Word = fact("date_time", "tz", about="Abbreviation of its time zone.")
    utc_offset: Word = fact("date_time", "tz_offset", about="Its time zone's distance from UTC, as +hhmm.")
    virtualization: Word = fact("virtualization_type", about="kvm, lxc, docker ..; null when none was recognised.")
    virtualization_role: Word = fact("virtualization_role", about="guest or host.")
    service_manager: Word = fact("service_mgr", about="What starts services, such as systemd.")
    package_manager: Word = fact("pkg_mgr", about="What installs packages, such as apt.")
    python_version: Word = fact("python_version", about="Of the Python that Ansible uses there.")
    ipv4_address: Word = fact("default_ipv4", "address", about="Address of the interface with the default route.")
    ipv4_gateway: Word = fact("default_ipv4", "gateway", about="The default route's gateway.")
    ipv6_address: Word = fact("default_ipv6", "address", about="Address of the interface with the default IPv6 route.")

    @computed_field(description="Physical cores of all processors.")  # type: ignore[prop-decorator]  # mypy 1362
    @property
    def cpu_cores(self) -> int | None:
        if self.cpu_sockets is None or self.cpu_cores_per_socket is None:
            return None
        return self.cpu_sockets * self.cpu_cores_per_socket

    @computed_field(description="When the server was started.")  # type: ignore[prop-decorator]  # mypy 1362
    @property
    def boot_time(self) -> datetime | None:
        if self.time is None or self.uptime_s is None:
            return None
        return self.time - timedelta(seconds=self.uptime_s)


get_system_info = PlaybookTool(
    name="get_system_info",
    summary="What a server is: system, kernel, processor, memory, load, uptime, addresses.",
    risk=Risk.READ,
    input=OnHosts,
    playbook="system/get_system_info.yml",
    report=SystemInfo,
)


class MemoryInfo(Report):
    """/proc/meminfo in bytes; its manual page is proc_meminfo(5)."""

    total_bytes: int = Field(validation_alias="MemTotal", description="Memory that the system can use.")
    free_bytes: int = Field(validation_alias="MemFree", description="Memory that nothing uses.")
    available_bytes: int | None = Field(
        default=None,
        validation_alias="MemAvailable",
        description="What a new program could have without swapping: free memory and what caches would give back.",
    )
    buffers_bytes: int | None = Field(default=None, validation_alias="Buffers", description="Block device buffers.")
    cached_bytes: int | None = Field(default=None, validation_alias="Cached", description="Cache of file contents.")
    shared_bytes: int | None = Field(default=None, validation_alias="Shmem", description="Shared memory and tmpfs.")
    swap_total_bytes: int = Field(validation_alias="SwapTotal", description="Swap space.")
    swap_free_bytes: int = Field(validation_alias="SwapFree", description="Swap space not in use.")

    @model_validator(mode="before")
    @classmethod
    def _of_meminfo(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or "content" not in raw:
            return raw
        lines = base64.b64decode(raw["content"]).decode("ascii", "replace")
        return {name: int(kib) * KIB for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", lines, re.MULTILINE)}

    @computed_field(description="Total without available, as `free` counts it.")  # type: ignore[prop-decorator]  # mypy 1362
    @property
    def used_bytes(self) -> int | None:
        return None if self.available_bytes is None else self.total_bytes - self.available_bytes

    @computed_field(description="used_bytes in percent of total_bytes.")  # type: ignore[prop-decorator]  # mypy 1362
    @property
    def used_percent(self) -> float | None:
        return None if self.used_bytes is None else round(100 * self.used_bytes / self.total_bytes, 1)

    @computed_field(description="Swap space in use.")  # type: ignore[prop-decorator]  # mypy 1362
    @property
    def swap_used_bytes(self) -> int:
        return self.swap_total_bytes - self.swap_free_bytes


get_memory_info = PlaybookTool(
    name="get_memory_info",
    summary="How much memory and swap a server has, uses and could still give, in bytes.",
    risk=Risk.READ,
    input=OnHosts,
    playbook="system/get_memory_info.yml",
    report=MemoryInfo,
)
