"""The comparison as an SVG: a row for each system, a column of bars for each figure. Same figures, same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape, quoteattr

import msgspec

from bench.measure import Figures

NAMES = 244
"""The width of the column with the systems' names."""

COLUMN = 182
BAR = 112
"""The width of the longest bar of a column; its value stands behind it."""

TOP = 92
STEP = 30
THICK = 18
MARGIN = 20

STYLE = (
    "text{font-family:system-ui,'DejaVu Sans',sans-serif;font-size:13px;fill:#24303c}"
    ".title{font-size:16px;font-weight:600}.muted{font-size:12px;fill:#5d6b78}.own{font-weight:600}"
    ".ground{fill:#fdfdfc}rect.own{fill:#3b6ea8}rect.other{fill:#a9b4bf}.line{stroke:#dfe3e6}"
    "@media (prefers-color-scheme:dark){text{fill:#e6eaee}.muted{fill:#a3afba}.ground{fill:#171c21}"
    "rect.own{fill:#7aa9dd}rect.other{fill:#5d6b78}.line{stroke:#323b44}}"
)


class Column(msgspec.Struct, frozen=True):
    """One figure of all systems."""

    scenario: str
    title: str
    unit: str
    value: Callable[[Figures], float]
    digits: int = 0


COLUMNS = (
    Column("chain-500", "500 chains at once", "hand-offs a second", lambda one: one.per_second),
    Column("chain-500", "the same", "CPU-ms each: less is better", lambda one: one.cpu_ms_each, 2),
    Column("fan-out", "1 → 100 → 1, ten at once", "hand-offs a second", lambda one: one.per_second),
    Column("lone", "5 steps, alone", "ms, p50: less is better", lambda one: one.p50_ms, 1),
)


class Line(msgspec.Struct, frozen=True):
    """A system and what it did, by scenario."""

    name: str
    own: bool
    figures: dict[str, Figures]


def chart(title: str, description: str, lines: Sequence[Line]) -> str:
    """The drawing."""
    width, height = NAMES + COLUMN * len(COLUMNS), TOP + STEP * len(lines) + MARGIN
    body = [_text(MARGIN, 32, title, "title")]
    for row, line in enumerate(lines):
        body.append(_text(MARGIN, TOP + row * STEP + 14, line.name, "own" if line.own else "other"))
    for index, column in enumerate(COLUMNS):
        body += _column(NAMES + index * COLUMN, column, lines)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label={quoteattr(title)}>',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            f"<style>{STYLE}</style>",
            f'<rect class="ground" width="{width}" height="{height}" rx="6"/>',
            *body,
            "</svg>",
            "",
        )
    )


def _column(x: int, column: Column, lines: Sequence[Line]) -> list[str]:
    values = [
        column.value(line.figures[column.scenario]) if column.scenario in line.figures else None for line in lines
    ]
    longest = max((value for value in values if value is not None), default=0.0)
    bottom = TOP + STEP * len(lines) - (STEP - THICK)
    body = [
        _text(x, 58, column.title, "heading"),
        _text(x, 75, column.unit, "muted"),
        f'<line class="line" x1="{x}" y1="{TOP - 6}" x2="{x}" y2="{bottom + 6}"/>',
    ]
    for row, (line, value) in enumerate(zip(lines, values, strict=True)):
        y = TOP + row * STEP
        if value is None:
            body.append(_text(x + 6, y + 14, "not measured", "muted"))
            continue
        long = value / longest * BAR if longest > 0 else 0.0
        kind = "own" if line.own else "other"
        body.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{long:.1f}" height="{THICK}"/>')
        body.append(_text(x + long + 6, y + 14, f"{value:,.{column.digits}f}", kind))
    return body


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}">{escape(words)}</text>'
