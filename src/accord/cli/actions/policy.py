"""`accord policy ...`: policies checked, tested, explained, proven. Nothing runs, and no home is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from accord.cli.errors import DONE, FAILED, show_problem, usage
from accord.cli.options import Shared
from accord.cli.output import Screen, counted, styled
from accord.domain.labels import read_labels, told, with_level
from accord.domain.policy import Request
from accord.errors import BadInput, Problem
from accord.policy.cases import Asked, Tested, asked_of, decided, read_cases, tested
from accord.policy.cedar import CedarSet, checked
from accord.policy.neighbours import neighbours
from accord.policy.proofs import Answer, proofs
from accord.policy.source import PolicySource, read_source, schema_text, shipped_source
from accord.templates.documents import scan_document

_USELESS = {
    "dead": "fits no request: it can be left out, or says something else than it is meant to",
    "shadowed": "makes no difference: whatever it decides, other policies decide as well",
}


class Checked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found out of a set."""

    digest: str
    policies: int
    files: int
    warnings: tuple[Problem, ...] = ()
    proven: bool = True
    """Whether policies without effect were looked for."""
    more: Told | None = None
    """Whether it allows more than the other set."""


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer of a proof."""

    verdict: str
    asked: str = ""
    example: Asked | None = None
    unknown: tuple[str, ...] = ()


def check(shared: Shared, path: Path | None, against: Path | None) -> int:
    """Check a set, alone or against another one."""
    screen = Screen(as_json=shared.as_json)
    found = _set(shared, path)
    provers = proofs(required=against is not None)
    useless = tuple(provers.useless(found)) if provers is not None else ()
    warnings = tuple(Problem("ACC679", f"{one.rule} {_USELESS[one.why]}", one.place) for one in useless)
    more = None
    if against is not None and provers is not None:
        more = _told(provers.allows_more(found, checked(read_source(against))))
    told = Checked(
        digest=found.source.digest,
        policies=len(found.rules),
        files=len(found.source.files),
        warnings=warnings,
        proven=provers is not None,
        more=more,
    )
    if screen.as_json:
        screen.document(told)
    else:
        _show_checked(screen, told, against)
    return DONE if more is None or more.verdict == "never" else FAILED


def _show_checked(screen: Screen, told: Checked, against: Path | None) -> None:
    number = f"{told.policies} policies" if told.policies != 1 else "1 policy"
    screen.line(f"{number} in {counted(told.files, 'file')} hold: {told.digest[:12]}")
    for warning in told.warnings:
        show_problem(screen.out, warning, "warn")
    if not told.proven:
        screen.note("Policies without effect are found with the extra: pip install 'accord-orchestrator[proofs]'")
    if told.more is not None:
        _show_told(screen, told.more, f"something that {against} does not allow")


def prove(shared: Shared, path: Path | None, never: Sequence[str]) -> int:
    """Prove that requests are never allowed."""
    if not never:
        raise usage("ACC913", "nothing is to be proven", "say what must never be allowed: --never REQUESTS")
    screen = Screen(as_json=shared.as_json)
    found, provers = _set(shared, path), proofs(required=True)
    assert provers is not None  # noqa: S101 - it is required
    answers = [msgspec.structs.replace(_told(provers.ever(found, asked)), asked=asked) for asked in never]
    if screen.as_json:
        screen.document(answers)
    else:
        for answer in answers:
            _show_told(screen, answer, " ".join(answer.asked.split()))
    return DONE if all(answer.verdict == "never" for answer in answers) else FAILED


def _told(answer: Answer) -> Told:
    example = asked_of(answer.example) if answer.example is not None else None
    return Told(verdict=answer.verdict, example=example, unknown=answer.unknown)


def _show_told(screen: Screen, told: Told, what: str) -> None:
    if told.verdict == "never":
        screen.line(styled(("proven  ", "good"), ("never allowed: ", ""), (what, "")))
    elif told.example is not None:
        screen.line(styled(("allowed ", "bad"), (what, "")))
        screen.line("For example, as Cedar confirms:")
        screen.facts(_facts(told.example))
    else:
        screen.line(styled(("unknown ", "warn"), (what, "")))
        for why in told.unknown:
            screen.line(f"  {why}")


def _facts(asked: Asked) -> list[tuple[str, str]]:
    found = msgspec.structs.asdict(asked)
    return [(name, ", ".join(value) if isinstance(value, tuple) else str(value or "")) for name, value in found.items()]


def try_(shared: Shared, cases: Path, path: Path | None) -> int:
    """Test a set by cases."""
    screen = Screen(as_json=shared.as_json)
    found, document = _set(shared, path), scan_document(cases)
    BadInput.raise_if(document.problems)
    outcomes = [tested(found, *one) for one in read_cases(document.value, document.place)]
    if screen.as_json:
        screen.document(outcomes)
    else:
        _show_tested(screen, outcomes)
    return DONE if all(one.ok for one in outcomes) else FAILED


def _show_tested(screen: Screen, outcomes: Sequence[Tested]) -> None:
    for one in outcomes:
        verdict = ("ok      ", "good") if one.ok else ("failed  ", "bad")
        place = "" if one.ok else f"{one.place}: "
        screen.line(styled(verdict, (place, "place"), (f"{one.name}: {one.seen}", "")))
    failed = sum(not one.ok for one in outcomes)
    screen.line(f"{len(outcomes) - failed} of {len(outcomes)} cases as expected")


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and what would turn it."""

    allowed: bool
    decision: str
    by: tuple[str, ...]
    policies: str
    turned_by: tuple[str, ...]
    """Single facts, each of which would turn the decision."""


def explain(shared: Shared, wanted: Mapping[str, Any], path: Path | None) -> int:
    """Explain one decision."""
    screen = Screen(as_json=shared.as_json)
    found, request = _set(shared, path), _request(wanted, shared)
    decision = found.decide(request)
    told = Explained(
        allowed=decision.allowed,
        decision=decided(decision),
        by=decision.reasons,
        policies=found.source.digest,
        turned_by=tuple(one.difference for one in neighbours(found, request)),
    )
    if screen.as_json:
        screen.document(told)
    else:
        _show_explained(screen, told, found)
    return DONE if told.allowed else FAILED


def _show_explained(screen: Screen, told: Explained, found: CedarSet) -> None:
    screen.line(told.decision, "good" if told.allowed else "bad")
    for rule in found.rules:
        if rule.id in told.by:
            screen.line(styled((f"  {rule.place}: ", "place"), (rule.id, "")))
    if told.turned_by:
        screen.heading("It would be denied with" if told.allowed else "It would be allowed with")
        for one in told.turned_by:
            screen.line(f"  {one}")
    elif not told.allowed:
        screen.line("No single fact that the policies name would turn it.")


def _request(wanted: Mapping[str, Any], shared: Shared) -> Request:
    labels = told(with_level(read_labels(wanted["labels"])))
    named = {**wanted, "labels": labels, "organisation": shared.settings().organisation}
    try:
        return msgspec.convert(named, Asked).request()
    except msgspec.ValidationError as error:
        hint = "an agent is spiffe://ORGANISATION/agent/NAME, a capability and a template are NAME@VERSION"
        raise BadInput.of("ACC676", f"no such request: {error}", hint=hint) from None


def show(shared: Shared, path: Path | None, *, schema: bool) -> int:
    """Print the set, or the schema."""
    screen = Screen(as_json=shared.as_json)
    if schema:
        text = schema_text()
        screen.document({"schema": text}) if screen.as_json else screen.write(text)
        return DONE
    source = _source(shared, path)
    if screen.as_json:
        files = {one.name: one.text for one in source.files}
        screen.document({"digest": source.digest, "shipped": source.shipped, "policies": files})
        return DONE
    for one in source.files:
        if len(source.files) > 1:
            screen.write(f"// {one.name}\n")
        screen.write(one.text)
    return DONE


def _source(shared: Shared, path: Path | None) -> PolicySource:
    shared.here("policy")
    named = path or shared.settings().policies
    return shipped_source() if named is None else read_source(named)


def _set(shared: Shared, path: Path | None) -> CedarSet:
    return checked(_source(shared, path))
