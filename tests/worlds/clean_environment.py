"""A Python environment with a wheel of Playrail and what that requires, and nothing else of
this checkout.
"""

from __future__ import annotations

import ensurepip
import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from worlds.checkout import ROOT


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What the command prints. Raises AssertionError when it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def empty_environment(place: Path) -> Path:
    """The Python of a new environment that has pip and nothing else.

    The wheel of pip that came with this Python is unpacked: venv itself would compile all of
    it, which takes longer than all that it is used for.
    """
    run(sys.executable, "-m", "venv", "--without-pip", place / "venv", cwd=place)
    python = place / "venv" / "bin" / "python"
    kept_apart = sysconfig.get_config_var("WHEEL_PKG_DIR")  # as distributions do
    wheels = Path(kept_apart or Path(ensurepip.__file__).with_name("_bundled"))
    with zipfile.ZipFile(next(wheels.glob("pip-*.whl"))) as pip:
        pip.extractall(packages_of(python))
    return python


def packages_of(python: Path) -> Path:
    """Where an environment has its packages."""
    return next((python.parents[1] / "lib").glob("python*")) / "site-packages"


def wheel_of_checkout(python: Path, place: Path) -> Path:
    return wheel_of(ROOT, python, place / "dist")


def wheel_of(project: Path, python: Path, place: Path) -> Path:
    """The wheel of a project, in a directory that has no other."""
    options = ["--quiet", "--no-deps", "--wheel-dir", str(place)]
    env = {**os.environ, "PIP_NO_COMPILE": "1"}  # what builds it, which is used once
    run(python, "-m", "pip", "wheel", *options, project, cwd=place.parent, env=env)
    return next(place.glob("*.whl"))


def install(python: Path, wheel: Path) -> None:
    """Installs the wheel and, in the versions that the other tests run with, what it
    requires, as links.
    """
    install_alone(python, wheel)
    packages = packages_of(python)
    (installed,) = Distribution.discover(name="playrail", path=[str(packages)])
    for required in _required(installed).values():
        _link(required, packages)
    run(python, "-m", "pip", "check", cwd=python.parent)


def install_alone(python: Path, wheel: Path) -> None:
    """Installs the wheel, and nothing that it requires."""
    options = ["--quiet", "--no-deps", "--no-index", "--no-compile"]
    run(python, "-m", "pip", "install", *options, wheel, cwd=python.parent)


def _required(wanted: Distribution) -> dict[str, Distribution]:
    """What a distribution requires, what that requires, and so on."""
    found: dict[str, Distribution] = {}
    waiting = list(_requirements(wanted, ""))
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = ("", *requirement.extras)
        if name not in found or requirement.extras:
            found[name] = distribution(name)
            waiting += [
                one
                for extra in extras
                for one in _requirements(found[name], extra)
                if canonicalize_name(one.name) not in found
            ]
    return found


def _requirements(wanted: Distribution, extra: str) -> list[Requirement]:
    told = [Requirement(text) for text in wanted.requires or ()]
    return [one for one in told if one.marker is None or one.marker.evaluate({"extra": extra})]


def _link(required: Distribution, packages: Path) -> None:
    """Links each of its files and folders beside the environment's own, its programs too."""
    programs = packages.parents[2] / "bin"
    for file in required.files or ():
        first = file.parts[0]
        if first == "..":
            link, target = programs / file.name, Path(str(required.locate_file(file)))
            if file.parts[-2] == "bin" and not link.exists():
                text = target.resolve().read_bytes()
                link.write_bytes(text.replace(sys.executable.encode(), bytes(programs / "python")))
                link.chmod(0o755)
        elif first != "__pycache__" and not (packages / first).exists():
            (packages / first).symlink_to(str(required.locate_file(first)))
