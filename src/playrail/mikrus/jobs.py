"""Runs commands through /exec of the mikr.us API, which tells no exit code, may mix, escape
or lose what a command writes, and ends it after 60 s.

A command becomes a job with a random id: job.sh makes the job's directory on the server,
runs the command there apart from the request, and tells within the same request how it
ended, or that it still runs. Longer work is asked after. What is told stands between
markers with the job's id, compressed and in base64: nothing on the way changes that, and
stray lines before or after do no harm.

A request whose answer is lost is sent again, and the work still runs once. What decides is
`mkdir` of a directory named by the job's id: of all requests that start the job, however
often, late or side by side they come, it succeeds for one. That directory stays for a day,
or as long as the work runs. What a job wrote stays until this side has it all, which it
says with its next job, or for an hour and a quarter after the end: longer than this side
asks for it.

A key gets few requests a minute, so they are what is spared. Pieces of the input that many
jobs have in common are kept on the server by their SHA-256, and only sent when the server
says that it needs them.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import gzip
import re
import secrets
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from shlex import quote

from playrail.codes import api, files, hosts
from playrail.codes.code import Code
from playrail.errors import OutcomeUnknown, PlayrailError, RateLimited

COMMAND_LIMIT = 96 * 1024  # bytes of a request's command; Linux takes 128 KiB as one argument
# Bytes of compressed input that one byte of a request carries: 3/4 but for the packing
PACKED = 0.73
KEPT_PIECES = 2000
TOLD_BYTES = 384 * 1024  # of compressed output in one answer, which is 512 KiB there
LEAST_TOLD_BYTES = 4096
# Bytes; they would come in hundreds of answers if they can not be compressed
OUTPUT_LIMIT = 64 * 1024 * 1024
# For the next free request, and for as long as the API says that there were too many
PATIENCE_S = 75.0
ANSWER_S = 65.0  # the API's limit, and a little for the way
# The same, once the work may have begun: it would be a pity not to learn its outcome
LONGEST_PATIENCE_S = 3600.0
REPEATS = 4  # of a request whose answer is lost
LONGEST_PAUSE_S = 15.0
LINE_LIMIT = 300  # characters of what the server said that an error repeats
BEGINNING = "[playrail "
AFTER_BEGIN = frozenset({"running", "done", "lost"})
TOOLS = "base64 gzip sha256sum find head tail xargs"

Send = Callable[[str], Awaitable[str]]
"""Has a command run, and returns what it wrote. Raises OutcomeUnknown when it may have run
and nothing came back, and other PlayrailErrors when it has not.
"""


class JobFailed(Exception):
    """No exit code is known. With the code connection_lost the work may have begun,
    with any other it has not.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Piece:
    """A part of the input. `kept`: worth keeping on the server for other jobs."""

    data: bytes
    kept: bool = False

    @functools.cached_property
    def name(self) -> str:
        return sha256(self.data).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a command gets on standard input: `head`, the pieces together in base64, and
    `tail`.
    """

    head: bytes = b""
    pieces: Sequence[Piece] = ()
    tail: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended: its exit code, as a shell tells it, and what it wrote."""

    code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where jobs run on a server: `root` is only root's, `home` is where commands start.
    One request waits `wait_s`.
    """

    root: str = "/var/cache/playrail"
    home: str = "/root"
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    wait_s: float = 45.0
    told_bytes: int = TOLD_BYTES

    def __post_init__(self) -> None:
        if not all(re.fullmatch(r"/[A-Za-z0-9_./-]*", path) for path in (self.root, self.home)):
            raise ValueError("only absolute paths of letters, digits and _ . / - are taken")

    @property
    def ticks(self) -> int:
        """How often to look whether the work has ended: every tenth of a second for 2 s,
        then every half.
        """
        return int(min(self.wait_s, 2) * 10 + max(self.wait_s - 2, 0) * 2)


@dataclass(frozen=True)
class _Told:
    """What the server said of a job: its state, and the words that belong to it."""

    state: str
    words: Sequence[str] = ()


@dataclass
class _Job:
    """`begun`: whether the work may have begun, as far as this side knows."""

    command: str
    given: Input
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    begun: bool = False


class Jobs:
    """Runs jobs on one server, one after the other."""

    def __init__(self, send: Send, place: Place | None = None, *, pause_s: float = 1.0) -> None:
        self._send = send
        self._place = place or Place()
        self._pause_s = pause_s
        self._told_bytes = self._place.told_bytes
        self._over: list[str] = []

    async def run(self, command: str, given: Input | None = None) -> Done:
        """Runs a command to its end, however long that takes.

        Raises JobFailed; and any error of `send` when the command certainly did not run.
        """
        job = _Job(command, given or Input())
        told = await self._started(job)
        while told.state == "running":
            told = await self._asked(job, {})
        if told.state != "done":
            raise _failure(told)
        done = await self._collected(job, told)
        self._over.append(job.id)
        return done

    async def _started(self, job: _Job) -> _Told:
        """What is told when the work has begun. First it is hoped that the server has what
        it may have kept.
        """
        unsent = {piece.name for piece in job.given.pieces if piece.kept}
        sent: frozenset[str] = frozenset()
        while (told := await self._uploaded(job, sent)).state == "need":
            needed = unsent.intersection(told.words)
            if not needed:
                raise JobFailed(api.EXEC_FAILED, "The server does not keep what it is sent.")
            unsent, sent = unsent - needed, sent | needed
        return told

    async def _uploaded(self, job: _Job, sent: frozenset[str]) -> _Told:
        data, layout = _packed(job.command, job.given, sent)
        layout |= {"upload": sha256(data).hexdigest()[:16], "forget": " ".join(self._over)}
        size = int((COMMAND_LIMIT - len(_request(job.id, self._place, layout))) * PACKED)
        if size <= 0:
            raise JobFailed(api.EXEC_FAILED, "The command's input has too many pieces.")
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        told = _Told("stored")
        for number, part in enumerate(parts, 1):
            given = {
                "part": base64.b64encode(part).decode(),
                "number": f"{number:04}",
                "parts": f"{len(parts):04}",
            }
            told = await self._asked(job, layout | given, begins=number == len(parts))
            self._over.clear()
            if told.state != "stored":
                break
        return told

    async def _collected(self, job: _Job, told: _Told) -> Done:
        code, out, err, encoded = (*told.words, "")[:4]
        if int(out) + int(err) > OUTPUT_LIMIT:
            raise JobFailed(
                hosts.CONNECTION_LOST, f"The command ran and wrote more than {OUTPUT_LIMIT} bytes."
            )
        data = _decoded(encoded)
        while (texts := _unpacked(data)) is None:
            told = await self._asked(job, {"from": str(len(data)), "out": out, "err": err})
            if told.state != "done":
                raise _failure(told)
            more = _decoded((*told.words, "")[3])
            if not more:
                raise JobFailed(
                    hosts.CONNECTION_LOST,
                    "What the command wrote could not be read from the server.",
                )
            data += more
        return Done(code=int(code), stdout=texts[0], stderr=texts[1])

    async def _asked(self, job: _Job, given: Mapping[str, str], *, begins: bool = False) -> _Told:
        """Sends a request until it is answered, and gives up when it stays unanswered.

        As long as nothing can have begun, an error of `send` is raised as it is.
        """
        asked_at, lost, why = time.monotonic(), 0, ""
        while lost < REPEATS:
            pause_s = 0.0
            try:
                output = await self._send(
                    _request(job.id, self._place, {"most": str(self._told_bytes), **given})
                )
            except RateLimited as error:
                pause_s = float(error.problem.retry_after_s or 0)
                patience_s = LONGEST_PATIENCE_S if job.begun else PATIENCE_S
                if time.monotonic() + pause_s > asked_at + patience_s:
                    raise (self._given_up(job, str(error)) if job.begun else error) from None
            except OutcomeUnknown as error:
                job.begun |= begins
                lost, why = lost + 1, str(error)
            except PlayrailError as error:
                if not job.begun:
                    raise
                lost, why = lost + 1, str(error)
            else:
                told = _read(job.id, output)
                job.begun |= begins if told is None else told.state in AFTER_BEGIN
                if told is not None:
                    return told
                lost, why = lost + 1, self._said(output)
            if lost < REPEATS:
                await asyncio.sleep(min(max(pause_s, self._pause_s * 2**lost), LONGEST_PAUSE_S))
        raise self._given_up(job, why)

    def _said(self, output: str) -> str:
        """What an answer without an end was. If it is cut, less is asked for from now on."""
        if BEGINNING in output:
            self._told_bytes = max(self._told_bytes // 4, LEAST_TOLD_BYTES)
            return "The API's answer was cut."
        said = _line(output)
        return f"The API's answer was: {said}" if said else "The API's answer was empty."

    def _given_up(self, job: _Job, why: str) -> JobFailed:
        if job.begun:
            return JobFailed(
                hosts.CONNECTION_LOST,
                f"The command may have run; the server could not be asked. {why}",
            )
        return JobFailed(api.EXEC_FAILED, f"The command was not run. {why}")


def _failure(told: _Told) -> JobFailed:
    """The error that a state stands for, in which no work is done."""
    match told.state:
        case "missing":
            return JobFailed(
                hosts.MISSING_ON_HOST, f"The server has no program {' or '.join(told.words)}."
            )
        case "failed":
            why = _decoded(told.words[0] if told.words else "").decode(errors="replace")
            full = "No space left" in why or "quota exceeded" in why
            code = files.DISK_FULL if full else api.EXEC_FAILED
            return JobFailed(code, f"The server could not prepare the command: {_line(why)}")
        case "incomplete":
            return JobFailed(
                api.EXEC_FAILED, "What was sent of the command did not stay on the server."
            )
        case _:
            return JobFailed(
                hosts.CONNECTION_LOST,
                "The command was cut off on the server, or the server was restarted.",
            )


@functools.cache
def _shell_text() -> str:
    """job.sh without what is for people."""
    text = Path(__file__).with_name("job.sh").read_text(encoding="utf-8")
    return "\n".join(
        line.strip()
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    )


def _request(job_id: str, place: Place, given: Mapping[str, str]) -> str:
    """The command of a request. It has no line end and hardly a character that anything on
    its way may change.
    """
    names = {
        **dict.fromkeys(("part", "new", "wanted", "inline", "order", "forget", "out", "err"), ""),
        "from": "0",
        "most_kept": str(KEPT_PIECES + 1),
        "ticks": str(place.ticks),
        "root": place.root,
        "home": place.home,
        "PATH": place.path,
        "id": job_id,
        **given,
    }
    lines = [f"{name}={quote(value)}" for name, value in names.items()]
    packed = gzip.compress("\n".join([*lines, _shell_text(), ""]).encode(), mtime=0)
    check = (
        f"for p in {TOOLS};do command -v $p>/dev/null||{{ echo {BEGINNING}'{job_id}' missing "
        f"$p];exit;}};done"
    )
    return f"{check};echo {base64.b64encode(packed).decode()}|base64 -d|gzip -dc|sh"


def _packed(command: str, given: Input, sent: frozenset[str]) -> tuple[bytes, dict[str, str]]:
    """A job's command and input, compressed, with those kept pieces that are `sent`; and
    its layout for job.sh.
    """
    pieces = [piece for piece in given.pieces if piece.data]
    kept = {piece.name: piece.data for piece in pieces if piece.kept}
    new = {name: data for name, data in kept.items() if name in sent}
    inline = [piece.data for piece in pieces if not piece.kept]
    numbers = iter(range(len(inline)))
    text = command.encode(errors="surrogateescape") + b"\n"
    data = b"".join([text, *new.values(), *inline, given.tail, given.head])
    layout = {
        "command": str(len(text)),
        "new": " ".join(f"{name} {len(piece)}" for name, piece in new.items()),
        "wanted": " ".join(kept),
        "inline": " ".join(str(len(piece)) for piece in inline),
        "tail": str(len(given.tail)),
        "order": " ".join(piece.name if piece.kept else f"@{next(numbers)}" for piece in pieces),
    }
    return gzip.compress(data, mtime=0), layout


def _read(job_id: str, output: str) -> _Told | None:
    """What was told of the job; None when that is not there in full."""
    found = re.findall(rf"{re.escape(BEGINNING)}{job_id} ([a-z]+)((?: [A-Za-z0-9+/=]*)*)\]", output)
    if not found:
        return None
    told = _Told(found[-1][0], found[-1][1].split())
    sound = told.state != "done" or re.match(
        r"\d{1,3} \d{1,15} \d{1,15}( |$)", " ".join(told.words), re.ASCII
    )
    return told if sound else None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _unpacked(data: bytes) -> tuple[bytes, bytes] | None:
    """Both outputs, which follow on each other; None when more is to come. Raises JobFailed
    when they are broken.
    """
    texts = []
    try:
        for _ in range(2):
            unpacking = zlib.decompressobj(wbits=31)
            texts.append(unpacking.decompress(data, OUTPUT_LIMIT))
            if not unpacking.eof:
                return None
            data = unpacking.unused_data
    except zlib.error:
        raise JobFailed(hosts.CONNECTION_LOST, "What the command wrote arrived broken.") from None
    return texts[0], texts[1]


def _line(text: str) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= LINE_LIMIT else f"…{line[-LINE_LIMIT:]}"
