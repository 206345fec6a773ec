"""Contracts: what goes into a capability, what comes out, and within which limits; identified by digest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import msgspec

from accord.domain.capability import CapabilityName, CapabilityRef, Version, parse_name
from accord.domain.ids import Digest
from accord.domain.labels import NOTHING, Labels, read_labels, told
from accord.domain.schema import JsonSchema, Schema, canonical_form, compile_schema, digest_of
from accord.errors import BadInput, ContractViolation, Place, Problem

_MEMBERS = frozenset({"capability", "version", "input", "output", "limits", "labels"})
MAX_DEADLINE_S = 10 * 366 * 24 * 3600
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_LIMITS = frozenset({"deadline_s", "max_cost", "min_confidence"})

T = TypeVar("T")


class Limits(msgspec.Struct, frozen=True):
    """What an attempt may take, and how sure its result has to be; None is no limit."""

    deadline: timedelta | None = None
    max_cost: Decimal | None = None
    """In the unit that the organisation's agents count in."""
    min_confidence: Decimal | None = None
    """From 0 to 1."""

    def document(self) -> dict[str, object]:
        """The JSON form, which is part of the contract's digest: seconds as a number, decimals as text."""
        form: dict[str, object] = {}
        if self.deadline is not None:
            form["deadline_s"] = _seconds(self.deadline)
        if self.max_cost is not None:
            form["max_cost"] = _decimal_text(self.max_cost)
        if self.min_confidence is not None:
            form["min_confidence"] = _decimal_text(self.min_confidence)
        return form


NO_LIMITS = Limits()


class Contract(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The contract of one version of a capability; equal to another one where their digests are."""

    capability: CapabilityName
    version: Version
    input: Schema
    output: Schema
    limits: Limits
    labels: Labels = NOTHING
    """What outputs have beside the labels of what they were made of."""
    digest: Digest
    """SHA-256 over the RFC 8785 form of `document()`."""

    @property
    def ref(self) -> CapabilityRef:
        return CapabilityRef(self.capability, self.version)

    def document(self) -> dict[str, object]:
        """The JSON form: {capability, version, input, output, limits}, and `labels` where there are any."""
        return _document(self.ref, self.input, self.output, self.limits, self.labels)

    def violations_of_input(self, value: object) -> tuple[Problem, ...]:
        """All ways in which a value breaks the input schema (ACC250)."""
        return self.input.violations(value, "ACC250")

    def violations_of_output(self, value: object) -> tuple[Problem, ...]:
        """All ways in which a value breaks the output schema (ACC251)."""
        return self.output.violations(value, "ACC251")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Contract) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def compile_contract(
    *,
    capability: str,
    version: str | Version,
    input_schema: JsonSchema,
    output_schema: JsonSchema,
    limits: Limits = NO_LIMITS,
    labels: Iterable[str] = (),
) -> Contract:
    """The contract of these parts.

    Raises:
        ContractViolation: all problems: ACC230 and ACC231 name and version, ACC240 to ACC244 the schemas
            (places are pointers into `document()`), ACC245 the limits, ACC690 the labels.
    """
    problems: list[Problem] = []
    name = _collected(problems, lambda: parse_name(capability))
    number = _collected(problems, lambda: version if isinstance(version, Version) else Version.parse(version))
    accepts = _collected(problems, lambda: compile_schema(input_schema, pointer="/input"))
    gives = _collected(problems, lambda: compile_schema(output_schema, pointer="/output"))
    adds = _collected(problems, lambda: read_labels(labels))
    problems.extend(_limit_problems(limits))
    if name is None or number is None or accepts is None or gives is None or adds is None or problems:
        raise ContractViolation(*problems)
    digest = digest_of(canonical_form(_document(CapabilityRef(name, number), accepts, gives, limits, adds)))
    return Contract(
        capability=name,
        version=number,
        input=accepts,
        output=gives,
        limits=limits,
        labels=adds,
        digest=digest,
    )


def read_contract(document: Mapping[str, object]) -> Contract:
    """The contract whose `document()` this is; unknown members are refused.

    Raises:
        ContractViolation: as `compile_contract`, and ACC246 for a member that is missing, unknown or of a
            wrong type.
    """
    ContractViolation.raise_if(_shape_problems(document))
    form = document.get("limits") or {}
    problems: list[Problem] = []
    limits = _read_limits(form if isinstance(form, Mapping) else {}, problems)
    contract = _collected(
        problems,
        lambda: compile_contract(
            capability=str(document["capability"]),
            version=str(document["version"]),
            input_schema=document["input"],  # type: ignore[arg-type]  # compile_schema refuses other types
            output_schema=document["output"],  # type: ignore[arg-type]  # as above
            limits=limits,
            labels=document.get("labels", ()),  # type: ignore[arg-type]  # the shape is checked
        ),
    )
    if contract is None or problems:
        raise ContractViolation(*problems)
    return contract


def _document(ref: CapabilityRef, accepts: Schema, gives: Schema, limits: Limits, labels: Labels) -> dict[str, object]:
    adds: dict[str, object] = {"labels": list(told(labels))} if labels else {}
    return {
        "capability": ref.name,
        "version": str(ref.version),
        "input": accepts.document,
        "output": gives.document,
        "limits": limits.document(),
        **adds,
    }


def _collected(problems: list[Problem], make: Callable[[], T]) -> T | None:
    try:
        return make()
    except BadInput as error:
        problems.extend(error.problems)
        return None


def _limit_problems(limits: Limits) -> Iterator[Problem]:
    place = Place(pointer="/limits")
    if limits.deadline is not None and limits.deadline <= timedelta(0):
        yield Problem("ACC245", "the deadline is not after the start", place, "give seconds above 0")
    if limits.max_cost is not None and not (limits.max_cost.is_finite() and limits.max_cost >= 0):
        yield Problem("ACC245", "the cost is no number from 0", place)
    if limits.min_confidence is not None and not 0 <= limits.min_confidence <= 1:
        yield Problem("ACC245", "the confidence is not between 0 and 1", place)


def _shape_problems(document: Mapping[str, object]) -> Iterator[Problem]:
    limits = document.get("limits", {})
    unknown = [
        *(document.keys() - _MEMBERS),
        *(limits.keys() - _LIMITS if isinstance(limits, Mapping) else ()),
    ]
    yield from (Problem("ACC246", f"a contract has no `{name}`", Place(pointer=f"/{name}")) for name in sorted(unknown))
    missing = _MEMBERS - {"limits", "labels"} - document.keys()
    yield from (Problem("ACC246", f"`{name}` is missing", Place(pointer="")) for name in sorted(missing))
    texts = [name for name in ("capability", "version") if not isinstance(document.get(name, ""), str)]
    yield from (Problem("ACC246", f"`{name}` is no string", Place(pointer=f"/{name}")) for name in texts)
    labels = document.get("labels", [])
    if not isinstance(labels, list | tuple) or not all(isinstance(one, str) for one in labels):
        yield Problem("ACC246", "`labels` is no list of strings", Place(pointer="/labels"))
    if not isinstance(limits, Mapping):
        yield Problem("ACC246", "`limits` is no object", Place(pointer="/limits"))


def _read_limits(form: Mapping[str, object], problems: list[Problem]) -> Limits:
    return Limits(
        _read_deadline(form.get("deadline_s"), problems),
        _read_decimal(form, "max_cost", problems),
        _read_decimal(form, "min_confidence", problems),
    )


def _read_deadline(value: object, problems: list[Problem]) -> timedelta | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_DEADLINE_S:
        place, hint = Place(pointer="/limits/deadline_s"), f"seconds above 0, at most {MAX_DEADLINE_S}"
        problems.append(Problem("ACC245", "the deadline is no number of seconds", place, hint))
        return None
    return timedelta(seconds=value)


def _read_decimal(form: Mapping[str, object], name: str, problems: list[Problem]) -> Decimal | None:
    value = form.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
        message = f"`{name}` is no decimal number in a string"
        problems.append(Problem("ACC245", message, Place(pointer=f"/limits/{name}"), 'write "0.8"'))
        return None
    return Decimal(value)


def _seconds(deadline: timedelta) -> int | float:
    seconds = deadline.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _decimal_text(number: Decimal) -> str:
    return format(number.normalize(), "f")
