"""The picture of a run while it goes on: at every width, for small graphs and large ones."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from accord.cli import output
from accord.cli.lines import Lines
from accord.cli.live import picture
from accord.cli.output import Screen
from accord.cli.watching import Watched, unmet
from accord.domain import event as e
from accord.domain.approval import waiting_tasks
from accord.domain.document import document_of
from accord.domain.forecast import Usual
from accord.domain.graph import Graph
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.news import Happened, Progressed
from accord.domain.run import begin, evolve
from accord.domain.state import Run
from accord.errors import Problem
from accord.templates.reading import read_source
from accord.views.waiting import is_idle

NOW = datetime.now(UTC)
RUN = RunId("run_00000000000000000000abcdef")
ZERO = Digest("0" * 64)

TEMPLATE = """
accord: template/1
name: small
version: 1.0.0
description: A small workflow.
input:
  type: object
  properties: {items: {type: array}}
  required: [items]
tasks:
  fetch: {uses: web.fetch@^1}
  read:
    uses: web.read@^1
    needs: [fetch]
    for_each: "${ input.items }"
    with: {it: "${ item }"}
  check:
    needs: [read]
    approval: {title: "Is it good?"}
  nap: {sleep: 1h}
output: 1
"""


def graph_of(text: str) -> Graph:
    return read_source(text).graph


def started(graph: Graph) -> tuple[Run, e.Event]:
    event = e.RunStarted(
        at=NOW,
        run=RUN,
        template=graph.template,
        graph=ZERO,
        input=document_of(b'{"items":[1,2,3]}'),
        title="Say \x1b[2J",
        by="me",
    )
    return begin(graph, event), event


def assigned(task: str, number: int = 1) -> list[e.Event]:
    name = TaskId(task)
    return [
        e.AttemptWanted(at=NOW, task=name, input=document_of(b"{}")),
        e.AttemptAssigned(
            at=NOW,
            task=name,
            attempt=number,
            agent=AgentId("spiffe://local/agent/reader"),
            lease=LeaseToken(f"{task}{number}"),
            lease_until=NOW + timedelta(seconds=30),
            capability="web.read@1.0.0",
            contract=ZERO,
            payload=ZERO,
            payload_bytes=2,
        ),
    ]


def watched(graph: Graph, events: Sequence[e.Event]) -> Watched:
    run, first = started(graph)
    seen = Watched()
    seen.absorb(Happened(run, 1, (first,)))
    for number, event in enumerate(events, 2):
        run = evolve(run, event)
        seen.absorb(Happened(run, number, (event,)))
    return seen


def drawn(seen: Watched, columns: int = 80, lines: int = 24) -> list[str]:
    paper = io.StringIO()
    shown = Console(file=paper, width=columns, height=lines, theme=output.THEME, force_terminal=True, color_system=None)
    shown.print(picture(seen, (columns, lines)))
    return paper.getvalue().splitlines()


def row(lines: list[str], task: str) -> str:
    return next(line for line in lines if f"  {task} " in line or line.rstrip().endswith(f"  {task}"))


EXPANDED: list[e.Event] = [
    *assigned("fetch"),
    e.AttemptSucceeded(at=NOW, task=TaskId("fetch"), attempt=1, statement="s", output=document_of(b"1")),
    e.TaskCompleted(at=NOW + timedelta(seconds=2), task=TaskId("fetch"), output=document_of(b"1"), attempt=1),
    e.TaskExpanded(at=NOW, task=TaskId("read"), items=document_of(b"[1,2,3]"), count=3),
    *assigned("read[0]"),
    *assigned("read[1]"),
]


def test_a_picture_tells_state_agent_progress_and_what_is_waited_for() -> None:
    seen = watched(graph_of(TEMPLATE), EXPANDED)
    lines = drawn(seen)
    assert lines[0].rstrip() == "Say �[2J"
    assert RUN in lines[1]
    assert "✔" in row(lines, "fetch")
    assert "2.0 s" in row(lines, "fetch")
    assert "0/3" in row(lines, "read")
    assert "reader" in row(lines, "read")
    assert "after read" in row(lines, "check")
    assert "1 of 4 tasks" in lines[-1]
    assert "2 under way" in lines[-1]


def test_what_earlier_runs_took_tells_what_is_left_and_what_it_depends_on() -> None:
    seen = watched(graph_of(TEMPLATE), EXPANDED)
    took = {"fetch": 2, "read": 100, "check": 20, "nap": 3}
    seen.usual = Usual(2, {TaskId(task): timedelta(seconds=seconds) for task, seconds in took.items()})
    paper = io.StringIO()
    shown = Console(file=paper, width=160, height=24, theme=output.THEME, force_terminal=True, color_system=None)
    shown.print(picture(seen, (160, 24), NOW + timedelta(seconds=10)))
    *_, path, foot = paper.getvalue().splitlines()
    assert path.rstrip() == "critical path  read → check"
    assert "about 1 min 50 s left" in foot
    seen.usual = Usual(0, {})
    assert not any("critical path" in line for line in drawn(seen))


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("events", [[], EXPANDED])
def test_a_picture_keeps_to_its_width(columns: int, events: list[e.Event]) -> None:
    assert all(len(line) <= columns for line in drawn(watched(graph_of(TEMPLATE), events), columns))


def test_what_an_agent_says_is_shown_cleaned_until_its_attempt_ends() -> None:
    seen = watched(graph_of(TEMPLATE), assigned("fetch"))
    seen.absorb(Progressed(RUN, TaskId("fetch"), 1, 0.5, "half\x1b[2J way"))
    assert seen.fraction(TaskId("fetch")) == 0.5
    assert "half�[2J way" in row(drawn(seen), "fetch")
    after = watched(graph_of(TEMPLATE), EXPANDED)
    after.absorb(Progressed(RUN, TaskId("fetch"), 1, 0.5, "late"))
    assert after.fraction(TaskId("fetch")) is None
    assert "late" not in row(drawn(after), "fetch")


def test_a_failure_and_another_attempt_are_shown() -> None:
    failed: list[e.Event] = [
        *assigned("fetch"),
        e.AttemptFailed(at=NOW, task=TaskId("fetch"), attempt=1, problem=Problem("ACC420", "no net"), statement="s"),
        *assigned("fetch", 2),
    ]
    assert "attempt 2" in row(drawn(watched(graph_of(TEMPLATE), failed)), "fetch")
    ended = [*failed, e.TaskFailed(at=NOW, task=TaskId("fetch"), problem=Problem("ACC420", "no\x1b net"))]
    assert "no� net" in row(drawn(watched(graph_of(TEMPLATE), ended)), "fetch")


def test_a_run_that_only_waits_for_somebody_is_idle() -> None:
    asked = e.TaskWaiting(at=NOW, task=TaskId("check"), for_="approval", title="Is it good?")
    seen = watched(graph_of(TEMPLATE), [asked])
    assert seen.run is not None
    assert waiting_tasks(seen.run) == ["check"]
    assert is_idle(seen.run)
    assert "approval: Is it good?" in row(drawn(seen), "check")
    assert "waiting" in drawn(seen)[-1]
    slept = e.TaskWaiting(at=NOW, task=TaskId("nap"), for_="time", until=NOW + timedelta(hours=2.5))
    sleeping = watched(graph_of(TEMPLATE), [asked, slept])
    assert sleeping.run is not None
    assert not is_idle(sleeping.run)
    assert "sleeps, 2 h" in row(drawn(sleeping), "nap")
    assert unmet(sleeping.run, TaskId("read")) == ["fetch"]


@pytest.mark.parametrize("done", [0, 50, 200])
def test_of_a_large_graph_a_window_around_what_is_under_way_is_shown(done: int) -> None:
    tasks = "\n".join(f"  t{number:03}: {{sleep: 1h}}" for number in range(200))
    graph = graph_of(f"accord: template/1\nname: large\nversion: 1.0.0\ntasks:\n{tasks}\noutput: 1\n")
    events: list[e.Event] = []
    for name in graph.order[:done]:
        events.append(e.TaskWaiting(at=NOW, task=name, for_="time", until=NOW))
        events.append(e.TaskCompleted(at=NOW, task=name, output=document_of(b"1"), by="timer"))
    lines = drawn(watched(graph, events), 80, 24)
    assert len(lines) <= 24
    assert f"{done} of 200 tasks" in lines[-1]
    if done < 200:
        assert any(f"t{done:03}" in line for line in lines)
    if done == 50:
        assert any("48 tasks before" in line for line in lines)


def test_lines_tell_what_matters_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Screen())
    run, first = started(graph_of(TEMPLATE))
    lines.show(Happened(run, 1, (first,)))
    rejected = e.AttemptRejected(
        at=NOW,
        task=TaskId("read[0]"),
        attempt=1,
        statement="s",
        output=document_of(b"1"),
        fault="producer",
        problems=(Problem("ACC250", "not a\x1b text"),),
    )
    for number, event in enumerate([*EXPANDED, rejected], 2):
        run = evolve(run, event)
        lines.show(Happened(run, number, (event,)))
    told = [line[10:] for line in capsys.readouterr().err.splitlines()]
    assert told == [
        f"{RUN} of small@1.0.0 started",
        "fetch completed by reader in 2.0 s",
        "read: 3 items",
        "read[0]: attempt 1 rejected (producer): not a� text",
    ]


def test_a_new_run_says_that_it_has_started_however_late_it_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    run, first = started(graph_of(TEMPLATE))
    for event in EXPANDED[:4]:
        run = evolve(run, event)
    for began in (True, False):
        Lines(Screen(), began=began).show(Happened(run, 5, (first, *EXPANDED[:4])))
    told = [line[10:] for line in capsys.readouterr().err.splitlines()]
    goes_on = f"{RUN} goes on: 1 of {len(run.graph.order)} tasks done"
    assert told == [f"{RUN} of small@1.0.0 started", "fetch completed by reader in 2.0 s", goes_on]


def failed_attempt(task: str, number: int) -> list[e.Event]:
    problem = Problem("ACC420", "no net")
    failed = e.AttemptFailed(at=NOW, task=TaskId(task), attempt=number, problem=problem, statement="s")
    return [*assigned(task, number), failed]


@pytest.mark.parametrize("settled", [False, True])
def test_no_second_attempt_is_told_without_the_first(*, settled: bool, capsys: pytest.CaptureFixture[str]) -> None:
    run, first = started(graph_of(TEMPLATE))
    before = [*failed_attempt("fetch", 1)]
    if settled:  # somebody looks at a run that has come some way
        answered = e.TaskWaiting(at=NOW, task=TaskId("nap"), for_="time", until=NOW)
        before += [answered, e.TaskCompleted(at=NOW, task=TaskId("nap"), output=document_of(b"1"), by="timer")]
    for event in before:
        run = evolve(run, event)
    lines = Lines(Screen())
    lines.show(Happened(run, 5, (first, *before)))
    for number, event in enumerate(failed_attempt("fetch", 2), 6):
        run = evolve(run, event)
        lines.show(Happened(run, number, (event,)))
    told = [line[10:] for line in capsys.readouterr().err.splitlines()]
    attempts = [f"fetch: attempt {number} failed: no net" for number in (1, 2)]
    assert [line for line in told if "attempt" in line] == attempts


def test_items_are_told_by_tenths(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Screen())
    run, first = started(graph_of(TEMPLATE))
    lines.show(Happened(run, 1, (first,)))
    number = 1
    events: list[Any] = [
        *EXPANDED[:4],
        e.TaskExpanded(at=NOW, task=TaskId("read"), items=document_of(b"[]"), count=100),
    ]
    for index in range(100):
        name = TaskId(f"read[{index}]")
        events += [
            *assigned(name),
            e.AttemptSucceeded(at=NOW, task=name, attempt=1, statement="s", output=document_of(b"1")),
        ]
        events.append(e.TaskCompleted(at=NOW, task=name, output=document_of(b"1"), attempt=1))
    for event in events:
        run, number = evolve(run, event), number + 1
        lines.show(Happened(run, number, (event,)))
    told = [line[10:] for line in capsys.readouterr().err.splitlines()]
    assert [line for line in told if "/100" in line] == [f"read {tenth}0/100" for tenth in range(1, 10)]
