"""Large documents of the engine: uploaded by agents, checked while they pass, remembered, and given to whoever may have
them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from accord.domain.contract import Contract
from accord.domain.ids import Digest
from accord.domain.large import Blob, LargeCheck, beside, blobs_in
from accord.domain.message import Claims
from accord.domain.run import Run
from accord.domain.state import Attempt
from accord.engine.registry import Registry
from accord.errors import AccordError, ContractViolation, MessageRefused, NotFound, Place, Problem
from accord.ports import BlobStore
from accord.verifier.compatibility import covers, schema_at

logger = logging.getLogger("accord.large")

REMEMBERED: Final = 10_000
CHECKS_AT_ONCE: Final = 2
STEP_BYTES: Final = 256 << 10
"""After so many bytes others get a turn."""

MISSING: Final = (Problem("ACC352", "the payload was not sent, and nobody has uploaded it"),)
"""The verdict about a document that is not there; it may come yet."""

REFERENCE_MIN_BYTES: Final = 64 << 10
"""A smaller payload is sent with its statement."""

Key = tuple[Digest, Digest]
"""A document, and the contract that it was checked against."""


class Large:
    """Which large documents keep which contracts; what is not known is found out by reading the blob."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._verdicts: OrderedDict[Key, tuple[Problem, ...]] = OrderedDict()
        self._turns = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._checks: dict[Key, asyncio.Task[None]] = {}

    def verdict(self, digest: Digest, contract: Digest) -> tuple[Problem, ...] | None:
        """What is wrong with the document; None where nobody has looked yet."""
        verdict = self._verdicts.get((digest, contract))
        if verdict is MISSING:
            del self._verdicts[digest, contract]
        return verdict

    def forget(self, digest: Digest) -> None:
        """Look at the document again before anybody relies on it: it is gone from where it was."""
        for key in [key for key in self._verdicts if key[0] == digest]:
            del self._verdicts[key]

    async def take(self, chunks: AsyncIterator[bytes], contract: Contract) -> Blob:
        """Keep a document that comes in pieces, and check it on the way.

        Raises MessageRefused and ContractViolation with what is wrong with it; then nothing is kept.
        """
        check = LargeCheck(contract.output.document)

        async def passing() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                for start in range(0, len(chunk), STEP_BYTES):
                    part = chunk[start : start + STEP_BYTES]
                    check.feed(part)
                    yield part
                    await asyncio.sleep(0)
            check.end()

        digest, length_bytes = await self._blobs.put_stream(passing())
        self._remember((digest, contract.digest), ())
        return Blob(digest, length_bytes)

    def look_then(self, digest: Digest, contract: Contract, then: Callable[[], Awaitable[None]]) -> None:
        """Find the verdict, in the background; `then` is called when it is there, or could not be found."""
        key = (digest, contract.digest)
        earlier = self._checks.get(key)

        async def look() -> None:
            try:
                if earlier is not None:
                    await asyncio.wait([earlier])
                elif key not in self._verdicts:
                    async with self._turns:
                        self._remember(key, await self._found(digest, contract))
            except AccordError as error:
                logger.warning("the document %s cannot be looked at now: %s", digest, error)
                await asyncio.sleep(1.0)
            finally:
                self._checks.pop(key, None)
                await then()

        task = asyncio.create_task(look(), name="accord-large")
        self._checks.setdefault(key, task)

    async def _found(self, digest: Digest, contract: Contract) -> tuple[Problem, ...]:
        try:
            check = LargeCheck(contract.output.document)
            async for chunk in self._blobs.get_stream(digest, chunk_bytes=STEP_BYTES):
                check.feed(chunk)
                await asyncio.sleep(0)
            check.end()
        except NotFound:
            return MISSING
        except (MessageRefused, ContractViolation) as error:
            return error.problems
        return ()

    def _remember(self, key: Key, problems: tuple[Problem, ...]) -> None:
        self._verdicts[key] = problems
        while len(self._verdicts) > REMEMBERED:
            self._verdicts.popitem(last=False)


def is_by_reference(claims: Claims, payload: bytes) -> bool:
    """Whether the payload of a result was uploaded before."""
    signed = claims.payload
    return claims.kind == "result" and not payload and signed is not None and signed.length_bytes >= REFERENCE_MIN_BYTES


def maker_of(run: Run, digest: Digest) -> Attempt | None:
    """The attempt whose accepted output this document of the run is. What an agent calls a reference is none where no
    task of the run has made it.
    """
    for node in run.graph.order:
        for part in run.instances(node):
            state = run.state(part)
            if state.output is not None and state.output.sha256 == digest and state.attempt:
                return run.attempt(part, state.attempt)
    return None


def input_problems(run: Run, contract: Contract, value: object, registry: Registry) -> tuple[Problem, ...]:
    """What is wrong with an input that may hold references to large documents.

    Such a document is not read again: its maker's output schema, which it keeps, has to be covered by what the contract
    wants at its place (ACC329).
    """
    made = {pointer: maker_of(run, blob.sha256) for pointer, blob in blobs_in(value)}
    makers = {pointer: attempt for pointer, attempt in made.items() if attempt is not None}
    found = beside(contract.violations_of_input(value), tuple(makers))
    for pointer, attempt in makers.items():
        path = [pointer[1:].replace("~1", "/").replace("~0", "~")] if pointer else []
        wanted = schema_at(contract.input.document, path)
        given = registry.contract(attempt.contract).output.document
        if wanted is None or not covers(wanted, given).proven:
            text = f"the large output of {attempt.capability} is not proven to be what {contract.ref} takes"
            hint = "use the same schema of items on both sides"
            found = (*found, Problem("ACC329", text, Place(pointer=pointer or None), hint))
    return found
