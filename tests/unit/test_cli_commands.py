"""Commands, called as the shell would call them, on a home of their own: what they print, and their exit codes."""

from __future__ import annotations

import asyncio
import importlib
import json
import sqlite3
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from accord.app import open_node
from accord.cli import main
from accord.cli.actions.agents import work_words
from accord.domain.message import Message
from accord.engine.verdicts import Suspect
from accord.errors import Problem
from accord.service import Work
from accord.settings import Settings
from accord.templates.workflow_tests import read_workflow_test

AGENTS = """
from accord.sdk import Agent, Context, Failure, Result

agent = Agent("tiny")
other = Agent("other")

@agent.capability("tiny.double@1.0.0")
async def double(number: int) -> Result[int]:
    return Result(2 * number, confidence=0.5)

@agent.capability("tiny.fail@1.0.0")
def fail(reason: str) -> str:
    raise Failure("broken", reason, retryable=False)

@other.capability("tiny.undo@1.0.0")
def undo(what: int) -> str:
    return f"undone {what}"
"""

SUM = """
accord: template/1
name: tiny.sum
version: 1.0.0
description: Doubles numbers.
examples: ["double {numbers}"]
input:
  type: object
  properties:
    numbers: {type: array, items: {type: integer}, default: [1, 2, 3]}
    fails: {type: boolean, default: false}
    asks: {type: boolean, default: false}
  additionalProperties: false
tasks:
  doubled:
    description: Double each number.
    uses: tiny.double@^1
    for_each: "${ input.numbers }"
    with: {number: "${ item }"}
  first:
    uses: tiny.double@^1
    with: {number: 21}
    compensate:
      uses: tiny.undo@^1
      with: {what: 1}
  wrong:
    when: "${ input.fails }"
    needs: [doubled]
    uses: tiny.fail@^1
    with: {reason: "because \\e[31m"}
  ask:
    when: "${ input.asks }"
    needs: [first]
    approval: {title: "Go on?"}
output:
  doubled: "${ tasks.doubled.output }"
  first: "${ tasks.first.output }"
"""


ASKS = """
accord: template/1
name: tiny.asks
version: 1.0.0
description: Asks somebody.
tasks:
  ask:
    approval: {title: "Go on?"}
output: "${ tasks.ask.output }"
"""


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Outcome]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with agents and a template, the working directory of the test."""
    (tmp_path / "tiny.py").write_text(AGENTS)
    (tmp_path / "sum.yaml").write_text(SUM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def call(here: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command line."""

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Outcome(int(ended.value.code or 0), told.out, told.err)

    return run


def with_agents(call: Call, *arguments: str) -> Outcome:
    return call(*arguments, "--agents", "tiny.py")


# -- top ---------------------------------------------------------------------------------------------------------


def test_top_looks_once_where_nobody_watches(call: Call) -> None:
    assert "none under way" in call("top").out
    with_agents(call, "run", "sum.yaml")
    with_agents(call, "runs", "fork", "last", "--set", "asks=true")
    seen = call("top", "--json").document
    assert seen["runs"] == {"running": 1}
    assert seen["cluster"]["store"] == "sqlite"
    assert len(seen["cluster"]["partitions"]) == 64
    assert {one["agent"] for one in seen["agents"]} >= {"spiffe://local/agent/tiny"}
    shown = call("top", "--by", "name").out
    assert "running 1" in shown
    assert "agents known and not present" in shown


# -- run and plan ------------------------------------------------------------------------------------------------


def test_a_template_runs_and_its_signed_result_is_one_document(call: Call) -> None:
    ran = with_agents(call, "run", "sum.yaml", "--set", "numbers=[4]", "--title", "my run", "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["output"] == {"doubled": [8], "first": 42}
    assert (document["state"], document["title"]) == ("completed", "my run")
    assert document["signed_by"] == "spiffe://local/orchestrator/main"
    assert document["statement"].count(".") == 2
    assert ran.err == ""


def test_without_json_the_result_goes_to_stdout_and_progress_to_stderr(call: Call) -> None:
    ran = with_agents(call, "run", "sum.yaml")
    assert ran.document == {"doubled": [2, 4, 6], "first": 42}
    assert "tiny.sum@1.0.0 started" in ran.err
    assert "doubled completed by tiny" in ran.err
    assert "wrong skipped" in ran.err
    assert "signed by" in ran.err


def test_an_objective_in_words_is_planned_and_run(call: Call) -> None:
    assert with_agents(call, "templates", "publish", "sum.yaml").code == 0
    ran = with_agents(call, "run", "double 5 and 6", "--json")
    assert ran.code == 0, ran.err
    assert (ran.document["output"]["doubled"], ran.document["title"]) == ([10, 12], "double 5 and 6")
    known = with_agents(call, "run", "tiny.sum@^1", "--input", '{"numbers": [1]}', "--json")
    assert known.document["output"]["doubled"] == [2]


def test_a_version_that_is_too_low_is_published_only_as_written(call: Call, here: Path) -> None:
    assert with_agents(call, "templates", "publish", "sum.yaml").code == 0
    low = SUM.replace("1.0.0", "1.0.1", 1).replace("type: object", "type: object\n  minProperties: 1", 1)
    (here / "sum.yaml").write_text(low)
    (here / "other.yaml").write_text(SUM.replace("tiny.sum", "tiny.other"))
    for command in (("templates", "publish", "other.yaml"), ("run",)):
        refused = with_agents(call, *command, "sum.yaml")
        assert refused.code == 3
        assert "ACC267" in refused.err
        assert "deserves 2.0.0" in refused.err
    assert "sum.yaml:4:10 /version: ACC267" in with_agents(call, "templates", "publish", "sum.yaml").err
    assert "tiny.other" not in call("templates", "list").out, "all of them, or none"
    assert with_agents(call, "templates", "publish", "sum.yaml", "--version-as-written").code == 0
    assert call("templates", "show", "tiny.sum@1.0.1").code == 0


def test_a_report_is_written_with_its_charts_and_statement(call: Call, here: Path) -> None:
    for name in ("a", "b"):
        package = here / name
        package.mkdir()
        (package / "__init__.py").write_text(f'"""The {name}."""\n\ndef {name}(x: int) -> int:\n    return x\n')
    ran = call("run", "competitive-analysis", "--set", "products=./a,./b", "--output", "out.md", "--reports", "rep")
    assert ran.code == 0, ran.err
    assert ran.out == ""
    assert (here / "out.md").read_text().startswith("# ")
    written = {path.name for path in (here / "rep").iterdir()}
    assert {"report.md", "output.json", "statement.jws"} < written
    assert any(name.endswith(".svg") for name in written)
    assert "report and charts: rep" in ran.err


TOLD = """
accord: template/1
name: tiny.told
version: 1.0.0
input: {type: object, required: [who], properties: {who: {type: string}}}
tasks:
  doubled: {uses: tiny.double@^1, with: {number: 21}}
output: {markdown: "# Of ${ input.who }", doubled: "${ tasks.doubled.output }"}
"""


def test_the_report_of_a_run_goes_with_its_documents(call: Call, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_ENCRYPT_PAYLOADS", "true")
    (here / "told.yaml").write_text(TOLD)
    kept, gone = (
        Path(with_agents(call, "run", "told.yaml", "--set", f"who={who}", "--json").document["reports"])
        for who in ("Emil", "Erika")
    )
    assert "Erika" in (gone / "report.md").read_text()
    erased = call("runs", "erase", "last", "--yes")
    assert erased.code == 0, erased.err
    assert str(gone) in erased.err
    assert "--output" in erased.err
    assert not gone.exists()
    assert "Emil" in (kept / "report.md").read_text()
    assert ", paused" not in call("runs", "show", "last").out
    assert call("runs", "erase", "last", "--yes", "--json").document == {"erased": [gone.name], "removed": []}


def test_a_report_that_cannot_be_removed_is_told(call: Call, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_ENCRYPT_PAYLOADS", "true")
    (here / "told.yaml").write_text(TOLD)
    folder = Path(with_agents(call, "run", "told.yaml", "--set", "who=Erika", "--json").document["reports"])
    folder.rename(here / "elsewhere")
    folder.symlink_to(here / "elsewhere")
    refused = call("runs", "erase", "last", "--yes")
    assert refused.code == 2
    assert "can be read no more" in refused.out
    assert "ACC914" in refused.err
    assert (here / "elsewhere" / "report.md").exists()


def test_a_run_that_fails_exits_with_1_and_says_why(call: Call) -> None:
    ran = with_agents(call, "run", "sum.yaml", "--set", "fails=true")
    assert ran.code == 1
    assert ran.out == ""
    assert "ACC420" in ran.err
    assert "\x1b" not in ran.err
    told = with_agents(call, "run", "sum.yaml", "--set", "fails=true", "--json")
    assert told.code == 1
    assert told.document["problem"]["code"] == "ACC420"


def test_nothing_runs_that_the_verifier_refuses(call: Call, here: Path) -> None:
    (here / "bad.yaml").write_text(SUM.replace("tiny.double@^1\n    with: {number: 21}", "tiny.dubble@^1"))
    ran = with_agents(call, "run", "bad.yaml")
    assert ran.code == 2
    assert "bad.yaml:" in ran.err
    assert "ACC820" in ran.err
    assert with_agents(call, "runs", "list").out == ""


def test_a_plan_counts_on_agents_that_have_been_here(call: Call) -> None:
    assert call("plan", "sum.yaml").code == 2
    with_agents(call, "run", "sum.yaml")
    assert "tiny.sum@1.0.0 holds" in call("plan", "sum.yaml").out


def test_a_plan_says_why_and_runs_nothing(call: Call) -> None:
    planned = with_agents(call, "plan", "sum.yaml")
    assert planned.code == 0, planned.err
    for words in ("doubled[…]", "wrong when", "Double each number.", "after first", "edges proven"):
        assert words in planned.out
    document = with_agents(call, "plan", "sum.yaml", "--json").document
    assert document["ok"] is True
    assert {task["task"] for task in document["tasks"]} == {"doubled", "first", "wrong", "ask"}
    assert call("runs", "list", "--json").document["runs"] == []


def test_a_plan_tells_where_tasks_wait_for_the_agents_that_are_there(call: Call, here: Path) -> None:
    (here / "few.py").write_text(AGENTS.replace('Agent("tiny")', 'Agent("tiny", concurrency=2)'))
    planned = call("plan", "sum.yaml", "--agents", "few.py")
    assert "waits for agents of tiny.double@^1" in planned.out
    assert "2 at a time" in planned.out


def test_the_last_run_is_the_newest_that_is_no_part_of_another(call: Call, here: Path) -> None:
    whole = SUM.replace("tiny.sum", "tiny.whole").partition("tasks:")[0]
    (here / "whole.yaml").write_text(whole + "tasks: {part: {workflow: tiny.sum@^1, with: {numbers: [1]}}}\n")
    with_agents(call, "templates", "publish", "sum.yaml")
    run = with_agents(call, "run", "whole.yaml", "--json").document["run"]
    listed = [row["run"] for row in call("runs", "list", "--json").document["runs"]]
    assert len(listed) == 2
    assert run in listed  # of two that began within one millisecond either may be first
    assert call("runs", "show", "last", "--json").document["run"] == run


def test_a_plan_that_does_not_hold_exits_with_2(call: Call) -> None:
    planned = call("plan", "sum.yaml")
    assert planned.code == 2
    assert "does not hold" in planned.out
    assert "ACC820" in planned.out


# -- looking -----------------------------------------------------------------------------------------------------


def test_runs_are_listed_found_and_shown(call: Call) -> None:
    run = with_agents(call, "run", "sum.yaml", "--title", "the one", "--json").document["run"]
    listed = call("runs", "list", "--text", "ONE")
    assert run in listed.out
    assert "completed" in listed.out
    assert call("runs", "list", "--state", "failed").out == ""
    assert call("runs", "list", "--template", "tiny.sum", "--since", "1h", "--json").document["runs"][0]["run"] == run
    for reference in ("last", run, run[:-2], run[4:-1], run[-8:]):
        assert run in call("runs", "show", reference).out
    shown = call("runs", "show", "last", "--json").document
    assert {task["task"]: task["state"] for task in shown["tasks"]} == {
        "doubled": "completed",
        "first": "completed",
        "wrong": "skipped",
        "ask": "skipped",
    }
    assert shown["input"] == {"numbers": [1, 2, 3], "fails": False, "asks": False}


def test_runs_are_sought_by_agent_label_origin_and_acknowledgement(call: Call) -> None:
    failed = with_agents(call, "run", "sum.yaml", "--set", "fails=true", "--json").document["run"]
    (task,) = call("runs", "list", "--json").document["runs"]
    assert (task["tasks_done"], task["tasks_failed"], task["tasks_total"]) == (3, 1, 4)
    assert failed in call("runs", "list", "--agent", "tiny").out
    assert failed in call("runs", "list", "--label", "internal").out
    assert call("runs", "list", "--label", "personal").out == ""
    assert call("runs", "list", "--agent", "nobody").code == 2
    fork = with_agents(call, "runs", "fork", failed, "--set", "fails=false", "--json").document["run"]
    assert fork in call("runs", "list", "--origin", failed).out
    assert f"fork of …{failed[-6:]}" in call("runs", "list").out
    assert f"{fork} (completed)" in call("runs", "show", failed).out
    assert call("runs", "acknowledge", fork).code == 3
    assert failed in call("runs", "list", "--state", "failed", "--unacknowledged").out
    assert call("runs", "acknowledge", failed, "--note", "it is forked").code == 0
    assert call("runs", "list", "--state", "failed", "--unacknowledged").out == ""
    assert "(acknowledged)" in call("runs", "list", "--acknowledged").out
    assert "it is forked" in call("runs", "show", failed).out


def test_a_task_tells_of_every_attempt(call: Call) -> None:
    with_agents(call, "run", "sum.yaml", "--set", "fails=true")
    shown = call("runs", "show", "last", "--task", "wrong").out
    for words in ("attempt 1", "why this agent", "why refused", "what then", "tiny.fail@1.0.0", "ACC420"):
        assert words in shown
    assert call("runs", "show", "last", "wrong").out == shown
    assert "ACC911" in call("runs", "show", "last", "wrong", "--task", "doubled").err
    document = call("runs", "show", "last", "--task", "doubled[1]", "--json").document
    [attempt] = document["attempts"]
    assert (attempt["input"], attempt["output"], attempt["confidence"]) == ({"number": 2}, 4, 0.5)
    assert attempt["chosen_because"]
    assert call("runs", "show", "last", "--task", "nope").code == 2


def test_a_run_is_shown_as_it_was(call: Call) -> None:
    with_agents(call, "run", "sum.yaml")
    assert call("runs", "show", "last", "--at", "1", "--json").document["state"] == "running"


def test_a_run_that_ended_is_watched_to_its_end(call: Call) -> None:
    with_agents(call, "run", "sum.yaml")
    watched = call("runs", "watch", "last")
    assert watched.code == 0
    assert "completed" in watched.out
    assert "has ended: completed" in watched.err


def test_names_that_mean_no_run_or_several_are_refused(call: Call) -> None:
    assert "ACC409" in call("runs", "show", "last").err
    for _ in range(2):
        with_agents(call, "run", "sum.yaml")
    assert "ACC915" in call("runs", "show", "run_").err
    assert "ACC409" in call("runs", "show", "zz").err
    assert "ACC409" in call("runs", "show", "run_zzzzz").err


def test_agents_are_listed_with_and_without_having_been_here(call: Call) -> None:
    listed = with_agents(call, "agents", "list", "--json").document
    tiny = next(agent for agent in listed if agent["agent"] == "spiffe://local/agent/tiny")
    assert (tiny["enrolled"], tiny["hosted"]) == (False, True)
    with_agents(call, "run", "sum.yaml")
    shown = call("agents", "show", "tiny", "--json").document
    assert (shown["enrolled"], shown["hosted"]) == (True, False)
    assert [key["jwk"]["alg"] for key in shown["keys"]] == ["ES256"]
    assert "{ number: integer }" in call("agents", "show", "tiny").out
    assert "tiny" in call("agents", "list", "--capability", "tiny.double@^1").out
    assert "editor" not in call("agents", "list", "--capability", "tiny.double@^1").out
    assert "did you mean editor?" in call("agents", "show", "editr").err


def test_what_an_agent_has_done_tells_failures_apart() -> None:
    work = Work(held=1, succeeded=2, failed=1, latency_ms=1500, failed_latency_ms=4, trust={"tiny.double": 0.8})
    told = "1 held, 2 results after 1.5 s, 1 error after 4 ms; trust 0.80 in tiny.double"
    assert work_words(work) == told
    assert work_words(Work(held=0, succeeded=0, failed=0, latency_ms=None, trust={})) == "0 held, 0 results, 0 errors"


def test_templates_are_listed_and_shown(call: Call) -> None:
    assert "competitive-analysis@1.0.0" in call("templates", "list").out
    shown = call("templates", "show", "source-audit").out
    assert "inspections[…]" in shown
    assert "{ directory: string, most_files?: integer }" in shown
    assert call("templates", "show", "sum.yaml", "--json").document["document"]["name"] == "tiny.sum"
    assert call("templates", "schema").document["title"] == "Accord template"
    assert "did you mean" in call("templates", "show", "source-adit").err


def test_the_journal_is_shown_proven_and_replayed(call: Call) -> None:
    with_agents(call, "run", "sum.yaml")
    shown = call("journal", "show", "last", "--json").document
    assert [event["sequence"] for event in shown] == list(range(1, len(shown) + 1))
    assert shown[0]["event"] == "run.started"
    assert "run.completed" in call("journal", "show", "last", "--after", "5").out
    proof = call("journal", "verify", "last", "--json").document
    assert (proof["ok"], proof["statements"], proof["payloads"]) == (True, 4, 4)
    assert "holds" in call("journal", "verify", "last").out
    replayed = call("journal", "replay", "last", "--json").document
    assert replayed["document"] == call("runs", "show", "last", "--json").document
    told = {name: replayed[name] for name in ("run", "events", "state", "agrees")}
    assert told == {"run": shown[0]["run"], "events": len(shown), "state": "completed", "agrees": True}
    assert call("journal", "replay", "last", "--until", "1").out.count("\n") == 2


def test_any_past_state_is_rebuilt(call: Call) -> None:
    with_agents(call, "run", "sum.yaml")
    events = call("journal", "show", "last", "--json").document
    then = call("journal", "replay", "last", "--until", "3", "--json").document
    assert (then["events"], then["state"], then["agrees"]) == (3, "running", None)
    assert then["document"] == call("runs", "show", "last", "--at", "3", "--json").document
    by_time = call("journal", "replay", "last", "--until", events[2]["at"], "--json").document
    assert by_time["events"] == max(one["sequence"] for one in events if one["at"] <= events[2]["at"])
    between = call("journal", "replay", "last", "--from", "1", "--json").document["changes"]
    assert {"task": None, "what": "state", "before": "running", "after": "completed"} in between
    assert "state  running → completed" in call("journal", "replay", "last", "--from", "1").out
    stepped = call("journal", "replay", "last", "--step").out
    assert stepped.count("#") == len(events)
    assert "  doubled state  pending → expanded" in stepped
    for wrong in ("0", "9999", "2001-01-01T00:00:00Z", "nonsense"):
        refused = call("journal", "replay", "last", "--until", wrong)
        assert refused.code == 2
        assert ("ACC911" if wrong == "nonsense" else "ACC590") in refused.err


def test_a_failure_is_explained_back_to_what_began_it(call: Call) -> None:
    with_agents(call, "run", "sum.yaml", "--set", "fails=true")
    told = call("runs", "explain", "last", "--json").document
    assert (told["state"], told["task"], told["waits"]) == ("failed", None, [])
    assert [one["kind"] for one in told["causes"]] == ["run", "task", "attempt"]
    assert told["causes"][2]["attempt"] == 1
    assert [one["task"] for one in told["critical"]] == ["doubled", "wrong"]
    commands = [one["command"].split()[2] for one in told["advice"]]
    assert commands == ["show", "retry", "fork", "capture"]
    shown = call("runs", "explain", "last", "wrong")
    assert "wrong failed after 1 attempt." in shown.out
    assert "tiny had attempt 1 of wrong, and it could not do it: ACC420" in shown.out
    assert "\x1b" not in shown.out
    assert "first completed by" in call("runs", "explain", "last", "first").out
    assert "ACC434" in call("runs", "explain", "last", "nope").err


def test_a_run_is_captured_as_a_test_of_its_workflow(call: Call, here: Path) -> None:
    with_agents(call, "run", "sum.yaml", "--set", "fails=true", "--set", "numbers=[4]")
    test = call("runs", "capture", "last", "--output", "late.yaml", "--json").document["test"]
    assert (here / "late.yaml").read_text().startswith("# accord test late.yaml\n")
    assert "accord test 'not late.yaml'" in call("runs", "capture", "last", "--output", "not late.yaml").err
    written = read_workflow_test(here / "late.yaml")
    assert msgspec.json.decode(msgspec.json.encode(written)) == test
    assert (test["input"]["numbers"], test["expect"]["state"], test["expect"]["problem"]) == ([4], "failed", "ACC420")
    assert test["agents"]["doubled[0]"] == [{"output": 8, "agent": "tiny", "confidence": 0.5}]
    error = {"code": "broken", "message": "because \x1b[31m"}
    assert test["agents"]["wrong"] == [{"error": error, "agent": "tiny"}]
    assert set(test["contracts"]) == {"tiny.double@1.0.0", "tiny.fail@1.0.0", "tiny.undo@1.0.0"}
    assert test["expect"]["tasks"]["wrong"] == "failed"
    assert "ACC914" in call("runs", "capture", "last", "--output", "late.yaml").err


@pytest.mark.abuse(
    "ASI03", at="store", stride="information disclosure", case="secrets in a test that is captured of a run"
)
def test_what_is_secret_is_not_captured(call: Call, here: Path) -> None:
    with_agents(call, "run", "sum.yaml", "--label", "personal", "--set", "numbers=[4321]")
    shown = call("runs", "capture", "last", "--output", "one.yaml")
    text = (here / "one.yaml").read_text()
    assert "4321" not in text
    assert "8642" not in text
    assert "redacted: " in shown.out
    test = read_workflow_test(here / "one.yaml")
    assert test.input == {"numbers": [0], "fails": False, "asks": False}
    assert test.agents["doubled[0]"][0].output == 0
    call("runs", "capture", "last", "--output", "two.yaml", "--with-data")
    assert read_workflow_test(here / "two.yaml").agents["doubled[0]"][0].output == 8642


def test_a_bundle_is_looked_at_in_a_home_of_its_own(call: Call, here: Path) -> None:
    with_agents(call, "run", "sum.yaml", "--set", "fails=true")
    [key] = [one["key"] for one in call("keys", "list", "--json").document if one["name"] == "orchestrator"]
    run = call("journal", "export", "last", "--output", "run.tar", "--json").document["run"]
    there = ("--home", str(here / "there"))
    imported = call("journal", "import", "run.tar", "--trust", key, "--json", *there).document
    assert (imported["run"], imported["runs"], imported["key"], imported["file"]) == (run, [run], key, "run.tar")
    [listed] = call("runs", "list", "--json", *there).document["runs"]
    assert (listed["imported"], listed["left"]) == (True, False)
    assert "failed (imported)" in call("runs", "list", *there).out
    shown = call("runs", "show", "last", "--json", *there).document
    before = call("runs", "show", "last", "--json").document
    assert shown.pop("exhibit") == imported
    assert before.pop("exhibit") is None
    assert shown == before
    explained = call("runs", "explain", "last", "--json", *there).document
    assert [one["command"].split()[2] for one in explained["advice"]] == ["show", "capture"]
    captured = call("runs", "capture", "last", "--output", "there.yaml", "--json", *there).document["test"]
    here_too = call("runs", "capture", "last", "--output", "here.yaml", "--json").document["test"]
    assert captured.pop("description").endswith("contracts that are not known here: tiny.undo@^1")
    assert "not known" not in here_too.pop("description")
    del here_too["contracts"]["tiny.undo@1.0.0"]  # no bundle has what never ran
    assert captured == here_too
    for command in (("retry", "last", "--task", "wrong"), ("fork", "last"), ("cancel", "last"), ("pause", "last")):
        refused = call("runs", *command, *there)
        assert (refused.code, "ACC592" in refused.err) == (3, True), command
    assert "ACC592" in with_agents(call, "run", "sum.yaml", *there).err
    assert "ACC592" in call("journal", "export", "last", *there).err
    assert "ACC593" in call("journal", "import", "run.tar", "--trust", key, *there).err
    assert (
        call("journal", "show", "last", "--json", *there).document == call("journal", "show", "last", "--json").document
    )


def test_a_home_that_was_only_looked_at_takes_a_bundle_and_one_that_was_set_up_does_not(call: Call, here: Path) -> None:
    run = with_agents(call, "run", "sum.yaml", "--json").document["run"]
    [key] = [one["key"] for one in call("keys", "list", "--json").document if one["name"] == "orchestrator"]
    exported = call("journal", "export", "last", "--output", "run.tar")
    for way in ("accord journal verify run.tar", "accord journal import run.tar --trust KEY --home ./exhibit"):
        assert way in exported.err
    there, known = ("--home", str(here / "there")), ("--home", str(here / "known"))
    assert call("runs", "list", *there).code == 0
    assert (here / "there" / "journal.db").exists()
    imported = call("journal", "import", "run.tar", "--trust", key, *there)
    assert imported.code == 0, imported.err
    assert [one["run"] for one in call("runs", "list", "--json", *there).document["runs"]] == [run]
    (here / "asks.yaml").write_text(ASKS)
    published = call("templates", "publish", "asks.yaml", *known)
    assert published.code == 0, published.err
    assert "ACC593" in call("journal", "import", "run.tar", "--trust", key, *known).err


@pytest.mark.abuse("ASI06", at="store", stride="tampering", case="a bundle that does not hold is imported")
def test_what_does_not_hold_is_not_imported(call: Call, here: Path) -> None:
    with_agents(call, "run", "sum.yaml")
    [key] = [one["key"] for one in call("keys", "list", "--json").document if one["name"] == "orchestrator"]
    call("journal", "export", "last", "--output", "run.tar")
    data = (here / "run.tar").read_bytes()
    (here / "changed.tar").write_bytes(data.replace(b"run.completed", b"run.completeD", 1))
    there = ("--home", str(here / "there"))
    changed = call("journal", "import", "changed.tar", "--trust", key, *there)
    assert (changed.code, "ACC841" in changed.out) == (1, True)
    stranger = call("journal", "import", "run.tar", "--trust", key[:-1] + ("A" if key[-1] != "A" else "B"), *there)
    assert (stranger.code, "ACC843" in stranger.out) == (1, True)
    assert "ACC855" in call("journal", "import", "run.tar", *there).err
    assert "ACC856" in call("journal", "import", "missing.tar", "--trust", key, *there).err
    assert not (here / "there").exists()


def test_what_an_exhibit_cannot_read_it_says(call: Call, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_ENCRYPT_PAYLOADS", "true")
    with_agents(call, "run", "sum.yaml")
    monkeypatch.delenv("ACCORD_ENCRYPT_PAYLOADS")
    [key] = [one["key"] for one in call("keys", "list", "--json").document if one["name"] == "orchestrator"]
    for payloads, left in (("all", None), ("digests", "$unreadable")):
        call("journal", "export", "last", "--payloads", payloads, "--output", f"{payloads}.tar")
        there = ("--home", str(here / payloads))
        call("journal", "import", f"{payloads}.tar", "--trust", key, *there)
        shown = call("runs", "show", "last", "--json", *there).document
        assert (left or "first") in shown["output"]
        assert (left or "numbers") in shown["input"]
        assert call("runs", "show", "last", "first", *there).code == 0


def test_two_runs_are_compared(call: Call) -> None:
    first = with_agents(call, "run", "sum.yaml", "--json").document["run"]
    with_agents(call, "run", "sum.yaml", "--set", "numbers=[1, 2, 4]", "--set", "fails=true")
    found = call("runs", "diff", first, "last", "--json").document
    (given,) = found["given"]
    assert given["what"] == "input"
    assert {one["pointer"]: one["after"] for one in given["differences"]} == {"/numbers/2": 4, "/fails": True}
    parted = {one["task"]: one["parted"] for one in found["tasks"] if one["parted"] is not None}
    assert set(parted) >= {"doubled", "doubled[2]", "wrong"}
    assert parted["doubled[2]"]["differences"] == [{"pointer": "/number", "kind": "changed", "before": 3, "after": 4}]
    assert parted["wrong"]["what"] == "branch"
    shown = call("runs", "diff", first, "last").out
    assert "wrong: it was skipped: input.fails is false; in the second run an attempt was wanted" in shown
    assert "Both have done the same" in call("runs", "diff", first, first).out


def test_a_fork_parts_where_it_was_forked(call: Call) -> None:
    first = with_agents(call, "run", "sum.yaml", "--json").document["run"]
    with_agents(call, "runs", "fork", first, "--task", "doubled", "--set", "numbers=[5]")
    found = call("runs", "diff", first, "last", "--json").document
    assert found["shared"] is not None
    assert (found["origin"], found["taken_over"]) == (first, ["first"])
    parted = [one["task"] for one in found["tasks"] if one["parted"] is not None]
    assert "first" not in parted
    assert "doubled" in parted
    words = f"forked from the {{}} as of its event {found['shared']}; taken over: first\n"
    assert f"the second was {words.format('first')}" in call("runs", "diff", first, "last").out
    assert f"the first was {words.format('second')}" in call("runs", "diff", "last", first).out


def test_a_fork_that_did_all_anew_took_nothing_over(call: Call) -> None:
    first = with_agents(call, "run", "sum.yaml", "--json").document["run"]
    with_agents(call, "runs", "fork", first, "--at", "1", "--set", "numbers=[5]")
    assert call("runs", "diff", first, "last", "--json").document["taken_over"] == []
    assert "as of its event 1; nothing was taken over" in call("runs", "diff", first, "last").out


@pytest.mark.abuse("ASI06", at="store", stride="tampering", case="a journal that was changed from outside")
def test_a_journal_that_was_changed_does_not_verify(call: Call, here: Path) -> None:
    with_agents(call, "run", "sum.yaml")
    with closing(sqlite3.connect(here / "home" / "journal.db")) as journal, journal:
        for (trigger,) in journal.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            journal.execute(f"DROP TRIGGER {trigger}")
        where = "WHERE stream LIKE 'run_%' AND sequence = 2"
        [(data,)] = journal.execute(f"SELECT data FROM events {where}").fetchall()  # noqa: S608 - a constant
        journal.execute(f"UPDATE events SET data = ? {where}", (data.replace(b"doubled", b"doubleD"),))  # noqa: S608
    for command in ("verify", "replay"):
        refused = call("journal", command, "last")
        assert refused.code == 4
        assert "ACC526" in refused.err


def test_a_run_is_exported_and_examined_without_its_home(call: Call, here: Path) -> None:
    with_agents(call, "run", "sum.yaml")
    [key] = [one["key"] for one in call("keys", "list", "--json").document if one["name"] == "orchestrator"]
    written = call("journal", "export", "last", "--output", "run.tar", "--json").document
    assert written["bytes"] == (here / "run.tar").stat().st_size
    elsewhere = ("--home", str(here / "elsewhere"))
    report = call("journal", "verify", "run.tar", "--trust", key, "--json", *elsewhere).document
    assert (report["ok"], report["statements"], report["key"]) == (True, 4, key)
    assert not (here / "elsewhere").exists(), "a file is examined without any home"
    assert "holds" in call("journal", "verify", "run.tar", "--trust", key).out
    (here / "keys.json").write_text(tar_member(here / "run.tar", "keys.json"))
    assert call("journal", "verify", "run.tar", "--trust", "keys.json").code == 0
    data = bytearray((here / "run.tar").read_bytes())
    data[len(data) // 2] ^= 1
    (here / "run.tar").write_bytes(data)
    refused = call("journal", "verify", "run.tar", "--trust", key)
    assert refused.code == 1
    assert "ACC84" in refused.out
    for trust in ([], ["--trust", "nonsense"], ["--trust", "sum.yaml"]):
        refused = call("journal", "verify", "run.tar", *trust)
        assert (refused.code, "ACC855" in refused.err) == (2, True)
    assert "ACC914" in call("journal", "export", "last", "--output", "nowhere/run.tar").err
    assert call("journal", "export", "last", "--payloads", "some").code == 2


def tar_member(file: Path, name: str) -> str:
    with tarfile.open(file) as bundle:
        member = bundle.extractfile(name)
        assert member is not None
        return member.read().decode()


def test_checkpoints_are_listed_proven_and_witnessed(call: Call, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no checkpoint" in call("journal", "checkpoints").out
    with_agents(call, "run", "sum.yaml")
    [made] = call("journal", "checkpoints", "--json").document
    assert made["number"] == 1
    assert made["checkpoint"]["root"] in call("journal", "checkpoints").out
    proven = call("journal", "prove", "last", "--json").document
    assert proven["checkpoint"] == made["checkpoint"]
    assert "is in the newest checkpoint" in call("journal", "prove", "last").out
    seen = call("journal", "witness", "seen.json", "--json").document
    assert (seen["size"], seen["root"]) == (made["checkpoint"]["size"], made["checkpoint"]["root"])
    with_agents(call, "run", "sum.yaml")
    assert "begins as it did" in call("journal", "witness", "seen.json").out
    now = json.loads((here / "seen.json").read_text())
    assert now["size"] > seen["size"]
    (here / "seen.json").write_text(json.dumps({**now, "root": "0" * 64}))
    refused = call("journal", "witness", "seen.json")
    assert (refused.code, "ACC853" in refused.err) == (1, True)
    assert json.loads((here / "seen.json").read_text())["root"] == "0" * 64, "what was seen stays"
    (here / "seen.json").write_text("nonsense")
    assert (call("journal", "witness", "seen.json").code, "ACC853" in call("journal", "witness", "seen.json").err) == (
        2,
        True,
    )
    (here / "seen.json").write_text(json.dumps({**now, "size": now["size"] + 1}))
    cut_off = call("journal", "witness", "seen.json", "--json")
    assert (cut_off.code, [one["code"] for one in json.loads(cut_off.err)["problems"]]) == (1, ["ACC853"])
    missing = call("journal", "verify", "missing.tar")
    assert (missing.code, "ACC856 there is no file missing.tar" in missing.err) == (2, True)
    monkeypatch.setattr("accord.domain.checkpoint.Anchored.is_in", lambda proven, checkpoint: False)
    rewritten = call("journal", "prove", "last")
    assert (rewritten.code, "ACC852" in rewritten.err) == (1, True)
    assert call("journal", "prove", "no-such-run").code == 2


def test_lineage_is_told(call: Call) -> None:
    with_agents(call, "run", "sum.yaml")
    told = call("runs", "lineage", "last").out
    assert "tiny, tiny.double@1.0.0" in told
    assert "input.numbers" in told
    document = call("runs", "lineage", "last", "--json").document
    assert document["agents"] == ["spiffe://local/agent/tiny"]
    assert [one["pointer"] for one in document["lineages"]] == [""]
    assert call("runs", "lineage", "last", "/doubled/2").code == 0
    for pointer in ("no-pointer", "/nonsense", "/doubled/3", "/doubled/02", "/doubled/²", "/first/x", "/first~2"):
        refused = call("runs", "lineage", "last", pointer)
        assert (refused.code != 0, "ACC857" in refused.err, refused.out) == (True, True, ""), pointer


def test_incidents_are_listed(call: Call) -> None:
    assert call("incidents", "list", "--json").document == {"incidents": [], "next": None}
    assert "Nothing was refused" in call("incidents", "list").err


async def refuse(home: Path, count: int) -> None:
    delivery: Any = type("Delivery", (), {"message": Message(b"statement", b""), "attempts": 1})()
    async with open_node(Settings(home=home)) as node:
        await node.parts.incidents.record_all([Suspect(delivery, Problem("ACC301", "refused"))] * count)


def test_older_incidents_are_the_page_behind(call: Call, here: Path) -> None:
    asyncio.run(refuse(here / "home", 3))
    newest = call("incidents", "list", "--limit", "2")
    assert newest.err.strip().endswith("more: accord incidents list --after 2")
    page = call("incidents", "list", "--limit", "2", "--json").document
    assert ([one["incident"] for one in page["incidents"]], page["next"]) == ([3, 2], 2)
    page = call("incidents", "list", "--limit", "2", "--after", "2", "--json").document
    assert ([one["incident"] for one in page["incidents"]], page["next"]) == ([1], None)
    assert "more:" not in call("incidents", "list", "--after", "2").err


# -- intervening -------------------------------------------------------------------------------------------------


def waiting_run(call: Call) -> str:
    """A run that waits for its approval, carried on by nobody."""
    with_agents(call, "run", "sum.yaml")
    forked = with_agents(call, "runs", "fork", "last", "--set", "asks=true", "--json")
    assert forked.code == 0, forked.err
    return str(forked.document["run"])


def test_a_fork_takes_over_and_waits_then_an_approval_ends_it(call: Call) -> None:
    run = waiting_run(call)
    assert call("runs", "show", run, "--json").document["waiting"] == ["ask"]
    answer = f"accord runs signal {run} --task ask --approve"
    assert answer in call("runs", "show", run).err
    assert answer in with_agents(call, "runs", "resume", run).err
    refused = call("runs", "signal", run)
    assert refused.code == 2
    assert "ACC917" in refused.err
    wrong = with_agents(call, "runs", "signal", run, "--data", '{"aproved": 1}')
    assert wrong.code == 2
    answered = with_agents(call, "runs", "signal", run, "--approve", "--comment", "fine", "--json")
    assert answered.code == 0, answered.err
    assert answered.document["state"] == "completed"
    assert call("runs", "show", run, "--task", "ask", "--json").document["output"] == {
        "approved": True,
        "comment": "fine",
    }
    assert call("runs", "signal", run, "--approve").code == 3


def test_what_waits_in_all_runs_is_listed_with_how_to_answer(call: Call) -> None:
    nothing = call("approvals", "list")
    assert (nothing.code, nothing.out, "accord runs list" in nothing.err) == (0, "", True)
    first = waiting_run(call)
    second = str(with_agents(call, "runs", "fork", "last", "--set", "asks=true", "--json").document["run"])
    listed = call("approvals", "list")
    assert listed.out.index(second[-8:]) < listed.out.index(first[-8:])
    assert "Go on?" in listed.out
    assert f"accord runs signal {second} --task ask --approve" in listed.err
    page = call("approvals", "list", "--limit", "1")
    assert page.err.strip().endswith(f"more: accord approvals list --after {second}")
    (one,) = call("approvals", "list", "--after", second, "--json").document["approvals"]
    assert (one["run"], one["task"], one["schema"]["required"]) == (first, "ask", ["approved"])
    of_one = call("approvals", "list", "--run", second[-8:], "--since", "1h", "--json").document
    assert [one["run"] for one in of_one["approvals"]] == [second]
    nothing = call("approvals", "list", "--kind", "signal", "--json").document
    assert nothing == {"approvals": [], "next": None, "damaged": []}
    assert call("approvals", "list", "--template", "other", "--json").document["approvals"] == []
    assert "ACC911" in call("approvals", "list", "--since", "soon").err


def test_a_run_is_paused_resumed_and_cancelled(call: Call) -> None:
    run = waiting_run(call)
    paused = call("runs", "pause", run, "--reason", "later", "--json")
    assert paused.document == {"run": run, "state": "paused"}
    assert call("runs", "pause", run).code == 3
    assert "paused" in call("runs", "list", "--state", "paused").out
    assert with_agents(call, "runs", "resume", run, "--json").document["state"] == "running"
    cancelled = with_agents(call, "runs", "cancel", run)
    assert cancelled.code == 0
    assert call("runs", "show", run, "--json").document["state"] == "cancelled"
    refused = call("runs", "resume", run)
    assert refused.code == 3
    assert "ACC403" in refused.err


def test_a_failed_task_is_retried(call: Call) -> None:
    with_agents(call, "run", "sum.yaml", "--set", "fails=true")
    again = with_agents(call, "runs", "retry", "last", "--task", "wrong")
    assert again.code == 1
    assert len(call("runs", "show", "last", "--task", "wrong", "--json").document["attempts"]) == 2
    assert with_agents(call, "runs", "retry", "last", "--task", "first").code == 3


def test_a_rollback_undoes_and_does_again(call: Call) -> None:
    with_agents(call, "run", "sum.yaml")
    again = with_agents(call, "runs", "rollback", "last", "--to", "first", "--json")
    assert again.code == 0, again.err
    assert again.document["output"]["first"] == 42
    assert call("runs", "show", "last", "--json").document["epoch"] == 1
    assert call("runs", "rollback", "last", "--to", "nope").code == 2


def test_what_was_taken_is_said_where_nobody_here_can_go_on(call: Call) -> None:
    assert with_agents(call, "run", "sum.yaml").code == 0
    told = call("runs", "rollback", "last", "--to", "first")
    assert told.code == 3
    assert "ACC918 the rollback is taken, but no agent here offers tiny.undo@^1 (task undo:first)" in told.err
    assert call("runs", "show", "last", "--json").document["state"] == "rolling_back"


def test_tasks_that_nobody_here_can_do_are_refused_before_anybody_waits(call: Call) -> None:
    with_agents(call, "run", "sum.yaml")
    refused = call("run", "sum.yaml")
    assert refused.code == 2
    assert "ACC918" in refused.err
    assert "tiny.double@^1 (tasks doubled, first)" in refused.err
    assert "--agents MODULE|FILE" in refused.err
    assert "--wait" in refused.err
    assert len(call("runs", "list", "--json").document["runs"]) == 1
    call("runs", "rollback", "last", "--to", "doubled", "--no-wait")
    alone = call("runs", "resume", "last")
    assert alone.code == 2
    assert "tiny.double@^1 (task doubled)" in alone.err
    assert "accord runs resume run_" in alone.err
    assert with_agents(call, "runs", "resume", "last", "--wait", "--json").document["state"] == "completed"


def test_without_waiting_a_command_leaves_the_run_to_others(call: Call) -> None:
    with_agents(call, "run", "sum.yaml")
    left = call("runs", "rollback", "last", "--to", "doubled", "--no-wait", "--json")
    assert left.document["state"] == "running"
    done = with_agents(call, "runs", "resume", "last", "--json")
    assert done.document["state"] == "completed"


def test_everything_a_template_or_an_agent_is_held_back(call: Call) -> None:
    with_agents(call, "run", "sum.yaml")
    for option, value in (("--all", None), ("--template", "tiny.sum"), ("--agent", "tiny")):
        what = [option] if value is None else [option, value]
        assert call("runs", "pause", *what, "--reason", "stocktaking").code == 0
        assert "stocktaking" in call("runs", "list", "--holds").out
        assert "held back" in call("runs", "list").err
        assert call("runs", "resume", *what).code == 0
        assert call("runs", "resume", *what).code == 3
    assert call("runs", "list", "--holds", "--json").document["holds"] == []


def test_all_open_runs_of_a_template_are_cancelled(call: Call) -> None:
    run = waiting_run(call)
    assert call("runs", "cancel", "--template", "tiny.sum", "--json").document == {"cancelled": [run]}
    assert call("runs", "cancel", "--all", "--json").document == {"cancelled": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "pause"],
        ["runs", "pause", "last", "--all"],
        ["runs", "cancel", "--template", "x", "--all"],
        ["runs", "resume"],
        ["runs", "signal", "last", "name", "--task", "t"],
        ["runs", "signal", "last", "--data", "{}", "--approve"],
        ["runs", "signal", "last", "--comment", "x"],
    ],
)
def test_options_that_do_not_go_together_are_refused(call: Call, arguments: list[str]) -> None:
    refused = call(*arguments)
    assert refused.code == 2
    assert "ACC913" in refused.err


# -- setting up --------------------------------------------------------------------------------------------------


def test_a_new_template_holds_runs_and_is_never_overwritten(call: Call, here: Path) -> None:
    assert call("new", "template", "nightly-check").code == 0
    assert call("verify", "nightly-check.yaml").code == 0
    ran = call("run", "nightly-check.yaml", "--set", "directory=.", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["output"]["inspected"] >= 1
    text = (here / "nightly-check.yaml").read_text()
    refused = call("new", "template", "nightly-check")
    assert refused.code == 2
    assert "ACC912" in refused.err
    assert (here / "nightly-check.yaml").read_text() == text


def test_a_new_agent_works(call: Call, here: Path) -> None:
    assert call("new", "agent", "greeter").code == 0
    assert call("verify", "greeter.py").code == 0
    (here / "greet.yaml").write_text(
        "accord: template/1\nname: greet\nversion: 1.0.0\ntasks:\n  greet:\n    uses: greeter.greet@^1\n"
        "    with: {name: Ada}\n"
    )
    ran = call("run", "greet.yaml", "--agents", "greeter.py", "--json")
    assert ran.document["output"]["greet"] == {"text": "Good day, Ada.", "letters": 14}


@pytest.mark.parametrize("name", ["Bad Name", "../up", "", "x" * 300])
def test_names_that_are_none_are_refused(call: Call, name: str) -> None:
    assert call("new", "agent", name).code == 2
    assert call("new", "template", name).code == 2


def test_verify_tells_all_problems_of_all_files(call: Call, here: Path) -> None:
    (here / "broken.yaml").write_text("accord: template/1\nname: Bad\nversion: 1\ntasks:\n  a: {sleep: soon}\n")
    (here / "agent.yaml").write_text("accord: agent/1\nname: it\ncapabilities: {}\n")
    (here / "notes.yaml").write_text("something: else\n")
    checked = with_agents(call, "verify", ".", "--json")
    assert checked.code == 2
    found = {Path(one["file"]).name: one for one in checked.document}
    assert set(found) == {"broken.yaml", "agent.yaml", "sum.yaml"}
    assert found["sum.yaml"]["ok"] is True
    assert len(found["broken.yaml"]["problems"]) >= 3
    assert all(problem["place"]["line"] for problem in found["broken.yaml"]["problems"])
    assert found["agent.yaml"]["problems"][0]["place"]["line"] == 3
    assert call("verify", "missing.yaml").code == 2
    assert not (here / "home").exists()


def test_agents_of_one_call_are_known_to_its_templates(call: Call) -> None:
    assert call("verify", "sum.yaml").code == 2
    assert call("verify", "sum.yaml", "tiny.py").code == 0


def test_keys_are_made_once_and_listed(call: Call, here: Path) -> None:
    assert call("keys", "list", "--json").document == []
    made = call("keys", "new", "notary", "--algorithm", "Ed25519", "--json").document
    assert made["jwk"]["alg"] in ("Ed25519", "EdDSA")
    assert "d" not in made["jwk"]
    assert stat.S_IMODE((here / "home" / "keys" / "notary.pem").stat().st_mode) == 0o600
    assert "notary" in call("keys", "list").out
    assert call("keys", "new", "notary").code == 4


def test_a_name_means_all_keys_of_it_that_are_accepted(call: Call) -> None:
    assert with_agents(call, "run", "sum.yaml").code == 0
    name = "agent.local.tiny"
    rotated = call("keys", "rotate", name, "--json").document
    told = call("keys", "impact", name)
    assert f"accord keys impact {rotated['old']}  (retiring)" in told.err
    assert call("keys", "impact", name, "--json").document["older"] == [rotated["old"]]
    assert call("keys", "impact", rotated["key"], "--json").document["older"] == []
    revoked = call("keys", "revoke", name)
    assert revoked.code == 0, revoked.err
    assert f"{rotated['key']} of tiny is revoked" in revoked.out
    assert f"{rotated['old']}, which it has replaced" in revoked.out
    assert call("keys", "revoke", name, "--at", "1h", "--json").document["older"] == []
    fresh = call("keys", "rotate", name, "--json").document["key"]
    refused = call("keys", "revoke", name, "--at", "2d")
    assert (refused.code, "ACC915" in refused.err) == (2, True)
    assert rotated["key"] in refused.err
    states = {one["key"]: one["state"] for one in call("keys", "list", "--json").document}
    assert [states[key] for key in (fresh, rotated["key"], rotated["old"])] == ["valid", "revoked", "revoked"]
    assert call("keys", "revoke", rotated["key"], "--at", "2d").code == 0


def test_what_is_quarantined_or_let_go_already_is_said(call: Call) -> None:
    assert with_agents(call, "run", "sum.yaml").code == 0
    impact = ("keys", "impact", "agent.local.tiny")
    assert "nothing to let go of" in call(*impact, "--release").err
    first = call(*impact, "--quarantine", "--reason", "lost").err
    assert ("gets nothing more" in first, "already" in first) == (True, False)
    again = call(*impact, "--quarantine", "--reason", "stolen").err
    assert "quarantined already" in again
    assert ": lost. That reason stays" in again
    assert "tiny is let go" in call(*impact, "--release").err
    assert "nothing to let go of" in call(*impact, "--release").err


def test_an_agent_whose_key_is_revoked_stops_nobody_else(call: Call) -> None:
    assert with_agents(call, "run", "sum.yaml").code == 0
    assert call("keys", "revoke", "agent.local.grader").code == 0
    ran = with_agents(call, "run", "sum.yaml")
    assert ran.code == 0, ran.err
    assert "grader is left out: its key is revoked. A new one: accord keys rotate agent.local.grader" in ran.err
    findings = {one["what"]: one for one in call("doctor", "--json").document["findings"]}
    assert findings["revoked keys"]["hint"] == "accord keys rotate agent.local.grader"
    (listed,) = (line for line in call("agents", "list").out.splitlines() if line.startswith("grader "))
    assert "revoked" in listed
    shown = call("agents", "show", "grader", "--json").document
    assert shown["revoked"]
    assert call("keys", "rotate", "agent.local.grader").code == 0
    assert "left out" not in with_agents(call, "run", "sum.yaml").err
    assert "is revoked" not in call("doctor").out


def test_the_doctor_finds_what_is_wrong(call: Call, here: Path) -> None:
    healthy = call("doctor", "--json")
    assert healthy.code == 0, healthy.out
    assert {one["what"] for one in healthy.document["findings"]} > {"python", "sqlite", "durability", "keys", "clock"}
    call("keys", "new", "notary")
    (here / "home" / "keys" / "notary.pem").chmod(0o644)
    (here / "home").chmod(0o777)
    sick = call("doctor")
    assert sick.code == 1
    assert "chmod 700" in sick.out
    assert "fail keys" in " ".join(sick.out.split())


def test_a_limit_on_what_nobody_offers_is_told(call: Call, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_CAPABILITY_LIMITS", '{"tiny.doubel": 2, "accord.diagnose": 1}')
    told = " ".join(call("doctor").out.split())
    assert "warn limits ACC718 capability_limits: no known agent offers tiny.doubel" in told
    started = with_agents(call, "run", "sum.yaml")
    assert started.code == 0
    assert "no known agent offers tiny.doubel (did you mean tiny.double?)" in " ".join(started.err.split())
    assert "did you mean tiny.double?" in " ".join(call("doctor").out.split()), "the journal knows who was here"
    monkeypatch.setenv("ACCORD_CAPABILITY_LIMITS", '{"tiny.double": 2}')
    assert "ok limits tiny.double: 2" in " ".join(call("doctor").out.split())
    assert "ACC718" not in with_agents(call, "run", "sum.yaml").err


def test_a_key_that_others_can_read_stops_a_run(call: Call, here: Path) -> None:
    with_agents(call, "run", "sum.yaml")
    (here / "home" / "keys" / "orchestrator.pem").chmod(0o644)
    refused = with_agents(call, "run", "sum.yaml")
    assert refused.code == 4
    assert "ACC6" in refused.err


def test_a_store_that_is_none_is_told(call: Call, here: Path) -> None:
    (here / "home").mkdir(mode=0o700)
    (here / "home" / "journal.db").write_bytes(b"no database" * 100)
    refused = call("runs", "list")
    assert refused.code == 4
    assert "ACC5" in refused.err


# -- what a newcomer meets ---------------------------------------------------------------------------------------

SLOPPY = """
from accord.sdk import Agent

agent = Agent("sloppy")

@agent.capability("sloppy.greet@1.0.0", output={"type": "string"})
def greet():
    return 5
"""

GREETING = """
accord: template/1
name: greeting
version: 1.0.0
tasks:
  greeting: {uses: sloppy.greet@^1, with: {}}
output: "${ tasks.greeting.output }"
"""


def test_a_repaired_result_is_told(call: Call, here: Path) -> None:
    (here / "sloppy.py").write_text(SLOPPY)
    (here / "greeting.yaml").write_text(GREETING)
    told = call("run", "greeting.yaml", "--agents", "sloppy.py")
    assert told.code == 0, told.err
    words = '1 result repaired by diagnostician: greeting (output: 5 → "5")'
    assert words in told.err
    shown = call("runs", "show", "last")
    assert words in shown.out
    assert 'output  "5"' in shown.out
    [repaired] = call("runs", "show", "last", "--json").document["repaired"]
    assert repaired["task"] == "greeting"
    assert repaired["changes"] == [{"pointer": "", "rule": "text-from-number", "before": 5, "after": "5"}]


def test_without_arguments_the_help_is_all(call: Call) -> None:
    told = call()
    assert told.code == 2
    assert "Usage" in told.out
    assert told.err == ""


def test_a_failure_is_told_once_per_attempt_and_once_at_the_end(call: Call) -> None:
    failed = with_agents(call, "run", "sum.yaml", "--set", "fails=true")
    assert failed.err.count("because") == 2


# -- wrong command lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--bogus"], "ACC910"),
        (["runs", "lst"], "ACC910"),
        (["run"], "ACC910"),
        (["runs", "list", "--state", "odd"], "ACC910"),
        (["runs", "list", "--limit", "0"], "ACC910"),
        (["runs", "list", "--since", "once"], "ACC911"),
        (["run", "missing.yaml"], "ACC911"),
        (["run", "sum.yaml", "--input", "missing.json"], "ACC911"),
        (["run", "sum.yaml", "--input", "{"], "ACC101"),
        (["run", "sum.yaml", "--set", "x"], "ACC911"),
        (["run", "sum.yaml", "--set", "unknown=1"], "ACC450"),
        (["run", "no-such-template"], "ACC761"),
        (["run", "make me a sandwich"], "ACC800"),
        (["run", "sum.yaml", "--agents", "no_such_module_here"], "ACC745"),
        (["run", "sum.yaml", "--agents", "missing.yaml"], "ACC100"),
        (["run", "sum.yaml", "--agents", "sum.yaml"], "ACC740"),
    ],
)
def test_a_wrong_command_line_is_told_with_its_code(call: Call, arguments: list[str], code: str) -> None:
    refused = call(*arguments)
    assert refused.code == 2, refused.err
    assert code in refused.err
    as_json = call(*arguments, "--json")
    assert as_json.code == 2
    if arguments != ["--bogus"]:
        assert code in {problem["code"] for problem in json.loads(as_json.err)["problems"]}


def test_what_only_describes_is_told_before_a_run_begins_and_what_would_change_it_is_refused(call: Call) -> None:
    ran = with_agents(call, "run", "gently double the number 21")
    assert ran.code == 0, ran.err
    assert "not understood: `gently`" in ran.err
    for words, told in (("sing, then double the number 21", "`sing`"), ("double the number 21 twice", "`twice`")):
        refused = with_agents(call, "run", words)
        assert (refused.code, "ACC816" in refused.err, told in refused.err) == (2, True, True), refused.err


def test_what_an_objective_leaves_out_is_told_with_the_option_that_gives_it(call: Call) -> None:
    refused = call("plan", "please audit")
    assert refused.code == 2
    assert "--set directory=…" in refused.err
    given = call("plan", "please audit", "--set", "directory=.", "--json")
    assert json.loads(given.out)["input"]["directory"] == "."


def test_what_an_objective_leaves_out_is_asked_for_at_the_terminal(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def answered(schema: Any, screen: Any) -> Any:
        asked.append(schema["required"])
        return {"directory": "."}

    monkeypatch.setattr("accord.cli.choosing.can_ask", lambda screen: True)
    monkeypatch.setattr("accord.cli.choosing.asked_value", answered)
    found = call("plan", "please audit")
    assert found.code == 0, found.err
    assert asked == [["directory"]]
    assert '"directory":"."' in found.out


def test_two_agents_of_one_name_are_refused(call: Call, here: Path) -> None:
    (here / "twin.py").write_text(AGENTS)
    refused = with_agents(call, "run", "sum.yaml", "--agents", "twin.py")
    assert refused.code == 2
    assert "ACC734" in refused.err


def test_an_unknown_setting_is_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_HOEM", "x")
    refused = call("runs", "list")
    assert refused.code == 2
    assert "ACC901" in refused.err


def test_a_fault_of_accord_is_told_without_a_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh no")

    monkeypatch.setattr(importlib.import_module("accord.cli.actions.runs"), "carry_out", broken)
    told = call("runs", "list")
    assert told.code == 70
    assert "ZeroDivisionError: oh no" in told.err


def test_the_version_is_told(call: Call) -> None:
    assert call("version").out.startswith("accord ")
    assert call("--version").out == call("version").out
    assert set(call("version", "--json").document) == {"accord", "python", "platform"}


# -- planner -----------------------------------------------------------------------------------------------------


def test_the_planner_learns_what_words_mean_from_whom_it_may(call: Call, here: Path) -> None:
    with_agents(call, "templates", "publish", "sum.yaml")
    said = ("run", "just double 4, 5", "--template", "tiny.sum")
    assert "planner forget" not in with_agents(call, *said).err
    assert call("planner", "examples", "--json").document == []
    assert "ACC140" in call("planner", "teach", "order a pizza").err
    (here / "home" / "settings.toml").write_text('learn_from = ["*"]\n')
    told = with_agents(call, *said).err
    (kept,) = call("planner", "examples", "--json").document
    assert (kept["words"], kept["template"], kept["how"]) == ("just double {numbers}", "tiny.sum", "chosen")
    assert f"accord planner forget {kept['example']}\n" in told
    (here / "mine.yaml").write_text(SUM.replace("1.0.0", "1.1.0", 1))
    with_agents(call, "run", "the double of 4, 5", "--template", "mine.yaml")
    assert "means nothing that is here" in call("planner", "teach", "order a pizza").out
    told = call("planner", "examples").out
    assert [word in told for word in ("corrected", "nothing here", "order a pizza")] == [True] * 3
    assert "are destroyed" in call("planner", "forget", kept["example"]).out
    state = call("planner", "show", "--json").document
    assert (state["learns_from_you"], state["learnt"], state["version"]) == (True, 2, 0)
    refused = call("planner", "train")
    assert (refused.code, "ACC144" in refused.err) == (3, True)
    assert "None was trained yet" in call("planner", "versions").err
    assert "version 0" in call("planner", "use", "0").out


def test_a_template_is_named_for_words_alone(call: Call) -> None:
    plan = call("plan", "twice as much of 4, 5", "--template", "tiny.sum", "--agents", "tiny.py", "--json")
    assert plan.code == 2  # it is not published, and no file is named
    refused = call("plan", "sum.yaml", "--template", "tiny.sum")
    assert (refused.code, "ACC911" in refused.err) == (2, True)
