"""Choice without examples: which abilities an objective wants, by the words of names, descriptions and members."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from accord.planner.composition.ability import Ability
from accord.planner.composition.clauses import clauses
from accord.planner.composition.index import Index, said_words
from accord.planner.composition.weights import Weights
from accord.planner.composition.wording import content, stems

SHORT_LIST = 24
"""So many abilities are looked at closely for the whole, and half as many for each clause."""

EXPLAINED = 2.5
"""Log-odds that an ability loses all of whose words likelier ones explain."""

EXPLAINS = -1.5
"""From these log-odds on an ability explains the words that it has."""

_NOTHING: Mapping[int, float] = {}


class Looked(msgspec.Struct, frozen=True):
    """An ability that was looked at closely."""

    at: int
    """Its place in the index."""
    pieces: dict[str, float]
    """What speaks for it."""
    clause: int
    """The clause that speaks of it most."""
    matched: dict[str, float]
    """The words of that clause that it has, and what each says here."""
    log_odds: float = 0.0
    """How likely it is wanted."""


class _Said(msgspec.Struct, frozen=True):
    """A text, its words with those that stand for them, and how like each ability it is."""

    words: dict[str, float]
    likeness: Mapping[int, float]
    best: float
    order: dict[int, int]
    """The places of the best abilities."""

    @classmethod
    def of(cls, text: str, index: Index) -> _Said:
        words = said_words(text)
        likeness = index.likeness(words)
        ranked = sorted(likeness, key=lambda at: (-likeness[at], at))[:SHORT_LIST]
        best = likeness[ranked[0]] if ranked else 0.0
        return cls(words, likeness, best, {at: place for place, at in enumerate(ranked)})


def look(objective: str, index: Index, also: Collection[int] = ()) -> list[Looked]:
    """The abilities that may be wanted, those at the places `also` among them, with what speaks for each of them, in
    the order of the index.
    """
    whole = _Said.of(objective, index)
    parts = clauses(objective)
    several = [_Said.of(part.text, index) for part in parts] or [whole]
    near = {*whole.order, *also}
    for said in several:
        near.update(at for at, place in said.order.items() if place < SHORT_LIST // 2)
    lowered = " ".join(stems(objective))
    return [_looked(at, index, whole, several, lowered) for at in sorted(near)]


def _looked(at: int, index: Index, whole: _Said, several: Sequence[_Said], objective: str) -> Looked:
    ability = index.abilities[at]
    clause = max(range(len(several)), key=lambda one: (several[one].likeness.get(at, 0.0), -one))
    here = several[clause]
    pieces = {
        "like": whole.likeness.get(at, 0.0),
        "like_best": whole.likeness.get(at, 0.0) - whole.best,
        "place": min(whole.order.get(at, SHORT_LIST), SHORT_LIST) / SHORT_LIST,
        "like_here": here.likeness.get(at, 0.0),
        "like_here_best": here.likeness.get(at, 0.0) - here.best,
        "first_here": float(here.order.get(at) == 0),
        "second_here": float(here.order.get(at) == 1),
        "clauses": min(len(several), 10) / 10,
        "one_clause": float(len(several) == 1),
    }
    pieces |= _covered(ability, index, here, "_here") | _covered(ability, index, whole, "")
    name = " ".join(stems(ability.called))
    pieces["name_said"] = float(bool(name) and f" {name} " in f" {objective} ")
    pieces["verb_here"] = here.words.get(ability.verb, 0.0)
    pieces["firsts"] = min(sum(said.order.get(at) == 0 for said in several), 3) / 3
    matched = {word: count * index.rarity(word) ** 2 for word, count in here.words.items() if word in ability.described}
    return Looked(at, pieces, clause, matched)


def weighed(several: Sequence[Looked], known: Weights, taught: Mapping[int, float] = _NOTHING) -> list[Looked]:
    """The same with how likely each is wanted: by itself first, then knowing what those that are likelier explain.

    What examples teach of abilities, as log-odds by their places, stands for what their words say.
    """
    alone = [taught.get(one.at, _bounded(known.choice.log_odds(one.pieces))) for one in several]
    return [
        msgspec.structs.replace(one, pieces=pieces, log_odds=taught.get(one.at, _settled(pieces, known)))
        for one, pieces in zip(several, beside(several, alone), strict=True)
    ]


def _settled(pieces: dict[str, float], known: Weights) -> float:
    log_odds = _bounded(known.chosen.log_odds(pieces))
    return log_odds if pieces["own"] else log_odds - EXPLAINED


def beside(several: Sequence[Looked], alone: Sequence[float]) -> list[dict[str, float]]:
    """The pieces of each, and what its words still say once likelier abilities have explained theirs."""
    ranked = sorted(range(len(several)), key=lambda at: (-alone[at], several[at].at))
    explained: dict[int, set[str]] = defaultdict(set)
    best: dict[int, float] = {}
    counted: Counter[int] = Counter()
    found: list[dict[str, float]] = [{}] * len(several)
    for rank, at in enumerate(ranked):
        one = several[at]
        every = math.fsum(one.matched.values())
        own = math.fsum(value for word, value in one.matched.items() if word not in explained[one.clause])
        said = set().union(*explained.values())
        new = math.fsum(value for word, value in one.matched.items() if word not in said)
        best.setdefault(one.clause, alone[at])
        found[at] = one.pieces | {
            "alone": alone[at],
            "rank": min(rank, 12) / 12,
            "rank_here": min(counted[one.clause], 6) / 6,
            "behind_here": max(alone[at] - best[one.clause], -8.0),
            "own_share": own / every if every else 0.0,
            "own": min(own, 40.0) / 10,
            "new_share": new / every if every else 0.0,
        }
        counted[one.clause] += 1
        if alone[at] > EXPLAINS:
            explained[one.clause] |= one.matched.keys()
    return found


def _bounded(log_odds: float) -> float:
    return max(-8.0, min(8.0, log_odds))


def _covered(ability: Ability, index: Index, said: _Said, where: str) -> dict[str, float]:
    """Which share of what the ability is called, of its description and of its inputs was said."""
    described = frozenset(content(ability.description))
    return {
        f"name_covered{where}": _share(ability.named, index, said.words),
        f"description_covered{where}": _share(described, index, said.words),
        f"inputs_covered{where}": _share(ability.input_words, index, said.words),
    }


def _share(words: Iterable[str], index: Index, said: Mapping[str, float]) -> float:
    weighed = [(index.rarity(word), said.get(word, 0.0)) for word in sorted(words)]
    every = sum(weight for weight, _ in weighed)
    return sum(weight * count for weight, count in weighed) / every if every else 0.0


def order_of_mention(objective: str, chosen: Sequence[Looked]) -> list[Looked]:
    """The chosen ones as the objective speaks of them."""
    return sorted(chosen, key=lambda one: (one.clause, one.at))
