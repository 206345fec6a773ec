"""The table of kinds says of each operator and function what the library of CEL says: on what it is defined, and what
it gives.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from accord.domain.expression import kinds
from accord.domain.expression.program import _environment, cel

VALUES = {
    "n": "null",
    "b": "true",
    "i": "1",
    "u": "1u",
    "d": "1.5",
    "s": "'1'",
    "y": "b'a'",
    "l": "['a']",
    "m": "{'a': 1}",
    "t": "timestamp('2020-01-01T00:00:00Z')",
    "p": "duration('1s')",
    "T": "type(1)",
    "o": "optional.of(1)",
}
PREFIXED = frozenset("size type dyn bool int uint double string bytes timestamp duration".split())  # noqa: SIM905 - words read better
HIDDEN = frozenset({"@not_strictly_false"})
ALSO = {("string", "y"), ("timestamp", "i"), *(("or", f"o{one}") for one in VALUES)}
"""What the library takes as well, and here is only known to be taken sometimes."""
NAMES = {"NULL": "n", "BOOL": "b", "INT": "i", "UINT": "u", "DOUBLE": "d", "STRING": "s", "BYTES": "y"} | {
    "LIST": "l",
    "MAP": "m",
    "TIMESTAMP": "t",
    "DURATION": "p",
    "TYPE": "T",
}


def written(function: str, letters: tuple[str, ...]) -> str:
    """A use of a function on values of these kinds, of which CEL's checker knows nothing."""
    given = [f"dyn({VALUES[each]})" for each in letters]
    if function == "@in":
        return f"{given[0]} in {given[1]}"
    if function.startswith("_") or function.endswith("_"):
        return f"{given[0] if len(given) > 1 else ''} {function.strip('_')} {given[-1]}"
    if function in PREFIXED or "." in function:
        return f"{function}({', '.join(given)})"
    return f"{given[0]}.{function}({', '.join(given[1:])})"


def told(source: str) -> str | None:
    """The letter of what it gives, empty where that has no letter; None where it is not defined."""
    try:
        value = _environment().compile(source).eval(data={})
    except RuntimeError as error:
        return None if "no matching overload" in str(error).lower() else ""
    if value.type() == cel.Type.ERROR:
        try:
            return None if "no matching overload" in str(value.value()).lower() else ""
        except TypeError:  # an optional
            return "o"
    return NAMES.get(str(value.type()).rpartition(".")[2].partition("<")[0], "")


def uses(function: str) -> Iterator[tuple[str, ...]]:
    """All kinds of one or two arguments, and of three those that are in the table."""
    taken = [one.partition(":")[0] for one in kinds.OVERLOADS[function].split()]
    for count in {len(one) for one in taken} - {0}:
        yield from (
            itertools.product(VALUES, repeat=count) if count < 3 else (tuple(one) for one in taken if len(one) == 3)
        )


@pytest.mark.parametrize("function", [name for name in kinds.OVERLOADS if name not in HIDDEN])
def test_what_a_function_is_defined_on_is_what_the_library_says(function: str) -> None:
    for letters in uses(function):
        given = [frozenset({kinds.LETTERS[each]}) for each in letters]
        gives = told(written(function, letters))
        is_defined = kinds.undefined(function, given) is None
        assert is_defined is (gives is not None) or (function, "".join(letters)) in ALSO, letters
        if is_defined and gives:
            assert kinds.LETTERS[gives] in kinds.result_of(function, given), letters
