"""Experience: what the last runs tell of how long things take, what they cost, and how often they fail.

It is read from the events of runs that have ended, and kept nowhere else: whoever reads the same runs knows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from accord.domain import event as e
from accord.domain.cost import NOTHING
from accord.domain.graph import node_of, undone_id
from accord.domain.ids import AgentId, Digest, RunId, TaskId
from accord.domain.message import began


class Try(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An attempt that has ended by itself: nobody has taken it back."""

    took_s: float
    """From when its agent was at work, as far as is known, to its end."""
    waited_s: float = 0.0
    """From when it could have been assigned to then, in the agent's own queue as well."""
    ok: bool = True
    """Whether its result was accepted."""
    expired: bool = False
    """Whether its time ran out, or the agent was gone."""
    cost: Decimal | None = None
    """What the agent says that it has cost."""
    confidence: float | None = None
    run: RunId | None = None
    """Of which run it was."""


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A task that has completed, or a whole run that has."""

    took_s: float
    """With everything that it waited for; rests of the run are not in it."""
    cost: Decimal | None = None
    """None where nobody has said one."""
    run: RunId | None = None
    """Of which run it was, or which run."""


class TaskExperience(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one task of a template."""

    tries: tuple[Try, ...] = ()
    """Attempts at it or its items, the newest last."""
    done: tuple[Done, ...] = ()
    """How it has completed, the newest last."""


class Experience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of capabilities, of templates, and of one template's tasks."""

    runs: int = 0
    """From so many runs, of whatever template."""
    waiting: Mapping[str, int] = {}
    """How many tasks wait for an agent now, by the name of the capability, at the process that is asked."""
    capabilities: Mapping[str, tuple[Try, ...]] = {}
    """Attempts by the name of the capability, the newest last."""
    templates: Mapping[str, tuple[Done, ...]] = {}
    """Completed runs by the name of the template, the newest last."""
    tasks: Mapping[TaskId, TaskExperience] = {}
    """Of the template that was asked for."""
    skipped: tuple[tuple[TaskId, ...], ...] = ()
    """Of each of its runs that has completed, which tasks were skipped; the newest last."""


class Observed(msgspec.Struct):
    """What one run tells."""

    template: str
    """`name@version`."""
    graph: Digest
    tries: list[tuple[TaskId, str, AgentId, Try]]
    """The task, the capability's name and the agent of each attempt that has ended."""
    done: dict[TaskId, Done]
    """Nodes of the graph that have completed."""
    skipped: tuple[TaskId, ...] = ()
    whole: Done | None = None
    """The run, where it has completed."""

    def since(self, before: Observed) -> Observed:
        """What it tells that it did not when it had ended `before`: meanwhile it was taken up again."""
        return Observed(
            self.template,
            self.graph,
            self.tries[len(before.tries) :],
            {task: one for task, one in self.done.items() if before.done.get(task) != one},
            self.skipped if self.whole != before.whole else (),
            self.whole if self.whole != before.whole else None,
        )


def observed(events: Iterable[e.Event]) -> Observed | None:
    """What a run's events tell, in their order; None where its first one is not among them."""
    story: _Story | None = None
    for event in events:
        if isinstance(event, e.RunStarted):
            story = _Story(event)
        elif story is not None and (tell := _TELLS.get(type(event))) is not None:
            tell(story, event)
    return story.told() if story is not None else None


class _Assigned(msgspec.Struct, gc=False):
    capability: str
    agent: AgentId
    wanted: datetime
    at: datetime
    work_since: datetime


class _Story:
    """A run as it is being read."""

    def __init__(self, started: e.RunStarted) -> None:
        self.started = started
        self.wanted: dict[TaskId, datetime] = {}
        """From when on each task could be assigned."""
        self.assigned: dict[tuple[TaskId, int], _Assigned] = {}
        self.begun: dict[TaskId, tuple[datetime, timedelta]] = {}
        """When each task began, and how long the run had rested by then."""
        self.costs: dict[TaskId, Decimal] = {}
        self.done: dict[TaskId, Done] = {}
        self.skipped: set[TaskId] = set()
        self.tries: list[tuple[TaskId, str, AgentId, Try]] = []
        self.live: set[tuple[TaskId, int]] = set()
        """Attempts under way; a run that does a task is the 0th one."""
        self.paused = False
        self.rests_since: datetime | None = None
        self.rested = timedelta()
        self.whole: Done | None = None

    def told(self) -> Observed:
        """What was read so far."""
        skipped = tuple(sorted(self.skipped)) if self.whole is not None else ()
        return Observed(self.started.template, self.started.graph, self.tries, self.done, skipped, self.whole)

    def begin(self, event: Any) -> None:
        """The task is under way."""
        self.begun.setdefault(node_of(event.task), (event.at, self._rest(event.at)))

    def want(self, event: e.AttemptWanted) -> None:
        """The task could be assigned."""
        self.wanted[event.task] = max(event.at, event.not_before or event.at)
        if undone_id(event.task) is None:
            self.begin(event)

    def assign(self, event: e.AttemptAssigned) -> None:
        """An attempt is under way; diagnoses and reviews are no tries at the work."""
        self.live.add((event.task, event.attempt))
        self.go_on(event)
        if event.purpose != "work":
            return
        wanted, name = self.wanted.get(event.task, event.at), event.capability.partition("@")[0]
        self.assigned[event.task, event.attempt] = _Assigned(name, event.agent, wanted, event.at, event.at)

    def accept(self, event: e.AttemptAccepted) -> None:
        """The agent has said that it is at work."""
        given = self.assigned.get((event.task, event.attempt))
        if given is not None:
            given.work_since = began(given.at, event.at)

    def end(self, event: Any) -> None:
        """An attempt has ended by itself."""
        self.taken_back(event)
        cost: Decimal | None = getattr(event, "cost", None)
        if cost is not None:
            node = node_of(event.task)
            self.costs[node] = self.costs.get(node, NOTHING) + cost
        begun = self.assigned.pop((event.task, event.attempt), None)
        if begun is None:
            return
        one = Try(
            took_s=_seconds(event.at - begun.work_since),
            waited_s=_seconds(begun.work_since - begun.wanted),
            ok=isinstance(event, e.AttemptSucceeded),
            expired=isinstance(event, e.AttemptExpired),
            cost=cost,
            confidence=getattr(event, "confidence", None),
            run=self.started.run,
        )
        self.tries.append((event.task, begun.capability, begun.agent, one))

    def above(self, event: e.SubrunStarted) -> None:
        """A run does a task."""
        self.begin(event)
        self.live.add((event.task, 0))
        self.go_on(event)

    def below(self, event: e.SubrunEnded) -> None:
        """The run that did a task is over."""
        self.settle(event)
        if event.cost is not None:
            self.costs[event.task] = self.costs.get(event.task, NOTHING) + event.cost

    def settle(self, event: Any) -> None:
        """No run does the task any more."""
        self.live.discard((event.task, 0))
        self.idle(event)

    def complete(self, event: e.TaskCompleted) -> None:
        """A task has its output: of items, their node counts."""
        self.settle(event)
        if node_of(event.task) == event.task:
            began, rested = self.begun.get(event.task, (event.at, self._rest(event.at)))
            took = event.at - began - (self._rest(event.at) - rested)
            self.done[event.task] = Done(took_s=_seconds(took), cost=self.costs.get(event.task), run=self.started.run)

    def skip(self, event: e.TaskSkipped) -> None:
        """A task is left out; of items, nothing is told."""
        self.settle(event)
        if node_of(event.task) == event.task:
            self.skipped.add(event.task)

    def again(self, event: e.RollbackFinished) -> None:
        """These tasks are as if they had never started."""
        for task in map(node_of, event.tasks):
            for known in (self.begun, self.done, self.costs):
                known.pop(task, None)
            self.skipped.discard(task)

    def taken_back(self, event: Any) -> None:
        """An attempt is not under way any more."""
        self.live.discard((event.task, event.attempt))
        self.idle(event)

    def pause(self, event: e.RunPaused) -> None:
        """It rests as soon as nothing of it is at work any more."""
        self.paused = True
        self.idle(event)

    def resume(self, event: e.RunResumed) -> None:
        """It goes on."""
        self.paused = False
        self.go_on(event)

    def idle(self, event: Any) -> None:
        """Where it is paused and nothing of it is at work, it rests from now on."""
        if self.paused and not self.live and self.rests_since is None:
            self.rests_since = event.at

    def rest(self, event: Any) -> None:
        """It has ended."""
        self.go_on(event)
        self.paused, self.rests_since = False, event.at

    def go_on(self, event: Any) -> None:
        """Something is done again."""
        self.rested, self.rests_since = self._rest(event.at), None

    def _rest(self, at: datetime) -> timedelta:
        return self.rested + (at - self.rests_since if self.rests_since is not None else timedelta())

    def finish(self, event: e.RunCompleted) -> None:
        """The run has completed; a fork has not done all of it."""
        if self.started.origin is None:
            cost = sum(self.costs.values(), NOTHING) if self.costs else None
            took = event.at - self.started.at - self._rest(event.at)
            self.whole = Done(took_s=_seconds(took), cost=cost, run=self.started.run)
        self.rest(event)


_TELLS: Final[Mapping[type[Any], Callable[[_Story, Any], None]]] = {
    e.AttemptWanted: _Story.want,
    e.TaskExpanded: _Story.begin,
    e.TaskWaiting: _Story.begin,
    e.SubrunStarted: _Story.above,
    e.SubrunEnded: _Story.below,
    e.AttemptAssigned: _Story.assign,
    e.AttemptAccepted: _Story.accept,
    e.AttemptCancelled: _Story.taken_back,
    e.AttemptSucceeded: _Story.end,
    e.AttemptRejected: _Story.end,
    e.AttemptFailed: _Story.end,
    e.AttemptExpired: _Story.end,
    e.TaskCompleted: _Story.complete,
    e.TaskFailed: _Story.settle,
    e.TaskCancelled: _Story.settle,
    e.TaskSkipped: _Story.skip,
    e.RollbackFinished: _Story.again,
    e.RollbackStarted: _Story.go_on,
    e.RunPaused: _Story.pause,
    e.RunResumed: _Story.resume,
    e.RunCompleted: _Story.finish,
    e.RunFailed: _Story.rest,
    e.RunCancelled: _Story.rest,
}


def _seconds(took: timedelta) -> float:
    """Never less than nothing: clocks of several processes differ."""
    return max(took.total_seconds(), 0.0)
