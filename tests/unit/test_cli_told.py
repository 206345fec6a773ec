"""What people are told of a run: its time without its pauses, attempts as they count, and where an agent raised."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from accord.cli import driving, main
from accord.cli.lines import Lines
from accord.cli.logs import KEPT_MOST, Raised
from accord.cli.output import Screen, attempt_words, worked
from accord.domain import command as c
from accord.domain import event as e
from accord.domain.experience import observed
from accord.domain.ids import RunId, TaskId
from accord.domain.image import image_of, run_of
from accord.domain.news import Happened
from accord.domain.state import Run
from accord.domain.system import HoldPlaced
from accord.service import Service
from accord.testing.graphs import graph_of
from accord.testing.player import START, Broken, Done, Failed, Player, Verdict

A = TaskId("a")
BY = "tester"


# -- time ----------------------------------------------------------------------------------------------------------


def after(player: Player, seconds: float) -> None:
    player.now += timedelta(seconds=seconds)


def test_pauses_are_told_apart_from_the_time_that_a_run_took() -> None:
    player = Player(graph_of({"a": {}}))
    after(player, 1)
    player.do(c.Pause(by=BY))
    after(player, 600)
    assert player.run.rest(player.now) == timedelta(seconds=600)
    player.do(c.Resume(by=BY))
    after(player, 2)
    player.play()
    assert [one.until - one.since for one in player.run.rests] == [timedelta(seconds=600)]
    assert worked(player.run) == "3.0 s, paused 10 min"
    assert run_of(image_of(player.run), player.graph) == player.run


def test_a_run_that_was_never_paused_tells_of_no_pause() -> None:
    player = Player(graph_of({"a": {}}))
    after(player, 5)
    player.play()
    assert worked(player.run) == "5.0 s"


def test_a_pause_ends_with_the_run() -> None:
    player = Player(graph_of({"a": {}}))
    player.assign("a")
    player.do(c.Pause(by=BY))
    after(player, 60)
    player.answer("a", Done())
    after(player, 1000)
    assert player.run.phase == "completed"
    assert player.run.rest(player.now) == timedelta()
    assert player.run.took(A, player.now) == timedelta(seconds=60)


def test_a_paused_run_rests_once_nothing_of_it_is_at_work() -> None:
    player = Player(graph_of({"a": {}, "b": {"needs": ["a"]}}))
    player.assign("a")
    after(player, 1)
    player.do(c.Pause(by=BY))
    after(player, 2)
    player.answer("a", Done())
    after(player, 10)
    assert player.run.rest(player.now) == timedelta(seconds=10)
    player.do(c.Resume(by=BY))
    assert player.run.took(A, player.now) == timedelta(seconds=3)
    assert player.run.worked(player.run.started.at, player.now) == timedelta(seconds=3)
    player.play()
    seen = observed(player.events)
    assert seen is not None
    assert seen.whole is not None
    assert (seen.done[A].took_s, seen.whole.took_s) == (3, 3)


def test_the_time_between_an_end_and_another_try_is_no_work() -> None:
    player = Player(graph_of({"a": {"retry": {"attempts": 1}}}), {A: [Failed(retryable=False), Done()]})
    player.play()
    assert player.run.phase == "failed"
    after(player, 3600)
    player.do(c.RetryTask(task=A, by=BY))
    after(player, 4)
    player.play()
    assert player.run.phase == "completed"
    assert worked(player.run) == "4.0 s, paused 1 h"


# -- attempts ------------------------------------------------------------------------------------------------------


def played() -> Player:
    """A task whose first and third attempts broke the contract and were diagnosed; the numbers are 1 to 5."""
    script = {A: [Broken("bad"), Verdict("retry"), Broken("bad"), Verdict("retry"), Done("good")]}
    player = Player(graph_of({"a": {"retry": {"attempts": 3}}}), script)
    player.play()
    return player


def test_attempts_are_counted_without_their_diagnoses() -> None:
    state = played().run.state(A)
    assert [attempt_words(state, attempt.number) for attempt in state.attempts] == [
        "attempt 1",
        "the diagnosis of attempt 1",
        "attempt 2",
        "the diagnosis of attempt 2",
        "attempt 3",
    ]
    assert state.work == 3


def test_lines_name_attempts_as_people_count(capsys: pytest.CaptureFixture[str]) -> None:
    player = played()
    lines = Lines(Screen())
    lines.show(Happened(run=player.run, events=(), sequence=1))
    rejected = [event for event in player.events if isinstance(event, e.AttemptRejected)]
    lines.show(Happened(run=player.run, events=tuple(rejected), sequence=2))
    told = capsys.readouterr().err
    assert [event.attempt for event in rejected] == [1, 3]
    assert "a: attempt 1 rejected" in told
    assert "a: attempt 2 rejected" in told
    assert "attempt 3" not in told


# -- tracebacks ----------------------------------------------------------------------------------------------------

AGENTS = """
import json
from accord.sdk import Agent, Failure

agent = Agent("raiser")
calls = []

@agent.capability("tiny.parse@1.0.0")
def parse(text: str) -> int:
    return deeper(text)

def deeper(text: str) -> int:
    return json.loads(text)

@agent.capability("tiny.say@1.0.0")
async def say(text: str) -> str:
    raise Failure("no-way", "it cannot be said")

@agent.capability("tiny.slow_learner@1.0.0", output={"type": "object", "required": ["text"]})
async def learn(text: str) -> dict[str, str]:
    calls.append(text)
    return {"text": text} if len(calls) > 2 else {"wrong": text}
"""
TASK = """
accord: template/1
name: tiny
version: 1.0.0
tasks:
  first: {{uses: {uses}, with: {{text: "{{"}}, retry: {{attempts: 3, backoff: {{first: 0s}}}}}}
"""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    (tmp_path / "raiser.py").write_text(AGENTS)

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), said.out, said.err)

    return run


def run_task(call: Call, uses: str, *options: str) -> Outcome:
    Path("tiny.yaml").write_text(TASK.format(uses=uses))
    return call("run", "tiny.yaml", "--agents", "raiser.py", *options)


def test_the_author_sees_where_an_agent_raised(call: Call, tmp_path: Path) -> None:
    failed = run_task(call, "tiny.parse@^1")
    assert failed.code == 1
    told = failed.err.partition("first raised, in this process:")[2]
    assert f'File "{tmp_path / "raiser.py"}", line 13, in deeper' in told
    assert "return json.loads(text)" in told
    assert "JSONDecodeError" in told
    assert "accord/sdk" not in told
    assert "_default_decoder" not in told
    assert failed.err.count("raised, in this process") == 1
    # It is for whoever sits here: neither the journal nor a document for scripts has it.
    shown = call("runs", "show", "last", "--task", "first", "--json")
    assert "raiser.py" not in shown.out
    assert "raised, in this process" not in run_task(call, "tiny.parse@^1", "--json").err


@pytest.mark.parametrize("option", ["--verbose", "-v"])
def test_every_traceback_is_logged_where_that_is_asked_for(call: Call, option: str) -> None:
    failed = run_task(call, "tiny.parse@^1", option)
    assert failed.err.count("accord.agent: tiny.parse@1.0.0 raised in attempt") == 3
    assert "_default_decoder.decode" in failed.err
    assert "accord/sdk" not in failed.err


def test_a_failure_that_was_meant_has_no_traceback(call: Call) -> None:
    failed = run_task(call, "tiny.say@^1")
    assert failed.code == 1
    assert "it cannot be said" in failed.err
    assert "raised" not in failed.err


def test_of_many_that_raise_the_last_ones_are_kept() -> None:
    kept = Raised()
    for number in range(KEPT_MOST + 5):
        try:
            raise ValueError(number)
        except ValueError as error:
            trace = error.__traceback__
            record = logging.LogRecord("x", logging.ERROR, "x", 1, "x", None, (ValueError, error, trace))
        record.__dict__.update(run=f"run_{number}", task="a", attempt=1)
        kept.emit(record)
    assert len(kept._raised) == KEPT_MOST
    assert ("run_0", "a", 1) not in kept._raised


def test_diagnoses_are_named_and_the_wire_s_numbers_stay_for_scripts(call: Call) -> None:
    ran = run_task(call, "tiny.slow_learner@^1")
    assert ran.code == 0, ran.err
    shown = call("runs", "show", "last", "--task", "first").out
    for words in (
        "attempt 1 ",
        "the diagnosis of attempt 1 ",
        "attempt 2 ",
        "the diagnosis of attempt 2 ",
        "attempt 3 ",
    ):
        assert f"\n{words}" in shown
    assert "2 rejected; 2 diagnoses" in call("runs", "show", "last").out
    document: dict[str, Any] = json.loads(call("runs", "show", "last", "--task", "first", "--json").out)
    numbers = [(one["attempt"], one["ordinal"], one["purpose"]) for one in document["attempts"]]
    assert numbers == [(1, 1, "work"), (2, 1, "diagnose"), (3, 2, "work"), (4, 2, "diagnose"), (5, 3, "work")]
    [task] = json.loads(call("runs", "show", "last", "--json").out)["tasks"]
    assert (task["attempts"], task["diagnoses"]) == (3, 2)


class HeldBack:
    """A service whose holds are lifted after they were asked for once."""

    def __init__(self, state: Run) -> None:
        self.state = state
        self.left = [[HoldPlaced(at=START, scope="everything", subject="", by="root", reason="audit")], []]
        self.asked_again = asyncio.Event()

    async def run(self, _: RunId) -> Run:
        return self.state

    async def holds(self) -> list[HoldPlaced]:
        if len(self.left) > 1:
            return self.left.pop(0)
        self.asked_again.set()
        return self.left[0]


async def test_a_hold_is_told_and_that_it_is_lifted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "LOOK_EVERY_S", 0)
    run = Player(graph_of({"a": {}})).run
    service = HeldBack(run)
    async with driving.told_when_held(cast(Service, service), run.id, Screen()):
        await service.asked_again.wait()
        await asyncio.sleep(0)
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(" since")[0] for line in told] == ["held back: everything, by root", "held back no more"]
