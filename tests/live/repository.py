"""Packages that a test makes on a host itself, in a repository that apt reads there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .conftest import on_host

# For the directory that is to be the repository: `make NAME VERSION [MORE]`, with MORE as
# lines of the control file.
MAKES_PACKAGES = """make() {
  rm -rf build && mkdir -p build/DEBIAN
  printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\n' $1 $2 > build/DEBIAN/control
  printf 'Maintainer: t <t@t>\\nDescription: t\\n' >> build/DEBIAN/control
  [ -z "$3" ] || echo "$3" >> build/DEBIAN/control
  dpkg-deb -b build $1-$2.deb > /dev/null
  { dpkg-deb -f $1-$2.deb; echo "Filename: ./$1-$2.deb"; echo "Size: $(stat -c %s $1-$2.deb)"
    echo "SHA256: $(sha256sum $1-$2.deb | cut -d' ' -f1)"; echo; } >> Packages
}
rm -f Packages"""

PLACES = "/etc/apt/sources.list.d /var/lib/apt/lists"  # of what apt knows of Debian's packages
HIDE = f"for place in {PLACES}; do mount -t tmpfs own $place; done"
SHOW = f"for place in {PLACES}; do umount --lazy $place; done"


@contextlib.contextmanager
def only_own_packages(host: str) -> Iterator[None]:
    """Meanwhile apt on the host knows no packages but those that are installed and those of
    repositories that a test adds: so it does in a moment what takes seconds with all of
    Debian's.
    """
    on_host(host, "sh", "-c", HIDE)
    try:
        yield
    finally:
        on_host(host, "sh", "-c", SHOW)
