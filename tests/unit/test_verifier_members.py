"""What it means that a member of a template is another: each member of the language has its rule."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accord.domain.compile import compile_soundly
from accord.domain.ids import Digest
from accord.domain.template import Template
from accord.templates.schema import accord_template_schema
from accord.verifier.members import RULES, changes_of


def template(task: dict[str, Any], **fields: Any) -> Template:
    said = {"accord": "template/1", "name": "test", "version": "1.0.0", "tasks": {"a": task}}
    return msgspec.convert({**said, **fields}, Template)


def told(before: Template, after: Template) -> list[tuple[str, bool | None]]:
    graph = compile_soundly(after, Digest("0" * 64)).graph
    return [(one.pointer, one.safe) for one in changes_of(before, after, graph)]


def test_every_member_of_the_language_has_a_rule() -> None:
    schema = accord_template_schema()
    parts = {"Template": schema, **schema["$defs"]}
    members = {name: set(part["properties"]) for name, part in parts.items() if "properties" in part}
    ruled = {
        part.__name__: {one.encode_name for one in msgspec.structs.fields(part) if one.name in rules}
        for part, rules in RULES.items()
    }
    assert ruled == members


@pytest.mark.parametrize(
    ("member", "tight", "loose", "safe"),
    [
        ("limits", {"deadline": "1ms"}, {"deadline": "1h"}, False),
        ("limits", {"deadline": "1h"}, {}, False),
        ("limits", {"max_cost": "0.9"}, {"max_cost": "10"}, False),
        ("limits", {"when_spent": "fail"}, {"when_spent": "pause"}, None),
        ("limits", {"parallel": 1, "deadline": "1h"}, {"deadline": "1h"}, None),
        ("on_failure", "stop", "compensate", None),
        ("defaults", {"attempts": 1}, {}, None),
    ],
)
def test_a_tighter_member_is_not_safe_and_a_looser_one_is(member: str, tight: Any, loose: Any, safe: Any) -> None:
    strict, lax = (template({"uses": "test.work@^1"}, **{member: said}) for said in (tight, loose))
    assert [one for _, one in told(lax, strict)] == [safe]
    assert told(strict, lax) == []


@pytest.mark.parametrize(
    ("tight", "loose", "safe"),
    [
        ({"timeout": "1s"}, {}, False),
        ({"deadline": "1s"}, {"deadline": "2s"}, False),
        ({"retry": {"attempts": 2}}, {}, None),
        ({"redundancy": {"copies": 3, "agree": 3}}, {"redundancy": {"copies": 3, "agree": 2}}, None),
        ({"confidence": {"at_least": 0.9}}, {"confidence": {"at_least": 0.5}}, None),
        ({}, {"fallback": [{"value": 1}]}, None),
        ({}, {"compensate": {"uses": "test.undo@^1"}}, None),
        ({"labels": ["personal"]}, {}, None),
        ({"calls": {"at_most": 1}}, {"calls": {"at_most": 2, "capabilities": ["test.*"]}}, None),
    ],
)
def test_a_tighter_task_is_not_safe_and_a_looser_one_is(tight: Any, loose: Any, safe: Any) -> None:
    strict, lax = (template({"uses": "test.work@^1", **said}) for said in (tight, loose))
    assert {one for _, one in told(lax, strict)} == {safe}
    assert told(strict, lax) == []


GATE = {"approval": {"title": "May it be done?"}}


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        ({"join": "all"}, {"join": {"at_least": 2}}, "/tasks/a/join"),
        ({"join": {"at_least": 2}}, {"join": "any"}, "/tasks/a/join"),
        ({"join": "all"}, {"join": "settled"}, "/tasks/a/join"),
        ({"on_failure": "fail"}, {"on_failure": "continue"}, "/tasks/a/on_failure"),
        (GATE, {**GATE, "when": "${ 1 > 2 }"}, "/tasks/a/when"),
    ],
)
def test_whether_something_is_waited_for_is_told_either_way(one: Any, other: Any, where: str) -> None:
    """More has to complete, and a run fails that went on; or less has, and what an approval kept back is done."""
    work = {} if "approval" in one else {"uses": "test.work@^1"}
    before, after = (template({**work, **said}) for said in (one, other))
    assert told(before, after) == told(after, before) == [(where, None)]


def test_a_task_that_a_person_decides_now_is_told() -> None:
    asked, done = template({"approval": {"title": "hi"}}), template({"uses": "test.work@^1"})
    assert told(done, asked) == [("/tasks/a/approval", None)]
    assert told(asked, done) == []
    more = msgspec.structs.replace(done, tasks={**done.tasks, "b": asked.tasks["a"]})
    assert told(done, more) == [("/tasks/b", None)]


def test_what_only_takes_longer_is_told_where_there_is_a_deadline() -> None:
    soon, late = ({"sleep": one} for one in ("1s", "2s"))
    assert told(template(soon), template(late)) == []
    limits = {"deadline": "1h"}
    assert told(template(soon, limits=limits), template(late, limits=limits)) == [("/tasks/a/sleep", None)]


def test_fewer_tasks_are_told_where_there_are_lists() -> None:
    few, lists = {"limits": {"tasks": 9}}, {"uses": "test.work@^1", "for_each": "${ input.all }"}
    assert told(template(lists), template(lists, **few)) == [("/limits/tasks", None)]
    assert told(template(lists, **few), template(lists)) == []
    assert told(template({"uses": "test.work@^1"}), template({"uses": "test.work@^1"}, **few)) == []


def test_what_is_said_to_people_means_nothing_to_others() -> None:
    before, after = template({"uses": "test.work@^1"}), template({"uses": "test.work@^1", "description": "x"})
    assert told(before, after) == []


@pytest.mark.parametrize(
    ("left", "lost"),
    [
        ({"needs": ["m"]}, False),
        ({"with": {"x": "${ tasks.m.output }"}}, False),
        ({"needs": ["m"], "join": "settled"}, True),
        ({"needs": ["s"]}, True),
        ({}, True),
    ],
)
def test_a_need_that_is_waited_for_by_another_way_is_not_lost(left: Any, lost: bool) -> None:
    work = {"uses": "test.work@^1"}
    others = {"a": work, "m": {**work, "needs": ["a"]}, "s": {**work, "needs": ["a"], "join": "settled"}}
    before, after = (
        msgspec.convert(
            {"accord": "template/1", "name": "test", "version": "1.0.0", "tasks": {**others, "z": {**work, **said}}},
            Template,
        )
        for said in ({**left, "needs": ["a", *left.get("needs", ())]}, left)
    )
    assert told(before, after) == ([("/tasks/z/needs", None)] if lost else [])
