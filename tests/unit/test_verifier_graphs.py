"""The verifier: what it proves, what it refutes, and with which example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import accord.builtin
from accord.domain.compile import compile_graph
from accord.domain.contract import Contract, compile_contract
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.template import Template
from accord.errors import TemplateInvalid
from accord.templates.reading import read_source
from accord.verifier.known import ContractTable
from accord.verifier.report import Report
from accord.verifier.verify import verify

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def record(**members: Any) -> dict[str, Any]:
    """A closed object; a name that ends in `_` is not required."""
    properties = {name.rstrip("_"): schema for name, schema in members.items()}
    required = [name for name in members if not name.endswith("_")]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def contract(name: str, takes: Any, gives: Any, version: str = "1.0.0") -> Contract:
    return compile_contract(capability=name, version=version, input_schema=takes, output_schema=gives)


CAPABILITIES = ContractTable(
    [
        contract("text.read", record(path=TEXT), record(text=TEXT, pages=NUMBER, title_=TEXT)),
        contract("text.split", record(text=TEXT), record(parts={"type": "array", "items": TEXT})),
        contract("text.count", record(text=TEXT), NUMBER),
        contract("text.sum", record(numbers={"type": "array", "items": NUMBER}), record(sum=NUMBER)),
        contract("text.any", record(value=True), True),
        contract("text.old", record(text=TEXT), TEXT, "1.4.0"),
        contract("text.old", record(text=TEXT, way=TEXT), TEXT, "2.0.0"),
    ]
)


def graph_of(tasks: dict[str, Any], **rest: Any) -> Graph:
    whole = {"accord": "template/1", "name": "sample", "version": "1.0.0", "tasks": tasks, **rest}
    return compile_graph(msgspec.convert(whole, Template), Digest(rest.get("name", "d")))


def report_of(tasks: dict[str, Any], **rest: Any) -> Report:
    rest.setdefault("input", record(path=TEXT, limit_=NUMBER, mode={"type": "string", "default": "fast"}))
    return verify(graph_of(tasks, **rest), CAPABILITIES)


def work(uses: str, value: Any = None, **rest: Any) -> dict[str, Any]:
    return {"uses": uses, "with": value or {}, **rest}


READ = work("text.read", {"path": "${ input.path }"})
MAYBE = work("text.read", {"path": "x"}, when="${ input.path == 'x' }")


def test_a_chain_is_proven() -> None:
    report = report_of(
        {
            "read": READ,
            "split": work("text.split", {"text": "${ tasks.read.output.text }"}),
            "counts": work("text.count", {"text": "${ item }"}, for_each="${ tasks.split.output.parts }"),
            "sum": work("text.sum", {"numbers": "${ tasks.counts.output }"}),
        }
    )
    assert report.ok
    assert (report.edges, report.proven, report.warnings) == (4, 4, ())


@pytest.mark.parametrize("first", [TEXT, NUMBER])
def test_items_of_a_list_that_has_a_most_are_what_its_items_are(first: Any) -> None:
    parts = {"type": "array", "items": TEXT, "maxItems": 5, "prefixItems": [first]}
    report = report_of(
        {"counts": work("text.count", {"text": "${ item }"}, for_each="${ input.parts }")},
        input=record(parts=parts),
    )
    assert (report.proven == 1) is (first is TEXT)


def test_a_type_that_does_not_fit_is_refuted_with_an_example() -> None:
    report = report_of({"read": READ, "split": work("text.split", {"text": "${ tasks.read.output.pages }"})})
    (error,) = report.errors
    assert error.code == "ACC822"
    assert error.place.pointer == "/tasks/split/with/text"
    assert isinstance(error.example["text"], int)


@pytest.mark.parametrize(
    ("value", "ok"),
    [
        ({"text": "fixed"}, True),
        ({"text": 5}, False),
        ({}, False),
        ({"text": "a", "more": 1}, False),
        ({"text": "page ${ tasks.read.output.pages }"}, True),
        ({"text": "${ [tasks.read.output.pages].filter(n, n > 1) }"}, False),
        ({"text": "${ tasks.read.output.pages + 1 }"}, False),
        ({"text": "${ string(tasks.read.output.pages) }"}, True),
        ("${ tasks.read.output.text }", False),
    ],
)
def test_what_is_known_of_a_binding(value: Any, ok: bool) -> None:
    report = report_of({"read": READ, "split": work("text.split", value)})
    assert report.ok is ok
    assert [error.code for error in report.errors] == ([] if ok else ["ACC822"])


def test_what_is_not_known_is_a_warning_that_says_so() -> None:
    report = report_of(
        {"any": work("text.any", {"value": 1}), "split": work("text.split", {"text": "${ tasks.any.output }"})}
    )
    assert report.ok
    (warning,) = report.warnings
    assert warning.code == "ACC823"
    assert "tasks.any.output" in str(warning.hint)
    assert (report.edges, report.proven) == (2, 1)


@pytest.mark.parametrize(
    "value",
    [
        "${ [tasks.read.output.pages].filter(n, [tasks.any.output].exists(m, m == n)) + tasks.any.output }",
        ["${ size(tasks.read.output.text) }", "${ tasks.any.output }"],
    ],
)
def test_a_rough_type_refutes_nothing_that_may_fit(value: Any) -> None:
    report = report_of(
        {"read": READ, "any": work("text.any", {"value": 1}), "sum": work("text.sum", {"numbers": value})}
    )
    assert report.ok
    assert report.proven == report.edges - 1


ACCOUNT = record(k={"enum": ["i", "s"]}, v={"type": ["integer", "string"]})
TAGGED = {"oneOf": [record(k={"const": "i"}, v=NUMBER), record(k={"const": "s"}, v=TEXT)]}
RULED = {**ACCOUNT, "if": {"properties": {"k": {"const": "i"}}}, "then": {"properties": {"v": NUMBER}}}


@pytest.mark.parametrize(
    ("given", "condition", "told_as"),
    [
        (TAGGED, "input.k == 's'", "ACC824"),
        (TAGGED, "input.k != 'i'", "ACC824"),
        (TAGGED, "input.k == 'i'", "ACC822"),
        (TAGGED, None, "ACC822"),
        (TAGGED, "input.k.startsWith('s') || input.k == 's'", "ACC823"),  # it fits, and no type says so
        ({**RULED, "else": {"properties": {"v": TEXT}}}, "input.k == 's'", "ACC824"),
        (RULED, "input.k == 's'", "ACC822"),
        ({**ACCOUNT, "not": {"properties": {"v": NUMBER}}}, None, "ACC824"),
        ({**ACCOUNT, "dependentSchemas": {"v": {"properties": {"v": TEXT}}}}, None, "ACC824"),
        ({**ACCOUNT, "patternProperties": {"^v": TEXT}}, None, "ACC824"),
        ({**ACCOUNT, "patternProperties": {"^w": TEXT}}, None, "ACC822"),
    ],
)
def test_a_member_is_what_all_of_its_document_lets_it_be(given: Any, condition: str | None, told_as: str) -> None:
    rest = {} if condition is None else {"when": f"${{ {condition} }}"}
    report = report_of({"count": work("text.count", {"text": "${ input.v }"}, **rest)}, input=given)
    (edge,) = (one for one in report.findings if one.place.pointer in ("/tasks/count/with", "/tasks/count/with/text"))
    assert edge.code == told_as


def test_an_item_is_refused_only_where_its_list_lets_it_come() -> None:
    def told(tag: str) -> list[str]:
        items = f"${{ input.all.filter(each, each.k == '{tag}') }}"
        tasks = {"count": work("text.count", {"text": "${ item.v }"}, for_each=items)}
        given = record(all={"type": "array", "items": TAGGED})
        return [one.code for one in report_of(tasks, input=given).findings if one.code.startswith("ACC82")]

    assert (told("s"), told("i")) == (["ACC824"], ["ACC822"])


@pytest.mark.parametrize(
    ("source", "told_as"),
    [
        ("input.k == 's' ? input.v : 'a'", "ACC824"),
        ("input.k != 'i' ? input.v : 'a'", "ACC824"),
        ("input.k in ['s', 't'] ? input.v : 'a'", "ACC824"),
        ("!(input.k == 'i') && input.v != '' ? input.v : 'a'", "ACC824"),
        ("input.k == 'i' ? input.v : 'a'", "ACC822"),
        ("input.k == 's' || input.v == 2 ? input.v : 'a'", "ACC822"),
    ],
)
def test_a_union_is_known_by_its_tag_inside_of_an_expression(source: str, told_as: str) -> None:
    report = report_of({"count": work("text.count", {"text": f"${{ {source} }}"})}, input=TAGGED)
    codes = [one.code for one in report.findings if one.code.startswith("ACC82")]
    assert codes == [told_as]


@pytest.mark.parametrize(
    ("tasks", "told_as"),
    [
        ({"read": READ}, "ACC823"),  # of what a fork has taken over nobody knows the agent
        ({"read": {**READ, "fallback": [{"value": {"text": "", "pages": 0}}]}}, "ACC822"),
        ({"read": {"signal": {"name": "read", "schema": TEXT}}}, "ACC822"),
    ],
)
@pytest.mark.parametrize("text", ["${ tasks.read.agent }", "${ tasks.read.agent.substring(0) }"])
def test_a_task_that_an_agent_has_completed_has_one(tasks: dict[str, Any], told_as: str, text: str) -> None:
    report = report_of({**tasks, "count": work("text.count", {"text": text})})
    found = {one.code for one in report.findings if (one.place.pointer or "").startswith("/tasks/count/with")}
    fails = {"ACC822": {"ACC834"}, "ACC823": {"ACC835"}}[told_as]
    assert found - {"ACC824"} == (fails if "substring" in text else {told_as})


@pytest.mark.parametrize(
    ("fallback", "text", "told_as"),
    [
        ([], "${ task.input.path }", "ACC824"),
        ([work("text.read", {"path": "${ error.message }"})], "${ task.input.path }", "ACC824"),
        ([work("text.count", {"text": "x"})], "${ task.input.path }", "ACC835"),
        ([work("text.any", {"value": 1})], "${ task.input.?value.orValue('') }", "ACC822"),
        ([{"value": {"text": "", "pages": 0}}], "${ task.input.path }", "ACC835"),
    ],
)
def test_a_compensation_sees_what_whoever_did_the_task_was_given(fallback: Any, text: str, told_as: str) -> None:
    undo = {"uses": "text.count@^1", "with": {"text": text}}
    report = report_of({"a": {**READ, "fallback": fallback, "compensate": undo}})
    at = "/tasks/a/compensate/with"
    assert told_as in {one.code for one in report.findings if (one.place.pointer or "").startswith(at)}
    assert report.ok is (told_as != "ACC822")


def test_an_input_that_was_given_is_refused_to_a_compensation_only_where_it_comes() -> None:
    undo = {"uses": "text.count@^1", "with": {"text": "${ task.input.value }"}}
    tasks = {"a": work("text.any", {"value": "${ input.v }"}, when="${ input.k == 's' }", compensate=undo)}
    assert "ACC822" not in {one.code for one in report_of(tasks, input=TAGGED).findings}


@pytest.mark.parametrize(
    ("tasks", "given", "at"),
    [
        ({"wait": {"signal": {"name": "go", "schema": False}}}, True, "/tasks/wait/signal"),
        ({"wait": {"signal": {"name": "go", "schema": False, "timeout": "1h"}}}, True, None),
        ({"wait": {"signal": {"name": "go", "schema": TEXT}}}, True, None),
        ({"read": work("text.any", {"value": 1})}, record(path=False), "/input"),
    ],
)
def test_what_nobody_can_give_is_told(tasks: dict[str, Any], given: Any, at: str | None) -> None:
    errors = report_of(tasks, input=given).errors
    assert [(one.code, one.place.pointer) for one in errors] == ([] if at is None else [("ACC858", at)])


def test_a_fault_beside_something_unknown_is_found() -> None:
    value = {"text": "${ tasks.any.output }", "more": 1}
    report = report_of({"any": work("text.any", {"value": 1}), "split": work("text.split", value)})
    assert [error.code for error in report.errors] == ["ACC822"]


SPLIT = work("text.split", {"text": "${ tasks.a.output.text }"})
SUM = work("text.sum", {"numbers": ["${ tasks.a.output }"]})


def anything(value: str, **rest: Any) -> dict[str, Any]:
    return work("text.any", {"value": value}, **rest)


PROBLEMS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("misspelt input", {"a": anything("${ input.pth }")}, "ACC207", "/tasks/a/with/value", "path"),
    (
        "misspelt output",
        {"read": READ, "b": anything("${ tasks.read.output.txt }")},
        "ACC207",
        "/tasks/b/with/value",
        "text",
    ),
    (
        "misspelt member of an item",
        {
            "a": work("text.any", {"value": 1}),
            "b": anything("${ item.x }", for_each="${ [1, 2] }"),
            "c": anything("${ item.pages }", for_each="${ input.path }"),
        },
        "ACC208",
        "/tasks/c/for_each",
        "list",
    ),
    ("when is a text", {"a": {**READ, "when": "${ input.path }"}}, "ACC208", "/tasks/a/when", "bool"),
    ("when is a number", {"a": {**READ, "when": "${ 1 + 1 }"}}, "ACC208", "/tasks/a/when", "bool"),
    ("sleep for a number", {"a": {"sleep": "${ size(input.path) }"}}, "ACC208", "/tasks/a/sleep", "string"),
    ("missing capability", {"a": work("text.reed", {})}, "ACC820", "/tasks/a/uses", "text.read"),
    ("missing version", {"a": work("text.old@^3")}, "ACC821", "/tasks/a/uses", "2.0.0"),
    (
        "one of two versions refuses",
        {"a": work("text.old", {"text": "x"})},
        "ACC822",
        "/tasks/a/with",
        "text.old@2.0.0",
    ),
    ("no agent", {"a": {**READ, "fallback": [{"uses": "no.such"}]}}, "ACC820", "/tasks/a/fallback/0/uses", ""),
    (
        "fallback with the wrong value",
        {"a": {**READ, "fallback": [{"value": {"text": 1}}]}, "b": SPLIT},
        "ACC822",
        "/tasks/b/with/text",
        "string",
    ),
    (
        "null after a failure that does no harm",
        {"a": work("text.count", {"text": "x"}, on_failure="continue"), "b": SUM},
        "ACC822",
        "/tasks/b/with/numbers/0",
        "null",
    ),
    ("optional input", {"a": anything("${ input.limit }")}, "ACC831", "/tasks/a/with/value", ".?limit"),
    (
        "optional output",
        {"read": READ, "b": anything("${ tasks.read.output.title }")},
        "ACC831",
        "/tasks/b/with/value",
        ".?title",
    ),
    (
        "skipped need of a settled join",
        {"a": MAYBE, "b": anything("${ tasks.a.output.text }", join="settled")},
        "ACC825",
        "/tasks/b/with/value",
        "has(tasks.a.output)",
    ),
    (
        "need that is not there yet",
        {"a": READ, "b": READ, "c": anything("${ tasks.a.output.text }", needs=["b"], join="any")},
        "ACC825",
        "/tasks/c/with/value",
        "orValue",
    ),
    ("never", {"a": {**READ, "when": "${ false }"}}, "ACC830", "/tasks/a/when", "change the condition"),
    ("behind never", {"a": {**READ, "when": "${ false }"}, "b": {**READ, "needs": ["a"]}}, "ACC830", "/tasks/b", "any"),
    (
        "compensation of another branch",
        {"a": {**READ, "compensate": anything("${ tasks.b.output }")}, "b": READ},
        "ACC826",
        "/tasks/a/compensate/with/value",
        "needs",
    ),
    ("unknown workflow", {"a": {"workflow": "other@^1"}}, "ACC827", "/tasks/a/workflow", "other"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "code", "at", "says"), [row[1:] for row in PROBLEMS], ids=[row[0] for row in PROBLEMS]
)
def test_problem(tasks: dict[str, Any], code: str, at: str, says: str) -> None:
    report = report_of(tasks)
    found = [error for error in report.errors if error.code == code and error.place.pointer == at]
    assert found, [str(error.problem) for error in report.errors]
    assert says in f"{found[0].message} {found[0].problem.hint}"
    with pytest.raises(TemplateInvalid):
        report.refuse()


@pytest.mark.parametrize(
    "tasks",
    [
        {"a": MAYBE, "b": anything("${ tasks.a.output.text }")},
        {"a": MAYBE, "b": anything("${ tasks.a.?output.orValue(null) }", join="settled")},
        {"a": MAYBE, "b": anything("${ has(tasks.a.output) ? tasks.a.output : null }", join="settled")},
        {"a": MAYBE, "b": anything("${ tasks.a.output.text }", join="settled", when="${ has(tasks.a.output) }")},
        {"a": anything("${ input.mode }")},
        {"a": anything("${ input.?limit.orValue(3) }")},
        {"a": READ, "b": {**READ, "needs": ["a"], "compensate": anything("${ tasks.a.output }")}},
        {"a": {**READ, "compensate": anything("${ task.output.text }")}},
        {"a": work("text.read", {"path": "x"}, fallback=[{"value": {"text": "", "pages": 0}}])},
        {"a": {"sleep": "90s"}, "b": anything("${ tasks.a.status }")},
        {"a": {"approval": {"title": "Read ${ input.path }?"}}, "b": {**READ, "when": "${ tasks.a.output.approved }"}},
    ],
)  # fmt: skip
def test_sound_and_accepted(tasks: dict[str, Any]) -> None:
    report = report_of(tasks)
    assert report.ok, [str(error.problem) for error in report.errors]


class Others:
    """Templates by name."""

    def __init__(self, *graphs: Graph) -> None:
        self._graphs = {graph.template.partition("@")[0]: graph for graph in graphs}

    def graph(self, wanted: str) -> Graph | None:
        return self._graphs.get(wanted.partition("@")[0])

    def names(self) -> list[str]:
        return list(self._graphs)


def test_a_subworkflow_s_input_and_output_are_checked() -> None:
    inner = graph_of({"read": READ}, name="inner", input=record(path=TEXT), output="${ tasks.read.output.pages }")
    good = {
        "a": {"workflow": "inner@^1", "with": {"path": "x"}},
        "b": work("text.sum", {"numbers": ["${ tasks.a.output }"]}),
    }
    report = verify(graph_of(good), CAPABILITIES, Others(inner))
    assert (report.ok, report.edges, report.proven) == (True, 2, 2)
    bad = {"a": {"workflow": "inner@^1", "with": {"path": 1}}, "b": work("text.split", {"text": "${ tasks.a.output }"})}
    found = verify(graph_of(bad), CAPABILITIES, Others(inner)).errors
    assert [(error.code, error.place.pointer) for error in found] == [
        ("ACC822", "/tasks/a/with/path"),
        ("ACC822", "/tasks/b/with/text"),
    ]


def test_a_subworkflow_with_errors_is_refused() -> None:
    inner = graph_of({"read": work("no.such")}, name="inner")
    report = verify(graph_of({"a": {"workflow": "inner"}}), CAPABILITIES, Others(inner))
    assert [error.code for error in report.errors] == ["ACC827"]


def test_workflows_that_run_each_other_are_refused() -> None:
    one = graph_of({"a": {"workflow": "two"}}, name="one")
    two = graph_of({"a": {"workflow": "one"}}, name="two")
    report = verify(one, CAPABILITIES, Others(one, two))
    assert not report.ok
    assert "one → two → one" in " ".join(error.message for error in report.errors)


def test_places_are_those_of_the_file() -> None:
    source = read_source(
        "accord: template/1\nname: sample\nversion: 1.0.0\ntasks:\n  a:\n    uses: text.reed\n", file="t.yaml"
    )
    (error,) = verify(source.graph, CAPABILITIES, place_of=source.document.place).errors
    assert str(error.problem).startswith("t.yaml:6:11 /tasks/a/uses: ACC820")


BUILTIN = sorted((Path(accord.builtin.__file__).parent / "templates").glob("*.yaml"))


@pytest.mark.parametrize("path", BUILTIN, ids=lambda path: path.stem)
def test_built_in_templates_verify_against_the_built_in_agents(path: Path) -> None:
    known = ContractTable(each.contract for agent in accord.builtin.agents() for each in agent.capabilities.values())
    source = read_source(path)
    report = verify(source.graph, known, place_of=source.document.place)
    assert report.ok, [str(error.problem) for error in report.errors]
    assert report.proven >= report.edges - 1


def test_a_report_is_json() -> None:
    report = report_of({"read": READ, "split": work("text.split", {"text": "${ tasks.read.output.pages }"})})
    assert msgspec.json.decode(msgspec.json.encode(report))["findings"]


CHOICE = {"type": "object", "properties": {"colour": {"type": "string"}}, "additionalProperties": False}


@pytest.mark.parametrize("approval", [{"on_reject": "continue"}, {"form": CHOICE}])
@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ({}, True),
        ({"when": "${ tasks.asked.status == 'completed' }"}, True),
        ({"when": "${ tasks.asked.output != null }"}, False),
        ({"context": "upstream"}, False),
    ],
)
def test_an_answer_that_stops_nothing_and_that_nobody_reads(
    approval: dict[str, object], more: dict[str, object], warned: bool
) -> None:
    asked = {"approval": {"title": "Read?", **approval}}
    tasks = {"asked": asked, "read": {**READ, "needs": ["asked"], **more}}
    warnings = verify(graph_of(tasks, output="${ tasks.read.?output.orValue(null) }"), CAPABILITIES).warnings
    assert [(one.code, one.place.pointer) for one in warnings if one.code == "ACC832"] == [
        ("ACC832", "/tasks/asked/approval")
    ] * warned


def test_an_answer_that_stops_what_is_behind_it_need_not_be_read() -> None:
    tasks = {"asked": {"approval": {"title": "Read?"}}, "read": {**READ, "needs": ["asked"]}}
    report = verify(graph_of(tasks, output="${ tasks.read.output.pages }"), CAPABILITIES)
    assert "ACC832" not in [one.code for one in report.warnings]


def test_the_answer_is_read_where_it_is_the_run_s_result() -> None:
    tasks = {"asked": {"approval": {"title": "Read?", "on_reject": "continue"}}}
    report = verify(graph_of(tasks, output="${ tasks.asked.output }"), CAPABILITIES)
    assert report.warnings == ()


def test_an_output_that_a_rejection_keeps_away_must_be_asked_for() -> None:
    tasks = {"asked": {"approval": {"title": "Read?", "on_reject": "skip"}}}
    report = verify(graph_of(tasks, output="${ tasks.asked.output }"), CAPABILITIES)
    assert [one.code for one in report.errors] == ["ACC825"]
