"""Charts as SVG: small, accessible (title and description), readable on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

WIDTH = 760
_LABEL = 150
_RIGHT = 60
_ROUND_END = 20
"""Beside what stands at the end of a bar."""
_PER_LETTER = 8.2
_MARK_APART = 14
"""Between marks that would cover each other."""
_BAR = 26
_STEP = 40
_TOP = 58
_LIGHT = ("#3b6ea8", "#d1802f", "#4f9a62", "#a75a8b", "#7d6bb5", "#c2a52f", "#4aa3a8", "#b85450", "#7b8794")
_DARK = ("#7aa9dd", "#eda65c", "#86c795", "#d692bd", "#ab9de0", "#e6cf6a", "#7fd0d4", "#e58b87", "#a9b4bf")


@dataclass(frozen=True)
class Bar:
    """One row: a label, the parts that make up its length, and what stands at its end."""

    label: str
    parts: tuple[float, ...]
    end: str
    pale: bool = False
    """Whether it is not to be held against the others."""


@dataclass(frozen=True)
class DotRow:
    """One row of a dot plot: a label and each series' value; None where it is not known."""

    label: str
    values: tuple[float | None, ...]


def bar_chart(title: str, description: str, bars: Sequence[Bar], legend: Sequence[str], full: float) -> str:
    """Horizontal bars, stacked by the parts that `legend` names; a bar of `full` reaches the right end."""
    right = min(max([_RIGHT, *(_ROUND_END + _PER_LETTER * len(bar.end) for bar in bars)]), WIDTH / 3)
    scale = (WIDTH - _LABEL - right) / full if full > 0 else 0.0
    key, top = _legend(legend, range(len(legend)))
    body = [*key, *_grid(full, scale, top, len(bars))]
    for row, bar in enumerate(bars):
        y = top + row * _STEP
        body.append(_text(_LABEL - 10, y + _BAR * 0.68, bar.label, "label", "end"))
        x = float(_LABEL)
        for index, part in enumerate(bar.parts):
            width = part * scale
            if width > 0:
                hint = f"{legend[index]}: {part:.1f}" if index < len(legend) else f"{part:.1f}"
                colour = f"c{index % len(_LIGHT)}" + (" pale" if bar.pale else "")
                body.append(_rectangle(x, y, width, colour, hint))
            x += width
        body.append(_text(x + 8, y + _BAR * 0.68, bar.end, "value", "start"))
    return _drawing(title, description, body, top + len(bars) * _STEP + 26)


def dot_plot(title: str, description: str, rows: Sequence[DotRow], series: Sequence[str]) -> str:
    """One line from 0 to 100 per row, a dot of its own colour and shape per series."""
    scale = (WIDTH - _LABEL - _RIGHT) / 100
    key, top = _legend(series, range(len(series)), shapes=True)
    body = [*key, *_grid(100, scale, top, len(rows))]
    for number, row in enumerate(rows):
        y = top + number * _STEP + _BAR / 2
        known = [value for value in row.values if value is not None]
        body.append(_text(_LABEL - 16, y + 5, row.label, "label", "end"))
        if not known:
            body.append(_text(_LABEL + 8, y + 5, "not known", "muted", "start"))
            continue
        body.append(_line(_LABEL + min(known) * scale, y, _LABEL + max(known) * scale, y, "range"))
        body += _dots(row.values, series, y, scale)
    return _drawing(title, description, body, top + len(rows) * _STEP + 26)


def _dots(values: Iterable[float | None], series: Sequence[str], y: float, scale: float) -> list[str]:
    """The dots of one row; those that would cover each other are set above and below the line."""
    placed: list[float] = []
    dots = []
    for index, value in enumerate(values):
        if value is None:
            continue
        x = _LABEL + value * scale
        close = sum(abs(x - other) < 13 for other in placed)
        placed.append(x)
        offset = (0, -_MARK_APART, _MARK_APART)[close % 3]
        dots.append(_mark(index, x, y + offset, f"{series[index]}: {value:.0f}"))
    return dots


def _legend(names: Sequence[str], colours: Iterable[int], *, shapes: bool = False) -> tuple[list[str], int]:
    """The key below the title, wrapped to the width, and where the drawing below it begins."""
    parts, x, y = [], 20.0, _TOP
    for colour, name in zip(colours, names, strict=True):
        width = 26 + 7.2 * len(name)
        if x + width > WIDTH - 20 and x > 20:
            x, y = 20.0, y + 22
        mark = (
            _mark(colour, x + 6, y - 5, name)
            if shapes
            else f'<rect class="c{colour % len(_LIGHT)}" x="{x:g}" y="{y - 11}" width="12" height="12" rx="2"/>'
        )
        parts += [mark, _text(x + 18, y, name, "muted", "start")]
        x += width + 8
    return parts, y + 22 if names else _TOP


def _mark(index: int, x: float, y: float, hint: str) -> str:
    colour, label = f"c{index % len(_LIGHT)}", f"<title>{_clean(hint)}</title>"
    if index % 3 == 0:
        return f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="6.5">{label}</circle>'
    if index % 3 == 1:
        return f'<rect class="{colour}" x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12">{label}</rect>'
    points = f"{x:.1f},{y - 8:.1f} {x + 8:.1f},{y:.1f} {x:.1f},{y + 8:.1f} {x - 8:.1f},{y:.1f}"
    return f'<polygon class="{colour}" points="{points}">{label}</polygon>'


def _grid(full: float, scale: float, top: int, rows: int) -> list[str]:
    bottom = top + rows * _STEP
    parts = []
    for quarter in range(5):
        value = full * quarter / 4
        x = _LABEL + value * scale
        parts.append(_line(x, top - 6, x, bottom, "grid"))
        parts.append(_text(x, bottom + 16, f"{value:,.0f}" if full >= 4 else f"{value:g}", "muted", "middle"))
    return parts


def _rectangle(x: float, y: float, width: float, colour: str, hint: str) -> str:
    return (
        f'<rect class="{colour}" x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{_BAR}">'
        f"<title>{_clean(hint)}</title></rect>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, kind: str, anchor: str) -> str:
    short = words if len(words) <= 60 or kind != "label" else f"{words[:59]}…"
    short = f"{short[:19]}…" if kind == "label" and len(short) > 20 else short
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_clean(short)}</text>'


def _clean(words: str) -> str:
    """`words` escaped, without the control characters that XML 1.0 forbids."""
    return escape("".join(one for one in words if one.isprintable()))


def _drawing(title: str, description: str, body: Sequence[str], height: int) -> str:
    label = quoteattr(_clean(title))
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-label={label}>',
            f"<title>{_clean(title)}</title>",
            f"<desc>{_clean(description)}</desc>",
            f"<style>{_style()}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>',
            _text(20, 30, title, "title", "start"),
            *body,
            "</svg>",
            "",
        )
    )


def _style() -> str:
    return (
        "text{font-family:system-ui,'DejaVu Sans',sans-serif;font-size:13px;fill:#24303c}"
        ".pale{opacity:.4}.title{font-size:16px;font-weight:600}.value{font-weight:600}.muted{font-size:12px;fill:#5d6b78}"
        ".ground{fill:#fdfdfc}.grid{stroke:#dfe3e6;stroke-width:1}.range{stroke:#b9c2c9;stroke-width:3}"
        + _colours(_LIGHT)
        + "@media (prefers-color-scheme:dark){text{fill:#e6eaee}.muted{fill:#a3afba}.ground{fill:#171c21}"
        ".grid{stroke:#323b44}.range{stroke:#4d5965}" + _colours(_DARK) + "}"
    )


def _colours(palette: Sequence[str]) -> str:
    return "".join(f".c{number}{{fill:{colour}}}" for number, colour in enumerate(palette))
