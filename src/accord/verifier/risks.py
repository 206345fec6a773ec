"""Risks: what may fail in an expression, as far as the schemas and its own conditions say.

    ACC172  an index, a division, a conversion or a function that is not proven never to fail (warning)
    ACC173  a timer whose text is not proven to be a duration or a time (warning)

What is left open here may still be ruled out by the conditions of the graph (`accord.verifier.paths`), or be shown by
an input (`accord.verifier.hunting`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from accord.domain.duration import parse_duration, parse_moment
from accord.domain.expression import UNKNOWN, Binding, Computed, Expression, Types, schema_of_binding, syntax_of
from accord.domain.expression import Literal as Constantly
from accord.domain.expression.kinds import JSON, Kinds
from accord.domain.expression.partial import MOMENT, Kind
from accord.domain.expression.syntax import Call, Constant, Node, Select
from accord.domain.expression.totality import Failure, Guard, Totality, as_written
from accord.domain.schema import JsonSchema
from accord.domain.schema_union import schema_key
from accord.errors import ContractViolation
from accord.verifier.compatibility import Verdict, covers
from accord.verifier.readings import Suspicion

_PERIOD: Final[JsonSchema] = {"type": "string", "pattern": r"^([0-9]{1,4}(\.[0-9]{1,9})?(ms|s|m|h|d)){1,3}$"}
_TIMER: Final[JsonSchema] = {"anyOf": [_PERIOD, MOMENT]}
_HINTS: Final = {
    "index": "declare `minItems`, guard it with `size(...)` in `when` or `? :`, or read it with `[?i]` and orValue()",
    "division": "declare `exclusiveMinimum: 0`, or guard it with `!= 0` in `when` or `? :`",
    "conversion": "declare a `pattern` that fits, or let an agent convert it",
    "regex": "write the pattern as a constant, or let an agent match it",
    "function": "let an agent do it, or test first what it is used on with `? :`",
    "overflow": "declare `minimum` and `maximum` for what it is computed from, or compute with double()",
    "large": "declare `minimum` and `maximum` for it in its schema, or ask for them in `when` or `? :`",
    "infinite": "declare `minimum` and `maximum` for what it is computed from, or bound it with `? :`",
}
_TYPE_CODES: Final = frozenset({"ACC212", "ACC214", "ACC215"})
_SAID: Final[dict[str, frozenset[str]]] = {
    "member": frozenset({"ACC212"}),
    "result": frozenset({"ACC208", "ACC218"}),
}
_INDEX_CODES: Final = frozenset({"ACC211", "ACC212", "ACC213"})
_CODES: Final = frozenset({"ACC214", "ACC215", "ACC218"})
_TIMER_HINT: Final = "declare a `pattern`, such as `^[0-9]{1,4}(s|m|h|d)$`, or an `enum` of durations"
_TYPE_HINT: Final = "ask for it with has() or `.?`, test its type, or convert it"
_OPEN_HINT: Final = "say in the schema what it is, or ask for it with has() or `.?` and test its type"
_WANTED: Final[dict[str | None, Kinds]] = {
    None: JSON,
    "bool": frozenset({"bool"}),
    "list": frozenset({"list"}),
}


class Risk(msgspec.Struct, frozen=True):
    """A part of an expression that may fail although what it reads is there and of the right type."""

    kind: Kind
    node: Node
    guards: tuple[Guard, ...]
    pointer: str
    expression: Expression
    message: str
    free: bool = True
    """Whether it is about nothing that a comprehension goes through."""

    @property
    def key(self) -> tuple[str, str]:
        """Which expression it is about."""
        return self.pointer, self.expression.source

    @property
    def codes(self) -> frozenset[str]:
        """What CEL says where it fails."""
        return _INDEX_CODES if self.kind == "index" else _CODES

    @property
    def hint(self) -> str:
        """What to do about it."""
        return _HINTS[self.kind]


class Doubts:
    """Finds what may fail in expressions; remembers what one verification has asked of schemas."""

    def __init__(self) -> None:
        self._proven: dict[tuple[bytes, bytes], bool] = {}

    def of(self, computed: Computed, types: Types, wanted: str | None = None) -> tuple[list[Suspicion], list[Risk]]:
        """Reads that may fail, and what may fail by itself, in an expression of which a type is wanted."""
        expression = computed.expression
        if expression is UNKNOWN:
            return [], []
        whole = Totality(types, self._fits, expression.guarded)
        found = whole.failures(syntax_of(expression), _WANTED.get(wanted, JSON))
        reads = [_suspicion(each, computed) for each in found if each.kind not in _HINTS]
        return reads, [_risk(each, computed) for each in found if each.kind in _HINTS]

    def _fits(self, wanted: JsonSchema, given: JsonSchema) -> bool:
        key = schema_key(wanted), schema_key(given)
        if key not in self._proven:
            self._proven[key] = _verdict(wanted, given).proven
        return self._proven[key]


def _risk(failure: Failure, computed: Computed) -> Risk:
    expression = computed.expression
    message = f"that {failure.what} is not proven, in `{expression.source}`"
    return Risk(failure.kind, failure.node, failure.guards, computed.pointer, expression, message, failure.free)


def _suspicion(failure: Failure, computed: Computed) -> Suspicion:
    source = computed.expression.source
    if failure.kind == "absent":
        return Suspicion("ACC831", f"{failure.what}, in `{source}`", computed.pointer, source, _absent_hint(failure))
    open_ = failure.kind == "unknown"
    message = f"`{source}` fails in some runs: {failure.what}"
    hint, codes = _OPEN_HINT if open_ else _TYPE_HINT, _SAID.get(failure.kind, _TYPE_CODES)
    return Suspicion("ACC834", message, computed.pointer, source, hint, codes, open=open_)


def _absent_hint(failure: Failure) -> str:
    match failure.node:
        case Select(operand, field) | Call("_[_]", (operand, Constant(str() as field))):
            return f"write `{as_written(operand)}.?{field}.orValue(...)`, or make it required in its schema"
    return _TYPE_HINT


def timer_verdict(until: Binding, types: Types) -> Verdict:
    """Whether what a timer is given is always a duration or a time; the witness is a text that is neither."""
    match until:
        case Constantly(str() as text):
            return Verdict("proven" if _is_timer(text) else "refuted", text)
    schema = schema_of_binding(until, types)
    verdict = Verdict("unknown") if schema is None else _verdict(_TIMER, schema)
    exact = isinstance(until, Computed) and until.expression.path is not None  # of all others it knows the type alone
    return verdict if verdict.proven or (exact and not _is_timer(verdict.witness)) else Verdict("unknown")


def timer_message(until: Binding) -> tuple[str, str]:
    """What is not proven of a timer, and a hint."""
    source = until.expression.source if isinstance(until, Computed) else "the text"
    return f"that `{source}` is always a duration or a time is not proven", _TIMER_HINT


def _is_timer(value: object) -> bool:
    return isinstance(value, str) and (parse_duration(value) is not None or parse_moment(value) is not None)


def _verdict(wanted: JsonSchema, given: JsonSchema) -> Verdict:
    try:
        return covers(wanted, given)
    except ContractViolation:
        return Verdict("unknown")
