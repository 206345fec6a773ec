"""Workflow tests: found, read, verified, played by the real engine on a clock of their own, and told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as Xml

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog
from ruamel.yaml import YAML

from accord.cli import main
from accord.cli.rehearsing import Rehearsed, Setting, rehearsed
from accord.engine.node import Node
from accord.testing.simulation import _NoSelector
from accord.testing.stage import node_on

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "workflows"

TEMPLATE = """
accord: template/1
name: t
version: 1.0.0
input: {type: object, properties: {n: {type: integer}}, required: [n]}
tasks:
  pause: {sleep: 3d}
  ask: {needs: [pause], approval: {title: "ok?"}}
  double:
    needs: [ask]
    uses: m.double@^1
    with: {n: "${ input.n }"}
    retry: {attempts: 3, backoff: {first: 1s, jitter: 0}}
  each:
    for_each: "${ [1, 2] }"
    uses: m.double@^1
    with: {n: "${ item }"}
output: "${ {'double': tasks.double.output, 'each': tasks.each.output} }"
"""

TEST = """
accord: test/1
name: it is doubled
template: ./t.yaml
input: {n: 2}
contracts:
  m.double@1.0.0: {input: {type: object}, output: {type: integer}}
agents:
  double:
    - {output: 4, confidence: 0.9, cost: "0.5", delay: 50s}
  each[0]:
    - {output: 2}
  m.double:
    - {input: {n: 2}, output: 4}
said:
  - {task: ask, value: {approved: true}, after: 1d}
expect:
  state: completed
  output: {double: 4, each: [2, 4]}    # as it was in May
  tasks: {double: completed, "each[1]": completed}
  order: [pause, ask, double]
  attempts: {double: 1}
  cost: "0.5"
  duration: {at_least: 4d, at_most: 97h}
"""

INNER = """
accord: template/1
name: inner
version: 1.0.0
input: {type: object, properties: {n: {type: integer}}, required: [n]}
tasks:
  ok: {approval: {title: "inner ok?"}}
  double: {needs: [ok], uses: m.double@^1, with: {n: "${ input.n }"}}
output: "${ tasks.double.output }"
"""

OUTER = """
accord: template/1
name: outer
version: 1.0.0
input: {type: object, properties: {n: {type: integer}}, required: [n]}
on_failure: compensate
tasks:
  go: {signal: {name: start}}
  book:
    needs: [go]
    uses: m.book@^1
    with: {n: "${ input.n }"}
    compensate: {uses: m.undo@^1, with: {n: "${ input.n }"}}
  inside: {needs: [book], workflow: inner@^1, with: {n: "${ input.n }"}}
  last: {needs: [inside], uses: m.last@^1, with: {n: "${ tasks.inside.output }"}, retry: {attempts: 1}}
output: "${ tasks.last.output }"
"""

BELOW = """
accord: test/1
name: below
template: outer.yaml
input: {n: 2}
labels: [confidential]
contracts:
  m.double@1.0.0: {input: {type: object}, output: {type: integer}, labels: [personal]}
  m.book@1.0.0: {input: {type: object}, output: {type: integer}}
  m.undo@1.0.0: {input: {type: object}, output: {type: integer}}
  m.last@1.0.0: {input: {type: object}, output: {type: integer}}
agents:
  inside/double: [{output: "four"}, {output: 4}]
  inside/double!: [{output: {verdict: retry, explanation: again}}]
  book: [{output: 1}]
  last: [{output: 7}]
said:
  - {signal: start, after: 1h}
  - {task: inside/ok, value: {approved: true}}
expect:
  state: completed
  output: 7
  labels: [confidential, personal]
  attempts: {inside/double: 2}
  tasks: {inside/double: completed, inside: completed}
"""

DOUBLER = """
from accord import Agent, Result

agent = Agent("doubler")

@agent.capability("m.double@1.0.0")
async def double(n: int) -> Result[int]:
    print("working")
    return Result(2 * n, cost="0.25")
"""


class Place(NamedTuple):
    folder: Path

    def __call__(
        self, *changes: tuple[str, str], template: str = TEMPLATE, setting: Setting | None = None
    ) -> Rehearsed:
        (self.folder / "t.yaml").write_text(template)
        text = TEST
        for before, after in changes:
            assert before in text, before
            text = text.replace(before, after)
        file = self.folder / "a.test.yaml"
        file.write_text(text)
        return rehearsed(file, setting or Setting())


@pytest.fixture
def play(tmp_path: Path) -> Place:
    return Place(tmp_path)


def codes(told: Rehearsed) -> list[str]:
    return [problem.code for problem in told.problems]


class Said(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))

    def called(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        told = capsys.readouterr()
        return Said(int(ended.value.code or 0), told.out, told.err)

    return called


# -- playing -----------------------------------------------------------------------------------------------------


def test_days_pass_in_a_moment_and_all_is_as_expected(play: Place) -> None:
    told = play()
    assert (told.verdict, told.problems) == ("passed", ())
    assert told.seen is not None
    assert told.seen.duration_s == 4 * 86_400 + 50
    assert play() == told, "the same test is told otherwise when it is played again"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("state: completed", "state: failed"), "ACC930"),
        (("state: completed", "problem: ACC420"), "ACC931"),
        (("each: [2, 4]}", "each: [2, 5]}"), "ACC932"),
        (("output: {double: 4, each: [2, 4]}", "output_schema: {required: [more]}"), "ACC933"),
        (("double: completed,", "double: skipped,"), "ACC934"),
        (("order: [pause, ask, double]", "order: [double, pause]"), "ACC935"),
        (("attempts: {double: 1}", "attempts: {double: 2}"), "ACC936"),
        (('  cost: "0.5"', '  cost: "0.6"'), "ACC937"),
        (("at_most: 97h", "at_most: 1h"), "ACC938"),
        (("at_least: 4d", "at_least: 40d"), "ACC938"),
        (("state: completed", "labels: [personal]"), "ACC939"),
        (("state: completed", "holds: [output.double == 5]"), "ACC940"),
        (("  - {task: ask, value: {approved: true}, after: 1d}", "  []"), "ACC941"),
        (("said:", "faults: [{task: double, attempt: 2, what: lost}]\nsaid:"), "ACC945"),
        (("after: 1d}", "after: 1d}\n  - {task: ask, value: {approved: true}}"), "ACC944"),
    ],
)
def test_what_is_not_as_expected_fails_with_its_place(play: Place, change: tuple[str, str], code: str) -> None:
    told = play(change)
    assert told.verdict == "failed"
    assert code in codes(told), told.problems
    assert all(problem.place.line for problem in told.problems), told.problems


def test_everything_is_told_at_once(play: Place) -> None:
    told = play(
        ("state: completed", "state: failed"), ("each: [2, 4]}", "each: [3, 5]}"), ("{double: 1}", "{double: 9}")
    )
    assert sorted(codes(told)) == ["ACC930", "ACC932", "ACC932", "ACC936"]
    assert [problem.place.pointer for problem in told.problems if problem.code == "ACC932"] == [
        "/expect/output/each/0",
        "/expect/output/each/1",
    ]


@pytest.mark.parametrize(
    ("fault", "attempts", "seconds"),
    [("lost", 1, 55), ("twice", 1, 50), ("crash", 1, 50), ("gone", 2, 81), ("late", 2, 121)],
)
def test_faults_happen_and_are_survived(play: Place, fault: str, attempts: int, seconds: int) -> None:
    told = play(
        ("said:", f"faults: [{{task: double, what: {fault}}}]\nsaid:"),
        ("attempts: {double: 1}", f"attempts: {{double: {attempts}}}"),
    )
    assert codes(told) == [] or (fault == "late" and codes(told) == ["ACC937"]), told.problems
    assert told.seen is not None
    assert told.seen.duration_s == pytest.approx(4 * 86_400 + seconds, abs=1)


def test_after_a_crash_another_orchestrator_carries_the_run_on(play: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Node] = []

    async def counted(*given: Any) -> Node:
        made.append(await node_on(*given))
        return made[-1]

    monkeypatch.setattr("accord.testing.rehearsal.play.node_on", counted)
    assert play(("said:", "faults: [{task: double, what: crash}]\nsaid:")).problems == ()
    assert len(made) == 2


def test_an_agent_that_errs_breaks_its_contract_and_is_silent_is_asked_again(play: Place) -> None:
    answers = """
    - {error: {code: busy, message: later, retryable: true}}
    - {output: many}
    - {output: 4}
"""
    change = ("""
    - {output: 4, confidence: 0.9, cost: "0.5", delay: 50s}
""", answers)  # fmt: skip
    told = play(change, ("attempts: {double: 1}", "attempts: {double: 3}"), ('cost: "0.5"\n  duration', "duration"))
    assert told.problems == ()
    silent = answers.replace("{output: many}", "{silent: true}")
    told = play((change[0], silent), ("attempts: {double: 1}", "attempts: {double: 3}"), ('  cost: "0.5"\n', ""))
    assert told.problems == ()


def test_what_nobody_answers_is_told(play: Place) -> None:
    told = play(("  m.double:\n    - {input: {n: 2}, output: 4}\n", ""))
    assert "ACC943" in codes(told)


def test_agents_that_are_given_do_what_no_script_says(play: Place, tmp_path: Path) -> None:
    (tmp_path / "doubler.py").write_text(DOUBLER)
    changes = [
        ("contracts:\n  m.double@1.0.0: {input: {type: object}, output: {type: integer}}\n", ""),
        ("  m.double:\n    - {input: {n: 2}, output: 4}\n", ""),
        ('  cost: "0.5"', '  cost: "0.75"'),
    ]
    told = play(*changes, setting=Setting(agents=(str(tmp_path / "doubler.py"),)))
    assert (told.verdict, told.problems) == ("passed", ())


def test_runs_that_do_tasks_diagnoses_signals_labels_and_undoing(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text(INNER)
    (tmp_path / "outer.yaml").write_text(OUTER)
    file = tmp_path / "a.test.yaml"
    file.write_text(BELOW)
    told = rehearsed(file, Setting())
    assert (told.verdict, told.problems) == ("passed", ())
    undone = "last: [{error: {message: no}}]\n  'undo:book': [{output: 0}]"
    text = BELOW.replace("last: [{output: 7}]", undone).replace("state: completed", "state: failed")
    text = text.replace("  output: 7\n", "").replace("  labels: [confidential, personal]\n", "")
    file.write_text(text.replace("tasks: {", "tasks: {'undo:book': completed, "))
    told = rehearsed(file, Setting())
    assert (told.verdict, told.problems) == ("passed", ())


@pytest.mark.parametrize("sleep", ["3d", "1000d"])
def test_time_jumps_over_what_sleeps_or_works_for_days(
    play: Place, monkeypatch: pytest.MonkeyPatch, sleep: str
) -> None:
    waits: list[float | None] = []
    select = _NoSelector.select

    def counted(selector: _NoSelector, timeout: float | None) -> list[Any]:
        waits.append(timeout)
        return select(selector, timeout)

    monkeypatch.setattr(_NoSelector, "select", counted)
    changes = [("duration: {at_least: 4d, at_most: 97h}", "holds: [output.double == 4]"), ("50s", sleep)]
    told = play(*changes, template=TEMPLATE.replace("sleep: 3d", f"sleep: {sleep}"))
    assert told.problems == ()
    days = 2 * int(sleep.removesuffix("d")) + 1
    assert len([one for one in waits if one]) < 3 * days + 100


def test_policies_that_are_given_decide_who_may_answer(play: Place, call: Call, tmp_path: Path) -> None:
    play()
    whoever = '@id("any") permit (principal, action, resource);'
    allowed, barred = tmp_path / "allowed.cedar", tmp_path / "barred.cedar"
    allowed.write_text(whoever)
    barred.write_text(
        f'{whoever}\n@id("no-doubling") forbid (principal, action == Action::"execute", resource)'
        ' when { resource.name == "m.double" };'
    )
    assert call("test", play.folder, "--policies", allowed).code == 0
    said = call("test", play.folder, "--policies", barred)
    assert (said.code, "ACC941" in said.out) == (1, True), said.out
    (tmp_path / "broken.cedar").write_text("permit (")
    said = call("test", play.folder, "--policies", tmp_path / "broken.cedar")
    assert (said.code, "ACC67" in said.err) == (2, True), said.err


# -- what cannot be played ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("  double:\n", "  dobule:\n"), "ACC946"),
        (("order: [pause, ask, double]", "order: [pause, ask, doubel]"), "ACC946"),
        (("input: {n: 2}\n", f"input: {{n: 2}}\ndigest: '{'0' * 64}'\n"), "ACC947"),
        (("./t.yaml", "./u.yaml"), "ACC948"),
        (("./t.yaml", "nobody-knows-this"), "ACC948"),
        (("m.double@1.0.0: {", "m.double@one: {"), "ACC231"),
        (("state: completed", "holds: [output.double ==]"), "ACC200"),
        (("state: completed", "stat: completed"), "ACC591"),
    ],
)
def test_a_test_that_cannot_be_played_says_why(play: Place, change: tuple[str, str], code: str) -> None:
    told = play(change)
    assert told.verdict == "invalid"
    assert code in codes(told), told.problems
    assert all(problem.place.line for problem in told.problems), told.problems


def test_an_input_that_breaks_the_schema_fails(play: Place) -> None:
    assert codes(play(("input: {n: 2}\nc", "input: {n: two}\nc"))) == ["ACC450"]


def test_the_template_is_verified_and_not_played_where_it_does_not_hold(play: Place) -> None:
    told = play(template=TEMPLATE.replace("tasks.double.output", "tasks.dobule.output"))
    assert (told.verdict, codes(told), told.seen) == ("failed", ["ACC130"], None)
    assert told.problems[0].place.file == str(play.folder / "t.yaml")
    assert told.verification == told.problems


# -- the command -------------------------------------------------------------------------------------------------


def test_the_examples_pass_and_are_told_as_text_junit_and_json(call: Call, tmp_path: Path) -> None:
    junit, sarif = tmp_path / "tests.xml", tmp_path / "findings.sarif"
    said = call("test", EXAMPLE, "--agents", EXAMPLE / "agents.yaml", "--junit", junit, "--sarif", sarif)
    assert said.code == 0, said.out
    assert said.out.count("✔") == 3
    suite = Xml.parse(junit).getroot()  # noqa: S314 - written just now
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "0", "0")
    assert json.loads(sarif.read_text())["runs"][0]["results"] == []
    said = call("test", EXAMPLE, "--agents", EXAMPLE / "agents.yaml", "-k", "leave nothing", "--json")
    assert [one["verdict"] for one in json.loads(said.out)] == ["passed"]


def test_a_failed_test_ends_with_1_and_one_that_is_wrong_with_2(play: Place, call: Call, tmp_path: Path) -> None:
    play(("state: completed", "state: failed"))
    junit = tmp_path / "tests.xml"
    said = call("test", play.folder, "--junit", junit)
    assert (said.code, said.out.count("ACC930")) == (1, 1)
    assert Xml.parse(junit).getroot().find("testcase/failure") is not None  # noqa: S314 - written just now
    (play.folder / "b.test.yaml").write_text(TEST.replace("expect:", "expects:"))
    said = call("test", play.folder, "--junit", junit)
    assert (said.code, "ACC591" in said.out) == (2, True)
    assert Xml.parse(junit).getroot().find("testcase/error") is not None  # noqa: S314 - written just now


def test_all_that_is_wrong_with_the_command_is_told_at_once(call: Call, tmp_path: Path) -> None:
    said = call("test", tmp_path, tmp_path / "nowhere", "--junit", tmp_path, "--agents", "no_such_module")
    assert said.code == 2
    assert said.err.count("ACC911") == 2
    assert "ACC914" in said.err
    assert "no_such_module" in said.err


def test_update_rewrites_what_is_expected_and_keeps_the_rest(play: Place, call: Call) -> None:
    play(("each: [2, 4]}", "each: [7]}"), ("attempts: {double: 1}", "attempts: {double: 9}"))
    said = call("test", play.folder, "--update")
    assert (said.code, "rewritten" in said.err) == (0, True)
    written = (play.folder / "a.test.yaml").read_text()
    assert "as it was in May" in written
    assert YAML(typ="safe").load(written)["expect"]["output"] == {"double": 4, "each": [2, 4]}


def test_tests_are_played_by_several_processes(play: Place, call: Call) -> None:
    play()
    shutil.copy(play.folder / "a.test.yaml", play.folder / "b.test.yaml")
    said = call("test", play.folder, "--jobs", 2)
    assert (said.code, said.out.count("✔")) == (0, 2)


def test_a_published_template_is_tested_by_its_name(play: Place, call: Call, tmp_path: Path) -> None:
    play()
    (tmp_path / "doubler.py").write_text(DOUBLER)
    assert call("templates", "publish", play.folder / "t.yaml", "--agents", tmp_path / "doubler.py").code == 0
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "a.yaml").write_text(TEST.replace("./t.yaml", "t@^1"))
    assert call("test", folder).code == 0


def test_a_run_is_recorded_or_captured_and_passes_as_it_is(call: Call, tmp_path: Path) -> None:
    (tmp_path / "doubler.py").write_text(DOUBLER)
    template = TEMPLATE.replace('  ask: {needs: [pause], approval: {title: "ok?"}}\n', "").replace("[ask]", "[pause]")
    (tmp_path / "t.yaml").write_text(template.replace("3d", "1ms"))
    tests = tmp_path / "tests"
    tests.mkdir()
    recorded, agents = tests / "recorded.test.yaml", ("--agents", tmp_path / "doubler.py")
    said = call("run", tmp_path / "t.yaml", "--set", "n=2", *agents, "--record", recorded)
    assert said.code == 0, said.err
    assert call("runs", "capture", "last", "--output", tests / "captured.test.yaml").code == 0
    told = call("test", tests)
    assert (told.code, told.out.count("✔")) == (0, 2), told.out
    again = call("run", tmp_path / "t.yaml", "--set", "n=2", *agents, "--record", recorded)
    assert (again.code, "ACC912" in again.err) == (2, True)


SPARED = """
accord: template/1
name: spared
version: 1.0.0
input: {type: object, properties: {n: {type: integer}}, required: [n]}
tasks:
  double: {uses: m.double@^1, with: {n: "${ input.n }"}}
  never: {when: "${ input.n > 9 }", uses: m.spare@^1, with: {n: 1}}
  below: {when: "${ input.n > 9 }", workflow: inner@^1, with: {n: 1}}
output: "${ tasks.double.output }"
"""

SPARE = """

@agent.capability("m.spare@1.0.0")
async def spare(n: int) -> int:
    return n

@agent.capability("m.rare@1.0.0")
async def rare(n: int) -> int:
    return n
"""


def test_a_captured_test_has_the_contracts_of_what_never_ran(call: Call, tmp_path: Path) -> None:
    (tmp_path / "doubler.py").write_text(DOUBLER + SPARE)
    (tmp_path / "spared.yaml").write_text(SPARED)
    (tmp_path / "inner.yaml").write_text(INNER.replace("m.double", "m.rare"))
    agents = ("--agents", tmp_path / "doubler.py")
    assert call("templates", "publish", tmp_path / "inner.yaml", *agents).code == 0
    assert call("run", tmp_path / "spared.yaml", "--set", "n=2", *agents).code == 0
    captured = tmp_path / "captured.test.yaml"
    assert call("runs", "capture", "last", "--output", captured).code == 0
    contracts = YAML(typ="safe").load(captured.read_text())["contracts"]
    assert set(contracts) == {"m.double@1.0.0", "m.spare@1.0.0", "m.rare@1.0.0"}
    told = call("test", captured)
    assert (told.code, told.out.count("✔")) == (0, 1), told.out


def test_what_agents_answer_is_recorded_into_a_test(play: Place, call: Call, tmp_path: Path) -> None:
    (tmp_path / "doubler.py").write_text(DOUBLER)
    play(("output: 4, confidence", "output: 5, confidence"))
    said = call("test", play.folder, "--record", "--agents", tmp_path / "doubler.py")
    assert (said.code, "rewritten" in said.err) == (0, True), said.out
    written = YAML(typ="safe").load((play.folder / "a.test.yaml").read_text())
    assert written["agents"]["double"][0] == {"output": 4, "agent": "doubler", "cost": "0.25"}
    assert written["expect"]["cost"] == "0.75"
    assert call("test", play.folder).code == 0


# -- SARIF, and continuous integration ---------------------------------------------------------------------------


def sarif_of(path: Path) -> dict[str, Any]:
    """What is written; it keeps the schema of OASIS, of which these models are made."""
    found: dict[str, Any] = json.loads(path.read_text())
    SarifLog.model_validate(found)
    run = found["runs"][0]
    rules = [one["id"] for one in run["tool"]["driver"]["rules"]]
    assert all(rules[one["ruleIndex"]] == one["ruleId"] for one in run["results"])
    return found


def test_findings_of_the_verifier_are_written_as_sarif(play: Place, call: Call, tmp_path: Path) -> None:
    play(template=TEMPLATE.replace("tasks.double.output", "tasks.dobule.output"))
    out = tmp_path / "findings.sarif"
    assert call("test", play.folder, "--sarif", out).code == 1
    (found,) = sarif_of(out)["runs"][0]["results"]
    assert (found["ruleId"], found["level"]) == ("ACC130", "error")
    spot = found["locations"][0]["physicalLocation"]
    assert spot["artifactLocation"]["uri"].endswith("/t.yaml")
    assert spot["region"]["startLine"] > 1
    assert call("verify", play.folder / "t.yaml", "--sarif", out).code == 2
    assert {one["ruleId"] for one in sarif_of(out)["runs"][0]["results"]} == {"ACC130", "ACC820"}
    assert call("verify", play.folder / "t.yaml", "--sarif", tmp_path).code == 2


def test_findings_have_their_rule_and_their_counterexample(call: Call, tmp_path: Path) -> None:
    template, agents, out = tmp_path / "t.yaml", tmp_path / "a.yaml", tmp_path / "found.sarif"
    template.write_text(
        "accord: template/1\nname: t\nversion: 1.0.0\ninput: {type: object, properties: {n: {}}, required: [n]}\n"
        "tasks: {count: {uses: text.count@^1, with: {n: '${ input.n }'}}}\n"
    )
    agents.write_text(
        "accord: agent/1\nname: a\ncapabilities:\n  text.count@1.0.0:\n    input: {type: object, properties: {n: {type:"
        " integer}}}\n    output: {type: integer}\n    run: {command: [wc]}\n"
    )
    said = call("verify", template, "--agents", agents, "--json", "--sarif", out)
    (told,) = json.loads(said.out)
    (problem,) = [one for one in told["problems"] if one["code"] == "ACC822"]
    assert problem["rule"] == "an edge that its contract refutes"
    assert (problem["place"]["line"], problem["place"]["pointer"]) == (5, "/tasks/count/with/n")
    assert not isinstance(problem["example"]["n"], int)
    assert {fact["check"] for fact in told["facts"]} >= {"structure", "contracts", "bounds"}
    assert told["bounds"]["at_once"] == 1
    run = sarif_of(out)["runs"][0]
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][0]["shortDescription"]["text"] == problem["rule"]
    assert result["properties"]["example"] == problem["example"]


def test_verify_looks_at_workflow_tests_too(play: Place, call: Call) -> None:
    play(("expect:", "expects:"))
    said = call("verify", play.folder / "a.test.yaml")
    assert (said.code, "ACC591" in said.out) == (2, True)


def test_the_github_workflow_calls_what_there_is(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = YAML(typ="safe").load((EXAMPLE / "ci" / "github.yaml").read_text())
    assert set(workflow) == {"name", "on", "permissions", "jobs"}
    (job,) = workflow["jobs"].values()
    assert job["runs-on"]
    steps = job["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    assert all("@v" in step["uses"] for step in steps if "uses" in step)
    commands = [line for step in steps for line in step.get("run", "").splitlines() if line.startswith("accord ")]
    assert {line.split()[1] for line in commands} == {"verify", "test"}
    uploaded = str([step["with"] for step in steps if "with" in step])
    shutil.copytree(EXAMPLE, tmp_path / "workflows")
    monkeypatch.chdir(tmp_path)
    for line in commands:
        assert call(*line.replace(" --jobs 2", "").split()[1:]).code == 0, line
        for written in (one for one in line.split() if one.endswith((".xml", ".sarif"))):
            assert (tmp_path / written).is_file()
            assert written in uploaded
