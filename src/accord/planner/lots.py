"""Lots: what tasks take when a run is played with times that were seen before (the bootstrap: Efron, "Bootstrap
Methods: Another Look at the Jackknife", 1979).

Of few attempts little is known, so what is drawn is spread by twice their standard error, in the logarithm: about as
much as the next one of so few may differ (as Student's t tells of the normal distribution). A part of it is the same
for all tasks that draw from the same attempts, since what is not known of these is the same for all.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal

import msgspec

from accord.domain.duration import parse_duration
from accord.domain.experience import Done, Experience, Try
from accord.domain.expression import Literal as Constant
from accord.domain.graph import Graph, Retry, Sleep, Subrun, Task, Work
from accord.domain.ids import RunId, TaskId
from accord.domain.retry import DEFAULT_RETRY

OWN: Final = 5
"""So many attempts at a task tell more of it than all those at its capability."""

UNSURE: Final = 0.5
"""The spread of times, in the logarithm, that is added to what one has seen: of a single time nothing else is known."""

_LEAST_S: Final = 1e-4
_ONCE: Final = msgspec.structs.replace(DEFAULT_RETRY, attempts=1)

Basis = Literal["runs", "task", "capability", "declared", "none"]
"""What an estimate rests on: how the task, or the workflow that it runs, has ended before; attempts at the task;
attempts at the capability; what the template declares; nothing.
"""


class Job(msgspec.Struct, gc=False):
    """A task, or an item of one, of a run that is played."""

    work_s: float = 0.0
    """How long it has a place at an agent."""
    rest_s: float = 0.0
    """How long it takes beside that: between its attempts, and for an agent where nobody is here."""
    cost: float = 0.0
    ok: bool = True


class Source:
    """Attempts to draw from."""

    def __init__(self, name: str, tries: Sequence[Try], price: Decimal | None, seed: str, draws: int) -> None:
        self.known = len(tries)
        self.runs = frozenset(one.run for one in tries if one.run is not None)
        self.costs = price is not None or any(one.cost is not None for one in tries)
        self.declared = price is not None and all(one.cost is None for one in tries)
        otherwise = float(price) if price is not None and self.declared else 0.0
        self._tries = [
            (one.took_s, one.waited_s, float(one.cost) if one.cost is not None else otherwise, one.ok) for one in tries
        ]
        logs = [math.log(max(one.took_s, _LEAST_S)) for one in tries]
        mean = math.fsum(logs) / len(logs)
        error = math.sqrt(math.fsum((log - mean) ** 2 for log in logs) + UNSURE**2) / len(logs)
        rng = random.Random(f"{seed}/{name}")  # noqa: S311 - no secret rests on it
        self._shift = [math.exp(rng.gauss(0.0, error)) for _ in range(draws)]
        self._noise = math.sqrt(3.0) * error
        self.mean_s = math.fsum(one.took_s for one in tries) / len(tries)

    def draw(self, draw: int, rng: random.Random, job: Job, *, queues: bool) -> bool:
        """Add one attempt to a job of this run; whether it has succeeded. Where tasks queue for those who are here,
        what attempts waited before is not added.
        """
        took_s, waited_s, cost, ok = self._tries[int(rng.random() * self.known)]
        job.work_s += took_s * self._shift[draw] * math.exp(rng.gauss(0.0, self._noise))
        job.cost += cost
        if not queues:
            job.rest_s += waited_s
        return ok


class Lot(msgspec.Struct):
    """How a task is drawn."""

    basis: Basis
    fixed_s: float = 0.0
    options: Sequence[tuple[Source | None, Retry]] = ()
    """In their order; None is a value that stands for the output."""
    copies: int = 1
    agree: int = 1
    width: int | None = 1
    """How many items; None where that is not known."""
    pool: int | None = None
    """Whose place it takes; None where nobody is here, or none is needed."""

    @property
    def told(self) -> bool:
        """Whether anything is known of its time."""
        return self.basis != "none"

    @property
    def known(self) -> int:
        """How many attempts, or runs, it rests on."""
        return max((source.known for source, _ in self.options if source is not None), default=0)

    @property
    def runs(self) -> frozenset[RunId]:
        """The runs that it rests on."""
        return frozenset[RunId]().union(*(source.runs for source, _ in self.options if source is not None))

    @property
    def costs(self) -> bool:
        """Whether anything is known of its cost."""
        return any(source is not None and source.costs for source, _ in self.options)

    @property
    def declared(self) -> bool:
        """Whether that is what contracts say, and nobody has told yet."""
        return any(source is not None and source.declared for source, _ in self.options)

    def job(self, draw: int, rng: random.Random) -> Job:
        """What one of its items takes in this run."""
        job = Job(rest_s=self.fixed_s)
        for source, retry in self.options:
            if source is None:
                return job
            for attempt in range(retry.attempts):
                if source.draw(draw, rng, job, queues=self.pool is not None):
                    return job
                if attempt + 1 < retry.attempts:
                    job.rest_s += _backed_off(retry, attempt)
        job.ok = not self.options
        return job


def _backed_off(retry: Retry, attempt: int) -> float:
    """The wait after an attempt, counted from 0, in the mean of its jitter."""
    backoff = retry.backoff
    whole = min(backoff.first.total_seconds() * backoff.factor ** min(attempt, 64), backoff.cap.total_seconds())
    return whole * (1 - backoff.jitter / 2)


class Lots:
    """How the tasks of a graph are drawn."""

    def __init__(self, graph: Graph, known: Experience, prices: Mapping[str, Decimal], seed: str, draws: int) -> None:
        self._graph = graph
        self._known = known
        self._prices = prices
        self._make: Callable[[str, Sequence[Try], Decimal | None], Source] = lambda name, tries, price: Source(
            name, tries, price, seed, draws
        )
        self._sources: dict[str, Source] = {}

    def all(self, pools: Mapping[str, int], widths: Mapping[TaskId, int]) -> dict[TaskId, Lot]:
        """By task. `pools` says whose place a capability takes, `widths` how many items there are."""
        return {
            name: self._work(task, task.action, pools, widths) if isinstance(task.action, Work) else self._other(task)
            for name, task in self._graph.tasks.items()
        }

    def _other(self, task: Task) -> Lot:
        """A task that no agent does: a wait, a timer, another workflow."""
        action = task.action
        if isinstance(action, Sleep) and isinstance(action.until, Constant) and task.for_each is None:
            slept = parse_duration(str(action.until.value))
            if slept is not None:
                return Lot("declared", fixed_s=slept.total_seconds())
        before = self._before(task)
        if before is None and isinstance(action, Subrun) and task.for_each is None:
            name = action.template.partition("@")[0]
            before = self._of_runs(f"run of {name}", self._known.templates.get(name, ()))
        return before if before is not None else Lot("none", width=None if task.for_each is not None else 1)

    def _before(self, task: Task) -> Lot | None:
        """As the whole task was before, with everything that it waited for."""
        known = self._known.tasks.get(task.id)
        return self._of_runs(f"done {task.id}", known.done if known is not None else ())

    def _of_runs(self, name: str, done: Sequence[Done]) -> Lot | None:
        if not done:
            return None
        source = self._source(name, [Try(took_s=one.took_s, cost=one.cost, run=one.run) for one in done])
        return Lot("runs", options=((source, _ONCE),))

    def _work(self, task: Task, action: Work, pools: Mapping[str, int], widths: Mapping[TaskId, int]) -> Lot:
        width = 1 if task.for_each is None else widths.get(task.id)
        before = self._before(task) if width is None else None
        if before is not None:
            return before
        options, basis = tuple(self._options(task, action)), self._basis(task, action)
        first = action.options[0].capability
        if basis == "none" or not options:
            return Lot("none", width=width)
        redundancy = action.redundancy
        return Lot(
            basis,
            options=options,
            copies=redundancy.copies if redundancy is not None else 1,
            agree=redundancy.agree if redundancy is not None else 1,
            width=width,
            pool=pools.get(first.name) if first is not None else None,
        )

    def _basis(self, task: Task, action: Work) -> Basis:
        first = action.options[0].capability
        if first is None:
            return "declared"
        if len(self._own(task)) >= OWN:
            return "task"
        return "capability" if self._known.capabilities.get(first.name) else "none"

    def _options(self, task: Task, action: Work) -> Iterator[tuple[Source | None, Retry]]:
        """The options of which anything is known, in their order."""
        for at, option in enumerate(action.options):
            if option.capability is None:
                yield None, action.retry
                return
            name, own = option.capability.name, self._own(task) if at == 0 else ()
            if len(own) >= OWN:
                yield self._source(f"task {task.id}", own, name), action.retry
            elif tries := self._known.capabilities.get(name):
                yield self._source(f"capability {name}", tries, name), action.retry

    def _own(self, task: Task) -> tuple[Try, ...]:
        known = self._known.tasks.get(task.id)
        return known.tries if known is not None else ()

    def _source(self, name: str, tries: Sequence[Try], capability: str | None = None) -> Source:
        if name not in self._sources:
            price = self._prices.get(capability) if capability is not None else None
            self._sources[name] = self._make(name, tries, price)
        return self._sources[name]

    def mean_s(self, capabilities: frozenset[str]) -> float:
        """How long an attempt at one of these takes in the mean; 0 where none is known."""
        took = [one.took_s for name in sorted(capabilities) for one in self._known.capabilities.get(name, ())]
        return math.fsum(took) / len(took) if took else 0.0
