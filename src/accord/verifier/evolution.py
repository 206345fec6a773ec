"""Evolution: who a new version is safe for, and which number it deserves. Each "safe" is proven, each "no" has an
example, or names the members that are tighter.

ACC265  a template and a capability are no versions of one another
ACC266  there is no capability that both sides have

Semantic versioning (semver.org), for workflows and contracts: whoever starts or calls the old version goes on to be
understood, and whoever reads its output gets nothing new; else the major number rises (the minor one, before 1.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from accord.domain.capability import Version
from accord.domain.contract import Contract
from accord.domain.labels import NOTHING, UNLABELLED, Labels, may_flow, told
from accord.domain.schema import JsonSchema
from accord.verifier.compatibility import Verdict, covers
from accord.verifier.members import Change
from accord.verifier.report import Finding

Step: TypeAlias = Literal["none", "patch", "minor", "major"]
Party: TypeAlias = Literal["callers", "readers", "runs"]

_STEPS: tuple[Step, ...] = ("none", "patch", "minor", "major")
_TAKEN: Final = "every input that was taken is taken"
_TOLD: Final = 4
"""So many members are told of one by one."""


class Effect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a change means to somebody."""

    party: Party
    """Who starts or calls it; who reads its output; runs that have begun with the version before."""
    safe: bool | None
    """None where that is neither proven nor refuted: then it counts as unsafe."""
    why: str
    example: Any = msgspec.UNSET
    """A value for which it is not."""


class Evolution(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of those who rely on the version before."""

    effects: tuple[Effect, ...]
    step: Step
    """How far the version has to rise: not at all where nothing that counts has changed."""
    deserves: str
    """The lowest version that says so."""
    has: str
    enough: bool
    """Whether the version that it has says so."""


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """What others rely on."""

    name: str = ""
    """By which others ask for it."""
    version: str
    input: JsonSchema
    output: JsonSchema | None
    """None where nobody knows what it gives."""
    labels: Labels = NOTHING
    """Of what it gives, by what is said of its data."""
    doubts: tuple[Finding, ...] = ()
    """What is refused inside, or not proven never to fail, though its input is taken."""


def evolution(before: Surface, after: Surface, *, changed: Step, members: Sequence[Change] = ()) -> Evolution:
    """What a new version means; `changed` is how far the version has to rise at least, by what has changed inside, and
    `members` is what members mean that are others.
    """
    effects = (_of_callers(before, after, members), _of_readers(before, after), *_of_runs())
    least: Step = "none" if before.input == after.input else "minor"
    for_others: Step = least if all(one.safe for one in effects) else "major"
    step = _STEPS[max(_STEPS.index(changed), _STEPS.index(for_others))]
    deserved = raised(Version.parse(before.version), step)
    has = Version.parse(after.version)
    enough = has.precedence >= deserved.precedence
    return Evolution(effects=effects, step=step, deserves=str(deserved), has=after.version, enough=enough)


def of_contracts(before: Contract, after: Contract) -> Evolution:
    """What a new version of a contract means."""
    same = before.document() | {"version": ""} == after.document() | {"version": ""}
    surfaces = (
        Surface(version=str(one.version), input=one.input.document, output=one.output.document, labels=one.labels)
        for one in (before, after)
    )
    found = evolution(*surfaces, changed="none" if same else "patch")
    return msgspec.structs.replace(found, effects=tuple(one for one in found.effects if one.party != "runs"))


def raised(version: Version, step: Step) -> Version:
    """The next version of this step; before 1.0 the minor number stands for the major one."""
    if step == "major" and version.major == 0:
        step = "minor"
    if step == "major":
        return Version(version.major + 1, 0, 0)
    if step == "minor":
        return Version(version.major, version.minor + 1, 0)
    return Version(version.major, version.minor, version.patch + 1) if step == "patch" else version


def _of_callers(before: Surface, after: Surface, members: Sequence[Change]) -> Effect:
    """What is worst for them: first what is certain, then what is not proven."""
    if before.name != after.name:
        why = f"it has another name: whoever asks for `{before.name}` does not get it"
        return Effect(party="callers", safe=False, why=why)
    verdict = covers(after.input, before.input)
    taken = _effect("callers", verdict, _TAKEN, "an input that was taken is refused")
    known = {_of_what(one) for one in before.doubts}
    new = [one for one in after.doubts if _of_what(one) not in known]
    found = [taken]
    if verdict.proven and new:
        found.append(_of_doubt(min(new, key=lambda one: one.severity != "error")))
    if members:
        found.append(_of_members(members))
    return min(found, key=lambda one: (False, None, True).index(one.safe))


def _of_members(members: Sequence[Change]) -> Effect:
    """What it means that bounds are tighter, or somebody else is waited for: those first that fail for certain."""
    told = sorted(members, key=lambda one: one.safe is not False)
    more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    why = "; ".join(one.words for one in told[:_TOLD])
    safe = False if told[0].safe is False else None
    return Effect(party="callers", safe=safe, why=f"what was carried through may be no more, at {why}{more}")


def _of_what(finding: Finding) -> tuple[str, str, str]:
    return finding.code, finding.message, finding.place.pointer or ""


def _of_doubt(finding: Finding) -> Effect:
    """What it means that the input is taken, and what is made of it may be refused further on."""
    safe = False if finding.severity == "error" else None
    where = f"{_TAKEN}, but not carried through, at {finding.place.pointer or 'the top'}"
    return Effect(party="callers", safe=safe, why=f"{where}: {finding.message}", example=finding.example)


def _of_readers(before: Surface, after: Surface) -> Effect:
    if before.output is None or after.output is None:
        why = "nobody who is known offers what its output is made of"
        return Effect(party="readers", safe=None, why=why)
    if not may_flow(after.labels, before.labels or UNLABELLED):
        more = ", ".join(told(after.labels - before.labels))
        return Effect(party="readers", safe=False, why=f"what it gives has labels that it did not have: {more}")
    verdict = covers(before.output, after.output)
    return _effect("readers", verdict, "it gives nothing that it could not give", "it may give what it could not give")


def _of_runs() -> Iterator[Effect]:
    yield Effect(party="runs", safe=True, why="runs go on with the versions that they began with, by their digests")


def _effect(party: Party, verdict: Verdict, yes: str, no: str) -> Effect:
    if verdict.refuted:
        words = f"{no}: {verdict.violations[0].message}" if verdict.violations else no
        return Effect(party=party, safe=False, why=words, example=verdict.witness)
    if verdict.proven:
        return Effect(party=party, safe=True, why=yes)
    return Effect(party=party, safe=None, why=f"it is not proven that {yes}")
