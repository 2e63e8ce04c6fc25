"""What code on a command line (`python -c`, `perl -e` ..) does to files and starts, by its
plain texts. No parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

INTERPRETERS = re.compile(
    r"(?:python|pypy|perl|ruby|irb|node|nodejs|deno|php|lua|luajit|tclsh|guile|Rscript|julia"
    r"|groovy)[\d.]*|[gmn]?awk"
)
CODE_OPTION = re.compile(
    r"-[A-Za-z]*[cerEpn][A-Za-z]*|--(?:eval|exec|print|command|run)(?:=.*)?", re.DOTALL
)
STARTS = re.compile(
    r"system|popen|exec|spawn|subprocess|shell_exec|passthru|proc_open|check_(?:call|output)|qx"
    r"|`|\brun\b|\bcall\b|%x|open3"
)
TEXT = re.compile(
    r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`|q[qx]?\{([^}]*)\}|%x[({]([^)}]*)[)}]""",
    re.DOTALL,
)
REMOVES = re.compile(
    r"(?:rmtree|rm_rf|rm_r|remove_tree|remove_dir|rmSync|rmdirSync|remove_entry\w*|removedirs|rm)\b"
    r"[\s(\[]*['\"]([^'\"]*)['\"]"
)
WRITES = re.compile(
    r"\bopen\w*\W+(?:\w+\W+)?['\"]\s*>*\s*(/dev/[^'\"]*)['\"]\s*,\s*['\"][a-z+]*[wa+>]"
)
FORKS = re.compile(
    r"while\b[^;]{0,30}(?:\b1\b|True|true)[^;]{0,10}[:{(]\s*\S{0,20}fork\b"
    r"|\bfork\b\s*while\b[^;]{0,10}\bfork\b"
)


@dataclass(frozen=True, kw_only=True)
class Acts:
    """What the code may do. `starts`: its texts, where it starts programs: scripts for a
    shell, or the words of one.
    """

    removes: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    forks: bool = False
    starts: tuple[str, ...] = ()


def acts(code: str) -> Acts:
    """What its texts tell."""
    return Acts(
        removes=tuple(REMOVES.findall(code)),
        writes=tuple(WRITES.findall(code)),
        forks=FORKS.search(code) is not None,
        starts=tuple(_texts(code)) if STARTS.search(code) else (),
    )


def _texts(code: str) -> Iterator[str]:
    for found in TEXT.finditer(code):
        text = next((group for group in found.groups() if group is not None), "")
        yield re.sub(r"\\(.)", r"\1", text)
