"""What is printed: cleaned, folded to a terminal, whole in a pipe."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from accord.cli import errors, output
from accord.cli.output import Screen, clean
from accord.cli.tables import Column, end_of_id, fitted, without_year
from accord.domain.duration import duration_words
from accord.errors import (
    AccordError,
    BadInput,
    Fenced,
    KeyUnusable,
    NotFound,
    NotUnderstood,
    Overloaded,
    Place,
    Problem,
    StoreUnavailable,
    TemplateInvalid,
    TransitionRefused,
)


@given(st.text())
def test_nothing_that_is_cleaned_steers_a_terminal(text: str) -> None:
    shown = clean(text)
    assert not any(letter < " " and letter not in "\n\t" for letter in shown)
    assert not any(letter in shown for letter in "\x7f\x9b\u202e\u2066")


def test_cleaning_leaves_words_alone() -> None:
    assert clean("naïve 日本語 ✔\tx\ny") == "naïve 日本語 ✔\tx\ny"
    assert clean("\x1b[31mred\x1b]8;;http://x\x07") == "�[31mred�]8;;http://x�"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0036, "4 ms"),
        (0.24, "240 ms"),
        (0.9996, "1.0 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_are_words(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("length", "words"),
    [(0, "0 B"), (999, "999 B"), (4500, "4.5 kB"), (84_478_100_000, "84.5 GB"), (2 * 10**15, "2000.0 TB")],
)
def test_sizes_are_words(length: int, words: str) -> None:
    assert output.size(length) == words


def test_names_of_agents_are_short_at_home_only() -> None:
    assert output.agent_name("spiffe://local/agent/editor") == "editor"
    assert output.agent_name("spiffe://acme/agent/editor") == "acme/editor"
    assert output.agent_name("spiffe://local/orchestrator/main") == "spiffe://local/orchestrator/main"


def test_between_counts_up_to_now_and_never_below_nothing() -> None:
    now = datetime.now(UTC)
    assert output.between(None, now) == ""
    assert output.between(now, now - timedelta(seconds=5)) == "0 ms"
    assert output.between(now - timedelta(hours=2), None).startswith("2 h")


def test_counting() -> None:
    assert output.counted(1, "task") == "1 task"
    assert output.counted(12_345, "task").endswith("345 tasks")
    assert output.shortened("a  b\nc" * 30, 10) == "a b ca b …"


def test_a_table_in_a_pipe_is_whole_aligned_and_without_signs(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    Screen().table(("run", "state", "what"), [("r1", output.state_text("completed"), long), ("r22", "-", "a\nb")])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "state", "what"]
    assert first.split() == ["r1", "completed", long]
    assert second == "r22  -          a b"


@pytest.mark.parametrize("room", [24, 40, 80, 200])
@pytest.mark.parametrize("wraps", [True, False])
def test_a_table_in_a_terminal_keeps_to_its_width_and_only_its_end_gives_way(room: int, wraps: bool) -> None:
    paper = io.StringIO()
    shown = Console(file=paper, width=room, theme=output.THEME, force_terminal=True, color_system=None)
    cells = [[output.styled(("word", "")), output.state_text("failed"), output.styled(("long " * 30, ""))]]
    shown.print(fitted(("a", "b", "c"), cells, room, wraps=wraps))
    lines = paper.getvalue().splitlines()
    assert all(len(line) <= room for line in lines)
    assert lines[2].startswith("word  ✘ failed  long")
    assert wraps or len(lines) == 3


RUNS = (
    Column("run", short=end_of_id),
    "state",
    Column("tasks", spare=3),
    Column("started", spare=2),
    Column("start to end", spare=1),
    "what",
)


def shown_runs(room: int) -> list[str]:
    paper = io.StringIO()
    shown = Console(file=paper, width=room, theme=output.THEME, force_terminal=True, color_system=None)
    what = "competitive-analysis@1.0.0  compare some products"
    row = ("run_1a2143658472715459d6064c3l", "completed", "8/8", "11-25 19:37", "3 min 5 s", what)
    shown.print(fitted(RUNS, [[output.styled((cell, "")) for cell in row]], room, wraps=False))
    return [line.rstrip() for line in paper.getvalue().splitlines()]


def test_in_a_narrow_terminal_ids_are_shortened_and_columns_left_out_in_order() -> None:
    assert "run_1a2143658472715459d6064c3l" in shown_runs(120)[2]
    head, _, row = shown_runs(80)
    assert head.split() == ["run", "state", "tasks", "started", "start", "to", "end", "what"]
    assert row.startswith("d6064c3l  completed  8/8    11-25 19:37  3 min 5 s     competitive-anal")
    assert shown_runs(62)[0].split() == ["run", "state", "tasks", "started", "what"]
    assert shown_runs(50)[0].split() == ["run", "state", "tasks", "what"]
    narrow = shown_runs(30)
    assert narrow[0].split() == ["run", "state", "what"]
    assert len(narrow) == 3
    assert all(len(line) <= 30 for line in narrow)


def test_what_is_shortened_in_a_table_is_what_commands_and_people_read() -> None:
    assert end_of_id(output.styled(("run_1a2143658472715459d6064c3l", ""))).plain == "d6064c3l"
    assert without_year(output.styled(("2026-11-23 14:03:07", ""))).plain == "11-23 14:03"
    assert without_year(output.styled(("usable", ""))).plain == "usable"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput, 2),
        (TemplateInvalid, 2),
        (NotUnderstood, 2),
        (NotFound, 2),
        (TransitionRefused, 3),
        (Overloaded, 3),
        (AccordError, 3),
        (KeyUnusable, 4),
        (StoreUnavailable, 4),
        (Fenced, 4),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: type[AccordError], code: int) -> None:
    assert errors.exit_code(error.of("ACC999", "no")) == code


def test_problems_are_told_with_place_code_and_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [
        Problem("ACC111", "`x` is \x1b[2Jmissing", Place("a.yaml", 3, 5, "/tasks/x"), "add it"),
        Problem("ACC112", "no place, no hint"),
    ]
    errors.tell(BadInput(*problems), as_json=False)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "a.yaml:3:5 /tasks/x: ACC111 `x` is �[2Jmissing",
        "  → add it",
        "ACC112 no place, no hint",
    ]


def test_problems_are_one_json_document_where_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    errors.tell(BadInput(Problem("ACC111", "wrong", Place("a.yaml", 3), "add it")), as_json=True)
    [problem] = json.loads(capsys.readouterr().err)["problems"]
    assert problem == {"code": "ACC111", "message": "wrong", "place": {"file": "a.yaml", "line": 3}, "hint": "add it"}


def test_a_fault_is_told_in_words_and_with_its_traceback_only_where_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        raise RuntimeError("out of cheese")
    except RuntimeError as error:
        errors.tell_fault(error, verbose=False)
        short = capsys.readouterr().err
        errors.tell_fault(error, verbose=True)
    long = capsys.readouterr().err
    assert "out of cheese" in short
    assert "--verbose" in short
    assert "Traceback" not in short
    assert "Traceback" in long
