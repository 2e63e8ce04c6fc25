"""Which command lines only look: programs and arguments that the files in looking/, and
the operator's own of the same form, declare.

The grammar is strict: what it does not know is no look, and then an ordinary command. It knows
options whole, so no abbreviation of one counts, and `--` means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from playrail.errors import SettingsInvalid
from playrail.settings.private_files import trusted_text

BUILT_IN = Path(__file__).with_name("looking")
MOST_ARGUMENTS = 50
NO_SUBCOMMAND = "none"
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_PART = re.compile(r"[A-Z]{2,}")


class NoLook(Exception):
    """The command line is none that the grammar knows."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a word may be. `use`: `place`, a path that must not be of devices; `file`, a file
    whose bytes are the program's standard input; or nothing.
    """

    name: str
    pattern: re.Pattern[str]
    example: str
    use: str | None = None


@dataclass(frozen=True, kw_only=True)
class Form:
    """What may stand behind a program, or behind a subcommand."""

    flags: frozenset[str] = frozenset()
    values: Mapping[str, Kind] = field(default_factory=dict)
    attached: Mapping[str, Kind] = field(default_factory=dict)
    argument: Kind | None = None
    least: int = 0
    most: int = 0
    joined: re.Pattern[str] | None = None
    whole: tuple[re.Pattern[str], ...] = ()
    needs: frozenset[str] = frozenset()
    adds: tuple[str, ...] = ()
    single_dash: bool = False
    counts: bool = False
    shows_files: bool = False
    subcommands: Mapping[str, Form] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    asks: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class Look:
    """A command line that only looks. `argv` is what is run; `file` is opened as its input,
    `places` are checked first.
    """

    argv: list[str]
    file: str | None = None
    places: list[str] = field(default_factory=list)
    shows_files: bool = False


@dataclass(frozen=True)
class Looks:
    """Programs that look, by their names."""

    programs: Mapping[str, Form]

    def look(self, argv: Sequence[str]) -> Look | None:
        """The look that this command line is; None for an ordinary command."""
        form = self.programs.get(argv[0])
        if form is None:
            return None
        try:
            return _Reading(argv[0]).read(form, argv[1:])
        except NoLook:
            return None


class _Reading:
    """Reads one command line by the grammar."""

    def __init__(self, program: str) -> None:
        self._look = Look(argv=[program])
        self._arguments: list[str] = []
        self._options: set[str] = set()

    def read(self, form: Form, words: Sequence[str]) -> Look:
        self._look.argv += form.adds
        left = [*words]
        while left:
            word = left.pop(0)
            if form.whole:
                left = [word, *left]
                break
            if word.startswith("-"):
                self._option(form, word, left)
            elif form.subcommands and word != NO_SUBCOMMAND:
                return self._subcommand(form, word, left)
            else:
                self._argument(form, word)
        if form.subcommands:
            return self._subcommand(form, NO_SUBCOMMAND, [])
        return self._ended(form, left)

    def _subcommand(self, form: Form, word: str, left: Sequence[str]) -> Look:
        inner = form.subcommands.get(word)
        if inner is None:
            raise NoLook
        self._look.argv += [] if word == NO_SUBCOMMAND else [word]
        return self.read(inner, left)

    def _ended(self, form: Form, left: Sequence[str]) -> Look:
        if form.whole:
            if any(" " in word for word in left):
                raise NoLook
            if not any(pattern.fullmatch(" ".join(left)) for pattern in form.whole):
                raise NoLook
            self._look.argv += left
        if form.needs and form.needs.isdisjoint(self._options):
            raise NoLook
        if form.joined is not None:
            joined = " ".join(self._arguments)
            if len(joined) < form.least or (joined and not form.joined.fullmatch(joined)):
                raise NoLook
        elif not form.least <= len(self._arguments) <= form.most:
            raise NoLook
        self._look.shows_files = form.shows_files
        return self._look

    def _argument(self, form: Form, word: str) -> None:
        self._arguments.append(word)
        kind = form.argument
        if kind is not None:
            _check(kind, word)
            if kind.use == "file":
                self._look.file = word
                return
            if kind.use == "place":
                self._look.places.append(word)
        elif form.joined is None:
            raise NoLook
        self._look.argv.append(word)

    def _option(self, form: Form, word: str, left: list[str]) -> None:
        self._look.argv.append(word)
        if form.single_dash or word.startswith("--"):
            self._long(form, word, left)
        else:
            self._short(form, word, left)

    def _long(self, form: Form, word: str, left: list[str]) -> None:
        name, equals, value = word.partition("=")
        if word in form.flags:
            self._options.add(word)
        elif word in form.values:
            self._value(form.values[word], left)
        elif equals and not form.single_dash and name in {**form.values, **form.attached}:
            _check({**form.values, **form.attached}[name], value)
            self._options.add(name)
        else:
            raise NoLook

    def _short(self, form: Form, word: str, left: list[str]) -> None:
        """One letter, or several of which only the last may have a value."""
        if form.counts and word[1:].isdecimal():
            return
        for at in range(1, len(word)):
            name, rest = f"-{word[at]}", word[at + 1 :]
            self._options.add(name)
            if name in form.attached and rest:
                _check(form.attached[name], rest)
                return
            if name in form.values:
                if rest:
                    _check(form.values[name], rest)
                else:
                    self._value(form.values[name], left)
                return
            if name not in form.flags:
                raise NoLook
        if len(word) == 1:
            raise NoLook

    def _value(self, kind: Kind, left: list[str]) -> None:
        if not left:
            raise NoLook
        _check(kind, left[0])
        self._look.argv.append(left.pop(0))


def _check(kind: Kind, word: str) -> None:
    """Raises NoLook. What read_file takes for a path is one here as well."""
    if not kind.pattern.fullmatch(word):
        raise NoLook
    if kind.use is not None and (word.startswith("//") or ".." in word.split("/")):
        raise NoLook


@cache
def looks_of(path: Path | None) -> Looks:
    """The built-in programs and those of the operator's file, in which `without` names some
    that are not to be. Raises SettingsInvalid, also when others could have written the file.
    """
    built_in = _Grammar(_built_in(), {})
    if path is None:
        return Looks(built_in.programs)
    text = trusted_text(path)
    if text is None:
        raise SettingsInvalid(f"PLAYRAIL_LOOKS: {str(path)!r} does not exist")
    try:
        return _extended(built_in, yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsInvalid(f"PLAYRAIL_LOOKS: {path}: {' '.join(str(error).split())}") from None


def _extended(built_in: _Grammar, data: Any) -> Looks:
    """Raises ValueError where the operator's file is wrong."""
    if not isinstance(data, dict) or not data.keys() <= {"kinds", "programs", "without"}:
        raise ValueError("allowed are kinds, programs and without")
    own = _Grammar(data, built_in.kinds)
    without = _words(data.get("without") or [])
    if unknown := [name for name in without if name not in built_in.programs]:
        raise ValueError(f"without: there is no program {unknown[0][:40]}")
    kept = {name: form for name, form in built_in.programs.items() if name not in without}
    return Looks({**kept, **own.programs})


def _built_in() -> dict[str, Any]:
    found: dict[str, Any] = {"kinds": {}, "programs": {}}
    for file in sorted(BUILT_IN.glob("*.yml")):
        for name, told in yaml.safe_load(file.read_text(encoding="utf-8")).items():
            found[name] |= told
    return found


class _Grammar:
    """A file of this form, read. Raises ValueError that says where it is wrong."""

    def __init__(self, data: Mapping[str, Any], known: Mapping[str, Kind]) -> None:
        self.kinds = dict(known)
        for name, told in _mapping(data.get("kinds"), "kinds").items():
            self.kinds[str(name)] = _kind(str(name), _mapping(told, f"kinds: {name}"))
        self.programs: dict[str, Form] = {}
        for names, told in _mapping(data.get("programs"), "programs").items():
            form = self._form(_mapping(told, str(names)), str(names), Form(), {})
            for name in _words(names):
                if not _PROGRAM.fullmatch(name):
                    raise ValueError(f"{name[:40]} is no program's name, such as df")
                self.programs[name] = form

    def _form(
        self, told: Mapping[str, Any], place: str, outer: Form, parts: Mapping[str, str]
    ) -> Form:
        """A form, in which the options of the outer one may stand, too."""
        if unknown := told.keys() - KEYS:
            raise ValueError(f"{place}: unknown is {min(map(str, unknown))}")
        parts = {**parts, **dict(_parts(_mapping(told.get("parts"), place)))}
        form = replace(
            outer,
            flags=outer.flags | {*_words(told.get("flags", ""))},
            values={**outer.values, **self._options(told.get("values"), place)},
            attached={**outer.attached, **self._options(told.get("attached"), place)},
            needs=frozenset(_words(told.get("needs", ()))),
            adds=tuple(_words(told.get("adds", ()), split=False)),
            single_dash=outer.single_dash or bool(told.get("single_dash")),
            counts=bool(told.get("counts")),
            shows_files=bool(told.get("shows_files")),
            whole=tuple(_pattern(one, place, parts) for one in told.get("whole", ())),
            examples=tuple(_words(told.get("try", ()), split=False)),
            asks=outer.asks | {*_words(told.get("asks", ()))},
            **self._arguments(told.get("arguments"), place, parts),
        )
        if twice := form.flags & {*form.values}:
            raise ValueError(f"{place}: {min(twice)} is an option with and without a value")
        inner = replace(form, adds=(), needs=frozenset(), examples=(), subcommands={})
        subcommands: dict[str, Form] = {}
        for names, one in _mapping(told.get("subcommands"), place).items():
            where = f"{place} {names}"
            made = self._form(_mapping(one, where), where, inner, parts)
            subcommands |= dict.fromkeys(_words(names), made)
        return replace(form, subcommands=subcommands)

    def _options(self, told: Any, place: str) -> dict[str, Kind]:
        return {
            option: self._named(str(kind), place)
            for kind, options in _mapping(told, place).items()
            for option in _words(options)
        }

    def _named(self, kind: str, place: str) -> Kind:
        if kind not in self.kinds:
            raise ValueError(f"{place}: there is no kind {kind[:40]}")
        return self.kinds[kind]

    def _arguments(self, told: Any, place: str, parts: Mapping[str, str]) -> dict[str, Any]:
        nothing = {"argument": None, "least": 0, "most": 0, "joined": None}
        match told:
            case None:
                return nothing
            case str():
                return {**nothing, "argument": self._named(told, place), "most": MOST_ARGUMENTS}
            case {"joined": pattern}:
                joined = _pattern(pattern, place, parts)
                return {**nothing, "joined": joined, "least": told.get("least", 0)}
            case {"kind": kind}:
                least, most = told.get("least", 0), told.get("most", MOST_ARGUMENTS)
                return {
                    **nothing, "argument": self._named(kind, place), "least": least, "most": most
                }  # fmt: skip
        raise ValueError(f"{place}: arguments are a kind, or have kind or joined")


KEYS = frozenset(
    {
        *("flags", "values", "attached", "arguments", "whole", "parts", "needs", "adds", "try"),
        *("single_dash", "counts", "shows_files", "subcommands", "asks"),
    }
)


def _mapping(told: Any, place: str) -> Mapping[str, Any]:
    if told is None:
        return {}
    if not isinstance(told, Mapping):
        raise ValueError(f"{place}: has to be a mapping")
    return told


def _words(told: Any, *, split: bool = True) -> list[str]:
    if isinstance(told, str | int):
        return str(told).split() if split else [str(told)]
    return [part for word in told for part in _words(word, split=split)]


def _kind(name: str, told: Mapping[str, Any]) -> Kind:
    pattern = told.get("pattern")
    if pattern is None:
        pattern = "|".join(map(re.escape, _words(told.get("one_of", ()))))
    use = told.get("as")
    if not pattern or use not in (None, "place", "file"):
        raise ValueError(f"kinds: {name}: has to have pattern or one_of; `as` is place or file")
    return Kind(
        name=name,
        pattern=_pattern(pattern, f"kinds: {name}", {}),
        example=str(told.get("example", "")),
        use=use,
    )


def _parts(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, alternatives in told.items():
        yield str(name), "(?:" + "|".join(_words(alternatives, split=False)) + ")"


def _pattern(text: Any, place: str, parts: Mapping[str, str]) -> re.Pattern[str]:
    """The pattern with the parts in it that it names in capitals."""
    whole = _PART.sub(lambda name: parts.get(name[0], name[0]), str(text))
    try:
        return re.compile(whole, re.ASCII)
    except re.error as error:
        raise ValueError(f"{place}: {error.msg} in a pattern") from None


def examples(looks: Iterable[tuple[str, Form]]) -> Iterator[str]:
    """Command lines that the forms give as examples."""
    for _name, form in looks:
        yield from form.examples
        yield from examples(form.subcommands.items())
