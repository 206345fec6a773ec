"""Proving a run: its bundle is made and examined, as anybody would who has it from somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import msgspec

from accord.domain.ids import KeyId, RunId
from accord.evidence.examine import Report, examine
from accord.service import Service

SPOOLED_BYTES = 32 << 20
"""Larger bundles are put on the disk while they are examined."""


class RunProof(Report, frozen=True, kw_only=True):
    """What has been verified of a run, and what does not hold; and whether everything does."""

    holds: bool


async def proof_of(service: Service, run: RunId, trusted: Collection[KeyId] | None = None) -> Report:
    """Verify everything that can be verified of a run. `trusted` are the orchestrator's keys to believe; None: the one
    that the service signs with. Raises StoreCorrupt where the journal itself does not hold.
    """
    return await _examined(service.export(run), trusted)


async def run_proof(bundle: AsyncIterator[bytes]) -> RunProof:
    """What the examination of a bundle that is being made gives, as programs get it."""
    report = await _examined(bundle, None)
    return RunProof(**msgspec.structs.asdict(report), holds=report.ok)


async def _examined(bundle: AsyncIterator[bytes], trusted: Collection[KeyId] | None) -> Report:
    from accord.policy.cedar import decide_by  # noqa: PLC0415 - Cedar takes a while to import

    with SpooledTemporaryFile(max_size=SPOOLED_BYTES) as file:
        async for chunk in bundle:
            file.write(chunk)
        return await asyncio.to_thread(examine, cast("BinaryIO", file), trusted, decide_by)
