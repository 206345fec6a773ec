"""Bounds: what a run may take at most, and limits that no run can keep."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from accord.domain.contract import Limits, compile_contract
from accord.domain.graph import Backoff, Graph
from accord.domain.retry import delay
from accord.domain.schema import compile_schema
from accord.errors import pointer_only
from accord.testing.graphs import graph_of
from accord.verifier.bounds import Bounds, Known, bounds_of
from accord.verifier.known import ContractTable, NoTemplates, Templates
from accord.verifier.report import Findings
from accord.verifier.sizes import most_bytes
from accord.verifier.verify import verify

KNOWN = ContractTable(
    [
        compile_contract(
            capability="test.work",
            version="1.0.0",
            input_schema=True,
            output_schema=True,
            limits=Limits(max_cost=Decimal("0.5")),
        )
    ]
)


def bounds(tasks: dict[str, Any], **fields: Any) -> Bounds:
    return bounds_of(graph_of(tasks, **fields), Known(KNOWN), Findings(pointer_only))


def test_attempts_and_cost_count_retries_fallbacks_and_copies() -> None:
    found = bounds(
        {
            "a": {"retry": {"attempts": 3}, "fallback": [{"uses": "test.work@^1"}, {"value": 1}]},
            "b": {"redundancy": {"copies": 2, "agree": 2}},
        }
    )
    assert (found.attempts, found.cost) == (3 * 2 + 2 * 2, "5")
    assert bounds({"a": {"for_each": "${ input }"}}).attempts is None


def test_a_budget_bounds_the_cost_with_what_may_be_under_way_when_it_is_spent() -> None:
    def most(tasks: dict[str, Any], **limits: Any) -> tuple[str | None, str | None]:
        found = bounds(tasks, limits={"max_cost": "0.9", **limits})
        return found.cost, found.budget

    chain = {"a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["b"]}}
    assert most(chain) == ("1.4", "0.9"), "one attempt at a time"
    assert most({"a": {}, "b": {}}) == ("1.9", "0.9"), "two at once"
    assert most({"a": {}, "b": {}}, parallel=1) == ("1.4", "0.9")
    assert most({"a": {}}) == ("1", None), "all attempts are less than the budget and one more"
    assert most({"a": {"for_each": "${ input }"}}, parallel=3) == ("2.4", "0.9")
    assert most({"a": {"uses": "other.work@^1"}}) == (None, None), "an attempt may cost anything"


def dear(tasks: dict[str, Any], budget: str, **fields: Any) -> list[Any]:
    """What is told of the budget."""
    found = verify(graph_of(tasks, limits={"max_cost": budget}, **fields), KNOWN).warnings
    return [one for one in found if one.code == "ACC174"]


def test_attempts_that_may_cost_more_than_the_budget_are_told_with_their_sum() -> None:
    tasks = {
        "a": {"retry": {"attempts": 3}, "fallback": [{"uses": "test.work@^1"}, {"value": 1}]},
        "b": {"redundancy": {"copies": 2, "agree": 2}, "retry": {"attempts": 1}},
        "c": {"when": "${ input == 1 }", "retry": {"attempts": 1}},
    }
    (told,) = dear(tasks, "3.9")
    assert (told.severity, told.place.pointer) == ("warning", "/limits/max_cost")
    assert told.example == {
        "cost": "4",
        "max_cost": "3.9",
        "attempts": [
            {"task": "a", "uses": "test.work@^1", "cost": "3 * 0.5 = 1.5"},
            {"task": "a", "uses": "test.work@^1", "cost": "3 * 0.5 = 1.5"},
            {"task": "b", "uses": "test.work@^1", "cost": "2 * 0.5 = 1"},
        ],
    }
    assert "raise `max_cost` to 4," in told.hint
    assert "branches" not in told.message
    (told,) = dear(tasks, "4")
    assert (told.example["cost"], "takes all of its branches" in told.message) == ("4.5", True)
    assert dear(tasks, "4.5") == []


def test_of_branches_that_exclude_each_other_the_dearest_counts() -> None:
    tasks = {
        "a": {"when": "${ input == 1 }", "retry": {"attempts": 1}},
        "b": {"when": "${ input != 1 }", "retry": {"attempts": 2}},
    }
    assert dear(tasks, "1")[0].example["cost"] == "1.5"
    choice = {"choices": [{"between": ["a", "b"], "takes": "at_most_one"}]}
    assert dear(tasks, "1", **choice) == []
    assert dear(tasks, "0.9", **choice)[0].example["cost"] == "1"
    tasks["b"]["when"] = "${ input != 2 }"
    assert dear(tasks, "1", **choice)[0].example["cost"] == "1.5", "it is declared, and not so"


def test_what_nothing_bounds_is_left_out_of_what_is_too_dear() -> None:
    tasks = {"a": {"for_each": "${ input }"}, "b": {"uses": "other.work@^1"}, "c": {"retry": {"attempts": 2}}}
    assert dear(tasks, "1") == []
    assert dear(tasks, "0.9")[0].example["cost"] == "1"


def test_time_adds_up_along_the_critical_path() -> None:
    tasks = {
        "a": {"timeout": "10s", "retry": {"attempts": 3, "backoff": {"first": "1s", "factor": 2, "cap": "1m"}}},
        "b": {"sleep": "5s"},
        "c": {"needs": ["a", "b"], "timeout": "1s", "retry": {"attempts": 1}},
    }
    found = bounds(tasks)
    assert (found.time_s, found.path) == (3 * 10 + 1 + 2 + 1, ("a", "c"))
    assert bounds(tasks, limits={"deadline": "20s"}).time_s == 20


def test_what_undoes_a_failed_run_costs_as_well() -> None:
    undone = {"a": {"retry": {"attempts": 2}, "compensate": {"uses": "test.work@^1"}}, "b": {"needs": ["a"]}}
    retried = {**undone, "b": {"needs": ["a"], "retry": {"attempts": 1}}}
    assert bounds(retried).cost == "1.5"
    assert bounds(retried, on_failure="compensate").cost == "2.5", "two attempts at undoing more"
    assert bounds(retried, on_failure="compensate", limits={"max_cost": "0.7"}).cost == "2.2", "0.7, 0.5 under way, 1"


def test_what_agents_ask_for_costs_what_nothing_says() -> None:
    asking = {"a": {"calls": {"at_most": 2, "capabilities": ["test.work"]}}}
    assert bounds(asking).cost is None
    assert bounds(asking, limits={"max_cost": "1"}).cost is None


def test_where_fewer_may_be_under_way_than_could_be_they_wait_for_each_other() -> None:
    """Three at 3 s, one at a time: 9 s; the bound for whatever order (Graham, 1966) is that and the path."""
    once = {"timeout": "3s", "retry": {"attempts": 1}}
    apart = dict.fromkeys("abc", once)
    assert bounds(apart).time_s == 3
    assert bounds(apart, limits={"parallel": 1}).time_s == 3 + 9
    lists = {name: {**once, "for_each": "${ input }"} for name in "ab"}
    most = {"type": "array", "maxItems": 4}
    graph = graph_of(lists, limits={"parallel": 2})
    known = Known(KNOWN, lists=dict.fromkeys(graph.tasks, most))
    assert bounds_of(graph, known, Findings(pointer_only)).time_s == 6 + 4 * 2 * 3 / 2


def test_a_person_who_reviews_a_result_may_take_any_time() -> None:
    once = {"timeout": "3s", "retry": {"attempts": 1}}
    assert bounds({"a": {**once, "confidence": {"at_least": 0.5, "otherwise": "retry"}}}).time_s == 3
    assert bounds({"a": {**once, "confidence": {"at_least": 0.5, "otherwise": "review"}}}).time_s is None


def test_what_nothing_bounds_is_unknown() -> None:
    tasks = {"a": {"signal": {"name": "go"}}, "b": {"needs": ["a"], "sleep": "5s"}}
    found = bounds(tasks)
    assert (found.time_s, found.path[0], found.least_s) == (None, "a", 5)


@pytest.mark.parametrize(
    ("more", "refused"),
    [({}, True), ({"when": "${ input == 1 }"}, False), ({"join": "any"}, False), ({"sleep": "3s"}, False)],
)
def test_a_deadline_that_no_run_can_keep(more: dict[str, Any], refused: bool) -> None:
    tasks = {"a": {"sleep": "6s"}, "b": {"needs": ["a"], "sleep": "6s", **more}}
    report = verify(graph_of(tasks, limits={"deadline": "10s"}), KNOWN)
    assert [error.code for error in report.errors] == ["ACC838"] * refused
    assert report.bounds is not None


WAITS = {"attempts": 3, "backoff": {"first": "1s", "factor": 2, "cap": "1m"}}


def of_deadlines(tasks: dict[str, Any], *, templates: Templates | None = None, **limits: Any) -> list[Any]:
    """What is told of deadlines: severity, place, and the arithmetic."""
    found = verify(graph_of(tasks, limits=limits), KNOWN, templates or NoTemplates()).findings
    told = (one for one in found if one.code in ("ACC176", "ACC838"))
    return [(one.severity, one.place.pointer, one.example) for one in told]


def test_attempts_that_may_take_longer_than_their_deadline_are_told_with_their_sum() -> None:
    task = {"timeout": "10s", "retry": WAITS, "fallback": [{"uses": "test.work@^1"}, {"value": 1}]}
    example = {"time_s": "3 * 10 + 1 + 2 + 3 * 10 + 1 + 2 = 66", "deadline_s": "65"}
    assert of_deadlines({"a": {**task, "deadline": "65s"}}) == [("warning", "/tasks/a/deadline", example)]
    assert of_deadlines({"a": {**task, "deadline": "66s"}}) == []
    assert of_deadlines({"a": {"retry": WAITS, "deadline": "2s"}})[0][0] == "warning", "back-offs alone are too long"
    assert of_deadlines({"a": {"retry": {"attempts": 1}, "deadline": "1s"}}) == [], "nothing bounds the attempt"


def test_an_attempt_that_comes_after_the_deadline_however_short_the_waits_is_told() -> None:
    retry = {"attempts": 4, "backoff": {"first": "10s", "factor": 2, "cap": "1m", "jitter": 0.5}}
    (told,) = of_deadlines({"a": {"retry": retry, "deadline": "15s"}})
    assert told == ("warning", "/tasks/a/deadline", {"waits_s": "5 + 10 = 15", "deadline_s": "15"})
    backoff = Backoff(timedelta(seconds=10), 2.0, timedelta(minutes=1), 0.5)
    waits = [sum(delay(backoff, one, salt=f"{salt}").total_seconds() for one in (1, 2)) for salt in range(500)]
    assert min(waits) >= 15
    copies = {"redundancy": {"copies": 2, "agree": 2}, "retry": retry, "deadline": "15s"}
    assert "waits_s" not in of_deadlines({"a": copies})[0][2], "copies wait beside each other"


def test_the_timeout_of_a_contract_bounds_an_attempt() -> None:
    contract = compile_contract(
        capability="test.work",
        version="1.0.0",
        input_schema=True,
        output_schema=True,
        limits=Limits(deadline=timedelta(seconds=4)),
    )
    graph = graph_of({"a": {"retry": {"attempts": 1}}, "b": {"timeout": "9s", "retry": {"attempts": 1}}})
    assert bounds_of(graph, Known(ContractTable([contract])), Findings(pointer_only)).time_s == 4


def test_a_path_that_may_take_longer_than_the_run_may_is_told_with_its_tasks() -> None:
    tasks = {
        "a": {"timeout": "10s", "retry": WAITS},
        "b": {"needs": ["a"], "approval": {"title": "x", "timeout": "20s"}},
        "c": {"needs": ["a"], "sleep": "5s", "when": "${ input == 1 }"},
        "d": {"needs": ["a", "c"], "join": "settled", "deadline": "7s", "timeout": "6s", "retry": {"attempts": 2}},
    }
    own = ("warning", "/tasks/d/deadline", {"time_s": "2 * 6 + 1 = 13", "deadline_s": "7"})
    added = {"a": "3 * 10 + 1 + 2 = 33", "b": "20"}
    told = ("warning", "/limits/deadline", {"time_s": "53", "deadline_s": "52", "tasks": added})
    assert of_deadlines(tasks, deadline="52s") == [own, told]
    assert of_deadlines(tasks, deadline="53s") == [own]
    del tasks["b"]
    added = {"a": "3 * 10 + 1 + 2 = 33", "c": "5", "d": "7"}
    told = ("warning", "/limits/deadline", {"time_s": "45", "deadline_s": "44", "tasks": added})
    assert of_deadlines(tasks, deadline="44s") == [own, told], "where the branch is taken"
    assert of_deadlines(tasks, deadline="45s") == [own]


def test_a_workflow_that_a_task_runs_takes_its_time() -> None:
    inner = graph_of({"a": {"sleep": "6s"}, "b": {"needs": ["a"], "signal": {"name": "go"}}}, name="inner")

    class Others(NoTemplates):
        def graph(self, _wanted: str) -> Graph:
            return inner

    runs = {"workflow": "inner@^1"}
    assert of_deadlines({"a": {**runs, "deadline": "6s"}}, templates=Others()) == []
    (told,) = of_deadlines({"a": {**runs, "deadline": "5s"}}, templates=Others())
    assert told[:2] == ("error", "/tasks/a/deadline")
    (told,) = of_deadlines({"a": runs, "b": {"needs": ["a"], "sleep": "6s"}}, templates=Others(), deadline="11s")
    assert told[:2] == ("error", "/limits/deadline")
    listed = {"a": {**runs, "for_each": "${ input }", "deadline": "5s"}}
    assert of_deadlines(listed, templates=Others()) == [], "the list may be empty"
    conditional = {"a": {**runs, "on_failure": "continue"}}
    assert of_deadlines(conditional, templates=Others(), deadline="5s") == [], "it may fail at once"


def of_tasks(source: str, allowed: int, **fields: Any) -> list[Any]:
    """What is told of `limits.tasks`, of a task for each item of a list."""
    task = {"for_each": source, **fields}
    given = {"type": "array", "minItems": 1, "maxItems": 4}
    graph = graph_of({"a": task, "b": {}}, limits={"tasks": allowed}, input=given)
    return [one for one in verify(graph, KNOWN).findings if one.place.pointer == "/limits/tasks"]


def test_lists_that_always_have_more_items_than_the_run_may_have_tasks_are_an_error() -> None:
    (told,) = of_tasks("${ [1, 2, 3] }", 4)
    assert (told.severity, told.code) == ("error", "ACC838")
    assert told.example == {"items": {"a": 3}, "tasks": 5, "limits": {"tasks": 4}}
    assert of_tasks("${ [1, 2, 3] }", 5) == []
    assert [one.code for one in of_tasks("${ input }", 2)] == ["ACC838"], "by `minItems`"


def test_lists_that_may_have_more_items_than_the_run_may_have_tasks_are_a_warning() -> None:
    (told,) = of_tasks("${ input }", 5)
    assert (told.severity, told.code, told.example["tasks"]) == ("warning", "ACC175", 6)
    assert of_tasks("${ input }", 6) == []
    (told,) = of_tasks("${ [1, 2, 3] }", 4, when="${ size(input) > 2 }")
    assert (told.severity, "all of its branches" in told.message) == ("warning", True)
    (told,) = of_tasks("${ dyn(run.id) }", 100)
    assert (told.severity, "maxItems" in told.hint, told.example["items"]) == ("warning", True, {"a": 99})
    assert of_tasks("${ dyn(run.id) }", 200_000) == [], "it is what every run may have"


def record(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "largest"),
    [
        ({"enum": [1, "four", None]}, "four"),
        ({"type": "string", "maxLength": 3}, "\u001f" * 3),
        ({"type": "boolean"}, False),
        (record(a={"const": "é"}, b={"type": "null"}), {"a": "é", "b": None}),
        ({"type": "array", "items": {"type": "boolean"}, "maxItems": 3}, [False] * 3),
        ({"type": "array", "prefixItems": [{"const": 1}], "items": {"const": True}, "maxItems": 3}, [1, True, True]),
        ({"type": "array", "prefixItems": [{"const": 1}], "items": False}, [1]),
        ({"anyOf": [{"const": 1}, {"const": 123}]}, 123),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": 12}}}, 12),
        ({"allOf": [{"type": "string"}, {"maxLength": 2, "type": "string"}]}, "\u001f" * 2),
    ],
)
def test_a_schema_says_how_long_a_value_may_get(schema: Any, largest: Any) -> None:
    size, real = most_bytes(schema), len(orjson.dumps(largest))
    assert compile_schema(schema).is_valid(largest)
    assert size is not None
    assert real <= size <= real + 2 * len(str(largest))


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"type": "string"},
        {"type": "object", "properties": {"a": {"type": "null"}}},
        record(a={"type": "string"}),
        {"type": "array", "items": {"type": "null"}},
        {"type": "array", "maxItems": 4},
        {"type": ["null", "string"]},
        {"$ref": "#/$defs/a", "$defs": {"a": record(b={"$ref": "#/$defs/a"})}},
        {"maxLength": 4},
    ],
)
def test_a_schema_without_a_most_says_nothing(schema: Any) -> None:
    assert most_bytes(schema) is None


def test_a_list_with_a_most_bounds_attempts_cost_time_and_width() -> None:
    given = {"type": "array", "items": {"type": "string", "maxLength": 10}, "maxItems": 20}
    tasks = {
        "each": {
            "for_each": "${ input }",
            "parallel": 6,
            "with": {"text": "${ item }"},
            "timeout": "10s",
            "retry": {"attempts": 2, "backoff": {"first": "1s"}},
        }
    }
    found = verify(graph_of(tasks, input=given), KNOWN).bounds
    assert found is not None
    assert (found.items, found.attempts, found.cost) == ({"each": 20}, 40, "20")
    assert found.time_s == 4 * (2 * 10 + 1), "four turns of six"
    assert (found.at_once, found.message_bytes, found.largest) == (6, 2 + len('"text":') + 62 + 1, "each")


@pytest.mark.parametrize(("text", "largest"), [("b" * 50, 61), ("b", 14)])
def test_the_largest_input_may_be_that_of_a_fallback(text: str, largest: int) -> None:
    fallback = {"uses": "test.work@^1", "with": {"text": text}}
    found = verify(graph_of({"a": {"with": {"text": "aaa"}, "fallback": [fallback]}}), KNOWN).bounds
    assert found is not None
    assert (found.message_bytes, found.largest) == (largest, "a")


def test_calls_are_as_many_again_below_each() -> None:
    calls = {"at_most": 3, "capabilities": ["test.work"], "depth": 2}
    assert bounds({"a": {"calls": calls}, "b": {}}).calls == 3 + 9


def test_tasks_behind_each_other_are_never_at_once() -> None:
    chain = {f"t{n}": {"needs": [f"t{n - 1}"] if n else []} for n in range(5)}
    assert bounds(chain).at_once == 1
    diamond = {"a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["a"]}, "d": {"needs": ["b", "c"]}}
    assert bounds(diamond).at_once == 2
    wide = {**chain, **{f"w{n}": {} for n in range(7)}}
    assert bounds(wide).at_once == 8
    assert bounds(wide, limits={"parallel": 3}).at_once == 3
    assert bounds({"a": {"redundancy": {"copies": 3, "agree": 2}}, "b": {}}).at_once == 4


@pytest.mark.parametrize(("slots", "turns"), [(1, [7]), (2, [4]), (6, [2]), (7, []), (None, [])])
def test_what_agents_cannot_do_at_once_waits_for_turns(slots: int | None, turns: list[int]) -> None:
    graph = graph_of({f"w{n}": {} for n in range(7)})
    found = verify(graph, KNOWN, slots=lambda wanted: slots).bounds
    assert found is not None
    assert [queue.turns for queue in found.queues] == turns
