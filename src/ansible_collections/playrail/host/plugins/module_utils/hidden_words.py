"""Command lines without what looks like a password, a token or a key in them."""

import re

from ansible_collections.playrail.host.plugins.module_utils.keys import key_in

HIDDEN = "***"
LONGEST = 1000
# In the name of an option or a variable
NAMED = (
    r"[\w.-]*(?:pass(?:w(?:or)?d|phrase|wd)?|secret|token|api[_-]?key|private[_-]?key|credential"
    r"|access[_-]?key|auth(?!or)|dsn|webhook)[\w.-]*"
)
ASSIGNED = re.compile(
    r"((?:^|[\s;&?,'\"{])-{0,2}" + NAMED + r"[\"']?\s?[=:]\s?)[^\s&;,}]+", re.IGNORECASE
)
OPTION = re.compile(r"--?" + NAMED + r"\Z", re.IGNORECASE)
OF_MYSQL = re.compile(r"-p(?=\S)(?!\d+(?:[:/]|\Z))")  # -pPASSWORD; of Docker a port
USER_INFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(?=@)", re.IGNORECASE)
HEADER = re.compile(r"((?:authorization|cookie|x-[\w-]*(?:key|token)):\s*).+", re.IGNORECASE)


def without_secrets(words):
    """The words, each of LONGEST characters at most, with a mark where a value looks secret. A
    look at names, no guarantee.
    """
    told, follows = [], False
    program = words[0].rpartition("/")[2] if words else ""
    for uncut in words:
        word = uncut[:LONGEST]  # the patterns take the square of its length
        if follows and not word.startswith("-"):
            told.append(HIDDEN)
            follows = False
            continue
        follows = bool(OPTION.match(word))
        if program.startswith(("mysql", "mariadb")) and OF_MYSQL.match(word):
            word = "-p" + HIDDEN
        if key_in(word.encode("utf-8", "replace")):
            word = HIDDEN
        word = HEADER.sub(r"\g<1>" + HIDDEN, word)
        word = USER_INFO.sub(r"\g<1>" + HIDDEN, word)
        told.append(ASSIGNED.sub(r"\g<1>" + HIDDEN, word))
    return told
