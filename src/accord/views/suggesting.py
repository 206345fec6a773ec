"""Suggestions of a language model: what it may be shown for whoever asks, and that somebody looks at what it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from accord.domain.contract import Contract
from accord.domain.labels import UNLABELLED
from accord.errors import TransitionRefused
from accord.planner.by_suggestion import Allowed, Suggestions
from accord.planner.documents import DRAFT
from accord.service import Question, Service
from accord.verifier.clearance import Offer
from accord.views.planning import Known, Planned

ASKED_AS: Final = f"suggested@{DRAFT}"
"""The template as which the policy is asked: a suggestion has no name yet."""


def with_suggestion(
    known: Known, suggestions: Suggestions | None, allowed: Allowed, *, labelled: bool = False
) -> Known:
    """What is known, with the language model as the last way, where there is one. `labelled`: nothing is sent."""
    return known if suggestions is None else replace(known, suggestion=suggestions.way(allowed, labelled=labelled))


def allowed_for(service: Service, by: str, hosted: Iterable[Offer] = ()) -> Allowed:
    """Which contracts a run that `by` starts may use: by the policy, one of those who offer them may execute it. Agents
    that are about to be hosted count.
    """
    about_to_be = list(hosted)

    async def allowed(contracts: Sequence[Contract]) -> Sequence[Contract]:
        there = [(one.card.agent, each) for one in await service.agents() for each in one.card.contracts()]
        offers = [offer for offer in dict.fromkeys([*there, *about_to_be]) if offer[1] in contracts]
        questions = [_question(offer) for offer in offers]
        found: set[Contract] = set()
        for start in range(0, len(questions), Question.MOST):
            some = slice(start, start + Question.MOST)
            decisions = await service.decisions(questions[some], by=by)
            found |= {contract for (_, contract), said in zip(offers[some], decisions, strict=True) if said.allowed}
        return [one for one in contracts if one in found]

    return allowed


def _question(offer: Offer) -> Question:
    agent, contract = offer
    return Question("execute", agent, str(contract.ref), ASKED_AS, UNLABELLED)


def refuse_unseen(found: Planned, suggestions: Suggestions | None) -> None:
    """Nothing where a plan may run although nobody has looked at it. Raises TransitionRefused ACC156 for one that a
    language model has just suggested, unless the deployment says otherwise.
    """
    if found.plan.way == "suggestion" and (suggestions is None or suggestions.endpoint.confirmed):
        model = found.plan.suggested.model if found.plan.suggested is not None else "a language model"
        message = f"`{model}` has suggested this graph, and nobody has looked at it yet"
        hint = (
            "accord plan OBJECTIVE --save FILE, look at FILE, accord run FILE; over HTTP, start the plan by digest; or "
            "let them all run with suggestion_confirmed = false"
        )
        raise TransitionRefused.of("ACC156", message, hint=hint)
