"""`accord runs logs`: what agents have logged, as people and programs read it; nothing of it steers a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from accord.cli import main

AGENTS = """
from accord import Agent, Context

agent = Agent("talker")

@agent.capability("talk.say@1.0.0")
async def say(text: str, context: Context) -> str:
    context.log.debug("begin", extra={"words": 2, "text": text})
    context.log.warning("\\x1b[31mred\\x1b[0m\\n12:00:00.000 error   first  forged")
    return text
"""
TALK = """
accord: template/1
name: talk
version: 1.0.0
tasks:
  first: {uses: talk.say@^1, with: {text: "so it is"}}
  second: {needs: [first], uses: talk.say@^1, with: {text: "again"}}
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
    Path("talkers.py").write_text(AGENTS)
    Path("talk.yaml").write_text(TALK)

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), said.out, said.err)

    assert run("run", "talk.yaml", "--agents", "talkers.py").code == 0
    return run


def test_it_is_read_by_people_and_by_programs(call: Call) -> None:
    shown = call("runs", "logs", "last")
    assert shown.code == 0
    lines = [line.partition(" ")[2] for line in shown.out.splitlines()]
    assert lines[0] == 'debug   first  begin words=2 text="so it is"'
    assert lines[1] == "warning first  \ufffd[31mred\ufffd[0m"
    assert shown.out.splitlines()[2] == "    │ 12:00:00.000 error   first  forged", (
        "what is behind a line break is set in"
    )
    assert len(lines) == 6
    assert "\x1b" not in shown.out
    assert call("runs", "logs", "last", "second", "--level", "warning").out.count("second") == 1
    told = json.loads(call("runs", "logs", "last", "--task", "first", "--json").out)
    assert [one["level"] for one in told["lines"]] == ["debug", "warning"]
    assert told["lines"][0]["fields"] == {"words": 2, "text": "so it is"}
    assert told["gaps"] == []
    assert (call("runs", "logs", "last", "--at", "1").out, call("runs", "logs", "last", "--at", "99").out) == (
        "",
        shown.out,
    )
    both = call("runs", "logs", "last", "--at", "1", "--follow")
    assert (both.code, "leave out --follow, or --at" in both.err) == (2, True)


def test_who_follows_a_run_that_has_ended_is_told_it_all(call: Call) -> None:
    followed = call("runs", "logs", "last", "--follow", "--json")
    assert followed.code == 0
    assert [json.loads(line)["number"] for line in followed.out.splitlines()] == [1, 2, 1, 2]


def test_where_there_is_nothing_it_is_said(call: Call) -> None:
    nothing = call("runs", "logs", "last", "--level", "error")
    assert (nothing.code, nothing.out) == (0, "")
    unknown = call("runs", "logs", "last", "nobody")
    assert unknown.code == 2
    assert "nobody" in unknown.err
