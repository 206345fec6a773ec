"""Estimates: how long a run of a graph takes and what it costs, with intervals, by what is known from earlier runs.

Runs are played, with what tasks took before: see `accord.planner.lots`. Tasks that share agents queue for them, the
first come first. What is drawn for a task does not depend on other tasks, and places are taken level by level, in an
order that a further task behind the others does not change: so no run gets shorter by it (for one queue see Kiefer and
Wolfowitz, "On the Theory of Queues with Many Servers", 1955).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from accord.domain.cost import shortest
from accord.domain.experience import Experience
from accord.domain.graph import Graph, Task
from accord.domain.ids import RunId, TaskId
from accord.planner.lots import Basis, Lots

DRAWS: Final = 200
"""So many runs are played; fewer of a large graph."""
FEWEST: Final = 30
EFFORT: Final = 8_000
"""About so many tasks and items are played in all."""

ITEMS: Final = 64
"""Of more items, so many are played, each in the place of several."""
PLACES: Final = 256
"""Of more places, so many are played, each in the place of several."""


class Interval(msgspec.Struct, frozen=True):
    """A tenth of the runs stay below `p10`, half of them below `p50`, nine tenths below `p90`."""

    p10: float
    p50: float
    p90: float


class CostInterval(msgspec.Struct, frozen=True):
    """The same of a cost."""

    p10: Decimal
    p50: Decimal
    p90: Decimal


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Agents that are here and share their places: capabilities that one agent offers are in one pool."""

    capabilities: frozenset[str]
    places: int
    """Attempts that all of them work on at a time."""
    ahead: int = 0
    """Attempts that they have already."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What else is known of a run before it begins."""

    pools: tuple[Pool, ...] = ()
    """Who is here. For a capability that nobody offers, tasks wait as long as they did before."""
    widths: Mapping[TaskId, int] = {}
    """How many items a `for_each` has, where the input says it."""
    prices: Mapping[str, Decimal] = {}
    """What an attempt costs at most by the contracts, by the name of the capability."""


class TaskEstimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is expected of one task."""

    task: TaskId
    time_s: Interval | None = None
    """From when it can begin to its end; None where that is not known."""
    each_s: Interval | None = None
    """Of one item, where it is not known how many there are."""
    cost: CostInterval | None = None
    """None where nobody has said one."""
    basis: Basis = "none"
    """What the time rests on."""
    known: int = 0
    """So many attempts, or runs, it rests on."""
    declared: bool = False
    """Whether the cost is the most by the contract: no agent has told one yet."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is expected of a run."""

    time_s: Interval | None = None
    """Without the tasks of `unknown`, which come on top; None where no task's is known."""
    cost: CostInterval | None = None
    """Of the tasks of which one is known; None where none is."""
    completes: float | None = None
    """The share of the runs played in which no task failed for good; None where no attempt is known."""
    unknown: tuple[TaskId, ...] = ()
    """Tasks of whose time nothing is known: nobody has done them before, and nothing is declared."""
    tasks: tuple[TaskEstimate, ...] = ()
    """In the order of the graph."""
    runs: int = 0
    """So many earlier runs the times and costs of all tasks rest on together."""
    draws: int = 0
    """So many runs were played."""


_NOTHING_GIVEN: Final = Given()


def estimate(graph: Graph, known: Experience, given: Given = _NOTHING_GIVEN, *, seed: str = "") -> Estimate:
    """What a run of the graph takes and costs; the same for the same arguments."""
    size = sum(min(given.widths.get(task, 1), ITEMS) for task in graph.order)
    draws = max(min(DRAWS, EFFORT // max(size, 1)), FEWEST)
    game = _Game(graph, known, given, seed, draws)
    for draw in range(draws):
        game.play(draw)
    return game.told()


class _Column(msgspec.Struct):
    """What one task took in each of the runs."""

    time_s: list[float]
    cost: list[float]


class _Game:
    """Runs that are played."""

    def __init__(self, graph: Graph, known: Experience, given: Given, seed: str, draws: int) -> None:
        lots = Lots(graph, known, given.prices, seed, draws)
        pools = {name: at for at, pool in enumerate(given.pools) for name in pool.capabilities}
        self._graph = graph
        self._lots = lots.all(pools, given.widths)
        self._skipped = known.skipped
        self._order = _by_level(graph)
        self._rngs = {name: random.Random(f"{seed}/{name}") for name in graph.order}  # noqa: S311 - no secret
        self._chance = random.Random(f"{seed}/skipped")  # noqa: S311 - no secret rests on it
        self._pools = [_begun(pool, lots.mean_s(pool.capabilities)) for pool in given.pools]
        self._columns = {name: _Column([], []) for name in graph.order}
        self._time_s: list[float] = []
        self._cost: list[float] = []
        self._completed = 0

    def play(self, draw: int) -> None:
        """Play one run."""
        pools = [list(free) for free in self._pools]
        run = [0.0] * min(self._graph.parallel, PLACES)
        skipped = self._skipped[int(self._chance.random() * len(self._skipped))] if self._skipped else ()
        ends: dict[TaskId, float] = {}
        spent, completes = 0.0, True
        for name in self._order:
            ready = _ready(self._graph.tasks[name], ends)
            if name in skipped:
                ends[name] = ready
                continue
            queues = [run] if (pool := self._lots[name].pool) is None else [run, pools[pool]]
            ends[name], cost, ok = self._done(name, ready, queues, draw)
            spent += cost
            completes = completes and (ok or not self._graph.tasks[name].fails_run)
        self._time_s.append(max(ends.values(), default=0.0))
        self._cost.append(spent)
        self._completed += completes

    def _done(self, name: TaskId, ready: float, queues: list[list[float]], draw: int) -> tuple[float, float, bool]:
        """When the task ends in this run, what it costs, and whether it succeeds."""
        lot, rng, column = self._lots[name], self._rngs[name], self._columns[name]
        if lot.width is None:  # it is not known how many there are: one is told of, none is counted
            job = lot.job(draw, rng)
            column.time_s.append(job.work_s + job.rest_s)
            return ready, 0.0, True
        parallel = self._graph.tasks[name].parallel
        if parallel is not None and parallel < lot.width:
            queues = [*queues, [ready] * parallel]
        items = min(lot.width, ITEMS)
        each = max(lot.width / max(items, min(map(len, queues))), 1.0) if items else 1.0
        end, cost, ok = ready, 0.0, True
        for _ in range(items):
            jobs = [lot.job(draw, rng) for _ in range(lot.copies)]
            taken = sorted([_placed(job.work_s * each, ready, queues) + job.rest_s for job in jobs])
            end = max(end, taken[lot.agree - 1])
            cost += sum([job.cost for job in jobs]) * lot.width / items
            ok = ok and sum([job.ok for job in jobs]) >= lot.agree
        column.time_s.append(end - ready)
        column.cost.append(cost)
        return end, cost, ok

    def told(self) -> Estimate:
        """What all the runs say."""
        lots = self._lots
        timed = any(lot.told and lot.width is not None for lot in lots.values())
        played = any(lot.options for lot in lots.values())
        return Estimate(
            time_s=interval(self._time_s) if timed else None,
            cost=_costs(self._cost) if any(lot.costs and lot.width is not None for lot in lots.values()) else None,
            completes=round(self._completed / len(self._time_s), 3) if played else None,
            unknown=tuple(name for name in self._graph.order if not lots[name].told or lots[name].width is None),
            tasks=tuple(self._of_task(name) for name in self._graph.order),
            runs=len(frozenset[RunId]().union(*(lot.runs for lot in lots.values()))),
            draws=len(self._time_s),
        )

    def _of_task(self, name: TaskId) -> TaskEstimate:
        lot, column = self._lots[name], self._columns[name]
        time_s = interval(column.time_s) if lot.told and column.time_s else None
        return TaskEstimate(
            task=name,
            time_s=time_s if lot.width is not None else None,
            each_s=time_s if lot.width is None else None,
            cost=_costs(column.cost) if lot.costs and column.cost else None,
            basis=lot.basis,
            known=lot.known,
            declared=lot.declared,
        )


def _by_level(graph: Graph) -> tuple[TaskId, ...]:
    """All tasks by how many come before them at most."""
    levels: dict[TaskId, int] = {}
    for name in graph.order:
        levels[name] = 1 + max((levels[need] for need in graph.tasks[name].needs), default=0)
    return tuple(sorted(graph.order, key=levels.__getitem__))


def _ready(task: Task, ends: Mapping[TaskId, float]) -> float:
    """When enough of its needs have ended."""
    if not task.needs:
        return 0.0
    needs = sorted([ends[need] for need in task.needs])
    at_least = task.join.at_least
    return needs[-1] if at_least is None else needs[min(at_least, len(needs)) - 1]


def _begun(pool: Pool, mean_s: float) -> list[float]:
    """When each place of the pool is free, as far as what it has already tells."""
    places = max(min(pool.places, PLACES), 1)
    rounds = pool.ahead / max(pool.places, 1)
    whole, more = int(rounds), round((rounds - int(rounds)) * places)
    return sorted(mean_s * (whole + (at < more)) for at in range(places))


def _placed(work_s: float, ready: float, queues: Sequence[list[float]]) -> float:
    """When a job ends that takes the first free place of each queue."""
    for queue in queues:
        ready = max(ready, queue[0])
    end = ready + work_s
    for queue in queues:
        heapq.heapreplace(queue, end)
    return end


def interval(values: Sequence[float]) -> Interval:
    """What a tenth, half and nine tenths of the values stay below."""
    ordered = sorted(values)
    p10, p50, p90 = (ordered[round(share * (len(ordered) - 1))] for share in (0.1, 0.5, 0.9))
    return Interval(round(p10, 3), round(p50, 3), round(p90, 3))


def _costs(values: Sequence[float]) -> CostInterval:
    """The same of costs, in six digits that count."""
    ordered = sorted(values)
    p10, p50, p90 = (Decimal(f"{ordered[round(share * (len(ordered) - 1))]:.6g}") for share in (0.1, 0.5, 0.9))
    return CostInterval(*(Decimal(shortest(one)) for one in (p10, p50, p90)))
