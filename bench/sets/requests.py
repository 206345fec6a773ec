"""`requests`: which tools are called for a request, and which of them feed which; measured against gold answers.

The file's format, and what each figure says: `docs/how-to/measure-sets.md`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec
from rich.console import Console
from rich.progress import track

from accord.planner.composition.composer import Composer
from accord.planner.composition.evidence import Reading
from accord.planner.composition.examples import Example
from accord.planner.composition.index import Index
from accord.planner.composition.linking import Fits, Link, Order, any_kind, links, same_kind
from accord.planner.composition.teaching import Lesson, Teacher
from bench.sets.figures import Figures, Score, figures_of
from bench.sets.files import Arguments, write
from bench.sets.requests_file import Arrow, Call, Request, Tool, ability_of, nodes_of, read_set

CONSOLE = Console(stderr=True)


class Predicted(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of what is predicted."""

    id: str
    calls: tuple[Call, ...]
    links: tuple[Arrow, ...]
    confidence: float
    """That of the least likely call; 1 where the steps were given."""
    ms: float
    """How long it took."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """How good the predictions are; null where the set has no right answers."""

    requests: int
    with_answers: int
    learned_from: int
    """How many examples were learned from; those with tools of their own teach nothing about a catalogue."""
    node: Figures | None
    """Which calls are there."""
    link: Figures | None
    """Which call feeds which."""
    parameter_edge: Figures | None
    """Which result feeds which parameter; null where the right links do not say it."""
    ms_p50: float
    """How long a plan takes."""
    ms_p95: float


Predictor = Callable[[Request], tuple[Sequence[Call], Sequence[Arrow], float]]


def run(arguments: Arguments) -> None:
    """Predict, print figures, and write predictions. Raises BadInput."""
    wanted = read_set(arguments.file)
    train = read_set(arguments.train, wanted.catalogue) if arguments.train else None
    predict = _Predicting(wanted.catalogue, train.requests if train is not None else ())
    shown = track(wanted.requests, console=CONSOLE, disable=not CONSOLE.is_terminal)
    found = [_timed(predict, request) for request in shown]
    write(arguments.out, found)
    print(msgspec.json.format(msgspec.json.encode(_measured(wanted.requests, found, predict))).decode())


def _timed(predict: _Predicting, request: Request) -> Predicted:
    started = time.perf_counter()
    calls, arrows, confidence = predict(request)
    spent = (time.perf_counter() - started) * 1000
    return Predicted(request.id, tuple(calls), tuple(arrows), round(confidence, 4), round(spent, 3))


class _Predicting:
    """The planner, with the catalogue's index, and with what it has learned from examples, if there are any."""

    def __init__(self, catalogue: Sequence[Tool], train: Sequence[Request]) -> None:
        self._index = Index(map(ability_of, catalogue))
        self._fits = _fits(catalogue)
        examples = [example_of(one) for one in train if one.tools is None and one.calls]
        lesson = Lesson.of(examples, self._index.abilities)
        self.learned_from = len(lesson.examples) if lesson is not None else 0
        self._composer = Composer(self._index, self._fits, _learned(lesson) if lesson is not None else None)

    def __call__(self, request: Request) -> tuple[Sequence[Call], Sequence[Arrow], float]:
        if request.steps is not None:
            return self._of_steps(request, request.steps)
        if not request.request.strip():
            return (), (), 0.0
        composer = self._composer
        if request.tools is not None:
            composer = Composer(Index(map(ability_of, request.tools)), _fits(request.tools))
        found = composer.compose(request.request)
        if not found.chosen and found.near:
            # A request of a set is always about its tools: the likeliest is called.
            found = composer.compose(request.request, threshold=found.near[0].probability - 1e-9)
        nodes = [one.ability.name for one in found.chosen]
        return _answer(found.reading, nodes, found.links), _arrows(nodes, found.links, found.orders), found.confidence

    def _of_steps(self, request: Request, steps: Sequence[str]) -> tuple[Sequence[Call], Sequence[Arrow], float]:
        tools = {tool.name: ability_of(tool) for tool in request.tools or ()}
        known = {**{one.name: one for one in self._index.abilities}, **tools}
        reading = Reading(request.request, tuple(known[name] for name in steps))
        taken = links(reading, any_kind if request.tools is not None else self._fits)
        nodes = nodes_of(steps)
        return _answer(reading, nodes, taken), _arrows(nodes, taken), 1.0


def example_of(request: Request) -> Example:
    """What a request of the training file teaches."""
    tools = {call.node: call.tool for call in request.calls or ()}
    wanted = tuple(dict.fromkeys(tools.values()))
    return Example(request.request, wanted, tuple((tools[one.source], tools[one.to]) for one in request.links))


def _learned(lesson: Lesson) -> Teacher | None:
    """What the lesson teaches; None where words alone are as good."""
    from accord.planner.composition.learned import Learned  # noqa: PLC0415  # the extra `planner`

    CONSOLE.print(f"learning from {len(lesson.examples)} examples", style="dim")
    learned = Learned(lesson)
    return learned if learned.is_better else None


def _fits(tools: Iterable[Tool]) -> Fits:
    """Types decide where tools say what they take and give by type alone; beside names and descriptions they do not."""
    return same_kind if any(tool.takes or tool.gives for tool in tools) else any_kind


def _answer(reading: Reading, nodes: Sequence[str], taken: Sequence[Link]) -> list[Call]:
    given = reading.given(frozenset(link.edge.key for link in taken))
    inputs: list[dict[str, str]] = [{} for _ in nodes]
    for (index, name), filling in given.items():
        if filling.said is not None:
            inputs[index][name] = filling.said.text
    return [
        Call(tool=ability.name, id="" if node == ability.name else node, inputs=values)
        for node, ability, values in zip(nodes, reading.abilities, inputs, strict=True)
    ]


def _arrows(nodes: Sequence[str], taken: Sequence[Link], orders: Sequence[Order] = ()) -> list[Arrow]:
    bare = [Arrow(source=nodes[order.source], to=nodes[order.target]) for order in orders]
    return bare + [
        Arrow(
            source=nodes[link.edge.source],
            to=nodes[link.edge.target],
            output=link.edge.output.name,
            input=link.edge.input.name,
        )
        for link in taken
    ]


def _measured(requests: Sequence[Request], found: Sequence[Predicted], predict: _Predicting) -> Measured:
    pairs = [(request, one) for request, one in zip(requests, found, strict=True) if request.calls is not None]
    with_members = any(arrow.input is not None for gold, _ in pairs for arrow in gold.links)

    def figures(of: Callable[[Request | Predicted], set[object]]) -> Figures | None:
        return figures_of([Score.of(of(gold), of(one)) for gold, one in pairs]) if pairs else None

    times = sorted(one.ms for one in found)
    return Measured(
        requests=len(requests),
        with_answers=len(pairs),
        learned_from=predict.learned_from,
        node=figures(lambda one: _nodes(one.calls or ())),
        link=figures(lambda one: _pairs(one.links)),
        parameter_edge=figures(lambda one: _members(one.links)) if with_members else None,
        ms_p50=times[len(times) // 2] if times else 0.0,
        ms_p95=times[int(len(times) * 0.95)] if times else 0.0,
    )


def _nodes(calls: Sequence[Call]) -> set[object]:
    return {call.node for call in calls}


def _pairs(arrows: Sequence[Arrow]) -> set[object]:
    return {(one.source, one.to) for one in arrows}


def _members(arrows: Sequence[Arrow]) -> set[object]:
    return {(one.source, one.output, one.to, one.input) for one in arrows}
