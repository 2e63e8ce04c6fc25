#!/usr/bin/python
"""The newest lines that a container wrote, asked of the Docker engine over its socket."""

DOCUMENTATION = r"""
module: docker_logs
short_description: Read the newest lines of a container's log
description:
  - Reads what a container wrote to its outputs, as far as Docker keeps it. Changes nothing.
options:
  container:
    description: Name or id of the container.
    type: str
    required: true
  lines:
    description: How many lines to return at most.
    type: int
    default: 50
  since:
    description: Only lines from this time on, in seconds since 1970.
    type: str
  message_characters:
    description: How much of each line to return at most.
    type: int
    default: 500
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON. The newest lines go first.
    type: int
    default: 24000
extends_documentation_fragment: playrail.host.docker
author: Playrail
"""

EXAMPLES = r"""
- name: See what a container wrote last
  playrail.host.docker_logs:
    container: web
    lines: 10
"""

RETURN = r"""
entries:
  description: Per line time, stream, text and, of one that was cut, text_bytes; oldest first.
  type: list
  elements: dict
  returned: success
older:
  description: Whether there are older lines.
  type: bool
  returned: success
truncated:
  description: Whether lines, or a part of a text, were left out.
  type: bool
  returned: success
state:
  description: The container's state.
  type: str
  returned: success
exit_code:
  description: Of one that has ended.
  type: int
  returned: success
out_of_memory:
  description: Whether it was ended for that.
  type: bool
  returned: success
started:
  description: When it was started last.
  type: str
  returned: success
finished:
  description: When it ended.
  type: str
  returned: success
last_written:
  description: When there is nothing since the time asked for, when the last line before was
    written.
  type: str
  returned: success
notes:
  description: Sentences on what this log does not hold.
  type: list
  elements: str
  returned: success
docker:
  description: What Docker or the system said.
  type: str
  returned: failure
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
engine:
  description: The engine's socket, where it is not Docker's usual one.
  type: str
  returned: success
other_engines:
  description: Per engine that was not asked, its socket, and why where it did not answer.
  type: list
  elements: dict
  returned: success
"""

import collections
import re
import struct

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.docker import (
    SOCKETS,
    DockerFailed,
    Engine,
    HTTPException,
    fail,
    fitting_beside,
)

STREAMS = {1: "stdout", 2: "stderr"}
BYTES_EACH = 4  # of a character, at most
READ_BYTES = 64 * 1024 * 1024  # of all lines that are kept at a time
MARK = "\u2026"
NEVER = "0001-01-01"  # how the engine writes a time that has not been
CHUNK_BYTES = 65536
STAMP = re.compile(rb"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ?")


class Line:
    """A line as it grows: Docker hands long ones over in pieces, each with the line's time."""

    def __init__(self, stream, time, most):
        self.stream = stream
        self.time = time
        self.most = most
        self.kept = bytearray()
        self.size = 0

    def take(self, piece, skipped):
        self.size += len(piece) + skipped
        self.kept += piece[: max(0, self.most * BYTES_EACH - len(self.kept))]

    def told(self):
        text = bytes(self.kept).decode("utf-8", "replace")
        found = {"time": self.time, "stream": self.stream, "text": text}
        if self.size > len(self.kept) or len(text) > self.most:
            found.update(text=text[: self.most] + MARK, text_bytes=self.size)
        return found


class Lines:
    """The newest lines that fit."""

    def __init__(self, count, characters):
        self.count = count
        self.characters = characters
        self.left = READ_BYTES
        self.kept = collections.deque()
        self.unended = {}
        self.dropped = 0
        self.records = 0  # what the engine counts as lines: the pieces of long ones

    def take(self, stream, piece, skipped=0):
        """A line, or a part of one that the next piece of the same stream goes on with.
        `skipped`: bytes left out.
        """
        stamp = STAMP.match(piece)
        if (
            stamp
        ):  # of a terminal, the next piece of a long line follows at once, with the same time
            self.records += piece.count(stamp.group(0))
            piece = piece.replace(stamp.group(0), b"")
        line = self.unended.pop(stream, None)
        if line is None:
            line = Line(stream, moment(stamp), self.characters)
            self.kept.append(line)
        ended = piece.endswith(b"\n")
        before = len(line.kept)
        line.take(piece.rstrip(b"\r\n") if ended else piece, skipped)
        self.left -= len(line.kept) - before
        if not ended:
            self.unended[stream] = line
        while self.kept and (len(self.kept) > self.count + 1 or self.left < 0):
            gone = self.kept.popleft()
            self.left += len(gone.kept)
            self.dropped += 1


def moment(stamp):
    """The time to the microsecond."""
    if stamp is None:
        return None
    date, fraction, zone = (part.decode("ascii") if part else "" for part in stamp.groups())
    return date + fraction[:7] + zone


def take_frames(answer, lines):
    """Reads the engine's stream of both outputs: before each piece eight bytes tell which
    and how long it is.
    """
    while True:
        head = answer.read(8)
        if len(head) < 8:
            return
        number, length = struct.unpack(">BxxxL", head)
        kept = answer.read(min(length, CHUNK_BYTES))
        last, left = kept[-1:], length - len(kept)
        skipped = left
        while left > 0:
            more = answer.read(min(left, CHUNK_BYTES))
            if not more:
                return
            last, left = more[-1:], left - len(more)
        if skipped and last == b"\n":
            kept, skipped = kept + last, skipped - 1
        lines.take(STREAMS.get(number, "stdout"), kept, skipped)


def take_text(answer, lines):
    """Reads what a terminal showed, which is one stream."""
    while True:
        piece = answer.readline(CHUNK_BYTES)
        if not piece:
            return
        lines.take("stdout", piece)


def read(engine, container, is_terminal, lines, **query):
    """Reads the newest lines. Raises DockerFailed."""
    answer = engine.ask("containers", container, "logs", stdout=1, stderr=1, timestamps=1, **query)
    try:
        (take_text if is_terminal else take_frames)(answer, lines)
    except (OSError, HTTPException):
        raise DockerFailed("docker_unavailable", "it ended its answer half-way")
    finally:
        answer.close()


def state_of(about):
    """What became of the container."""
    state = about.get("State", {})
    ended = state.get("Status") in ("exited", "dead")
    times = {
        key: state.get(name) or NEVER
        for key, name in (("started", "StartedAt"), ("finished", "FinishedAt"))
    }
    return {
        "state": state.get("Status"),
        "exit_code": state.get("ExitCode") if ended else None,
        "out_of_memory": True if state.get("OOMKilled") else None,
        "started": None if times["started"].startswith(NEVER) else times["started"][:19] + "Z",
        "finished": times["finished"][:19] + "Z"
        if ended and not times["finished"].startswith(NEVER)
        else None,
    }


def notes(about, lines, since):
    """What of the log a reader has to know, in sentences."""
    config = about.get("HostConfig", {}).get("LogConfig") or {}
    options = config.get("Config") or {}
    if "max-size" in options:
        files = options.get("max-file", "1")
        yield "Docker keeps %s file(s) of %s of this log; what was before them is gone." % (
            files,
            options["max-size"],
        )
    if about.get("State", {}).get("Status") == "created":
        yield "The container was never started."
    elif not lines.kept and not since:
        yield "The container wrote nothing to its outputs, or what it wrote is not kept any more."
    if config.get("Type") not in (None, "json-file", "local", "journald"):
        yield "Its log goes to the driver %s; this is Docker's own copy." % config["Type"]


def logs(engine, given):
    """The whole report. Raises DockerFailed."""
    container, count, since = given["container"], given["lines"], given["since"]
    about = engine.ask_json("containers", container, "json")
    is_terminal = about.get("Config", {}).get("Tty")
    driver = (about.get("HostConfig", {}).get("LogConfig") or {}).get("Type")
    lines, before = Lines(count, given["message_characters"]), Lines(1, 0)
    try:
        read(
            engine,
            container,
            is_terminal,
            lines,
            tail=count + 1,
            **({"since": since} if since else {}),
        )
        if since and not lines.kept:
            read(engine, container, is_terminal, before, tail=1)
    except DockerFailed as failed:
        if failed.code == "docker_failed" and "does not support reading" in str(failed):
            raise DockerFailed("log_not_kept", str(driver))
        raise
    if driver == "none" and not lines.kept:
        raise DockerFailed("log_not_kept", driver)
    newest = [line.told() for line in list(lines.kept)[-count:]]
    said = list(notes(about, lines, since))
    report = dict(engine.told(), **state_of(about))
    report.update(older=True, truncated=False, notes=said or None)
    report["last_written"] = before.kept[-1].time if before.kept else None
    kept = fitting_beside(report, newest[::-1], given["max_bytes"])[::-1]
    if newest and not kept:  # of a very long line its beginning
        kept = [dict(newest[-1], text=newest[-1]["text"][: given["max_bytes"] // 8] + MARK)]
    report["older"] = lines.dropped > 0 or lines.records > count or len(kept) < len(newest)
    report["truncated"] = len(kept) < min(count, len(newest)) or any(
        one["text"].endswith(MARK) for one in kept
    )
    return dict(report, entries=kept)


def main():
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "lines": {"type": "int", "default": 50},
            "since": {"type": "str"},
            "message_characters": {"type": "int", "default": 500},
            "max_bytes": {"type": "int", "default": 24000},
            "engine": {"type": "str"},
            "sockets": SOCKETS,
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        found = logs(Engine(given["sockets"], given["engine"]), given)
    except DockerFailed as failed:
        fail(module, failed)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
