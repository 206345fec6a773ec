"""A JSON array that comes in pieces, cut into batches of whole items: an array of any size is read with the memory of
one batch.

The end of an item is found by trying. Bytes that begin at an item and that are, with brackets around them, a valid
array are whole items, whatever comes after them: the grammar of JSON allows no other reading. So a candidate, a comma,
is proven by the parser itself, at its speed. Candidates that fail are commas inside of an item or a string: then more
bytes are awaited, twice as many each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from accord.domain.message import refusal, strict_json
from accord.errors import MessageRefused

BATCH_BYTES: Final = 128 << 10
"""So much is gathered before a batch is cut off."""

ITEM_MAX_BYTES: Final = 16 << 20
"""An item that is larger is refused."""

TRIES: Final = 16
"""So many commas, the last ones, are tried at a time."""

_BETWEEN: Final = {b"{": b"},{", b"[": b"],[", b'"': b'","'}
"""What stands between two items that begin like this, where no white space does."""

_SPACE: Final = b" \t\n\r"


class Items:
    """Takes the bytes of one array in order, and gives its items in batches. Raises MessageRefused as `strict_json`
    does, ACC320 for an item that is too large, and ACC326 where the document is no array.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._wanted = BATCH_BYTES
        self._begun = False
        self._cut = False
        self.count = 0
        """How many items were given."""

    def feed(self, data: bytes) -> Iterator[list[object]]:
        """The batches that these bytes complete."""
        self._held += data
        if not self._begun and not self._begins():
            return
        while len(self._held) >= self._wanted:
            batch = self._batch()
            if batch is None:
                if self._wanted >= ITEM_MAX_BYTES:
                    raise refusal("ACC320", f"item {self.count} has more than {ITEM_MAX_BYTES} bytes")
                self._wanted = min(2 * max(self._wanted, len(self._held)), ITEM_MAX_BYTES)
            else:
                self._wanted = BATCH_BYTES
                yield self._given(batch)

    def end(self) -> list[object]:
        """The last items. Raises where the array does not end here."""
        if not self._begun and not self._begins():
            raise refusal("ACC321", "the document is empty")
        last = strict_json(b"[" + bytes(self._held), max_bytes=ITEM_MAX_BYTES + BATCH_BYTES)
        if not isinstance(last, list) or (self._cut and not last):
            raise refusal("ACC321", "a comma without an item behind it")
        self._held.clear()
        return self._given(last)

    def _begins(self) -> bool:
        """Whether the opening bracket has come; it is taken away."""
        begin = self._held.lstrip(_SPACE)
        if not begin:
            self._held.clear()
            return False
        if begin[:1] != b"[":
            raise refusal("ACC326")
        self._held = begin[1:]
        self._begun = True
        return True

    def _batch(self) -> list[object] | None:
        """Whole items from the beginning of what is held; None where no comma that was tried ends one."""
        for comma in islice(self._commas(), TRIES):
            found = _items(bytes(self._held[:comma]))
            if found is not None:
                del self._held[: comma + 1]
                self._cut = True
                return found
        return None

    def _commas(self) -> Iterator[int]:
        """Where items may end, the last place first: between neighbours like the first item, then at any comma."""
        between = _BETWEEN.get(bytes(self._held[:64]).lstrip(_SPACE)[:1])
        for separator, offset in ((between, 1), (b",", 0)):
            at = len(self._held) if separator else -1
            while separator and (at := self._held.rfind(separator, 0, at)) >= 0:
                yield at + offset

    def _given(self, batch: list[object]) -> list[object]:
        self.count += len(batch)
        return batch


def _items(data: bytes) -> list[object] | None:
    """The items, None where these bytes are not whole items. What is refused for another reason than its syntax is
    refused when the array ends, or no batch can be cut off.
    """
    try:
        found = strict_json(b"[%b]" % data, max_bytes=2 * ITEM_MAX_BYTES)
    except MessageRefused:
        return None
    return found if isinstance(found, list) and found else None
