"""Computing: sums, differences and products as terms of Z3.

Integers are exact; of doubles, which are rounded, only the type is known. Beyond 64 bits it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import z3

from accord.formulas import Formula, both, either, negated
from accord.verifier.paths.terms import Case, Kind, Term

INT64: Final = 2**63

COMPUTED: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "_+_": lambda one, other: one + other,
    "_-_": lambda one, other: one - other,
    "_*_": lambda one, other: one * other,
}
"""What can be said of integers."""

_JOINED: Final[Mapping[Kind, Callable[[Any, Any], Any]]] = {
    "string": z3.Concat,
    "list": lambda one, other: one + other,
}


def fits(value: Any) -> Formula:
    """That an integer has 64 bits."""
    return both((value >= -INT64, value < INT64))


def computed(function: str, one: Term, other: Term, double: Any) -> Term:
    """What an operator gives; `double` stands for a double that it may give."""
    pairs = [(a, b, both((a.guard, b.guard))) for a in one.cases for b in other.cases]
    cases = [case for a, b, guard in pairs for case in _case(function, a, b, guard, double)]
    unfit = either(guard for a, b, guard in pairs if not _is_defined(function, a, b))
    beyond = either(both((case.guard, negated(fits(case.value)))) for case in cases if case.kind == "int")
    wrong, doubt = either((one.wrong, other.wrong)), either((one.doubt, other.doubt, beyond))
    if one.stated and other.stated:
        return Term(tuple(cases), either((wrong, unfit)), doubt)
    return Term(tuple(cases), wrong, either((doubt, unfit)), stated=False)


def minus(one: Term, double: Any) -> Term:
    """`-one`; of a double `double` stands for what it gives."""
    one = one.among("int", "double")
    cases = tuple(Case(case.guard, case.kind, -case.value if case.kind == "int" else double) for case in one.cases)
    beyond = either(both((case.guard, negated(fits(case.value)))) for case in cases if case.kind == "int")
    return Term(cases, one.wrong, either((one.doubt, beyond)), one.stated)


def _is_defined(function: str, a: Case, b: Case) -> bool:
    kinds = ("int", "double", "string", "list") if function == "_+_" else ("int", "double")
    return a.kind == b.kind and a.kind in kinds


def _case(function: str, a: Case, b: Case, guard: Formula, double: Any) -> Iterator[Case]:
    if guard is False or not _is_defined(function, a, b):
        return
    if a.kind == "double":
        yield Case(guard, "double", double)
    elif a.kind == "int":
        yield Case(guard, "int", COMPUTED[function](a.value, b.value))
    else:
        yield Case(guard, a.kind, _JOINED[a.kind](a.value, b.value))
