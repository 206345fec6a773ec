"""The transition tables: closed, reachable, and what the diagrams are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import pytest

from accord.domain import event as e
from accord.domain import machine
from accord.domain.diagrams import diagrams
from accord.domain.machine import ATTEMPT, ENDED, LIVE, PHASELESS, RUN, SETTLED, TASK
from accord.domain.run import _EVOLVE, evolve
from accord.errors import TransitionRefused
from accord.testing.graphs import graph_of
from accord.testing.player import Player

KINDS = set(get_args(e.Event))
TABLES: dict[str, tuple[Mapping[tuple[str | None, type], str], tuple[str, ...], str | None]] = {
    "run": ({**RUN}, get_args(machine.RunPhase), None),
    "task": ({**TASK}, get_args(machine.TaskPhase), "pending"),
    "attempt": ({**ATTEMPT}, get_args(machine.AttemptPhase), None),
}
BOTH = {e.RollbackStarted, e.RollbackFinished}
"""Events of the run that make tasks ready again."""


def kinds(table: Mapping[tuple[str | None, type], str]) -> set[type]:
    return {kind for _, kind in table}


def test_every_event_is_in_exactly_the_right_table() -> None:
    assert kinds(RUN) | kinds(TASK) | kinds(ATTEMPT) | PHASELESS == KINDS
    assert kinds(RUN) & kinds(TASK) == BOTH
    assert not kinds(ATTEMPT) & (kinds(RUN) | kinds(TASK))
    assert not PHASELESS & (kinds(RUN) | kinds(TASK) | kinds(ATTEMPT))


def test_every_event_has_a_fold() -> None:
    assert set(_EVOLVE) == KINDS


def test_wire_names_are_unique() -> None:
    names = [machine.event_name(kind) for kind in KINDS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", TABLES)
def test_every_phase_is_reachable(name: str) -> None:
    table, phases, first = TABLES[name]
    reached = {first}
    while new := {after for (before, _), after in table.items() if before in reached} - reached:
        reached |= new
    assert reached - {None} == set(phases)


@pytest.mark.parametrize("name", TABLES)
def test_tables_name_no_other_phases(name: str) -> None:
    table, phases, _ = TABLES[name]
    assert {before for before, _ in table if before} | set(table.values()) <= set(phases)


def test_a_run_that_has_ended_goes_on_only_by_a_rollback() -> None:
    assert {kind for phase, kind in RUN if phase in ENDED} == {e.RollbackStarted}


def test_a_task_that_has_settled_goes_on_only_by_a_rollback_or_as_an_open_group() -> None:
    leaving = {kind for phase, kind in TASK if phase in SETTLED}
    assert leaving == {e.RollbackStarted, e.RollbackFinished, e.TaskReopened}


def test_an_attempt_that_has_ended_never_goes_on() -> None:
    assert {phase for phase, _ in ATTEMPT} == {None, *LIVE}


@pytest.mark.parametrize("kind", [e.RunStarted, e.RunCompleted, e.RollbackFinished])
def test_what_is_not_in_the_table_is_refused(kind: type) -> None:
    player = Player(graph_of({"a": {}}))
    player.play()
    started = player.events[0]
    assert isinstance(started, e.RunStarted)
    event = {
        e.RunStarted: started,
        e.RunCompleted: e.RunCompleted(at=player.now, output=started.input),
        e.RollbackFinished: e.RollbackFinished(at=player.now, tasks=(), epoch=1),
    }[kind]
    with pytest.raises(TransitionRefused, match="ACC401"):
        evolve(player.run, event)


def test_diagrams_show_every_transition_once() -> None:
    drawn = diagrams()
    assert set(drawn) == set(TABLES)
    for name, (table, phases, _) in TABLES.items():
        assert drawn[name].startswith("stateDiagram-v2\n")
        for (before, kind), after in table.items():
            line = next(line for line in drawn[name].splitlines() if f"    {before or '[*]'} --> {after}:" in line)
            assert machine.event_name(kind) in line.partition(": ")[2].split("\\n")
        assert all(phase in drawn[name] for phase in phases)
        assert len(drawn[name].splitlines()) == len(set(drawn[name].splitlines()))
    assert "    [*] --> pending\n" in drawn["task"]
