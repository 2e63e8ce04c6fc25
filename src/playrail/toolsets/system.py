"""What a server is, and how it does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasPath,
    BeforeValidator,
    Field,
    computed_field,
    model_validator,
)

from playrail.settings.content import content_root
from playrail.tools.tool import OnHosts, PlaybookTool, Report, Risk
from playrail.tools.toolset import Toolset
from playrail.toolsets.comparison import compare_hosts
from playrail.toolsets.logins import list_logins
from playrail.toolsets.memory import get_memory_info
from playrail.toolsets.sysctl import get_sysctl
from playrail.toolsets.triage import triage

MIB = 1024 * 1024
NOT_KNOWN = ("", "NA", "N/A", "unknown")  # what Ansible's facts say where they found nothing


def _known(value: Any) -> Any:
    return None if value in NOT_KNOWN else value


def _bytes_of_mib(mib: Any) -> Any:
    return mib * MIB if isinstance(mib, int) else None


def _cpu_model(processor: Any) -> Any:
    """The processor's name. Ansible lists per thread its number, vendor and model; on ARM
    often the number only.
    """
    if not isinstance(processor, Sequence) or isinstance(processor, str):
        return processor
    return next((word for word in reversed(processor) if not str(word).isdigit()), None)


Word = Annotated[str | None, BeforeValidator(_known)]
Load = Annotated[float | None, AfterValidator(lambda load: load and round(load, 2))]
Mebibytes = Annotated[int | None, BeforeValidator(_bytes_of_mib)]


def fact(*path: str, about: str, default: Any = None, exclude: bool | None = None) -> Any:
    """A field that is read from the fact `path`, which `setup` gives a prefix."""
    alias = AliasPath("ansible_facts", f"ansible_{path[0]}", *path[1:])
    return Field(default=default, validation_alias=alias, description=about, exclude=exclude)


class SystemInfo(Report):
    """https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_vars_facts.html
    lists the facts.
    """

    hostname: str = fact("hostname", about="Short name.", default=...)
    fqdn: Word = fact(
        "fqdn", about="Full name, as the server itself resolves it, where that is another."
    )
    os_name: Word = fact("distribution", about="Distribution.")
    os_version: Word = fact("distribution_version", about="Its version.")
    os_codename: Word = fact("distribution_release", about="Its code name.")
    os_family: Word = fact("os_family", about="The family it belongs to: Debian, RedHat, Alpine ..")
    kernel: str = fact("kernel", about="Kernel release.", default=...)
    architecture: Word = fact("architecture", about="Machine architecture, such as x86_64.")
    cpu_model: Annotated[Word, BeforeValidator(_cpu_model)] = fact("processor", about="Processor.")
    cpu_sockets: int | None = fact("processor_count", about="Processors.", exclude=True)
    cpu_cores_per_socket: int | None = fact(
        "processor_cores", about="Cores of each processor.", exclude=True
    )
    cpu_threads: int | None = fact(
        "processor_vcpus", about="Threads of all cores: what runs at the same time."
    )
    memory_total_bytes: Mebibytes = fact(
        "memtotal_mb", about="To the MiB; get_memory_info is exact."
    )
    load_1m: Load = fact("loadavg", "1m", about="Load average of the last minute.")
    load_5m: Load = fact("loadavg", "5m", about="Load average of the last 5 minutes.")
    load_15m: Load = fact("loadavg", "15m", about="Load average of the last 15 minutes.")
    uptime_s: int | None = fact("uptime_seconds", about="Seconds since the start.")
    time: datetime | None = fact("date_time", "iso8601", about="What the server's clock says.")
    timezone: Word = fact("date_time", "tz", about="Abbreviation of its time zone.")
    utc_offset: Word = fact(
        "date_time", "tz_offset", about="Its time zone's distance from UTC, as +hhmm."
    )
    virtualization: Word = fact(
        "virtualization_type", about="kvm, lxc, docker ..; null when none was recognised."
    )
    virtualization_role: Word = fact("virtualization_role", about="guest or host.")
    service_manager: Word = fact("service_mgr", about="What starts services, such as systemd.")
    package_manager: Word = fact("pkg_mgr", about="What installs packages, such as apt.")
    python_version: Word = fact("python_version", about="Of the Python that Ansible uses there.")
    ipv4_address: Word = fact(
        "default_ipv4", "address", about="Address of the interface with the default route."
    )
    ipv4_gateway: Word = fact("default_ipv4", "gateway", about="The default route's gateway.")
    ipv6_address: Word = fact(
        "default_ipv6", "address", about="Address of the interface with the default IPv6 route."
    )

    # mypy 1362
    @computed_field(description="Physical cores of all processors.")
    @property
    def cpu_cores(self) -> int | None:
        if self.cpu_sockets is None or self.cpu_cores_per_socket is None:
            return None
        return self.cpu_sockets * self.cpu_cores_per_socket

    @model_validator(mode="after")
    def _tells_a_name_once(self) -> SystemInfo:
        return self.model_copy(update={"fqdn": None}) if self.fqdn == self.hostname else self


get_system_info = PlaybookTool(
    name="get_system_info",
    summary=(
        "What a server is: operating system, kernel, processor, load, how long it is up "
        "(uptime), addresses."
    ),
    risk=Risk.READ,
    input=OnHosts,
    playbook="system/get_system_info.yml",
    report=SystemInfo,
)


toolset = Toolset(
    name="system",
    content=content_root(),
    tools=(triage, get_system_info, get_memory_info, get_sysctl, list_logins, compare_hosts),
)
