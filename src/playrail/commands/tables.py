"""Tables for people."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

WIDE = 200  # columns


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: Collection[str] = ()
) -> None:
    """Print the rows. Cells are wrapped where a terminal is too narrow, those in the
    columns `whole` last of all.
    """
    headed = (Column(name, overflow="fold", no_wrap=name in whole) for name in columns)
    table = Table(*headed, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for row in rows:
        table.add_row(*map(Text, row))
    # Where a program reads it, it is not wrapped at 80 columns.
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
