"""Scopes: values of what expressions read, at the bounds of their schemas, to try the expressions on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from accord.domain.expression import UNKNOWN, Expression, Reference, Types, syntax_of
from accord.domain.expression.syntax import Constant, walked
from accord.domain.schema import JsonSchema, Schema, compile_schema
from accord.domain.schema_path import required_names, schema_at
from accord.errors import ContractViolation
from accord.verifier.samples import Impossible, Samples
from accord.verifier.wholes import Place, Whole, root_of, whole_of

_TOGETHER: Final = 3
"""So many of the places that are read differ at once from the first values that are tried."""

_ABSENT: Final = object()
_BASE: Final[Mapping[str, object]] = {
    "index": 0,
    "run": {"id": "run_0", "template": "", "started_at": "2026-01-01T00:00:00+00:00"},
    "error": {"code": "", "message": ""},
}
_RECORD: Final[Mapping[str, object]] = {"status": "completed", "confidence": None, "agent": None}


class Scopes:
    """What expressions may see, as far as they read it: made of samples of the schemas."""

    def __init__(self, samples: Samples, types: Types, references: Sequence[Reference], hints: list[object]) -> None:
        self._samples, self._types, self._hints = samples, types, hints
        self._fits: dict[Place, Schema] = {}
        self._read = [(reference.root, *reference.path) for reference in references]
        self._roots = list(dict.fromkeys(root_of(path) for path in self._read))

    @property
    def are_known(self) -> bool:
        """Whether something is known of all that is read."""
        return not any(self._schema(path) is True for path in self._read)

    def all(self) -> Iterator[dict[str, object]]:
        """Scopes, few differences first."""
        first = self._first(self._schema)
        if first is None:
            return
        choices = {path: self._choices(path) for path in self._read if root_of(path) in first}
        for many in range(min(_TOGETHER, len(choices)) + 1):
            for places in itertools.combinations(choices, many):
                for values in itertools.product(*(choices[place] for place in places)):
                    scope = self._scope(first, dict(zip(places, values, strict=True)))
                    if scope is not None:
                        yield scope

    def around(self, whole: Whole) -> dict[str, object] | None:
        """A scope with these values of all that is at their roots, and beside them what conditions let through."""
        first = self._first(lambda root: whole_of(root, self._types))
        return None if first is None else self._scope({**first, **whole}, {})

    def _first(self, schema_of: Callable[[Place], JsonSchema]) -> dict[Place, object] | None:
        """A value of each root; None where there is none."""
        try:
            first = {root: self._samples.of(schema_of(root)) for root in self._roots if root in self._types}
            self._fits = {root: compile_schema(self._schema(root)) for root in first}
        except (Impossible, ContractViolation):
            return None
        return first

    def _schema(self, path: Place) -> JsonSchema:
        """What is known of a place, by the longest part of the path that has a schema."""
        anchor = next((path[:length] for length in range(len(path), 0, -1) if path[:length] in self._types), None)
        found = None if anchor is None else schema_at(self._types[anchor], path[len(anchor) :])
        return True if found is None else found

    def _choices(self, path: Place) -> list[Any]:
        found = self._samples.several(self._schema(path), self._hints)
        before = self._schema(path[:-1]) if path not in self._types else False
        return [*found, _ABSENT] if before is not False and path[-1] not in required_names(before) else found

    def _scope(self, first: Mapping[Place, object], changes: Mapping[Place, object]) -> dict[str, object] | None:
        """A scope with these values; None where they do not fit together."""
        tasks = {path[1]: dict(_RECORD) for path in self._read if path[0] == "tasks"}
        scope: dict[str, Any] = {**_BASE, "tasks": tasks}
        for root in self._roots:
            if root not in first:
                continue
            value = deepcopy(first[root])
            inner = [(path[len(root) :], each) for path, each in changes.items() if path[: len(root)] == root]
            for path, each in inner:
                value = _changed(value, path, each)
            if value is _ABSENT or not self._fits[root].is_valid(value):
                return None
            _put(scope, root, value)
        return scope


def _changed(value: Any, path: Place, each: object) -> Any:
    """The value with another one at a path; the same where the path leads nowhere."""
    if not path:
        return each
    if isinstance(value, dict) and (path[0] in value or len(path) == 1):
        if len(path) == 1 and each is _ABSENT:
            value.pop(path[0], None)
        else:
            value[path[0]] = _changed(value.get(path[0]), path[1:], each)
    return value


def _put(scope: dict[str, Any], root: Place, value: object) -> None:
    inner = scope
    for name in root[:-1]:
        inner = inner.setdefault(name, {})
    inner[root[-1]] = value


def constants_of(expressions: Iterable[Expression]) -> Iterator[object]:
    """The constants in expressions, and the numbers beside them; of what does not compile none."""
    for expression in expressions:
        for node in () if expression is UNKNOWN else walked(syntax_of(expression)):
            if not isinstance(node, Constant) or isinstance(node.value, bytes):
                continue
            yield node.value
            if isinstance(node.value, int) and not isinstance(node.value, bool):
                yield from (node.value - 1, node.value + 1)
