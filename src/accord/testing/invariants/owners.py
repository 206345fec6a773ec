"""Invariant 5: never two owners append to one partition under the same epoch."""

from __future__ import annotations

from collections.abc import Iterator

from accord.domain.ids import RunId, partition_of
from accord.engine.parts import Parts
from accord.ports import Append, Fence


class Epochs:
    """The newest epoch of each partition, and who has claimed it."""

    def __init__(self) -> None:
        self._newest: dict[int, tuple[int, str]] = {}

    def claimed(self, fence: Fence, owner: str) -> None:
        """From now on nobody else may write."""
        self._newest[fence.partition] = (fence.epoch, owner)

    def holds(self, partition: int, parts: Parts) -> bool:
        """Whether this orchestrator is the owner, and not one that has yet to notice that it no longer is."""
        fence = parts.partitions.fences.get(partition)
        return fence is not None and self._newest.get(partition) == (fence.epoch, parts.identity.owner)

    def see(self, append: Append, owner: str) -> Iterator[str]:
        """What is wrong with an append by this owner."""
        fence = append.fence
        if fence is None:
            yield f"{append.stream} was written without a fence"
            return
        newest = self._newest.get(fence.partition)
        if newest != (fence.epoch, owner):
            yield f"{append.stream} was written by {owner} under epoch {fence.epoch} after {newest}"
        if fence.partition != partition_of(RunId(append.stream)):
            yield f"{append.stream} was written under the fence of partition {fence.partition}"


def strangers(parts: Parts) -> Iterator[str]:
    """Between two turns: what is kept of runs that belong to others."""
    ours = parts.partitions.fences
    kept = {
        "in memory": [slot.run.id for slot in parts.ledger.slots()],
        "reserved": [run for run, held in parts.router._reserved.items() if held],
        "parked": list(parts.dispatcher._parked),
        "in an order": list(parts.dispatcher._waits),
        "with a timer": list(parts.timers._at),
        "to be sent": [run for run, _, _ in parts.outgoing],
    }
    for where, runs in kept.items():
        for run in runs:
            if partition_of(run) not in ours:
                yield f"{run} of somebody else is {where}"
