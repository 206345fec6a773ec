"""How the items of a task are, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from accord.domain.standing import DONE, Standing

_ITEMS: Final[tuple[Standing, ...]] = ("failed", "cancelled", "running", "assigned", "waiting", "queued", "pending")
"""What is told of items beside those that are done, in this order."""


def items_words(found: Mapping[Standing, int]) -> str:
    """How the items of a task are: `6/8 items, 1 failed, 1 queued`. Those that are done are counted as tasks are."""
    parts = [f"{sum(found.get(one, 0) for one in DONE)}/{sum(found.values())} items"]
    parts += [f"{found[one]} {one}" for one in _ITEMS if found.get(one)]
    return ", ".join(parts)
