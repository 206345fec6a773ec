"""Paths: what Z3 says of all runs at once agrees with what CEL and the engine do, run by run."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.contract import compile_contract
from accord.domain.defaults import completed
from accord.domain.graph import Graph
from accord.domain.ids import TaskId
from accord.domain.schema import compile_schema
from accord.errors import TemplateInvalid
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Player
from accord.verifier import branches
from accord.verifier.known import ContractTable
from accord.verifier.paths.search import Paths
from accord.verifier.report import Finding, Report
from accord.verifier.verify import verify

GIVEN = {
    "type": "object",
    "properties": {
        "mode": {"enum": ["fast", "slow", None]},
        "count": {"type": "integer", "minimum": 0, "maximum": 2},
        "flag": {"type": "boolean"},
    },
    "required": ["mode", "flag"],
    "additionalProperties": False,
}
INPUTS = [
    {"mode": mode, "flag": flag, **({} if count is None else {"count": count})}
    for mode, flag, count in itertools.product(("fast", "slow", None), (True, False), (None, 0, 1, 2))
]
KNOWN = ContractTable(
    [compile_contract(capability="test.work", version="1.0.0", input_schema=True, output_schema=True)]
)


def told(tasks: dict[str, Any], **fields: Any) -> tuple[Graph, Report]:
    graph = graph_of(tasks, **{"input": GIVEN, **fields})
    return graph, verify(graph, KNOWN)


def of(report: Report, code: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.code == code]


def play(graph: Graph, example: Any) -> Player:
    """The run that an example tells of, by the engine itself."""
    outputs = example.get("outputs", {})
    player = Player(graph, {name: Done(outputs.get(name)) for name in graph.tasks}, given=example["input"])
    player.play()
    return player


READS = {
    "a": {"when": "${ input.mode == 'fast' }"},
    "b": {"join": "settled", "with": {"x": "${ tasks.a.output }"}, "when": "CONDITION"},
}


@pytest.mark.parametrize(
    ("condition", "proven"),
    [
        ("input.mode == 'fast'", True),
        ("input.mode in ['fast', 'faster']", True),
        ("input.mode == 'slow'", False),
        ("input.mode != 'slow'", False),
        ("input.mode != 'slow' && input.mode != null", True),
        ("!(input.mode == null || input.mode == 'slow')", True),
        ("tasks.a.status == 'completed'", True),
        ("tasks.a.status != 'skipped'", True),
        ("tasks.a.status == 'skipped'", False),
        ("input.flag ? input.mode == 'fast' : false", True),
        ("input.flag ? input.mode == 'fast' : true", False),
        ("input.mode == 'fast' && input.mode.matches('x?')", True),
        ("input.mode != null && size(input.mode) == 4 && input.mode.startsWith('f')", True),
        ("input.mode != null && input.mode.startsWith('s')", False),
        ("input.?count.orValue(0) > 5 || input.mode == 'fast'", True),
    ],
)
def test_a_read_behind_conditions(condition: str, proven: bool) -> None:
    tasks = {**READS, "b": {**READS["b"], "when": f"${{ {condition} }}"}}
    graph, report = told(tasks, output=None)
    assert report.ok is proven, report.findings
    if proven:
        assert "/tasks/b/with/x" in [finding.place.pointer for finding in of(report, "ACC833")]
        return
    (error,) = report.errors
    assert error.code == "ACC825"
    assert compile_schema(GIVEN).is_valid(error.example["input"])
    player = play(graph, error.example)
    assert player.run.phase == "failed"
    assert player.run.problem is not None
    assert player.run.problem.code == "ACC211"


def test_a_member_of_the_input_behind_has() -> None:
    guarded = {"a": {"when": "${ has(input.count) && input.count > 1 }", "with": {"x": "${ input.count }"}}}
    assert told(guarded, output=None)[1].ok
    graph, report = told({"a": {"when": "${ !has(input.count) }", "with": {"x": "${ input.count }"}}}, output=None)
    (error,) = report.errors
    assert (error.code, play(graph, error.example).run.phase) == ("ACC831", "failed")


@pytest.mark.parametrize(
    ("condition", "fails"),
    [
        ("has(input.count) || input.count > 1", True),
        ("has(input.count) && input.count > 1", False),
        ("input.count > 1 && has(input.count)", False),
        ("input.mode > 'a'", True),
        ("input.mode != null && input.mode > 'a'", False),
        ("has(input.count) ? input.count > 1 : input.flag", False),
        ("has(input.count) ? input.flag : input.count > 1", True),
        ("input.?count.orValue('x') > 1", True),
        ("input.mode.startsWith('f')", True),
    ],
)
def test_conditions_that_fail(condition: str, fails: bool) -> None:
    graph, report = told({"a": {"when": f"${{ {condition} }}"}}, output=None)
    assert [error.code in ("ACC831", "ACC834") for error in report.errors] == [True] * fails
    for error in report.errors:
        assert play(graph, error.example).run.phase == "failed"


@pytest.mark.parametrize(
    ("join", "condition", "ok"),
    [
        ("any", "has(tasks.a.output)", True),
        ("any", "input.mode == 'fast'", False),
        ({"at_least": 1}, "tasks.a.?output.hasValue()", True),
    ],
)
def test_a_task_that_does_not_wait_for_all(join: Any, condition: str, ok: bool) -> None:
    tasks: dict[str, Any] = {"a": {"when": "${ input.mode == 'fast' }"}, "c": {}}
    tasks["b"] = {
        "needs": ["a", "c"],
        "join": join,
        "with": {"x": "${ tasks.a.output }"},
        "when": f"${{ {condition} }}",
    }
    assert told(tasks, output=None)[1].ok is ok


def test_what_never_comes_together_never_begins() -> None:
    tasks = {
        "a": {"when": "${ input.mode == 'fast' }"},
        "b": {"when": "${ input.mode == 'slow' }"},
        "c": {"needs": ["a", "b"]},
        "d": {"needs": ["c"]},
        "e": {"when": "${ input.count > 2 && has(input.count) }"},
    }
    found = {finding.place.pointer for finding in of(told(tasks, output=None)[1], "ACC830")}
    assert found == {"/tasks/c", "/tasks/d", "/tasks/e/when"}


def test_a_sound_graph_is_told_so() -> None:
    tasks = {"a": {"when": "${ input.flag }"}, "wait": {"signal": {"name": "go"}, "needs": ["a"]}}
    report = told(tasks, output=None)[1]
    (proof,) = [one for one in of(report, "ACC833") if not one.place.pointer]
    assert "each of the 2 tasks begins" in proof.message
    assert "1 waits without a timeout" in proof.message


def test_an_integer_may_have_more_than_53_bits() -> None:
    tasks = {"a": {"when": f"${{ input.n > {2**53 + 1} }}"}, "b": {"when": f"${{ input.n > {2**63 - 1} }}"}}
    graph, report = told(tasks, input={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    assert [one.place.pointer for one in of(report, "ACC830")] == ["/tasks/b/when"]
    assert play(graph, {"input": {"n": 2**60}}).phase("a") == "completed"


def test_an_approval_that_completes_was_not_rejected() -> None:
    def codes(on_reject: str) -> list[str]:
        ask = {"approval": {"title": "?", "on_reject": on_reject}}
        return [one.code for one in told({"ask": ask, "b": {"when": "${ !tasks.ask.output.approved }"}})[1].errors]

    assert codes("fail") == ["ACC830"]
    assert codes("continue") == []


def test_where_a_task_may_fail_its_output_may_be_null() -> None:
    tasks = {
        "a": {"on_failure": "continue"},
        "b": {"when": "${ tasks.a.status == 'failed' }", "with": {"x": "${ tasks.a.output == null }"}},
    }
    assert told(tasks, output=None)[1].ok
    never = {**tasks, "b": {"when": "${ tasks.a.status == 'failed' && tasks.a.output != null }"}}
    assert [one.code for one in told(never, output=None)[1].errors] == ["ACC830"]


CHOICES = [
    ("input.mode == 'fast'", "input.mode == 'slow'", "at_most_one", True),
    ("input.mode == 'fast'", "input.mode == 'slow'", "at_least_one", False),
    ("input.mode == 'fast'", "input.mode != 'fast'", "exactly_one", True),
    ("input.mode == 'fast'", "input.mode != null", "exactly_one", False),
    ("input.?count.orValue(1) > 1", "input.?count.orValue(1) <= 1", "exactly_one", True),
    ("input.?count.orValue(2) > 1", "input.?count.orValue(1) <= 1", "exactly_one", False),
    ("input.flag", "!input.flag", "exactly_one", True),
]


@pytest.mark.parametrize(("one", "other", "takes", "holds"), CHOICES)
def test_choices(one: str, other: str, takes: str, holds: bool) -> None:
    tasks = {"a": {"when": f"${{ {one} }}"}, "b": {"when": f"${{ {other} }}"}}
    graph, report = told(tasks, choices=[{"between": ["a", "b"], "takes": takes}], output=None)
    assert report.ok is holds
    for error in report.errors:
        assert error.code == "ACC836"
        begun = [play(graph, error.example).phase(name) == "completed" for name in "ab"]
        assert begun in ([True, True], [False, False])


@pytest.mark.parametrize(("between", "code"), [(["a", "x"], "ACC130"), (["a", "a"], "ACC127"), (["a", "c"], "ACC139")])
def test_a_choice_that_is_none(between: list[str], code: str) -> None:
    tasks: dict[str, Any] = {"a": {"when": "${ input.flag }"}, "c": {}}
    with pytest.raises(TemplateInvalid) as raised:
        graph_of(tasks, input=GIVEN, choices=[{"between": between}])
    assert [problem.code for problem in raised.value.problems] == [code]


def test_what_is_not_translated_is_not_proven() -> None:
    """`charAt` has no formula: nothing is said but what an input shows, or that it is not proven."""
    tasks = {
        "a": {"when": "${ input.mode != null && input.mode.charAt(0) == 'f' }"},
        "b": {"join": "settled", "when": "${ input.mode == 'fast' }", "with": {"x": "${ tasks.a.output }"}},
    }
    report = told(tasks, output=None)[1]
    assert report.ok
    assert "ACC835" in [warning.code for warning in report.warnings if warning.place.pointer == "/tasks/b/with/x"]
    never = {**tasks, "d": {"when": "${ input.mode != null && input.mode.charAt(0) == 'n' }"}}
    assert "ACC835" in [warning.code for warning in told(never, output=None)[1].warnings]
    same = {**tasks, "b": {**tasks["b"], "when": tasks["a"]["when"]}}
    assert told(same, output=None)[1].ok, "what is written twice gives the same twice"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("tasks.a.output.matches('x') || tasks.a.output == 1", "ACC825"),
        ("tasks.a.output.matches('x') && input.flag", "ACC825"),
        ("[1, 2].exists(x, tasks.a.output == x)", "ACC825"),
        ("input.flag || true || input.count > 1", None),
        ("size([1].map(x, tasks.a.?output.orValue(1))) > 0", None),
    ],
)
def test_a_suspicious_read_inside_of_what_is_not_translated(condition: str, code: str | None) -> None:
    tasks = {"a": {"when": "${ input.mode == 'fast' }"}, "b": {"join": "settled", "needs": ["a"]}}
    graph, report = told({**tasks, "b": {**tasks["b"], "when": f"${{ {condition} }}"}}, output=None)
    assert [error.code for error in report.errors] == ([code] if code else [])
    runs = [play(graph, {"input": value}).run.phase for value in INPUTS]
    assert ("failed" in runs) is (code is not None)


def test_without_the_extra_suspicions_stay_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, "find_spec", lambda name: None)
    tasks = {**READS, "b": {**READS["b"], "when": "${ input.mode == 'fast' }"}}
    report = told(tasks, output=None)[1]
    assert [error.code for error in report.errors] == ["ACC825"]
    (warning,) = report.warnings
    assert (warning.code, warning.hint) == ("ACC835", "pip install 'accord-orchestrator[proofs]'")


# -- conditions at random ----------------------------------------------------------------------------------------

_ATOMS = st.sampled_from(
    [
        "input.flag",
        "input.mode == 'fast'",
        "input.mode != 'slow'",
        "input.mode == null",
        "input.mode in ['slow', 'x']",
        "has(input.count)",
        "input.count > 1",
        "input.count == 0",
        "input.?count.orValue(1) >= 1",
        "input.mode.startsWith('f')",
        "size(input.mode) > 3",
        "true",
        "false",
    ]
)
_CONDITIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
    ),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(first=_CONDITIONS, second=_CONDITIONS, join=st.sampled_from(["all", "settled"]))
def test_the_verdicts_are_those_of_all_runs(first: str, second: str, join: str) -> None:
    """The domain is small enough to run every input through the engine."""
    tasks = {
        "a": {"when": f"${{ {first} }}"},
        "b": {"when": f"${{ {second} }}", "needs": ["a"], "join": join},
        "c": {"when": f"${{ {second} }}"},
    }
    choices = [{"between": ["a", "c"], "takes": "at_most_one"}, {"between": ["a", "c"], "takes": "at_least_one"}]
    graph, report = told(tasks, choices=choices, output=None)
    assert not of(report, "ACC835")
    runs = [play(graph, {"input": completed(value, GIVEN)}) for value in INPUTS]
    clean = [run for run in runs if run.run.phase == "completed"]
    begun = {name for run in runs for name in "abc" if run.run.state(name).attempts}  # type: ignore[arg-type]  # ids
    dead = {pointer.split("/")[2] for one in of(report, "ACC830") if (pointer := one.place.pointer)}
    failing = {one.place.pointer for one in report.errors if one.code in ("ACC831", "ACC834")}
    assert dead.isdisjoint(begun)
    if not failing:
        assert dead == set("abc") - begun
    assert bool(failing) is any(run.run.phase == "failed" for run in runs)
    both = any(run.phase("a") == run.phase("c") == "completed" for run in clean)
    none = any(run.phase("a") == run.phase("c") == "skipped" for run in clean)
    refuted = {one.place.pointer for one in of(report, "ACC836")}
    if not failing:
        assert refuted == {f"/choices/{number}" for number, bad in enumerate((both, none)) if bad}


def test_branches_that_exclude_each_other_begin_in_few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(paths: Paths, names: list[TaskId], others: list[TaskId]) -> Any:
        asked.append(len(names))
        return begin(paths, names, others)

    begin = Paths._begin
    monkeypatch.setattr(Paths, "_begin", counted)
    tasks = {
        name: {"when": f"${{ input.level {sign} {number} }}"}
        for number in range(1, 20)
        for name, sign in ((f"low{number}", "<"), (f"high{number}", ">="))
    }
    _, report = told(
        tasks, input={"type": "object", "properties": {"level": {"type": "integer"}}, "required": ["level"]}
    )
    assert report.ok
    assert not report.warnings
    assert len(asked) < 8


LISTS = {
    "type": "object",
    "properties": {"l": {"type": "array", "items": {"type": "string"}}},
    "required": ["l"],
    "additionalProperties": False,
}
COUNTS = ContractTable(
    [compile_contract(capability="test.work", version="1.0.0", input_schema=True, output_schema={"type": "integer"})]
)


@pytest.mark.parametrize(
    ("each", "reads", "codes"),
    [
        ({"for_each": "${ input.l }"}, {"when": "${ size(tasks.r.output) != size(input.l) }"}, {"ACC830"}),
        ({"for_each": "${ input.l }"}, {"when": "${ size(tasks.r.output) == size(input.l) }"}, set()),
        ({"for_each": "${ input.l.map(x, x) }"}, {"when": "${ size(tasks.r.output) > size(input.l) }"}, {"ACC835"}),
        (
            {"for_each": "${ input.l }"},
            {"when": "${ size(input.l) > 0 }", "with": {"x": "${ tasks.r.output[0] }"}},
            set(),
        ),
        ({"for_each": "${ input.l }"}, {"with": {"x": "${ tasks.r.output[0] }"}}, {"ACC172"}),
        ({"for_each": "${ ['a', 'b'] }"}, {"with": {"x": "${ tasks.r.output[1] }"}}, set()),
        (
            {"for_each": "${ ['a', 'b'] }", "on_failure": "continue"},
            {"with": {"x": "${ size(tasks.r.output) }"}},
            set(),
        ),
        # Of more items than a run may have it fails as a whole.
        (
            {"for_each": "${ input.l }", "on_failure": "continue"},
            {"with": {"x": "${ size(tasks.r.output) }"}},
            {"ACC835"},
        ),
    ],
)
def test_a_for_each_has_an_item_for_each_of_its_list(each: Any, reads: Any, codes: set[str]) -> None:
    report = verify(graph_of({"r": each, "k": reads}, input=LISTS), COUNTS)
    found = [one for one in report.findings if one.severity != "proof"]
    assert {one.code for one in found} == codes
    for example in (one.example for one in found if one.example):
        assert len(example["outputs"]["r"]) == len(example["input"]["l"])


@pytest.mark.parametrize("join", ["any", {"at_least": 1}])
def test_an_example_leaves_out_the_output_that_is_not_there_yet(join: Any) -> None:
    tasks = {"x": {}, "y": {}, "k": {"join": join, "with": {"v": "${ tasks.x.output + tasks.y.output }"}}}
    errors = verify(graph_of(tasks, input=LISTS), COUNTS).errors
    assert [(one.code, list(one.example["outputs"])) for one in errors] == [("ACC825", ["y"]), ("ACC825", ["x"])]


def _branch(kind: str, **members: Any) -> dict[str, Any]:
    properties = {"kind": {"const": kind}, **members}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


SMALL = {"type": "integer", "minimum": -5, "maximum": 5}
UNION = {"oneOf": [_branch("n", n=SMALL), _branch("t", t={"type": "string"}), _branch("l", l=LISTS["properties"]["l"])]}
SCALAR = {"oneOf": [SMALL, {"type": "string"}, {"type": "object", "properties": {"n": SMALL}, "required": ["n"]}]}


@pytest.mark.parametrize(
    ("conditions", "reads"),
    [
        (("input.u.kind == 'n'", "input.u.kind == 't'", "input.u.kind == 'l'"), ("n", "t", "l")),
        (("has(input.u.n)", "has(input.u.t)", "has(input.u.l)"), ("n", "t", "l")),
        (
            ("has(input.u.n) && input.u.n > 2", "has(input.u.n) && input.u.n <= 2", "!has(input.u.n)"),
            ("n", "n", "kind"),
        ),
        (("type(input.v) == int", "type(input.v) == string", "type(input.v) == map"), ("kind", "kind", "kind")),
    ],
)
def test_branches_over_a_union_take_each_of_its_values(conditions: Any, reads: Any) -> None:
    tasks = {
        name: {"when": f"${{ {condition} }}", "with": {"x": f"${{ input.u.{read} }}"}}
        for name, condition, read in zip("abc", conditions, reads, strict=True)
    }
    given = {"type": "object", "properties": {"u": UNION, "v": SCALAR}, "required": ["u", "v"]}
    report = verify(graph_of(tasks, input=given, choices=[{"between": list("abc"), "takes": "exactly_one"}]), COUNTS)
    assert [one for one in report.findings if one.severity != "proof"] == []


def test_a_second_branch_knows_what_the_first_one_has_ruled_out() -> None:
    tasks = {
        "a": {"when": "${ input.u.kind != 'n' }"},
        "b": {"needs": ["a"], "when": "${ input.u.kind != 't' }", "with": {"x": "${ input.u.l[?0].orValue('') }"}},
        "c": {"needs": ["a"], "with": {"x": "${ input.u.l[?0].orValue('') }"}},
    }
    given = {"type": "object", "properties": {"u": UNION}, "required": ["u"]}
    (error,) = verify(graph_of(tasks, input=given), COUNTS).errors
    assert (error.place.pointer, error.example["input"]["u"]["kind"]) == ("/tasks/c/with/x", "t")


def test_an_integer_that_64_bits_do_not_hold_is_a_double() -> None:
    tasks = {name: {"when": f"${{ type(input.n) == {kind} }}"} for name, kind in (("a", "int"), ("b", "double"))}
    given = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    findings = verify(graph_of(tasks, input=given, choices=[{"between": ["a", "b"]}]), COUNTS).findings
    assert [one.code for one in findings if one.place.pointer == "/choices/0"] == ["ACC833", "ACC833"]
    assert "ACC830" not in {one.code for one in findings}


def test_alternatives_of_alternatives_are_not_all_their_combinations() -> None:
    def one_of(name: str, other: str) -> dict[str, Any]:
        follows = {"type": "object", "required": ["kind", "next"]}
        kinds = ({"kind": {"const": f"{name}{at}"}, "next": {"$ref": f"#/$defs/{other}"}} for at in range(8))
        last = {"type": "object", "properties": {"kind": {"const": "last"}}, "required": ["kind"]}
        return {"oneOf": [*({**follows, "properties": each} for each in kinds), last]}

    given = {
        "type": "object",
        "properties": {"r": {"$ref": "#/$defs/a"}},
        "required": ["r"],
        "$defs": {"a": one_of("a", "b"), "b": one_of("b", "a")},
    }
    far = "input.r" + ".next" * 12
    (error,) = verify(graph_of({"t": {"when": f"${{ {far}.kind == 'last' }}"}}, input=given), COUNTS).errors
    assert error.code == "ACC831"


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        (("input.c.startsWith('a')", "!input.c.startsWith('a')"), "ACC833"),
        (("input.c == 'abc'", "input.c != 'abc'"), "ACC833"),
        (("input.c.startsWith('a')", "input.c.endsWith('b')"), "ACC836"),
        (("size(input.c) == 3", "size(input.c) != 3"), "ACC830"),
        (("input.c == 'abcd'", "true"), "ACC830"),
        # What CEL and JSON Schema read differently is not taken over.
        (("input.s == 'a\\u00a0b'", "input.s != 'a\\u00a0b'"), "ACC833"),
    ],
)
def test_a_pattern_says_which_texts_there_are(conditions: Any, code: str) -> None:
    tasks = {name: {"when": f"${{ {when} }}"} for name, when in zip("ab", conditions, strict=True)}
    texts = {"c": {"type": "string", "pattern": "^[a-z]{3}$"}, "s": {"type": "string", "pattern": r"^a\sb$"}}
    given = {"type": "object", "properties": texts, "required": ["c", "s"]}
    report = verify(graph_of(tasks, input=given, choices=[{"between": ["a", "b"], "takes": "exactly_one"}]), COUNTS)
    assert code in {one.code for one in report.findings if one.place.pointer != ""}
    assert code != "ACC833" or [one.code for one in report.findings if one.severity == "error"] == []
