"""Making large outputs: an async generator's items become one array, sent with its statement while it is small, else
uploaded while it is made.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import orjson

from accord.sdk.outcome import Failure, Output
from accord.sdk.payloads import AttemptPayloads
from accord.sdk.schema import JsonSchema, Shape

INLINE_BYTES: Final = 1 << 20
"""An output that is not larger is sent with its statement."""

CHUNK_BYTES: Final = 256 << 10


class MadeShape:
    """An array that is made item by item."""

    def __init__(self, schema: JsonSchema, item: Shape) -> None:
        self.schema = schema
        self._item = item

    def load(self, data: bytes, payloads: AttemptPayloads | None = None) -> Any:
        """The items, as JSON gives them."""
        return orjson.loads(data)

    def dump(self, value: Any) -> bytes:
        """The document of one item."""
        return self._item.dump(value)


async def made(items: AsyncGenerator[Any, Any], shape: Shape, payloads: AttemptPayloads | None) -> Output:
    """The output that these items make together. Raises Failure, and what the generator raises."""
    chunks = _chunks(items, shape)
    try:
        begun = b""
        async for chunk in chunks:
            begun += chunk
            if len(begun) > INLINE_BYTES:
                break
        else:
            return Output(begun)
        if payloads is None:
            raise Failure("output-too-large", f"more than {INLINE_BYTES} bytes, and nowhere to bring them")
        return Output(b"", blob=await payloads.bring(_with(begun, chunks)))
    finally:
        await chunks.aclose()
        await items.aclose()


async def _with(begun: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    async for chunk in rest:
        yield chunk


async def _chunks(items: AsyncGenerator[Any, Any], shape: Shape) -> AsyncGenerator[bytes, None]:
    held = bytearray(b"[")
    between = b""
    async for item in items:
        held += between
        held += shape.dump(item)
        between = b","
        if len(held) >= CHUNK_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held + b"]")
