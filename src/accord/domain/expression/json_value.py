"""Between JSON and CEL: what may go into an evaluation, and what comes out of it."""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime, timedelta

from cel_expr_python import cel  # type: ignore[import-untyped]  # it has .pyi files but no py.typed

from accord.domain.expression.syntax import quoted
from accord.errors import ExpressionInvalid

MAX_DATA_UNITS = 50_000
"""Values, and strings by `STRING_UNIT`, that one evaluation may read; with what comes out, each takes up to 2 µs."""

STRING_UNIT = 64
"""Characters that weigh as much as one value."""

_MAX_DEPTH = 100
_OTHER_KINDS = (int, bool, type(None))
_INT64_MAX = (1 << 63) - 1
_INT64_MIN = -(1 << 63)


def weigh(value: object, source: str) -> tuple[int, bool]:
    """Units of data in `value`, and whether some number in it has a fraction of nothing, as `3.0` has.

    Raises:
        ExpressionInvalid: ACC217 CEL cannot hold it (an integer beyond 64 bits, nested beyond 100 levels, not
            JSON), ACC216 there is too much of it.
    """
    units, has_whole, stack = 0, False, [(value, 0)]
    while stack:
        current, depth = stack.pop()
        units += 1
        kind = type(current)
        if kind is str:
            units += len(current) // STRING_UNIT  # type: ignore[arg-type]  # mypy does not narrow by `type() is`
        elif kind is dict:
            stack.extend((each, depth + 1) for each in current.values())  # type: ignore[attr-defined]  # as above
        elif kind is list:
            stack.extend((each, depth + 1) for each in current)  # type: ignore[attr-defined]  # as above
        elif kind is int and not _INT64_MIN <= current <= _INT64_MAX:  # type: ignore[operator]  # as above
            raise _unusable(f"the integer {current} does not fit into 64 bits", source)
        elif kind is float:
            has_whole = has_whole or current.is_integer()  # type: ignore[attr-defined]  # as above
        elif kind not in _OTHER_KINDS:
            raise _unusable(f"a {kind.__name__} is no JSON", source)
        if depth > _MAX_DEPTH:
            raise _unusable(f"nested more than {_MAX_DEPTH} levels", source)
        if units + len(stack) > MAX_DATA_UNITS:
            raise _too_much(source)
    return units, has_whole


def with_integers(value: object) -> object:
    """The value with `3` for `3.0`: both are the same number of JSON, and CEL would take them for two types."""
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() and _INT64_MIN <= value <= _INT64_MAX else value  # type: ignore[call-overload, attr-defined, operator]  # as above
    if kind is dict:
        return {name: with_integers(each) for name, each in value.items()}  # type: ignore[attr-defined]  # as above
    return [with_integers(each) for each in value] if kind is list else value  # type: ignore[attr-defined]  # as above


def _unusable(reason: str, source: str) -> ExpressionInvalid:
    return ExpressionInvalid.of("ACC217", f"{reason}, in what {quoted(source)} reads", hint="pass it on as a string")


def _too_much(source: str) -> ExpressionInvalid:
    message = f"{quoted(source)} reads more than {MAX_DATA_UNITS} values"
    return ExpressionInvalid.of("ACC216", message, hint="a plain path may be of any size; let an agent do the rest")


def plain_value(value: cel.Value, source: str) -> object:
    """What the runtime makes of a CEL value in Python; of an error its text.

    Raises:
        ExpressionInvalid: ACC218 it makes nothing of it.
    """
    try:
        return value.plain_value()
    except (TypeError, SystemError, UnicodeDecodeError):
        # There is no Python form of an optional, alone (TypeError) or inside a list (SystemError).
        raise _no_json("an optional", source, "end it with .orValue(...)") from None


def refuse_optionals(value: cel.Value, source: str) -> None:
    """Refuse an optional that is a member of an object, on which `plain_value` would end the process.

    Raises:
        ExpressionInvalid: ACC218.
    """
    stack = [value]
    while stack:
        try:
            inside = stack.pop().value()
        except TypeError:  # there is no Python form of an optional inside of a list either
            raise _no_json("an optional", source, "end it with .orValue(...)") from None
        if isinstance(inside, dict):
            if any(each.type() == cel.Type.ERROR for each in inside.values()):  # so the runtime calls its optionals
                raise _no_json("an optional", source, "end it with .orValue(...)")
            stack.extend(inside.values())
        elif isinstance(inside, list):
            stack.extend(each for each in inside if isinstance(each, cel.Value))


def as_json(value: object, source: str) -> object:
    """A plain value of CEL as JSON: timestamps as RFC 3339, durations as `1.5s`, bytes as base64, members sorted.

    Raises:
        ExpressionInvalid: ACC218 it has no JSON form: NaN, infinity, a key that is no string, a type, or an
            optional.
    """
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            return _number(value, source)
        case list():
            return [as_json(each, source) for each in value]
        case dict():
            return _object(value, source)
    return _special(value, source)


def _number(value: int | float, source: str) -> int | float:
    if isinstance(value, int) and value > _INT64_MAX:
        raise _no_json(f"the unsigned integer {value}", source, "convert it with string()")
    if not math.isfinite(value):
        raise _no_json(str(value), source, "guard a division by zero, or bound what it is computed from")
    return value


def _special(value: object, source: str) -> str:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return _seconds(value)
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
    raise _no_json("a CEL type", source, "compare it with ==")


def _object(value: dict[object, object], source: str) -> dict[str, object]:
    # The runtime's maps have no order that two processes share; a sorted one makes equal values equal bytes.
    entries = {}
    for key, entry in value.items():
        if not isinstance(key, str):
            raise _no_json(f"an object with the key {key!r}", source, "convert keys with string()")
        entries[key] = as_json(entry, source)
    return dict(sorted(entries.items()))


def _seconds(value: timedelta) -> str:
    microseconds = value // timedelta(microseconds=1)
    whole, part = divmod(abs(microseconds), 1_000_000)
    fraction = f".{part:06d}".rstrip("0") if part else ""
    return f"{'-' if microseconds < 0 else ''}{whole}{fraction}s"


def _no_json(what: str, source: str, hint: str) -> ExpressionInvalid:
    return ExpressionInvalid.of("ACC218", f"{quoted(source)} gives {what}, which is no JSON", hint=hint)
