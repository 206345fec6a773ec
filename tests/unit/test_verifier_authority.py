"""Authority before a run: who the policy lets do a task, and the reasons why others may not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accord.domain.capability import CapabilityRange
from accord.domain.contract import compile_contract
from accord.domain.ids import AgentId
from accord.domain.labels import Labels
from accord.domain.policy import AgentAction, Decision
from accord.testing.graphs import graph_of
from accord.verifier.clearance import Offer
from accord.verifier.known import ContractTable
from accord.verifier.report import Report
from accord.verifier.verify import staffed, verify

WORK, OTHER = (
    compile_contract(capability=name, version="1.0.0", input_schema=True, output_schema=True)
    for name in ("test.work", "test.other")
)
ANN, BOB, CYD = (AgentId(f"spiffe://test/agent/{name}") for name in ("ann", "bob", "cyd"))


class Barring:
    """A policy that lets some agents execute nothing, and counts how often it is asked."""

    def __init__(self, *barred: AgentId) -> None:
        self.barred, self.asked = barred, 0

    def offers(self, wanted: CapabilityRange) -> Sequence[Offer]:
        offered = [(ANN, WORK), (BOB, WORK), (CYD, OTHER)]
        return [(agent, contract) for agent, contract in offered if wanted.matches(contract.ref)]

    def decide(self, action: AgentAction, agent: AgentId, capability: str, template: str, labels: Labels) -> Decision:
        self.asked += 1
        return Decision(allowed=agent not in self.barred, reasons=("no-night-work",))


def told(task: dict[str, Any], *barred: AgentId) -> Report:
    return verify(graph_of({"a": task}), ContractTable([WORK, OTHER]), clearance=Barring(*barred))


def test_one_who_may_is_enough() -> None:
    report = told({}, ANN)
    assert not report.warnings
    assert [fact.proven for fact in report.facts if fact.check == "authority"] == [1]


def test_nobody_who_may_is_told_with_the_reason_of_each() -> None:
    report = told({}, ANN, BOB)
    assert report.ok, "others may come"
    (warning,) = report.warnings
    assert (warning.code, warning.place.pointer) == ("ACC170", "/tasks/a/uses")
    assert warning.example["may"] == []
    assert set(warning.example["may_not"]) == {ANN, BOB}
    assert all("no-night-work" in why for why in warning.example["may_not"].values())
    assert [fact.open for fact in report.facts if fact.check == "authority"] == [1]


def test_where_several_have_to_agree_so_many_have_to_be_let() -> None:
    twice = {"redundancy": {"copies": 3, "agree": 2}}
    assert not told(twice).warnings
    (warning,) = told(twice, BOB).warnings
    assert (warning.code, warning.example["may"]) == ("ACC171", [ANN])


def test_without_a_policy_it_is_told_where_too_few_can_agree() -> None:
    def codes(task: dict[str, Any]) -> list[str]:
        graph = graph_of({"a": task})
        report = staffed(verify(graph, ContractTable([WORK, OTHER])), graph, Barring())
        assert not [fact for fact in report.facts if fact.check == "authority"]
        return [one.code for one in report.warnings]

    thrice, other = {"redundancy": {"copies": 4, "agree": 3}}, {"uses": "test.other@^1"}
    assert codes({}) == codes({"redundancy": {"copies": 3, "agree": 2}}) == []
    assert codes(thrice) == codes(thrice | {"fallback": [other]}) == ["ACC171"]
    assert codes(thrice | {"fallback": [{"value": 1}]}) == []
    assert codes({"redundancy": {"copies": 2, "agree": 2}, **other, "fallback": [{"uses": "test.work@^1"}]}) == []


def test_a_fallback_is_another_way() -> None:
    assert not told({"fallback": [{"uses": "test.other@^1"}]}, ANN, BOB).warnings
    assert not told({"fallback": [{"value": 1}]}, ANN, BOB).warnings
    assert told({"fallback": [{"uses": "test.other@^1"}]}, ANN, BOB, CYD).warnings


def test_the_policy_is_asked_of_a_capability_once() -> None:
    clearance = Barring()
    verify(graph_of({f"t{n}": {} for n in range(50)}), ContractTable([WORK]), clearance=clearance)
    assert clearance.asked == 1
