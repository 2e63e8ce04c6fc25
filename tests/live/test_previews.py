"""Previews on a real host: nothing is changed, what is foretold is what a real run then
does, and it can be taken back.

The host is looked at past Playrail.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from playrail.settings.private_files import private_directory
from worlds.stage import Stage, stage

from .conftest import entry, on_host
from .repository import MAKES_PACKAGES, only_own_packages

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]
HOST = "deb12"

# A unit, and a repository with seen-tool in two versions and seen-lib that needs it.
MAKE = f"""set -e
mkdir -p /srv/seen/repository && cd /srv/seen/repository
{MAKES_PACKAGES}
make seen-tool 1.0
make seen-tool 2.0-1
make seen-lib 1.0 'Depends: seen-tool'
echo 'deb [trusted=yes] file:/srv/seen/repository ./' > /etc/apt/sources.list.d/seen.list
only="-o Dir::Etc::sourcelist=sources.list.d/seen.list -o Dir::Etc::sourceparts=-"
apt-get -q update $only -o APT::Get::List-Cleanup=0
cat > /etc/systemd/system/seen.service <<EOF
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
Alias=seen-alias.service
EOF
printf '[Service]\\nType=oneshot\\nExecStart=/bin/true\\n' > /etc/systemd/system/seen-once.service
systemctl daemon-reload
printf 'one\\ntwo' > /srv/seen/text; chmod 640 /srv/seen/text; chown games:mail /srv/seen/text
"""
REMOVE = """systemctl disable --now seen; rm -f /etc/systemd/system/seen*.service
systemctl daemon-reload
dpkg --purge seen-lib seen-tool
rm -rf /srv/seen /etc/apt/sources.list.d/seen.list /var/lib/apt/lists/_srv_seen*"""
# All files with mode, owner, size and time; the packages with their versions; the units
# with their states.
LOOK = """find /etc /srv /usr/local /var/lib/apt /var/lib/dpkg \\
    /etc/apt/sources.list.d /var/lib/apt/lists -xdev \\
    -printf '%p %m %U:%G %s %T@ %l\\n' | sort
dpkg-query --show --showformat='${Package} ${db:Status-Abbrev} ${Version}\\n'
systemctl list-unit-files --no-legend seen.service; systemctl is-active seen.service
cat /srv/seen/text"""

# What is done before, the tool, its arguments
CASES: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "a new file": (
        "",
        "write_file",
        {"path": "/srv/seen/new", "content": "żółć\r\n", "owner": "33"},
    ),
    "another text": ("", "write_file", {"path": "/srv/seen/text", "content": "three\n"}),
    "no file": ("", "remove_file", {"path": "/srv/seen/text"}),
    "start": ("systemctl stop seen", "manage_service", {"name": "seen", "action": "start"}),
    "stop": ("systemctl start seen", "manage_service", {"name": "seen.service", "action": "stop"}),
    "enable": ("", "manage_service", {"name": "seen", "action": "enable"}),
    "disable by an alias": (
        "systemctl enable seen",
        "manage_service",
        {"name": "seen-alias", "action": "disable"},
    ),
    "install": ("", "install_package", {"name": "seen-lib"}),
    "downgrade": (
        "apt-get -qy install seen-tool",
        "install_package",
        {"name": "seen-tool", "version": "1.0"},
    ),
    "upgrade of all": ("apt-get -qy install --allow-downgrades seen-tool=1.0", "update_system", {}),
}
UNTOLD = {
    "sudo": "No package lists are fetched for a preview; those of today may have other versions.",
    "seen-nowhere": "What would be done is known only in a real run",
}


@pytest.fixture(scope="module")
def staged(
    hosts: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Stage]]:
    """Makes a stage, warm or cold."""
    servers = json.dumps({HOST: entry(hosts, HOST)})
    with contextlib.ExitStack() as stack:

        @functools.cache
        def make(way: str) -> Stage:
            place = private_directory(tmp_path_factory.mktemp(way) / "place")
            return stack.enter_context(stage(place, HOST, warm=way == "warm", MCP_SERVERS=servers))

        yield make


@pytest.fixture
def lab_stage(staged: Callable[[str], Stage], request: pytest.FixtureRequest) -> Stage:
    return staged(getattr(request, "param", "warm"))


@pytest.fixture(scope="module")
def _seen() -> Iterator[None]:
    with only_own_packages(HOST):
        on_host(HOST, "sh", "-c", MAKE)
        yield
        on_host(HOST, "sh", "-c", REMOVE, check=False)


@pytest.mark.usefixtures("_seen")
@pytest.mark.parametrize(
    ("case", "lab_stage"),
    [*((case, "warm") for case in CASES), ("start", "cold")],
    indirect=["lab_stage"],
)
def test_a_preview_changes_nothing_and_is_right(lab_stage: Stage, case: str) -> None:
    prepare, tool, arguments = CASES[case]
    on_host(HOST, "sh", "-c", prepare)
    before = look()

    foretold = lab_stage.preview(tool, **arguments)

    assert look() == before
    assert foretold.changed
    assert foretold.unpreviewed == ()
    done = lab_stage.do(tool, **arguments)
    assert look() != before
    assert done.effects == foretold.effects != ()

    lab_stage.undo(tool, done.effects)

    assert without_times(look()) == without_times(before)


@pytest.mark.usefixtures("_seen")
@pytest.mark.parametrize("action", ["start", "disable"])
def test_what_ends_by_itself_is_not_foretold_to_run(lab_stage: Stage, action: str) -> None:
    told = [
        play("manage_service", name="seen-once", action=action)
        for play in (lab_stage.preview, lab_stage.do)
    ]

    assert [(one.changed, one.effects) for one in told] == [(action == "start", ())] * 2
    assert len(told[0].report.unforeseen()) == (action == "start")


def test_a_preview_leaves_the_package_lists_alone_and_says_so(lab_stage: Stage) -> None:
    before = look()

    for given in ({"name": "sudo", "state": "latest"}, {"name": "seen-nowhere"}):
        told = lab_stage.preview("install_package", **given).report.unforeseen()
        assert [sentence.split(",")[0] for sentence in told] == [UNTOLD[given["name"]]]

    assert look() == before


def look() -> str:
    return on_host(HOST, "sh", "-c", LOOK, check=False)


def without_times(looked: str) -> list[str]:
    """What is told of ours, without what a change leaves that was taken back: times, and a
    directory's size.
    """
    lines = [
        line.rsplit(" ", 2)[0] if line.startswith("/") else line for line in looked.splitlines()
    ]
    return [
        line
        for line in lines
        if "seen" in line and not line.startswith(("/var/", "/etc/systemd/system "))
    ]
