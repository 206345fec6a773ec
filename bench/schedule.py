"""`python -m bench.schedule`: how long realistic workflows take, by how ready tasks are ordered; in simulated time.

The workflows are made by the recipes of WfCommons (Coleman et al., 2022; `pip install wfcommons`), which were learned
from traces of scientific workflows. Each is run by the real engine, on a simulated clock, by 16 agents that do one task
at a time and can do all. A task takes its time, and that of its files at 100 MB/s: all pass through the orchestrator.
How long a task takes is said nowhere in the template: it is known from earlier runs, or it is not.

    first     ranked, nothing is known yet of how long tasks take
    ranked    the same graph once more: tasks take as long as they did
    varied    the same once more: each takes longer or shorter than before (log-normal, 20 %)
    fifo      what was ready first is first
    level     level by level: what has fewer tasks before it is first

A makespan is compared with a bound that nobody can beat: whatever begins no earlier than after some time, and is
followed by at least some more, has to be done by 16 in between (Carlier, 1982). The plain bound, the longest way or
all the work by 16, whichever is more, is one of these; it is lower, and shown beside.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import re
import statistics
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from itertools import groupby
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from accord.domain.graph import node_of
from accord.domain.ids import Digest, TaskId
from accord.domain.run import Run
from accord.engine.dispatcher import Alike, Ranking
from accord.engine.node import Node
from accord.sdk import Agent
from accord.templates.reading import read_source
from accord.testing.watch import Unwatched
from accord.testing.world import World, simulated

RECIPES: Final = ("Blast", "Bwa", "Cycles", "Epigenomics", "Genome", "Montage", "Seismology", "Soykb", "Srasearch")
AGENTS: Final = 16
MEAN_S: Final = 10.0
"""The mean of how long a task takes: times are scaled to it, so that the engine's own time counts alike in all."""
BYTES_PER_S: Final = 100e6
VARIED: Final = 0.2

WAYS: Final = ("first", "ranked", "varied", "fifo", "level")


class Job(msgspec.Struct, frozen=True):
    """A task of a workflow."""

    program: str
    seconds: float
    """With the transfer of what it takes and gives."""
    needs: tuple[str, ...]


Workflow = dict[str, Job]


class Row(msgspec.Struct, frozen=True):
    """What was measured of one workflow."""

    recipe: str
    seed: int
    asked: int
    """About so many tasks were asked for."""
    tasks: int
    bound_s: float
    plain_bound_s: float
    took: dict[str, float]
    """By way: how often the bound the makespan is."""
    took_plain: dict[str, float]
    """The same by the plain bound."""


def workflow(recipe: str, tasks: int, seed: int) -> Workflow:
    """A workflow of about so many tasks, in an order in which they could run."""
    import networkx  # noqa: PLC0415 - it comes with wfcommons
    import numpy  # noqa: PLC0415 - it comes with wfcommons
    from wfcommons import WorkflowGenerator  # noqa: PLC0415 - nothing else needs it
    from wfcommons.wfchef import recipes  # noqa: PLC0415 - as above

    random.seed(seed)
    numpy.random.seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the traces that the recipes were learned from
        made = WorkflowGenerator(getattr(recipes, f"{recipe}Recipe").from_num_tasks(tasks)).build_workflow()
    took = {name: _took_alone_s(task) for name, task in made.tasks.items()}
    scale = MEAN_S / statistics.mean(took.values())
    return {
        _plain(name): Job(
            program=f"wf.{_plain(made.tasks[name].program or name)}",
            seconds=max(took[name] * scale, 0.1),
            needs=tuple(map(_plain, made.predecessors(name))),
        )
        for name in networkx.topological_sort(made)
    }


def _took_alone_s(task: Any) -> float:
    transferred = sum(file.size for file in (*task.input_files, *task.output_files))
    return float(task.runtime) + transferred / BYTES_PER_S


def _plain(name: str) -> str:
    return "t" + re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60]


def bounds_s(jobs: Workflow) -> tuple[float, float]:
    """Faster than the first nobody is; the second is the plain one."""
    heads: dict[str, float] = {}
    for name, job in jobs.items():
        heads[name] = max((heads[need] + jobs[need].seconds for need in job.needs), default=0.0)
    tails = dict.fromkeys(jobs, 0.0)
    for name in reversed(jobs):
        for need in jobs[name].needs:
            tails[need] = max(tails[need], tails[name] + jobs[name].seconds)
    longest = max(heads[name] + jobs[name].seconds + tails[name] for name in jobs)
    plain = max(longest, sum(job.seconds for job in jobs.values()) / AGENTS)
    return max(plain, *_between(jobs, heads, tails)), plain


def _between(jobs: Workflow, heads: Mapping[str, float], tails: Mapping[str, float]) -> Iterator[float]:
    """For each head and tail: they, and the work between them by all agents."""
    for head in set(heads.values()):
        work = 0.0
        for name in sorted((name for name in jobs if heads[name] >= head), key=lambda name: -tails[name]):
            work += jobs[name].seconds
            yield head + work / AGENTS + tails[name]


class ByLevel:
    """What has fewer tasks before it is more urgent."""

    def __init__(self, jobs: Workflow) -> None:
        self._levels: dict[str, int] = {}
        for name, job in jobs.items():
            self._levels[name] = 1 + max((self._levels[need] for need in job.needs), default=0)

    def of(self, run: Run, task: TaskId) -> float:
        """The fewer levels before it, the more."""
        return -float(self._levels[node_of(task)])

    def edition(self, run: Run) -> int:
        """Always the same."""
        return 0


def measured(recipe: str, seed: int, tasks: int, ways: tuple[str, ...]) -> Row:
    """What one workflow takes, in each of these ways; `first` comes first where others need what it tells."""
    jobs = workflow(recipe, tasks, seed)
    rng = random.Random(seed)  # noqa: S311 - a measurement, not a secret
    varied = {
        name: msgspec.structs.replace(job, seconds=job.seconds * math.exp(rng.gauss(0, VARIED)))
        for name, job in jobs.items()
    }
    played = {way: varied if way == "varied" else jobs for way in WAYS if way in ways or way == "first"}
    took_s = makespans(played, seed)
    bounds = {way: bounds_s(one) for way, one in played.items()}
    return Row(
        recipe,
        seed,
        tasks,
        len(jobs),
        *bounds_s(jobs),
        took={way: took_s[way] / bounds[way][0] for way in ways},
        took_plain={way: took_s[way] / bounds[way][1] for way in ways},
    )


def makespans(played: Mapping[str, Workflow], seed: int) -> dict[str, float]:
    """How many seconds the workflow takes, one way after the other."""

    async def play(world: World) -> dict[str, float]:
        slow = {
            "lease": timedelta(minutes=2),
            "absent_after": timedelta(minutes=5),
            "partition_ttl": timedelta(hours=1),
        }
        world.tuning = msgspec.structs.replace(world.tuning, **slow)
        world.heartbeat = timedelta(minutes=1)
        node, jobs = await world.start(), played["first"]
        times = dict[str, float]()
        for number in range(AGENTS):
            agent = _agent(number, sorted({job.program for job in jobs.values()}), times)
            await world.hire(agent)
            await node.present(agent.id)
        source = read_source(msgspec.json.encode(_template(jobs)).decode())
        digest = await node.publish(source.template, source.data)
        others: dict[str, Ranking] = {"fifo": Alike(), "level": ByLevel(jobs)}
        took_s: dict[str, float] = {}
        for way, ones in played.items():
            times.update((name, job.seconds) for name, job in ones.items())
            node.parts.dispatcher.ranks = others.get(way, node.parts.ranks)
            took_s[way] = await _took_s(node, digest)
        return took_s

    return simulated(seed, play, Unwatched)


async def _took_s(node: Node, digest: Digest) -> float:
    run = await node.ended((await node.start_run(digest, {})).id)
    if run.phase != "completed":
        raise SystemExit(f"the run is {run.phase}: {run.problem}")
    return (run.updated_at - run.started.at).total_seconds()


def _agent(number: int, programs: Iterable[str], times: Mapping[str, float]) -> Agent:
    agent = Agent(f"worker-{number}", concurrency=1, queue=0)

    async def work(job: str) -> None:
        await asyncio.sleep(times[job])

    for program in programs:
        agent.capability(f"{program}@1.0.0", description="Takes its time.")(work)
    return agent


def _template(jobs: Workflow) -> dict[str, Any]:
    return {
        "accord": "template/1",
        "name": "workflow",
        "version": "1.0.0",
        "input": {"type": "object"},
        "tasks": {
            name: {"uses": f"{job.program}@^1", "with": {"job": name}, "needs": list(job.needs)}
            for name, job in jobs.items()
        },
        "output": {},
    }


def _table(rows: Sequence[Row], ways: Sequence[str]) -> Table:
    table = Table("workflow", "tasks", "bound s", *ways, title=f"makespan / lower bound, {AGENTS} agents")
    for row in rows:
        figures = (f"{row.took[way]:.3f}" for way in ways)
        table.add_row(f"{row.recipe} {row.seed}", str(row.tasks), f"{row.bound_s:.0f}", *figures)
    table.add_section()
    table.add_row("mean", "", "", *(f"{statistics.mean(row.took[way] for row in rows):.3f}" for way in ways))
    table.add_row("worst", "", "", *(f"{max(row.took[way] for row in rows):.3f}" for way in ways))
    plain = (f"{statistics.mean(row.took_plain[way] for row in rows):.3f}" for way in ways)
    table.add_row("mean, plain bound", "", "", *plain)
    return table


def _measured_before(file: Path | None, tasks: int, ways: Iterable[str]) -> dict[tuple[str, int], Row]:
    """What the file tells of workflows of this size, as far as it has all of the ways."""
    if file is None or not file.exists():
        return {}
    rows = (msgspec.json.decode(line, type=Row) for line in file.read_text("utf-8").splitlines())
    return {(row.recipe, row.seed): row for row in rows if row.asked == tasks and set(ways) <= row.took.keys()}


def _rows(asked: Iterable[tuple[str, int]], tasks: int, ways: tuple[str, ...]) -> Iterator[Row]:
    """What is measured, as it comes: each recipe in a process of its own, one at a time."""
    for _, ones in groupby(asked, itemgetter(0)):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            for recipe, seed in ones:
                yield process.submit(measured, recipe, seed, tasks, ways).result()


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=150, help="about so many tasks in each workflow")
    parser.add_argument("--seeds", type=int, default=2, help="so many workflows of each recipe")
    parser.add_argument("--only", choices=RECIPES, nargs="+", default=RECIPES, help="these recipes")
    parser.add_argument("--ways", choices=WAYS, nargs="+", default=WAYS, help="these ways")
    out = "append JSON lines to this file as they come; what it has already is not measured again"
    parser.add_argument("--out", type=Path, metavar="FILE", help=out)
    given = parser.parse_args()
    ways = tuple(way for way in WAYS if way in given.ways)
    known = _measured_before(given.out, given.tasks, ways)
    asked = [(recipe, seed) for recipe in given.only for seed in range(1, given.seeds + 1)]
    missing = [one for one in asked if one not in known]
    errors = Console(stderr=True)
    rows = _rows(missing, given.tasks, ways)
    for row in track(rows, "schedule", len(missing), console=errors, disable=not errors.is_terminal):
        known[row.recipe, row.seed] = row
        if given.out is not None:
            with given.out.open("ab") as file:
                file.write(msgspec.json.encode(row) + b"\n")
    Console().print(_table([known[one] for one in asked], ways))


if __name__ == "__main__":
    main()
