"""What people and programs may ask of an orchestrator: one Protocol, whether it runs in this process (`engine.node`)
or is a server far away (`client.remote`). The docstrings are the contract.
"""

from __future__ import annotations

from typing import Protocol

from accord.service.access import Access, Invitation
from accord.service.agents import Agents, KnownAgent, Question, TakenOut, Work
from accord.service.evidence import Evidence, Exhibit, Look, MadeCheckpoint, Payloads, ProvenRun, exhibited
from accord.service.holds import Holds
from accord.service.keys import EXPIRES_SOON, Keys, KeyState, KnownKey
from accord.service.learning import Learning
from accord.service.runs import Barred, Fork, RunCommand, Runs, Seal, agents_of, held, state_of, summary_of
from accord.service.templates import Published, Templates, newest

__all__ = [
    "EXPIRES_SOON",
    "Barred",
    "Exhibit",
    "Fork",
    "Invitation",
    "KeyState",
    "KnownAgent",
    "KnownKey",
    "Look",
    "MadeCheckpoint",
    "Payloads",
    "ProvenRun",
    "Published",
    "Question",
    "RunCommand",
    "Seal",
    "Service",
    "TakenOut",
    "Work",
    "agents_of",
    "exhibited",
    "held",
    "newest",
    "state_of",
    "summary_of",
]


class Service(Templates, Runs, Evidence, Agents, Keys, Holds, Access, Learning, Protocol):
    """All that may be asked of an orchestrator.

    `by` is who asks; a server that knows its callers writes down whom it has let in. Every method may raise
    StoreUnavailable; what else one raises stands with it.

    `once` is a name for a request, made up by whoever asks: under the same name it is done once, and answered as it was
    then, however often it is sent and to whichever process, for as long as the answer is kept. ACC449 (Refused) where
    the name stands for another request. Without a name, what is asked for again is done again.
    """
