"""Shares: how many partitions fall to each replica, from what all of them can see, so that they need not agree.

Some partitions are reserved: commands that run beside replicas (`accord run`) find one that is free. Replicas own a
reserved one only while it has runs that somebody has left, or where they have no other yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

from accord.domain.ids import PARTITIONS

RESERVED: Final = range(48, PARTITIONS)
SHARED: Final = range(48)
"""Those that replicas share: a number that many numbers of replicas divide."""


def share_of(me: str, replicas: Collection[str], owners: Mapping[int, str]) -> int:
    """How many of the shared partitions `me`, one of the replicas, is to own.

    What others than replicas own is nobody's to share. Where it does not come out even, those who own most have one
    more than the others: so nothing moves that need not.
    """
    owned = Counter(name for partition, name in owners.items() if partition in SHARED)
    strangers = sum(count for name, count in owned.items() if name not in replicas)
    each, over = divmod(len(SHARED) - strangers, len(replicas))
    first = sorted(replicas, key=lambda name: (-owned[name], name))
    return each + (first.index(me) < over)
