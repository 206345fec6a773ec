"""What may stand in the query of a request: the parameters of its operation, and nothing else. A filter that is
misspelt would be no filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from fastapi import Request
from fastapi.dependencies.models import Dependant

from accord.errors import BadInput, Problem


class OnlyKnown:
    """A dependency of all operations of an application. What an operation takes is gathered once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    async def __call__(self, request: Request) -> None:
        """Refuse a request with parameters that its operation does not have: all of them. Raises BadInput ACC956."""
        if not request.query_params:
            return
        route = request.scope["route"]
        operation = f"{request.method} {route.path_format}"
        known = self._known.get(operation)
        if known is None:
            known = self._known[operation] = tuple(dict.fromkeys(_names(route.dependant)))
        unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
        if unknown:
            raise BadInput(*(_problem(name, operation, known) for name in unknown))


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (str(one.alias) for one in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)


def _problem(name: str, operation: str, known: Sequence[str]) -> Problem:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    guess = f"did you mean `{near[0]}`? " if near else ""
    takes = f"it takes {', '.join(known)}" if known else "it takes none"
    return Problem("ACC956", f"{operation} has no parameter `{name[:100]}`", hint=guess + takes)
