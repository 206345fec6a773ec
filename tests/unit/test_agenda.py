"""The agenda against a sorted list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.agenda import Agenda
from accord.domain.ids import TaskId

ENTRIES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=60)


def at(second: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def key(entry: tuple[int, int]) -> tuple[datetime, TaskId]:
    return at(entry[0]), TaskId(f"t{entry[1]}")


@given(ENTRIES, st.integers(-1, 21))
def test_it_is_a_sorted_set(entries: list[tuple[int, int]], second: int) -> None:
    agenda, model = Agenda(), set[tuple[datetime, TaskId]]()
    for entry in map(key, entries):
        for before in [one for one in model if one[1] == entry[1]]:
            agenda = agenda.drop(*before)
            model.remove(before)
        agenda = agenda.add(*entry)
        model.add(entry)
        assert list(agenda) == sorted(model)
        assert bool(agenda) == bool(model)
    assert list(agenda.until(at(second))) == sorted(one for one in model if one[0] <= at(second))
    assert agenda.after(at(second)) == min((when for when, _ in model if when > at(second)), default=None)


@given(ENTRIES)
def test_the_same_entries_make_the_same_agenda_in_any_order(entries: list[tuple[int, int]]) -> None:
    once = [(second, task) for task, second in {task: second for second, task in entries}.items()]
    agendas = []
    for order in (once, sorted(once), sorted(once, reverse=True)):
        agenda = Agenda()
        for entry in map(key, order):
            agenda = agenda.add(*entry)
        agendas.append(agenda)
    assert agendas[0] == agendas[1] == agendas[2]


def test_what_is_not_there_cannot_be_dropped() -> None:
    with pytest.raises(KeyError):
        Agenda().add(at(1), TaskId("a")).drop(at(2), TaskId("a"))
