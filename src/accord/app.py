"""The composition root: settings → adapters → engine. The only place that knows which adapter is used."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta

import msgspec
from msgspec import structs

from accord.addresses import BusAddress, kept_in
from accord.blobs.exhibit import ExhibitBlobStore
from accord.blobs.files import FileBlobStore
from accord.bus.memory import MemoryBus
from accord.bus.opening import bus_at
from accord.domain.agent import key_name, orchestrator_id, registry_id
from accord.domain.delegation import OF_AGENTS, OF_ORCHESTRATORS
from accord.domain.diagnosis import DIAGNOSTICIAN
from accord.domain.ids import KeyId
from accord.domain.signature import PublicKey
from accord.domain.succession import Link
from accord.domain.system import REGISTRY
from accord.engine.exhibit import Kept
from accord.engine.names import process_name, strangers
from accord.engine.node import Node
from accord.engine.parts import Identity, Parts, Ports, Tuning
from accord.engine.permits import HostedPayloads
from accord.engine.retention import Retention
from accord.engine.successions import Successions
from accord.errors import BadInput, KeyUnusable, NotFound, StoreCorrupt
from accord.keys.named import key_of
from accord.keys.opening import open_keys, wrapper_of
from accord.keys.private import fault
from accord.keys.short import delegating
from accord.machine import RandomIds, SystemClock
from accord.planner.by_suggestion import Suggestions
from accord.planner.suggestion.asking import Endpoint
from accord.policy.live import open_policy
from accord.ports import BlobStore, Carrier, Journal, KeyStore, Telemetry
from accord.postgres.address import StoreAddress
from accord.sdk import Agent
from accord.sdk.worker import AgentKey, Worker, WorkerOptions
from accord.settings import Settings
from accord.store.sqlite import SqliteJournal
from accord.store.sqlite_exhibit import SqliteExhibit
from accord.tls import TlsFiles
from accord.verifier.compatibility import compatible_version
from accord.views.planning import planner_of
from accord.views.school import School

logger = logging.getLogger("accord.hosting")

OWN_KEY = "orchestrator"
"""The name of the orchestrator's key."""

_KEYS_OF_PEERS = (
    "copy `keys` and `passphrase` from the home of a server that works on this store: docs/how-to/replicas.md"
)

DRAIN_WITHIN = timedelta(seconds=5)
"""How long agents of this process may go on when it is asked to stop."""


def settle_memory() -> None:
    """Have the garbage collector look less often, and never again at what is there now: for a process of Accord's own.

    Nearly all that decisions make are frozen values, which are let go of without it.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@asynccontextmanager
async def open_node(
    settings: Settings, tuning: Tuning | None = None, telemetry: Telemetry | None = None
) -> AsyncIterator[Node]:  # fmt: skip
    """A node on the stores and the bus of the settings, with the keys of its key store."""
    async with AsyncExitStack() as stack:
        journal, blobs = await stack.enter_async_context(open_stores(settings))
        keys = await stack.enter_async_context(open_keys(settings.custody))
        key = await _own_key(keys, journal, shared=settings.store is not None)
        await _refuse_strangers(journal, [key.kid, *await keys.replaced()], SystemClock().now())
        successions = Successions(journal, settings.organisation, key, keys)
        await successions.follow()
        bus = await stack.enter_async_context(open_bus(settings, [key], successions.chain()))
        policy = await open_policy(settings.policies)
        ports = Ports(
            journal=journal,
            blobs=blobs,
            bus=bus,
            keys=keys,
            clock=SystemClock(),
            ids=RandomIds(),
            policy=policy,
            wrapper=wrapper_of(settings.custody, keys),
            spans=None if telemetry is None else telemetry.spans,
            tracing=None if telemetry is None else telemetry.tracing,
        )
        identity = Identity(
            id=orchestrator_id(settings.organisation),
            organisation=settings.organisation,
            key=key,
            owner=process_name(key.kid, os.getpid(), secrets.token_hex(4)),
            store="sqlite" if settings.store is None else "postgresql",
            bus="memory" if (address := bus_of(settings)) is None else address.kind,
        )
        parts = Parts(ports, identity, compatible_version, tuning or tuning_of(settings))
        parts.exhibit = _exhibit_of(settings) if settings.store is None else None
        lifetime = timedelta(seconds=settings.delegated_key_s)
        parts.delegates.use(delegating(settings.delegate_keys, lifetime, OF_ORCHESTRATORS))
        await parts.data_keys.try_out()
        node = Node(parts)
        node.orchestrator.calls.planner = planner_of(node, node.parts.ports.clock)
        parts.learning.teacher = School(node)
        yield await stack.enter_async_context(node)


async def _own_key(keys: KeyStore, journal: Journal, *, shared: bool) -> PublicKey:
    """The orchestrator's key, made where nothing has happened yet: agents elsewhere know it, and no other. Raises
    KeyUnusable.
    """
    try:
        return await keys.public(OWN_KEY)
    except NotFound:
        if (await journal.head(REGISTRY)).sequence:
            raise KeyUnusable(fault("ACC625", OWN_KEY, hint=_KEYS_OF_PEERS if shared else None)) from None
    return await key_of(keys, OWN_KEY)


async def _refuse_strangers(journal: Journal, ours: Sequence[KeyId], now: datetime) -> None:
    """Nothing where all who work on the store sign with one of these keys: our own, or one that it has replaced.
    Raises KeyUnusable.
    """
    owners = [one.name for one in await journal.owners() if one.until > now]
    if strangers([*owners, *await journal.replicas(now)], ours):
        raise KeyUnusable(fault("ACC626", OWN_KEY))


@asynccontextmanager
async def open_retention(settings: Settings) -> AsyncIterator[Retention]:
    """Retention alone, without a node that does the same beside it."""
    async with open_stores(settings) as (journal, blobs):
        yield Retention(journal, blobs, SystemClock(), tuning_of(settings))


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[tuple[Journal, BlobStore]]:
    """Journal and blobs: in the database that the settings name, else in files of the home."""
    make_home(settings)
    if settings.store is not None:
        async with _on_postgres(database_of(settings)) as stores:
            yield stores
        return
    is_exhibit = settings.exhibit.is_file()
    journals, blob_stores = (SqliteExhibit, ExhibitBlobStore) if is_exhibit else (SqliteJournal, FileBlobStore)
    async with journals.open(settings.journal) as journal, blob_stores.open(settings.blobs) as blobs:
        yield journal, blobs


def _exhibit_of(settings: Settings) -> Kept | None:
    """What the home was imported from; None for one that is worked in. Raises StoreCorrupt."""
    try:
        return msgspec.json.decode(settings.exhibit.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        hint = "import the bundle again, into an empty home"
        raise StoreCorrupt.of("ACC593", f"{settings.exhibit} cannot be read: {error}", hint=hint) from error


@asynccontextmanager
async def _on_postgres(address: StoreAddress) -> AsyncIterator[tuple[Journal, BlobStore]]:
    from accord.blobs.postgres import PostgresBlobStore  # noqa: PLC0415 - these need the driver, which is an extra
    from accord.postgres.database import Database  # noqa: PLC0415 - as above
    from accord.store.postgres import PostgresJournal  # noqa: PLC0415 - as above

    async with Database.open(address) as database, PostgresJournal.open(database) as journal:
        yield journal, PostgresBlobStore(database)


def database_of(settings: Settings) -> StoreAddress:
    """The address of the database, with the password of the file that the settings name.

    Raises:
        BadInput: ACC584 no database is named, or its password cannot be read.
    """
    if settings.store is None:
        hint = "set ACCORD_STORE, or store in settings.toml: postgresql://USER@HOST/DATABASE"
        raise BadInput.of("ACC584", "no database is named: journal and blobs are files in the home", hint=hint)
    file = settings.store_password_file
    return settings.store if file is None else settings.store.with_password(kept_in(file, "ACC584"))


@asynccontextmanager
async def open_bus(
    settings: Settings, keys: Sequence[PublicKey] = (), links: Sequence[Link] = ()
) -> AsyncIterator[Carrier]:
    """The bus that the settings name, else one in this process's memory; agents there are told these keys of ours, and
    the successions that lead to them.
    """
    address = bus_of(settings)
    if address is None:
        async with MemoryBus() as memory:
            yield memory
        return
    async with bus_at(address, settings.organisation, keys=keys, links=links) as bus:
        yield bus


def bus_of(settings: Settings) -> BusAddress | None:
    """The address of the bus, with what the password file of the settings holds; None where no bus is named.

    Raises:
        BadInput: ACC757 the password cannot be read, or there are two.
    """
    return settings.bus.opened_by(settings.bus_password_file) if settings.bus else None


def make_home(settings: Settings) -> None:
    """Make the home where there is none. Raises BadInput."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        hint = "name another folder with --home or ACCORD_HOME"
        said = error.strerror or error
        raise BadInput.of("ACC904", f"the home {settings.home} cannot be made: {said}", hint=hint) from error


def tuning_of(settings: Settings) -> Tuning:
    """What the settings say of the engine."""
    return Tuning(
        keep=timedelta(days=settings.keep_days),
        keep_incidents=timedelta(days=settings.keep_incident_days),
        max_incidents=settings.max_incidents,
        quarantine_after=settings.quarantine_after,
        quarantine_within=timedelta(seconds=settings.quarantine_within_s),
        returns_within=timedelta(seconds=settings.agent_returns_within_s),
        shared_bus=settings.bus is not None,
        max_runs=settings.max_runs,
        max_waiting=settings.max_waiting,
        tenant_weights=settings.tenant_weights,
        capability_limits=settings.capability_limits,
        encrypt_payloads=settings.encrypt_payloads,
        take_uncertified=settings.take_uncertified,
        learn_from=frozenset(settings.learn_from),
        learn_after=settings.learn_after,
        system_agents=frozenset((DIAGNOSTICIAN, *settings.system_agents)),
        agent_tags={agent: frozenset(tags) for agent, tags in settings.agent_tags.items()},
        delegated_for=timedelta(seconds=settings.delegated_key_s),
    )


def suggestions_of(settings: Settings) -> Suggestions | None:
    """The language model that the settings name; None where they name none, or nothing may be sent to it."""
    url, model = settings.suggestion_endpoint, settings.suggestion_model
    if url is None or model is None or not settings.suggestion_consent:
        return None
    endpoint = Endpoint(
        url=url.rstrip("/"),
        model=model,
        key_file=settings.suggestion_key_file,
        tls=TlsFiles(settings.suggestion_ca),
        within=timedelta(seconds=settings.suggestion_within_s),
        rounds=settings.suggestion_rounds,
        max_tokens=settings.suggestion_max_tokens,
        most=settings.suggestion_capabilities,
        confirmed=settings.suggestion_confirmed,
    )
    return Suggestions(endpoint, SystemClock())


@asynccontextmanager
async def host(node: Node, agents: Sequence[Agent]) -> AsyncIterator[list[Worker]]:
    """These agents, running in this process: each with a key of its own, enrolled and present. One whose key has ended,
    as one that was revoked has, is left out with a warning: the others work.

    Raises:
        MessageRefused: a card is refused, for example a changed contract under an old version.
    """
    ports, identity = node.parts.ports, node.parts.identity
    trust = node.parts.successions.keys(ports.clock.now())
    how = node.parts.delegates.how
    options = WorkerOptions(
        registry=registry_id(identity.organisation),
        drain_within=DRAIN_WITHIN,
        payloads=HostedPayloads(node.parts.permits, ports.clock),
        delegating=None if how is None else structs.replace(how, kinds=OF_AGENTS),
        tracing=ports.tracing,
    )
    workers: list[Worker] = []
    try:
        for agent in agents:
            name = key_name(agent.id)
            public = await key_of(ports.keys, name)
            if _has_ended(node, agent, name, public.kid):
                continue
            await node.parts.enrolment.enrol(agent.id, public, by="embedded", now=ports.clock.now())
            node.parts.hosted.add(agent.id)
            workers.append(Worker(agent, AgentKey(ports.keys, name), ports.bus, ports.clock, trust, options))
            await workers[-1].start()
        for worker in workers:
            await node.present(worker.agent.id)
        yield workers
    finally:
        # All at once: each may take as long as it has to drain, and longer to be heard while the bus is away.
        await asyncio.gather(*(worker.stop() for worker in workers))


def _has_ended(node: Node, agent: Agent, name: str, kid: KeyId) -> bool:
    """Whether nothing is accepted under the agent's key any more; then it is told."""
    known, now = node.parts.registry.known_key(kid), node.parts.ports.clock.now()
    if known is None or known.agent != agent.id or known.usable(now):
        return False
    logger.warning(
        "%s is left out: its key is %s. A new one: accord keys rotate %s", agent.name, known.state(now), name
    )
    return True
