"""Evidence: what proves a run to somebody who does not believe us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from accord.domain.checkpoint import Anchored, Checkpoint, Growth
from accord.domain.ids import AgentId, KeyId, RunId
from accord.errors import Refused

Look = Callable[[RunId], Awaitable[None]]
"""Asked of each run that is told of beside the one that was asked for: raises where who asks may not look at it."""

Payloads = Literal["all", "digests"]
"""Whether the payloads that are too large for events are exported, or only their digests."""


class Exhibit(msgspec.Struct, frozen=True, kw_only=True):
    """What a store was imported from: its runs are only looked at, and nobody owns them."""

    run: RunId
    """The run that was exported."""
    runs: tuple[RunId, ...]
    """All that are there: with those that did tasks of it, and those that they were forked from."""
    file: str
    """The name of the bundle."""
    signed_by: AgentId
    key: KeyId
    """The trusted key with which the bundle is signed."""
    exported_at: datetime
    imported_at: datetime
    payloads: Payloads
    absent: int
    """How many documents, and runs, are named and were not in the bundle."""

    def words(self) -> str:
        """In a line, for people."""
        return f"from {self.file}, exported by {self.signed_by} at {self.exported_at.isoformat()}: only to be looked at"


def exhibited() -> Refused:
    """The refusal of whatever would change a run of an exhibit."""
    hint = "what was imported is only looked at; a new run starts in another home"
    return Refused.of("ACC592", "this home holds what was imported of another orchestrator: an exhibit", hint=hint)


class MadeCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint of the journal."""

    number: int
    """Of its event in `sys:checkpoints`."""
    at: datetime
    added: int
    """How many ends of streams it added to the log."""
    checkpoint: Checkpoint


class ProvenRun(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a run ended in a checkpoint where it ends now."""

    checkpoint: Checkpoint
    run: Anchored
    key: dict[str, str]
    """The public key, as a JWK, that the checkpoint is signed with."""


class Evidence(Protocol):
    """What may be asked for as evidence."""

    def export(self, run: RunId, payloads: Payloads = "all") -> AsyncIterator[bytes]:
        """A bundle with the run and all that it rests on, as it is now: it can be examined without us (see
        `accord.evidence`). The same bytes while nothing happens.

        Raises NotFound, and StoreCorrupt where the journal does not hold.
        """
        ...

    async def exhibit(self) -> Exhibit | None:
        """What the store was imported from; None for one that is worked in."""
        ...

    async def checkpoints(self, *, after: int = 0, limit: int | None = None) -> list[MadeCheckpoint]:
        """The checkpoints behind this number, in order."""
        ...

    async def growth(self, size: int) -> Growth:
        """The newest checkpoint, and the proof that its log begins with the one of this size. Raises NotFound (ACC853)
        where the log is not so long.
        """
        ...

    async def anchor(self, run: RunId) -> ProvenRun:
        """The newest checkpoint, and the proof that the run ended in it where it ends now. Raises NotFound, and
        StoreCorrupt (ACC852) where the run does not say what it said when it was anchored.
        """
        ...
