"""`accord agents`: who is known, what they offer, and under which keys they sign."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.text import Text

from accord.builtin import agents as built_in
from accord.cli.errors import DONE
from accord.cli.finding import find_agent
from accord.cli.hosting import hosted_agents
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, between, counted, moment, shortened
from accord.cli.session import carry_out, opened
from accord.cli.tables import Column
from accord.domain.agent import AgentCard
from accord.domain.capability import CapabilityRange
from accord.domain.contract import Contract
from accord.domain.duration import duration_words
from accord.domain.grounds import short_name
from accord.domain.ids import AgentId, InstanceId
from accord.domain.system import HoldPlaced
from accord.ports import Sighting
from accord.sdk import Agent
from accord.service import KnownAgent, KnownKey, Service, TakenOut, Work
from accord.views.agents import AgentDocument, agent_document


class Known(msgspec.Struct, frozen=True):
    """An agent that is known here: it has been here before, or this process could host it."""

    agent: KnownAgent
    enrolled: bool
    hosted: bool
    """Whether `accord run` with the same options hosts it."""
    hold: HoldPlaced | None
    instances: tuple[Sighting, ...] = ()
    """Those that are present, in whatever process."""

    @property
    def card(self) -> AgentCard:
        """Its newest card."""
        return self.agent.card

    def document(self, *, whole: bool) -> AgentDocument:
        """The agent as scripts get it; with card, contracts and keys where `whole`."""
        document = agent_document(self.agent, self.instances, hold=self.hold, whole=whole)
        return msgspec.structs.replace(document, enrolled=self.enrolled, hosted=self.hosted)


def list_agents(shared: Shared, capability: str | None) -> None:
    """Carry out `accord agents list`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            known = await all_agents(service, shared)
        wanted = CapabilityRange.parse(capability) if capability is not None else None
        known = [one for one in known if wanted is None or any(wanted.matches(c.ref) for c in one.card.contracts())]
        if screen.as_json:
            screen.document([one.document(whole=False) for one in known])
        else:
            columns = ("agent", Column("where", spare=1), "present", "capabilities", Column("what it does", spare=2))
            screen.table(columns, [_row(one) for one in sorted(known, key=_is_built_in)])
        return DONE

    carry_out(shared, work)


async def all_agents(service: Service, shared: Shared) -> list[Known]:
    """Every agent that was ever enrolled, and those that a run would host, by id."""
    here = hosted_agents(shared.agents) if shared.server() is None else []
    hosted = {agent.id: agent for agent in here}
    known = {one.card.agent: one for one in await service.agents()}
    held = {hold.subject: hold for hold in await service.holds() if hold.scope == "agent"}
    both = {**{agent: KnownAgent(card=_card(one), keys=(), capacity=None) for agent, one in hosted.items()}, **known}
    sightings = await service.sightings()
    return [
        Known(
            both[agent],
            enrolled=agent in known,
            hosted=agent in hosted,
            hold=held.get(agent),
            instances=tuple(one for one in sightings if one.agent == agent),
        )
        for agent in sorted(both)
    ]


def _card(agent: Agent) -> AgentCard:
    """What the agent's card will say; it has no key yet."""
    return agent.card(InstanceId(f"{agent.id}#none"), ())


def _is_built_in(known: Known) -> bool:
    return known.card.agent in {agent.id for agent in built_in()}


def _row(known: Known) -> tuple[str | Text, ...]:
    offers = "\n".join(offer.capability for offer in known.card.capabilities)
    return agent_name(known.card.agent), _where(known), _presence(known), offers, _purpose(known.card)


def _presence(known: Known) -> Text:
    """How many instances are present, how much they work on of what they can, and what waits in their queues."""
    if not known.instances:
        return Text()
    running, slots = (sum(getattr(one, name) for one in known.instances) for name in ("running", "concurrency"))
    queued = sum(one.queued for one in known.instances)
    waiting = f", {queued} queued" if queued else ""
    return Text(f"● {len(known.instances)}, {running} of {slots} at work{waiting}", "green")


def _where(known: Known) -> Text:
    if known.agent.revoked:
        return Text("⊘ revoked", "red")
    if known.hold is not None:
        return Text("⊘ quarantined", "red") if known.hold.quarantine else Text("‖ held back", "yellow")
    if known.agent.taken_out:
        return Text(f"✗ out of {', '.join(one.capability for one in known.agent.taken_out)}", "red")
    if known.hosted:
        return Text("in every run here", "green")
    return Text("built in" if _is_built_in(known) else "known", "quiet")


def _purpose(card: AgentCard) -> str:
    descriptions = [card.description, *(offer.description for offer in card.capabilities)]
    return shortened(next((text for text in descriptions if text), ""), 200)


def show_agent(shared: Shared, name: str) -> None:
    """Carry out `accord agents show`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            known = await all_agents(service, shared)
        agent = find_agent([one.card for one in known], name)
        found = next(one for one in known if one.card.agent == agent)
        if screen.as_json:
            screen.document(found.document(whole=True))
        else:
            _show(found, screen)
        return DONE

    carry_out(shared, work)


def _show(known: Known, screen: Screen) -> None:
    card = known.card
    screen.line(Text.assemble((agent_name(card.agent), "head"), "  ", _where(known)))
    screen.facts(
        [
            ("id", card.agent),
            ("about", card.description),
            ("at a time", f"{card.capacity.concurrency}, and {card.capacity.queue} queued"),
        ]
    )
    screen.facts([("hold", _hold_words(known.hold))] if known.hold is not None else [])
    screen.facts([("present", _instance_words(one)) for one in known.instances])
    screen.facts([("work", work_words(known.agent.work))] if known.agent.work is not None else [])
    screen.facts([("out", _out_words(one)) for one in known.agent.taken_out])
    keys = known.agent.keys
    screen.facts([("key", f"{key.public.kid}  {key.public.algorithm}, {_key_words(key)}") for key in keys])
    for offer, contract in zip(card.capabilities, card.contracts(), strict=True):
        screen.heading(offer.capability)
        screen.facts([("about", offer.description), *_contract_facts(contract)])


def _instance_words(one: Sighting) -> str:
    """`in process 4711-ab12ef90, 1 of 2 at work, 3 of 16 queued, seen 2.1 s ago`."""
    token = one.instance.partition("#")[2]
    taken = f"{one.running} of {one.concurrency} at work, {one.queued} of {one.queue} queued"
    leaving = ", about to leave" if one.draining else ""
    seen = f"seen {between(one.seen_at, None)} ago{leaving}"
    return f"{token} in process {one.process}, {taken}, {seen}: {', '.join(one.capabilities)}"


def _hold_words(hold: HoldPlaced) -> str:
    """`quarantined by ann since 14:03:07: its key was lost; lift it: accord runs resume --agent editor`."""
    what = "quarantined" if hold.quarantine else "held back"
    why = f": {hold.reason}" if hold.reason else ""
    lift = f"accord runs resume --agent {short_name(AgentId(hold.subject))}"
    return f"{what} by {hold.by} since {moment(hold.at)}{why}; lift it: {lift}"


def work_words(work: Work) -> str:
    """`2 held, 10 results after 120 ms each, 1 error after 4 ms; trust 0.80 in text.count`."""
    told = [f"{work.held} held", _after(counted(work.succeeded, "result"), work.latency_ms)]
    told.append(_after(counted(work.failed, "error"), work.failed_latency_ms))
    trust = ", ".join(f"{value:.2f} in {name}" for name, value in work.trust.items())
    return ", ".join(told) + (f"; trust {trust}" if trust else "")


def _after(what: str, latency_ms: float | None) -> str:
    """How many there were, and how long they took: the last ones count most."""
    if latency_ms is None:
        return what
    return f"{what} after {duration_words(latency_ms / 1000)}"


def _out_words(one: TakenOut) -> str:
    """`of text.count since 14:03:07, tried again from 14:03:09 on: ACC420 exception: …`."""
    tried = "on trial now" if one.on_trial else f"tried again from {moment(one.until)} on"
    last = f": {one.problem.code} {one.problem.message}" if one.problem is not None else ""
    return f"of {one.capability} since {moment(one.since)}, {tried}{last}"


def _key_words(key: KnownKey) -> str:
    """`since 2026-11-23 14:03:07, 3 d 4 h old`, and what has become of it."""
    told = f"since {moment(key.valid_from)}, {between(key.valid_from, None)} old"
    if key.revoked_at is not None:
        return f"{told}, revoked {moment(key.revoked_at)}{f': {key.reason}' if key.reason else ''}"
    if key.retires_at is not None:
        return f"{told}, accepted until {moment(key.retires_at)}"
    return f"{told}, {_expiry_words(key)}" if key.expires_at is not None else told


def _expiry_words(key: KnownKey) -> str:
    """`expires 2027-02-24 14:03:07`, and whether that is soon."""
    now = datetime.now(UTC)
    assert key.expires_at is not None  # noqa: S101 - the caller has looked
    if key.expired(now):
        return f"expired {moment(key.expires_at)}"
    return f"expires {moment(key.expires_at)}{', which is soon' if key.expires_soon(now) else ''}"


def _contract_facts(contract: Contract) -> Iterator[tuple[str, str]]:
    limits = ", ".join(f"{name} {value}" for name, value in contract.limits.document().items())
    yield "contract", contract.digest
    yield "limits", limits
    for name, schema in (("input", contract.input.document), ("output", contract.output.document)):
        yield name, schema_words(schema)


def schema_words(schema: Any) -> str:
    """A JSON Schema in one line: its members with their types; `?` where one may be left out."""
    if not isinstance(schema, dict):
        return "anything" if schema else "nothing"
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return _type_words(schema)
    needed = schema.get("required", [])
    parts = [f"{name}{'' if name in needed else '?'}: {_type_words(inner)}" for name, inner in properties.items()]
    return "{ " + ", ".join(parts) + " }"


def _type_words(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "any"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(msgspec.json.encode(one).decode() for one in schema["enum"])
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " | ".join(_type_words(option) for option in options)
    kind = schema.get("type", "any")
    if kind == "array":
        return f"[{_type_words(schema.get('items', True))}]"
    return " | ".join(kind) if isinstance(kind, list) else str(kind)
