"""Packages whose scripts fail, hosts whose dpkg did not finish, and repositories that are
not there.
"""

from __future__ import annotations

from typing import Any

import pytest

from playrail.calls.answers import Answer

from .own_host import NAME, Operator, OwnHost, reported
from .repository import MAKES_PACKAGES

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]
REFUSED = "http://127.0.0.1:9/debian"  # nothing listens there
MAKE = f"""set -e
mkdir -p /srv/faults && cd /srv/faults
{MAKES_PACKAGES}
bad() {{ # NAME SCRIPT TEXT
  rm -rf build && mkdir -p build/DEBIAN
  printf 'Package: %s\\nVersion: 1.0\\nArchitecture: all\\n' $1 > build/DEBIAN/control
  printf 'Maintainer: t <t@t>\\nDescription: t\\n' >> build/DEBIAN/control
  printf '#!/bin/sh\\n%s\\n' "$3" > build/DEBIAN/$2; chmod 755 build/DEBIAN/$2
  dpkg-deb -b build $1-1.0.deb > /dev/null
  {{ dpkg-deb -f $1-1.0.deb; echo "Filename: ./$1-1.0.deb"; echo "Size: $(stat -c %s $1-1.0.deb)"
    echo "SHA256: $(sha256sum $1-1.0.deb | cut -d' ' -f1)"; echo; }} >> Packages
}}
make good 1.0
bad posts postinst 'echo "Nie można znaleźć /srv/licence"; exit 7'
bad pres preinst 'echo "not on this host"; exit 4'
bad removes prerm 'echo "still in use"; exit 5'
make needs-posts 1.0 'Depends: posts'
rm -f /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; : > /etc/apt/sources.list
echo 'deb [trusted=yes] file:/srv/faults ./' > /etc/apt/sources.list.d/faults.list
apt-get -q update
"""


@pytest.fixture(scope="module", autouse=True)
def _repository(host: OwnHost) -> None:
    host.sh(MAKE)


def install(living: Operator, name: str, **more: Any) -> Answer:
    return living.start("install_package", name=name, **more).result(timeout=300)


def error(answer: Answer) -> str:
    assert answer.problem is not None
    return answer.problem.error


def test_a_package_whose_script_fails_is_not_installed(living: Operator, host: OwnHost) -> None:
    failed = install(living, "needs-posts")
    assert failed.code == "package_failed"
    assert (
        "dpkg could not process posts: installed posts package post-installation script"
        in error(failed)
    )
    assert "exit status 7" in error(failed)
    assert "Nie można znaleźć /srv/licence" in error(failed)
    found = reported(failed)
    assert found["packages"][0]["outcome"] == "unpacked"
    assert found["unfinished"] == ["needs-posts", "posts"]
    assert failed.data is not None
    assert failed.data["changed"] == [NAME]

    again = install(living, "posts")
    assert again.code == "package_failed"
    assert reported(again)["packages"][0]["outcome"] == "half_configured"
    other = install(living, "good")
    assert reported(other)["packages"][0]["outcome"] == "installed"
    host.sh("dpkg --purge needs-posts posts")


def test_a_script_that_stops_an_installation(living: Operator, host: OwnHost) -> None:
    failed = install(living, "pres")
    assert failed.code == "package_failed"
    assert "exit status 4" in error(failed)
    assert "not on this host" in error(failed)
    host.sh("dpkg --purge pres || true")


def test_a_script_that_stops_a_removal(living: Operator, host: OwnHost) -> None:
    assert install(living, "removes").code == "ok"
    failed = install(living, "removes", state="absent")
    assert failed.code == "package_failed"
    assert "exit status 5" in error(failed)
    assert "still in use" in error(failed)
    host.sh("rm /var/lib/dpkg/info/removes.prerm; dpkg --purge removes")


def test_a_dead_repository_keeps_nobody_from_what_is_at_hand(
    living: Operator, host: OwnHost
) -> None:
    host.sh("dpkg --purge good")
    host.sh(f"echo 'deb {REFUSED} stable main' > /etc/apt/sources.list.d/dead.list")
    done = install(living, "good", update_cache=True)
    assert done.code == "ok", done
    found = reported(done)
    assert found["packages"][0]["outcome"] == "installed"
    assert [one for one in found["unreachable_repositories"] if one.startswith(REFUSED)]
    failed = install(living, "no-such-package")
    assert failed.code == "package_not_found"
    assert REFUSED in error(failed)
    assert failed.problem is not None
    assert failed.problem.retryable is True
    upgraded = living.start("update_system").result(timeout=300)
    assert upgraded.code == "ok", upgraded
    assert [
        one for one in reported(upgraded)["unreachable_repositories"] if one.startswith(REFUSED)
    ]
    host.sh("mv /etc/apt/sources.list.d/faults.list /srv/faults.list")
    assert living.start("update_system").result(timeout=300).code == "repository_unreachable"
    assert install(living, "good", state="latest").code == "repository_unreachable"
    assert install(living, "good", update_cache=True).code == "ok"  # it is there
    host.sh("rm /etc/apt/sources.list.d/dead.list; mv /srv/faults.list /etc/apt/sources.list.d")


def test_a_dpkg_that_was_interrupted(living: Operator, host: OwnHost) -> None:
    host.sh("dpkg --purge good || true; touch /var/lib/dpkg/updates/0001")
    failed = install(living, "good")
    assert failed.code == "packages_unfinished"
    assert "dpkg was interrupted" in error(failed)
    upgraded = living.start("update_system").result(timeout=300)
    assert upgraded.code in ("packages_unfinished", "ok")
    host.sh("rm -f /var/lib/dpkg/updates/0001")
