"""What is the same in many of the modules that Ansible sends: the files of
`ansible.module_utils`.

Ansible sends a Python module as a script with a zip archive in base64 (`zip_data='…'`), 160
to 350 kB long, of whose files all but a few are the same for every module of one version of
Ansible. They only look different: the archive names the time of the run. It is made anew
here, in a way that gives equal files equal bytes.
"""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
from itertools import pairwise

from playrail.ansible.kept.payload import ARCHIVE
from playrail.mikrus.jobs import Input, Piece

SHARED = "module_utils/"
LEAST_BYTES = 600  # of a file that is worth a name of 64 characters in every request
SOME_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive can name


def as_input(data: bytes) -> Input:
    """The data as a job's input, with the pieces of its archive when it is one of Ansible's
    modules.
    """
    found = ARCHIVE.findall(data)
    if len(found) == 1:
        try:
            pieces = _pieces(base64.b64decode(found[0]))
        except (zipfile.BadZipFile, binascii.Error, EOFError, NotImplementedError):
            return Input(head=data)
        head, _, tail = data.partition(found[0])
        return Input(head=head, pieces=pieces, tail=tail)
    return Input(head=data)


def _pieces(archive: bytes) -> list[Piece]:
    """An archive of the same files, cut where they begin; not compressed, since the pieces
    are when they are sent.
    """
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as new,
    ):
        for file in sorted(old.infolist(), key=_is_shared, reverse=True):
            new.writestr(zipfile.ZipInfo(file.filename, SOME_TIME), old.read(file))
        files = new.infolist()
    data = made.getvalue()
    bounds = [file.header_offset for file in files][: 1 + sum(map(_is_shared, files))]
    return [
        *(Piece(data[start:end], kept=True) for start, end in pairwise(bounds)),
        Piece(data[bounds[-1] :]),
    ]


def _is_shared(file: zipfile.ZipInfo) -> bool:
    return SHARED in file.filename and file.file_size >= LEAST_BYTES
