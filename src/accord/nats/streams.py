"""The streams and consumers of a namespace: made by orchestrators, used by everybody."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from accord.errors import BusUnavailable
from accord.nats.driver import JetStreamContext, api, errors, js_errors
from accord.nats.subjects import Queue, Subjects
from accord.ports import DELIVERIES_MAX

logger = logging.getLogger("accord.bus")

NAME_IN_USE: Final = 10058
"""The error code of a stream that is there, and configured otherwise."""

DEAD_MAX: Final = 100_000
DEAD_FOR_S: Final = 30 * 86_400.0
REQUEST_WITHIN_S: Final = 5.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a namespace holds, and how long it waits."""

    bound: int = 10_000
    """Messages of a queue: for a partition those of each agent, and those that come by an orchestrator."""
    deliveries: int = DELIVERIES_MAX
    """After so many a message is a dead letter."""
    ack_wait_s: float = 5.0
    """After that a message comes again, of which its holder says nothing."""
    replicas: int = 1
    """Servers of a cluster that hold a stream."""


def _of_queues(name: str, subjects: list[str], limits: Limits) -> api.StreamConfig:
    return api.StreamConfig(
        name=name,
        subjects=subjects,
        retention=api.RetentionPolicy.WORK_QUEUE,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        discard_new_per_subject=True,
        max_msgs_per_subject=limits.bound,
        num_replicas=limits.replicas,
    )


def _of_dead_letters(subjects: Subjects, limits: Limits) -> api.StreamConfig:
    return api.StreamConfig(
        name=subjects.dead,
        subjects=[f"{subjects.root}.dead.*"],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        max_msgs=DEAD_MAX,
        max_age=DEAD_FOR_S,
        num_replicas=limits.replicas,
        allow_direct=True,
    )


def configurations(subjects: Subjects, limits: Limits) -> list[api.StreamConfig]:
    """All streams of the namespace."""
    return [
        _of_queues(subjects.agents, [f"{subjects.root}.agent.*.in"], limits),
        _of_queues(subjects.partitions, [f"{subjects.root}.partition.>"], limits),
        _of_dead_letters(subjects, limits),
    ]


async def prepare(stream: JetStreamContext, subjects: Subjects, limits: Limits) -> None:
    """Make the streams that are missing, and change those that are otherwise. Raises BusUnavailable."""
    try:
        for configuration in configurations(subjects, limits):
            await _made(stream, configuration)
    except errors.Error as error:
        hint = "is JetStream on there, and may this user make streams? accord doctor"
        raise BusUnavailable.of("ACC755", f"the streams of the bus cannot be made: {error}", hint=hint) from error


async def _made(stream: JetStreamContext, configuration: api.StreamConfig) -> None:
    try:
        await stream.add_stream(configuration)
    except js_errors.BadRequestError as error:
        if error.err_code != NAME_IN_USE:
            raise
        await stream.update_stream(configuration)


async def prepare_queue(stream: JetStreamContext, queue: Queue, limits: Limits) -> None:
    """Make the consumer of a queue, where it is missing. Raises BusUnavailable."""
    configuration = api.ConsumerConfig(
        name=queue.consumer,
        durable_name=queue.consumer,
        filter_subject=queue.filter,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=limits.ack_wait_s,
        max_ack_pending=-1,
        max_deliver=-1,
        max_waiting=10_000,
    )
    try:
        await stream.add_consumer(queue.stream, configuration)
    except errors.Error as error:
        raise BusUnavailable.of("ACC755", f"the queue {queue.subject} cannot be made: {error}") from error
