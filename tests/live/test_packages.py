"""Packages on real hosts: what is told is what dpkg says, seen past Playrail. The packages
are made here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Wire, on_host
from .repository import MAKES_PACKAGES, only_own_packages

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]
BOTH = pytest.mark.parametrize("host", ["deb12", "deb13"])

# A repository of the host's own: probe-tool in two versions, probe-lib that needs it, two
# that exclude each other.
MAKE = f"""set -e
mkdir -p /srv/probes && cd /srv/probes
{MAKES_PACKAGES}
make probe-tool 1.0
make probe-tool 2.0-1
make probe-lib 1.0 'Depends: probe-tool'
make probe-one 1.0 'Conflicts: probe-other
Provides: probe-virtual'
make probe-other 1.0 'Conflicts: probe-one'
echo 'deb [trusted=yes] file:/srv/probes ./' > /etc/apt/sources.list.d/probes.list
"""
REMOVE = """apt-mark unhold probe-tool; dpkg --purge probe-lib probe-tool probe-one probe-other
rm -rf /var/lib/apt/lists/*"""


@pytest.fixture(scope="module", autouse=True)
def _repositories() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for host in ("deb12", "deb13"):
            stack.enter_context(only_own_packages(host))
            on_host(host, "sh", "-c", MAKE)
        yield


@pytest.fixture(autouse=True)
def _probes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Afterwards none is installed, and the lists do not know the repository."""
    yield
    host = "deb13" if "deb13" in request.node.name else "deb12"
    on_host(host, "sh", "-c", REMOVE, check=False)


def version(host: str, name: str) -> str | None:
    shown = on_host(
        host, "dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", name, check=False
    )
    return shown.removeprefix("installed ") if shown.startswith("installed ") else None


def install(wire: Wire, host: str, **given: Any) -> dict[str, tuple[Any, ...]]:
    """What was done to each package, those that came along too, after looking that dpkg
    says the same.
    """
    found = wire.report("install_package", server=host, **given)
    done = [*found["packages"], *found["others"]]
    assert {one["name"]: version(host, one["name"]) for one in done} == {
        one["name"]: one.get("version_after") for one in done
    }
    return {
        one["name"]: (one["outcome"], one.get("version_before"), one.get("version_after"))
        for one in done
    }


@BOTH
def test_a_packages_life(wire: Wire, host: str) -> None:
    """The lists do not know the repository at first."""
    assert install(wire, host, name="probe-tool", version="1.0") == {
        "probe-tool": ("installed", None, "1.0")
    }
    assert install(wire, host, name="probe-tool") == {"probe-tool": ("unchanged", "1.0", "1.0")}
    assert install(wire, host, name="probe-tool", state="latest") == {
        "probe-tool": ("upgraded", "1.0", "2.0-1")
    }
    assert install(wire, host, name="probe-tool", version="1.0") == {
        "probe-tool": ("downgraded", "2.0-1", "1.0")
    }
    assert install(wire, host, name=["probe-lib", "probe-tool"]) == {
        "probe-lib": ("installed", None, "1.0"),
        "probe-tool": ("unchanged", "1.0", "1.0"),
    }
    assert install(wire, host, name="probe-tool", state="absent") == {
        "probe-tool": ("removed", "1.0", None),
        "probe-lib": ("removed", "1.0", None),  # told, though nobody named it
    }
    again = wire.call("install_package", server=host, name="probe-tool", state="absent")
    assert (again["success"], again["data"].get("changed", [])) == (True, [])


def test_what_a_package_needs_comes_along(wire: Wire) -> None:
    done = install(wire, "deb12", name="probe-lib", update_cache=True)
    assert done == {
        "probe-lib": ("installed", None, "1.0"),
        "probe-tool": ("installed", None, "2.0-1"),
    }


def test_what_cannot_be_done(wire: Wire) -> None:
    def code(**given: Any) -> str:
        answer = wire.call("install_package", server="deb12", **given)
        assert answer["success"] is False
        assert answer["data"].get("changed", []) == []
        return str(answer["code"])

    assert code(name="no-such-package") == "package_not_found"
    assert code(name="probe-tool", version="9.9") == "version_not_found"
    assert code(name="dpkg", state="absent") == "essential_package"
    assert code(name="libssl3", state="absent") == "essential_package"
    install(wire, "deb12", name=["probe-one", "probe-tool"])
    assert code(name="probe-other") == "removal_needed"
    assert version("deb12", "probe-one") == "1.0"


@BOTH
def test_a_name_that_is_none_of_a_package(wire: Wire, host: str) -> None:
    def outcome(**given: Any) -> tuple[Any, ...]:
        (one,) = wire.report("install_package", server=host, name="probe-virtual", **given)[
            "packages"
        ]
        assert (one.get("version_before"), one.get("version_after")) == (None, None)
        return one["outcome"], one["provided_by"]

    assert outcome(update_cache=True) == ("installed", ["probe-one"])
    assert version(host, "probe-one") == "1.0"
    assert outcome() == ("unchanged", ["probe-one"])
    # Apt removes only what is named so
    assert outcome(state="absent") == ("unchanged", ["probe-one"])


def test_held(wire: Wire) -> None:
    """A package on hold is neither upgraded by name nor with all the others, and both say
    so.
    """
    install(wire, "deb12", name="probe-tool", version="1.0")
    on_host("deb12", "apt-mark", "hold", "probe-tool")
    assert (
        wire.call("install_package", server="deb12", name="probe-tool", state="latest")["code"]
        == "package_held"
    )
    found = wire.report("update_system", server="deb12")
    assert (found["held"], found["kept_back"]) == (["probe-tool"], ["probe-tool"])
    assert version("deb12", "probe-tool") == "1.0"


def test_a_restart_that_is_due(wire: Wire) -> None:
    on_host(
        "deb12",
        "sh",
        "-c",
        "touch /run/reboot-required; printf 'libc6\\nlibc6\\n' > /run/reboot-required.pkgs",
    )
    try:
        found = wire.report("update_system", server="deb12")
    finally:
        on_host("deb12", "sh", "-c", "rm /run/reboot-required /run/reboot-required.pkgs")
    assert (found["reboot_required"], found["packages_requiring_reboot"]) == (True, ["libc6"])
