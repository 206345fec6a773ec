"""Trials: whether what little is known of an expression lets through what a contract refuses, by evaluating it.

An inferred schema may allow more than ever comes. So where it does not fit, runs are played with values of what is
read, at the bounds of their schemas; a refusal counts only where the task begins and evaluation gives what is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from accord.domain.expression import Binding, Types, evaluate
from accord.domain.graph import Graph, Task
from accord.domain.schema import JsonSchema, Schema
from accord.errors import ExpressionInvalid
from accord.verifier.hunting import Hunt, Tries
from accord.verifier.samples import Samples
from accord.verifier.scopes import Scopes


class Refused(msgspec.Struct, frozen=True):
    """An input that a contract refuses."""

    value: object
    run: Any = None
    """A run in which it comes, as it is told; None where it follows from the schemas alone."""


class Trials:
    """Tries inputs of the tasks of one graph; `types` are the schemas of what its expressions read."""

    def __init__(self, graph: Graph, types: Types) -> None:
        self._hunt, self._samples = Hunt(graph, types), Samples()

    def refused(self, task: Task, binding: Binding, wanted: Schema, tries: Tries) -> Refused | None:
        """The first input that is found which the binding gives in a run in which the task begins, and the contract
        refuses; None where none is found. The hints of the tries are values that are likely to be refused.
        """
        references = sorted(binding.references)
        if not references or not Scopes(self._samples, tries.types, references, []).are_known:
            return None
        hints = [*(part for each in tries.hints for part in _parts(each)), *_stated(wanted.document)]
        for scope, run in self._hunt.seen_by(task, binding, Tries(tries.types, hints, tries.wholes)):
            try:
                value = evaluate(binding, scope)
            except ExpressionInvalid:
                continue
            if not wanted.is_valid(value):
                return Refused(value, run)
        return None


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
