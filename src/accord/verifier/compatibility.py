"""Compatibility of schemas along an edge, and of the versions of a contract."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import msgspec
import orjson

from accord.domain.contract import Contract
from accord.domain.schema import JsonSchema, canonical_form, compile_schema
from accord.domain.schema_path import declared_names, schema_at
from accord.errors import ContractViolation, Place, Problem
from accord.verifier.containment.decision import Side, decide

__all__ = ["Verdict", "compatible_version", "covers", "declared_names", "schema_at"]

CACHED_VERDICTS = 8192
_MAX_SHOWN = 200


class Verdict(msgspec.Struct, frozen=True):
    """Whether every value of a producer is good for a consumer."""

    outcome: Literal["proven", "refuted", "unknown"]
    witness: object = None
    """Where refuted: a value that the producer's schema allows and the consumer's does not, confirmed by both."""
    violations: tuple[Problem, ...] = ()
    """What the consumer's schema says of the witness."""

    @property
    def proven(self) -> bool:
        return self.outcome == "proven"

    @property
    def refuted(self) -> bool:
        return self.outcome == "refuted"

    def shown_witness(self) -> str:
        """The witness as compact JSON, cut where it is long."""
        text = orjson.dumps(self.witness).decode()
        return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def covers(consumer: JsonSchema, producer: JsonSchema) -> Verdict:
    """Whether every value that the producer's schema allows is allowed by the consumer's.

    Proven is it by a search for a counterexample that leaves nothing out, refuted by one that validators confirm (see
    `accord.verifier.containment`); where neither is found within bounded work, it is unknown. Verdicts are cached by
    content.

    Raises:
        ContractViolation: one of them is no schema (ACC240 to ACC244).
    """
    return _covers(_bytes(consumer), _bytes(producer))


def compatible_version(old: Contract, new: Contract) -> tuple[Problem, ...]:
    """Why a version of a contract may not stand beside another one of the same capability.

    Within one major version (within one minor version of 0.x) the higher version has to accept every input that the
    lower one accepts, and may give no output that the lower one could not give. Pre-releases promise nothing.
    ACC260 input, ACC261 output, each with an example; ACC262 neither proven nor refuted; ACC263 the same version with
    other content; ACC264 another capability.
    """
    if old.capability != new.capability:
        return (Problem("ACC264", f"`{old.capability}` and `{new.capability}` are two capabilities"),)
    if old.version.precedence == new.version.precedence:
        return () if old == new else (_changed(new),)
    lower, higher = sorted((old, new), key=lambda contract: contract.version)
    if not _promises(lower, higher):
        return ()
    return tuple(_incompatibilities(lower, higher))


def _bytes(schema: JsonSchema) -> bytes:
    return orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)


@lru_cache(maxsize=CACHED_VERDICTS)
def _covers(consumer_form: bytes, producer_form: bytes) -> Verdict:
    consumer = compile_schema(orjson.loads(consumer_form))
    producer = compile_schema(orjson.loads(producer_form))
    if consumer == producer:
        return Verdict("proven")
    decision = decide(Side(producer.document), Side(consumer.document), _can_be_sent)
    violations = consumer.violations(decision.witness) if decision.outcome == "refuted" else ()
    return Verdict(decision.outcome, decision.witness, violations)


def _can_be_sent(value: object) -> bool:
    """Whether a value has a canonical form: no number is too large for every reader."""
    try:
        return bool(canonical_form(value))
    except ContractViolation:
        return False


def _promises(lower: Contract, higher: Contract) -> bool:
    """Whether semver says that the higher version can stand in for the lower one."""
    one, other = lower.version, higher.version
    if one.prerelease or other.prerelease or one.major != other.major:
        return False
    return one.major > 0 or one.minor == other.minor


def _incompatibilities(lower: Contract, higher: Contract) -> Iterator[Problem]:
    pair = f"{higher.ref} and {lower.version}"
    hint = "make it a new major version, or widen the input and narrow the output only"
    accepts = covers(higher.input.document, lower.input.document)
    if not accepts.proven:
        what = f"{higher.ref} refuses an input that {lower.version} accepts"
        yield _incompatible("ACC260", what, f"inputs of {pair}", accepts, Place(pointer="/input"), hint)
    gives = covers(lower.output.document, higher.output.document)
    if not gives.proven:
        what = f"{higher.ref} may give an output that {lower.version} could not give"
        yield _incompatible("ACC261", what, f"outputs of {pair}", gives, Place(pointer="/output"), hint)


def _incompatible(code: str, what: str, which: str, verdict: Verdict, place: Place, hint: str) -> Problem:
    if not verdict.refuted:
        return Problem("ACC262", f"the {which} cannot be proven compatible", place, hint)
    reason = verdict.violations[0]
    where = f" at {reason.place}" if str(reason.place) else ""
    return Problem(code, f"{what}, such as {verdict.shown_witness()}: {reason.message}{where}", place, hint)


def _changed(new: Contract) -> Problem:
    message = f"{new.ref} is registered with another contract"
    return Problem("ACC263", message, hint="a version never changes: give this one a new number")
