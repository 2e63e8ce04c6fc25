"""Takes secrets out of texts: those of the settings, and those that a play is given.

A long secret is hidden wherever it stands. A short one may be an ordinary word (`root`): it
is hidden where it stands alone, as a value or as a word. What names an owner, a group, a
mode, a hash or a kind is never hidden: it is no place for a secret, and a record without it
would be wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from playrail.canonical import canonical
from playrail.settings.settings import Settings

HIDDEN = "(secret hidden by Playrail)"  # in the place of a secret, everywhere
SHORTEST_HIDDEN = 4  # characters; a shorter secret would make every text unreadable
SHORTEST_ANYWHERE = 8  # characters; a shorter one is hidden only where it stands alone
NEVER_HIDDEN = frozenset({"owner", "group", "mode", "sha256", "kind"})  # keys of JSON data
# What the values of these look like; anything else is a text that may hold a secret
PLAIN = re.compile(r"[\w.@$-]{1,64}")
# Around what stands alone: no part of a word, of a name with hyphens or dots, of a path
NOT_BEHIND, NOT_BEFORE = r"(?<![\w.-])(?<!(?<!/)/)", r"(?![\w/-]|\.\w)"
VARIABLE = "playrail_"  # before the name of an argument that is a variable of a playbook
# The name of a variable that holds one
OF_A_SECRET = re.compile("PASS|SECRET|TOKEN|_KEY$", re.IGNORECASE)
# Passwords that stand in ordinary texts as well
COMMON_WORDS = (
    "admin administrator ansible changeme default deploy guest hello letmein local login master "
    "monkey mysql nginx pass passw0rd password postgres private public qwerty root secret server "
    "service sudo system test toor ubuntu user welcome 123456 12345678 123456789"
)

T = TypeVar("T")


class SecretTexts:
    """Secrets, to be hidden in texts. A secret is found as it is, and as JSON and Python
    would write it.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        hideable = {secret for secret in secrets if len(secret) >= SHORTEST_HIDDEN}
        # The longest first: one may be a part of another
        self._forms = [
            form
            for secret in sorted(hideable, key=len, reverse=True)
            for form in dict.fromkeys(_forms(secret))
        ]
        self.longest = max((len(form.text) for form in self._forms), default=0)
        """Characters of a secret as it may stand in a text; 0 where there is none."""

    def hide(self, text: str) -> str:
        """The text with a mark in place of each secret."""
        parts = text.split(HIDDEN)  # what is hidden already stays as it is
        for form in self._forms:
            if form.text in text:
                parts = [piece for part in parts for piece in form.split(part)]
        return HIDDEN.join(parts)

    def hide_in(self, value: T, each: Callable[[str], str] | None = None) -> T:
        """The same JSON data without the secrets; `each` is what hides them in a value that
        is a text.
        """
        if not self._forms and each is None:
            return value
        return cast("T", self._hidden(value, each or self.hide))

    def _hidden(self, value: Any, each: Callable[[str], str]) -> Any:
        match value:
            case str():
                return each(value)
            case Mapping():
                return {
                    self.hide_in(key): item if _is_plain(key, item) else self._hidden(item, each)
                    for key, item in value.items()
                }
            case list() | tuple():
                return [self._hidden(item, each) for item in value]
        return value


class Secrets:
    """The secrets of the settings, and of the variables that these hand on to Ansible. No
    record holds them.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        of_servers = [
            secret for server in settings.servers.values() for secret in server.secrets().values()
        ]
        handed_on = {name: environ[name] for name in settings.pass_env if name in environ}
        handed_on |= {
            name: secret.get_secret_value() for name, secret in settings.from_dotenv.items()
        }
        texts = {secret.get_secret_value() for secret in of_servers}
        texts |= {text for name, text in handed_on.items() if OF_A_SECRET.search(name)}
        self._in_records = SecretTexts(texts)
        # A server's name is no secret, and nobody could call it by a mark.
        self._in_answers = SecretTexts(
            text for text in texts if not any(text in name for name in settings.servers)
        )

    def hidden(self, value: T) -> T:
        """The same JSON data without the secrets."""
        return self._in_records.hide_in(value)

    def hidden_fields(self, fields: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The fields without the secrets, and the names of those that held one."""
        hidden = dict(self.hidden(fields))
        return hidden, tuple(
            name
            for name, value in fields.items()
            if name not in hidden or canonical(hidden[name]) != canonical(value)
        )

    def withheld(self, value: T) -> T:
        """The same for an answer."""
        return self._in_answers.hide_in(value)


def is_common(secret: str) -> bool:
    """Whether a secret is a word that stands in ordinary texts."""
    return secret.lower() in COMMON_WORDS.split()


@dataclass(frozen=True)
class _Form:
    """How a secret may stand in a text."""

    text: str
    alone: bool
    """Whether it is found only as a word: neither in another one nor in a path."""

    def split(self, text: str) -> list[str]:
        if not self.alone:
            return text.split(self.text)
        return re.split(f"{NOT_BEHIND}{re.escape(self.text)}{NOT_BEFORE}", text)


def _forms(secret: str) -> Iterator[_Form]:
    alone = len(secret) < SHORTEST_ANYWHERE
    as_json, as_shown = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    for text in (secret, as_json, as_shown, repr(secret)[1:-1]):
        yield _Form(text, alone)


def _is_plain(key: Any, value: Any) -> bool:
    return (
        isinstance(key, str)
        and key.removeprefix(VARIABLE) in NEVER_HIDDEN
        and (value is None or (isinstance(value, str) and PLAIN.fullmatch(value) is not None))
    )
