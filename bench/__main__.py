"""`python -m bench`: how fast Accord is, everything counted: agents, orchestrator, journal, bus. It is the embedded
default that is measured, or with `--on` servers that are started for it.

With `--compare`, Accord in all its forms and other systems are measured side by side, under the same load.

Prints a table, and one JSON line per scenario (also appended to `--out`). A figure is only worth something beside its
machine, so each line names cores and Python. No test looks at these figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console
from rich.progress import track

from accord.app import settle_memory
from bench.compare import SYSTEMS, Failed, Row, System, compared, machine
from bench.measure import Figures, Readings
from bench.network import NETWORK
from bench.overload import overload
from bench.peers.load import LOADS
from bench.policy import policy
from bench.report import figures_table, read, readings_table, write
from bench.scenarios import ON, Scenario, on
from bench.take_over import TAKE_OVER

POLICY = Scenario("policy", "what the decisions of a hand-off cost", policy)
OVERLOAD = Scenario("overload", "ten times the load that agents can take; in memory", overload)

SCENARIOS = (*on("embedded"), *NETWORK, POLICY, OVERLOAD, TAKE_OVER)
"""Those over the network, and under overload, are of the embedded default alone; a take-over is on PostgreSQL."""

CONSOLE = Console(stderr=True)


def main() -> int:
    """Measure what was asked for, one after the other; gives the exit code."""
    arguments = _arguments()
    if arguments.report:
        write(read(arguments.report))
        return 0
    return _compare(arguments) if arguments.compare is not None else _scenarios(arguments)


def _scenarios(arguments: argparse.Namespace) -> int:
    """Each in a fresh home."""
    figures: list[tuple[str, str, Figures]] = []
    readings: list[tuple[str, Readings]] = []
    system = f"Accord, {arguments.on}"
    known = SCENARIOS if arguments.on == "embedded" else on(arguments.on)
    chosen = [one for one in known if not arguments.only or one.name in arguments.only]
    settle_memory()
    for scenario in track(chosen, description="bench", console=CONSOLE, disable=not CONSOLE.is_terminal):
        found = uvloop.run(scenario.run(scale=arguments.scale))
        values = found.values if isinstance(found, Readings) else msgspec.to_builtins(found)
        _tell({"scenario": scenario.name, "system": system, **values, **machine()}, arguments.out)
        if isinstance(found, Figures):
            figures.append((scenario.name, system, found))
        else:
            readings.append((scenario.name, found))
    for table in (figures_table(figures), readings_table(readings)):
        if table.row_count:
            CONSOLE.print(table)
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    """All systems, or those that were named; 1 where one of them could not be measured."""
    rows: list[Row] = []
    failures: list[str] = []
    names = arguments.only or list(LOADS)
    for system in track(_systems(arguments.compare), "compare", console=CONSOLE, disable=not CONSOLE.is_terminal):
        try:
            for row in compared(system, names, arguments.scale):
                rows.append(row)
                _tell(row, arguments.out)
        except Failed as error:
            failures.append(str(error))
    rows.sort(key=lambda row: names.index(row.scenario))  # a scenario's rows beside each other
    labels = {system.key: system.name for system in SYSTEMS}
    CONSOLE.print(figures_table((row.scenario, labels[row.system], row.figures) for row in rows))
    for failure in failures:
        CONSOLE.print(f"not measured: {failure}", style="red", markup=False)
    if arguments.docs:
        write(rows)
    return 1 if failures else 0


def _systems(named: Sequence[str]) -> list[System]:
    return [system for system in SYSTEMS if (system.key in named if named else system.unasked)]


def _tell(line: object, out: str | None) -> None:
    text = msgspec.json.encode(line).decode()
    print(text, flush=True)
    if out:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        with Path(out).open("a") as file:
            file.write(text + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    what = "; ".join(f"{one.name}: {one.what}" for one in SCENARIOS)
    keys = ", ".join(system.key for system in SYSTEMS)
    parser.add_argument("--only", nargs="+", metavar="NAME", help=what, choices=[one.name for one in SCENARIOS])
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of the runs or tasks, or of the time (0.1 for a quick look)"
    )
    parser.add_argument("--on", choices=ON, default="embedded", help="where journal and bus are")
    parser.add_argument(
        "--compare",
        nargs="*",
        metavar="SYSTEM",
        choices=[system.key for system in SYSTEMS],
        help=f"measure {', '.join(LOADS)} for these systems: {keys}",
    )
    parser.add_argument("--out", metavar="FILE", help="append the JSON lines to this file")
    parser.add_argument("--docs", action="store_true", help="write chart and tables of --compare into docs/")
    parser.add_argument("--report", metavar="FILE", help="the same from this file's JSON lines; nothing is measured")
    arguments = parser.parse_args()
    if arguments.compare is not None and set(arguments.only or ()) - set(LOADS):
        parser.error(f"--compare knows these scenarios alone: {', '.join(LOADS)}")
    if arguments.docs and arguments.compare is None:
        parser.error("--docs goes with --compare")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
