"""Authority before a run: whether the policy lets somebody who is known execute each task, and enough of them where
several have to agree. Why not, agent by agent, is the evidence.

    ACC170  the policy lets no known agent execute the task (warning)
    ACC171  fewer known agents offer what the task uses, or may execute it, than have to agree (warning)

Warnings, as others may come and policies change: a task that nobody may do waits, and says so. Without a policy only
who offers something can be told: then nothing is said to be proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from accord.domain.capability import CapabilityRange
from accord.domain.graph import Graph, Task, Work
from accord.domain.ids import AgentId
from accord.domain.labels import NOTHING
from accord.verifier.bindings import pointer_of_task
from accord.verifier.flow import Clearance, Offering
from accord.verifier.report import Findings

TOLD: Final = 8
"""So many agents are told of as evidence."""


class _Asked:
    """Who may execute a capability, as far as it was asked."""

    def __init__(self) -> None:
        self.may: set[AgentId] = set()
        self.why: dict[AgentId, str] = {}


class AuthorityCheck:
    """Asks the policy of each capability once, until enough agents may."""

    def __init__(self, graph: Graph, clearance: Clearance, findings: Findings) -> None:
        self._graph, self._clearance, self._findings = graph, clearance, findings
        self._asked: dict[tuple[str, int], _Asked] = {}

    def check(self) -> None:
        """Check every task that an agent does; fallbacks are other ways to do it."""
        works = list(_works(self._graph))
        open_ = sum(not self._is_authorised(task, work) for task, work in works)
        self._findings.fact("authority", "policy", len(works) - open_, open_)

    def _is_authorised(self, task: Task, work: Work) -> bool:
        enough = work.redundancy.agree if work.redundancy is not None else 1
        ways = _ways(work)
        if not ways:
            return True
        asked = [self._of(wanted, enough) for wanted in ways]
        if any(len(one.may) >= enough for one in asked):
            return True
        first = asked[0]
        if not first.may and not first.why:
            return True  # nobody offers it: that is told of its capability
        self._tell(task, str(ways[0]), enough, first)
        return False

    def _tell(self, task: Task, wanted: str, enough: int, found: _Asked) -> None:
        at = f"{pointer_of_task(task)}/uses"
        why = dict(list(found.why.items())[:TOLD])
        evidence: dict[str, Any] = {"may": sorted(found.may), "may_not": why}
        hint = "permit an agent to execute it (accord policy explain says what decides), or start another one"
        if not found.may:
            message = f"the policy lets no known agent execute `{wanted}`: {'; '.join(dict.fromkeys(why.values()))}"
            self._findings.warning("ACC170", message, at, hint, evidence)
            return
        known = f"only {len(found.may)} of those who offer `{wanted}` may execute it"
        self._findings.warning("ACC171", f"{enough} agents have to agree, and {known}", at, hint, evidence)

    def _of(self, wanted: CapabilityRange, enough: int) -> _Asked:
        key = str(wanted), enough
        if key not in self._asked:
            found = self._asked[key] = _Asked()
            for agent, contract in self._clearance.offers(wanted):
                if len(found.may) >= enough:
                    break
                self._ask(found, agent, str(contract.ref))
        return self._asked[key]

    def _ask(self, found: _Asked, agent: AgentId, capability: str) -> None:
        if agent in found.may:
            return
        decision = self._clearance.decide("execute", agent, capability, self._graph.template, NOTHING)
        if decision.allowed:
            found.may.add(agent)
            found.why.pop(agent, None)
        else:
            found.why.setdefault(agent, decision.words())


def check_agreement(graph: Graph, offering: Offering, findings: Findings) -> None:
    """Tell where fewer known agents offer what a task uses than have to agree, whatever a policy says of them."""
    for task, work in _works(graph):
        ways = _ways(work)
        if work.redundancy is None or not ways:
            continue
        known = [{agent for agent, _ in offering.offers(wanted)} for wanted in ways]
        if any(len(each) >= work.redundancy.agree for each in known) or not known[0]:
            continue  # that nobody offers it is told of its capability
        message = f"{work.redundancy.agree} agents have to agree, and `{ways[0]}` is offered by only {len(known[0])}"
        hint = "add another agent that offers it: instances of one agent are one opinion"
        at = f"{pointer_of_task(task)}/uses"
        findings.warning("ACC171", message, at, hint, {"offer": sorted(known[0])})


def _works(graph: Graph) -> Iterator[tuple[Task, Work]]:
    """The tasks that an agent does."""
    for task in graph.tasks.values():
        if isinstance(task.action, Work):
            yield task, task.action


def _ways(work: Work) -> list[CapabilityRange]:
    """The capabilities by which a task may be done; none where a value may stand for its output."""
    ways = [option.capability for option in work.options]
    return [] if None in ways else [wanted for wanted in ways if wanted is not None]
