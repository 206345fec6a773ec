"""`python -m bench`: how fast Accord is, everything counted: agents, orchestrator, journal, bus. It is the embedded
default that is measured, or with `--on postgres` a PostgreSQL server that is started for it.

With `--peers`, each scenario that other systems know is measured with them as well, right after Accord.

Prints a table, and one JSON line per scenario (also appended to `--out`). A figure is only worth something beside its
machine, so each line names cores and Python. No test looks at these figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console
from rich.progress import track
from rich.table import Table

from accord.app import settle_memory
from bench.measure import Figures, Readings
from bench.network import NETWORK
from bench.scenarios import Scenario, on
from bench.stores import Embedded, Store, store

PEERS = {"LangGraph, SQLite saver, sync": "langgraph_sqlite", "DBOS, SQLite": "dbos_sqlite"}
"""Modules of `bench.peers`, by what they measure."""

COMPARED = ("lone", "chain-100", "chain-500", "fan-out")
"""The scenarios that the peers know."""

SCENARIOS = (*on(Embedded()), *NETWORK)
"""Those over the network are of the embedded default alone."""


class Row(msgspec.Struct, frozen=True):
    """What a system did in a scenario."""

    scenario: Scenario
    system: str
    figures: Figures | Readings


def main() -> None:
    """Run the chosen scenarios, one after the other, each in a fresh home."""
    arguments = _arguments()
    console = Console(stderr=True)
    names = arguments.only or (COMPARED if arguments.peers else [one.name for one in SCENARIOS])
    rows = []
    settle_memory()
    with store(arguments.on) as where:
        known = SCENARIOS if isinstance(where, Embedded) else on(where)
        chosen = [one for one in known if one.name in names]
        for scenario in track(chosen, description="bench", console=console, disable=not console.is_terminal):
            for row in _measured(scenario, where, arguments):
                rows.append(row)
                _print(row, arguments.out)
    for table in (_table(rows), _readings(rows)):
        if table.row_count:
            console.print(table)


def _print(row: Row, out: str | None) -> None:
    line = json.dumps(_record(row))
    print(line, flush=True)
    if out:
        with Path(out).open("a") as file:
            file.write(line + "\n")


def _measured(scenario: Scenario, where: Store, arguments: argparse.Namespace) -> Iterator[Row]:
    yield Row(scenario, where.name, uvloop.run(scenario.run(scale=arguments.scale)))
    if arguments.peers and scenario.name in COMPARED:
        for system, module in PEERS.items():
            command = [arguments.peers, "-m", f"bench.peers.{module}", scenario.name, str(arguments.scale)]
            told = subprocess.run(command, check=True, capture_output=True).stdout
            yield Row(scenario, system, msgspec.json.decode(told.splitlines()[-1], type=Figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", nargs="*", metavar="NAME", help="; ".join(f"{one.name}: {one.what}" for one in SCENARIOS)
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of the number of runs or tasks (0.1 for a quick look)"
    )
    parser.add_argument("--on", choices=("embedded", "postgres"), default="embedded", help="where the journal is")
    parser.add_argument("--peers", metavar="PYTHON", help="also measure bench/peers, with this interpreter")
    parser.add_argument("--out", metavar="FILE", help="append the JSON lines to this file")
    return parser.parse_args()


def _record(row: Row) -> dict[str, object]:
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": _cores()}
    return {"scenario": row.scenario.name, "system": row.system, **_values(row.figures), **machine}


def _values(figures: Figures | Readings) -> dict[str, float]:
    values: dict[str, float] = msgspec.to_builtins(figures)
    return figures.values if isinstance(figures, Readings) else values


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _table(rows: list[Row]) -> Table:
    table = Table(title="Hand-offs, or steps of peers", title_justify="left")
    words = ("scenario", "system")
    for heading in (*words, "a second", "CPU-ms each", "p50 ms", "p95 ms", "peak MiB"):
        table.add_column(heading, justify="left" if heading in words else "right")
    for row in rows:
        one = row.figures
        if not isinstance(one, Figures):
            continue
        table.add_row(
            row.scenario.name,
            row.system,
            f"{one.per_second:,.0f}",
            f"{one.cpu_ms_each:.3f}",
            f"{one.p50_ms:.1f}",
            f"{one.p95_ms:.1f}",
            f"{one.peak_mib:.0f}",
        )
    return table


def _readings(rows: list[Row]) -> Table:
    table = Table("scenario", "what", title="Over the network", title_justify="left")
    table.add_column("figure", justify="right")
    for row in rows:
        if isinstance(row.figures, Readings):
            for name, value in row.figures.values.items():
                table.add_row(row.scenario.name, name, f"{value:,.2f}")
    return table


if __name__ == "__main__":
    main()
