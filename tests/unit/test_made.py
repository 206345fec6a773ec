"""Arrays that are made item by item: their bytes, and what their items say of the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from accord.domain.ids import Digest
from accord.domain.large import Blob
from accord.errors import BadInput
from accord.sdk import Result
from accord.sdk.making import INLINE_BYTES, made
from accord.sdk.outcome import Output
from accord.sdk.parameters import Declared, signature_of
from accord.sdk.payloads import AttemptPayloads


async def plain(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield f"item {number}"


async def estimated(count: int) -> AsyncIterator[Result[str]]:
    for number in range(count):
        yield Result(f"item {number}", confidence=0.5 + number / 10, cost="0.1" if number else None)


async def in_part(count: int) -> AsyncIterator[str | Result[str]]:
    for number in range(count):
        yield f"item {number}" if number else Result("item 0", confidence=0.25)


async def output(function: Callable[..., Any], payloads: AttemptPayloads | None = None, **arguments: Any) -> Output:
    return await made(function(**arguments), signature_of(function, Declared()).output, payloads)


@pytest.mark.parametrize("function", [plain, estimated, in_part])
async def test_the_array_is_the_same_whatever_is_told_of_its_items(function: Callable[..., Any]) -> None:
    schema = signature_of(function, Declared()).output.schema
    assert schema == {"type": "array", "items": {"type": "string"}}
    assert (await output(function, count=2)).data == b'["item 0","item 1"]'


async def test_the_whole_is_as_certain_as_its_weakest_item_and_has_cost_their_sum() -> None:
    whole = await output(estimated, count=4)
    assert (whole.confidence, whole.cost) == (0.5, "0.3")


async def test_items_that_say_nothing_change_nothing() -> None:
    assert (await output(in_part, count=3)).confidence == 0.25
    whole = await output(plain, count=3)
    assert (whole.confidence, whole.cost) == (None, None)
    assert (await output(estimated, count=0)).cost is None


async def test_a_sum_that_is_no_cost() -> None:
    async def dear() -> AsyncIterator[Result[int]]:
        for number in range(2):
            yield Result(number, cost=Decimal(999_999_999_999))

    with pytest.raises(BadInput, match="ACC720"):
        await output(dear)


class Brought(AttemptPayloads):
    """Takes what is brought."""

    def __init__(self) -> None:
        self.data = b""

    async def bring(self, chunks: AsyncIterator[bytes]) -> Blob:
        async for chunk in chunks:
            self.data += chunk
        return Blob(Digest("0" * 64), len(self.data))


async def test_a_large_one_tells_what_all_its_items_say() -> None:
    async def large() -> AsyncIterator[Result[str]]:
        for number in range(40):
            yield Result("x" * (INLINE_BYTES // 20), confidence=1 - number / 100, cost=1)

    brought = Brought()
    whole = await output(large, brought)
    assert whole.blob is not None
    assert whole.blob.length_bytes == len(brought.data) > INLINE_BYTES
    assert (whole.confidence, whole.cost) == (0.61, "40")
