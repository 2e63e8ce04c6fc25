"""A module's archive, taken apart into what modules share and what is its own."""

from __future__ import annotations

import base64
import io
import zipfile

import pytest

from playrail.ansible.kept.ansiballz import as_input
from playrail.mikrus.jobs import Input

pytestmark = pytest.mark.slow


def archive(*, hour: int, own: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {
            "ansible/__init__.py": b"",
            "ansible/module_utils/basic.py": b"basic " * 1000,
            "ansible/modules/own.py": own * 1000,
            "ansible_collections/a/b/plugins/module_utils/more.py": b"more " * 1000,
        }.items():
            file.writestr(zipfile.ZipInfo(name, (2026, 1, 1, hour, 0, 0)), content)
    return made.getvalue()


def script(data: bytes) -> bytes:
    return b"# script\n_main(\nparams='{}',\nzip_data='" + base64.b64encode(data) + b"',\n)\n"


def files(given: Input) -> dict[str, bytes]:
    data = b"".join(piece.data for piece in given.pieces)
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return {name: found.read(name) for name in found.namelist()}


def test_what_modules_share_is_the_same_in_each() -> None:
    one, other = (
        as_input(script(archive(hour=hour, own=own))) for hour, own in ((1, b"a"), (2, b"b"))
    )

    assert (one.head, one.tail) == (b"# script\n_main(\nparams='{}',\nzip_data='", b"',\n)\n")
    assert [piece.name for piece in one.pieces if piece.kept] == [
        piece.name for piece in other.pieces if piece.kept
    ]
    assert [piece.kept for piece in one.pieces] == [True, True, False]
    with zipfile.ZipFile(io.BytesIO(archive(hour=3, own=b"a"))) as given:
        assert files(one) == {name: given.read(name) for name in given.namelist()}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\xff" * 9,
        b"zip_data='AAAA',\n",
        script(b"no archive" * 200),
        script(archive(hour=1, own=b"a")) * 2,
    ],
    ids=["nothing", "bytes", "short", "no archive", "two"],
)
def test_other_input_stays_as_it_is(data: bytes) -> None:
    assert as_input(data) == Input(head=data)
