"""The cluster: all processes that share a store, and what each of them has."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A process that serves, or owns partitions."""

    name: str
    serves: bool
    """Whether it is a replica: a server that shares the partitions with all others."""
    here: bool
    """Whether it is the one that was asked."""
    partitions: int
    """How many it owns."""


class PartitionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Who owns a partition, and what waits for its owner."""

    partition: int
    reserved: bool
    """Whether replicas leave it to commands that run beside them."""
    owner: str | None
    """None where it is free."""
    epoch: int
    """How often it has been claimed."""
    until: datetime | None
    """When its owner's lease ends unless it is renewed."""
    queued: int | None
    """Messages of agents that wait on the bus for its owner; None where the bus does not say."""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Who works on a store, seen from one of them."""

    at: datetime
    organisation: str
    release: str
    """Of the process that was asked."""
    store: str
    """The kind of the store: `sqlite`, `postgresql`."""
    bus: str
    """The kind of the bus: `memory`, `nats`, `redis`."""
    members: tuple[Member, ...]
    """By name."""
    partitions: tuple[PartitionStanding, ...]
    """All of them, by number."""
    runs: int
    """Runs under way at the process that was asked."""
    waiting: int
    """Tasks that wait there for an agent."""

    @property
    def queued(self) -> int | None:
        """Messages that wait on the bus for anybody; None where the bus does not say."""
        counts = [one.queued for one in self.partitions if one.queued is not None]
        return sum(counts) if counts else None
