"""Golden histories: what earlier versions have written is read, and gives the state that it gave then."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.testing.history import History, read_history, state_digest

HISTORIES = sorted((Path(__file__).parent / "core").glob("*.jsonl"))


@pytest.fixture(params=HISTORIES, ids=lambda path: path.stem)
def history(request: pytest.FixtureRequest) -> History:
    return read_history(request.param)


def test_there_are_histories() -> None:
    assert len(HISTORIES) >= 7


def test_a_history_gives_its_state(history: History) -> None:
    assert state_digest(history.replayed()) == history.header.state


def test_a_history_s_chain_holds(history: History) -> None:
    assert history.chain() == history.header.chain


def test_a_missing_event_breaks_the_chain(history: History) -> None:
    name = b"attempt.succeeded"
    lost = next((index for index, data in enumerate(history.events) if name in data), 1)
    torn = History(history.header, history.events[:lost] + history.events[lost + 1 :])
    assert torn.chain() != history.header.chain
