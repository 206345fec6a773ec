"""Streams: arrays of any size, as an agent reads and makes them.

@agent.capability("table.double@1.0.0")
async def double(rows: Stream[Row]) -> AsyncIterator[Row]:
    async for row in rows:
        yield Row(row.name, 2 * row.number)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from accord.domain.items import Items
from accord.domain.large import Blob, blob_of
from accord.sdk.payloads import AttemptPayloads
from accord.sdk.typed_dict import readable

T = TypeVar("T")

_MADE: Final = (AsyncIterator, AsyncIterable, AsyncGenerator)


class Stream(Generic[T]):
    """The items of an array of any size, each read when it is asked for. Every reading begins anew."""

    def __init__(self, items: list[Any] | Blob, adapter: TypeAdapter[T], payloads: AttemptPayloads | None) -> None:
        self._items = items
        self._adapter = adapter
        self._payloads = payloads

    async def __aiter__(self) -> AsyncIterator[T]:
        async for batch in self._batches():
            for item in batch:
                yield self._adapter.validate_python(item)

    async def _batches(self) -> AsyncIterator[list[Any]]:
        if not isinstance(self._items, Blob):
            yield self._items
            return
        if self._payloads is None:
            raise RuntimeError("a large array can be read while its attempt goes on, and no longer")
        items = Items()
        async for chunk in self._payloads.open(self._items):
            for batch in items.feed(chunk):
                yield batch
        yield items.end()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read from an array, or the reference to one; to others the schema is that of a list."""
        (item,) = get_args(source) or (Any,)
        adapter: TypeAdapter[Any] = TypeAdapter(readable(item))

        def read(value: object, info: ValidationInfo) -> Stream[Any]:
            items = blob_of(value) or value
            if not isinstance(items, list | Blob):
                raise ValueError("Input should be an array")
            return cls(items, adapter, info.context)

        listed = handler.generate_schema(list[item])  # type: ignore[valid-type]  # it is known at run time
        return core_schema.with_info_plain_validator_function(read, json_schema_input_schema=listed)


def made_items(annotation: Any) -> Any:
    """The type of the items that an async generator makes, None where its return type does not say."""
    return get_args(annotation)[0] if get_origin(annotation) in _MADE and get_args(annotation) else None
