"""How many partitions fall to each replica: all of them, evenly, and with as few moves as can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from accord.domain.shares import SHARED, share_of

NAMES = "abcdefg"
REPLICAS = st.sets(st.sampled_from(NAMES), min_size=1)
OWNERS = st.dictionaries(st.sampled_from(SHARED), st.sampled_from(NAMES))


def counted(owners: Mapping[int, str]) -> Counter[str]:
    return Counter(owners.values())


@given(REPLICAS, OWNERS)
def test_all_that_no_stranger_owns_falls_to_replicas_evenly(replicas: set[str], owners: dict[int, str]) -> None:
    shares = [share_of(name, replicas, owners) for name in replicas]
    strangers = sum(name not in replicas for name in owners.values())
    assert sum(shares) == len(SHARED) - strangers
    assert max(shares) - min(shares) <= 1


@given(REPLICAS, OWNERS)
def test_as_few_move_as_can_be(replicas: set[str], owners: dict[int, str]) -> None:
    """No other even distribution would have replicas give up fewer partitions."""
    owned = counted(owners)
    surplus = sum(max(0, owned[name] - share_of(name, replicas, owners)) for name in replicas)
    strangers = sum(owned[name] for name in owned.keys() - replicas)
    each, over = divmod(len(SHARED) - strangers, len(replicas))
    most = sorted((owned[name] for name in replicas), reverse=True)
    assert surplus == sum(max(0, have - each - (place < over)) for place, have in enumerate(most))


@given(REPLICAS)
def test_who_has_their_shares_keeps_them(replicas: set[str]) -> None:
    """Nothing flaps: what came out even is what falls to them again."""
    owners: dict[int, str] = {}
    for partition in SHARED:
        for name in sorted(replicas):
            if counted(owners)[name] < share_of(name, replicas, owners):
                owners[partition] = name
                break
    assert len(owners) == len(SHARED)
    assert all(counted(owners)[name] == share_of(name, replicas, owners) for name in replicas)


def test_reserved_partitions_are_nobodys_share() -> None:
    assert share_of("a", {"a", "b"}, {}) == share_of("a", {"a", "b"}, dict.fromkeys(range(48, 64), "a"))
