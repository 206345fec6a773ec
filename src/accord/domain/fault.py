"""Faults: whose doing it is that a contract was broken. One function decides it, from what was seen and by whom."""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

from accord.domain.ids import AgentId

Fault = Literal["producer", "consumer", "contract", "mapping", "transport"]
"""Whose doing a broken contract is: the agent that made the value, the one that asked for it, the schema itself, the
template's expressions between them, or the way."""

Seen = Literal["output", "refusal", "input", "payload"]
"""Where it was seen: an output that breaks the contract; an agent that refuses an input that keeps it; an input that
the template's expressions made and that breaks it; a payload that is not the one that was signed."""

SUSPECT_AGENTS = 3
"""When as many different agents break one contract, or refuse what keeps it, it is the contract that is wrong."""

RESENDS = 3
"""How often an agent is asked for an answer again that was damaged on the way, and how many attempts of a task that
ended so are not counted."""


def classify(seen: Seen, agents: Set[AgentId] = frozenset()) -> Fault:
    """The fault, from where it was seen; `agents` are all in whose hands this contract was broken in the same way."""
    if seen == "payload":
        return "transport"
    if seen == "input":
        return "mapping"
    if len(agents) >= SUSPECT_AGENTS:
        return "contract"
    return "producer" if seen == "output" else "consumer"
