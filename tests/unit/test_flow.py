"""Labels flow through a run: from what is read to what is made, and nothing but a declassification takes any away."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.effects import TellParent
from accord.domain.flow import run_labels, subrun_labels, task_labels
from accord.domain.fork import adoptable
from accord.domain.ids import RunId, TaskId
from accord.domain.labels import UNLABELLED, Labels, join, may_flow
from accord.errors import TemplateInvalid, TransitionRefused
from accord.testing.graphs import graph_of
from accord.testing.player import Broken, Done, Failed, Player, Verdict

PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "order": {"type": "integer"}}}
CLOSED = {**PERSON, "additionalProperties": False}
LABELLED = {"input": PERSON, "labels": {"": ["internal"], "/name": ["confidential", "personal"]}}
GIVEN = {"name": "Ann", "order": 7}
SECRET = {"confidential", "personal"}
WHY = {"to": "internal", "without": ["personal"], "why": "names are removed"}


def played(tasks: dict[str, dict[str, Any]], script: Any = None, given: Any = GIVEN, **fields: Any) -> Player:
    player = Player(graph_of(tasks, **{**LABELLED, **fields}), script, given=given)
    player.settle()
    return player


def of(player: Player, task: str) -> Labels:
    return task_labels(player.run, TaskId(task))


def reading(*paths: str) -> dict[str, Any]:
    return {"with": {f"v{index}": f"${{ {path} }}" for index, path in enumerate(paths)}}


def test_only_the_parts_that_are_read_count() -> None:
    player = played(
        {
            "name": reading("input.name"),
            "order": reading("input.order"),
            "whole": reading("input"),
            "both": reading("tasks.name.output", "tasks.order.output"),
            "none": {"needs": ["name"]},
        }
    )
    assert of(player, "name") == of(player, "whole") == of(player, "both") == SECRET
    assert of(player, "order") == of(player, "none") == UNLABELLED
    assert run_labels(player.run) == SECRET


def test_what_is_public_stays_so_only_among_what_is_public() -> None:
    tasks = {"a": reading("input.order"), "b": reading("tasks.a.output", "input.name"), "c": {}}
    player = played(tasks, labels={"/order": ["public"]})
    assert [of(player, task) for task in "abc"] == [{"public"}, UNLABELLED, UNLABELLED]


def test_a_run_without_labels_writes_none() -> None:
    player = Player(graph_of({"a": {}, "b": reading("tasks.a.output")}), given=1)
    player.settle()
    assert not player.run.labelled
    assert b"labels" not in b"".join(player.journal)
    assert b"labels" not in msgspec.json.encode(dict(player.run.tasks))
    assert run_labels(player.run) == UNLABELLED


def test_a_start_raises_and_never_lowers() -> None:
    graph = graph_of({"a": reading("input.order"), "b": reading("input.name")}, **LABELLED)
    player = Player(graph, given=GIVEN, labels=("public", "health"))
    player.settle()
    assert of(player, "a") == {"internal", "health"}
    assert of(player, "b") == SECRET | {"health"}


def test_a_task_and_an_agent_may_add() -> None:
    tasks = {"a": {**reading("input.order"), "labels": ["health"]}, "b": reading("tasks.a.output")}
    player = played(tasks, {"a": Done(1, labels=("confidential",)), "b": Done(2)})
    assert of(player, "a") == of(player, "b") == {"confidential", "health"}


def test_from_the_first_label_on_they_are_kept_where_nobody_had_said_anything() -> None:
    tasks = {"a": {}, "b": reading("tasks.a.output"), "c": reading("tasks.b.output")}
    player = Player(graph_of(tasks), {"b": Done(1, labels=("personal",))}, given=1)
    player.settle()
    assert [of(player, task) for task in "abc"] == [UNLABELLED, *[{"internal", "personal"}] * 2]


def test_whoever_tries_again_is_told_what_was_wrong_and_so_what_was_said_of_it() -> None:
    tasks = {"a": {**reading("input.order"), "diagnose": False}}
    player = Player(graph_of(tasks, **LABELLED), given=GIVEN)
    player.assign("a")
    broken = player._command(Broken("x"), TaskId("a"), 1)
    assert broken is not None
    player.do(msgspec.structs.replace(broken, labels=("health",), diagnosis=None))
    player.play()
    assert set(player.run.state(TaskId("a")).attempts[1].want.labels) == {"internal", "health"}
    assert of(player, "a") == {"internal", "health"}


def test_a_diagnosis_has_seen_what_it_is_about() -> None:
    player = played({"a": reading("input.name")}, {"a": Broken("x")})
    wants = [attempt.want for attempt in player.run.state(TaskId("a")).attempts]
    assert [want.purpose for want in wants][:2] == ["work", "diagnose"]
    assert set(wants[1].labels) == SECRET


UPSTREAM = {"name": reading("input.name"), "a": {"needs": ["name"], "context": "upstream", **reading("input.order")}}


def test_what_is_made_of_a_context_has_its_labels_when_it_is_tried_again() -> None:
    player = played({**UPSTREAM, "a": {**UPSTREAM["a"], "diagnose": False}}, {"a": [Broken("Ann"), Done(1)]})
    player.play()
    again = player.run.state(TaskId("a")).attempts[1].want
    assert again.errors
    assert set(again.labels) == SECRET, "the errors quote a result that was made of the name"


def test_a_diagnosis_has_the_labels_of_the_context_that_the_result_was_made_of() -> None:
    player = played(UPSTREAM, {"a": [Broken("Ann"), Verdict("repaired", 1)]})
    wants = [attempt.want for attempt in player.run.state(TaskId("a")).attempts]
    assert [want.purpose for want in wants] == ["work", "diagnose"]
    assert set(wants[0].labels) == UNLABELLED
    assert set(wants[1].labels) == of(player, "a") == SECRET


def test_an_attempt_is_told_of_the_errors_of_its_own_option_only() -> None:
    other = {"uses": "test.other@^1", "with": {"n": "${ input.order }"}}
    first = {**reading("input.name"), "retry": {"attempts": 2}, "diagnose": False, "fallback": [other]}
    player = played({"a": first}, {"a": [Failed(retryable=False), Broken("x"), Done(1)]})
    player.play()
    wants = [attempt.want for attempt in player.run.state(TaskId("a")).attempts]
    assert [(want.option, bool(want.errors)) for want in wants] == [(0, False), (1, False), (1, True)]
    assert [set(want.labels) for want in wants] == [SECRET, UNLABELLED, UNLABELLED]


def test_a_fallback_has_the_labels_of_what_it_reads_and_a_value_those_of_all() -> None:
    failing = {**reading("input.name"), "retry": {"attempts": 1}}
    other = {"uses": "test.other@^1", "with": {"n": "${ input.order }"}}
    answers = [Failed(retryable=False), Done(1)]
    player = played({"a": {**failing, "fallback": [other]}}, {"a": answers})
    assert of(player, "a") == UNLABELLED
    player = played({"a": {**failing, "fallback": [{"value": 1}]}}, {"a": Failed(retryable=False)})
    assert player.phase("a") == "completed"
    assert of(player, "a") == SECRET


def test_items_have_the_labels_of_their_list_and_a_list_those_of_its_items() -> None:
    tasks = {
        "a": {"for_each": "${ input.all }", **reading("item")},
        "b": {"for_each": "${ input.all }", **reading("input.order")},
        "c": reading("tasks.a.output"),
    }
    schema = {"type": "object", "properties": {"all": {"type": "array"}, "order": {"type": "integer"}}}
    script = {"b[1]": Done(1, labels=("health",))}
    player = played(tasks, script, {"all": [1, 2], "order": 1}, input=schema, labels={"/all": ["personal"]})
    assert of(player, "a[0]") == of(player, "a") == of(player, "c") == {"internal", "personal"}
    assert of(player, "b[0]") == UNLABELLED
    assert of(player, "b") == {"internal", "personal", "health"}


def test_a_sub_run_s_input_has_its_parent_s_labels_and_tells_those_of_its_output() -> None:
    player = played({"a": {"workflow": "other@^1", **reading("input.name")}, "b": reading("tasks.a.output")})
    assert subrun_labels(player.run, TaskId("a")) == SECRET
    assert of(player, "b") == SECRET, "a sub-run that tells nothing lowers nothing"
    child = Player(
        graph_of({"c": {**reading("input"), "declassify": WHY}}),
        {"c": Done(1, declassifies=True)},
        given=1,
        labels=("confidential", "personal"),
        parent=e.Parent(player.run.id, TaskId("a")),
    )
    child.settle()
    [telling] = [effect for effect in child.told if isinstance(effect, TellParent)]
    assert telling.command.labels == ("internal",)


def test_a_fork_takes_over_what_was_said_of_outputs() -> None:
    player = played({"a": reading("input.name"), "b": reading("tasks.a.output")})
    adopted = adoptable(player.run, TaskId("b"), GIVEN, player.values)
    fork = Player(player.graph, given=GIVEN, adopted=adopted, values=player.values)
    assert of(fork, "a") == SECRET


def test_an_undoing_has_the_labels_of_what_it_undoes() -> None:
    tasks = {
        "a": {**reading("input.name"), "compensate": {"uses": "test.undo@^1", **reading("task.output")}},
        "b": {"needs": ["a"], "retry": {"attempts": 1}},
    }
    player = played(tasks, {"b": Failed(retryable=False)}, on_failure="compensate")
    [undo] = player.run.state(TaskId("undo:a")).attempts
    assert set(undo.want.labels) == SECRET


# -- declassification --------------------------------------------------------------------------------------------


def test_a_declassification_that_is_claimed_lowers_and_is_told() -> None:
    tasks = {"a": {**reading("input.name"), "declassify": WHY}, "b": reading("tasks.a.output")}
    player = played(tasks, {"a": Done(1, labels=("health",), declassifies=True)})
    assert of(player, "a") == of(player, "b") == {"internal", "health"}
    [event] = [event for event in player.events if isinstance(event, e.TaskDeclassified)]
    assert event.before == ("confidential", "health", "personal")
    assert event.labels == ("internal", "health")
    assert (event.attempt, event.why) == (1, "names are removed")
    assert event.by == player.run.state(TaskId("a")).attempts[0].agent


def test_one_that_is_not_claimed_lowers_nothing() -> None:
    player = played({"a": {**reading("input.name"), "declassify": WHY}})
    assert of(player, "a") == SECRET


def test_none_is_taken_where_the_template_declares_none() -> None:
    player = Player(graph_of({"a": reading("input.name")}, **LABELLED), given=GIVEN)
    player.assign("a")
    with pytest.raises(TransitionRefused) as refused:
        player.answer("a", Done(1, declassifies=True))
    assert refused.value.problems[0].code == "ACC691"


def test_what_was_declassified_is_not_so_any_more_when_it_is_done_again() -> None:
    tasks = {"a": {**reading("input.name"), "declassify": WHY}, "b": {"approval": {"title": "?"}, "needs": ["a"]}}
    player = played(tasks, {"a": [Done(1, declassifies=True), Done(1)]})
    assert of(player, "a") == UNLABELLED
    player.do(c.Rollback(to=TaskId("a"), by="tester"))
    player.settle()
    assert of(player, "a") == SECRET


@pytest.mark.parametrize(
    ("fields", "task", "at"),
    [
        (
            {"labels": {"/phone": ["personal"]}, "input": {**PERSON, "additionalProperties": False}},
            {},
            "/labels/~1phone",
        ),
        ({"labels": {"name": ["personal"]}}, {}, "/labels/name"),
        ({}, {"declassify": {"to": "confidential", "why": "no reason"}}, "/tasks/a/declassify/to"),
        ({}, {"declassify": {**WHY, "without": ["public"]}}, "/tasks/a/declassify/without"),
        ({}, {"declassify": WHY, "redundancy": {"copies": 2, "agree": 2}}, "/tasks/a/declassify"),
        ({}, {"approval": {"title": "?"}, "declassify": WHY}, "/tasks/a/declassify"),
    ],
)
def test_what_would_have_no_effect_is_refused(fields: dict[str, Any], task: dict[str, Any], at: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        graph_of({"a": task}, **{**LABELLED, **fields})
    assert [one.place.pointer for one in refused.value.problems] == [at]


# -- any graph ---------------------------------------------------------------------------------------------------

NAMES = ("personal", "health", "trade-secret")


def _random_flow(random: Random, size: int) -> tuple[dict[str, dict[str, Any]], dict[str, Done]]:
    """Tasks that read some of those before them, and what each of them adds, or takes away."""
    tasks: dict[str, dict[str, Any]] = {}
    script: dict[str, Done] = {}
    for index in range(size):
        before = random.sample(list(tasks), min(len(tasks), random.choice((0, 1, 1, 2, 3))))
        paths = [f"tasks.{name}.output" for name in before]
        paths += random.sample(["input.name", "input.order"], random.choice((0, 0, 1)))
        task = {**reading(*paths), "needs": random.sample(list(tasks), min(len(tasks), random.choice((0, 1))))}
        claims = random.random() < 0.2
        if claims or random.random() < 0.1:
            task["declassify"] = {"to": random.choice(("public", "internal")), "without": ["personal"], "why": "?"}
        if random.random() < 0.3:
            task["labels"] = random.sample((*NAMES, "confidential"), 1)
        added = tuple(random.sample((*NAMES, "confidential", "public"), random.choice((0, 0, 1, 2))))
        tasks[f"t{index}"] = task
        script[f"t{index}"] = Done(index, labels=added, declassifies=claims)
    return tasks, script


def _expected(player: Player, tasks: dict[str, dict[str, Any]], script: dict[str, Done]) -> dict[str, Labels]:
    """An oracle: all that reaches a task without passing a declassification, by walking back from it."""

    def sources(task: str) -> Labels:
        found = [tasks[task].get("labels", ()), script[task].labels]
        for value in tasks[task]["with"].values():
            path = value[3:-2].split(".")
            if path[0] == "tasks":
                found.append(() if script[path[1]].declassifies else sources(path[1]))
            else:
                found.append(("confidential", "personal") if path[1] == "name" else ("internal",))
        return join(*found)

    return {task: sources(task) for task in tasks}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 9))
def test_what_reaches_a_task_is_on_its_result_unless_it_was_declassified(random: Random, size: int) -> None:
    tasks, script = _random_flow(random, size)
    player = played(tasks, script)
    assert player.run.phase == "completed"
    for task, least in _expected(player, tasks, script).items():
        found = of(player, task)
        if script[task].declassifies:
            assert "personal" not in found
            assert "confidential" not in found
        else:
            assert may_flow(least, found), f"{task}: {least} is not in {found}"
    player.crash()


def test_the_sub_run_s_labels_come_back_over_the_journal() -> None:
    player = Player(graph_of({"a": {"workflow": "other@^1", **reading("input.name")}}, **LABELLED), given=GIVEN)
    [subrun] = player.subruns
    player.do(c.SubrunEnded(task=TaskId("a"), run=RunId(subrun), output=player.values.of(1), labels=("internal",)))
    assert of(player, "a") == UNLABELLED
