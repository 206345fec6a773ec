"""Who could do what a task wants of an agent: everybody who is known to offer it, and why each does not have it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from accord.domain.capability import CapabilityRange
from accord.domain.contract import Contract
from accord.domain.explanation import Demand
from accord.domain.grounds import short_name
from accord.domain.ids import AgentId, TaskId
from accord.domain.policy import Decision
from accord.domain.progress import capability_of
from accord.domain.run import Run
from accord.domain.state import Want
from accord.domain.wanted import actions_for, labels_of
from accord.errors import Forbidden
from accord.ports import Sighting
from accord.service import KnownAgent, Question, Service

LISTED: Final = 20
"""So many agents are told of."""

Why = Literal["free", "absent", "draining", "full", "held", "quarantined", "out", "barred", "not_wanted"]
"""Why an agent does not have it: it could, and gets it with the next look; no instance is present; all that are leave;
it holds as much as it is given at a time; somebody holds it back; it is suspected; it has failed again and again; the
policy bars it; another one is wanted.
"""


class Could(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that offers what is wanted."""

    agent: AgentId
    capability: str
    """The newest version that will do, `name@version`."""
    why: Why
    words: str
    until: datetime | None = None
    """When that is over by itself, where it is known."""


class _Known(msgspec.Struct, frozen=True):
    """What is known of the agents now."""

    held: dict[str, bool]
    """Those that are held back, and whether they are suspected."""
    present: dict[AgentId, list[Sighting]]


async def could_do(service: Service, run: Run, demand: Demand) -> list[Could]:
    """All known agents that offer it, those first that could have it; none where nobody has ever offered it."""
    wanted = capability_of(run, demand.task, demand.want)
    known = (await service.agents(wanted))[:LISTED]
    present: dict[AgentId, list[Sighting]] = {}
    for one in await service.sightings():
        present.setdefault(one.agent, []).append(one)
    held = {hold.subject: hold.quarantine for hold in await service.holds() if hold.scope == "agent"}
    offers = {one.card.agent: _best(one, wanted) for one in known}
    barred = await _barred(service, run, demand.task, demand.want, offers)
    found = [_could(one, offers[one.card.agent], demand.want, _Known(held, present), barred) for one in known]
    return sorted(found, key=lambda one: (one.why != "free", one.agent))


def _best(known: KnownAgent, wanted: CapabilityRange) -> Contract | None:
    """The newest version in the range on its card; None where only an instance offers one."""
    matching = [one for one in known.card.contracts() if wanted.matches(one.ref)]
    return max(matching, key=lambda one: one.version, default=None)


def _could(known: KnownAgent, offer: Contract | None, want: Want, now: _Known, barred: dict[AgentId, str]) -> Could:
    agent = known.card.agent
    why, words, until = _why(known, want, now, barred)
    return Could(
        agent=agent,
        capability=str(offer.ref) if offer is not None else "",
        why=why,
        words=f"{short_name(agent)} {words}",
        until=until,
    )


def _why(known: KnownAgent, want: Want, now: _Known, barred: dict[AgentId, str]) -> tuple[Why, str, datetime | None]:
    agent, instances = known.card.agent, now.present.get(known.card.agent, [])
    serving = [one for one in instances if not one.draining]
    out = next((one for one in known.taken_out if not one.on_trial), None)
    if agent in now.held:
        suspected = now.held[agent]
        return ("quarantined", "is quarantined", None) if suspected else ("held", "is held back", None)
    if agent in barred:
        return "barred", f"may not have it: {barred[agent]}", None
    if not instances and known.capacity is None:
        return "absent", "is not there: no instance of it is present", None
    if instances and not serving:
        return "draining", "leaves: it takes nothing new", None
    if out is not None:
        return "out", f"has failed at {out.capability} again and again, and is tried later", out.until
    held = max(sum(one.held for one in serving), known.work.held if known.work is not None else 0)
    if serving and held >= _places(serving):
        return "full", f"is full: it holds {held}, and is given no more at a time", None
    if want.agent not in (None, agent):
        return "not_wanted", "is not the one whose result is to be mended", None
    return "free", "is there, may have it, and says that it has room", None


def _places(instances: Sequence[Sighting]) -> int:
    """How much they are given at a time: the last places of a queue are left free, and one in which more waits than
    that gets nothing.
    """
    marks = [(one.capacity, one.queued) for one in instances]
    return sum(capacity.concurrency + capacity.mark for capacity, queued in marks if queued <= capacity.mark)


async def _barred(
    service: Service, run: Run, task: TaskId, want: Want, offers: dict[AgentId, Contract | None]
) -> dict[AgentId, str]:
    """Whom the policy does not let have it, and why; nobody where whoever asks may not ask that."""
    actions, labels = actions_for(run, task, want), labels_of(want)
    questions = [
        Question(action, agent, str(offer.ref), run.started.template, labels)
        for agent, offer in offers.items()
        if offer is not None
        for action in actions
    ]
    try:
        decisions: Sequence[Decision] = await service.decisions(questions, by=run.started.by)
    except Forbidden:
        return {}
    asked = zip(questions, decisions, strict=True)
    return {one.agent: f"{one.action}: {said.words()}" for one, said in asked if not said.allowed}
