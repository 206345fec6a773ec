"""Agents, their keys and their contracts, as scripts and programs get them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from accord.domain.agent import AgentCard, Capacity
from accord.domain.contract import Contract, read_contract
from accord.domain.delegation import Delegated
from accord.domain.ids import AgentId, Digest, KeyId
from accord.domain.signature import PublicKey
from accord.domain.system import HoldPlaced
from accord.ports import Sighting
from accord.service import KnownAgent, KnownKey, Service, TakenOut, Work


class KeyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is, or was, an agent's."""

    agent: AgentId
    key: KeyId
    jwk: dict[str, str]
    valid_from: datetime
    revoked_at: datetime | None = None
    offers: tuple[str, ...] = ()
    """What cards that it signs may offer; anything where empty."""
    retires_at: datetime | None = None
    """When it ends because another one has taken its place."""
    doubtful_from: datetime | None = None
    """From then on it may have been in other hands."""
    reason: str = ""
    """Why it was revoked."""
    delegation: Delegated | None = None
    """What bounds it, where another key lets it sign for a while."""
    expires_at: datetime | None = None
    """When it ends by itself."""

    def known(self) -> KnownKey:
        """The value that this is the form of. Raises KeyUnusable."""
        return KnownKey(
            agent=self.agent,
            public=PublicKey.from_jwk(self.jwk),
            valid_from=self.valid_from,
            revoked_at=self.revoked_at,
            offers=self.offers,
            retires_at=self.retires_at,
            doubtful_from=self.doubtful_from,
            reason=self.reason,
            delegation=self.delegation,
            expires_at=self.expires_at,
        )


class Room(msgspec.Struct, frozen=True):
    """What all instances of an agent can take together."""

    concurrency: int
    queue: int


class InstanceDocument(Sighting, frozen=True, kw_only=True):
    """An instance, and how many assignments it works on."""

    running: int
    """How many assignments it works on, of its `concurrency`."""


class AgentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An agent."""

    agent: AgentId
    organisation: str
    description: str
    held: bool
    """Whether an agent's hold keeps it from being assigned anything."""
    hold: HoldPlaced | None = None
    """That hold: who has placed it, when, why, and whether it is a quarantine."""
    revoked: bool = False
    """Whether all keys that it has had are revoked."""
    present: Room | None
    """None where no instance is present."""
    capabilities: tuple[str, ...]
    concurrency: int
    queue: int
    running: int = 0
    """How many assignments its instances work on, of `present.concurrency`."""
    queued: int = 0
    """How many wait in their queues, of `present.queue`."""
    instances: tuple[InstanceDocument, ...] = ()
    """Those that are present, in whatever process."""
    taken_out: tuple[TakenOut, ...] = ()
    """What it has failed at again and again, and gets nothing of for a while, in the process that was asked."""
    work: Work | None = None
    """What it has done for the process that was asked; None where it has done nothing."""
    enrolled: bool | UnsetType = UNSET
    hosted: bool | UnsetType = UNSET
    """Whether the same command with `run` would host it; only the command line says so."""
    contracts: dict[str, Digest] | UnsetType = UNSET
    """By capability."""
    card: AgentCard | UnsetType = UNSET
    keys: tuple[KeyDocument, ...] | UnsetType = UNSET

    def known(self) -> KnownAgent:
        """The value that this is the form of; it has to be a whole one."""
        assert not isinstance(self.card, UnsetType)  # noqa: S101 - the caller has asked for the whole
        assert not isinstance(self.keys, UnsetType)  # noqa: S101 - the caller has asked for the whole
        room = self.present
        capacity = Capacity(concurrency=room.concurrency, queue=room.queue) if room is not None else None
        keys = tuple(key.known() for key in self.keys)
        return KnownAgent(card=self.card, keys=keys, capacity=capacity, taken_out=self.taken_out, work=self.work)


class AgentNews(msgspec.Struct, frozen=True, kw_only=True):
    """How these agents are now; one without instances is not there."""

    agents: tuple[AgentDocument, ...]
    complete: bool
    """Whether all agents have been told of by now."""


class AgentPage(msgspec.Struct, frozen=True):
    """A page of agents, by id."""

    agents: tuple[AgentDocument, ...]
    next: AgentId | None


class KeyPage(msgspec.Struct, frozen=True):
    """A page of agents' keys, the oldest first."""

    keys: tuple[KeyDocument, ...]
    next: KeyId | None
    """The page's last key, behind which the next one begins; None where there is none."""


class ContractDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A contract, in the form that its digest is about."""

    capability: str
    version: str
    digest: Digest
    input: Any
    output: Any
    limits: dict[str, Any]

    def contract(self) -> Contract:
        """The contract; its digest is computed anew. Raises ContractViolation."""
        form = {name: getattr(self, name) for name in ("capability", "version", "input", "output", "limits")}
        return read_contract(form)


class ContractPage(msgspec.Struct, frozen=True):
    """A page of contracts, by capability, the newest version first."""

    capabilities: tuple[ContractDocument, ...]
    next: Digest | None
    """The digest of the page's last contract, behind which the next one begins; None where there is none."""


def key_document(known: KnownKey) -> KeyDocument:
    """The key's document."""
    return KeyDocument(
        agent=known.agent,
        key=known.public.kid,
        jwk=known.public.to_jwk(),
        valid_from=known.valid_from,
        revoked_at=known.revoked_at,
        offers=known.offers,
        retires_at=known.retires_at,
        doubtful_from=known.doubtful_from,
        reason=known.reason,
        delegation=known.delegation,
        expires_at=known.expires_at,
    )


def contract_document(contract: Contract) -> ContractDocument:
    """The contract's document."""
    return msgspec.convert({**contract.document(), "digest": contract.digest}, ContractDocument)


def instance_document(seen: Sighting) -> InstanceDocument:
    """The instance's document."""
    return InstanceDocument(**msgspec.structs.asdict(seen), running=seen.running)


def agent_document(
    known: KnownAgent, instances: Sequence[Sighting], *, hold: HoldPlaced | None, whole: bool
) -> AgentDocument:
    """The agent's document; with card, contracts and keys where `whole`."""
    card = known.card
    document = AgentDocument(
        agent=card.agent,
        organisation=card.organisation,
        description=card.description,
        held=hold is not None,
        hold=hold,
        revoked=known.revoked,
        present=Room(known.capacity.concurrency, known.capacity.queue) if known.capacity is not None else None,
        capabilities=tuple(offer.capability for offer in card.capabilities),
        concurrency=card.capacity.concurrency,
        queue=card.capacity.queue,
        running=sum(one.running for one in instances),
        queued=sum(one.queued for one in instances),
        instances=tuple(map(instance_document, instances)),
        taken_out=known.taken_out,
        work=known.work,
    )
    if not whole:
        return document
    return msgspec.structs.replace(
        document,
        card=card,
        contracts={str(contract.ref): contract.digest for contract in card.contracts()},
        keys=tuple(map(key_document, known.keys)),
    )


async def agent_documents(service: Service, agents: Sequence[KnownAgent], *, whole: bool) -> tuple[AgentDocument, ...]:
    """The documents of agents, with what is held back and who is present now."""
    held = {hold.subject: hold for hold in await service.holds() if hold.scope == "agent"}
    present: dict[AgentId, list[Sighting]] = {}
    for one in await service.sightings():
        present.setdefault(one.agent, []).append(one)
    return tuple(
        agent_document(known, present.get(agent, ()), hold=held.get(agent), whole=whole)
        for known in agents
        for agent in [known.card.agent]
    )
