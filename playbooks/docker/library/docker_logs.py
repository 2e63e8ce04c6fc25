#!/usr/bin/python
"""The newest lines that a container wrote, asked of the Docker engine over its socket."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

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
  max_bytes:
    description: How much text to return at most.
    type: int
    default: 262144
  sockets:
    description: Where the engine may listen; the first that is there is asked.
    type: list
    elements: str
    default: [/run/docker.sock, /var/run/docker.sock, /run/podman/podman.sock]
author: Playrail
"""

EXAMPLES = r"""
- name: See what a container wrote last
  ansible.legacy.docker_logs:
    container: web
    lines: 10
"""

RETURN = r"""
entries: {description: "Per line time, stream and text, oldest first.", type: list, elements: dict, returned: success}
older: {description: "Whether there are older lines.", type: bool, returned: success}
truncated: {description: "Whether lines, or a part of a text, were left out.", type: bool, returned: success}
state: {description: "The container's state.", type: str, returned: success}
docker: {description: "What Docker or the system said.", type: str, returned: failure}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

import collections
import re
import struct

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.playrail_docker import SOCKETS, DockerFailed, Engine, HTTPException, fail

STREAMS = {1: "stdout", 2: "stderr"}
LINE_BYTES = 8192  # of one line; what is more is left out, and told
CHUNK_BYTES = 65536
STAMP = re.compile(br"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ?")


class Line(object):
    """A line as it grows: Docker hands long ones over in pieces, each with the line's time."""

    def __init__(self, stream, time):
        self.stream = stream
        self.time = time
        self.kept = bytearray()
        self.size = 0

    def take(self, piece, skipped):
        self.size += len(piece) + skipped
        self.kept += piece[:max(0, LINE_BYTES - len(self.kept))]

    @property
    def cut(self):
        return self.size > len(self.kept)

    def text(self):
        found = bytes(self.kept).decode("utf-8", "replace")
        return found + " [... %d bytes left out]" % (self.size - len(self.kept)) if self.cut else found


class Lines(object):
    """The newest lines that fit."""

    def __init__(self, count, max_bytes):
        self.count = count
        self.left = max_bytes
        self.kept = collections.deque()
        self.unended = {}
        self.dropped = 0
        self.records = 0  # what the engine counts as lines: the pieces of long ones

    def take(self, stream, piece, skipped=0):
        """A line, or a part of one that the next piece of the same stream goes on with. `skipped`: bytes left out."""
        stamp = STAMP.match(piece)
        if stamp:  # of a terminal, the next piece of a long line follows at once, with the same time
            self.records += piece.count(stamp.group(0))
            piece = piece.replace(stamp.group(0), b"")
        line = self.unended.pop(stream, None)
        if line is None:
            line = Line(stream, moment(stamp))
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
    """Reads the engine's stream of both outputs: before each piece eight bytes tell which and how long it is."""
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


def logs(engine, container, count, since, max_bytes):
    about = engine.ask_json("containers", container, "json")
    query = {"stdout": 1, "stderr": 1, "timestamps": 1, "tail": count + 1}
    answer = engine.ask("containers", container, "logs", **dict(query, **({"since": since} if since else {})))
    lines = Lines(count, max_bytes)
    try:
        (take_text if about.get("Config", {}).get("Tty") else take_frames)(answer, lines)
    except (OSError, HTTPException):
        raise DockerFailed("docker_unavailable", "it ended its answer half-way")
    finally:
        answer.close()
    kept = list(lines.kept)
    newest = kept[-count:]
    return {
        "entries": [{"time": line.time, "stream": line.stream, "text": line.text()} for line in newest],
        "older": lines.dropped > 0 or lines.records > count,
        "truncated": any(line.cut for line in newest) or (lines.dropped > 0 and len(kept) < count),
        "state": about.get("State", {}).get("Status"),
    }


def main():
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "lines": {"type": "int", "default": 50},
            "since": {"type": "str"},
            "max_bytes": {"type": "int", "default": 262144},
            "sockets": SOCKETS,
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        engine = Engine(given["sockets"])
        found = logs(engine, given["container"], given["lines"], given["since"], given["max_bytes"])
    except DockerFailed as failed:
        fail(module, failed)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
