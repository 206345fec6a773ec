"""Leaks of what is planned: labels on their way to agents that may not see them, by the policy of whoever would run it.

The policy is asked by those who have it, maybe far away, and all at once. So the verifier is asked twice: once to learn
what there is to ask, and once with the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from accord.domain.compile import compile_graph
from accord.domain.ids import AgentId
from accord.domain.labels import Labels
from accord.domain.policy import AgentAction, Decision
from accord.service import Question, Service
from accord.verifier.clearance import Offer, Offers
from accord.verifier.flow import is_labelled
from accord.verifier.verify import verify
from accord.views.planning import Known, Planned

_OPEN: Final = Decision(allowed=False, reasons=())
"""Taken for a question that was not answered yet: what is denied makes the verifier look at everybody else."""

_NONE: Final[Mapping[Question, Decision]] = {}


class _Asking(Offers):
    """A clearance by answers that are known; what is asked beside them is written down."""

    def __init__(self, offers: Iterable[Offer], answers: Mapping[Question, Decision] = _NONE) -> None:
        known = list(offers)
        super().__init__(lambda: known)
        self._answers = answers
        self.open: dict[Question, None] = {}

    def decide(self, action: AgentAction, agent: AgentId, capability: str, template: str, labels: Labels) -> Decision:
        """The answer, or a denial where it is open."""
        question = Question(action, agent, capability, template, labels)
        answer = self._answers.get(question)
        if answer is None:
            self.open[question] = None
            return _OPEN
        return answer


async def with_leaks(
    service: Service, found: Planned, known: Known, hosted: Iterable[Offer] = (), *, by: str
) -> Planned:
    """The plan, with what the policy of the service holds against it in its report, for a run that `by` starts. The
    agents that are known there could do it, and those that are about to be hosted.
    """
    graph = compile_graph(found.entry.template, found.entry.digest)
    if not found.plan.report.ok or not is_labelled(graph, known.capabilities, found.catalogue):
        return found
    there = [(one.card.agent, contract) for one in await service.agents() for contract in one.card.contracts()]
    offers = dict.fromkeys([*there, *hosted])
    asking = _Asking(offers)
    verify(graph, known.capabilities, found.catalogue, clearance=asking)
    answers = await _answers(service, tuple(asking.open), by)
    clearance = _Asking(offers, answers)
    report = verify(graph, known.capabilities, found.catalogue, place_of=found.place_of, clearance=clearance)
    return replace(found, plan=replace(found.plan, report=report))


async def _answers(service: Service, questions: tuple[Question, ...], by: str) -> dict[Question, Decision]:
    answers: dict[Question, Decision] = {}
    for start in range(0, len(questions), Question.MOST):
        some = questions[start : start + Question.MOST]
        answers.update(zip(some, await service.decisions(some, by=by), strict=True))
    return answers
