"""Large documents of the engine: uploaded by agents, checked while they pass, remembered, and given to whoever may have
them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from accord.domain.contract import Contract
from accord.domain.document import Document
from accord.domain.fork import contract_of
from accord.domain.ids import Digest, RunId
from accord.domain.large import Blob, LargeCheck, beside, blobs_in
from accord.domain.message import Claims
from accord.domain.run import Run
from accord.engine.documents import Documents
from accord.engine.registry import Registry
from accord.engine.uploads import Uploads
from accord.errors import AccordError, ContractViolation, MessageRefused, NotFound, Place, Problem
from accord.recent import Recent
from accord.verifier.compatibility import covers, schema_at

logger = logging.getLogger("accord.large")

REMEMBERED: Final = 10_000
CHECKS_AT_ONCE: Final = 2
STEP_BYTES: Final = 256 << 10
"""After so many bytes others get a turn."""

REFERENCE_MIN_BYTES: Final = 64 << 10
"""A smaller payload is sent with its statement."""

Key = tuple[RunId, Digest, Digest]
"""A run, a document of it, and the contract that this was checked against."""


class Verdict(msgspec.Struct, frozen=True):
    """What was found out about a document."""

    output: Document | None = None
    """The document as it is kept, None where it is not there."""
    problems: tuple[Problem, ...] = ()
    """How it breaks the contract."""


MISSING: Final = Verdict()
"""It may come yet."""


class Large:
    """Which large documents keep which contracts; what is not known is found out by reading the document."""

    def __init__(self, uploads: Uploads, documents: Documents) -> None:
        self._uploads = uploads
        self._documents = documents
        self._verdicts: Recent[Key, Verdict] = Recent(REMEMBERED)
        self._turns = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._checks: dict[Key, asyncio.Task[None]] = {}

    def verdict(self, run: RunId, digest: Digest, contract: Digest) -> Verdict | None:
        """What was found out about the document; None where nobody has looked yet."""
        verdict = self._verdicts.get((run, digest, contract))
        if verdict is MISSING:
            del self._verdicts[run, digest, contract]
        return verdict

    def forget(self, digest: Digest) -> None:
        """Look at the document again before anybody relies on it: it is gone from where it was."""
        for key in [key for key in self._verdicts if key[1] == digest]:
            del self._verdicts[key]

    async def take(self, run: RunId, chunks: AsyncIterator[bytes], contract: Contract) -> Blob:
        """Keep a document of a run that comes in pieces, and check it on the way.

        Raises MessageRefused and ContractViolation with what is wrong with it; then nothing is kept.
        """
        check = LargeCheck(contract.output.document)

        async def passing() -> AsyncIterator[bytes]:
            async for part in _parts(chunks):
                check.feed(part)
                yield part
            check.end()

        output = await self._uploads.keep(run, passing())
        self._verdicts[run, output.sha256, contract.digest] = Verdict(output)
        return Blob(output.sha256, output.length_bytes)

    def look_then(self, run: RunId, digest: Digest, contract: Contract, then: Callable[[], Awaitable[None]]) -> None:
        """Find the verdict, in the background; `then` is called when it is there, or could not be found."""
        key = (run, digest, contract.digest)
        earlier = self._checks.get(key)

        async def look() -> None:
            try:
                if earlier is not None:
                    await asyncio.wait([earlier])
                elif key not in self._verdicts:
                    async with self._turns:
                        self._verdicts[key] = await self._found(run, digest, contract)
            except AccordError as error:
                logger.warning("the document %s cannot be looked at now: %s", digest, error)
                await asyncio.sleep(1.0)
            finally:
                self._checks.pop(key, None)
                await then()

        task = asyncio.create_task(look(), name="accord-large")
        self._checks.setdefault(key, task)

    async def _found(self, run: RunId, digest: Digest, contract: Contract) -> Verdict:
        output = await self._uploads.find(run, digest)
        if output is None:
            return MISSING
        reading = _Reading(contract)
        try:
            async for part in _parts(self._documents.stream(output)):
                reading.feed(part)
        except NotFound:
            return MISSING
        reading.end()
        return Verdict(msgspec.structs.replace(output, length_bytes=reading.length_bytes), reading.problems)


class _Reading:
    """Reads a document to its end, whatever is wrong with it: how long it is, and how it breaks the contract."""

    def __init__(self, contract: Contract) -> None:
        self.length_bytes = 0
        self.problems: tuple[Problem, ...] = ()
        with self._noting():
            self._check = LargeCheck(contract.output.document)

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        self.length_bytes += len(data)
        if not self.problems:
            with self._noting():
                self._check.feed(data)

    def end(self) -> None:
        """The document ends here."""
        if not self.problems:
            with self._noting():
                self._check.end()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except (MessageRefused, ContractViolation) as error:
            self.problems = error.problems


async def _parts(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at most `STEP_BYTES`; after each of them others get a turn."""
    async for chunk in chunks:
        for start in range(0, len(chunk), STEP_BYTES):
            yield chunk[start : start + STEP_BYTES]
            await asyncio.sleep(0)


def is_by_reference(claims: Claims, payload: bytes) -> bool:
    """Whether the payload of a result was uploaded before."""
    signed = claims.payload
    return claims.kind == "result" and not payload and signed is not None and signed.length_bytes >= REFERENCE_MIN_BYTES


def made_in(run: Run, digest: Digest) -> tuple[Document, Digest] | None:
    """The document of the run with this digest, which a task has made or was adopted with, and the contract that it
    keeps. What an agent calls a reference is none where it is no such document.
    """
    for node in run.graph.order:
        for part in run.instances(node):
            state = run.state(part)
            contract = contract_of(run, part)
            if state.output is not None and state.output.sha256 == digest and contract is not None:
                return state.output, contract
    return None


def input_problems(run: Run, contract: Contract, value: object, registry: Registry) -> tuple[Problem, ...]:
    """What is wrong with an input that may hold references to large documents.

    Such a document is not read again: its maker's output schema, which it keeps, has to be covered by what the contract
    wants at its place (ACC329).
    """
    blobs = blobs_in(value)
    if not blobs:
        return contract.violations_of_input(value)
    made = {pointer: made_in(run, blob.sha256) for pointer, blob in blobs}
    kept = {pointer: registry.contract(one[1]) for pointer, one in made.items() if one is not None}
    found = beside(contract.violations_of_input(value), tuple(kept))
    for pointer, maker in kept.items():
        path = [pointer[1:].replace("~1", "/").replace("~0", "~")] if pointer else []
        wanted = schema_at(contract.input.document, path)
        if wanted is None or not covers(wanted, maker.output.document).proven:
            text = f"the large output of {maker.ref} is not proven to be what {contract.ref} takes"
            hint = "use the same schema of items on both sides"
            found = (*found, Problem("ACC329", text, Place(pointer=pointer or None), hint))
    return found
