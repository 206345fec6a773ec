"""Fit the numbers that composition weighs evidence with, and write `planner/composition/weights.json`.

    python scripts/fit_composition.py REQUESTS.jsonl [CATALOGUE.jsonl ...]

The first file is a set of requests with their own tools, `steps` and right links; the others are sets over one
catalogue each (docs/how-to/measure-sets.md). What the numbers in the repository were fitted on is not part of it: the
first 500 requests of NesTools (COLING 2025), and requests that were joined from those of CLINC150 (EMNLP 2019) over
catalogues of 40 and 150 intents, of which nothing but the names is known.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench.sets.requests_file import Request, RequestSet, ability_of, nodes_of, read_set  # noqa: E402  # the path comes first

from accord.planner.composition import linking, weights  # noqa: E402
from accord.planner.composition.choice import beside, look  # noqa: E402
from accord.planner.composition.evidence import Reading, evidence  # noqa: E402
from accord.planner.composition.index import Index  # noqa: E402
from accord.planner.composition.weights import Choosing, Linear, Weights  # noqa: E402

TARGET = ROOT / "src/accord/planner/composition/weights.json"
FOLDS = 5
OFTEN = 4
"""A word of a name has a number of its own if so many requests have it."""
SEEN = 5
"""A stem has a rarity of its own if so many members have it."""
STRENGTH = 0.03
NOTHING = Linear(0.0, {})


def main() -> None:
    requests = list(read_set(Path(sys.argv[1])).requests)
    nobody = Choosing(NOTHING, NOTHING)
    found = Weights(rarity(requests), NOTHING, NOTHING, 0.45, nobody, nobody, 0.4)
    write(found)
    found = fit_links(requests, found)
    write(found)
    catalogues = [read_set(Path(name)) for name in sys.argv[2:]]
    by_words, by_meaning = (fit_choice(requests, catalogues, by_meaning=one) for one in (False, True))
    write(msgspec.structs.replace(found, by_words=by_words, by_meaning=by_meaning))


def write(found: Weights) -> None:
    """One table on each line."""
    tables = (f'"{name}": {msgspec.json.encode(one).decode()}' for name, one in msgspec.structs.asdict(found).items())
    TARGET.write_text("{\n" + ",\n".join(tables) + "\n}\n")
    weights.weights.cache_clear()


def rarity(requests: list[Request]) -> dict[str, float]:
    counted: Counter[str] = Counter()
    number = 0
    for request in requests:
        for tool in map(ability_of, request.tools or ()):
            for member in (*tool.inputs, *tool.outputs):
                number += 1
                counted.update(member.words)
    rare = {word: round(math.log((number + 1) / (count + 1)) + 0.1, 2) for word, count in counted.items()}
    return {word: rare[word] for word in sorted(rare) if counted[word] >= SEEN}


class Examples:
    """All possible edges of all requests, with their evidence and whether they are right."""

    def __init__(self, requests: list[Request]) -> None:
        self.edges, self.pieces, self.groups, right = [], [], [], []
        self.bounds = []
        for number, request in enumerate(requests):
            tools = {tool.name: ability_of(tool) for tool in request.tools or ()}
            steps = request.steps or ()
            nodes = nodes_of(steps)
            reading = Reading(request.request, tuple(tools[name] for name in steps))
            gold = {(arrow.source, arrow.output, arrow.to, arrow.input) for arrow in request.links}
            edges = linking.possible_edges(reading, linking.any_kind, ordered=True)
            self.bounds.append((len(self.edges), len(self.edges) + len(edges), gold, nodes))
            self.edges.extend(edges)
            self.pieces.extend(evidence(reading, edge) for edge in edges)
            self.groups.extend([number] * len(edges))
            right.extend(named(edge, nodes) in gold for edge in edges)
        self.right, self.group = np.array(right, float), np.array(self.groups)

    def rivals(self, log_odds: np.ndarray) -> list[dict[str, float]]:
        found: list[dict[str, float]] = []
        for start, end, _, _ in self.bounds:
            found.extend(linking.rivalry(self.edges[start:end], [float(one) for one in log_odds[start:end]]))
        return found

    def figures(self, log_odds: np.ndarray, threshold: float) -> tuple[float, float]:
        hits = told = right = exact = 0
        for start, end, gold, nodes in self.bounds:
            weighed = linking.Weighed(tuple(self.edges[start:end]), (), tuple(log_odds[start:end]))
            taken = {named(weighed.edges[at], nodes) for at in linking.taken(weighed, threshold)}
            hits, told, right = hits + len(taken & gold), told + len(taken), right + len(gold)
            exact += taken == gold
        return 2 * hits / (told + right), exact / len(self.bounds)


def named(edge, nodes):
    return nodes[edge.source], edge.output.name, nodes[edge.target], edge.input.name


def matrix(pieces: list[dict[str, float]], names: list[str]) -> np.ndarray:
    places = {name: at for at, name in enumerate(names)}
    found = np.zeros((len(pieces), len(names)))
    for row, piece in enumerate(pieces):
        for name, value in piece.items():
            if name in places:
                found[row, places[name]] = value
    return found


def common_names(pieces: list[dict[str, float]], groups: np.ndarray) -> list[str]:
    seen = {
        (name, group) for piece, group in zip(pieces, groups, strict=True) for name, value in piece.items() if value
    }
    counted = Counter(name for name, _ in seen)
    return sorted(name for name, count in counted.items() if count >= OFTEN)


def fit(values: np.ndarray, right: np.ndarray, names: list[str]) -> Linear:
    """A logistic regression over evidence that is scaled to one variance, words excepted."""
    scale = StandardScaler().fit(values)
    words = np.array([":" in name for name in names])
    mean, spread = np.where(words, 0.0, scale.mean_), np.where(words, 1.0, scale.scale_)
    model = LogisticRegression(C=STRENGTH, max_iter=4000).fit((values - mean) / spread, right)
    by_name = model.coef_[0] / spread
    bias = float(model.intercept_[0] - (by_name * mean).sum())
    return Linear(round(bias, 4), {name: round(float(one), 4) for name, one in zip(names, by_name, strict=True)})


def told(model: Linear, pieces: list[dict[str, float]]) -> np.ndarray:
    return np.clip([model.log_odds(piece) for piece in pieces], -8, 8)


def out_of_fold(pieces: list[dict[str, float]], examples: Examples | Choices) -> np.ndarray:
    found = np.zeros(len(pieces))
    for fold in range(FOLDS):
        inside, outside = examples.group % FOLDS != fold, examples.group % FOLDS == fold
        kept = [piece for piece, yes in zip(pieces, inside, strict=True) if yes]
        names = common_names(kept, examples.group[inside])
        model = fit(matrix(kept, names), examples.right[inside], names)
        found[outside] = told(model, [piece for piece, yes in zip(pieces, outside, strict=True) if yes])
    return found


def fit_links(requests: list[Request], found: Weights) -> Weights:
    examples = Examples(requests)
    first = out_of_fold(examples.pieces, examples)
    print("one weighing, out of fold:", [round(one, 4) for one in examples.figures(first, 0.4)])
    both = [piece | rival for piece, rival in zip(examples.pieces, examples.rivals(first), strict=True)]
    second = out_of_fold(both, examples)
    for threshold in (0.35, 0.4, 0.45, 0.5):
        print("two, threshold", threshold, [round(one, 4) for one in examples.figures(second, threshold)])
    names = common_names(examples.pieces, examples.group)
    link = fit(matrix(examples.pieces, names), examples.right, names)
    names = common_names(both, examples.group)
    settled = fit(matrix(both, names), examples.right, names)
    return msgspec.structs.replace(found, link=link, settled=settled)


class Choices:
    """Requests over catalogues, with what speaks for each tool that is looked at, and whether it is wanted."""

    def __init__(self) -> None:
        self.looked, self.bounds, self.wanted = [], [], []
        groups, right = [], []
        self._groups, self._right = groups, right

    def add(self, request: Request, index: Index, names: list[str], group: int) -> None:
        gold = {call.tool for call in request.calls or ()}
        several = look(request.request, index)
        self.bounds.append((len(self.looked), len(self.looked) + len(several)))
        self.looked.extend(several)
        self._right.extend(names[one.at] in gold for one in several)
        self._groups.extend([group] * len(several))
        self.wanted.append(len(gold))

    def done(self) -> Choices:
        self.right, self.group = np.array(self._right, float), np.array(self._groups)
        self.pieces = [one.pieces for one in self.looked]
        return self

    def beside(self, log_odds: np.ndarray) -> list[dict[str, float]]:
        found = []
        for start, end in self.bounds:
            found.extend(beside(self.looked[start:end], [float(one) for one in log_odds[start:end]]))
        return found

    def figure(self, log_odds: np.ndarray, threshold: float) -> float:
        told = log_odds > math.log(threshold / (1 - threshold))
        return round(2 * float((told * self.right).sum()) / (told.sum() + sum(self.wanted)), 4)


def mixed(requests: list[Request], found: Choices, *, by_meaning: bool) -> None:
    """Catalogues that are made of the tools of several requests."""
    for size in (13, 100):
        order = np.random.default_rng(size).permutation(len(requests))
        for start in range(0, len(order), size):
            several = [int(at) for at in order[start : start + size]]
            tools = {tool.name: ability_of(tool) for at in several for tool in requests[at].tools or ()}
            index, names = Index(tools.values(), by_meaning=by_meaning), list(tools)
            for at in several:
                found.add(requests[at], index, names, at)


def fit_choice(requests: list[Request], catalogues: list[RequestSet], *, by_meaning: bool) -> Choosing:
    examples = Choices()
    mixed(requests, examples, by_meaning=by_meaning)
    group = len(requests)
    for one in catalogues:
        index = Index(map(ability_of, one.catalogue), by_meaning=by_meaning)
        for request in one.requests:
            group += 1
            examples.add(request, index, [ability.name for ability in index.abilities], group)
    examples.done()
    first = out_of_fold(examples.pieces, examples)
    both = examples.beside(first)
    second = out_of_fold(both, examples)
    for threshold in (0.3, 0.35, 0.4, 0.45, 0.5):
        print(
            "choice",
            "by meaning" if by_meaning else "by words",
            "threshold",
            threshold,
            examples.figure(first, threshold),
            examples.figure(second, threshold),
        )
    names = common_names(examples.pieces, examples.group)
    alone = fit(matrix(examples.pieces, names), examples.right, names)
    names = common_names(both, examples.group)
    return Choosing(alone, fit(matrix(both, names), examples.right, names))


if __name__ == "__main__":
    main()
