"""Proving a run: its bundle is made and examined, as anybody would who has it from somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
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
    with SpooledTemporaryFile(max_size=SPOOLED_BYTES) as file:
        async for chunk in service.export(run):
            file.write(chunk)
        return await asyncio.to_thread(examine, cast("BinaryIO", file), trusted)


async def run_proof(service: Service, run: RunId) -> RunProof:
    """The proof of a run, as it is now, as programs get it."""
    report = await proof_of(service, run)
    return RunProof(**msgspec.structs.asdict(report), holds=report.ok)
