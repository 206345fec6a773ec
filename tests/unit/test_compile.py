"""Compiling templates: needs that follow from expressions, order, joins, and what is put at the end."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.compile import compile_graph
from accord.domain.expression import evaluate
from accord.domain.graph import AGGREGATE, Graph, Join, Sleep, Subrun, Wait, Work
from accord.domain.ids import Digest, TaskId
from accord.domain.template import Template
from accord.errors import TemplateInvalid

DIGEST = Digest("d" * 64)


def graph_of(tasks: dict[str, Any], **rest: Any) -> Graph:
    whole = {"accord": "template/1", "name": "sample", "version": "1.0.0", "tasks": tasks, **rest}
    return compile_graph(msgspec.convert(whole, Template), DIGEST)


def work(**rest: Any) -> dict[str, Any]:
    return {"uses": "text.read", **rest}


def t(name: str) -> TaskId:
    return TaskId(name)


def test_needs_follow_from_every_expression_and_say_why() -> None:
    graph = graph_of(
        {
            "a": work(),
            "b": work(),
            "c": work(),
            "d": work(),
            "e": work(),
            "all": work(
                **{"with": {"deep": [{"n": "${ tasks.a.output.n }"}]}},
                when="${ tasks.b.output.ok }",
                for_each="${ tasks.c.output.items }",
                fallback=[{"value": "${ tasks.d.output }"}],
                needs=["e"],
            ),
        }
    )
    task = graph.tasks[t("all")]
    assert task.needs == ("a", "b", "c", "d", "e")
    assert dict(task.reasons) == {
        "e": "needs",
        "a": "with.deep.0.n: ${ tasks.a.output.n }",
        "b": "when: ${ tasks.b.output.ok }",
        "c": "for_each: ${ tasks.c.output.items }",
        "d": "fallback.0.value: ${ tasks.d.output }",
    }
    assert graph.dependents[t("a")] == ("all",)


def test_order_is_the_template_s_where_that_is_free() -> None:
    graph = graph_of({"c": work(needs=["b"]), "a": work(), "b": work(), "z": work()})
    assert graph.order == ("a", "b", "c", "z")


def test_runs_are_called_like_the_template_however_it_is_described() -> None:
    graph = graph_of({"a": work()}, description="Does what\nit does.")
    assert graph.title == graph.template.partition("@")[0]


def test_titles_and_times_make_needs() -> None:
    graph = graph_of(
        {
            "a": work(),
            "ask": {"approval": {"title": "Ship ${ tasks.a.output }?", "timeout": "1d", "on_timeout": "skip"}},
            "rest": {"sleep": "${ tasks.ask.output.until }"},
            "go": {"signal": {"name": "go"}, "needs": ["rest"]},
            "sub": {"workflow": "other@^1", "with": {"x": "${ tasks.go.output }"}},
        }
    )
    assert graph.order == ("a", "ask", "rest", "go", "sub")
    ask, rest, go, sub = (graph.tasks[t(name)].action for name in ("ask", "rest", "go", "sub"))
    assert isinstance(ask, Wait)
    assert (ask.signal, ask.timeout, ask.on_timeout, ask.on_reject) == (None, timedelta(days=1), "skip", "fail")
    assert isinstance(rest, Sleep)
    assert isinstance(go, Wait)
    assert go.signal == "go"
    assert isinstance(sub, Subrun)
    assert sub.template == "other@^1"


def test_a_compensation_makes_no_need() -> None:
    undo = {"uses": "text.undo", "with": {"of": "${ task.output }", "for": "${ tasks.b.output }"}}
    graph = graph_of({"a": work(compensate=undo), "b": work()}, on_failure="compensate")
    assert graph.tasks[t("a")].needs == ()
    assert graph.compensates_failure


def test_a_fallback_keeps_the_input_that_it_does_not_change() -> None:
    graph = graph_of({"a": work(**{"with": {"n": 1}}, fallback=[{"uses": "text.other"}, {"value": None}])})
    action = graph.tasks[t("a")].action
    assert isinstance(action, Work)
    first, second, third = action.options
    assert second.binding == first.binding
    assert (str(second.capability), third.capability) == ("text.other", None)
    assert evaluate(third.binding, {}) is None


def test_retry_is_the_template_s_unless_the_task_says_its_own() -> None:
    graph = graph_of(
        {"a": work(), "b": work(retry={"attempts": 9, "backoff": {"first": "250ms"}})},
        defaults={"attempts": 2},
    )
    a, b = (graph.tasks[t(name)].action for name in "ab")
    assert isinstance(a, Work)
    assert isinstance(b, Work)
    assert (a.retry.attempts, b.retry.attempts) == (2, 9)
    assert b.retry.backoff.first == timedelta(milliseconds=250)


@pytest.mark.parametrize(
    ("join", "compiled"),
    [("all", Join()), ("any", Join(at_least=1)), ("settled", Join(settled=True)), ({"at_least": 2}, Join(at_least=2))],
)
def test_joins(join: Any, compiled: Join) -> None:
    graph = graph_of({"a": work(), "b": work(), "c": work(needs=["a", "b"], join=join)})
    assert graph.tasks[t("c")].join == compiled


def test_the_output_is_by_default_that_of_the_last_tasks() -> None:
    graph = graph_of({"a": work(), "b": work(needs=["a"]), "c": work(needs=["a"], when="${ input.deep }")})
    tasks: dict[str, Any] = {"a": {"output": 0}, "b": {"output": 1}, "c": {"output": 2}}
    assert evaluate(graph.output, {"tasks": tasks}) == {"b": 1, "c": 2}
    skipped = {**tasks, "c": {"status": "skipped"}}
    assert evaluate(graph.output, {"tasks": skipped}) == {"b": 1, "c": None}


def test_an_aggregate_needs_all_last_tasks_and_gives_the_output() -> None:
    graph = graph_of(
        {"a": work(), "b": work(needs=["a"]), "c": work()},
        aggregate={"uses": "text.merge", "with": {"b": "${ tasks.b.output }"}},
    )
    task = graph.tasks[AGGREGATE]
    assert task.needs == ("b", "c")
    assert task.join == Join()
    assert graph.order[-1] == AGGREGATE
    assert evaluate(graph.output, {"tasks": {"aggregate": {"output": "done"}}}) == "done"


def test_an_aggregate_waits_for_the_end_of_tasks_that_may_be_skipped() -> None:
    graph = graph_of(
        {"a": work(when="${ input.deep }"), "b": work(needs=["a"])},
        aggregate={"uses": "text.merge"},
    )
    assert graph.tasks[AGGREGATE].join == Join(settled=True)


@st.composite
def template_tasks(draw: st.DrawFn) -> dict[str, Any]:
    """Tasks in any order, each needing some that come before it in another, hidden order."""
    count = draw(st.integers(1, 12))
    hidden = [f"t{index}" for index in range(count)]
    tasks = {}
    for position, name in enumerate(hidden):
        before = draw(st.lists(st.sampled_from(hidden[:position]), unique=True)) if position else []
        split = draw(st.integers(0, len(before)))
        mentioned = {need: f"${{ tasks.{need}.output }}" for need in before[split:]}
        tasks[name] = work(needs=before[:split], **{"with": mentioned})
    shown = draw(st.permutations(hidden))
    return {name: tasks[name] for name in shown}


@given(template_tasks())
def test_order_is_topological_and_whole(tasks: dict[str, Any]) -> None:
    graph = graph_of(tasks)
    position = {name: index for index, name in enumerate(graph.order)}
    assert set(graph.order) == set(tasks)
    for name, task in graph.tasks.items():
        assert set(task.needs) == {*tasks[name]["needs"], *tasks[name]["with"]}
        assert all(position[need] < position[name] for need in task.needs)
        assert all(name in graph.dependents[need] for need in task.needs)
    assert sum(map(len, graph.dependents.values())) == sum(len(task.needs) for task in graph.tasks.values())


@given(template_tasks(), st.data())
def test_an_edge_back_is_a_cycle_and_is_shown_whole(tasks: dict[str, Any], data: st.DataObject) -> None:
    graph = graph_of(tasks)
    with_needs = [name for name in graph.order if graph.tasks[name].needs]
    if not with_needs:
        return
    late = data.draw(st.sampled_from(with_needs))
    early = graph.tasks[late].needs[0]
    tasks[early]["needs"] = [*tasks[early]["needs"], late]
    with pytest.raises(TemplateInvalid) as raised:
        graph_of(tasks)
    cycles = [problem.message for problem in raised.value.problems if problem.code == "ACC131"]
    assert cycles
    path = cycles[0].removeprefix("the tasks need each other: ").split(" → ")
    assert path[0] == path[-1]
    for task, need in itertools.pairwise(path):
        assert need in {*tasks[task]["needs"], *tasks[task]["with"]}
