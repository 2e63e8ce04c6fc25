"""The images of the lab's hosts, built from the public image or from Debian's packages.

Where a registry answers, `debian:12` and `debian:13` are the base; elsewhere mmdebstrap
makes the same base from the mirror this machine uses itself. Everything after the base is
`image.sh`, run in a container. An image carries a hash of its recipe and is built again
when that changes.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab_common import HERE, PREFIX, LabError, MissingError, is_root, run
from lab_engine import Docker, install

RELEASES = {"bookworm": "debian:12", "trixie": "debian:13"}
LABEL = "playrail-lab.recipe"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PULL_SECONDS = 45
_APT_OPTIONS = re.compile(r"^Acquire::((https?|ftp)::|Check-).*\S;$", re.IGNORECASE)


@dataclass(frozen=True)
class Image:
    """One image: what it is built from and which parts of image.sh it adds."""

    tag: str
    release: str
    parts: tuple[str, ...]
    parent: str | None = None

    @property
    def name(self) -> str:
        """Return the name Docker knows it by."""
        return f"{PREFIX}:{self.tag}"


IMAGES = (
    Image("nopython", "bookworm", ("bare",)),
    Image("bookworm", "bookworm", ("python", "engine"), parent="nopython"),
    Image("trixie", "trixie", ("bare", "python")),
    # For hosts that tests make of their own.
    Image("shells", "bookworm", ("shells",), parent="bookworm"),
    Image("rust", "trixie", ("rust",), parent="trixie"),
    Image("busybox", "bookworm", ("python", "busybox"), parent="nopython"),
)


@dataclass(frozen=True)
class Recipe:
    """What goes into the images besides Debian itself, all read from this machine."""

    mirror: str
    security: str
    apt_options: str
    authorities: tuple[Path, ...]

    def sources(self, release: str) -> str:
        """Return apt's sources for a release, empty where this machine names no mirror."""
        if not self.mirror:
            return ""
        stanza = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: {}\n"
        text = stanza.format(self.mirror, f"{release} {release}-updates", _KEYRING)
        if self.security:
            text += "\n" + stanza.format(self.security, f"{release}-security", _KEYRING)
        return text

    @property
    def digest(self) -> str:
        """Return a hash that changes whenever images built now would differ."""
        parts = [path.read_bytes() for path in (HERE / "image.sh", HERE / "hello.sh")]
        parts += [path.read_bytes() for path in self.authorities]
        parts += [self.sources("release").encode(), self.apt_options.encode()]
        parts += [repr(IMAGES).encode()]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def read_recipe() -> Recipe:
    """Read the mirror, apt's network settings and the extra authorities of this machine.

    The hosts get the same ones: what this machine needs to reach Debian, they need too.
    """
    mirror = security = ""
    folder = Path("/etc/apt/sources.list.d")
    files = [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.list"))]
    for uri, suites in _sources(files, sorted(folder.glob("*.sources"))):
        if any(suite.startswith(f"{name}-security") for suite in suites for name in RELEASES):
            security = security or uri
        elif any(suite in RELEASES for suite in suites):
            mirror = mirror or uri
    options = 'Acquire::Languages "none";\n'
    if shutil.which("apt-config"):
        dumped = run(["apt-config", "dump", "Acquire"], check=False).stdout.splitlines()
        options += "".join(line + "\n" for line in dumped if _APT_OPTIONS.match(line))
    authorities = sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    return Recipe(mirror, security, options, tuple(authorities))


def _sources(lists: list[Path], stanzas: list[Path]) -> list[tuple[str, list[str]]]:
    """Return address and suites of each binary source, from both of apt's formats."""
    found: list[tuple[str, list[str]]] = []
    for path in lists:
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            match = re.match(r"^\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", line)
            if match:
                found.append((match[1], [match[2]]))
    for path in stanzas:
        text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
            uris, suites = fields.get("URIs", "").split(), fields.get("Suites", "").split()
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled") != "no":
                found.extend((uri, suites) for uri in uris)
    return found


def build_missing(docker: Docker, recipe: Recipe) -> list[str]:
    """Build every image that is absent or of another recipe; return the tags built."""
    stale = [image for image in IMAGES if not is_current(docker, image, recipe)]
    if not stale:
        return []
    tags = {image.tag for image in stale}
    stale += [image for image in IMAGES if image.parent in tags and image not in stale]
    releases = sorted({image.release for image in stale})
    with tempfile.TemporaryDirectory(prefix="playrail-lab-") as scratch:
        pulled = _pull(docker, releases)
        if not pulled:
            _check_bootstrap(recipe)

        def build_release(release: str) -> None:
            base = RELEASES[release]
            ours = [image for image in IMAGES if image in stale and image.release == release]
            if not pulled and any(image.parent is None for image in ours):
                base = _bootstrap(docker, recipe, release, Path(scratch))
            for image in ours:
                _build(docker, recipe, image, base, Path(scratch))

        # The releases share nothing, and each leaves a core idle while it unpacks.
        with ThreadPoolExecutor(len(releases)) as pool:
            list(pool.map(build_release, releases))
    return [image.tag for image in IMAGES if image in stale]


def is_current(docker: Docker, image: Image, recipe: Recipe) -> bool:
    """Tell whether an image is here and was built by the recipe of now."""
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    return docker.asks("image", "inspect", "--format", label, image.name) == recipe.digest


def _pull(docker: Docker, releases: list[str]) -> bool:
    """Try to get the public images; False where no registry is within reach."""
    return all(
        docker.tries("image", "inspect", RELEASES[release])
        or docker.tries("pull", "--quiet", RELEASES[release], timeout=_PULL_SECONDS)
        for release in releases
    )


def _check_bootstrap(recipe: Recipe) -> None:
    """Make sure a base can be made from packages, or end with what that would take."""
    if not is_root() or not recipe.mirror:
        raise MissingError(
            "the images cannot be built: no registry gives debian:12, and making the base "
            "from packages needs root on a Debian system of apt sources for "
            + " or ".join(RELEASES)
        )
    if shutil.which("mmdebstrap") is None:
        install("mmdebstrap")


def _bootstrap(docker: Docker, recipe: Recipe, release: str, scratch: Path) -> str:
    """Make a minimal Debian from the mirror's packages and import it as a base image."""
    options = scratch / f"{release}.apt.conf"
    options.write_text(recipe.apt_options, encoding="utf-8")
    sources = scratch / f"{release}.sources"
    sources.write_text(recipe.sources(release), encoding="utf-8")
    archive = scratch / f"{release}.tar"
    words = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase"]
    run([*words, f"--aptopt={options}", release, archive, sources], timeout=900)
    name = f"{PREFIX}:base-{release}"
    docker("import", archive, name, timeout=300)
    archive.unlink()
    return name


def _build(docker: Docker, recipe: Recipe, image: Image, base: str, scratch: Path) -> None:
    """Run image.sh in a container of the base or the parent and keep what it leaves."""
    feed = scratch / image.tag
    _write_feed(recipe, image.release, feed)
    parent = f"{PREFIX}:{image.parent}" if image.parent else base
    name = f"{PREFIX}-build-{image.tag}"
    docker.tries("rm", "--force", name)
    docker("create", "--name", name, parent, "sh", "/playrail-lab/image.sh", *image.parts)
    try:
        docker("cp", feed, f"{name}:/playrail-lab")
        done = run([docker.client, "start", "--attach", name], timeout=900, check=False)
        if done.returncode != 0:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise LabError(f"image.sh failed for {image.name}:\n{said}")
        label = f"LABEL {LABEL}={recipe.digest}"
        command = 'CMD ["/lib/systemd/systemd"]'
        docker("commit", "--change", label, "--change", command, name, image.name, timeout=300)
    finally:
        docker.tries("rm", "--force", name)


def _write_feed(recipe: Recipe, release: str, feed: Path) -> None:
    """Lay out the files image.sh reads from /playrail-lab."""
    feed.mkdir()
    for name in ("image.sh", "hello.sh"):
        shutil.copy(HERE / name, feed / name)
    (feed / "debian.sources").write_text(recipe.sources(release), encoding="utf-8")
    (feed / "apt.conf").write_text(recipe.apt_options, encoding="utf-8")
    if recipe.authorities:
        (feed / "ca").mkdir()
        for path in recipe.authorities:
            shutil.copy(path, feed / "ca" / path.name)


def remove_all(docker: Docker) -> None:
    """Remove every image the lab made; public base images stay."""
    names = docker.asks("image", "ls", "--quiet", PREFIX).split()
    if names:
        docker.tries("image", "rm", "--force", *dict.fromkeys(names))
