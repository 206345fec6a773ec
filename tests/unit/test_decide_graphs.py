"""How a run advances: joins, skips, conditions, expansions, failures that do no harm."""

from __future__ import annotations

import pytest

from accord.domain import event as e
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Failed, Player

BAD = Failed(retryable=False)


def test_a_chain_hands_its_outputs_on() -> None:
    graph = graph_of({"a": {}, "b": {"with": {"from_a": "${ tasks.a.output }"}}})
    player = Player(graph, {"a": Done(1)})
    player.play()
    wanted = [event for event in player.events if isinstance(event, e.AttemptWanted)]
    assert player.values.value(wanted[1].input) == {"from_a": 1}
    assert player.run.phase == "completed"
    assert player.output() == {"b": "b done"}


JOINED = [
    ("all", {}, "completed"),
    ("all", {"a": BAD}, "skipped"),
    ("any", {"a": BAD, "b": BAD}, "completed"),
    ("any", {"a": BAD, "b": BAD, "c": BAD}, "skipped"),
    ({"at_least": 2}, {"a": BAD}, "completed"),
    ({"at_least": 2}, {"a": BAD, "c": BAD}, "skipped"),
    ("settled", {"a": BAD, "b": BAD, "c": BAD}, "completed"),
]


@pytest.mark.parametrize(("join", "script", "phase"), JOINED)
def test_joins(join: object, script: dict[str, Failed], phase: str) -> None:
    """Its needs are skipped where they fail: what they need fails, and may."""
    tasks: dict[str, dict[str, object]] = {}
    for name in "abc":
        tasks[f"{name}0"] = {"on_failure": "continue"}
        tasks[name] = {"needs": [f"{name}0"], "when": "${ tasks.NAME0.output != null }".replace("NAME", name)}
    tasks["end"] = {"needs": ["a", "b", "c"], "join": join}
    player = Player(graph_of(tasks), {f"{name}0": given for name, given in script.items()})
    player.play()
    assert player.phase("end") == phase
    assert player.run.phase == "completed"


def test_any_starts_with_the_first_and_the_others_go_on() -> None:
    player = Player(graph_of({"a": {}, "b": {}, "end": {"needs": ["a", "b"], "join": "any"}}))
    player.assign("a")
    player.assign("b")
    player.answer("b", Done())
    assert player.phases() == {"a": "active", "b": "completed", "end": "active"}
    player.play()
    assert player.run.phase == "completed"


def test_a_skip_skips_what_needs_it() -> None:
    graph = graph_of({"a": {"when": "${ input.go }"}, "b": {"needs": ["a"]}, "c": {"needs": ["b"]}, "d": {}})
    player = Player(graph, given={"go": False})
    player.play()
    assert player.phases() == {"a": "skipped", "b": "skipped", "c": "skipped", "d": "completed"}
    assert player.run.state(graph.order[1]).by == "a was skipped"
    assert player.run.phase == "completed"


@pytest.mark.parametrize(("condition", "code"), [("${ input.word }", "ACC291"), ("${ input.nothing }", "ACC211")])
def test_a_condition_that_is_none_fails_the_task(condition: str, code: str) -> None:
    player = Player(graph_of({"a": {"when": condition}}), given={"word": "yes"})
    assert player.run.phase == "failed"
    assert player.run.problem is not None
    assert player.run.problem.code == code


def test_a_failure_stops_the_rest() -> None:
    player = Player(graph_of({"a": {}, "b": {}, "c": {"needs": ["b"]}}))
    player.assign("a")
    player.assign("b")
    player.answer("a", BAD)
    assert player.phases() == {"a": "failed", "b": "cancelled", "c": "pending"}
    assert player.run.phase == "failed"


def test_a_failure_that_may_be_gives_null() -> None:
    graph = graph_of({"a": {"on_failure": "continue"}, "b": {"with": {"a": "${ tasks.a.output }"}}})
    player = Player(graph, {"a": BAD})
    player.play()
    assert player.run.phase == "completed"
    assert player.values.value(player.run.state(graph.order[1]).attempts[0].want.input) == {"a": None}


# -- expansions --------------------------------------------------------------------------------------------------


def test_an_expansion_keeps_to_its_window_and_lists_outputs_in_order() -> None:
    graph = graph_of({"a": {"for_each": "${ input }", "parallel": 2, "with": {"n": "${ item + index }"}}})
    player = Player(graph, given=[10, 20, 30], script={f"a[{index}]": Done(index) for index in range(3)})
    assert [task for task, _ in player.wanted()] == ["a[0]", "a[1]"]
    player.assign("a[1]")
    player.answer("a[1]", Done(1))
    assert [task for task, _ in player.wanted()] == ["a[0]", "a[2]"]
    player.play()
    assert player.output() == {"a": [0, 1, 2]}


def test_an_expansion_of_nothing_is_complete() -> None:
    player = Player(graph_of({"a": {"for_each": "${ input }"}}), given=[])
    assert player.run.phase == "completed"
    assert player.output() == {"a": []}


@pytest.mark.parametrize(("given", "code"), [("text", "ACC293"), ([1] * 50, "ACC294")])
def test_what_cannot_be_expanded_fails(given: object, code: str) -> None:
    player = Player(graph_of({"a": {"for_each": "${ input }"}}, limits={"tasks": 40}), given=given)
    assert player.run.problem is not None
    assert player.run.problem.code == code


def test_items_larger_than_an_event_may_carry() -> None:
    items = [{"text": "x" * 1000, "n": index} for index in range(40)]
    graph = graph_of({"a": {"for_each": "${ input }", "with": {"item": "${ item }"}}})
    player = Player(graph, given=items)
    player.play()
    assert player.run.phase == "completed"
    assert max(map(len, player.journal)) < 20_000


def test_an_item_that_may_fail_gives_null() -> None:
    graph = graph_of({"a": {"for_each": "${ input }", "on_failure": "continue"}})
    player = Player(graph, {"a[1]": BAD}, given=[1, 2, 3])
    player.play()
    assert player.output() == {"a": ["a[0] done", None, "a[2] done"]}


def test_an_item_that_fails_fails_the_run() -> None:
    player = Player(graph_of({"a": {"for_each": "${ input }"}}), {"a[1]": BAD}, given=[1, 2, 3])
    player.play()
    assert player.run.phase == "failed"
    assert player.phase("a") == "cancelled"


def test_an_expression_of_one_item_that_fails_fails_that_item() -> None:
    graph = graph_of({"a": {"for_each": "${ input }", "with": {"n": "${ 1 / item }"}, "on_failure": "continue"}})
    player = Player(graph, given=[1, 0])
    player.play()
    assert player.output() == {"a": ["a[0] done", None]}


def test_an_output_that_cannot_be_made_fails_the_run() -> None:
    player = Player(graph_of({"a": {}}, output={"x": "${ tasks.a.output.none }"}), {"a": Done({})})
    player.play()
    assert player.run.phase == "failed"
    assert player.run.problem is not None
    assert "the run's output failed" in player.run.problem.message
