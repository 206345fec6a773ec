"""Pairs of schemas: whether every value of the one is good for the other, as yes or no, and every no with a value."""

from __future__ import annotations

import statistics
import time
from typing import Any, Literal, TypeAlias

import jsonschema
import msgspec
from msgspec import UNSET, UnsetType

from accord.verifier.containment.decision import Decision, Side, decide, is_valid
from accord.verifier.containment.references import Draft
from bench.sets.ecma import for_python
from bench.sets.files import Arguments, read, write

Json: TypeAlias = Any
_DRAFTS = {"7": Draft.DRAFT_7, "2020-12": Draft.DRAFT_2020_12}
_VERDICTS = {"proven": "yes", "refuted": "no", "unknown": "unknown"}
_VALIDATORS = {Draft.DRAFT_7: jsonschema.Draft7Validator, Draft.DRAFT_2020_12: jsonschema.Draft202012Validator}


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the set."""

    producer: dict[str, Json] | bool
    consumer: dict[str, Json] | bool
    id: str | int | None = None
    draft: Literal["7", "2020-12"] | None = None
    """Of a schema that has no `$schema`; 2020-12 where it is left out."""
    formats: bool | None = None
    """Whether `format` is checked; left out: in draft 7 it is, in 2020-12 not."""
    contained: bool | None = None
    """The answer, where it is known."""


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the predictions."""

    verdict: str
    id: str | int | None = None
    witness: Json | UnsetType = UNSET


def run(arguments: Arguments) -> None:
    """Decide every pair; print the figures."""
    pairs = read(arguments.file, Pair)
    found: list[Decision] = []
    taken: list[float] = []
    for pair in pairs:
        begun = time.perf_counter()
        found.append(_decided(pair))
        taken.append(time.perf_counter() - begun)
    write(arguments.out, [_prediction(pair, one) for pair, one in zip(pairs, found, strict=True)])
    print(msgspec.json.format(msgspec.json.encode(_figures(pairs, found, taken))).decode())


def _decided(pair: Pair) -> Decision:
    producer, consumer = _sides(pair)
    return decide(producer, consumer, lambda value: _is_witness(producer, consumer, value))


def _sides(pair: Pair) -> tuple[Side, Side]:
    drafts = [_draft(schema, pair.draft) for schema in (pair.producer, pair.consumer)]
    formats = [draft is Draft.DRAFT_7 if pair.formats is None else pair.formats for draft in drafts]
    return Side(pair.producer, drafts[0], formats[0]), Side(pair.consumer, drafts[1], formats[1])


def _draft(schema: dict[str, Json] | bool, stated: str | None) -> Draft:
    named = str(schema.get("$schema", "")).rstrip("#") if isinstance(schema, dict) else ""
    return next((draft for draft in Draft if draft.value == named), _DRAFTS[stated or "2020-12"])


def _is_witness(producer: Side, consumer: Side, value: object) -> bool:
    """Whether the other validator says so, too; of formats it knows less, so that it is not asked about them."""
    if _has_format(producer) or _has_format(consumer):
        return is_valid(producer, value) and not is_valid(consumer, value)
    given, wanted = (_VALIDATORS[side.draft](for_python(side.schema)) for side in (producer, consumer))
    try:
        return bool(given.is_valid(value)) and not wanted.is_valid(value)
    except (ArithmeticError, RecursionError):
        return False


def _has_format(side: Side) -> bool:
    return side.formats and b'"format"' in msgspec.json.encode(side.schema)


def _prediction(pair: Pair, decision: Decision) -> Prediction:
    witness = decision.witness if decision.outcome == "refuted" else UNSET
    return Prediction(_VERDICTS[decision.outcome], pair.id, witness)


def _figures(pairs: list[Pair], found: list[Decision], taken: list[float]) -> dict[str, object]:
    verdicts = [_VERDICTS[one.outcome] for one in found]
    refuted = [(pair, one) for pair, one in zip(pairs, found, strict=True) if one.outcome == "refuted"]
    confirmed = [_is_witness(*_sides(pair), one.witness) for pair, one in refuted]
    figures: dict[str, object] = {"pairs": len(pairs), **{name: verdicts.count(name) for name in _VERDICTS.values()}}
    figures["decided_percent"] = _percent(len(pairs) - verdicts.count("unknown"), len(pairs))
    figures["witnesses_valid_percent"] = _percent(sum(confirmed), len(refuted))
    known = [(pair.contained, said) for pair, said in zip(pairs, verdicts, strict=True) if pair.contained is not None]
    if known:
        figures["known"] = len(known)
        figures["wrong"] = sum(said == ("no" if contained else "yes") for contained, said in known)
    micros = sorted(seconds * 1e6 for seconds in taken) or [0.0]
    figures["us_mean"] = round(statistics.fmean(micros), 1)
    figures["us_p50"] = round(statistics.median(micros), 1)
    figures["us_p99"] = round(micros[int(0.99 * (len(micros) - 1))], 1)
    return figures


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 100.0
