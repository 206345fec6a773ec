"""Joining: agents of this process, connected to an orchestrator elsewhere. The composition root of an agent's process,
which needs nothing of the orchestrator.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from accord.addresses import BusAddress
from accord.bus.opening import bus_at
from accord.bus.socketio import SILENT, Member, SocketBus, Watch
from accord.bus.uploads import HttpPayloads
from accord.custody import Custody
from accord.deputy import Delegating
from accord.domain.agent import key_name, orchestrator_id, registry_id
from accord.domain.handshake import HOW_TO_ENROL, HOW_TO_TRUST
from accord.domain.ids import InstanceId, KeyId
from accord.domain.signature import PublicKey
from accord.domain.succession import heirs
from accord.errors import BadInput, BusUnavailable, KeyUnusable, MessageRefused, NotFound, Problem, Refused
from accord.keys.named import key_of
from accord.keys.opening import open_keys
from accord.keys.signer import SignerKeys
from accord.loading.http import httpx
from accord.machine import SystemClock
from accord.ports import Bus, KeyStore, Tracing
from accord.sdk import Agent
from accord.sdk.worker import AgentKey, Worker, WorkerOptions
from accord.tls import SYSTEM, TlsFiles, meaning

if TYPE_CHECKING:
    from accord.bus.nats import NatsBus
    from accord.bus.redis import RedisBus

UNKNOWN_KEY: Final = "ACC771"
"""The orchestrator does not know the agent's key: it has to be enrolled."""

ASKED_WITHIN_S: Final = 10.0
ASKED_AGAIN_AFTER_S: Final = 0.5


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, and what opens the door."""

    url: str
    """Of a server, or of the bus."""
    bus: BusAddress | None = None
    """The bus, where the agents connect to that themselves; None where they connect to a server."""
    server: str | None = None
    """Where large documents are, beside the bus."""
    token: str | None = None
    """An enrolment token, where the agents' key is not known there yet."""
    credential: str | None = None
    """An admin's API key: with it tokens are asked for as they are needed."""
    trusted: frozenset[KeyId] = frozenset()
    """Keys of orchestrators that are believed, beside those that were believed before and the token's."""


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """Where this process keeps what it needs."""

    home: Path
    custody: Custody
    drain_within: timedelta = timedelta(seconds=30)
    """How long agents may go on when they are asked to stop."""
    tls: TlsFiles = SYSTEM
    """Whose certificates are believed, and which one is shown, to a server."""
    watch: Watch = SILENT
    """Told of each agent when its connection is lost, and when it is there."""

    signer: Path | None = None
    """The socket of the signer that holds the agents' keys; None where they are here."""
    delegating: Delegating | None = None
    """How short-lived keys sign for the agents'; None where those sign everything themselves."""
    tracing: Tracing | None = None
    """Traces what the agents do."""

    @property
    def trust(self) -> Path:
        """The file with the orchestrators' keys that are believed, by the URL that they are found at."""
        return self.home / "trusted.json"


class Joined(msgspec.Struct, frozen=True):
    """A running agent, and its connection."""

    worker: Worker
    bus: Bus
    ended: asyncio.Future[None]
    """Raises what has ended it for good."""


@asynccontextmanager
async def join(
    agents: Sequence[Agent], destination: Destination, station: Station
) -> AsyncIterator[list[Joined]]:  # fmt: skip
    """These agents, working for the orchestrator at the destination; on the way out they end what they have begun.

    Raises:
        BadInput: there is no orchestrator at this address that an agent can connect to.
        MessageRefused: it does not let an agent in, or is none that this process believes.
    """
    station.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        keys = await stack.enter_async_context(_keys(station))
        joined = _joined if destination.bus is None else _on_bus
        yield [await stack.enter_async_context(joined(agent, destination, station, keys)) for agent in agents]


@asynccontextmanager
async def _keys(station: Station) -> AsyncIterator[KeyStore]:
    """The keys: a signer's, or those in the store of this home."""
    if station.signer is not None:
        async with SignerKeys.open(station.signer) as held:
            yield held
    else:
        async with open_keys(station.custody) as own:
            yield own


def _key(keys: KeyStore, name: str, trust: Mapping[KeyId, PublicKey]) -> AgentKey:
    """The agent's key; a signer is shown what the orchestrators with these keys assign."""
    if not isinstance(keys, SignerKeys):
        return AgentKey(keys, name)
    return AgentKey(keys, name, partial(keys.show, trust))


@asynccontextmanager
async def _joined(agent: Agent, destination: Destination, station: Station, keys: KeyStore) -> AsyncIterator[Joined]:
    clock, name, token = SystemClock(), key_name(agent.id), secrets.token_hex(8)
    public = await key_of(keys, name)
    door = _Door(agent, destination, station)
    member = Member(
        agent=agent.id,
        organisation=agent.organisation,
        instance=InstanceId(f"{agent.id}#{token}"),
        keys=keys,
        key=public,
        trusted=frozenset(),
    )
    async with AsyncExitStack() as stack:
        bus = await door.open(member, clock, stack)
        options = WorkerOptions(
            heartbeat=bus.heartbeat,
            instance=token,
            registry=registry_id(agent.organisation),
            drain_within=station.drain_within,
            payloads=HttpPayloads(destination.url, station.tls),
            delegating=station.delegating,
            tracing=station.tracing,
        )
        worker = Worker(agent, _key(keys, name, bus.trust), bus, clock, bus.trust, options)
        bus.joined.append(worker.announce)
        yield Joined(await stack.enter_async_context(worker), bus, bus.ended)


@asynccontextmanager
async def _on_bus(agent: Agent, destination: Destination, station: Station, keys: KeyStore) -> AsyncIterator[Joined]:
    """The agent at the bus itself: its key is known to the orchestrators, and theirs are trusted here."""
    address = destination.bus
    assert address is not None  # noqa: S101 - else it connects to a server
    trust = Trust(station.trust)
    believed = trust.of(str(address)) | destination.trusted
    if not believed:
        text = f"nothing says which orchestrator at {address} to believe"
        raise BadInput.of("ACC792", text, hint=HOW_TO_TRUST)
    name = key_name(agent.id)
    await _known(keys, name, agent)
    options = WorkerOptions(
        registry=registry_id(agent.organisation),
        drain_within=station.drain_within,
        payloads=HttpPayloads(destination.server, station.tls) if destination.server else None,
        delegating=station.delegating,
        tracing=station.tracing,
    )
    async with bus_at(address, agent.organisation, agent=agent.id) as bus:
        told = await _orchestrators(bus, believed, agent.organisation, station.watch)
        _refuse_strangers(destination.trusted, trust.of(str(address)), told)
        trust.keep(str(address), {*believed, *told})
        worker = Worker(agent, _key(keys, name, told), bus, SystemClock(), told, options)
        async with worker:
            yield Joined(worker, bus, asyncio.get_running_loop().create_future())


async def _known(keys: KeyStore, name: str, agent: Agent) -> None:
    """Raise BadInput where the agent has no key: it cannot have been enrolled."""
    try:
        await keys.public(name)
    except NotFound as error:
        hint = f"the first time, with a token: accord agent ... --connect https://SERVER --token TOKEN. {HOW_TO_ENROL}"
        raise BadInput.of("ACC798", f"{agent.name} has no key here, and no bus enrols one", hint=hint) from error


async def _orchestrators(
    bus: NatsBus | RedisBus, believed: frozenset[KeyId], organisation: str, watch: Watch
) -> dict[KeyId, PublicKey]:
    """The keys of the orchestrators that are believed, and those that have taken their place, as soon as one tells
    them. Raises MessageRefused.
    """
    while True:
        try:
            keys, links = await bus.orchestrators()
        except BusUnavailable as error:
            watch.lost(error.problems[0].message)
            await asyncio.sleep(ASKED_AGAIN_AFTER_S)
            continue
        watch.joined()
        told = {key.kid: key for key in keys}
        found = heirs(links, believed, orchestrator_id(organisation))
        found |= {kid: key for kid, key in told.items() if kid in believed}
        if not found:
            named = ", ".join(told)
            raise MessageRefused.of(
                "ACC799", f"none of the orchestrators at the bus is trusted: {named}", hint=HOW_TO_TRUST
            )
        return found


def _refuse_strangers(named: Collection[KeyId], remembered: Collection[KeyId], told: Collection[KeyId]) -> None:
    """Refuse keys that somebody has named, where none of them is an orchestrator's there, nor ever was: that another
    one is believed from before must not hide it.
    """
    if named and not {*remembered, *told}.intersection(named):
        wrong, right = ", ".join(sorted(named)), ", ".join(sorted(told))
        raise MessageRefused.of(
            "ACC996",
            f"no orchestrator there has the key {wrong}; those that are believed have {right}",
            hint=HOW_TO_TRUST,
        )


class _Door:
    """How one agent gets in."""

    def __init__(self, agent: Agent, destination: Destination, station: Station) -> None:
        self._agent = agent
        self._to = destination
        self._trust = Trust(station.trust)
        self._station = station

    async def open(self, member: Member, clock: SystemClock, stack: AsyncExitStack) -> SocketBus:
        """A connection; where the agent is not known there yet, and this process may, it is enrolled on the way."""
        token = self._to.token
        if token is None and not self._believed(None):
            token = await self._minted()
        try:
            return await self._connected(member, token, clock, stack)
        except MessageRefused as error:
            if token is not None or error.problems[0].code != UNKNOWN_KEY or self._to.credential is None:
                raise
            return await self._connected(member, await self._minted(), clock, stack)

    async def _connected(
        self, member: Member, token: str | None, clock: SystemClock, stack: AsyncExitStack
    ) -> SocketBus:  # fmt: skip
        believed = self._believed(token)
        member = msgspec.structs.replace(member, token=token, trusted=believed)
        bus = await stack.enter_async_context(
            SocketBus.open(self._to.url, member, clock, self._station.watch, self._station.tls)
        )
        _refuse_strangers(self._to.trusted, self._trust.of(self._to.url), bus.trust)
        self._trust.keep(self._to.url, {*believed, *bus.trust})
        return bus

    def _believed(self, token: str | None) -> frozenset[KeyId]:
        of_token = {KeyId(token.rpartition(".")[2])} if token else set()
        return self._trust.of(self._to.url) | self._to.trusted | of_token

    async def _minted(self) -> str:
        """A token for this agent, made with the credential. Raises BadInput, Refused."""
        if self._to.credential is None:
            text = f"nothing says that {self._agent.name} may join, nor which orchestrator at {self._to.url} to believe"
            hint = f"{HOW_TO_ENROL}. Where the agent is known there already: {HOW_TO_TRUST}"
            raise BadInput.of("ACC792", text, hint=hint)
        asked = {"name": self._agent.name, "organisation": self._agent.organisation}
        answer = await self._posted(f"{self._to.url}/v1/enrolments", asked, self._to.credential)
        return str(answer["text"])

    async def _posted(self, url: str, body: dict[str, str], credential: str) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=ASKED_WITHIN_S, verify=self._station.tls.context()) as http:
                answer = await http.post(url, json=body, headers={"Authorization": f"Bearer {credential}"})
                found = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            hint = "is `accord serve` running there? its first line says where it listens"
            said = meaning(error)
            raise BadInput.of("ACC793", f"{url} does not answer as an orchestrator does: {said}", hint=hint) from error
        if not answer.is_success:
            problems = msgspec.convert(found.get("problems", []), tuple[Problem, ...])
            raise Refused(*problems) if problems else Refused.of("ACC793", f"{url}: status {answer.status_code}")
        return dict(found)


class Trust:
    """Which orchestrators' keys are believed, by URL: what was believed once is believed again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, url: str) -> frozenset[KeyId]:
        """The keys that are believed there. Raises KeyUnusable for a file that cannot be read."""
        return frozenset(self._read().get(url, ()))

    def keep(self, url: str, keys: set[KeyId]) -> None:
        """Believe these keys there from now on."""
        known = self._read()
        if set(known.get(url, ())) == keys:
            return
        new = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({**known, url: sorted(keys)}, file, indent=2)
        new.replace(self._path)

    def _read(self) -> dict[str, list[KeyId]]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, list[KeyId]])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            hint = "mend the file, or remove it: then orchestrators have to be trusted anew"
            raise KeyUnusable.of("ACC794", f"{self._path} cannot be read: {error}", hint=hint) from error
