"""Words that several templates may mean: who is at the terminal is asked which one; that is learnt with consent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from accord.cli import choosing, main
from accord.cli.asking import NoAnswer

TEMPLATE = """accord: template/1
name: {name}
version: 1.0.0
description: A summary of a {what}.
input: {{type: object, properties: {{{what}: {{type: string}}}}, required: [{what}]}}
examples: ["summarize {{{what}}}"]
tasks:
  nap: {{sleep: 1ms}}
output: "${{ input.{what} }}"
"""
FETCHES = """
from accord import Agent

agent = Agent("web")

@agent.capability("page.fetch@1.0.0")
async def fetch(url: str) -> str:
    '''Fetch the page at a URL.'''
    return url
"""
COUNTS = """
from accord import Agent

agent = Agent("counter")

@agent.capability("number.wrong@1.0.0")
async def wrong(n: int) -> int:
    return n
"""
WORDS = "summarize moby-dick"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """The command line over two templates with the same phrase."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "settings.toml").write_text('learn_from = ["*"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "150")

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), told.out, told.err)

    for name, what in (("book-summary", "book"), ("page-summary", "page")):
        (tmp_path / f"{name}.yaml").write_text(TEMPLATE.format(name=name, what=what))
        assert run("templates", "publish", f"{name}.yaml").code == 0
    return run


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What somebody types at a terminal, line by line; then they close it."""
    lines: list[str] = []

    async def read_line() -> str:
        if not lines:
            raise NoAnswer
        return lines.pop(0)

    monkeypatch.setattr(choosing, "can_ask", lambda screen: not screen.as_json)
    monkeypatch.setattr("accord.cli.asking.read_line", read_line)
    return lines


def test_scripts_are_told_what_is_to_be_said_yet(call: Any, tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(FETCHES)
    lacking = call("plan", "fetch the page of the URL", "--agents", "page.py", "--json")
    told = json.loads(lacking.err)
    assert (lacking.code, told["kind"], [one["code"] for one in told["problems"]]) == (2, "input_required", ["ACC811"])
    assert told["wanting"]["schema"]["required"] == ["url"]
    assert told["wanting"]["template"].startswith("composed-")
    several = json.loads(call("plan", WORDS, "--json").err)
    assert several["kind"] == "not_understood"
    assert {name.partition("@")[0] for name in several["several"]} == {"book-summary", "page-summary"}
    assert "wanting" not in several
    unknown = json.loads(call("runs", "show", "run_0000", "--json").err)
    assert set(unknown) == {"kind", "problems"}
    assert unknown["kind"] == "not_found"


def test_a_plan_that_is_not_sure_is_made_where_somebody_says_that_it_is_meant(
    call: Any, typed: list[str], tmp_path: Path
) -> None:
    (tmp_path / "counter.py").write_text(COUNTS)
    words = ("the number 3 that is wrong really nicely", "--agents", "counter.py")
    told = json.loads(call("plan", *words, "--json").err)
    assert (told["kind"], [one["code"] for one in told["problems"]]) == ("input_required", ["ACC818"])
    name = told["wanting"]["template"].partition("@")[0]
    assert f"--template {name}" in told["problems"][0]["hint"]
    typed.append("n")
    for _ in range(2):  # no; the input is closed
        refused = call("plan", *words)
        assert (refused.code, "ACC818" in refused.err) == (2, True)
    typed.append("y")
    accepted = call("plan", *words)
    assert (accepted.code, "wrong  uses number.wrong" in accepted.err, name in accepted.out) == (0, True, True)
    assert json.loads(call("plan", *words, "--template", name, "--json").out)["confidence"] < 0.5
    other = call("plan", "the number 3 that is wrong", *words[1:], "--template", f"{name[:-12]}{'0' * 12}")
    assert (other.code, "ACC819" in other.err) == (2, True)


def test_a_word_that_is_no_templates_name_is_an_objective(call: Any, typed: list[str]) -> None:
    asked = json.loads(call("plan", "audit", "--json").err)
    assert (asked["kind"], [one["code"] for one in asked["problems"]]) == ("input_required", ["ACC802"])
    assert "no template is called `audit`" in asked["problems"][0]["hint"]
    assert json.loads(call("plan", "audit", "--set", "directory=.", "--json").out)["template"] == "source-audit@1.0.0"
    named = call("plan", "audit", "--template", "source-audit", "--set", "directory=.", "--json")
    assert json.loads(named.out)["way"] == "named"
    typed.append(".")
    assert call("plan", "audit").code == 0
    for reference in ("no-such-template", "audit@^1"):
        assert "ACC761" in call("plan", reference).err


def test_who_is_asked_chooses_by_number_and_that_is_learnt(call: Any, typed: list[str]) -> None:
    typed += ["7", "2"]
    ended = call("run", WORDS)
    assert ended.code == 0, ended.err
    first, second = [line for line in ended.err.splitlines() if line.startswith(("  1  ", "  2  "))]
    assert ("book-summary" in first, "page-summary" in second) == (True, True)
    assert "keeps `summarize {page}` as an example of page-summary" in ended.err
    (run,) = json.loads(call("runs", "list", "--json").out)["runs"]
    assert run["template"] == "page-summary@1.0.0"
    examples = json.loads(call("planner", "examples", "--json").out)
    assert [(one["template"], one["how"]) for one in examples] == [("page-summary", "chosen")]


def test_who_means_none_of_them_and_who_is_not_asked_get_the_refusal(call: Any, typed: list[str]) -> None:
    typed.append("0")
    for arguments in ((), (), ("--json",)):  # none of them; the input is closed; nobody is asked
        ended = call("run", WORDS, *arguments)
        assert (ended.code, "ACC801" in ended.out + ended.err) == (2, True)
    assert "--template NAME" in ended.out + ended.err
    assert json.loads(call("runs", "list", "--json").out)["runs"] == []
