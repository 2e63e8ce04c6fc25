"""Takes secrets out of texts: those of the settings, and those that a play is given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from playrail.settings.settings import Settings

HIDDEN = "********"
WITHHELD = "(secret of Playrail's settings)"  # in answers
SHORTEST_HIDDEN = 4  # characters; a shorter secret would make every text unreadable
# The name of a variable that holds one
OF_A_SECRET = re.compile("PASS|SECRET|TOKEN|_KEY$", re.IGNORECASE)

T = TypeVar("T")


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
        self._texts = hideable(texts)
        # A server's name is no secret, and nobody could call it by a mark.
        self._in_answers = [
            text for text in self._texts if not any(text in name for name in settings.servers)
        ]

    def hidden(self, value: T) -> T:
        """The same JSON data without the secrets."""
        return _without(value, self._texts, HIDDEN)

    def withheld(self, value: T) -> T:
        """The same for an answer, with a mark that no caller can take for what stands
        there.
        """
        return _without(value, self._in_answers, WITHHELD)


def hideable(texts: Iterable[str]) -> list[str]:
    """Those that can be hidden, the longest first: one may be a part of another."""
    return sorted({text for text in texts if len(text) >= SHORTEST_HIDDEN}, key=len, reverse=True)


def hide(text: str, secrets: Iterable[str], *, mark: str = HIDDEN) -> str:
    """The text without the secrets in it: a message may repeat what a task with `no_log`
    was given.

    A secret is found as it is, and as JSON and Python would write it.
    """
    for secret in secrets:
        for form in forms(secret):
            text = text.replace(form, mark)
    return text


def forms(secret: str) -> tuple[str, ...]:
    """How a secret may stand in a text."""
    return (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    )


def _without(value: T, texts: Sequence[str], mark: str) -> T:
    found: Any = value
    match value:
        case str():
            found = hide(value, texts, mark=mark)
        case Mapping():
            found = {
                _without(key, texts, mark): _without(item, texts, mark)
                for key, item in value.items()
            }
        case list() | tuple():
            found = [_without(item, texts, mark) for item in value]
    return found  # type: ignore[no-any-return]  # of the same type, as every branch shows
