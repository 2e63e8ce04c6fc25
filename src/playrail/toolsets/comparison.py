"""What differs between two hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from playrail.canonical import canonical
from playrail.tools.arguments import More
from playrail.tools.brief import Brief
from playrail.tools.fields import AbsolutePath
from playrail.tools.reading import ENVELOPE_BYTES, ShortReading
from playrail.tools.together import Together
from playrail.tools.tool import PlaybookTool, Report, Risk, ServerName, ToolInput

SHOWN = ("system", "files", "packages", "units", "sysctl")
IDLE = frozenset(f"{enabled} inactive" for enabled in ("static", "disabled", "none", "indirect"))
AREA_BYTES = 200  # of what is told of an area beside its differences

Area = Literal["packages", "units", "sysctl", "files"]


class TwoHosts(ShortReading):
    server: Annotated[list[ServerName], Field(min_length=2, max_length=2)] = Field(
        description="The two servers, with a comma.", examples=[["web1", "web2"]]
    )
    areas: Annotated[list[Area], Field(min_length=1)] | None = Field(
        default=None, description="Omitted: all.", examples=[["packages", "files"]]
    )
    paths: list[AbsolutePath] = Field(
        default=[],
        max_length=50,
        description="Files or directories, by content, mode, owner.",
        examples=[["/etc/nginx"]],
    )
    limit: Annotated[int, More] = Field(
        default=10, ge=1, le=5000, description="Most differences of an area.", examples=[10]
    )

    @model_validator(mode="after")
    def _files_are_named(self) -> TwoHosts:
        if self.areas is not None and ("files" in self.areas) is not bool(self.paths):
            raise ValueError("the area files goes with paths, and paths with it")
        return self


class HostState(Report):
    """What one host is like: by area a text of each thing."""

    areas: dict[str, dict[str, str]]
    not_known: dict[str, str] = Field(default={})
    unread: dict[str, list[str]] = Field(
        default={}, description="By area of what not all is known."
    )
    partly: list[str] = Field(default=[], description="Areas of which only the first are told.")

    def knows(self, area: str, name: str) -> bool:
        """Whether all of this thing is known, also that there is none. Nothing is below a
        directory that could not be read.
        """
        if area in self.partly and name not in self.areas[area]:
            return False
        unread = frozenset(self.unread.get(area, ()))
        folders = (name[:at] for at, letter in enumerate(name) if letter == "/") if unread else ()
        return name not in unread and unread.isdisjoint(folders)


class AreaDifferences(Brief):
    same: int = Field(description="How many are the same on both.")
    different: int = 0
    only_on: dict[str, int] = Field(default={}, description="By host how many it alone has.")
    first: dict[str, dict[str, str]] = Field(
        default={},
        description=(
            "The first that differ: by name what each host has. A host that has no such thing is "
            "left out."
        ),
    )


class HostDifferences(Together):
    areas: dict[str, AreaDifferences]
    not_known: dict[str, dict[str, str]] | None = Field(
        default=None,
        description="By host what could not be looked at, and why: left out of all counts.",
    )
    truncated: bool = Field(description="Whether differences were left out.")

    @classmethod
    def of(cls, reports: Mapping[str, HostState], given: ToolInput) -> Self:
        assert isinstance(given, TwoHosts)
        room = given.max_bytes - ENVELOPE_BYTES
        told: dict[str, AreaDifferences] = {}
        left_out = False
        for area in SHOWN:
            things = {host: report.areas.get(area) for host, report in reports.items()}
            known = {host: found for host, found in things.items() if found is not None}
            if len(known) < len(things):
                continue
            known = _comparable(area, reports, known)
            differences = _differences(known)
            first: dict[str, dict[str, str]] = {}
            room -= AREA_BYTES
            for name, values in differences.items():
                room -= len(canonical({name: values}).encode())
                if len(first) == given.limit or room < 0:
                    left_out = True
                    break
                first[name] = values
            told[area] = _area(known, differences, first)
        not_known = {host: dict(report.not_known) for host, report in reports.items()}
        return cls(
            areas=told,
            not_known={host: why for host, why in not_known.items() if why} or None,
            truncated=left_out,
        )


def _comparable(
    area: str, reports: Mapping[str, HostState], things: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """What is told of things that every host knows all of; and of those that are protected on
    each, where mode or owner differ.
    """
    left_out = set()
    for name in {name for of_host in things.values() for name in of_host}:
        values = [of_host.get(name, "") for of_host in things.values()]
        both_protected = all(value.startswith("protected ") for value in values)
        if both_protected and len(set(values)) > 1:
            continue
        if not all(report.knows(area, name) for report in reports.values()):
            left_out.add(name)
    return {
        host: {name: value for name, value in of_host.items() if name not in left_out}
        for host, of_host in things.items()
    }


def _differences(things: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """By name what each host has of what is not the same; first what both have, last the units
    that nothing starts.
    """
    found: dict[str, dict[str, str]] = {}
    for name in {name for of_host in things.values() for name in of_host}:
        values = {host: of_host[name] for host, of_host in things.items() if name in of_host}
        if len(values) < len(things) or len(set(values.values())) > 1:
            found[name] = values
    idle = {name for name, values in found.items() if IDLE.issuperset(values.values())}
    order = sorted(found, key=lambda name: (name in idle, -len(found[name]), name))
    return {name: found[name] for name in order}


def _area(
    things: Mapping[str, Mapping[str, str]],
    differences: Mapping[str, Mapping[str, str]],
    first: dict[str, dict[str, str]],
) -> AreaDifferences:
    alone = [next(iter(values)) for values in differences.values() if len(values) == 1]
    every = {name for of_host in things.values() for name in of_host}
    return AreaDifferences(
        same=len(every) - len(differences),
        different=len(differences) - len(alone),
        only_on={host: alone.count(host) for host in things if host in alone},
        first=first,
    )


compare_hosts = PlaybookTool(
    name="compare_hosts",
    summary=(
        "What differs between two servers (drift): packages, files by path, units, sysctl, system."
    ),
    risk=Risk.READ,
    input=TwoHosts,
    playbook="system/compare_hosts.yml",
    report=HostState,
    together=HostDifferences,
)
