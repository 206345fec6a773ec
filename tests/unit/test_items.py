"""Arrays that come in pieces: the same items, and the same refusals, wherever the pieces are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain import items as module
from accord.domain.items import Items
from accord.domain.large import LargeCheck, blob_of, blobs_in
from accord.domain.message import strict_json
from accord.errors import AccordError, MessageRefused

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 8)


def read(data: bytes, cuts: list[int]) -> list[Any]:
    """The items of a document that comes in pieces of these lengths, and then the rest."""
    items, found, at = Items(), [], 0
    items._wanted = 8
    for cut in cuts:
        for batch in items.feed(data[at : at + cut]):
            found.extend(batch)
        at += cut
    for batch in items.feed(data[at:]):
        found.extend(batch)
    found.extend(items.end())
    assert items.count == len(found)
    return found


@given(st.lists(VALUES, max_size=20), st.lists(st.integers(0, 40), max_size=30), st.booleans())
def test_the_same_items_wherever_it_is_cut(values: list[Any], cuts: list[int], spaced: bool) -> None:
    data = json.dumps(values, indent=1 if spaced else None, ensure_ascii=spaced).encode("utf-8", "surrogatepass")
    try:
        whole = strict_json(data)
    except AccordError:
        with pytest.raises(MessageRefused):
            read(data, cuts)
        return
    assert read(data, cuts) == whole


@given(st.lists(VALUES, min_size=1, max_size=8), st.data())
def test_whatever_is_no_array_is_refused(values: list[Any], data: st.DataObject) -> None:
    whole = json.dumps(values).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 2)) :]
    cuts = data.draw(st.lists(st.integers(0, 20), max_size=10))
    try:
        expected = strict_json(broken)
    except AccordError:
        with pytest.raises(MessageRefused):
            read(broken, cuts)
        return
    if isinstance(expected, list):
        assert read(broken, cuts) == expected
    else:
        with pytest.raises(MessageRefused):
            read(broken, cuts)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"[",
        b"{}",
        b"1",
        b"[1,]",
        b"[1,,2]",
        b"[1] 2",
        b"[1],[2]",
        b"[NaN]",
        b'["\xff"]',
        b'[{"a":1,"a":2}]',
        b"[1e999]",
    ],
)
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_refused(data: bytes, cut: int) -> None:
    with pytest.raises(MessageRefused):
        read(data, [cut])


def test_an_item_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ITEM_MAX_BYTES", 64)
    with pytest.raises(MessageRefused, match="ACC320"):
        read(b'["' + b"x" * 200 + b'"]', [10, 10, 100])


def checked(schema: Any, data: bytes) -> list[str]:
    try:
        check = LargeCheck(schema)
        check.feed(data)
        check.end()
    except AccordError as error:
        return [f"{one.code} {one.place.pointer}" for one in error.problems]
    return []


NUMBERS = {"type": "array", "items": {"type": "integer"}}


def test_a_violation_is_named_by_its_place_in_the_whole() -> None:
    data = json.dumps([*range(1000), "x", *range(1000)]).encode()
    assert checked(NUMBERS, data) == ["ACC251 /1000"]


@pytest.mark.parametrize(
    ("bounds", "count", "holds"),
    [({"minItems": 3}, 3, True), ({"minItems": 4}, 3, False), ({"maxItems": 3}, 3, True), ({"maxItems": 2}, 3, False)],
)
def test_how_many_items(bounds: dict[str, int], count: int, holds: bool) -> None:
    assert (not checked({**NUMBERS, **bounds}, json.dumps([1] * count).encode())) == holds


@pytest.mark.parametrize(
    "schema",
    [True, {}, {"type": "object"}, {**NUMBERS, "uniqueItems": True}, {**NUMBERS, "contains": {}}, {"anyOf": [NUMBERS]}],
)
def test_what_cannot_be_checked_as_it_passes_is_refused(schema: Any) -> None:
    assert all(one.startswith("ACC328") for one in checked(schema, b"[]"))
    assert checked(schema, b"[]")


def test_references() -> None:
    real = {"$blob": {"sha256": "a" * 64, "len": 5}}
    assert blob_of(real) is not None
    assert blob_of({**real, "more": 1}) is None
    assert blob_of({"$blob": {"sha256": "a"}}) is None
    assert [pointer for pointer, _ in blobs_in({"a/b": real, "c": 1, "d": [real]})] == ["/a~1b"]
