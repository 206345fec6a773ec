"""The bus of an address. Each kind needs a driver, which is an extra."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from accord.addresses import BusAddress
from accord.domain.ids import AgentId
from accord.domain.signature import PublicKey
from accord.domain.succession import Link

if TYPE_CHECKING:
    from accord.bus.nats import NatsBus
    from accord.bus.redis import RedisBus


def bus_at(
    address: BusAddress,
    organisation: str,
    *,
    agent: AgentId | None = None,
    keys: Sequence[PublicKey] = (),
    links: Sequence[Link] = (),
) -> AbstractAsyncContextManager[NatsBus | RedisBus]:
    """The bus as the agent that is named has it; else as an orchestrator, which tells agents these keys of its own, and
    the successions that lead to them. Raises BusUnavailable, BadInput.
    """
    if address.kind == "redis":
        from accord.bus.redis import RedisBus  # noqa: PLC0415 - it needs the driver

        return RedisBus.open(address, organisation, keys=keys, links=links)
    from accord.bus.nats import NatsBus  # noqa: PLC0415 - as above

    return NatsBus.open(address, organisation, agent=agent, keys=keys, links=links)
