"""A way to plans that no template has: a new graph is composed of the capabilities that agents offer.

ACC810  nothing that agents offer is clearly asked for
ACC811  the objective does not say an input that is needed
ACC812  only a part of what is said is something that agents do
ACC813  something is to be done for each of several, and there is no list, or it is not clear for which of them
ACC814  a condition that nothing decides, or a wait for something that nothing waits for
ACC815  something is said not to be done, and is what would be done
ACC816  what is said would change what is done, and nothing that is asked for takes it
ACC817  several values are said for an input that has one
ACC818  a graph may be meant, and it is not sure enough
ACC819  an objective does not ask for the graph that is named
ACC859  a graph that would do what is asked for does not hold
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from datetime import datetime

import msgspec

from accord.domain.schema import canonical_form, digest_of
from accord.domain.template import template_from_json
from accord.errors import BadInput, Place, Problem
from accord.planner.composition.ability import ANY
from accord.planner.composition.account import Account
from accord.planner.composition.catalogue import index_of, offered
from accord.planner.composition.composer import Composer, Composition, Weighed
from accord.planner.composition.conditions import Conditions, conditions
from accord.planner.composition.doubts import NEAREST, doubt, sureness
from accord.planner.composition.drafting import Draft, draft
from accord.planner.composition.evidence import Edge
from accord.planner.composition.exclusive import together
from accord.planner.composition.linking import WEIGHED, same_kind
from accord.planner.composition.literals import unquoted
from accord.planner.composition.questions import Proposal, questions
from accord.planner.composition.refusals import nearest, refusal
from accord.planner.composition.school import School, Taught
from accord.planner.composition.sequence import Unordered, along, ordered
from accord.planner.composition.wording import percent
from accord.planner.lessons import Lessons
from accord.planner.track_record import by_record
from accord.planner.ways import (
    Answer,
    Candidate,
    Found,
    Incomplete,
    KnownTemplate,
    Objective,
    Unsure,
    WayName,
    wanting_of,
)
from accord.verifier.compatibility import covers

SURE = 0.5
"""The least probability of a capability that is used, and of a graph that is planned without asking."""

MANY = 1000
"""With more capabilities it takes up to tenths of a second, in which others go on."""


class Composed:
    """New graphs of what agents offer, as examples have it where there are enough; none where it is not clear what is
    meant, or a part of it was not said.
    """

    name: WayName = "composition"

    def __init__(self) -> None:
        self._lessons, self.school = Lessons(), School()

    async def find(self, objective: Objective) -> Answer:
        """The graph that is composed, what is to be said of it yet, or why there is none (ACC810 to ACC818) and which
        capabilities are nearest.
        """
        index = index_of(tuple(offered(objective)))
        taught = self.school.taught(self._lessons.of(objective), index.abilities)
        composer = Composer(index, _fits, taught.teacher, by_record(objective.tries), unquoted)
        found = await _composed(composer, objective.text, many=len(index.abilities) > MANY)
        if not found.chosen:
            return Unsure(tuple(nearest(found, index)))
        proposal = _proposal(found, objective, taught)
        if problems := refusal(proposal):
            return Unsure(problems)
        return _asked(proposal) or _doubted(proposal, objective.accepted) or _found(proposal)


class Accepted:
    """Of what is composed only the graph of this name, which somebody has accepted although it is not sure."""

    name: WayName = "composition"

    def __init__(self, graph: str) -> None:
        self._graph = graph

    async def find(self, objective: Objective) -> Answer:
        """The graph, or what it needs yet; none where the words ask for another one (ACC819)."""
        answer = await COMPOSED.find(msgspec.structs.replace(objective, accepted=self._graph))
        if isinstance(answer, Unsure):
            return answer
        if isinstance(answer, Found):
            found: str | None = answer.known.name
        else:
            found = answer.wanting.template if answer.wanting is not None else None
        if found is not None and found.partition("@")[0] == self._graph:
            return answer
        hint = "plan them without naming it: the answer names the graph that they ask for"
        return Unsure((Problem("ACC819", f"these words do not ask for `{self._graph}`", Place(), hint),))


COMPOSED = Composed()
"""The one that remembers what it has learned."""


async def _composed(composer: Composer, objective: str, *, many: bool) -> Composition:
    if many:
        return await asyncio.to_thread(composer.compose, objective, SURE)
    return composer.compose(objective, SURE)


def _proposal(found: Composition, objective: Objective, taught: Taught) -> Proposal:
    """What is known of a graph, with the conditions and the order that the words say: what is handed over against the
    order is taken from the words, if they give it, too.
    """
    laid = _laid(found, objective.now)
    links = along(found.links, laid.unordered)
    if links != found.links:
        other = _laid(msgspec.structs.replace(found, links=links), objective.now)
        laid = other if not other.unordered and _taken(other.made) == _taken(laid.made) else laid
    made = laid.made
    return Proposal(
        account=Account(laid.found, made.read, laid.said, taught),
        made=made,
        unordered=laid.unordered,
        value=objective.change(made.input, made.document["input"]),
        given=_given(objective, made),
    )


class _Laid(msgspec.Struct, frozen=True):
    """A graph with its conditions and its order, and the document of it."""

    found: Composition
    said: Conditions
    made: Draft
    unordered: tuple[Unordered, ...]


def _laid(found: Composition, now: datetime | None) -> _Laid:
    said = conditions(found)
    found = msgspec.structs.replace(found, links=together(found.links, said.guards))
    told = ordered(found, said)
    found = msgspec.structs.replace(found, orders=(*found.orders, *told.orders))
    return _Laid(found, said, draft(found, said, now), told.unordered)


def _taken(made: Draft) -> tuple[dict[str, Collection[str]], Collection[str]]:
    """What inputs each task is given, and what is missing: an order that the words say may take nothing away."""
    return {name: set(task["with"]) for name, task in made.document["tasks"].items()}, made.missing.keys()


def _given(objective: Objective, made: Draft) -> Collection[str]:
    """The parts of the input that are given beside the words."""
    try:
        found = objective.change({}, made.document["input"])
    except BadInput:
        return ()
    return found if isinstance(found, dict) else ()


def _asked(proposal: Proposal) -> Answer | None:
    """What is to be said yet, or otherwise; None where all is clear."""
    asked = proposal.asked
    if not asked:
        return None
    said = {name: one for name, one in proposal.value.items() if name not in proposal.rows}
    known = _known(proposal.made)
    return Incomplete(questions(proposal), wanting_of(known, said, asked), takes=known.template.input)


def _doubted(proposal: Proposal, accepted: str | None) -> Answer | None:
    """The question whether a graph is meant that is less sure than `SURE`; None of one that somebody has accepted."""
    known = _known(proposal.made)
    if sureness(proposal.account) >= SURE or known.template.name == accepted:
        return None
    wanting = msgspec.structs.replace(wanting_of(known, proposal.value, ()), document=proposal.made.document)
    return Incomplete((doubt(proposal.account),), wanting, takes=known.template.input)


def _fits(edge: Edge) -> bool:
    """Whether the input's schema covers the output's, as far as anybody can tell; what takes anything takes no list
    item by item.
    """
    if edge.output.each is not None and edge.input.kind == ANY:
        return False
    return same_kind(edge) and not covers(edge.input.schema, edge.output.schema).refuted


def _known(made: Draft) -> KnownTemplate:
    data = canonical_form(made.document)
    return KnownTemplate(template_from_json(data), digest_of(data))


def _found(proposal: Proposal) -> Found:
    """The plan; it is as sure as what is chosen, less by the share of the words that are not known."""
    account, made = proposal.account, proposal.made
    found, note = account.found, account.taught.note
    left_out = (*account.left_out(), *_not_used(proposal))
    return Found(
        known=_known(made),
        input=proposal.value,
        confidence=sureness(account),
        reasons=(*made.reasons, *left_out, *_compared(found), *([note] if note is not None else [])),
        left_out=left_out,
        slots={name: words for name, words in made.slots.items() if name not in proposal.superseded},
        whys=made.whys,
        alternatives=tuple(
            Candidate(
                template=one.ability.name,
                phrase=one.ability.description,
                score=round(one.probability, 2),
                why_not=_why_not(found, one),
            )
            for one in _alternatives(found)
        ),
        document=made.document,
    )


def _not_used(proposal: Proposal) -> Iterator[str]:
    """What is said of a part of the input, and something else is given for."""
    for name, words in proposal.superseded.items():
        yield f"not used: `{words}`, as `{name}` is given beside the words"


def _compared(found: Composition) -> Iterator[str]:
    """Why one of several that would have done is used."""
    for one in found.preferred:
        yield f"`{one.ability.title}` was chosen over `{one.instead_of.title}`, which fits as well: {one.why}"


def _alternatives(found: Composition) -> list[Weighed]:
    """What was weighed and is not used: first what would have done, then what may be meant."""
    able = {one.instead_of.called for one in found.preferred}
    weighed = [one for one in found.near if one.ability.called in able or one.probability >= WEIGHED]
    return sorted(weighed, key=lambda one: one.ability.called not in able)[:NEAREST]


def _why_not(found: Composition, one: Weighed) -> str:
    for other in found.preferred:
        if other.instead_of.called == one.ability.called:
            return f"it fits as well, and `{other.ability.title}` is expected to do better: {other.why}"
    return f"a capability that is asked for with {percent(one.probability)} only"
