"""Which tasks are done for certain whenever another one begins, against all ways in which tasks may be done or not."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.contract import compile_contract
from accord.domain.graph import Graph
from accord.domain.ids import TaskId
from accord.testing.graphs import graph_of
from accord.verifier.known import ContractTable
from accord.verifier.preceding import Preceding
from accord.verifier.verify import verify

DIGITS = {"type": "object", "properties": {"x": {"type": "integer", "maximum": 9}}, "required": ["x"]}
KNOWN = ContractTable(
    compile_contract(capability=name, version="1.0.0", input_schema=schema, output_schema=True)
    for name, schema in (("test.work", True), ("test.digit", DIGITS))
)
GIVEN = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "m": {"type": "integer"}},
    "required": ["n", "m"],
}


def certain(graph: Graph, task: str) -> set[TaskId]:
    return set(Preceding(graph).of(TaskId(task), -1))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    tasks: dict[str, Any] = {}
    for number in range(draw(st.integers(2, 6))):
        needs = draw(st.lists(st.sampled_from(sorted(tasks)), unique=True, max_size=4)) if tasks else []
        joins: list[Any] = ["all", "any", "settled", *({"at_least": count} for count in range(1, len(needs) + 1))]
        tasks[f"t{number}"] = {"needs": needs, **({"join": draw(st.sampled_from(joins))} if needs else {})}
    return graph_of(tasks)


def ready(graph: Graph, task: TaskId, done: set[TaskId]) -> bool:
    join, needs = graph.tasks[task].join, graph.tasks[task].needs
    if join.settled:
        return True
    wanted = len(needs) if join.at_least is None else min(join.at_least, len(needs))
    return sum(need in done for need in needs) >= wanted


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_what_is_done_for_certain_is_done_in_every_run(graph: Graph) -> None:
    common: dict[TaskId, set[TaskId]] = {}
    for choices in itertools.product((True, False), repeat=len(graph.order)):
        done: set[TaskId] = set()
        for name, chosen in zip(graph.order, choices, strict=True):
            if ready(graph, name, done):
                common[name] = common.get(name, set(graph.order)) & done
                done |= {name} if chosen else set()
    for name, seen in common.items():
        assert certain(graph, name) <= seen


def test_conditions_of_tasks_that_are_done_on_every_way_count() -> None:
    def codes(tasks: dict[str, Any], **more: Any) -> list[str]:
        asked = {"uses": "test.digit@^1", "with": {"x": "${ input.n }"}, **more}
        found = verify(graph_of({**tasks, "z": asked}, input=GIVEN), KNOWN).findings
        return [one.code for one in found if (one.place.pointer or "").startswith("/tasks/z/with")]

    first = {"when": "${ input.n < 10 }"}
    ways = {"a": first, "b": {"needs": ["a"], "when": "${ input.m > 1 }"}, "c": {"needs": ["a"]}}
    assert codes(ways, needs=["b", "c"], join="any") == ["ACC824"], "whichever way is taken, it begins with a"
    assert codes({**ways, "c": {}}, needs=["b", "c"], join="any") == ["ACC822"], "there is a way around it"
    assert codes(ways, needs=["b", "c"], join="settled") == ["ACC822"], "they may have been skipped"
    assert codes({**ways, "a": {**first, "on_failure": "continue"}}, needs=["b"]) != ["ACC824"]
    assert codes({**ways, "d": {}}, needs=["b", "c", "d"], join={"at_least": 2}) == ["ACC824"], "one of two has a"
    assert codes({**ways, "d": {}}, needs=["b", "c", "d"], join={"at_least": 1}) == ["ACC822"]
    chain: dict[str, Any] = {"t0": first}
    for number in range(1, 30):
        chain[f"t{number}"] = {"needs": [f"t{number - 1}"], "when": f"${{ input.m > {number} }}"}
    assert codes(chain, needs=["t29"]) == ["ACC824"], "conditions about something else do not push it out"
