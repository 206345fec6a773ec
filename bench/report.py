"""What was measured, for people: tables on the screen, and the comparison in the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from bench.chart import Line, chart
from bench.compare import SYSTEMS, Row, System
from bench.measure import Figures, Readings
from bench.peers.load import LOADS

CHART = Path("docs/images/comparison.svg")
PAGE = Path("docs/explanation/speed.md")
BEGINS, ENDS = "<!-- comparison: written by scripts/bench -->", "<!-- end of comparison -->"
"""What is between them in the page is written anew."""

HEADINGS = ("/s", "CPU-ms", "p50 ms", "p95 ms", "MiB")


def figures_table(rows: Iterable[tuple[str, str, Figures]]) -> Table:
    """Scenario, system and figures: hand-offs a second, CPU-ms for each, times of whole runs, and what all counted
    processes hold in memory at the end.
    """
    table = Table(
        "scenario",
        "system",
        title="Hand-offs, or steps of peers",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for scenario, system, one in rows:
        mib = one.peak_mib if one.held_mib is None else one.held_mib
        values = (f"{one.per_second:,.0f}", f"{one.cpu_ms_each:.3f}", f"{one.p50_ms:.1f}", f"{one.p95_ms:.1f}")
        table.add_row(scenario, system, *values, f"{mib:.0f}")
    return table


def readings_table(rows: Iterable[tuple[str, Readings]]) -> Table:
    """Scenario, what, figure."""
    table = Table("scenario", "what", title="Other figures", title_justify="left")
    table.add_column("figure", justify="right")
    for scenario, readings in rows:
        for name, value in readings.values.items():
            table.add_row(scenario, name, f"{value:,.2f}")
    return table


def read(file: str) -> list[Row]:
    """What was measured, from its JSON lines."""
    return [msgspec.json.decode(line, type=Row) for line in Path(file).read_text("utf-8").splitlines()]


def write(rows: Sequence[Row]) -> None:
    """The comparison's chart and tables, into the documentation. Raises ValueError where the page has no place."""
    CHART.write_text(chart("Accord and others, side by side", _described(rows), _lines(rows)), "utf-8")
    before, begins, rest = PAGE.read_text("utf-8").partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not begins or not ends:
        raise ValueError(f"{PAGE} has no place for the comparison: {BEGINS} … {ENDS}")
    PAGE.write_text(f"{before}{BEGINS}\n\n{markdown(rows)}\n{ENDS}{after}", "utf-8")


def markdown(rows: Sequence[Row]) -> str:
    """Figures, and what was measured how."""
    return "\n".join((_where(rows), "", *_figures(rows), "", *_setups(rows), ""))


def _where(rows: Sequence[Row]) -> str:
    first = rows[0].machine
    loads = [float(row.machine["load"]) for row in rows]
    busy = max(loads) > 2 * int(first["cores"])
    return (
        f"Measured at {first['at']}, with {first['cores']} cores ({first['machine']}) and Python {first['python']}. "
        f"When the systems began, the load average was between {min(loads):.1f} and {max(loads):.1f}; what the one "
        f"before had done is a part of that.{' The machine did other things besides: compare CPU time alone.' * busy}"
    )


def _figures(rows: Sequence[Row]) -> Iterable[str]:
    names = [name for name in LOADS if any(row.scenario == name for row in rows)]
    yield "| system | " + " | ".join(f"`{name}`" for name in names) + " | MiB |"
    yield "|---|" + "---|" * (len(names) + 1)
    for line in _lines(rows):
        cells = (_cell(name, line.figures.get(name)) for name in names)
        held = max(one.held_mib or one.peak_mib for one in line.figures.values())
        yield f"| {line.name} | {' | '.join(cells)} | {held:.0f} |"


def _cell(scenario: str, one: Figures | None) -> str:
    if one is None:
        return "-"
    first = f"{one.p50_ms:.1f} ms" if scenario == "lone" else f"{one.per_second:,.0f} /s"
    return f"{first}, {one.cpu_ms_each:.2f} CPU-ms"


def _setups(rows: Sequence[Row]) -> Iterable[str]:
    yield "| system | versions | how it was set up |"
    yield "|---|---|---|"
    for system, of in _by_system(rows):
        versions = ", ".join(f"{name} {value}" for name, value in of[-1].versions.items())
        yield f"| {system.name} | {versions} | {system.setup} |"


def _lines(rows: Sequence[Row]) -> list[Line]:
    return [Line(system.name, system.own, {row.scenario: row.figures for row in of}) for system, of in _by_system(rows)]


def _by_system(rows: Sequence[Row]) -> Iterable[tuple[System, list[Row]]]:
    """In their order; where a scenario was measured twice, the later row comes later."""
    for system in SYSTEMS:
        if of := [row for row in rows if row.system == system.key]:
            yield system, of


def _described(rows: Sequence[Row]) -> str:
    """The chart in words, for those who do not see it."""
    return "; ".join(
        f"{line.name}: {', '.join(f'{name} {_cell(name, one)}' for name, one in line.figures.items())}"
        for line in _lines(rows)
    )
