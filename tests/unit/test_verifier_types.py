"""Edges through expressions: what fits is proven by types, what does not is refused with an input that really comes."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import msgspec
import pytest

from accord.domain.compile import compile_soundly
from accord.domain.contract import compile_contract
from accord.domain.ids import Digest
from accord.domain.template import Template
from accord.testing.graphs import graph_of
from accord.verifier.known import ContractTable
from accord.verifier.report import Report
from accord.verifier.verify import verify

ROW = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}, "word": {"type": "string", "maxLength": 8}},
    "required": ["n"],
}
PARTS: dict[str, Any] = {
    "flag": {"type": "boolean"},
    "small": {"type": "integer", "minimum": 0, "maximum": 9},
    "large": {"type": "integer", "minimum": 0, "maximum": 1000},
    "maybe": {"type": ["string", "null"], "maxLength": 5},
    "level": {"enum": ["low", "middle", "high"]},
    "rows": {"type": "array", "items": ROW, "maxItems": 3},
    "id": {"type": ["integer", "string"]},
}
GIVEN = {
    "type": "object",
    "properties": {**PARTS, "note": {"type": "string", "maxLength": 20}, "sound": {"type": "integer"}},
    "required": list(PARTS),
}
DIGIT = {"type": "integer", "minimum": 0, "maximum": 9}
WORD = {"type": "string", "maxLength": 20}


def told(source: str, wanted: Any, **rest: Any) -> Report:
    """What is told of an expression that is handed to an agent which wants that."""
    takes = {"type": "object", "properties": {"x": wanted}, "required": ["x"]}
    known = ContractTable(
        [compile_contract(capability="test.work", version="1.0.0", input_schema=takes, output_schema=True)]
    )
    return verify(graph_of({"a": {"with": {"x": f"${{ {source} }}"}, **rest}}, input=GIVEN), known)


RIGHT: list[tuple[str, Any]] = [
    ("input.flag ? input.small : 7", DIGIT),
    ("input.large < 10 ? input.large : input.small", DIGIT),
    ("input.large > 9 || input.flag ? 9 : input.large", DIGIT),
    ("input.maybe == null ? 'none' : input.maybe", WORD),
    ("input.maybe != null && size(input.maybe) > 2 ? input.maybe : 'abc'", {"type": "string", "minLength": 3}),
    ("input.?note.orValue('none')", WORD),
    ("input.?note.or(input.?maybe).orValue('')", {"type": ["string", "null"], "maxLength": 20}),
    ("input.?note.optMap(n, size(n)).orValue(0)", {"type": "integer", "minimum": 0, "maximum": 20}),
    ("input.rows.map(r, r.n)", {"type": "array", "items": DIGIT, "maxItems": 3}),
    ("input.rows.map(r, {'n': r.n, 'word': r.?word.orValue('-')})", {"type": "array", "items": ROW}),
    ("input.rows.filter(r, r.n > 5).map(r, r.n)", {"type": "array", "items": {"type": "integer", "minimum": 1}}),
    ("input.rows.map(r, r.n > 5, r.n)", {"type": "array", "items": {"type": "integer", "minimum": 6}}),
    ("[input.small, 3] + [input.level]", {"type": "array", "minItems": 3, "maxItems": 3}),
    ("input.rows[?0].?word.orValue('')", {"type": "string", "maxLength": 8}),
    ("input.rows.exists(r, r.n == 1)", {"type": "boolean"}),
    ("size(input.rows) + input.small", {"type": "integer", "maximum": 12}),
    ("input.level in ['low', 'high'] ? input.level : 'low'", {"enum": ["low", "high"]}),
    ("input.level + '!'", {"type": "string", "maxLength": 7}),
    ("{'a': input.small, ?'b': input.?note}", {"required": ["a"], "properties": {"a": DIGIT, "b": WORD}}),
    ("type(input.id) == string ? input.id : string(input.id)", {"type": "string"}),
    ("cel.bind(all, input.rows, size(all) == 0 ? 1 : all[0].n)", {"type": "integer", "minimum": 1}),
    ("math.least(input.large, 9)", DIGIT),
    ("input.level.split(',')", {"type": "array", "items": {"type": "string", "maxLength": 6}}),
]


@pytest.mark.parametrize(("source", "wanted"), RIGHT)
def test_what_fits_is_proven(source: str, wanted: Any) -> None:
    report = told(source, wanted)
    assert [(one.code, one.message) for one in report.findings if one.severity == "error"] == []
    assert (report.edges, report.proven) == (1, 1)


WRONG: list[tuple[str, Any]] = [
    ("input.flag ? input.small : 'seven'", DIGIT),
    ("input.large < 11 ? input.large : input.small", DIGIT),
    ("input.maybe == null ? input.maybe : 'none'", WORD),
    ("input.?note.orValue(null)", WORD),
    ("input.?sound.orValue(false)", {"type": "boolean"}),
    ("input.?note.optMap(n, size(n)).orValue(-1)", {"type": "integer", "minimum": 0}),
    ("input.rows.map(r, r.n)", {"type": "array", "items": {"type": "integer", "maximum": 8}}),
    ("input.rows.map(r, r.?word.orValue(0))", {"type": "array", "items": {"type": "string"}}),
    ("input.rows.map(r, r.n > 4, r.n)", {"type": "array", "items": {"type": "integer", "minimum": 6}}),
    ("input.rows[?0].?word.orValue('')", {"type": "string", "maxLength": 7}),
    ("size(input.rows) + input.small", {"type": "integer", "maximum": 11}),
    ("input.level in ['low', 'high'] ? input.level : 'middle'", {"enum": ["low", "high"]}),
    ("[input.small, input.id]", {"type": "array", "items": {"type": "integer"}}),
    ("input.small * input.small", {"type": "integer", "maximum": 80}),
    ("input.small - 1", DIGIT),
    ("input.level + '!'", {"enum": ["low!", "high!"]}),
]


@pytest.mark.parametrize(("source", "wanted"), WRONG)
def test_what_does_not_fit_is_refused_with_an_input_that_comes(source: str, wanted: Any) -> None:
    report = told(source, wanted)
    assert {one.code for one in report.errors} == {"ACC822"}
    example = report.errors[0].example
    assert isinstance(example, dict)
    assert not jsonschema_rs.is_valid(wanted, example["x"])
    hint = report.errors[0].hint or ""
    assert source.startswith("[") or 'it comes in a run with {"input":' in hint


@pytest.mark.parametrize(
    ("source", "wanted", "verdict"),
    [
        ("input.small * 2 - input.small", DIGIT, "ACC823"),  # it fits, and no type says so
        ("input.flag && !input.flag ? input.level : input.small", DIGIT, "ACC823"),
        ("input.other", DIGIT, "ACC823"),
        ("input.small > 'a' ? 1 : 2", {"type": "string"}, "ACC822"),  # of another type whenever it comes
    ],
)
def test_what_may_fit_is_neither_proven_nor_refused(source: str, wanted: Any, verdict: str) -> None:
    found = {one.code for one in told(source, wanted).findings}
    assert verdict in found
    assert ("ACC822" in found) == (verdict == "ACC822")


@pytest.mark.parametrize(
    ("source", "when", "wanted", "ok"),
    [
        ("input.maybe", "input.maybe != null", WORD, True),
        ("input.maybe", "input.maybe == null", WORD, False),
        ("input.large", "input.large < 10 && input.flag", DIGIT, True),
        ("input.large", "input.large < 10 || input.flag", DIGIT, False),
        ("input.sound", "has(input.sound) && input.sound == 3", DIGIT, True),
        ("input.maybe", "input.flag", WORD, False),
        ("input.rows[0]", "size(input.rows) == 1", ROW, True),
    ],
)
def test_what_a_condition_keeps_away_does_not_come(source: str, when: str, wanted: Any, ok: bool) -> None:
    report = told(source, wanted, when=f"${{ {when} }}")
    assert report.ok is ok
    assert report.proven == ok


def test_a_condition_that_no_type_tells_keeps_an_input_from_being_refused() -> None:
    report = told("input.large", DIGIT, when="${ input.large * 10 < 100 }")
    assert report.ok
    assert [one.code for one in report.warnings] == ["ACC823"]


def test_what_never_gives_anything_is_told() -> None:
    (error,) = told("input.small + input.level", True).errors
    assert error.code == "ACC202"
    assert error.place.pointer == "/tasks/a/with/x"


@pytest.mark.parametrize(
    ("text", "most"),
    [("a ${ input.flag } b", 9), ("${ input.maybe }${ input.level }", 11), ("${ input.level }!", 7)],
)
def test_texts_are_as_long_as_their_parts(text: str, most: int) -> None:
    for longest, fits in ((most, True), (most - 1, False)):
        takes = {"type": "object", "properties": {"x": {"type": "string", "maxLength": longest}}}
        known = ContractTable(
            [compile_contract(capability="test.work", version="1.0.0", input_schema=takes, output_schema=True)]
        )
        assert verify(graph_of({"a": {"with": {"x": text}}}, input=GIVEN), known).ok is fits


def test_what_does_not_compile_keeps_nothing_else_from_being_verified() -> None:
    tasks: dict[str, Any] = {
        "a": {"uses": "test.work@^1", "when": "${ input.large > 2 }", "with": {"x": "${ input.large.slcie(1) }"}},
        "b": {"uses": "test.work@^1", "when": "${ input.large.slcie(1) }", "with": {"x": "${ input.large }"}},
        "c": {"uses": "test.work@^1", "with": {"x": "${ input.maybe }"}},
    }
    document = {"accord": "template/1", "name": "test", "version": "1.0.0", "input": GIVEN, "tasks": tasks}
    compiled = compile_soundly(msgspec.convert(document, Template), Digest("0" * 64))
    assert [(one.code, one.place.pointer) for one in compiled.problems] == [
        ("ACC201", "/tasks/a/with/x"),
        ("ACC201", "/tasks/b/when"),
    ]
    takes = {"type": "object", "properties": {"x": DIGIT}, "required": ["x"]}
    known = ContractTable(
        [compile_contract(capability="test.work", version="1.0.0", input_schema=takes, output_schema=True)]
    )
    report = verify(compiled.graph, known)
    assert [(one.code, one.place.pointer) for one in report.errors] == [("ACC822", "/tasks/c/with/x")]


POSITIVE = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 0}}, "required": ["x"]}
HANDED = ContractTable(
    [
        compile_contract(capability="test.work", version="1.0.0", input_schema=True, output_schema={"type": "integer"}),
        compile_contract(capability="test.take", version="1.0.0", input_schema=POSITIVE, output_schema=True),
    ]
)
BEFORE: dict[str, Any] = {"a": {"when": "${ input.n > 5 }"}, "b": {"needs": ["a"]}, "c": {"when": "${ input.flag }"}}


@pytest.mark.parametrize(
    ("task", "source", "told_as"),
    [
        ({"needs": ["b"]}, "input.n - 6", "ACC824"),
        ({"needs": ["b"]}, "input.n - 7", "ACC822"),
        ({"needs": ["b", "c"]}, "input.n - 6", "ACC824"),
        ({"needs": ["b", "c"], "join": "any"}, "input.n - 6", "ACC822"),
        ({"needs": ["b"], "join": "settled"}, "input.n - 6", "ACC822"),
        ({"join": "settled"}, "has(tasks.a.output) ? input.n - 6 : 0", "ACC823"),
        ({"join": "settled"}, "has(tasks.c.output) ? input.n - 6 : 0", "ACC822"),
        ({"needs": ["b"], "join": "settled", "when": "${ has(tasks.b.output) }"}, "input.n - 6", "ACC823"),
    ],
)
def test_an_input_is_refused_only_where_the_tasks_before_let_it_come(task: Any, source: str, told_as: str) -> None:
    n = {"type": "integer", "minimum": -1000, "maximum": 1000}
    schema: dict[str, Any] = {"type": "object", "properties": {"n": n, "flag": {"type": "boolean"}}}
    taker = {"uses": "test.take@^1", "with": {"x": f"${{ {source} }}"}, **task}
    graph = graph_of({**BEFORE, "z": taker}, input={**schema, "required": ["n", "flag"]})
    (edge,) = (one for one in verify(graph, HANDED).findings if (one.place.pointer or "").startswith("/tasks/z/with"))
    assert edge.code == told_as
