"""The agent card, payload of `card`: in it an agent publishes its identity, keys, capabilities and capacity."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Annotated, Any

import msgspec

from accord.domain.contract import Contract, read_contract
from accord.domain.ids import AGENT_ID_PATTERN, AgentId, InstanceId
from accord.domain.labels import MOST, LabelName
from accord.domain.message import strict_json
from accord.domain.schema import Schema, compile_schema
from accord.domain.signature import PublicKey
from accord.errors import AccordError, BadInput, KeyUnusable, MessageRefused, Place, Problem

NAME_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
"""Names of agents and organisations."""

CACHED_CONTRACTS = 4096
CONCURRENCY_MAX = 10_000
QUEUE_MAX = 1_000_000
HIGH_WATER = 0.8
"""Share of an instance's queue above which peers, and waiting, are preferred."""

_NAME = re.compile(NAME_PATTERN.replace("$", r"\Z"))

Words = Annotated[str, msgspec.Meta(max_length=4000)]


class Capacity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much an instance takes at a time."""

    concurrency: Annotated[int, msgspec.Meta(ge=1, le=CONCURRENCY_MAX)]
    """Attempts that run at the same time."""
    queue: Annotated[int, msgspec.Meta(ge=0, le=QUEUE_MAX)]
    """Assignments that may wait behind them."""

    @property
    def total(self) -> int:
        """Assignments that may be held at a time."""
        return self.concurrency + self.queue

    @property
    def mark(self) -> int:
        """How many assignments may wait before it is given no more."""
        return int(self.queue * HIGH_WATER)


class GiveBack(msgspec.Struct, frozen=True):
    """How what an instance does not offer is left to another one: after a pause, so that that one has its turn."""

    first: timedelta = timedelta(milliseconds=20)
    """The pause after the first delivery; with every further one it doubles."""
    cap: timedelta = timedelta(milliseconds=250)
    deliveries: int = 100
    """After so many, which takes nearly as long as a lease, it is not given back any more: nobody offers it."""

    def pause(self, deliveries: int) -> timedelta:
        """How long to keep it after this delivery, the first one being 1."""
        return min(self.first * (1 << min(deliveries - 1, 16)), self.cap)


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One capability on a card: its contract, in the form of `Contract.document()`, and what it is for."""

    capability: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    """`name@version`."""
    description: Words = ""
    input: dict[str, Any] | bool
    output: dict[str, Any] | bool
    limits: dict[str, Any] = {}
    labels: Annotated[tuple[LabelName, ...], msgspec.Meta(max_length=MOST)] = ()
    """What results have beside the labels of what they were made of."""
    examples: tuple[Any, ...] = ()
    """Inputs."""
    tags: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...] = ()

    def contract(self) -> Contract:
        """The contract. Raises ContractViolation with all that is wrong."""
        name, _, version = self.capability.partition("@")
        document: dict[str, Any] = {"capability": name, "version": version, "input": self.input, "output": self.output}
        document |= {"labels": list(self.labels)} if self.labels else {}
        return _contract_of(msgspec.json.encode(document | {"limits": self.limits}))


@lru_cache(maxsize=CACHED_CONTRACTS)
def _contract_of(data: bytes) -> Contract:
    """The contract that this document is. Instances and agents share most of theirs, and each is compiled once."""
    return read_contract(msgspec.json.decode(data))


class AgentCard(msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True):
    """What an instance of an agent says about itself."""

    agent: Annotated[AgentId, msgspec.Meta(pattern=AGENT_ID_PATTERN)]
    instance: InstanceId
    organisation: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
    description: Words = ""
    keys: Annotated[tuple[dict[str, str], ...], msgspec.Meta(min_length=1, max_length=16)]
    """Public JWKs; one of them signs what this instance sends."""
    capabilities: Annotated[tuple[Offer, ...], msgspec.Meta(max_length=1000)]
    capacity: Capacity
    batches: bool = False
    """Whether this instance verifies statements that are signed in batches (`ES256-MT`, `Ed25519-MT`)."""

    def contracts(self) -> tuple[Contract, ...]:
        """The contracts of the capabilities, in order. Raises MessageRefused with all that is wrong."""
        return self._contracts

    @cached_property
    def _contracts(self) -> tuple[Contract, ...]:
        problems: list[Problem] = []
        contracts: list[Contract] = []
        for index, offer in enumerate(self.capabilities):
            try:
                contracts.append(offer.contract())
            except BadInput as error:
                problems.extend(_moved(error, f"/capabilities/{index}"))
        MessageRefused.raise_if(problems)
        return tuple(contracts)

    @cached_property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """The keys. Raises MessageRefused with all that is wrong."""
        problems: list[Problem] = []
        keys: list[PublicKey] = []
        for index, jwk in enumerate(self.keys):
            try:
                keys.append(PublicKey.from_jwk(jwk))
            except KeyUnusable as error:
                problems.extend(_moved(error, f"/keys/{index}"))
        MessageRefused.raise_if(problems)
        return tuple(keys)


def agent_id(organisation: str, name: str) -> AgentId:
    """The id of an organisation's agent."""
    return AgentId(f"spiffe://{organisation}/agent/{name}")


def key_name(agent: AgentId) -> str:
    """What the agent's key is called in a key store: `agent.<organisation>.<name>`."""
    organisation, _, name = agent.removeprefix("spiffe://").partition("/agent/")
    return f"agent.{organisation}.{name}"


def agent_of_key(name: str, organisation: str) -> AgentId:
    """Which agent of the organisation has a key that is called so. Raises BadInput ACC665 where none can have.

    Both names may have dots in them: without the organisation, it could be one of several.
    """
    prefix = key_name(agent_id(organisation, ""))
    agent = name.removeprefix(prefix)
    if agent == name or any(agent_problems(agent, organisation, Capacity(1, 0))):
        hint = f"name it {prefix}NAME; the keys of others expire by their token: accord agents enrol --expires"
        text = f"{name} is not the name of a key of an agent of {organisation}: only those can be made to expire"
        raise BadInput.of("ACC665", text, hint=hint)
    return agent_id(organisation, agent)


def orchestrator_id(organisation: str) -> AgentId:
    """The id of an organisation's orchestrator."""
    return AgentId(f"spiffe://{organisation}/orchestrator/main")


def organisation_of(agent: AgentId) -> str:
    """Whose agent, or orchestrator, this is."""
    return agent.removeprefix("spiffe://").partition("/")[0]


def registry_id(organisation: str) -> AgentId:
    """The recipient of an organisation's cards and heartbeats."""
    return AgentId(f"spiffe://{organisation}/registry")


def agent_problems(name: str, organisation: str, capacity: Capacity) -> Iterator[Problem]:
    """What is wrong with an agent's declaration (ACC728)."""
    for what, text in (("agent's name", name), ("organisation's name", organisation)):
        if not _NAME.match(text):
            hint = "lower-case letters, digits, `.`, `_`, `-`; at most 63, a letter or digit at both ends"
            yield Problem("ACC728", f"`{text:.80}` is no {what}", hint=hint)
    if not 1 <= capacity.concurrency <= CONCURRENCY_MAX:
        yield Problem("ACC728", f"the concurrency is {capacity.concurrency}", hint=f"1 to {CONCURRENCY_MAX}")
    if not 0 <= capacity.queue <= QUEUE_MAX:
        yield Problem("ACC728", f"the queue is {capacity.queue}", hint=f"0 to {QUEUE_MAX}")


def encode_card(card: AgentCard) -> bytes:
    """The card as JSON."""
    return msgspec.json.encode(card)


def decode_card(data: bytes) -> AgentCard:
    """The card of a message.

    Raises:
        MessageRefused: all that is wrong: ACC32x no strict JSON, ACC731 not a card's shape, ACC732 names that
            do not fit together, ACC733 a capability or key twice, ACC2xx its contracts, ACC60x its keys.
    """
    value = strict_json(data)
    MessageRefused.raise_if(CARD_SCHEMA.violations(value, "ACC731"))
    card = msgspec.convert(value, AgentCard)
    problems = [*_mismatches(card), *_repeated(card)]
    for check in (lambda: card.public_keys, card.contracts):
        try:
            check()
        except MessageRefused as error:
            problems.extend(error.problems)
    MessageRefused.raise_if(problems)
    return card


def _mismatches(card: AgentCard) -> Iterator[Problem]:
    if not card.agent.startswith(f"spiffe://{card.organisation}/"):
        yield Problem("ACC732", "the agent is of another organisation", Place(pointer="/organisation"))
    if not card.instance.startswith(f"{card.agent}#") or len(card.instance) > len(card.agent) + 65:
        yield Problem(
            "ACC732",
            "the instance is none of the agent's",
            Place(pointer="/instance"),
            "the agent's id, `#`, and a token of at most 64 characters",
        )


def _repeated(card: AgentCard) -> Iterator[Problem]:
    named = Counter(offer.capability for offer in card.capabilities)
    for name in (name for name, count in named.items() if count > 1):
        yield Problem("ACC733", f"{name} is offered twice", Place(pointer="/capabilities"))
    if len({(jwk.get("x"), jwk.get("y")) for jwk in card.keys}) < len(card.keys):
        yield Problem("ACC733", "a key is given twice", Place(pointer="/keys"))


def _moved(error: AccordError, pointer: str) -> Iterator[Problem]:
    """The error's problems, their places inside of a larger document."""
    for problem in error.problems:
        place = Place(pointer=pointer + (problem.place.pointer or ""))
        yield msgspec.structs.replace(problem, place=place)


CARD_SCHEMA: Schema = compile_schema(msgspec.json.schema(AgentCard))
"""JSON Schema of a card's document."""
