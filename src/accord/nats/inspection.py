"""What can be seen of a server from here, without changing anything: for `accord doctor`."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import msgspec

from accord.addresses import BusAddress
from accord.errors import BusUnavailable
from accord.nats.connection import Connection
from accord.nats.driver import JetStreamContext, api, errors, js_errors
from accord.nats.streams import Limits, configurations
from accord.nats.subjects import Subjects

PROBES: Final = 10
"""How often something is done to tell how long it takes."""


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen."""

    version: str
    encrypted: bool
    local: bool
    """Whether the server is on this machine."""
    anybody: bool
    """Whether we were let in without proving anything."""
    round_trip_ms: float
    jetstream: str | None
    """Why there is no JetStream for us; None where there is."""
    missing: tuple[str, ...]
    """Streams that nobody has made yet."""
    in_memory: tuple[str, ...]
    """Streams that are not in files."""
    replicas: int
    """Servers that hold what is held by the fewest; 0 where there are no streams."""
    queued: int
    """Messages in all queues."""
    dead_letters: int


async def inspect(address: BusAddress, organisation: str) -> Inspection:
    """Look. Raises BusUnavailable."""
    subjects = Subjects(address.path or organisation)

    async def nothing(_: Connection) -> None:
        """Nothing is made."""

    async with Connection.open(address, "accord doctor", subjects.inbox, nothing) as connection:
        try:
            return await _inspected(connection, address, subjects)
        except errors.Error as error:
            raise connection.away(error) from error


async def _inspected(connection: Connection, address: BusAddress, subjects: Subjects) -> Inspection:
    client = connection.client
    began = time.perf_counter()
    for _ in range(PROBES):
        await client.flush()
    round_trip_ms = (time.perf_counter() - began) * 1000 / PROBES
    stream = client.jetstream()
    jetstream = await _no_jetstream(stream)
    found = {} if jetstream else await _streams(stream, subjects)
    state = {name: one.state.messages for name, one in found.items() if one is not None}
    configured = [one.config for one in found.values() if one is not None]
    version = client.connected_server_version
    return Inspection(
        version=f"{version.major}.{version.minor}.{version.patch}",
        encrypted=address.encrypted,
        local=all(map(_is_local, address.hosts)),
        anybody=address.secret is None,
        round_trip_ms=round_trip_ms,
        jetstream=jetstream,
        missing=tuple(name for name, one in found.items() if one is None),
        in_memory=tuple(str(one.name) for one in configured if one.storage != api.StorageType.FILE.value),
        replicas=min((one.num_replicas or 1 for one in configured), default=0),
        queued=state.get(subjects.agents, 0) + state.get(subjects.partitions, 0),
        dead_letters=state.get(subjects.dead, 0),
    )


async def _no_jetstream(stream: JetStreamContext) -> str | None:
    try:
        await stream.account_info()
    except errors.Error as error:
        return str(error)
    return None


async def _streams(stream: JetStreamContext, subjects: Subjects) -> dict[str, api.StreamInfo | None]:
    found: dict[str, api.StreamInfo | None] = {}
    for one in configurations(subjects, Limits()):
        name = str(one.name)
        try:
            found[name] = await stream.stream_info(name)
        except js_errors.NotFoundError:
            found[name] = None
        except errors.Error as error:
            raise BusUnavailable.of("ACC755", f"the stream {name} cannot be looked at: {error}") from error
    return found


def _is_local(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
