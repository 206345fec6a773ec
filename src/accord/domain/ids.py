"""Names of things, each its own type, so that one cannot be passed for another."""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from itertools import product
from typing import NewType
from zlib import crc32

RunId = NewType("RunId", str)
"""`run_` + 26 characters, sortable by time of creation."""

TaskId = NewType("TaskId", str)
"""A task of a run: its name in the template, for an item of a `for_each` with its index: `measure[3]`."""

AgentId = NewType("AgentId", str)
"""SPIFFE-shaped: `spiffe://<org>/agent/<name>`; an orchestrator is `spiffe://<org>/orchestrator/<name>`."""

AGENT_ID_PATTERN = r"^spiffe://[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?/agent/[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
"""Ids of agents."""

InstanceId = NewType("InstanceId", str)
"""One running process of an agent: the agent's id, `#`, and a token made when it started."""

LeaseToken = NewType("LeaseToken", str)
"""Names one lease; a result that carries another one is too late. See `lease_of`."""

KeyId = NewType("KeyId", str)
"""RFC 7638 thumbprint (SHA-256, base64url) of a public key."""

Digest = NewType("Digest", str)
"""SHA-256, 64 lower-case hexadecimal digits."""

StreamId = NewType("StreamId", str)
"""A stream of the journal: a run's id, or `sys:registry`, `sys:templates`, `sys:control`, `sys:incidents`,
`sys:access`, `sys:policies` and the others of `accord.domain.system`."""


def item_id(task: TaskId, index: int) -> TaskId:
    """The id of one item of a `for_each` task."""
    return TaskId(f"{task}[{index}]")


def split_item(task: TaskId) -> tuple[TaskId, int | None]:
    """The inverse of `item_id`: the template's task and the index, None where the task is no item."""
    if not task.endswith("]"):
        return task, None
    name, _, index = task[:-1].rpartition("[")
    return (TaskId(name), int(index)) if index.isdecimal() and index.isascii() else (task, None)


def lease_of(run: RunId, token: str) -> LeaseToken:
    """The lease of an attempt of this run. Agents do not look into it; who reads it again finds the run."""
    return LeaseToken(f"{run}.{token}")


def run_of(lease: LeaseToken) -> RunId | None:
    """The run whose lease it is; None for one that does not say."""
    run, dot, _ = lease.partition(".")
    return RunId(run) if dot else None


_ENDS = tuple("".join(digits).encode() for digits in product("0123456789abcdefghijklmnopqrstuv", repeat=2))

PARTITIONS = 64
"""Number of partitions, for ever: changing it would move runs between owners."""


@lru_cache(4096)
def partition_of(run: RunId) -> int:
    """The partition that the run belongs to."""
    return crc32(run.encode()) % PARTITIONS


def run_within(partitions: Container[int], token: str) -> RunId | None:
    """A run's id in one of these partitions: that of the token but for the last two digits; None where none is."""
    start = f"run_{token[:-2]}"
    so_far = crc32(start.encode())
    for end in _ENDS:
        if crc32(end, so_far) % PARTITIONS in partitions:
            return RunId(start + end.decode())
    return None
