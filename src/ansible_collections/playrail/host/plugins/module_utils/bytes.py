"""What of a file's bytes a text does not keep on its way to a caller and back: it is
counted, and told before it is lost.
"""

import codecs
import re

# Bytes that are no UTF-8, as Python's handler `surrogateescape` has them
ODD = re.compile("[\udc80-\udcff]")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # an answer has none of these
MARK = codecs.BOM_UTF8


class Traits:
    """Counts of bytes and characters, of a content that is given in pieces."""

    def __init__(self, chunks):
        self.size = self.odd = self.controls = self.crlf = self.cr = self.lf = 0
        self.mark, self.last = False, ""
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        for chunk in chunks:
            if not self.size:
                self.mark = chunk.startswith(MARK)
            self.size += len(chunk)
            self.add(decoder.decode(chunk))
        self.add(decoder.decode(b"", True))
        self.cr -= self.crlf
        self.lf -= self.crlf

    def add(self, text):
        if text:
            self.crlf += (self.last + text).count("\r\n")
            self.cr += text.count("\r")
            self.lf += text.count("\n")
            self.odd += len(ODD.findall(text))
            self.controls += len(CONTROL.findall(text))
            self.last = text[-1]

    @property
    def line_ends(self):
        """How lines end: lf, crlf, cr, mixed; None when there is not one line end."""
        kinds = [kind for kind in ("lf", "crlf", "cr") if getattr(self, kind)]
        return kinds[0] if len(kinds) == 1 else "mixed" if kinds else None

    def told(self):
        """What whoever writes the content back has to know; nothing of plain text."""
        found = {
            "control_characters": self.controls,
            "byte_order_mark": self.mark,
            "line_endings": None if self.line_ends == "lf" else self.line_ends,
            "no_final_newline": self.size > 0 and self.last != "\n",
        }
        return {key: value for key, value in found.items() if value}


def losses(old, new):
    """What of the old content the new one lacks, and would most likely lose by mistake;
    each in words.

    To empty a file is meant.
    """
    if not new.size:
        return []
    found = []
    if new.odd < old.odd:
        found.append(counted(old.odd - new.odd, "byte that is no UTF-8", "bytes that are no UTF-8"))
    if new.controls < old.controls:
        found.append(
            counted(old.controls - new.controls, "control character", "control characters")
        )
    if old.crlf + old.cr and not new.crlf + new.cr:
        found.append("its line ends of Windows (CRLF)" if old.crlf else "its carriage returns")
    if old.mark and not new.mark:
        found.append("its byte order mark")
    return found


def counted(number, one, more):
    return "%d %s" % (number, one if number == 1 else more)
