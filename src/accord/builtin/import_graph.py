"""Which parts of a package import which, and where that goes in circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath


def module_name(path: str) -> tuple[str, ...]:
    """The dotted name, in parts, of the module in the file at `path`; a leading `src` is not part of it."""
    parts = PurePosixPath(path).with_suffix("").parts
    if parts[0] == "src" and len(parts) > 1:
        parts = parts[1:]
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def imports_at_load(tree: ast.Module, module: tuple[str, ...], *, package: bool) -> set[tuple[str, ...]]:
    """The modules, as dotted names in parts, that loading this module loads.

    What stands in a function or under `if TYPE_CHECKING` is not loaded with the module and is left out. A
    `from x import y` gives `x.y`, since `y` may be a module.
    """
    found: set[tuple[str, ...]] = set()
    for node in _loaded(tree.body):
        if isinstance(node, ast.Import):
            found.update(tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, module, package=package)
            found.update((*origin, alias.name) for alias in node.names)
    return found


def _origin(node: ast.ImportFrom, module: tuple[str, ...], *, package: bool) -> tuple[str, ...]:
    named = tuple(node.module.split(".")) if node.module else ()
    if not node.level:
        return named
    up = node.level - package
    return (module[:-up] if up else module) + named


def _loaded(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If):
            if _NEVER_LOADED.isdisjoint(_names(node.test)):
                yield from _loaded(node.body)
            yield from _loaded(node.orelse)
        elif isinstance(node, ast.Try):
            handlers = [stmt for handler in node.handlers for stmt in handler.body]
            yield from _loaded([*node.body, *handlers, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With | ast.ClassDef):
            yield from _loaded(node.body)
        else:
            yield node


_NEVER_LOADED = frozenset({"TYPE_CHECKING", "__name__"})
"""What is guarded by these is for type checkers, or for running a module as a program."""


def _names(test: ast.expr) -> set[str]:
    """The last parts of all names in a condition."""
    found = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    return found | {node.attr for node in ast.walk(test) if isinstance(node, ast.Attribute)}


def part_graph(
    imports: Mapping[tuple[str, ...], set[tuple[str, ...]]],
) -> dict[str, set[str]]:
    """The import graph between the parts of packages, where a part is `package.module` one level down.

    The package itself (its `__init__`) is left out: importing any part of it loads it first, so it would be in
    every circle.
    """
    parts = {".".join(name[:2]) for name in imports if len(name) > 1}
    graph: dict[str, set[str]] = {part: set() for part in parts}
    for module, targets in imports.items():
        own = ".".join(module[:2])
        if own in graph:
            graph[own] |= {".".join(one[:2]) for one in targets} & parts - {own}
    return graph


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one node, each sorted, the largest first (Tarjan 1972)."""
    walk = _Tarjan(graph)
    for node in sorted(graph):
        if node not in walk.index:
            walk.visit(node)
    circles = [sorted(one) for one in walk.components if len(one) > 1]
    return sorted(circles, key=lambda one: (-len(one), one))


class _Tarjan:
    """Tarjan's algorithm without recursion, so that a deep graph cannot exhaust the stack."""

    def __init__(self, graph: Mapping[str, set[str]]) -> None:
        self._graph = graph
        self.index: dict[str, int] = {}
        self._low: dict[str, int] = {}
        self._open: list[str] = []
        self.components: list[list[str]] = []

    def visit(self, start: str) -> None:
        """Find all components that can be reached from `start`."""
        path = [(start, iter(sorted(self._graph[start])))]
        self._begin(start)
        while path:
            node, successors = path[-1]
            fresh = self._next(node, successors)
            if fresh is not None:
                self._begin(fresh)
                path.append((fresh, iter(sorted(self._graph[fresh]))))
                continue
            path.pop()
            if path:
                above = path[-1][0]
                self._low[above] = min(self._low[above], self._low[node])
            self._finish(node)

    def _begin(self, node: str) -> None:
        self.index[node] = self._low[node] = len(self.index)
        self._open.append(node)

    def _next(self, node: str, successors: Iterator[str]) -> str | None:
        for other in successors:
            if other not in self.index:
                return other
            if other in self._open:
                self._low[node] = min(self._low[node], self.index[other])
        return None

    def _finish(self, node: str) -> None:
        if self._low[node] == self.index[node]:
            at = self._open.index(node)
            self.components.append(self._open[at:])
            del self._open[at:]
