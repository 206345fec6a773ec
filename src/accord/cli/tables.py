"""Tables in a terminal: what gives way first where it is too narrow for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

GAP: Final = 2
"""Columns of the terminal between those of a table."""

LAST_LEAST: Final = 20
"""Columns of the terminal that the last column needs before the others give way, too."""

END: Final = 8
"""Letters of a run's id that tell it from its neighbours; commands take them for the whole."""

KEY_BEGINNING: Final = 12
"""Letters of a key's id that tell it from others; commands take them for the whole."""


class Column(msgspec.Struct, frozen=True):
    """A column that gives way where there is no room for it."""

    name: str
    short: Callable[[Text], Text] | None = None
    """A cell in fewer letters: of an id, what commands still take for the whole."""
    spare: int = 0
    """Columns with a number are left out where nothing else helps, 1 first; those with 0 never are."""


def fitted(columns: Sequence[str | Column], rows: Sequence[Sequence[Text]], room: int, *, wraps: bool = True) -> Table:
    """A table in so many columns of a terminal, without lines but the one under its head.

    Until it fits, this gives way, one after the other: the last column, down to `LAST_LEAST`; from the left, cells that
    can be said shorter; columns that can be spared; then whatever is widest. The last column is folded, or cut; the
    others are folded.
    """
    named = [one if isinstance(one, Column) else Column(one) for one in columns]
    strips = _spared([_Strip(column, [row[at] for row in rows]) for at, column in enumerate(named)], room)
    widths = _widths(strips, room)
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="quiet", padding=(0, GAP - 1, 0, 0)
    )
    for strip, width in zip(strips, widths, strict=True):
        cuts = strip is strips[-1] and not wraps
        table.add_column(strip.column.name, overflow="ellipsis" if cuts else "fold", no_wrap=cuts, width=width)
    for row in zip(*(strip.cells for strip in strips), strict=True):
        table.add_row(*row)
    return table


class _Strip(msgspec.Struct, frozen=True):
    """A column with its cells."""

    column: Column
    cells: list[Text]

    @property
    def width(self) -> int:
        """Columns of the terminal that it needs."""
        return max(_width(cell) for cell in (Text(self.column.name), *self.cells))


def _spared(strips: list[_Strip], room: int) -> list[_Strip]:
    """What is shown: shortened, and without what can be spared, as far as is needed."""
    for strip in list(strips):
        if _needed(strips) > room and strip.column.short is not None:
            short = _Strip(strip.column, [strip.column.short(cell) for cell in strip.cells])
            strips = [short if one is strip else one for one in strips]
    for number in sorted({strip.column.spare for strip in strips} - {0}):
        if _needed(strips) > room:
            strips = [one for one in strips if one.column.spare != number]
    return strips


def _needed(strips: Sequence[_Strip]) -> int:
    """Columns of the terminal without which something else than the end is folded."""
    *others, last = strips
    least = last.width if last.column.short is not None else min(last.width, LAST_LEAST)
    return sum(strip.width for strip in others) + GAP * len(others) + least


def _widths(strips: Sequence[_Strip], room: int) -> list[int]:
    """How wide each column is: the last one takes what is left; where that is too little, the widest ones give way."""
    widths = [strip.width for strip in strips]
    room -= GAP * (len(strips) - 1)
    least = min(widths[-1], LAST_LEAST)
    widths[-1] = min(widths[-1], max(room - sum(widths[:-1]), least))
    while sum(widths) > room and max(widths) > 1:
        widest = max(range(len(widths)), key=lambda at: widths[at])
        widths[widest] -= 1
    return widths


def _width(cell: Text) -> int:
    return max((part.cell_len for part in cell.split("\n")), default=0)


def end_of_id(cell: Text) -> Text:
    """The end of a run's id."""
    return cell[-END:] if len(cell) > END else cell


def beginning_of_key(cell: Text) -> Text:
    """The beginning of a key's id."""
    return cell[:KEY_BEGINNING] if len(cell) > KEY_BEGINNING else cell


def without_year(cell: Text) -> Text:
    """`11-23 14:03` of `2026-11-23 14:03:07`."""
    return cell[5:-3] if len(cell) == len("2026-11-23 14:03:07") else cell
