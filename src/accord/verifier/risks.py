"""Risks: the parts of an expression that may fail although all that it reads is there.

    ACC172  an index, a division, a conversion or a function that is not proven never to fail (warning)
    ACC173  a timer whose text is not proven to be a duration or a time (warning)

What the schemas show is no risk, with what conditions say of it inside of the expression, comprehensions included.
What they leave open may still be ruled out by the conditions of the graph: each risk says what is known where it is
evaluated, for `accord.verifier.paths`. That a double becomes infinite is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from accord.domain.duration import parse_duration, parse_moment
from accord.domain.expression import (
    UNKNOWN,
    Binding,
    Computed,
    Expression,
    Inference,
    Types,
    schema_of_binding,
    syntax_of,
)
from accord.domain.expression import Literal as Constantly
from accord.domain.expression.syntax import Call, Comprehension, Constant, Name, Node, Record, Select, Sequence, walked
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import types_of
from accord.domain.schema_range import EXACT, numbers_of
from accord.errors import ContractViolation
from accord.verifier.compatibility import Verdict, covers

Known: TypeAlias = Literal["holds", "denies", "not holds", "not denies"]
Guard: TypeAlias = tuple[Node, Known]
"""A condition, and what is known of it where something is evaluated."""

_NOT_ZERO: Final[JsonSchema] = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "number", "exclusiveMaximum": 0}]
}
_DAY: Final = r"[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])"
_MOMENT: Final[JsonSchema] = {"type": "string", "pattern": f"^{_DAY}T{_TIME}$"}
_PERIOD: Final[JsonSchema] = {"type": "string", "pattern": r"^([0-9]{1,4}(\.[0-9]{1,9})?(ms|s|m|h|d)){1,3}$"}
_TIMER: Final[JsonSchema] = {"anyOf": [_PERIOD, _MOMENT]}
INTEGER_TEXT: Final = 18
"""A text of so many digits is an integer that CEL can hold."""

_CONVERTED: Final[dict[str, list[JsonSchema]]] = {
    "int": [
        {"type": ["integer", "boolean"]},
        {"type": "number", "minimum": -9e18, "maximum": 9e18},
        {"type": "string", "pattern": f"^-?[0-9]{{1,{INTEGER_TEXT}}}$"},
    ],
    "uint": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^[0-9]{{1,{INTEGER_TEXT}}}$"}],
    "double": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"}],
    "bool": [{"type": "boolean"}, {"enum": ["true", "false"]}],
    "timestamp": [_MOMENT],
    "duration": [{"type": "string", "pattern": "^-?[0-9]{1,6}(ms|s|m|h)$"}],
}
"""What each conversion never fails on."""

_PARTIAL: Final = frozenset({"substring", "charAt", "format", "base64.decode"})
_RISKY: Final = _PARTIAL.union(_CONVERTED, ("_[_]", "_/_", "_%_", "_+_", "_-_", "_*_", "-_", "matches"))
_HINTS: Final = {
    "index": "declare `minItems`, guard it with `size(...)` in `when` or `? :`, or read it with `[?i]` and orValue()",
    "division": "declare `exclusiveMinimum: 0`, or guard it with `!= 0` in `when` or `? :`",
    "conversion": "declare a `pattern` that fits, or let an agent convert it",
    "regex": "write the pattern as a constant, or let an agent match it",
    "function": "let an agent do it, or test first what it is used on with `? :`",
    "overflow": "declare `minimum` and `maximum` for what it is computed from, or compute with double()",
}
_INT64: Final = 2**63
_TIMER_HINT: Final = "declare a `pattern`, such as `^[0-9]{1,4}(s|m|h|d)$`, or an `enum` of durations"


Kind: TypeAlias = Literal["index", "division", "conversion", "regex", "function", "overflow"]


class Risk(msgspec.Struct, frozen=True):
    """A part of an expression that may fail, as far as the schemas say."""

    kind: Kind
    node: Call
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
    def hint(self) -> str:
        """What to do about it."""
        return _HINTS[self.kind]


def risks_of(computed: Computed, types: Types) -> Iterator[Risk]:
    """What may fail in an expression as far as the schemas of what it reads say."""
    expression = computed.expression
    if expression is UNKNOWN or (expression.path and all(isinstance(step, str) for step in expression.path)):
        return
    whole = syntax_of(expression)
    if not any(isinstance(node, Call) and node.function in _RISKY for node in walked(whole)):
        return
    for node, guards, bound, known in _parts(whole, (), frozenset(), Inference(types)):
        found = _risk(node, known)
        if found is not None:
            kind, what = found
            message = f"that {what} is not proven, in `{expression.source}`"
            free = bound.isdisjoint(_names(node))
            yield Risk(kind, node, guards, computed.pointer, expression, message, free)


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


# -- the parts of an expression --------------------------------------------------------------------------------------


def _parts(
    node: Node, guards: tuple[Guard, ...], bound: frozenset[str], known: Inference
) -> Iterator[tuple[Call, tuple[Guard, ...], frozenset[str], Inference]]:
    """All calls in a tree, with what is known where each counts, and the variables of comprehensions around it."""
    if isinstance(node, Comprehension):
        yield from _parts(node.over, guards, bound, known)
        yield from _parts(node.start, guards, bound, known)
        inside, variables = known.within(node), bound | node.variables | {node.accumulator}
        yield from _parts(node.condition, guards, variables, inside)
        yield from _parts(node.step, guards, variables, inside)
        yield from _parts(node.result, guards, bound | {node.accumulator}, known.after(node))
        return
    if isinstance(node, Call):
        yield node, guards, bound, known
    for child, guard in _children(node):
        inner = known.where(guard[0], holds=guard[1] in _TRUE) if guard else known
        yield from _parts(child, (*guards, guard) if guard and not bound else guards, bound, inner)


_TRUE: Final = frozenset({"holds", "not denies"})
"""What is known of a condition where another part is evaluated and its failure counts: else it is false."""


def _children(node: Node) -> Iterator[tuple[Node, Guard | None]]:
    """The parts of a node, each with what is known where its failure counts: of `a && b` that of neither does where the
    other one is false.
    """
    match node:
        case Call("_?_:_", (condition, one, other)):
            yield condition, None
            yield one, (condition, "holds")
            yield other, (condition, "denies")
        case Call(("_&&_" | "_||_") as function, (one, other)):
            known: Known = "not denies" if function == "_&&_" else "not holds"
            yield one, (other, known)
            yield other, (one, known)
        case Call(_, children) | Sequence(children):
            yield from ((child, None) for child in children)
        case Select(operand):
            yield operand, None
        case Record(entries):
            yield from ((part, None) for entry in entries for part in entry)


def _names(node: Node) -> Iterator[str]:
    """The variables in a tree."""
    if isinstance(node, Name):
        yield node.name.removeprefix(".")
    elif isinstance(node, Comprehension):
        for each in (node.over, node.start, node.condition, node.step, node.result):
            yield from _names(each)
    else:
        for child, _ in _children(node):
            yield from _names(child)


# -- what may fail ---------------------------------------------------------------------------------------------------


def _risk(node: Call, known: Inference) -> tuple[Kind, str] | None:
    match node:
        case Call("_[_]", (_, Constant(str()))):
            return None  # a member: `accord.verifier.absence` asks for it
        case Call("_[_]", (operand, index)):
            return None if _is_inside(operand, index, known) else ("index", "the index or key is there")
        case Call("_/_" | "_%_", (_, divisor)):
            return None if _fits(divisor, _NOT_ZERO, known) else ("division", "the divisor is not 0")
        case Call("_+_" | "_-_" | "_*_" | "-_"):
            return ("overflow", "an integer stays within 64 bits") if _overflows(node, known) else None
        case Call(function, (operand,)) if function in _CONVERTED:
            safe = _fits(operand, {"anyOf": _CONVERTED[function]}, known)
            return None if safe else ("conversion", f"{function}() can convert it")
        case Call("matches", (_, pattern)) if not isinstance(pattern, Constant):
            return "regex", "the pattern of matches() is one"
        case Call(function, (operand, *_)) if function in _PARTIAL:
            return "function", f"{function}() never fails"
    return None


def _is_inside(operand: Node, index: Node, known: Inference) -> bool:
    at = known.of(index)
    found = None if at.optional else numbers_of(at.schema)
    if found is None or not found.whole or found.least is None or found.most is None or found.least < 0:
        return False
    return _fits(operand, {"type": "array", "minItems": int(found.most) + 1}, known)


def _fits(node: Node, wanted: JsonSchema, known: Inference) -> bool:
    """Whether what a node gives always has a schema."""
    found = known.of(node)
    return not found.optional and found.schema is not True and _verdict(wanted, found.schema).proven


def _overflows(node: Call, known: Inference) -> bool:
    """Whether the operands are integers of 64 bits, and what comes of them may be none; both, as far as is known."""
    return _largest(node, known) >= _INT64 and all(_largest(each, known) < _INT64 for each in node.arguments)


def _largest(node: Node, known: Inference) -> int:
    """No integer that a node gives is further from 0; those in data are of 53 bits, others of 64; 0 where it gives
    none.
    """
    match node:
        case Call(("_+_" | "_-_"), (one, other)):
            parts = _largest(one, known), _largest(other, known)
            return sum(parts) if all(parts) else max(parts) if _may_be_integer(node, known) else 0
        case Call("_*_", (one, other)):
            return _largest(one, known) * _largest(other, known)
        case Call("-_", (one,)):
            return _largest(one, known)
    found = known.of(node)
    numbers = None if found.optional or found.schema is True else numbers_of(found.schema)
    if numbers is None:
        return 0
    if numbers.least is None or numbers.most is None:
        return EXACT if known.is_data(node) else _INT64 - 1
    return max(abs(math.floor(numbers.least)), abs(math.ceil(numbers.most)))


def _may_be_integer(node: Node, known: Inference) -> bool:
    return "integer" in types_of(known.of(node).schema)
