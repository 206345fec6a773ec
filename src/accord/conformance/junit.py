"""Outcomes as JUnit XML, which CI systems show: of conformance, where a rule is a test, and of workflow tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from xml.etree import ElementTree as Xml

import msgspec

from accord.conformance.rules import Outcome


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test, as JUnit has it."""

    group: str
    name: str
    ended: Literal["passed", "failure", "error", "skipped"] = "passed"
    message: str = ""
    """Why it did not pass."""
    kind: str = ""
    """Of a failure or an error."""
    text: str = ""
    """More of that."""
    took_s: float | None = None


def junit(outcomes: Sequence[Outcome]) -> str:
    """The document of an examination, as text."""
    return document("accord conformance", [_case(one) for one in outcomes])


def _case(one: Outcome) -> Case:
    if one.verdict == "broken":
        text = f"{one.says}\n{one.read}"
        return Case(group=one.rule, name=one.name, ended="failure", message=one.seen, kind=one.rule, text=text)
    if one.verdict == "not tested":
        return Case(group=one.rule, name=one.name, ended="skipped", message=one.seen)
    return Case(group=one.rule, name=one.name)


def document(name: str, cases: Sequence[Case]) -> str:
    """A suite of this name with these tests, as text."""
    ends = [one.ended for one in cases]
    counts = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    told = {"tests": str(len(cases)), **{word: str(ends.count(end)) for word, end in counts.items()}}  # type: ignore[arg-type]  # the words of `ended`
    suite = Xml.Element("testsuite", {"name": name, **told})
    for one in cases:
        time = {} if one.took_s is None else {"time": f"{one.took_s:.3f}"}
        case = Xml.SubElement(
            suite, "testcase", {"classname": _printable(one.group), "name": _printable(one.name), **time}
        )
        if one.ended != "passed":
            kind = {"type": one.kind} if one.kind else {}
            why = Xml.SubElement(case, one.ended, {"message": _printable(one.message), **kind})
            why.text = "\n".join(map(_printable, one.text.splitlines())) or None
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """The text without what XML cannot hold: an agent has written parts of it."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
