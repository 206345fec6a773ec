"""What the policy costs a hand-off: decisions that were made before, as all but the first of a kind, and new ones."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from accord.domain.ids import AgentId
from accord.engine.authority import Authority
from accord.policy.live import shipped
from bench.measure import Readings

AGENTS = 100
ASKED = 5
"""How often a hand-off asks: the router and the gate both for `execute` and `see`, the assignment for `execute`."""

LABELS = frozenset(("confidential", "personal"))


async def policy(scale: float) -> Readings:
    """The CPU time of decisions by the set that ships with Accord, on data with two labels."""
    nobody: Any = SimpleNamespace(quarantined=frozenset())
    run: Any = SimpleNamespace(started=SimpleNamespace(template="audit@1.0.0", by="ann"))
    authority = Authority(shipped(), "local", {}, nobody)

    def ask(rounds: int) -> float:
        """CPU microseconds of a decision."""
        began = time.process_time()
        for _ in range(rounds):
            for number in range(AGENTS):
                agent = AgentId(f"spiffe://local/agent/a{number}")
                authority.of_agent("execute", run, agent, "text.summarize@1.0.0", LABELS)
        return (time.process_time() - began) * 1e6 / (rounds * AGENTS)

    new_us = ask(1)
    known_us = ask(max(int(1_000 * scale), 10))
    return Readings({"a hand-off, CPU-µs": ASKED * known_us, "a decision of a new kind, CPU-µs": new_us})
