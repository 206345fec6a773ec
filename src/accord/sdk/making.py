"""Making large outputs: an async generator's items become one array, sent with its statement while it is small, else
uploaded while it is made.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from decimal import Decimal
from typing import Any, Final

import orjson

from accord.domain.cost import total
from accord.domain.labels import join, told
from accord.domain.large import Blob
from accord.sdk.outcome import Failure, Output, Result, read_cost
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


class _Told:
    """What the items say of themselves, and so of the whole: it can be relied on as far as its weakest item, and has
    cost what they have cost together. It has the labels of all of them, and is declassified where all of them are.
    """

    def __init__(self) -> None:
        self.confidence: float | None = None
        self.cost: Decimal | None = None
        self._labels: set[str] = set()
        self._declassified: set[bool] = set()

    def value_of(self, item: Any) -> Any:
        """The item itself."""
        if not isinstance(item, Result):
            self._declassified.add(False)
            return item
        self._labels.update(item.labels)
        self._declassified.add(item.declassified)
        if item.confidence is not None:
            self.confidence = min(item.confidence, 1.0 if self.confidence is None else self.confidence)
        if item.cost is not None:
            self.cost = total((self.cost, Decimal(item.cost)))
        return item.value

    def output(self, data: bytes, blob: Blob | None = None) -> Output:
        """The whole, once all items are made. Raises BadInput ACC720 where the sum has too many digits."""
        whole, labels = self._declassified == {True}, told(join(self._labels))
        return Output(data, self.confidence, read_cost(self.cost), blob, labels=labels, declassified=whole)


async def made(items: AsyncGenerator[Any, Any], shape: Shape, payloads: AttemptPayloads | None) -> Output:
    """The output that these items make together; `Result`s among them count for the whole.

    Raises Failure, and what the generator raises.
    """
    told = _Told()
    chunks = _chunks(items, shape, told)
    try:
        begun = b""
        async for chunk in chunks:
            begun += chunk
            if len(begun) > INLINE_BYTES:
                break
        else:
            return told.output(begun)
        if payloads is None:
            raise Failure("output-too-large", f"more than {INLINE_BYTES} bytes, and nowhere to bring them")
        blob = await payloads.bring(_with(begun, chunks))
        return told.output(b"", blob)
    finally:
        await chunks.aclose()
        await items.aclose()


async def _with(begun: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    async for chunk in rest:
        yield chunk


async def _chunks(items: AsyncGenerator[Any, Any], shape: Shape, told: _Told) -> AsyncGenerator[bytes, None]:
    held = bytearray(b"[")
    between = b""
    async for item in items:
        held += between
        held += shape.dump(told.value_of(item))
        between = b","
        if len(held) >= CHUNK_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held + b"]")
