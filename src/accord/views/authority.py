"""What the policy says of a plan, for whoever would run it: whether somebody may do each task, and which labels would
reach agents that may not see them. So a plan tells before a run what the verifier would hold against its start.

The policy is asked by those who have it, maybe far away, and many questions at a time. So the verifier is asked in
rounds, until it asks nothing that was not answered: first as if all were allowed, because then it asks of as few agents
as may be enough; then as if what is open were denied, because then it looks at everybody else.
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
from accord.verifier.verify import cleared
from accord.views.planning import Known, Planned

_ALLOWED: Final = Decision(allowed=True, reasons=())
_DENIED: Final = Decision(allowed=False, reasons=())


class _Asking(Offers):
    """A clearance by answers that are known; what is asked beside them is written down, and taken for `open_`."""

    def __init__(self, offers: Iterable[Offer], answers: Mapping[Question, Decision], open_: Decision) -> None:
        known = list(offers)
        super().__init__(lambda: known)
        self._answers, self._open = answers, open_
        self.asked: dict[Question, None] = {}

    def decide(self, action: AgentAction, agent: AgentId, capability: str, template: str, labels: Labels) -> Decision:
        """The answer, or what an open question is taken for."""
        question = Question(action, agent, capability, template, labels)
        answer = self._answers.get(question)
        if answer is None:
            self.asked[question] = None
            return self._open
        return answer


async def with_authority(
    service: Service, found: Planned, known: Known, hosted: Iterable[Offer] = (), *, by: str
) -> Planned:
    """The plan, with what the policy of the service says in its report, for a run that `by` starts. The agents that are
    known there could do it, and those that are about to be hosted. A plan that does not hold stays as it is.
    """
    if not found.plan.report.ok:
        return found
    graph = compile_graph(found.entry.template, found.entry.digest)
    there = [(one.card.agent, contract) for one in await service.agents() for contract in one.card.contracts()]
    offers = dict.fromkeys([*there, *hosted])
    answers: dict[Question, Decision] = {}
    open_ = _ALLOWED
    while True:
        asking = _Asking(offers, answers, open_)
        report = cleared(
            found.plan.report, graph, known.capabilities, found.catalogue, place_of=found.place_of, clearance=asking
        )
        if not asking.asked:
            return replace(found, plan=replace(found.plan, report=report))
        answers |= await _answers(service, tuple(asking.asked), by)
        open_ = _DENIED


async def _answers(service: Service, questions: tuple[Question, ...], by: str) -> dict[Question, Decision]:
    answers: dict[Question, Decision] = {}
    for start in range(0, len(questions), Question.MOST):
        some = questions[start : start + Question.MOST]
        answers.update(zip(some, await service.decisions(some, by=by), strict=True))
    return answers
