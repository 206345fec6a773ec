"""Links: which outputs feed which inputs of the abilities that are wanted; each input has one source at most.

Every possible edge is weighed twice: by its own evidence, then by that and by how good its rivals are. What is over the
threshold is taken, the best first, where it closes no circle.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from accord.planner.composition.ability import ANY
from accord.planner.composition.evidence import Edge, Reading, evidence
from accord.planner.composition.literals import Key
from accord.planner.composition.reach import reached
from accord.planner.composition.weights import Weights, weights

_FARTHEST = 8.0
"""Log-odds are told up to this many on either side."""

BACKWARDS = 1.5
"""Log-odds that an edge loses that points to what was spoken of before."""

NEEDED = 0.15
"""The least probability of a link to an input that is needed and that nothing else fills."""

TAUGHT = 0.02
"""The same of a link between two abilities of which examples say that the one feeds the other one, or whose words name
the output.
"""

WEIGHED = 0.01
"""The least probability of what is told as an alternative."""

MOST_OTHERS = 2
"""So many other sources of an input are told."""

Fits = Callable[[Edge], bool]
"""Whether the input may take what the output gives at all."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """An edge that is taken, and how sure that is."""

    edge: Edge
    probability: float
    why: tuple[str, ...]
    """The pieces of evidence that speak for it most, the strongest first."""
    others: tuple[tuple[Edge, float], ...] = ()
    """What else could feed the input, and how likely that was: the likeliest first."""


class Order(msgspec.Struct, frozen=True):
    """One ability comes after another one, and takes nothing from it; abilities are indices of the reading."""

    source: int
    target: int
    probability: float = 1.0
    said: str | None = None
    """The word that says so; None where it is so in examples."""
    settled: bool = False
    """Whether it comes after it, too, where that one is skipped."""


class Linked(msgspec.Struct, frozen=True):
    """How the abilities of a reading hang together."""

    links: tuple[Link, ...]
    """In the order of the inputs that they feed."""
    orders: tuple[Order, ...]

    @property
    def repeated(self) -> frozenset[int]:
        """The abilities that are done for each item of a list."""
        return frozenset(link.edge.target for link in self.links if link.edge.output.each is not None)


class Weighed(msgspec.Struct, frozen=True):
    """All possible edges of a reading with their evidence, and after both weighings their log-odds."""

    edges: tuple[Edge, ...]
    pieces: tuple[dict[str, float], ...]
    log_odds: tuple[float, ...]


def possible_edges(reading: Reading, fits: Fits, *, ordered: bool) -> tuple[Edge, ...]:
    """Edges between two abilities that kinds allow; where the order is known only forwards."""
    return tuple(edge for edge in _edges(reading, ordered) if fits(edge))


def _edges(reading: Reading, ordered: bool) -> Iterator[Edge]:
    for target, consumer in enumerate(reading.abilities):
        for source, producer in enumerate(reading.abilities):
            if source == target or (ordered and source > target):
                continue
            for member in consumer.inputs:
                for output in producer.outputs:
                    yield Edge(source, output, target, member)


def any_kind(edge: Edge) -> bool:
    """Kinds decide nothing: descriptions of foreign tools name them carelessly."""
    return True


def same_kind(edge: Edge) -> bool:
    """The kinds are equal, or one of them is not known; a whole number is a number."""
    gives, takes = edge.output.kind, edge.input.kind
    return gives == takes or ANY in (gives, takes) or (gives, takes) == ("integer", "number")


def weigh(reading: Reading, edges: Sequence[Edge], known: Weights) -> Weighed:
    """The edges with evidence and log-odds."""
    pieces = tuple(evidence(reading, edge) for edge in edges)
    first = [_bounded(known.link.log_odds(piece)) for piece in pieces]
    second = tuple(piece | rival for piece, rival in zip(pieces, rivalry(edges, first), strict=True))
    settled = (known.settled.log_odds(piece) for piece in second)
    told = (one - BACKWARDS * (edge.source > edge.target) for one, edge in zip(settled, edges, strict=True))
    return Weighed(tuple(edges), second, tuple(map(_bounded, told)))


def rivalry(edges: Sequence[Edge], log_odds: Sequence[float]) -> list[dict[str, float]]:
    """For each edge how good it is by itself, and how good its rivals are."""
    rivals = _Rivals(edges, log_odds)
    return [rivals.of(at) for at in range(len(edges))]


class _Rivals:
    def __init__(self, edges: Sequence[Edge], log_odds: Sequence[float]) -> None:
        self._edges, self._log_odds = edges, log_odds
        self._by: dict[object, list[int]] = defaultdict(list)
        for at, edge in enumerate(edges):
            for group in (("input", edge.key), ("output", edge.origin), edge.target, (edge.source, edge.target)):
                self._by[group].append(at)

    def of(self, at: int) -> dict[str, float]:
        edge, own = self._edges[at], self._log_odds[at]
        same_input, same_output = self._by["input", edge.key], self._by["output", edge.origin]
        same_target, same_pair = self._by[edge.target], self._by[edge.source, edge.target]
        return {
            "alone": own,
            "rival_of_input": self._best(one for one in same_input if one != at),
            "rival_of_output": self._best(one for one in same_output if one != at),
            "other_input": self._best(one for one in same_target if self._edges[one].key != edge.key),
            "other_input_of_pair": self._best(one for one in same_pair if self._edges[one].key != edge.key),
            "best_of_input": float(own >= self._best(same_input)),
            "best_of_target": float(own >= self._best(same_target)),
            "best_of_output": float(own >= self._best(same_output)),
        }

    def _best(self, ats: Iterable[int]) -> float:
        return max((self._log_odds[one] for one in ats), default=-_FARTHEST)


def _bounded(log_odds: float) -> float:
    return max(-_FARTHEST, min(_FARTHEST, log_odds))


def probability(log_odds: float) -> float:
    """From 0 to 1."""
    return 1 / (1 + math.exp(-log_odds))


def log_odds(chance: float) -> float:
    """Of a probability."""
    sure = 1 / (1 + math.exp(_FARTHEST))
    chance = max(sure, min(1 - sure, chance))
    return math.log(chance / (1 - chance))


def links(reading: Reading, fits: Fits = any_kind) -> tuple[Link, ...]:
    """The links of a reading of which it is known in which order its abilities come: one for each input at most, in
    the order of the inputs that they feed.
    """
    known = weights()
    taking = _Taking(weigh(reading, possible_edges(reading, fits, ordered=True), known))
    taking.over(known.link_threshold)
    return taking.links(reading, known)


def linked(reading: Reading, fits: Fits, taught: Mapping[tuple[int, int], float]) -> Linked:
    """The links of a reading of which the order is not known: acyclic, one for each input at most.

    The abilities stand as the objective speaks of them; one of which nothing needed is said, or fed, takes the best
    that there is. `taught` has how likely the first of two abilities feeds the second one by examples, 0 where it
    does not; it decides between those two. The best edge of such a pair is taken; where there is none, an order is.
    """
    known = weights()
    possible = possible_edges(reading, fits, ordered=False)
    edges = [
        edge
        for edge in possible
        if taught.get(edge.pair) != 0 and edge.key not in reading.becoming and reading.is_meant(edge)
    ]
    taking = _Taking(weigh(reading, edges, known))
    orders = tuple(taking.taught(taught))
    taking.named(reading, known.link_threshold)
    taking.over(known.link_threshold)
    taking.needed(reading)
    taking.of_items()
    return Linked(taking.links(reading, known), orders)


class _Taking:
    """Edges that are taken, the best first, as long as each input has one source, each ability is done for each item of
    one list at most, and nothing closes a circle.
    """

    def __init__(self, weighed: Weighed) -> None:
        self.taken: list[int] = []
        self._weighed = weighed
        self._ranked = sorted(range(len(weighed.edges)), key=lambda at: -weighed.log_odds[at])
        self._fed: set[Key] = set()
        self._after: dict[int, set[int]] = defaultdict(set)
        self._lists: dict[int, tuple[int, str]] = {}

    def links(self, reading: Reading, known: Weights) -> tuple[Link, ...]:
        """What is taken, in the order of the inputs."""
        found = [
            msgspec.structs.replace(_link(self._weighed, at, known), others=tuple(self._others(at)))
            for at in self.taken
        ]
        return tuple(sorted(found, key=lambda link: (link.edge.target, _position(reading, link.edge))))

    def _others(self, at: int) -> Iterator[tuple[Edge, float]]:
        """What else was weighed for the same input."""
        key = self._weighed.edges[at].key
        rivals = (one for one in self._ranked if one != at and self._weighed.edges[one].key == key)
        for one in islice(rivals, MOST_OTHERS):
            if (chance := probability(self._weighed.log_odds[one])) >= WEIGHED:
                yield self._weighed.edges[one], chance

    def taught(self, pairs: Mapping[tuple[int, int], float]) -> Iterator[Order]:
        """Take the best edge of each pair, the likeliest pair first; gives those that no edge joins."""
        for pair, chance in sorted(pairs.items(), key=lambda one: (-one[1], one[0])):
            if not chance or any(self._take(at) for at in self._ranked if self._is_of(at, pair)):
                continue
            if not _reaches(self._after, pair[1], pair[0]):
                self._after[pair[0]].add(pair[1])
                yield Order(*pair, chance)

    def _is_of(self, at: int, pair: tuple[int, int]) -> bool:
        return self._weighed.edges[at].pair == pair and probability(self._weighed.log_odds[at]) > TAUGHT

    def named(self, reading: Reading, threshold: float) -> None:
        """Where something else would feed an input, take what the words of its ability name: `translate the summary`.
        Each output feeds one input of an ability so.
        """
        best: dict[Key, int] = {}
        told: set[tuple[int, str, int]] = set()
        for at in self._ranked:
            if probability(self._weighed.log_odds[at]) > threshold:
                best.setdefault(self._weighed.edges[at].key, at)
        unnamed = {key for key, at in best.items() if not reading.names(self._weighed.edges[at])}
        for at in self._ranked:
            edge = self._weighed.edges[at]
            if probability(self._weighed.log_odds[at]) <= TAUGHT:
                return
            fed = (*edge.origin, edge.target)
            if edge.key in unnamed and edge.source < edge.target and fed not in told and reading.names(edge):
                told |= {fed} if self._take(at) else set()

    def over(self, threshold: float) -> None:
        """Take all that are likelier than this."""
        for at in self._ranked:
            if probability(self._weighed.log_odds[at]) <= threshold:
                return
            self._take(at)

    def needed(self, reading: Reading) -> None:
        """Give each ability that nothing feeds, and of which nothing needed is said, the best edge that there is."""
        fed = {self._weighed.edges[at].target for at in self.taken}
        for at in self._ranked:
            edge = self._weighed.edges[at]
            if probability(self._weighed.log_odds[at]) <= NEEDED:
                return
            if edge.target not in fed and edge.input.required and reading.filled[edge.key].said is None:
                fed |= {edge.target} if self._take(at) else set()

    def of_items(self) -> None:
        """Give what is done for each item of a list the members of that item that are called like its inputs."""
        for at in self._ranked:
            edge = self._weighed.edges[at]
            listed = edge.output.each is not None and self._lists.get(edge.target) == (edge.source, edge.output.each)
            if listed and edge.output.name == edge.input.name:
                self._take(at)

    def _take(self, at: int) -> bool:
        edge = self._weighed.edges[at]
        if edge.key in self._fed or _reaches(self._after, edge.target, edge.source) or not self._lists_agree(edge):
            return False
        self._fed.add(edge.key)
        self._after[edge.source].add(edge.target)
        self.taken.append(at)
        return True

    def _lists_agree(self, edge: Edge) -> bool:
        """An ability is done for each item of one list at most."""
        each = edge.output.each
        return each is None or self._lists.setdefault(edge.target, (edge.source, each)) == (edge.source, each)


def taken(weighed: Weighed, threshold: float) -> list[int]:
    """The places of the edges that are likelier than the threshold and can stand together, the best first."""
    taking = _Taking(weighed)
    taking.over(threshold)
    return taking.taken


def _reaches(after: dict[int, set[int]], start: int, end: int) -> bool:
    return end in reached(start, lambda at: after.get(at, ()))


def _position(reading: Reading, edge: Edge) -> int:
    return [member.name for member in reading.abilities[edge.target].inputs].index(edge.input.name)


def _link(weighed: Weighed, at: int, known: Weights) -> Link:
    piece = weighed.pieces[at]
    counted = sorted(((known.link.weights.get(name, 0.0) * value, name) for name, value in piece.items()), reverse=True)
    why = tuple(name for share, name in counted if share > 0.2 and ":" not in name and name != "alone")
    return Link(edge=weighed.edges[at], probability=probability(weighed.log_odds[at]), why=why[:3])
