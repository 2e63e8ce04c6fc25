"""The bytes of a file, read in parts, and what of them makes an answer of so many bytes."""

import bisect
import itertools
import os

CHUNK_BYTES = 1024 * 1024


BINARY_SAMPLE_BYTES = 8192  # as git and grep look at the beginning only


SHORT = b'"\\\b\f\n\r\t'  # with one backslash in JSON


COSTS = bytes(
    bytearray(
        2 if byte in SHORT else 6 if byte < 0x20 or byte == 0x7F else 1 for byte in range(256)
    )
)


ODD_COSTS = COSTS[:0x80] + b"\3" * 0x80


class Reader:
    """The bytes of a file, with what was read too far put back."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.ahead = b""

    def chunk(self):
        """Some bytes; none at the end."""
        if self.ahead:
            found, self.ahead = self.ahead, b""
            return found
        return os.read(self.descriptor, CHUNK_BYTES)

    def put_back(self, rest):
        self.ahead = rest + self.ahead

    def looks_binary(self):
        sample = b""
        while len(sample) < BINARY_SAMPLE_BYTES:
            found = os.read(self.descriptor, BINARY_SAMPLE_BYTES - len(sample))
            if not found:
                break
            sample += found
        self.ahead = sample
        return b"\0" in sample

    def skip_lines(self, wanted):
        """Passes over that many lines. Returns how many there were, the last one though it
        has no newline.
        """
        passed = 0
        unended = False
        while passed < wanted:
            found = self.chunk()
            if not found:
                return passed + (1 if unended else 0)
            newlines = found.count(b"\n")
            if passed + newlines < wanted:
                passed += newlines
                unended = not found.endswith(b"\n")
                continue
            position = 0
            while passed < wanted:
                position = found.index(b"\n", position) + 1
                passed += 1
            self.put_back(found[position:])
        return passed

    def skip_bytes_of_line(self, wanted):
        """Passes over that many bytes, but not over the end of the line. Returns how many
        it were.
        """
        passed = 0
        while passed < wanted:
            found = self.chunk()
            part = found[: wanted - passed].split(b"\n", 1)[0]
            if not part:
                self.put_back(found)
                break
            passed += len(part)
            self.put_back(found[len(part) :])
        return passed

    def take(self, limit, max_bytes):
        """At most `limit` lines of together at most `max_bytes`."""
        parts, size, newlines = [], 0, 0
        while newlines < limit and size < max_bytes:
            found = self.chunk()
            if not found:
                break
            part = found[: max_bytes - size]
            count = part.count(b"\n")
            if newlines + count >= limit:
                position = 0
                while newlines < limit:
                    position = part.index(b"\n", position) + 1
                    newlines += 1
                part = part[:position]
            else:
                newlines += count
            parts.append(part)
            size += len(part)
            self.put_back(found[len(part) :])
        return b"".join(parts)

    def position(self):
        """Where in the file the next byte lies."""
        return os.lseek(self.descriptor, 0, os.SEEK_CUR) - len(self.ahead)

    def at_end(self):
        found = self.chunk()
        self.put_back(found)
        return not found


def whole_characters(taken):
    """How many of these bytes remain when a UTF-8 character that was cut at the end is left
    for the next part.
    """
    for length in range(1, min(4, len(taken)) + 1):
        byte = bytearray(taken[-length:])[0]
        if byte & 0xC0 == 0x80:
            continue
        needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return len(taken) - length if needed > length and len(taken) > length else len(taken)
    return len(taken)


def decoded(taken):
    """The text, and how many bytes had to be replaced."""
    try:
        return taken.decode("utf-8"), 0
    except UnicodeDecodeError:
        kept = taken.decode("utf-8", "ignore").encode("utf-8")
        return taken.decode("utf-8", "replace"), len(taken) - len(kept)


def fitting(taken, most, odd):
    """How many of these bytes make at most so many bytes of JSON text. `odd`: some are no
    UTF-8, and shown as U+FFFD.
    """
    costs = taken.translate(ODD_COSTS if odd else COSTS)
    return bisect.bisect_right(list(itertools.accumulate(bytearray(costs))), most)
