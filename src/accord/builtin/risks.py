"""The inspector: concrete signals of risk in a product's own code, each with its place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from accord.builtin.batches import in_batches
from accord.builtin.licences import LicenceClass
from accord.builtin.line_kinds import physical_lines
from accord.builtin.metadata import describe
from accord.builtin.products import Amount, Count, Extent, Name, Place, Record, Severity, Subject
from accord.builtin.signals import RULES, Signal, python_signals, text_signals
from accord.builtin.sources import SourceFile, read_text, sample, tree_of
from accord.builtin.syntax import parse_or_none
from accord.sdk import Agent, Context

agent = Agent("inspector")

MOST_BYTES = 6_000_000
MOST_EXAMPLES = 5
WEIGHT_OF: Mapping[Severity, float] = {"high": 10.0, "medium": 3.0, "low": 1.0}
"""How much one signal counts towards the density, by severity."""


class Evidence(Record):
    """One place where a rule applies."""

    place: Place
    message: str


class Risk(Record):
    """All places where one rule applies, with the first few as evidence."""

    rule: Name
    severity: Severity
    meaning: str
    count: Annotated[int, Field(ge=1)]
    evidence: Annotated[list[Evidence], Field(min_length=1, max_length=MOST_EXAMPLES)]


class Risks(Record):
    """Signals of risk in a product's own code (tests left out), the gravest first."""

    name: Name
    extent: Extent
    lines: Count = Field(description="Lines of the files that were read.")
    risks: list[Risk]
    density: Amount = Field(description="Signals per 1000 lines: a high one counts 10, a medium 3, a low 1.")
    licence_class: LicenceClass
    licence: str | None


@agent.capability(
    "software.risks@1.0.0",
    description="Risky calls, swallowed errors, secrets-like literals, open tasks with file and line; licence class.",
)
async def assess(subject: Subject, context: Context) -> Risks:
    """The signals of risk in the product's own Python code; nothing of it is imported or run."""
    tree = await asyncio.to_thread(tree_of, subject.product)
    chosen, extent = sample(tree.python(tests=False), MOST_BYTES)
    found = await in_batches(chosen, file_signals, context, subject.product.name)
    licence = (await asyncio.to_thread(describe, subject)).licence
    signals = [(file.path, one) for file, (_, several) in zip(chosen, found, strict=True) for one in several]
    lines = sum(count for count, _ in found)
    risks = grouped(signals)
    weight = sum(WEIGHT_OF[one.severity] * one.count for one in risks)
    return Risks(
        name=subject.product.name,
        extent=extent,
        lines=lines,
        risks=risks,
        density=round(1000 * weight / lines, 2) if lines else 0.0,
        licence_class=licence.licence_class,
        licence=licence.expression,
    )


def file_signals(file: SourceFile) -> tuple[int, list[Signal]]:
    """Lines and signals of one Python file; of one that does not parse, the signals of its text alone."""
    text = read_text(file)
    if text is None:
        return 0, []
    found = text_signals(text.content)
    tree = parse_or_none(text.content)
    if tree:
        found += python_signals(tree, test=file.is_test)
    return len(physical_lines(text.content)), sorted(found)


def grouped(signals: Iterable[tuple[str, Signal]]) -> list[Risk]:
    """The signals by rule: gravest severity first, then the most frequent."""
    places: dict[str, list[tuple[str, Signal]]] = {}
    for path, signal in sorted(signals, key=lambda pair: (pair[0], pair[1])):
        places.setdefault(signal.rule, []).append((path, signal))
    risks = [_risk(rule, several) for rule, several in places.items()]
    return sorted(risks, key=lambda one: (-WEIGHT_OF[one.severity], -one.count, one.rule))


def _risk(rule: str, places: list[tuple[str, Signal]]) -> Risk:
    severity, meaning = RULES[rule]
    return Risk(
        rule=rule,
        severity=severity,
        meaning=meaning,
        count=len(places),
        evidence=[
            Evidence(place=Place(path=path, line=one.line), message=one.message) for path, one in places[:MOST_EXAMPLES]
        ],
    )
