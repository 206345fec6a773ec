"""Grounds: why an agent was given an attempt. The figures that spoke for it, who came next, and who was passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from accord.domain.ids import AgentId

Decided = Literal["wanted", "only", "load", "speed", "trust", "drawn"]
"""What decided: the result goes back to the agent that made it; nobody else could have it; it has less to do; it is
faster; its results can be relied on more; others are as good, and one was drawn.
"""

Why = Literal["full", "barred", "out", "failed", "avoided", "busy", "held", "quarantined"]
"""Why an agent was passed over: it has no room; the policy bars it; its breaker is open; it has failed at this task;
it made what is to be judged; it has, or has done, a copy of the task; it is held back; it is suspected.
"""

NAMED: Final = 3
"""So many agents are named of those that were passed over for one reason."""


class Figures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What could be expected of an agent that has room."""

    held: int
    """Attempts assigned to it here and not ended."""
    others: int = 0
    """Places that are taken by what other processes have assigned, or by what is no attempt."""
    queued: int = 0
    latency_ms: float
    """How long its work takes up to a result: smoothed, the last ones counting most."""
    trust: float = 1.0
    """How far its results can be relied on, from 0 to 1."""
    expected_ms: float
    """How long until there is a result that counts."""
    on_trial: bool = False
    """Whether it was out, and is tried with this attempt."""

    def words(self) -> str:
        """The figures in words."""
        told = [f"{self.held} held"]
        if self.others:
            told.append(f"{self.others} of others")
        if self.queued:
            told.append(f"{self.queued} queued")
        told.append(f"{self.latency_ms:.1f} ms each")
        if self.trust < 1:
            told.append(f"trust {self.trust:.2f}")
        if self.on_trial:
            told.append("on trial")
        return f"{', '.join(told)}, expected {self.expected_ms:.1f} ms"


class Rival(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The best of those that were compared and not chosen."""

    agent: AgentId
    figures: Figures


class Passed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Agents that offer the capability and were not compared, for one reason."""

    why: Why
    count: int
    agents: tuple[AgentId, ...]
    """Some of them."""
    policy: str = ""
    """What the policy says of them."""


class Grounds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Why this agent."""

    decided: Decided
    figures: Figures
    peers: int
    """How many agents that are present offer the capability."""
    compared: int
    """How many of them were compared: they had room, and could be given it."""
    sampled: bool = False
    """Whether others that may have had room were not looked at, as there are many."""
    next: Rival | None = None
    passed: tuple[Passed, ...] = ()

    def words(self) -> str:
        """All of it, for people."""
        among = f"best of {self.compared} looked at, of {self.peers}" if self.sampled else self._among()
        told = [f"{self.figures.words()}; {among}"]
        if self.next is not None:
            expected = f"expected {self.next.figures.expected_ms:.1f} ms"
            told.append(f"{_DECIDED[self.decided].format(short_name(self.next.agent))} ({expected})")
        elif self.decided == "wanted":
            told.append(_DECIDED["wanted"])
        if self.passed:
            told.append(f"passed over: {', '.join(map(passed_words, self.passed))}")
        return "; ".join(told)

    def _among(self) -> str:
        return f"{self.compared} of {self.peers} could have it"


_DECIDED: Final[Mapping[Decided, str]] = {
    "wanted": "it is sent back to the agent that made it",
    "only": "nobody else could have it",
    "load": "less to do than {}",
    "speed": "faster than {}",
    "trust": "relied on more than {}",
    "drawn": "as good as {}, one was drawn",
}

WORDS: Final[Mapping[Why, str]] = {
    "full": "without room",
    "barred": "barred by policy",
    "out": "out after failing again and again",
    "failed": "failed at it before",
    "avoided": "made what is to be judged",
    "busy": "with a copy of it",
    "held": "held back",
    "quarantined": "quarantined",
}
"""Why agents are passed over, in words."""


def passed_words(passed: Passed) -> str:
    """`2 without room (b, c)`."""
    names = ", ".join(map(short_name, passed.agents)) + (", …" if passed.count > len(passed.agents) else "")
    policy = f": {passed.policy}" if passed.policy else ""
    return f"{passed.count} {WORDS[passed.why]} ({names}){policy}"


def short_name(agent: AgentId) -> str:
    """The last part of an agent's id."""
    return agent.rpartition("/agent/")[2]


def decided(chosen: tuple[float, float, float], rival: tuple[float, float, float]) -> Decided:
    """Which of the factors of the expected time speaks most for the chosen one: its turns, its latency, and how far its
    results cannot be relied on, each the less the better.
    """
    if chosen == rival:
        return "drawn"
    gains = [theirs / max(ours, 1e-9) for ours, theirs in zip(chosen, rival, strict=True)]
    best = max(gains)
    return "drawn" if best <= 1 else _FACTORS[gains.index(best)]


_FACTORS: Final[tuple[Decided, ...]] = ("load", "speed", "trust")


def grouped(why: Mapping[AgentId, Why], policy: Mapping[AgentId, str]) -> Iterator[Passed]:
    """Those passed over, by reason; of the barred, by what the policy says."""
    groups: dict[tuple[Why, str], list[AgentId]] = {}
    for agent in sorted(why):  # in an order of their own: they come from sets
        groups.setdefault((why[agent], policy.get(agent, "")), []).append(agent)
    for (reason, said), agents in groups.items():
        yield Passed(why=reason, count=len(agents), agents=tuple(agents[:NAMED]), policy=said[:200])
