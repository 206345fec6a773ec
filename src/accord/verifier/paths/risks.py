"""Risks as formulas: where a part of an expression is evaluated and is not shown to give anything."""

from __future__ import annotations

from typing import Final

import z3

from accord.domain.expression.partial import INTEGER_TEXT
from accord.domain.expression.syntax import Call, Node
from accord.domain.expression.totality import Known
from accord.formulas import Formula, both, either, negated
from accord.verifier.paths.computing import COMPUTED, fits
from accord.verifier.paths.terms import Case, Term
from accord.verifier.paths.translation import Reader, Translation
from accord.verifier.risks import Risk

_DIGIT: Final = ("0", "9")
_LARGEST: Final = 9 * 10**18


def failing(risk: Risk, node: Call, translation: Translation, reader: Reader) -> Formula:
    """That a part, a call, is evaluated, all that it is made of is there, and nothing shows that it gives something."""

    def term(node: Node) -> Term:
        return translation.term(node, reader)

    guards = (_known(term(condition), known) for condition, known in risk.guards)
    made_of = (negated(term(each).fails) for each in node.arguments)
    return both((*guards, *made_of, negated(_safe(risk, node, translation, reader))))


def _known(condition: Term, known: Known) -> Formula:
    formula = condition.denies if known.endswith("denies") else condition.holds
    return negated(formula) if known.startswith("not ") else formula


def _safe(risk: Risk, node: Call, translation: Translation, reader: Reader) -> Formula:
    arguments = node.arguments
    terms = [translation.term(each, reader) for each in arguments]
    if risk.kind == "index":
        inside = Call("@in", (arguments[1], arguments[0]))
        member = both((_is(terms[0], "map"), translation.term(inside, reader).holds))
        return either((member, _within(*terms)))
    if risk.kind == "division":
        return either(both((one.guard, one.value != 0)) for one in terms[1].cases if one.kind in ("int", "double"))
    if risk.kind == "overflow":
        return _stays(node.function, terms)
    if risk.kind == "conversion" and node.function == "int":
        return either(both((one.guard, _is_convertible(one))) for one in terms[0].cases)
    return False


def _stays(function: str, terms: list[Term]) -> Formula:
    """That the operands are no integers, or what comes of them has 64 bits."""
    if len(terms) != 2:
        return False
    one, other = ([case for case in term.cases if case.kind == "int"] for term in terms)
    pairs = ((a, b, COMPUTED[function](a.value, b.value)) for a in one for b in other)
    beyond = (both((a.guard, b.guard, negated(fits(value)))) for a, b, value in pairs)
    return negated(either(beyond))


def _is(term: Term, kind: str) -> Formula:
    return either(one.guard for one in term.cases if one.kind == kind)


def _within(whole: Term, index: Term) -> Formula:
    lists = [one for one in whole.cases if one.kind == "list"]
    numbers = [one for one in index.cases if one.kind == "int"]
    return either(both((one.guard, at.guard, at.value >= 0, at.value < one.value)) for one in lists for at in numbers)


def _is_convertible(one: Case) -> Formula:
    if one.kind in ("int", "bool"):
        return True
    if one.kind == "double":
        return both((one.value <= _LARGEST, one.value >= -_LARGEST))
    if one.kind == "string":
        return z3.InRe(one.value, z3.Loop(z3.Range(*_DIGIT), 1, INTEGER_TEXT))
    return False
