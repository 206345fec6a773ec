"""Formulas of Z3, and texts in them. Whoever imports this needs the extra `proofs`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import z3

Formula: TypeAlias = z3.BoolRef | bool
"""What holds or not; a constant is one of Python's."""

_PLAIN: Final = re.compile(r"[^ -\[\]-~]")
_ESCAPED: Final = re.compile(r"\\u\{([0-9a-fA-F]+)\}")


def literal(text: str) -> z3.SeqRef:
    """The text as Z3 has it: whatever is not plain ASCII, and the backslash, in its escapes."""
    return z3.StringVal(_PLAIN.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text))


def python_text(term: z3.ExprRef) -> str:
    """The inverse of `literal`, of a value in a model."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), term.as_string())


def both(terms: Iterable[Formula]) -> Formula:
    """Whether all of them hold; constants are worked out."""
    left = []
    for one in terms:
        if one is False:
            return False
        if one is not True:
            left.append(one)
    if len(left) == 1:
        return left[0]
    return _joined(z3.z3core.Z3_mk_and, left) if left else True


def either(terms: Iterable[Formula]) -> Formula:
    """Whether one of them holds; constants are worked out."""
    left = []
    for one in terms:
        if one is True:
            return True
        if one is not False:
            left.append(one)
    if len(left) == 1:
        return left[0]
    return _joined(z3.z3core.Z3_mk_or, left) if left else False


def negated(term: Formula) -> Formula:
    """Whether it does not hold."""
    if isinstance(term, bool):
        return not term
    context = term.ctx
    return z3.BoolRef(z3.z3core.Z3_mk_not(context.ref(), term.ast), context)


def implied(one: Formula, other: Formula) -> Formula:
    """Whether the other holds where the one does; constants are worked out."""
    return either((negated(one), other))


def same(one: z3.ExprRef, other: z3.ExprRef) -> z3.BoolRef:
    """Whether two terms of one sort are equal: of formulas, that both hold, or neither does."""
    context = one.ctx
    return z3.BoolRef(z3.z3core.Z3_mk_eq(context.ref(), one.ast, other.ast), context)


def at_most(one: z3.ArithRef, other: z3.ArithRef) -> z3.BoolRef:
    """Whether the one of two numbers of one sort is not larger than the other."""
    context = one.ctx
    return z3.BoolRef(z3.z3core.Z3_mk_le(context.ref(), one.ast, other.ast), context)


def hold(solver: z3.Solver, *formulas: Formula) -> None:
    """Tell a solver that all of these hold."""
    for formula in formulas:
        if formula is not True:
            term = z3.BoolVal(formula) if isinstance(formula, bool) else formula
            z3.z3core.Z3_solver_assert(solver.ctx.ref(), solver.solver, term.ast)


def at_least(count: int, terms: Iterable[Formula]) -> Formula:
    """Whether so many of them hold; constants are worked out."""
    left = [one for one in terms if one is not False]
    open_ = [one for one in left if one is not True]
    count -= len(left) - len(open_)
    if count <= 0:
        return True
    if count > len(open_):
        return False
    return both(open_) if count == len(open_) else z3.AtLeast(*open_, count)


def _joined(make: Callable[..., Any], terms: list[z3.BoolRef]) -> z3.BoolRef:
    """A term of these. Z3's own operators ask each time of which sort their operands are, which takes most of the time
    that there is for a graph of 1 000 tasks.
    """
    context = terms[0].ctx
    return z3.BoolRef(make(context.ref(), len(terms), (z3.Ast * len(terms))(*(one.ast for one in terms))), context)
