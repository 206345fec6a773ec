"""What is ready is served by its rank: by how long tasks took before."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Final

from accord.domain.experience import Observed
from accord.domain.graph import Graph, Work, node_of, undone_id
from accord.domain.ids import Digest, TaskId
from accord.domain.ranks import upward_ranks
from accord.domain.run import Attempt, Run
from accord.recent import Recent

GRAPHS: Final = 1024
"""Of so many graphs it is remembered how long their tasks took."""

_SMOOTHING: Final = 0.3
_STEP: Final = 8
_SHARE: Final = 16
"""Ranks are made anew when half as much again is known, but at the latest after this share of the graph, or a step: so
each result pays for a bounded number of tasks, however large the graph is and however long the orchestrator runs.
"""
_NEW: Final = 4
"""A graph whose tasks were done so many times is new no more: what one run has told changes little."""


class _Known:
    """What is known of one graph."""

    __slots__ = ("due", "edition", "learned", "ranks", "took_s")

    def __init__(self) -> None:
        self.took_s: dict[TaskId, float] = {}
        self.learned = 0
        """How many results have told something."""
        self.due = 0
        """The ranks are made anew when so much was learned."""
        self.ranks: dict[TaskId, float] = {}
        self.edition = 0


class Ranks:
    """Learns how long tasks take, and ranks them. A task that is not known takes as long as others of its capability;
    where nothing is known, all take as long: then the rank counts the tasks up to the end.
    """

    def __init__(self) -> None:
        self._graphs: Recent[Digest, _Known] = Recent(GRAPHS)
        self._took_s: dict[str, float] = {}
        self._mean_s: float | None = None
        self._editions = count(1)

    def learn(self, run: Run, task: TaskId, attempt: Attempt, now: datetime) -> None:
        """An attempt at the task has ended: how long it took counts where it has succeeded."""
        if attempt.phase == "succeeded" and attempt.want.purpose == "work":
            took_s = (now - attempt.work_since).total_seconds()
            self._learn(run.graph.digest, task, attempt.capability.partition("@")[0], took_s)

    def recall(self, run: Observed) -> None:
        """A run has ended of which nothing was learned here: before this process began, or at another one."""
        for task, capability, _, one in run.tries:
            if one.ok:
                self._learn(run.graph, task, capability, one.took_s)
        worked = {node_of(task) for task, _, _, _ in run.tries}
        for node, done in run.done.items():
            if node not in worked and done.took_s:  # what a fork has adopted took none
                self._remember(run.graph, node, done.took_s)

    def _learn(self, graph: Digest, task: TaskId, name: str, took_s: float) -> None:
        if undone_id(task) is not None:
            return
        self._remember(graph, node_of(task), took_s)
        self._took_s[name] = _smoothed(self._took_s.get(name), took_s)
        self._mean_s = _smoothed(self._mean_s, took_s)

    def _remember(self, graph: Digest, node: TaskId, took_s: float) -> None:
        known = self._graphs.made(graph, _Known)
        known.took_s[node] = _smoothed(known.took_s.get(node), took_s)
        known.learned += 1

    def ended(self, run: Run) -> None:
        """The run is over. It tells how long it took what no agent does: sleeps, answers, other runs. The next one of a
        graph that is new is ranked by all that it has told.
        """
        for node, task in run.graph.tasks.items():
            if not isinstance(task.action, Work) and (took_s := _took_s(run, node)):
                self._remember(run.graph.digest, node, took_s)
        known = self._known(run.graph.digest)
        if known.learned < _NEW * len(run.graph.order):
            known.due = known.learned

    def of(self, run: Run, task: TaskId) -> float:
        """The task's rank: about the seconds from its beginning to the end of the run; nothing for what undoes."""
        ranks = self._ranked(run.graph).ranks
        rank = ranks.get(task)
        if rank is None:
            rank = 0.0 if undone_id(task) is not None else ranks[node_of(task)]
        return rank

    def edition(self, run: Run) -> int:
        """Another one whenever the ranks of the run's tasks were made anew."""
        return self._ranked(run.graph).edition

    def _ranked(self, graph: Graph) -> _Known:
        known = self._known(graph.digest)
        if known.learned >= known.due or not known.ranks:
            known.ranks = upward_ranks(graph, lambda node: self._expected_s(graph, known, node))
            most = max(_STEP, len(graph.order) // _SHARE)
            known.due = known.learned + max(1, min(known.learned // 2, most))
            known.edition = next(self._editions)
        return known

    def _known(self, graph: Digest) -> _Known:
        known = self._graphs.get(graph)
        if known is None:
            known = self._graphs[graph] = _Known()
        return known

    def _expected_s(self, graph: Graph, known: _Known, node: TaskId) -> float:
        took_s = known.took_s.get(node)
        if took_s is not None:
            return took_s
        action = graph.tasks[node].action
        capability = action.options[0].capability if isinstance(action, Work) else None
        mean_s = 1.0 if self._mean_s is None else self._mean_s
        return self._took_s.get(capability.name, mean_s) if capability is not None else mean_s


def _took_s(run: Run, task: TaskId) -> float:
    """Of a task that has completed in this run; nothing of others."""
    took = run.took(task, run.updated_at) if run.state(task).phase == "completed" else None
    return took.total_seconds() if took is not None else 0.0


def _smoothed(before: float | None, now: float) -> float:
    return now if before is None else before + _SMOOTHING * (now - before)
