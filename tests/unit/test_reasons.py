"""Why: what the journal says of each attempt, and of what was done when one gave nothing."""

from __future__ import annotations

from typing import Any

import pytest

from accord.domain import event as e
from accord.domain.ids import TaskId
from accord.testing.graphs import graph_of
from accord.testing.player import Broken, Done, Failed, Player, Silent, Verdict
from accord.views.reasons import Reasons, reasons_of

A = TaskId("a")


def played(script: Any, **task: Any) -> dict[int, Reasons]:
    player = Player(graph_of({"a": task}), {"a": script})
    player.play()
    return reasons_of(enumerate(player.events, 1), A)


def refusals(found: dict[int, Reasons]) -> list[tuple[str, str]]:
    return [(one.refusal.why, one.refusal.then) for one in found.values() if one.refusal is not None]


def test_a_failure_is_told_with_what_was_done_then() -> None:
    first, second = played([Failed(message="no luck"), Done(1)], retry={"attempts": 2}).values()
    assert first.refusal is not None
    assert first.refusal.why == "the agent could not do it: ACC420 no luck"
    assert first.refusal.then.startswith("it was tried again, not before ")
    assert second.refusal is None
    assert second.wanted == "attempt 2 of 2: no luck"
    assert None not in (first.ended, first.ended_event, second.ended)
    assert first.assigned_event < (first.ended_event or 0) < second.assigned_event


def test_a_broken_contract_is_told_with_its_problems_and_the_diagnosis() -> None:
    (rejected, *_) = played([Broken(5), Verdict("repaired", "5")]).values()
    assert rejected.refusal is not None
    assert rejected.refusal.why == "the result was rejected: ACC247 not as agreed"
    assert [one.code for one in rejected.refusal.problems] == ["ACC247"]
    assert rejected.refusal.fault == "producer"
    assert rejected.refusal.then == "a diagnostic agent was asked"


def test_a_result_that_is_sent_back_names_its_agent() -> None:
    found = played([Broken(5), Verdict("retry"), Done(1)])
    assert ("the result was rejected: ACC247 not as agreed", "a diagnostic agent was asked") in refusals(found)
    assert [one.wanted for one in found.values()][2].startswith("attempt 2 of 2")


@pytest.mark.parametrize(
    ("script", "task", "then"),
    [
        (Failed(message="no"), {"retry": {"attempts": 1}}, "the task failed: ACC420 no"),
        (
            Failed(message="no"),
            {"retry": {"attempts": 1}, "fallback": [{"value": 1}]},
            "another way gave the output",
        ),
        (
            [Failed(), Done()],
            {"retry": {"attempts": 1}, "fallback": [{"uses": "test.work@^1"}]},
            "the task's next option",
        ),
    ],
)
def test_what_was_done_in_the_end_is_told(script: Any, task: dict[str, Any], then: str) -> None:
    assert refusals(played(script, **task))[-1][1].startswith(then)


def test_whoever_says_nothing_is_told_apart() -> None:
    player = Player(graph_of({"a": {"retry": {"attempts": 1}}}), {"a": Silent()})
    player.play()
    (only,) = reasons_of(enumerate(player.events, 1), A).values()
    assert only.refusal is not None
    assert only.refusal.why == "there was no sign of life within its lease"


def test_words_of_earlier_versions_are_kept() -> None:
    player = Player(graph_of({"a": {}}), {"a": Done(1)})
    player.play()
    old = [
        e.AttemptAssigned(**{**{n: getattr(one, n) for n in one.__struct_fields__}, "choice": "0 held; 1 of 1"})
        if isinstance(one, e.AttemptAssigned)
        else one
        for one in player.events
    ]
    assert reasons_of(enumerate(old, 1), A)[1].chosen == "0 held; 1 of 1"
