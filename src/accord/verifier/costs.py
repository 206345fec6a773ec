"""Costs: what the attempts of a run cost at most, by their contracts, against what it may cost.

    ACC174  attempts that the graph allows may cost more than the run may (warning)

Retries, fallbacks, copies and items are counted; of branches that are declared exclusive only the dearest one. What
nothing bounds is left out of the sum: what is told is too much without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

import msgspec

from accord.domain.capability import CapabilityRange
from accord.domain.graph import Graph, Subrun, Task, Work, undo_id
from accord.domain.ids import TaskId
from accord.domain.order import may_be_skipped
from accord.domain.retry import DEFAULT_RETRY
from accord.verifier.known import Capabilities
from accord.verifier.report import Findings
from accord.verifier.widths import Widths

_MESSAGE = "the attempts that the graph allows may cost more than the run may: its budget may stop it before its end"
_BRANCHES = "; where it takes all of its branches"


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What the attempts at a task cost at most with one of its capabilities."""

    task: TaskId
    capability: CapabilityRange
    attempts: int | None
    """None where nothing but `limits.tasks` bounds them."""
    each: Decimal | None
    """None where a contract says no most, or none is known."""

    @property
    def cost(self) -> Decimal | None:
        """All of them together."""
        return None if self.attempts is None or self.each is None else self.attempts * self.each

    @property
    def words(self) -> str:
        """`6 * 0.5 = 3`."""
        return f"{self.attempts} * {text_of(self.each)} = {text_of(self.cost)}"


class Costs:
    """What a graph may cost, by the most items that each of its lists may have."""

    def __init__(self, graph: Graph, capabilities: Capabilities, items: Mapping[TaskId, int | None]) -> None:
        self._graph, self._capabilities, self._items = graph, capabilities, items
        self._spent = {name: tuple(self._of(task)) for name, task in graph.tasks.items()}
        self._undoing = tuple(self._of_compensations())

    def most(self, widths: Widths) -> Decimal | None:
        """What all attempts cost at most: all of them together, or the run's budget and what may be under way when it
        is spent, whichever is less; None where nothing bounds it.
        """
        spent = self._sum(self._graph.tasks) + self._undone() if self._is_bounded() else None
        stopped = self.stopped(widths)
        return min((each for each in (spent, stopped) if each is not None), default=None)

    def stopped(self, widths: Widths) -> Decimal | None:
        """What a run costs at most that its budget stops: nothing more is assigned then, but what is under way ends,
        and what was done is undone. What agents ask for meanwhile may cost as much again.
        """
        if self._asks() or not all(one.cost is not None for one in self._undoing):
            return None
        budget, dearest = self._graph.max_cost, {name: self._dearest(name) for name in self._graph.tasks}
        weights = {name: each for name, each in dearest.items() if each is not None}
        if budget is None or len(weights) < len(dearest):
            return None
        return budget + widths.weight_of(weights) + self._undone()

    def _dearest(self, name: TaskId) -> Decimal | None:
        """What one attempt at a task costs at most; None where nothing bounds it."""
        if isinstance(self._graph.tasks[name].action, Subrun):
            return None
        prices = [one.each for one in self._spent[name] if one.each is not None]
        return max(prices, default=Decimal(0)) if len(prices) == len(self._spent[name]) else None

    def check(self, findings: Findings) -> None:
        """Tell where the budget is less than what the attempts may cost, and which they are: those of tasks that are
        done in every run, where they are enough.
        """
        budget = self._graph.max_cost
        skipped = may_be_skipped(self._graph.tasks, self._graph.order)
        always = [name for name in self._graph.order if name not in skipped]
        beaten = self._beaten() if not findings.count("ACC835") + findings.count("ACC836") else set[TaskId]()
        for names, where in ((always, ""), ([one for one in self._graph.order if one not in beaten], _BRANCHES)):
            cost = self._sum(names)
            if budget is not None and cost > budget:
                hint = f"raise `max_cost` to {text_of(cost)}, or lower attempts or copies; or leave it, as a guard"
                findings.warning("ACC174", _MESSAGE + where, "/limits/max_cost", hint, self._example(names, budget))
                return

    def _example(self, names: Iterable[TaskId], budget: Decimal) -> object:
        """The attempts that are too dear, the dearest first, and what they come to."""
        told = sorted(
            (one for name in names for one in self._spent[name] if one.cost), key=lambda one: -(one.cost or 0)
        )
        attempts = [{"task": one.task, "uses": str(one.capability), "cost": one.words} for one in told]
        return {"cost": text_of(self._sum(names)), "max_cost": text_of(budget), "attempts": attempts}

    def _sum(self, names: Iterable[TaskId]) -> Decimal:
        return sum((one.cost for name in names for one in self._spent[name] if one.cost is not None), Decimal(0))

    def _of(self, task: Task) -> Iterator[Spent]:
        options, attempts = options_of(task), attempts_of(task, self._items.get(task.id))
        share = None if attempts is None or not options else attempts // len(options)
        for wanted in options:
            yield Spent(task=task.id, capability=wanted, attempts=share, each=self._price(wanted))

    def _of_compensations(self) -> Iterator[Spent]:
        """What undoes each task, and each item of it, as often as it is tried."""
        for task in self._graph.tasks.values() if self._graph.compensates_failure else ():
            if task.compensate is not None and task.compensate.capability is not None:
                wanted, attempts = task.compensate.capability, self._undoings(task)
                yield Spent(task=undo_id(task.id), capability=wanted, attempts=attempts, each=self._price(wanted))

    def _undoings(self, task: Task) -> int | None:
        times = 1 if task.for_each is None else self._items.get(task.id)
        retry = task.action.retry if isinstance(task.action, Work) else DEFAULT_RETRY
        return None if times is None else times * retry.attempts

    def _undone(self) -> Decimal:
        return sum((one.cost for one in self._undoing if one.cost is not None), Decimal(0))

    def _price(self, wanted: CapabilityRange) -> Decimal | None:
        """What one attempt costs at most; None where a contract says none, or none is known."""
        prices = [one.limits.max_cost for one in self._capabilities.contracts(wanted)]
        known = [each for each in prices if each is not None]
        return max(known) if known and len(known) == len(prices) else None

    def _asks(self) -> bool:
        """Whether an agent may ask others for something: nothing here says what that costs."""
        return any(isinstance(task.action, Work) and task.action.calls for task in self._graph.tasks.values())

    def _is_bounded(self) -> bool:
        every = [one for spent in self._spent.values() for one in spent]
        tried = (attempts_of(task, self._items.get(name)) for name, task in self._graph.tasks.items())
        priced = all(one.cost is not None for one in (*every, *self._undoing))
        return priced and not self._asks() and all(attempts is not None for attempts in tried)

    def _beaten(self) -> set[TaskId]:
        """Branches beside which a dearer one may be taken, and never both; of choices that share some, one counts."""
        beaten: set[TaskId] = set()
        seen: set[TaskId] = set()
        for choice in self._graph.choices:
            if choice.takes == "at_least_one" or not seen.isdisjoint(choice.between):
                continue
            seen.update(choice.between)
            dearest = max(choice.between, key=lambda name: self._sum([name]))
            beaten.update(name for name in choice.between if name != dearest)
        return beaten


def attempts_of(task: Task, items: int | None) -> int | None:
    """How many attempts a task may have; None where nothing but `limits.tasks` bounds it."""
    action = task.action
    if not isinstance(action, Work):
        return None if isinstance(action, Subrun) else 0
    if task.for_each is not None and items is None:
        return None
    copies = action.redundancy.copies if action.redundancy is not None else 1
    return len(options_of(task)) * action.retry.attempts * copies * (1 if items is None else items)


def options_of(task: Task) -> list[CapabilityRange]:
    """The capabilities with which a task may be done, those of its fallbacks included."""
    options = task.action.options if isinstance(task.action, Work) else ()
    return [option.capability for option in options if option.capability is not None]


def text_of(cost: Decimal | None) -> str | None:
    """A cost as it is told."""
    return None if cost is None else format(cost.normalize(), "f")
