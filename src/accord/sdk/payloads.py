"""Large payloads of one attempt: brought and fetched beside the bus, on statements about the attempt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

from accord.domain.large import Blob
from accord.ports import Payloads

Sign = Callable[[Literal["upload", "fetch"]], Awaitable[bytes]]
"""A signed statement of this kind about the attempt."""


class AttemptPayloads:
    """What an attempt may bring and fetch."""

    def __init__(self, payloads: Payloads, sign: Sign) -> None:
        self._payloads = payloads
        self._sign = sign

    async def bring(self, chunks: AsyncIterator[bytes]) -> Blob:
        """Upload the output. Raises what `Payloads.bring` raises."""
        return await self._payloads.bring(await self._sign("upload"), chunks)

    async def open(self, blob: Blob) -> AsyncIterator[bytes]:
        """The bytes of a large input."""
        async for chunk in self._payloads.open(await self._sign("fetch"), blob):
            yield chunk
