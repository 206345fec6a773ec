"""Breakers: who fails again and again at a capability gets nothing more of it for a while, and is then tried with one
attempt at a time (Nygard, "Release It!", 2007).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from accord.domain.ids import AgentId, RunId, TaskId
from accord.domain.run import Attempt
from accord.errors import Problem
from accord.service import TakenOut

FAULTS: Final = 5
"""So many faults in a row, each with another task, open a breaker: one task that nobody can do blames nobody."""

FIRST: Final = timedelta(seconds=1)
CAP: Final = timedelta(minutes=1)
CAP_ALONE: Final = timedelta(seconds=5)
"""The longest back-off where every agent that offers the capability is out: somebody has to be tried."""

AT_ONCE: Final = timedelta(seconds=1)
"""Attempts that run out together, as when a process dies, are one fault."""

Key = tuple[AgentId, str]
"""An agent, and the name of a capability: who fails at one may be good at another."""

Which = tuple[RunId, TaskId, int]
"""An attempt."""


class _Breaker(msgspec.Struct):
    tasks: set[tuple[RunId, TaskId]] = msgspec.field(default_factory=set)
    """With which the faults of this row were."""
    last_at: datetime | None = None
    problem: Problem | None = None
    """Of the last fault."""
    opened_at: datetime | None = None
    backoff: timedelta = FIRST
    trial: Which | None = None
    """The attempt that it is tried with."""

    def until(self, *, alone: bool) -> datetime:
        """From when on it may be tried; it is open."""
        assert self.last_at is not None  # noqa: S101 - no breaker opens without a fault
        return self.last_at + (min(self.backoff, CAP_ALONE) if alone else self.backoff)


class Breakers:
    """Those in whose row is a fault. What is open now is told by `of`, what has opened since by `opened`."""

    def __init__(self) -> None:
        self._all: dict[Key, _Breaker] = {}
        self._out: dict[str, set[AgentId]] = {}
        """By capability: whose breaker is open."""
        self._trials: dict[Which, Key] = {}
        self.opened: list[tuple[AgentId, TakenOut]] = []
        """Those that have opened and are in no incident yet."""
        self.count = 0
        """How many have opened since this process started."""

    def out(self, capability: str) -> set[AgentId]:
        """Whose breaker of this capability is open, those on trial included."""
        return self._out.get(capability, _NOBODY)

    @property
    def open(self) -> int:
        """How many are open."""
        return sum(map(len, self._out.values()))

    def shut_until(self, agent: AgentId, capability: str, now: datetime, *, alone: bool) -> datetime | None:
        """Until when an agent that is out gets nothing; None where it may be given one attempt, on trial."""
        breaker = self._all[agent, capability]
        if breaker.last_at is not None and breaker.last_at > now:
            breaker.last_at = now  # the clock was set back
        until = breaker.until(alone=alone)
        if breaker.trial is not None:
            return max(until, now + AT_ONCE)  # its end opens the agent again
        return until if until > now else None

    def of(self, agent: AgentId) -> tuple[TakenOut, ...]:
        """What the agent is out of, by capability."""
        mine = sorted(capability for capability, agents in self._out.items() if agent in agents)
        return tuple(self._told(capability, self._all[agent, capability]) for capability in mine)

    def given(self, agent: AgentId, capability: str, which: Which) -> None:
        """The agent has this attempt; where it is out, it is its trial."""
        if agent in self.out(capability):
            self._all[agent, capability].trial = which
            self._trials[which] = agent, capability

    def ended(self, key: Key, which: Which, attempt: Attempt, at: datetime, *, blamed: bool) -> bool:
        """An attempt has ended; `blamed`: by a fault of the agent's own. Returns whether a breaker has opened."""
        trial = self.forget(which)
        if attempt.phase == "succeeded":
            self._close(key)
        elif blamed:
            return self._fault(key, which, attempt, at, trial=trial)
        return False

    def forget(self, which: Which) -> bool:
        """This attempt is not known here any more; whether it was a trial."""
        key = self._trials.pop(which, None)
        if key is not None:
            self._all[key].trial = None
        return key is not None

    def _fault(self, key: Key, which: Which, attempt: Attempt, at: datetime, *, trial: bool) -> bool:
        breaker = self._all.setdefault(key, _Breaker())
        together = attempt.phase == "expired" and breaker.last_at is not None and at - breaker.last_at < AT_ONCE
        if breaker.opened_at is not None:
            if trial:
                breaker.backoff = min(2 * breaker.backoff, CAP)
                breaker.last_at, breaker.problem = at, _problem_of(attempt)
            return False
        if together:
            return False
        breaker.tasks.add(which[:2])
        breaker.last_at, breaker.problem = at, _problem_of(attempt)
        if len(breaker.tasks) < FAULTS:
            return False
        agent, capability = key
        breaker.opened_at = at
        self._out.setdefault(capability, set()).add(agent)
        self.count += 1
        self.opened.append((agent, self._told(capability, breaker)))
        return True

    def _close(self, key: Key) -> None:
        breaker = self._all.pop(key, None)
        if breaker is None:
            return
        if breaker.trial is not None:
            del self._trials[breaker.trial]
        agent, capability = key
        agents = self._out.get(capability)
        if agents is not None:
            agents.discard(agent)
            if not agents:
                del self._out[capability]

    def _told(self, capability: str, breaker: _Breaker) -> TakenOut:
        assert breaker.opened_at is not None  # noqa: S101 - it is open
        return TakenOut(
            capability=capability,
            since=breaker.opened_at,
            until=breaker.until(alone=False),
            on_trial=breaker.trial is not None,
            problem=breaker.problem,
        )


_NOBODY: set[AgentId] = set()

_RAN_OUT = Problem("ACC422", "its time ran out, or its process was lost")


def _problem_of(attempt: Attempt) -> Problem:
    return attempt.problems[0] if attempt.problems else _RAN_OUT
