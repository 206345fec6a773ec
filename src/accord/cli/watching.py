"""What a view of a run remembers beside its state: who did what, how often, and how far they say they are."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

import msgspec

from accord.cli.output import agent_name, moment
from accord.domain import event as e
from accord.domain.approval import OpenApproval
from accord.domain.forecast import Usual
from accord.domain.graph import node_of
from accord.domain.ids import TaskId
from accord.domain.news import Happened, News, Progressed
from accord.domain.state import Run, TaskState
from accord.domain.system import HoldPlaced


class Told(msgspec.Struct, frozen=True):
    """What an agent said last about its attempt."""

    task: TaskId
    attempt: int
    fraction: float
    message: str


class Watched:
    """A run as it is being watched. Costs are those of the news, not of the run."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.agents: dict[TaskId, dict[str, int]] = {}
        """By node: the agents that were given attempts, and how many."""
        self.again: dict[TaskId, int] = {}
        """By node: attempts at the work after the first one of a task."""
        self.told: dict[TaskId, Told] = {}
        """By node."""
        self.usual: Usual | None = None
        """What is known of earlier runs of the template."""

    def absorb(self, news: News) -> Sequence[e.Event]:
        """Take news in; returns the events that are in it."""
        if isinstance(news, Progressed):
            told = Told(news.task, news.attempt, news.fraction, news.message)
            self.told[node_of(news.task)] = told
            return ()
        assert isinstance(news, Happened)  # noqa: S101 - there are two kinds of news
        self.run = news.run
        for event in news.events:
            if isinstance(event, e.AttemptAssigned):
                self._assigned(event, news.run.state(event.task))
        return news.events

    def _assigned(self, event: e.AttemptAssigned, state: TaskState) -> None:
        node = node_of(event.task)
        counts = self.agents.setdefault(node, {})
        name = agent_name(event.agent)
        counts[name] = counts.get(name, 0) + 1
        attempt = state.attempts[event.attempt - 1]
        if attempt.want.purpose == "work" and state.ordinal(event.attempt) > 1:
            self.again[node] = self.again.get(node, 0) + 1

    def by(self, node: TaskId) -> str:
        """Who works, or has worked, on the node: `editor`, `editor, measurer`, `editor and 3 more`."""
        names = sorted(self.agents.get(node, {}))
        return ", ".join(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} more"

    def fraction(self, node: TaskId) -> float | None:
        """How far the node is, from 0 to 1, where that is known."""
        assert self.run is not None  # noqa: S101 - something has happened before anything is asked
        state = self.run.state(node)
        if state.item_count:
            return state.items_settled / state.item_count
        told = self.told.get(node)
        live = {attempt.number for attempt in state.attempts if attempt.live}
        return told.fraction if told is not None and told.task == node and told.attempt in live else None


def unmet(run: Run, node: TaskId) -> list[TaskId]:
    """The needs of a node that have not settled."""
    settled = ("completed", "failed", "skipped", "cancelled")
    return [need for need in run.graph.tasks[node].needs if run.state(need).phase not in settled]


def how_to_answer(one: OpenApproval) -> str:
    """A command that answers a waiting task, without `accord` in front."""
    if one.kind == "signal":
        return f"runs signal {one.run} {quote(one.signal or '')} --data JSON"
    return f"runs signal {one.run} --task {one.task} --approve"


def hold_words(hold: HoldPlaced) -> str:
    """A hold in words."""
    what = "everything" if hold.scope == "everything" else f"{hold.scope} {agent_name(hold.subject)}"
    return f"{what}, by {hold.by} since {moment(hold.at)}{f': {hold.reason}' if hold.reason else ''}"
