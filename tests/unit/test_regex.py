"""Patterns of `matches`, as schemas and as formulas: what is read says just what CEL says, and the rest is not read."""

from __future__ import annotations

from typing import Any

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.contract import compile_contract
from accord.domain.expression.program import compile_expression, pattern_fault
from accord.domain.expression.regex import schema_pattern
from accord.domain.schema import compile_schema
from accord.errors import ExpressionInvalid
from accord.formulas import literal
from accord.testing.graphs import graph_of
from accord.verifier.known import ContractTable
from accord.verifier.paths.regexes import matching
from accord.verifier.report import Report
from accord.verifier.verify import verify

MATCHES = compile_expression("input.text.matches(input.pattern)")
TEXTS = [
    *("", "a", "b", "ab", "aa", "aaa", "cb", "acb", "a\nb", "a\rb", "\n", "\r", "\u2028", "\v", " ", "-", "-12", "123"),
    *("é", "ü", "_", "a@b.com", "A", ".", "$", "^", "abab", "]", "/", "0", "\t", "\x85", "\ufeff", "😀", "{", "&"),
    "\u0660",
]
READ = [
    *("^a", "a$", "^[ab]+$", "[^a]", "^[0-9]{1,3}$", "^-?[0-9]+$", "^.$", "^a.b$", r"\d", "^$", "^a|b$", "", "a||b"),
    *("^(?:ab|c)*$", "[a-c-]", "[-a]", r"[\w-]", r"^\S+$", r"\s", r"^[^\n]*$", "a*?b", "^a{0}$", "^(ab){2}$", r"\."),
    *(
        "^a?b??$",
        r"^\w+@\w+\.[a-z]{2,}$",
        "^(a|b|)c",
        "é",
        "^[à-ü]$",
        "^[.]$",
        "^[$^]$",
        "^(a$|b)",
        r"[\]]",
        r"^\-$",
        "^/$",
    ),
]
UNREAD = [
    *(
        "a{,2}",
        "a**",
        "[]a]",
        "[[:alpha:]]",
        "(?i)a",
        r"\b",
        "^*",
        "(",
        "x{101}",
        "(x{20}){20}",
        r"[\d-z]",
        "a{",
        r"\x41",
    ),
    *("[a&&b]", r"\pL", r"\Qa\E", "(?P<n>a)", r"\A", r"\z"),
]


def is_found(pattern: str, text: str) -> bool | None:
    try:
        return bool(MATCHES.evaluate({"input": {"text": text, "pattern": pattern}}))
    except ExpressionInvalid:
        return None


def in_language(language: Any, text: str) -> bool:
    solver = z3.Solver()
    solver.add(z3.InRe(literal(text), language))
    return bool(solver.check() == z3.sat)


@pytest.mark.parametrize("pattern", READ)
def test_what_is_read_says_what_cel_says(pattern: str) -> None:
    said = schema_pattern(pattern)
    assert said is not None
    schema, language = compile_schema({"type": "string", "pattern": said}), matching(pattern)
    for text in TEXTS:
        found = is_found(pattern, text)
        assert schema.is_valid(text) is found, (said, text)
        assert language is None or in_language(language, text) is found, text


@pytest.mark.parametrize("pattern", UNREAD)
def test_what_others_read_in_another_way_is_not_read(pattern: str) -> None:
    assert schema_pattern(pattern) is None
    assert matching(pattern) is None


@settings(max_examples=150, deadline=None)
@given(st.text("ab^$.|()[]*+?{}1,-\\dws", max_size=8), st.text("ab1 -\n", max_size=4))
def test_no_pattern_is_read_in_another_way(pattern: str, text: str) -> None:
    said, language = schema_pattern(pattern), matching(pattern)
    if said is not None:
        found = is_found(pattern, text)
        assert found is not None, "it is a pattern to CEL"
        assert compile_schema({"type": "string", "pattern": said}).is_valid(text) is found
        assert language is None or in_language(language, text) is found


def test_what_is_no_pattern_is_refused() -> None:
    assert pattern_fault("^a+$") is None
    report = told({"a": {"with": {"x": "${ input.text.matches('(') }"}}})
    assert [(one.code, one.place.pointer) for one in report.errors] == [("ACC202", "/tasks/a/with/x")]
    assert "missing )" in report.errors[0].message


CODES = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^[A-Z]{2}-"}}, "required": ["x"]}
KNOWN = ContractTable(
    compile_contract(capability=name, version="1.0.0", input_schema=schema, output_schema=True)
    for name, schema in (("test.work", True), ("test.coded", CODES))
)
GIVEN = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def told(tasks: dict[str, Any], **fields: Any) -> Report:
    return verify(graph_of(tasks, input=GIVEN, **fields), KNOWN)


@pytest.mark.parametrize(
    ("condition", "proven"),
    [
        ("input.text.matches('^[A-Z][A-Z]-[0-9]+$')", True),
        ("input.text.startsWith('DE-')", True),
        ("!(!input.text.startsWith('DE-') || input.text == 'x')", True),
        ("input.text.matches('[A-Z][A-Z]-')", False),
        ("input.text.endsWith('DE-')", False),
        ("input.text.contains('DE-')", False),
        ("!input.text.startsWith('DE-')", False),
        ("input.text.startsWith('DE') || input.text.startsWith('DE-')", False),
        ("input.text.matches('(?i)^[A-Z]{2}-')", False),
    ],
)
def test_what_a_text_begins_with_is_known_where_it_is_handed_on(condition: str, proven: bool) -> None:
    task = {"uses": "test.coded@^1", "when": f"${{ {condition} }}", "with": {"x": "${ input.text }"}}
    report = told({"a": task})
    assert ("ACC824" in [one.code for one in report.findings if one.place.pointer == "/tasks/a/with"]) is proven


def test_what_is_matched_can_be_converted() -> None:
    guarded = "${ input.text.matches('^-?[0-9]{1,9}$') ? int(input.text) : 0 }"
    assert not told({"a": {"with": {"x": guarded}}}).warnings
    assert told({"a": {"with": {"x": guarded.replace("{1,9}", "{1,30}")}}}).warnings
    begun = {"when": "${ input.text.matches('^[0-9]{1,9}$') }", "with": {"x": "${ int(input.text) }"}}
    assert not told({"a": begun}).warnings


def test_patterns_that_exclude_each_other_are_known_to() -> None:
    tasks = {
        "a": {"when": "${ input.text.matches('^[a-c]+$') }"},
        "b": {"when": "${ input.text.matches('^[d-f]+$') }"},
        "c": {"when": "${ input.text.matches('^[a-c]$') && !input.text.matches('^[a-c]+$') }"},
    }
    report = told(tasks, choices=[{"between": ["a", "b"], "takes": "exactly_one"}])
    assert [(one.code, one.place.pointer) for one in report.errors] == [
        ("ACC830", "/tasks/c/when"),
        ("ACC836", "/choices/0"),
    ]
    assert "no two of `a`, `b` begin in one run" in [one.message for one in report.proofs]
