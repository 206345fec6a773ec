"""Trials: whether what little is known of an expression lets through what a contract refuses, by evaluating it.

An inferred schema may allow more than ever comes. So where it does not fit, values of what the expression reads are
tried, at the bounds of their schemas; a refusal counts only where evaluation really gives what is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Final

from accord.domain.expression import Binding, Expression, Types, evaluate
from accord.domain.expression import expressions as all_expressions
from accord.domain.schema import JsonSchema, Schema
from accord.errors import ExpressionInvalid
from accord.verifier.samples import Samples
from accord.verifier.scopes import Scopes, constants_of

EFFORT: Final = 3_000
"""Evaluations in one verification."""

EACH: Final = 200
"""Evaluations for one input."""


class Trials:
    """Tries inputs of tasks; does no more than so many evaluations in all."""

    def __init__(self) -> None:
        self._samples, self._left = Samples(), EFFORT

    def refused(
        self, binding: Binding, when: Expression | None, types: Types, wanted: Schema, witness: object
    ) -> tuple[object, ...]:
        """The first input that is found which the binding gives, where the condition holds, and the contract refuses;
        nothing where none is found.
        """
        references = binding.references.union(when.references if when is not None else ())
        if not references:
            return ()
        read = [each.expression for each in all_expressions(binding)] + ([when] if when is not None else [])
        hints = [*_parts(witness), *constants_of(read), *_stated(wanted.document)]
        scopes = Scopes(self._samples, types, sorted(references), hints)
        if not scopes.are_known:
            return ()
        for scope in itertools.islice(scopes.all(), min(EACH, self._left)):
            self._left -= 1
            found = _given(binding, when, scope)
            if found and not wanted.is_valid(found[0]):
                return found
        return ()


def _given(binding: Binding, when: Expression | None, scope: Mapping[str, object]) -> tuple[object, ...]:
    """What the binding gives; nothing where the condition does not hold, or something fails."""
    try:
        return (evaluate(binding, scope),) if when is None or when.evaluate(scope) is True else ()
    except ExpressionInvalid:
        return ()


# -- values that are worth a trial -----------------------------------------------------------------------------------


def _parts(value: object) -> Iterator[object]:
    """A value, and all inside of it."""
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(each)


def _stated(wanted: JsonSchema) -> Iterator[object]:
    """Numbers just beyond the bounds that a contract states for members of the input."""
    members = wanted.get("properties") if isinstance(wanted, dict) else None
    for schema in members.values() if isinstance(members, dict) else ():
        for keyword, beyond in (("minimum", -1), ("maximum", 1)):
            bound = schema.get(keyword) if isinstance(schema, dict) else None
            if isinstance(bound, int | float):
                yield bound + beyond
