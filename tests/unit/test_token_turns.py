"""Turns at a token: many use it at once, or one alone changes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from accord.keys.pkcs11_library import Turns

WITHIN_S = 30.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as found:
        yield found


def has_turn(turns: Turns, told: list[str]) -> None:
    with turns.alone():
        told.append("alone")


def test_many_use_a_token_at_once(threads: ThreadPoolExecutor) -> None:
    turns, both = Turns(WITHIN_S), threading.Barrier(2, timeout=WITHIN_S)

    def use(_: int) -> None:
        with turns.shared():
            both.wait()

    list(threads.map(use, range(2)))


def test_who_changes_a_token_waits_for_those_who_use_it(threads: ThreadPoolExecutor) -> None:
    turns, told = Turns(WITHIN_S), list[str]()
    with turns.shared():
        change = threads.submit(has_turn, turns, told)
        told.append("shared")
    change.result()
    assert told == ["shared", "alone"]


def test_nobody_uses_a_token_that_is_being_changed(threads: ThreadPoolExecutor) -> None:
    turns, told = Turns(WITHIN_S), list[str]()

    def use() -> None:
        with turns.shared():
            told.append("shared")

    with turns.alone():
        using = threads.submit(use)
        told.append("alone")
    using.result()
    assert told == ["alone", "shared"]


def test_a_call_that_never_returns_keeps_changes_away_and_nothing_else() -> None:
    turns = Turns(within_s=0)
    with turns.shared():
        with pytest.raises(TimeoutError, match="do not return"), turns.alone():
            pass
        with turns.shared():
            pass
    with turns.alone():
        pass


def test_processes_that_share_a_file_take_turns_too(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    file = tmp_path / "library.so"
    file.touch()
    here, there = (Turns(WITHIN_S, str(file)) for _ in range(2))  # a lock is of the opened file, as of a process
    for turn in (here.shared, here.alone):
        told: list[str] = []
        with turn():
            change = threads.submit(has_turn, there, told)
            told.append("here")
        change.result()
        assert told == ["here", "alone"]
    with here.shared(), there.shared():
        pass
