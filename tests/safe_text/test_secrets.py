"""What counts as a secret in a text: long ones anywhere, short ones where they stand alone."""

from __future__ import annotations

from typing import Any

import pytest

from playrail.safe_text.secrets import COMMON_WORDS, HIDDEN, Secrets, SecretTexts, is_common
from playrail.settings.settings import Settings

SHORT, LONG = "root", "correct-horse"


def secrets(*passwords: str) -> Secrets:
    environ = {f"PASS{number}": password for number, password in enumerate(passwords)}
    settings = Settings.load(
        {"HOME": "/nowhere", "PLAYRAIL_PASS_ENV": ",".join(environ)}, dotenv=None
    )
    return Secrets(settings, environ)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("root", HIDDEN),
        ("password=root", f"password={HIDDEN}"),
        ("https://root:root@host/", f"https://{HIDDEN}:{HIDDEN}@host/"),
        ("'root', and root.", f"'{HIDDEN}', and {HIDDEN}."),
        ('{"a": "root"}', f'{{"a": "{HIDDEN}"}}'),
        ("/root/x", None),
        ("/root", None),
        ("root/x", None),
        ("rooted uproot root_x root-x root.conf", None),
        (f"a{LONG}b", f"a{HIDDEN}b"),
        (f"/{LONG}/", f"/{HIDDEN}/"),
    ],
)
def test_where_a_secret_is_hidden(text: str, hidden: str | None) -> None:
    assert SecretTexts([SHORT, LONG]).hide(text) == (text if hidden is None else hidden)


def test_what_is_hidden_is_hidden_once() -> None:
    """Though the mark has words that may be secrets."""
    texts = SecretTexts(["secret", "Playrail", "hidden by Playrail", LONG])

    once = texts.hide(f"{LONG} secret")

    assert once == f"{HIDDEN} {HIDDEN}"
    assert texts.hide(once) == once


def test_a_secret_is_found_as_json_and_python_write_it() -> None:
    secret = 'long"and\\odd\u0119'

    as_json = 'long\\"and\\\\odd\u0119'
    as_ascii = as_json.replace("\u0119", "\\u0119")
    for written in (secret, as_json, as_ascii, repr(secret)[1:-1]):
        assert SecretTexts([secret]).hide(f"<{written}>") == f"<{HIDDEN}>"


@pytest.mark.parametrize("key", ["owner", "group", "mode", "sha256", "kind", "playrail_owner"])
def test_what_names_an_owner_is_never_hidden(key: str) -> None:
    assert secrets(SHORT).hidden({key: SHORT}) == {key: SHORT}
    assert secrets(SHORT).hidden([{key: {"x": SHORT}}]) == [{key: {"x": HIDDEN}}]
    assert secrets(SHORT).hidden({key: f"no name: {SHORT}"}) == {key: f"no name: {HIDDEN}"}


def test_fields_are_named_that_held_a_secret() -> None:
    fields: dict[str, Any] = {
        "path": "/root/x",
        "owner": SHORT,
        "content": f"pass={LONG}",
        "names": ["a", LONG],
        "stars": "********",
        "pair": ("a", 1),
    }

    hidden, names = secrets(SHORT, LONG).hidden_fields(fields)

    assert names == ("content", "names")
    assert hidden == {
        **fields,
        "content": f"pass={HIDDEN}",
        "names": ["a", HIDDEN],
        "pair": ["a", 1],
    }


def test_a_text_shorter_than_that_is_no_secret() -> None:
    assert SecretTexts(["abc"]).hide("abc") == "abc"


def test_common_words() -> None:
    assert all(map(is_common, ("root", "Password", "ROOT")))
    assert not is_common("correct-horse")
    assert COMMON_WORDS.split() == list(dict.fromkeys(COMMON_WORDS.lower().split()))
