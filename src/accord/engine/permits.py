"""Permits: what an agent may do beside the bus, on a signed statement about an attempt of its own: upload a large
output, fetch a large input.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal

from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.large import Blob, blobs_in
from accord.domain.message import Claims, Message, decode_claims
from accord.domain.run import Run
from accord.domain.signature import parse_statement
from accord.domain.state import Attempt
from accord.engine.data_keys import DataKeys, too_large_to_encrypt
from accord.engine.documents import Documents
from accord.engine.gate import Gate
from accord.engine.large import Large, maker_of
from accord.engine.ledger import Ledger
from accord.engine.registry import Registry
from accord.engine.verdicts import Suspect
from accord.errors import ContractViolation, MessageRefused, NotFound, Unauthenticated
from accord.ports import Bare, BlobStore

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
        keys: DataKeys,
    ) -> None:
        self._gate = gate
        self._ledger = ledger
        self._registry = registry
        self._documents = documents
        self._large = large
        self._keys = keys
        self.suspected: Callable[[Sequence[Suspect]], Awaitable[None]] | None = None
        """What records a statement that does not hold, as an incident."""

    async def bring(self, statement: bytes, chunks: AsyncIterator[bytes], now: datetime) -> Blob:
        """Keep the output of an attempt, checked against its contract while it passes.

        Raises ContractViolation with what is wrong with it; then nothing is kept.
        """
        run, _, attempt = await self._permitted(statement, "upload", now)
        await self._refuse_encrypted(run.id)
        return await self._large.take(chunks, self._registry.contract(attempt.contract))

    async def take(self, statement: bytes, digest: Digest, blobs: BlobStore, now: datetime) -> AsyncIterator[bytes]:
        """The bytes of a document in an attempt's input. Raises NotFound where it is none."""
        run, _, attempt = await self._permitted(statement, "fetch", now)
        given = await self._documents.fetched(attempt.want.input)
        if all(blob.sha256 != digest for _, blob in blobs_in(given)) or maker_of(run, digest) is None:
            raise NotFound.of("ACC795", f"the attempt's input has no large document {digest}")
        return blobs.get_stream(digest)

    async def refuse_encrypted(self, statement: bytes) -> None:
        """Raise ContractViolation ACC874 where the statement is about an encrypted run: what is brought beside the bus
        goes into the blob store as it is.
        """
        claims = decode_claims(parse_statement(statement).claims)
        if claims.run is not None:
            await self._refuse_encrypted(claims.run)

    async def _refuse_encrypted(self, run: RunId) -> None:
        # The store is asked: the run may be another process's, whose key is not at hand here.
        if await self._keys.encrypted([run]):
            raise ContractViolation(too_large_to_encrypt())

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
