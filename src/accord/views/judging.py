"""A template as it is written, judged before it is published: all that is wrong with it, where, and its graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from accord.domain.graph import Graph
from accord.errors import PlaceOf, Problem, in_order
from accord.templates.reading import Examined
from accord.templates.soundness import Told
from accord.verifier.report import Finding, Report

Verifying = Callable[[Graph, PlaceOf], Awaitable[Report]]
"""What can be proven of a graph; the second argument knows where its parts are written."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says, and whether it would be published."""

    ok: bool
    template: str | None
    """`name@version`; None where the text does not say it."""
    problems: tuple[Problem, ...]
    """All that is wrong, in the order of the text."""
    warnings: tuple[Problem, ...]
    """What could not be proven, and is found out when it runs."""
    edges: int
    """Inputs that were checked against contracts."""
    proven: int
    """Those of them that always fit."""


async def judged(found: Examined, verifying: Verifying) -> Judged:
    """What the text and the verifier say of a template."""
    template = found.template
    name = f"{template.name}@{template.version}" if template is not None else None
    if found.graph is None:
        return Judged(ok=False, template=name, problems=found.problems, warnings=(), edges=0, proven=0)
    report = await verifying(found.graph, found.place)
    told = Told(found.problems)
    errors = [one for one in _problems(report.errors) if not told.covers(one)]
    warnings = [one for one in _problems(report.warnings) if not told.touches(one)]
    problems = in_order([*found.problems, *errors])
    return Judged(
        ok=not problems,
        template=name,
        problems=problems,
        warnings=in_order(warnings),
        edges=report.edges,
        proven=report.proven,
    )


def _problems(findings: Iterable[Finding]) -> Iterable[Problem]:
    return (finding.problem for finding in findings)
