"""Permits: what an agent may do beside the bus, on a signed statement about an attempt of its own: upload a large
output, fetch a large input.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal

from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.large import Blob, blobs_in
from accord.domain.message import Claims, Message
from accord.domain.run import Run
from accord.domain.state import Attempt
from accord.engine.documents import Documents
from accord.engine.gate import Gate
from accord.engine.large import Large, made_in
from accord.engine.ledger import Ledger
from accord.engine.registry import Registry
from accord.engine.verdicts import Suspect
from accord.errors import MessageRefused, NotFound, Unauthenticated
from accord.ports import Bare, Clock

Purpose = Literal["upload", "fetch"]


class Permits:
    """Lets agents bring and take large documents. Everything raises Unauthenticated where the statement does not
    hold, which is an incident, and MessageRefused where its attempt is not this agent's, or has ended.
    """

    def __init__(
        self,
        gate: Gate,
        ledger: Ledger,
        registry: Registry,
        documents: Documents,
        large: Large,
    ) -> None:
        self._gate = gate
        self._ledger = ledger
        self._registry = registry
        self._documents = documents
        self._large = large
        self.suspected: Callable[[Sequence[Suspect]], Awaitable[None]] | None = None
        """What records a statement that does not hold, as an incident."""

    async def bring(self, statement: bytes, chunks: AsyncIterator[bytes], now: datetime) -> Blob:
        """Keep the output of an attempt, checked against its contract while it passes.

        Raises ContractViolation with what is wrong with it; then nothing is kept.
        """
        run, _, attempt = await self._permitted(statement, "upload", now)
        return await self._large.take(run.id, chunks, self._registry.contract(attempt.contract))

    async def take(self, statement: bytes, digest: Digest, now: datetime) -> AsyncIterator[bytes]:
        """The bytes of a document in an attempt's input. Raises NotFound where it is none."""
        run, _, attempt = await self._permitted(statement, "fetch", now)
        given = await self._documents.fetched(attempt.want.input)
        made = made_in(run, digest)
        if made is None or all(blob.sha256 != digest for _, blob in blobs_in(given)):
            raise NotFound.of("ACC795", f"the attempt's input has no large document {digest}")
        return self._documents.stream(made[0])

    async def _permitted(self, statement: bytes, purpose: Purpose, now: datetime) -> tuple[Run, Claims, Attempt]:
        shown = Bare(Message(statement, b""))
        (found,) = await self._gate.authenticate([shown], now, frozenset((purpose,)))
        if isinstance(found, Suspect):
            if self.suspected is not None:
                await self.suspected([found])
            raise Unauthenticated(found.problem)
        claims = found.claims
        name = claims.run or RunId("")
        run = self._ledger.find(name) or (await self._ledger.read(name))[0]
        attempt = self._gate.attempt_of(run, claims)
        if run is None or attempt is None:
            text = f"attempt {claims.attempt} of {claims.task or TaskId('')} has ended"
            raise MessageRefused.of("ACC796", text, hint="nobody waits for its output any more")
        denied = self._gate.denial(run, claims.task or TaskId(""), attempt)
        if denied is not None:
            raise MessageRefused(denied)
        return run, claims, attempt


class HostedPayloads:
    """How agents in the orchestrator's own process bring and fetch documents: see `ports.Payloads`."""

    def __init__(self, permits: Permits, clock: Clock) -> None:
        self._permits = permits
        self._clock = clock

    async def bring(self, statement: bytes, chunks: AsyncIterator[bytes]) -> Blob:
        return await self._permits.bring(statement, chunks, self._clock.now())

    async def open(self, statement: bytes, blob: Blob) -> AsyncIterator[bytes]:
        async for chunk in await self._permits.take(statement, blob.sha256, self._clock.now()):
            yield chunk
