"""`python -m bench.verify`: how long it takes to verify templates of 1 000 tasks, in seconds of the processor.

Each is verified as before its first run: nothing is remembered. They are made as applications of a kind are: a file is
read, rated, decided on and filed by agents, again and again; what is done depends on what was found.

    plain        tasks that hand records on
    conditions   as plain; 300 of them have a condition, all of them different
    lists        as plain; 200 of them do something for each item of a list
    choices      as conditions; 100 times two branches, declared to be exclusive
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from accord.domain.compile import compile_graph
from accord.domain.contract import compile_contract
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.template import Template
from accord.verifier.known import ContractTable
from accord.verifier.report import Report
from accord.verifier.verify import verify

KINDS: Final = ("plain", "conditions", "lists", "choices")
TASKS: Final = 1_000
STEPS: Final = 5
"""So many tasks an application has."""

TEXT: Final = {"type": "string", "maxLength": 200}
SCORE: Final = {"type": "integer", "minimum": 0, "maximum": 100}
FLAG: Final = {"type": "boolean"}


def record(**members: Any) -> dict[str, Any]:
    """The schema of a closed object, all of whose members are required."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def contracts() -> ContractTable:
    """What the agents keep."""
    parts = {"type": "array", "items": record(text=TEXT), "maxItems": 20}
    rated = record(score=SCORE, level={"enum": ["low", "middle", "high"]}, why=TEXT)
    made = {
        "file.read": (record(name=TEXT), record(text=TEXT, language=TEXT, parts=parts)),
        "text.rate": (record(text=TEXT, language=TEXT), rated),
        "part.rate": (record(text=TEXT), rated),
        "case.decide": (record(text=TEXT, score=SCORE, level=TEXT), record(ok=FLAG, note=TEXT)),
        "case.check": (record(text=TEXT, why=TEXT), record(sound=FLAG, note=TEXT)),
        "case.file": (record(name=TEXT, note=TEXT, sound=FLAG), record(number={"type": "integer"})),
    }
    return ContractTable(
        compile_contract(capability=name, version="1.0.0", input_schema=takes, output_schema=gives)
        for name, (takes, gives) in made.items()
    )


def template(kind: str, tasks: int = TASKS) -> Graph:
    """The graph of a template of so many tasks."""
    made: dict[str, Any] = {}
    choices: list[dict[str, Any]] = []
    for number in range(tasks // STEPS):
        made |= _application(kind, number)
        if kind == "choices" and number % 2 == 0:
            choices.append({"between": [f"decide{number}", f"check{number}"], "takes": "at_most_one"})
    source = {
        "accord": "template/1",
        "name": kind,
        "version": "1.0.0",
        "input": record(name=TEXT, limit=SCORE, urgent=FLAG),
        "tasks": made,
        "choices": choices,
        "output": {"first": "${ tasks.file0.output }"},
        "limits": {"tasks": 100_000},
    }
    return compile_graph(msgspec.convert(source, Template), Digest("0" * 64))


def _application(kind: str, number: int) -> dict[str, Any]:
    """The tasks of one of them; each begins once the one before is filed."""
    read, rate, decide, check, file = (f"{step}{number}" for step in ("read", "rate", "decide", "check", "file"))
    made: dict[str, Any] = {
        read: {"uses": "file.read@^1", "with": {"name": "${ input.name }"}},
        rate: {
            "uses": "text.rate@^1",
            "with": {"text": f"${{ tasks.{read}.output.text }}", "language": f"${{ tasks.{read}.output.language }}"},
        },
        decide: {
            "uses": "case.decide@^1",
            "with": {
                "text": f"${{ tasks.{read}.output.text }}",
                "score": f"${{ tasks.{rate}.output.score }}",
                "level": f"${{ tasks.{rate}.output.level }}",
            },
        },
        check: {
            "uses": "case.check@^1",
            "with": {"text": f"${{ tasks.{read}.output.text }}", "why": f"${{ tasks.{rate}.output.why }}"},
        },
        file: {
            "uses": "case.file@^1",
            "with": {
                "name": "${ input.name }",
                "note": f"${{ tasks.{decide}.?output.?note.orValue('none') }}",
                "sound": f"${{ tasks.{check}.?output.?sound.orValue(false) }}",
            },
            "join": "settled",
        },
    }
    if number:
        made[read]["needs"] = [f"file{number - 1}"]
    if kind == "lists":
        parts = f"${{ tasks.{read}.output.parts }}"
        made[rate] = {"uses": "part.rate@^1", "for_each": parts, "with": {"text": "${ item.text }"}}
        made[decide]["with"] |= {"score": 50, "level": "high"}
        made[check]["with"]["why"] = "whole"
    elif kind != "plain":
        score, level = f"tasks.{rate}.output.score", f"tasks.{rate}.output.level"
        made[decide]["when"] = f"${{ {score} >= {number % 60 + 20} || input.urgent && {level} == 'high' }}"
        if number % 2 == 0:
            made[check]["when"] = f"${{ {score} < {number % 60 + 20} && !(input.urgent && {level} == 'high') }}"
    return made


def verified(graph: Graph) -> tuple[Report, float, float]:
    """The report, and how many seconds it took: of the processor, and on the clock."""
    known, began, cpu = contracts(), time.perf_counter(), time.process_time()
    report = verify(graph, known)
    return report, time.process_time() - cpu, time.perf_counter() - began


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=TASKS, help="about so many tasks in each template")
    parser.add_argument("--times", type=int, default=3, help="so often each is verified; the median is told")
    parser.add_argument("--only", choices=KINDS, nargs="*", help="these templates")
    parser.add_argument("--profile", action="store_true", help="tell where the time goes, instead")
    arguments = parser.parse_args()
    console = Console()
    table = Table("template", "tasks", "edges", "proven", "errors", "warnings", "CPU s", "s")
    for kind in arguments.only or KINDS:
        graph = template(kind, arguments.tasks)
        if arguments.profile:
            with cProfile.Profile() as profile:
                verified(graph)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            continue
        found = sorted((verified(graph) for _ in range(arguments.times)), key=lambda one: one[1])
        report, cpu, clock = found[len(found) // 2]
        counts = (len(graph.tasks), report.edges, report.proven, len(report.errors), len(report.warnings))
        table.add_row(kind, *map(str, counts), f"{cpu:.2f}", f"{clock:.2f}")
    if not arguments.profile:
        console.print(table)


if __name__ == "__main__":
    main()
