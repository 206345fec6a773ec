"""Maps that forget: what is remembered has a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """A map of at most so many: of more, what was put or used longest ago is forgotten. The oldest are first.

    To look something up does not use it: `made` and `move_to_end` do. `setdefault` moves nothing. It is no plain
    `dict`, which takes the longer to find its first key the more were deleted before it.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self._most:
            self.popitem(last=False)

    def made(self, key: K, make: Callable[[], V]) -> V:
        """The value of this key, which is the newest now, and is made where there is none."""
        if key not in self:
            self[key] = make()
        else:
            self.move_to_end(key)
        return self[key]
