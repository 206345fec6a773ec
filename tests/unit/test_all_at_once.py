"""Everything that is wrong is told in one go: no stage hides the next, and nothing is told that only follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.cli import main
from accord.cli.examining import verified
from accord.domain.capability import CapabilityName, Version
from accord.domain.contract import Contract, compile_contract
from accord.errors import BadInput, Problem, Problems, TemplateInvalid
from accord.sdk.declared import declared_agent
from accord.sdk.load import load_agents
from accord.templates.reading import examine
from accord.verifier.known import ContractTable, NoTemplates

HEAD = "accord: template/1\nname: sample\nversion: 1.0.0\n"
TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


def contract(name: str, output: Any) -> Contract:
    return compile_contract(
        capability=CapabilityName(name), version=Version.parse("1.0.0"), input_schema=TEXT, output_schema=output
    )


AGENTS = ContractTable([contract("text.count", {"type": "integer"}), contract("text.trim", {"type": "string"})])


def told(text: str) -> list[tuple[str, int | None]]:
    """Codes and lines of all that is told of a template, in the order in which it is told."""
    found = verified(examine(text, file="t.yaml"), AGENTS, NoTemplates())
    assert all(each.place.file == "t.yaml" and each.place.column for each in found.problems)
    return [(each.code, each.place.line) for each in found.problems]


def test_syntax_shape_rules_expressions_and_edges_are_told_together() -> None:
    text = (
        HEAD
        + "version: 1.0.1\n"
        + "tasks:\n"
        + "  shape: {uses: text.count@^1, timeout: 5, with: {text: 5}}\n"
        + "  rule: {uses: text.count@^1, parallel: 2, with: {txt: x}}\n"
        + '  expression: {uses: text.count@^1, with: {text: "${ 1 + }", more: 1}}\n'
        + '  edge: {uses: text.count@^1, with: {text: "${ tasks.shape.output }"}}\n'
        + '  mention: {uses: text.count@^1, with: {text: "${ tasks.nobody.output }"}}\n'
        + "  nobody_here: {uses: text.cuont@^1}\n"
    )
    assert told(text) == [
        ("ACC102", 4),
        ("ACC112", 6),
        ("ACC822", 6),
        ("ACC121", 7),
        ("ACC822", 7),
        ("ACC822", 7),
        ("ACC200", 8),
        ("ACC822", 8),
        ("ACC822", 9),
        ("ACC130", 10),
        ("ACC820", 11),
    ]


USE = 'use: {uses: text.count@^1, with: {text: "${ tasks.a.output }"}}'


@pytest.mark.parametrize(
    ("broken", "codes"),
    [
        # What a task gives that cannot be read is anything: whoever reads it is not told off.
        ("a: {uses: Nope}", ["ACC114"]),
        ("a: nothing", ["ACC112"]),
        ("a: {description: rest}", ["ACC120"]),
        ("a: {uses: text.count@soon}", ["ACC128"]),
        ("a: {uses: text.count@^1, with: {text: x}, fallback: [{}]}", ["ACC123"]),
        ("a: {signal: {name: go, schema: {type: objct}}}", ["ACC240"]),
        ("a: {approval: {titel: Go?}}", ["ACC110", "ACC822"]),
        # A key that nobody knows may have been meant for any other.
        ("a: {uses: text.trim@^1, loop: 3, with: {text: '${ item }'}}", ["ACC110"]),
        ("a: {action: text.trim@^1, timeout: 5s}", ["ACC110"]),
        # A misspelt key counts as what was meant.
        ("a: {usess: text.trim@^1, with: {text: x}}", ["ACC110"]),
        ("a: {uses: text.trim@^1, foreach: '${ [\"x\"] }', with: {text: '${ item }'}}", ["ACC110", "ACC822"]),
        # Without a key that cannot be read, but that changes nothing of what is given, the rest is told.
        ("a: {uses: text.count@^1, timeout: 5, with: {text: x}}", ["ACC112", "ACC822"]),
        # An expression that does not compile gives anything, and no more.
        ("a: {uses: text.trim@^1, with: {text: '${ tasks.nobody.output.text }'}}", ["ACC130"]),
        ("a: {uses: text.trim@^1, with: {text: '${ item }'}}", ["ACC132"]),
        ("a: {uses: text.trim@^1, with: {text: '${ tasks.a.output }'}}", ["ACC133"]),
        ("a: {uses: text.trim@^1, when: '${ 1 + }', with: {text: x}}", ["ACC200"]),
        ("a: {uses: text.trim@^1, for_each: five, with: {text: '${ item }'}}", ["ACC114"]),
        ("a: {uses: text.trim@^1, needs: [use], with: {text: x}}", ["ACC131"]),
        ("A: {uses: text.trim@^1, with: {text: x}}", ["ACC114", "ACC130"]),
    ],
)
def test_nothing_is_told_that_only_follows(broken: str, codes: list[str]) -> None:
    assert [code for code, _ in told(f"{HEAD}tasks:\n  {broken}\n  {USE}\n")] == codes


def test_a_choice_tells_nothing_of_branches_whose_conditions_cannot_be_read() -> None:
    text = HEAD + (
        "input: {type: object, required: [short], properties: {short: {type: boolean}}}\n"
        "tasks:\n"
        '  a: {uses: text.count, when: "input.short", with: {text: a}}\n'
        '  b: {uses: text.count, when: "!input.short", with: {text: b}}\n'
        "choices:\n  - {between: [a, b], takes: exactly_one}\n"
    )
    assert told(text) == [("ACC114", 6), ("ACC114", 7)]


def test_a_misspelt_key_beside_the_right_one_moves_nothing() -> None:
    tasks = (
        "tasks:\n  a: {uses: text.trim@^1, with: {text: x}}\n  b: {uses: text.trim@^1, with: {text: '${ tasks.z }'}}\n"
    )
    assert told(f"{HEAD}taks: 1\n{tasks}") == [("ACC110", 4), ("ACC130", 7)]


@pytest.mark.parametrize(
    ("key", "codes"),
    [
        ("input: []", ["ACC112"]),
        ("input: {type: objct}", ["ACC240"]),
        ("inptu: {type: object, properties: {text: {type: string}}}", ["ACC110"]),
        ("parameters: {text: string}", ["ACC110"]),
        ("limits: {tasks: many}", ["ACC112"]),
        ("examples: ['trim {text}']\ninput: 5", ["ACC112"]),
        ("on_failure: compensate\ninput: 5", ["ACC121", "ACC112"]),
        ("aggregate: {with: {}}", ["ACC111"]),
    ],
)
def test_a_broken_head_hides_nothing_of_the_tasks(key: str, codes: list[str]) -> None:
    tasks = 'tasks:\n  a: {uses: text.trim@^1, with: {text: "${ input.text }"}}\n  b: {uses: text.trim@^1, retry: 2}\n'
    known = [code for code, _ in told(f"{HEAD}{key}\n{tasks}")]
    assert known[: len(codes)] == codes
    assert [code for code in known[len(codes) :] if code not in ("ACC207", "ACC831")] == ["ACC822", "ACC112"]


def test_a_template_that_does_not_say_so_is_read_all_the_same() -> None:
    tasks = "tasks:\n  a: {uses: text.trim@^1, with: {txt: x}}\n"
    assert told(f"name: x\nversion: 1.0.0\n{tasks}")[0] == ("ACC105", 1)
    assert told(f"accord: tempalte/1\nname: x\nversion: 1.0.0\n{tasks}") == [
        ("ACC105", 1),
        ("ACC822", 5),
        ("ACC822", 5),
    ]
    assert told(f"accord: template/2\nname: x\nversion: 1.0.0\n{tasks}") == [("ACC105", 1)]


def test_a_misspelt_member_is_pointed_at_with_the_nearest_name() -> None:
    text = f"{HEAD}tasks:\n  a:\n    uses: text.trim@^1\n    with:\n      txt: x\n"
    found = verified(examine(text, file="t.yaml"), AGENTS, NoTemplates()).problems
    missing, unknown = sorted(found, key=lambda each: len(each.place.pointer or ""))
    assert (unknown.place.line, unknown.place.column) == (8, 7)
    assert unknown.place.pointer == "/tasks/a/with/txt"
    assert "there is no `txt` here" in unknown.message
    assert "did you mean `text`?" in str(unknown.hint)
    assert '"text" is a required property' in missing.message


BREAKS = st.lists(
    st.sampled_from(
        [
            ("uses: text.count@^1", "uses: text.count@^"),
            ("uses: text.count@^1", "usse: text.count@^1"),
            ("timeout: 5s", "timeout: 5"),
            ("for_each", "forEach"),
            ("${ item }", "${ itme }"),
            ("${ input.list }", "${ input. }"),
            ("tasks.first.output", "tasks.frist.output"),
            ("accord: template/1\n", ""),
            ("version: 1.0.0", "version: 1"),
            ("list: {type: array}", "list: {typ: array}"),
            ("with", "whit"),
            ("needs: [first]", "needs: first"),
            ("first:", "First:"),
        ]
    ),
    max_size=6,
)
WHOLE = (
    HEAD
    + "input: {type: object, properties: {list: {type: array}}, required: [list]}\n"
    + "tasks:\n"
    + "  first: {uses: text.count@^1, timeout: 5s, for_each: '${ input.list }', with: {text: '${ string(item) }'}}\n"
    + "  second: {uses: text.count@^1, needs: [first], with: {text: '${ string(tasks.first.output[0]) }'}}\n"
)


@given(BREAKS)
def test_more_faults_never_raise_and_all_have_places(breaks: list[tuple[str, str]]) -> None:
    text = WHOLE
    for good, bad in breaks:
        text = text.replace(good, bad, 1)
    found = told(text)
    assert found == sorted(found, key=lambda each: each[1] or 0)
    assert bool(found) == (text != WHOLE)


# -- agents --------------------------------------------------------------------------------------------------------


def problems_of_agent(document: dict[str, Any]) -> list[tuple[str, str | None]]:
    with pytest.raises(BadInput) as refused:
        declared_agent(document)
    return [(each.code, each.place.pointer) for each in refused.value.problems]


def test_what_is_wrong_with_one_capability_hides_nothing_of_another() -> None:
    run = {"command": ["there-is-no-such-program"]}
    capabilities = {
        "text.one@1.0.0": {"input": {}, "outptu": {}, "run": run},
        "text.two@1.0.0": {"input": {"type": "objct"}, "output": {"type": "text"}, "run": run},
        "text.three@1": {"input": True, "output": True, "run": run},
        "text.four@1.0.0": {"input": True, "output": True, "run": {"comand": ["wc"]}},
    }
    assert problems_of_agent({"accord": "agent/1", "name": "Bad", "capabilities": capabilities}) == [
        ("ACC740", "/name"),
        ("ACC740", "/capabilities/text.one@1.0.0/outptu"),
        ("ACC740", "/capabilities/text.four@1.0.0/run/comand"),
        ("ACC240", "/capabilities/text.two@1.0.0/input/type"),
        ("ACC240", "/capabilities/text.two@1.0.0/output/type"),
        ("ACC741", "/capabilities/text.two@1.0.0/run/command/0"),
        ("ACC231", "/capabilities/text.three@1"),
        ("ACC741", "/capabilities/text.three@1/run/command/0"),
    ]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("import json\n\njson.loads('{')\n", "ACC745", 3),
        ("x = (\n", "ACC745", 1),
        ("import there_is_no_such_module\n", "ACC745", 1),
        ("import sys\nsys.exit(0)\n", "ACC745", 2),
        (
            "from accord.sdk import Agent\nagent = Agent('a')\n\n@agent.capability('one')\ndef f(x: int) -> int: ...\n",
            "ACC230",
            4,
        ),
        ("x = 1\n", "ACC746", None),
    ],
)
def test_what_is_wrong_with_python_agents_has_their_line(
    tmp_path: Path, text: str, code: str, line: int | None
) -> None:
    file = tmp_path / "agents.py"
    file.write_text(text)
    with pytest.raises(BadInput) as refused:
        load_agents(str(file))
    [problem] = refused.value.problems
    assert (problem.code, problem.place.line) == (code, line)
    if line is not None:
        assert problem.place.file == str(file)
        assert problem.place.column


# -- commands ------------------------------------------------------------------------------------------------------

AGENT = """
accord: agent/1
name: counter
capabilities:
  text.count@1.0.0:
    input: {type: object, properties: {text: {type: string}}, required: [text]}
    output: {type: integer}
    run: {command: [wc]}
"""
BROKEN = """
accord: template/1
name: broken
version: 1.0.0
input: {type: object, properties: {limit: {type: integer}}, required: [limit], additionalProperties: false}
tasks:
  a: {uses: text.count@^1, timeout: 5, with: {text: 5}}
  b: {uses: text.missing@^1}
"""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    def told(self) -> list[tuple[str, str | None, int | None]]:
        found = json.loads(self.err)["problems"]
        return [(one["code"], one.get("place", {}).get("file"), one.get("place", {}).get("line")) for one in found]


Call = Callable[..., Outcome]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "broken_agent.yaml").write_text(AGENT.replace("command", "comand"))
    (tmp_path / "broken.yaml").write_text(BROKEN)
    return tmp_path


@pytest.fixture
def call(here: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.mark.parametrize("command", ["run", "plan"])
def test_template_input_and_options_are_told_together(call: Call, command: str) -> None:
    refused = call(
        command, "broken.yaml", "--agents", "agent.yaml", "--input", '{"more": 1}', "--set", "limit=many", "--json"
    )
    assert refused.code == 2
    assert refused.told() == [
        ("ACC450", "--input", 1),
        ("ACC450", "--set limit=many", None),
        ("ACC112", "broken.yaml", 7),
        ("ACC822", "broken.yaml", 7),
        ("ACC820", "broken.yaml", 8),
    ]


def test_broken_settings_and_agents_hide_neither_template_nor_input(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCORD_MAX_RUNS", "none")
    arguments = ("--agents", "broken_agent.yaml", "--agents", "no_such_module", "--set", "limit")
    refused = call("run", "broken.yaml", *arguments, "--json")
    assert refused.code == 2
    assert refused.told() == [
        ("ACC745", None, None),
        ("ACC911", None, None),
        ("ACC902", "ACCORD_MAX_RUNS", None),
        ("ACC112", "broken.yaml", 7),
        ("ACC740", "broken_agent.yaml", 8),
    ]
    assert not (here / "home").exists()


def test_files_of_one_call_are_told_together(call: Call, here: Path) -> None:
    (here / "user.yaml").write_text(
        f"{HEAD}tasks:\n  a: {{workflow: broken, with: {{limt: 1}}}}\n  b: {{workflow: gone}}\n"
    )
    checked = call("verify", "broken.yaml", "user.yaml", "agent.yaml", "--json")
    assert checked.code == 2
    found = {one["file"]: [problem["code"] for problem in one["problems"]] for one in json.loads(checked.out)}
    # Who runs a workflow of a broken file is told what does not fit it, and not that there is none.
    assert found == {
        "agent.yaml": [],
        "broken.yaml": ["ACC112", "ACC822", "ACC820"],
        "user.yaml": ["ACC827", "ACC822", "ACC822", "ACC827"],
    }


def test_who_verifies_is_told_which_agents_are_looked_at(call: Call, here: Path) -> None:
    (here / "lonely.yaml").write_text(f"{HEAD}tasks:\n  a: {{uses: lonely.work@^1}}\n")
    (verdict,) = json.loads(call("verify", "lonely.yaml", "--json").out)
    assert [one["code"] for one in verdict["problems"]] == ["ACC820"]
    assert "--agents FILE.py; agents of a server are not looked at" in verdict["problems"][0]["hint"]


def test_nobody_is_missed_who_may_be_in_a_file_that_cannot_be_read(call: Call, here: Path) -> None:
    checked = call("verify", "broken.yaml", "broken_agent.yaml")
    assert checked.code == 2
    assert "ACC740" in checked.out
    assert "ACC112" in checked.out
    assert "ACC820" not in checked.out
    assert "What files offer that could not be read is not known" in checked.err


def test_nothing_is_published_where_one_file_is_wrong(call: Call, here: Path) -> None:
    child = f"{HEAD.replace('sample', 'child')}tasks:\n  a: {{sleep: 1s}}\n"
    parent = f"{HEAD.replace('sample', 'parent')}tasks:\n  a: {{workflow: child}}\n"
    (here / "child.yaml").write_text(child)
    (here / "parent.yaml").write_text(parent)
    refused = call("templates", "publish", "parent.yaml", "child.yaml", "broken.yaml", "--json")
    assert refused.code == 2
    assert refused.told() == [
        ("ACC820", "broken.yaml", 7),
        ("ACC112", "broken.yaml", 7),
        ("ACC820", "broken.yaml", 8),
    ]
    assert "parent" not in call("templates", "list").out
    published = call("templates", "publish", "parent.yaml", "child.yaml", "--json")
    assert [one["template"] for one in json.loads(published.out)] == ["child@1.0.0", "parent@1.0.0"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "list", "--state", "odd", "--limit", "0", "--bogus"], ["--bogus", "--state", "--limit"]),
        (["run", "--bogus=1", "--home"], ["--bogus", "--home", "OBJECTIVE"]),
        (["run", "a", "b"], ["(b)"]),
        (["runs", "lst"], ["lst"]),
    ],
)
def test_all_options_that_are_wrong_are_told(call: Call, arguments: list[str], said: list[str]) -> None:
    refused = call(*arguments)
    assert refused.code == 2
    problems = [line for line in refused.err.splitlines() if line.startswith("ACC910")]
    assert len(problems) == len(said)
    assert all(word in line for word, line in zip(said, problems, strict=True))


def test_problems_are_gathered_each_once_and_in_order() -> None:
    def refused(*lines: int) -> None:
        raise TemplateInvalid(*(Problem("ACC100", f"line {line}") for line in lines))

    problems = Problems()
    assert problems.attempt(lambda: 5) == 5
    assert problems.attempt(lambda: refused(2, 1)) is None
    assert problems.attempt(lambda: refused(1)) is None
    with pytest.raises(BadInput) as raised:
        problems.refuse()
    assert [each.message for each in raised.value.problems] == ["line 2", "line 1"]
