"""The page that tells a person how to run an export, what to provide, and what it does not
do.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from playrail.export.inventory import ExportedInventory
from playrail.export.site import NOT_IDEMPOTENT, one_line
from playrail.history.replay import Replay, Selection
from playrail.history.steps import Source
from playrail.settings.settings import Settings

INTRODUCTION = """\
# What Playrail did, to be done again

`site.yml` does on other servers, or on the same ones again, what calls of Playrail did. It needs
`ansible-playbook` (ansible-core 2.19 or newer) and not Playrail: the modules that Playrail brings
along lie in `collections/`. Of what was set several times, only the latest remains. Each play has
a comment that says when it was done, by whom, and in which run.
"""
LIMITS = """\
## What it cannot know

- What a command did is done by running it again. Where a command changed what a play sets, such as
  a file that `write_file` wrote, that play and the command change it in turn.
- Directories that commands or people made: on a server without them, a play that writes a file
  there fails.
- Which package a service's unit came from, where its name is another. Where a service was stopped
  and that package removed, the play that stops it fails on a server that does not have it.
- A package that was installed without a version comes in the version that the server finds now.
- What was there before, what others did, and calls whose records were pruned are not in it.
"""


def readme(
    found: Replay,
    inventory: ExportedInventory,
    provide: Mapping[str, str],
    *,
    about: str,
    settings: Settings,
) -> str:
    """The text of README.md; `about` says of what records it was made."""
    parts = (
        [INTRODUCTION + f"\nMade of {about}.\n"],
        _how_to_run(inventory, provide, settings),
        _section("What to provide", _to_provide(inventory, provide, settings)),
        _section(
            f"What is not idempotent (tag `{NOT_IDEMPOTENT}`)",
            (
                (
                    f"{_code(step.title)} on {', '.join(map(_code, step.hosts))}, "
                    f"{_source(step.source)}: {step.mark}."
                )
                for step in found.steps
                if step.mark
            ),
        ),
        _section(
            "What could not be exported",
            (
                (
                    f"{_code(one.source.tool)} on {', '.join(map(_code, one.hosts))}, "
                    f"{_source(one.source)}: {one.why}."
                )
                for one in found.left_out
            ),
        ),
        [LIMITS],
    )
    return "\n".join(text for part in parts for text in part)


def selected(selection: Selection) -> str:
    """Which calls were selected, in words."""
    told = {
        "since": selection.since and selection.since.isoformat(),
        "until": selection.until and selection.until.isoformat(),
        "on": ", ".join(map(_code, selection.hosts)),
        "by": selection.caller and _code(selection.caller),
        "in the runs": ", ".join(map(_code, selection.runs)),
    }
    words = [f"{word} {what}" for word, what in told.items() if what]
    return f"the calls {', '.join(words)}" if words else "all calls"


def _how_to_run(
    inventory: ExportedInventory, provide: Mapping[str, str], settings: Settings
) -> Iterator[str]:
    sources = ["inventory.yml", *(map(str, settings.inventory) if inventory.elsewhere else ())]
    config = (
        f"ANSIBLE_CONFIG={shlex.quote(str(settings.ansible_config))} "
        if settings.ansible_config
        else ""
    )
    command = (
        f"{config}ansible-playbook {' '.join(f'-i {shlex.quote(source)}' for source in sources)}"
    )
    yield "## How to run it\n"
    yield "In this directory:\n"
    yield "```sh"
    yield from (f"read -rs {name} && export {name}  # {what}" for name, what in provide.items())
    yield "ansible-galaxy collection install -r requirements.yml  # unless it lists none"
    yield (
        f"{command} --check --diff site.yml  # what would change, up to the first play that "
        "needs one before it"
    )
    yield f"{command} site.yml"
    yield f"{command} --skip-tags {NOT_IDEMPOTENT} site.yml  # once more: nothing changes"
    yield "```\n"
    yield "Another inventory does as well; the servers need the same names there.\n"


def _to_provide(
    inventory: ExportedInventory, provide: Mapping[str, str], settings: Settings
) -> Iterator[str]:
    yield from (
        f"The environment variable {_code(name)}: {what}." for name, what in provide.items()
    )
    yield from (
        f"The file {_code(file)}, to which `inventory.yml` refers." for file in inventory.files
    )
    if inventory.elsewhere:
        where = (
            ", ".join(_code(str(path)) for path in settings.inventory) or "an inventory of yours"
        )
        yield f"How to reach {', '.join(map(_code, inventory.elsewhere))}: that is in {where}."
    yield from (
        f"An address for {_code(name)} in `inventory.yml`: Playrail reaches it over {way}, "
        "with a connection plugin of its own; plain Ansible needs SSH."
        for name, way in inventory.needs_playrail.items()
    )


def _section(title: str, lines: Iterable[str]) -> Sequence[str]:
    listed = [f"- {line}" for line in lines]
    return [f"## {title}\n", *(listed or ["Nothing."]), ""]


def _source(source: Source) -> str:
    which = f"run {_code(source.run)}" if source.run else f"call {_code(source.call)}"
    return f"{which} of {one_line(source.at)} by {_code(source.caller)}"


def _code(text: str) -> str:
    clean = one_line(text).replace("`", "'")
    return f"`{clean}`"
