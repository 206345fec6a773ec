"""Outcomes as JUnit XML, which CI systems show: a rule is a test."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from accord.conformance.rules import Outcome


def junit(outcomes: Sequence[Outcome]) -> str:
    """The document, as text."""
    broken = sum(one.verdict == "broken" for one in outcomes)
    skipped = sum(one.verdict == "not tested" for one in outcomes)
    counts = {"tests": str(len(outcomes)), "failures": str(broken), "errors": "0", "skipped": str(skipped)}
    suite = Xml.Element("testsuite", {"name": "accord conformance", **counts})
    for one in outcomes:
        case = Xml.SubElement(suite, "testcase", {"classname": one.rule, "name": one.name})
        if one.verdict == "broken":
            told = {"message": _printable(one.seen), "type": one.rule}
            Xml.SubElement(case, "failure", told).text = f"{one.says}\n{one.read}"
        elif one.verdict == "not tested":
            Xml.SubElement(case, "skipped", {"message": _printable(one.seen)})
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """The text without what XML cannot hold: an agent has written parts of it."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
