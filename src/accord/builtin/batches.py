"""Long work on many files, cut into batches so that it reports progress and can be cancelled between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from accord.builtin.sources import SourceFile
from accord.sdk import Context

R = TypeVar("R")

BATCH_BYTES = 250_000
"""About a tenth of a second of parsing: how long a cancellation may have to wait."""


async def in_batches(
    files: Sequence[SourceFile], work: Callable[[SourceFile], R], context: Context, message: str
) -> list[R]:
    """`work` done on each of `files`, in order, in a thread; between batches the event loop gets its turn."""
    results: list[R] = []
    for batch in batches(files):
        results += await asyncio.to_thread(lambda chosen=batch: [work(file) for file in chosen])  # type: ignore[misc]  # a default argument has no declared type in a lambda
        await context.progress(len(results) / len(files), f"{message}: {len(results)} of {len(files)} files")
    return results


def batches(files: Sequence[SourceFile]) -> list[list[SourceFile]]:
    """The same files in order, cut so that each batch holds about `BATCH_BYTES`, and at least one file."""
    cut: list[list[SourceFile]] = []
    room = 0
    for file in files:
        if not cut or file.size_bytes > room:
            cut.append([])
            room = BATCH_BYTES
        cut[-1].append(file)
        room -= file.size_bytes
    return cut
