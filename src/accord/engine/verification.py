"""Verification before a run: nothing runs unverified. A report holds for one graph, and for what was known then."""

from __future__ import annotations

from collections.abc import Iterable

from accord.domain.graph import Graph, Subrun
from accord.domain.ids import Digest
from accord.engine.library import Library
from accord.engine.registry import Registry
from accord.errors import NotFound, PlaceOf, pointer_only
from accord.verifier.report import Report
from accord.verifier.verify import verify


class Verification:
    """Verifies graphs against the registry and the library, and remembers the outcome until those change: the library
    only counts for graphs with sub-workflows.
    """

    def __init__(self, registry: Registry, library: Library) -> None:
        self._registry = registry
        self._library = library
        self._reports: dict[Digest, tuple[tuple[int, int], Report]] = {}

    async def report(self, graph: Graph, *, place_of: PlaceOf = pointer_only) -> Report:
        """What can be proven of the graph now. `place_of` gives JSON pointers their places in a file."""
        known = (self._registry.generation, self._library.generation if _subruns(graph) else 0)
        remembered = self._reports.get(graph.digest)
        if remembered is not None and remembered[0] == known and place_of is pointer_only:
            return remembered[1]
        report = verify(graph, self._registry, await self._templates(graph), place_of=place_of)
        if place_of is pointer_only:
            self._reports[graph.digest] = (known, report)
        return report

    async def _templates(self, graph: Graph) -> _Templates:
        found: dict[str, Graph] = {}
        open_ = [graph]
        while open_:
            for wanted in _subruns(open_.pop()):
                if wanted not in found:
                    try:
                        found[wanted] = await self._library.graph(self._library.find(wanted).digest)
                    except NotFound:
                        continue
                    open_.append(found[wanted])
        return _Templates(found, {one.name for one in self._library.published()})


class _Templates:
    """The graphs that a verification may ask for."""

    def __init__(self, graphs: dict[str, Graph], names: Iterable[str]) -> None:
        self._graphs = graphs
        self._names = sorted(names)

    def graph(self, wanted: str) -> Graph | None:
        """The graph of the best version in a range; None where there is none."""
        return self._graphs.get(wanted)

    def names(self) -> Iterable[str]:
        """The names of all published templates."""
        return self._names


def _subruns(graph: Graph) -> list[str]:
    return [task.action.template for task in graph.tasks.values() if isinstance(task.action, Subrun)]
