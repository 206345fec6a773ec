"""`python -m bench`: how fast the embedded default is, everything counted: agents, orchestrator, journal, bus.

Prints a table, and one JSON line per scenario (also appended to `--out`). A figure is only worth something beside its
machine, so each line names cores and Python. No test looks at these figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console
from rich.progress import track
from rich.table import Table

from accord.app import settle_memory
from bench.measure import Figures
from bench.scenarios import SCENARIOS, Scenario


def main() -> None:
    """Run the chosen scenarios, one after the other, each in a fresh home."""
    arguments = _arguments()
    console = Console(stderr=True)
    chosen = [one for one in SCENARIOS if not arguments.only or one.name in arguments.only]
    rows = []
    settle_memory()
    for scenario in track(chosen, description="bench", console=console, disable=not console.is_terminal):
        figures = uvloop.run(scenario.run(scale=arguments.scale))
        rows.append((scenario, figures))
        line = json.dumps(_record(scenario, figures))
        print(line, flush=True)
        if arguments.out:
            with Path(arguments.out).open("a") as out:
                out.write(line + "\n")
    console.print(_table(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="*", metavar="NAME", help=", ".join(one.name for one in SCENARIOS))
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of the number of runs or tasks (0.1 for a quick look)"
    )
    parser.add_argument("--out", metavar="FILE", help="append the JSON lines to this file")
    return parser.parse_args()


def _record(scenario: Scenario, figures: Figures) -> dict[str, object]:
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": _cores()}
    return {"scenario": scenario.name, "system": "accord embedded", **msgspec.to_builtins(figures), **machine}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _table(rows: list[tuple[Scenario, Figures]]) -> Table:
    table = Table(title="Accord, embedded default", title_justify="left")
    for heading in ("scenario", "what", "hand-offs/s", "CPU-ms each", "p50 ms", "p95 ms", "peak MiB"):
        table.add_column(heading, justify="left" if heading in ("scenario", "what") else "right")
    for scenario, one in rows:
        table.add_row(
            scenario.name,
            scenario.what,
            f"{one.per_second:,.0f}",
            f"{one.cpu_ms_each:.3f}",
            f"{one.p50_ms:.1f}",
            f"{one.p95_ms:.1f}",
            f"{one.peak_mib:.0f}",
        )
    return table


if __name__ == "__main__":
    main()
