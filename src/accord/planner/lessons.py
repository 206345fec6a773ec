"""What use teaches composition: each template shows which capabilities its phrases want, and which feed which.

Phrases come with templates; what was said otherwise and meant the same comes with the objective's examples.
"""

from __future__ import annotations

from collections.abc import Iterator

from accord.domain.compile import compile_graph
from accord.domain.graph import Graph, Task, Work
from accord.domain.ids import Digest, TaskId
from accord.planner.classifier.examples import phrases_of
from accord.planner.composition.examples import Example
from accord.planner.ways import KnownTemplate, Objective


class Lessons:
    """Examples of what is asked for, with the calls that do it; what a template calls is found out once."""

    def __init__(self) -> None:
        self._calls: dict[Digest, Example] = {}

    def of(self, objective: Objective) -> tuple[Example, ...]:
        """One for each phrase of the newest templates, and for all that is known to mean one of them."""
        said = (*phrases_of(objective.phrased), *objective.examples)
        known = {name: self._called(each) for name, each in objective.newest.items()}
        self._calls = {each.digest: known[name] for name, each in objective.newest.items()}
        return tuple(
            Example(one.text, known[one.label].abilities, known[one.label].links)
            for one in said
            if one.label in known and known[one.label].abilities
        )

    def _called(self, known: KnownTemplate) -> Example:
        found = self._calls.get(known.digest)
        return found if found is not None else _calls(compile_graph(known.template, known.digest))


def _calls(graph: Graph) -> Example:
    """What a graph calls, in its order, and which call feeds which; without words."""
    called = {name: capability for name in graph.order if (capability := _capability(graph.tasks[name])) is not None}
    links = [(called[need], called[name]) for name in called for need in _needs(graph, name)]
    return Example("", tuple(dict.fromkeys(called.values())), tuple(one for one in links if one[0] != one[1]))


def _needs(graph: Graph, name: TaskId) -> Iterator[TaskId]:
    """The calls that come first, whatever waits between."""
    for need in graph.tasks[name].needs:
        if _capability(graph.tasks[need]) is not None:
            yield need
        else:
            yield from _needs(graph, need)


def _capability(task: Task) -> str | None:
    """What it calls in the first place."""
    first = task.action.options[0].capability if isinstance(task.action, Work) else None
    return first.name if first is not None else None
