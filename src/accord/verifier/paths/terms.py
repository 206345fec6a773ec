"""What an expression gives, as terms of Z3: a value of one of several types, or an error."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final, Literal, TypeAlias

import msgspec
import z3

from accord.formulas import Formula, both, either, literal, negated

Kind: TypeAlias = Literal["null", "bool", "int", "double", "string", "list", "map"]
KINDS: Final[tuple[Kind, ...]] = ("null", "bool", "int", "double", "string", "list", "map")

EXACT: Final = 2**53
"""Up to here an integer and the double beside it are the same number."""

_LAST_CHARACTER: Final = "\U0002ffff"
"""Z3's alphabet ends here."""


class Case(msgspec.Struct, frozen=True):
    """The value where it is of one type; of a list its length, of null and an object nothing."""

    guard: Formula
    kind: Kind
    value: Any


class Term(msgspec.Struct, frozen=True):
    """What an expression gives. Where it neither fails nor is in doubt, just one case holds."""

    cases: tuple[Case, ...]
    wrong: Formula = False
    """That it fails, because a member is absent or of another type than it is used as."""
    doubt: Formula = False
    """That it may fail for another reason, or that nobody knows."""
    stated: bool = True
    """Whether a schema says what types it may have, or the expression does."""

    @property
    def fails(self) -> Formula:
        """That it fails for whatever reason."""
        return either((self.wrong, self.doubt))

    def among(self, *kinds: Kind) -> Term:
        """The term where it is of one of these types; of any other it fails."""
        if all(case.kind in kinds for case in self.cases):
            return self
        other = either(case.guard for case in self.cases if case.kind not in kinds)
        cases = tuple(case for case in self.cases if case.kind in kinds)
        if self.stated:
            return Term(cases, either((self.wrong, other)), self.doubt)
        return Term(cases, self.wrong, either((self.doubt, other)))

    @property
    def holds(self) -> Formula:
        """That it does not fail, and is true."""
        return both((negated(self.fails), either(both((one.guard, one.value)) for one in self._truths)))

    @property
    def denies(self) -> Formula:
        """That it does not fail, and is false."""
        return both((negated(self.fails), either(both((one.guard, negated(one.value))) for one in self._truths)))

    @property
    def _truths(self) -> list[Case]:
        return [case for case in self.cases if case.kind == "bool"]


def truth(value: Formula, wrong: Formula = False, doubt: Formula = False) -> Term:
    """A truth value."""
    return Term((Case(True, "bool", value),), wrong, doubt)


def constant(value: bool | int | float | str | None) -> Term | None:
    """A constant; None where Z3 has no such value."""
    if value is None:
        return Term((Case(True, "null", None),))
    if isinstance(value, bool):
        return truth(value)
    if isinstance(value, int):
        return Term((Case(True, "int", z3.IntVal(value)),))
    if isinstance(value, float):
        return Term((Case(True, "double", z3.RealVal(str(Fraction(value)))),))
    fits = all(character <= _LAST_CHARACTER for character in value)
    return Term((Case(True, "string", literal(value)),)) if fits else None


def conjunction(one: Term, other: Term) -> Term:
    """`one && other`: false where either is, whatever the other one gives."""
    one, other = one.among("bool"), other.among("bool")
    holds = both((one.holds, other.holds))
    if one.fails is False and other.fails is False:
        return truth(holds)
    return _joined(holds, either((one.denies, other.denies)), one, other)


def disjunction(one: Term, other: Term) -> Term:
    """`one || other`: true where either is, whatever the other one gives."""
    one, other = one.among("bool"), other.among("bool")
    holds = either((one.holds, other.holds))
    if one.fails is False and other.fails is False:
        return truth(holds)
    return _joined(holds, both((one.denies, other.denies)), one, other)


def _joined(holds: Formula, denies: Formula, one: Term, other: Term) -> Term:
    open_ = both((negated(holds), negated(denies)))
    wrong = both((open_, either((one.wrong, other.wrong))))
    doubt = both((open_, either((one.doubt, other.doubt))))
    return truth(holds, wrong, doubt)


def negation(one: Term) -> Term:
    """`!one`."""
    one = one.among("bool")
    return truth(one.denies, one.wrong, one.doubt)


def choice(condition: Term, one: Term, other: Term) -> Term:
    """`condition ? one : other`: only that one counts which is taken."""
    condition = condition.among("bool")
    first, second = condition.holds, condition.denies
    return Term(
        (*guarded(one, first), *guarded(other, second)),
        either((condition.wrong, both((first, one.wrong)), both((second, other.wrong)))),
        either((condition.doubt, both((first, one.doubt)), both((second, other.doubt)))),
        one.stated and other.stated,
    )


def guarded(term: Term, guard: Formula) -> tuple[Case, ...]:
    """The cases of a term where this holds as well."""
    return tuple(Case(both((guard, case.guard)), case.kind, case.value) for case in term.cases)


def is_number(case: Case) -> bool:
    """Whether the case is of a number."""
    return case.kind in ("int", "double")


def as_numbers(one: Case, other: Case) -> tuple[Any, Any] | None:
    """The two numbers, so that they can be compared; None where CEL would round one of them first."""
    if one.kind == other.kind:
        return one.value, other.value
    integer, real = (one, other) if one.kind == "int" else (other, one)
    if not any(_is_exact(case.value) for case in (integer, real)):
        return None
    pair = z3.ToReal(integer.value), real.value
    return pair if one.kind == "int" else (pair[1], pair[0])


def _is_exact(number: Any) -> bool:
    if z3.is_int_value(number):
        return bool(abs(number.as_long()) < EXACT)
    return bool(z3.is_rational_value(number) and abs(number.as_fraction()) < EXACT)
