"""Choice without examples: which abilities an objective wants, by the words of names, descriptions and members."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from accord.planner.composition.ability import Ability
from accord.planner.composition.clauses import clauses
from accord.planner.composition.index import SYNONYM, Index
from accord.planner.composition.meant import Meant, pieces_of
from accord.planner.composition.weights import Choosing, Weights
from accord.planner.composition.wording import content, stems

SHORT_LIST = 24
"""So many abilities are looked at closely for the whole, and half as many for each clause."""

MEANT = 6
"""So many abilities are looked at closely for what a clause means, whatever its words are."""

MEANING = 0.5
"""What it counts to mean what a clause does, beside having its words, where it is asked which clause speaks of an
ability.
"""

NEAR = 0.25
"""From this cosine on a clause and an ability have something in common, even if it is no word."""

EXPLAINED = 2.5
"""Log-odds that an ability loses all of whose words likelier ones explain, or that has none."""

EXPLAINED_YET_MEANT = 8.0
"""What it loses where it is known what words mean, if it has words: what does nearly the same as a likelier one means
what is said as well, and is not wanted beside it.
"""

EXPLAINED_ELSEWHERE = 0.5
"""Log-odds that it loses then, if they explain its words in other clauses."""

EXPLAINS = -1.5
"""From these log-odds on an ability explains the words that it has."""

ABOUT = 2.0
"""Two abilities are about as likely whose log-odds differ by no more."""

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
    act: str = ""
    """The word of the objective, in whatever clause, that is what it does; empty where none is."""
    log_odds: float = 0.0
    """How likely it is wanted."""

    @property
    def is_meant(self) -> bool:
        """Whether it is known how much it means what is said."""
        return "means" in self.pieces

    @property
    def is_near(self) -> bool:
        """Whether it has anything in common with what is said."""
        return self.pieces["like"] > 0 or self.pieces.get("means_here", 0.0) >= NEAR


class _Said(msgspec.Struct, frozen=True):
    """A text, its words with those that stand for them, and how like each ability it is, in words and in meaning."""

    words: dict[str, float]
    """How much each counts."""
    said: dict[str, str]
    """What was said of which each is, or stands for it."""
    likeness: Mapping[int, float]
    best: float
    order: dict[int, int]
    """The places of the best abilities."""
    meant: Meant | None

    @classmethod
    def of(cls, text: str, index: Index) -> _Said:
        said = index.said_words(text)
        words = {word: 1.0 if word == of else SYNONYM for word, of in said.items()}
        likeness = index.likeness(words)
        ranked = sorted(likeness, key=lambda at: (-likeness[at], at))[:SHORT_LIST]
        best = likeness[ranked[0]] if ranked else 0.0
        return cls(words, said, likeness, best, {at: place for place, at in enumerate(ranked)}, index.meant(text))

    def matched(self, ability: Ability, index: Index) -> dict[str, float]:
        """The words that were said and that an ability has, itself or another one for it, and what each says here."""
        found: dict[str, float] = defaultdict(float)
        for word in self.words.keys() & ability.described:
            found[self.said[word]] = max(found[self.said[word]], self.words[word] * index.rarity(word) ** 2)
        return dict(found)

    @property
    def closest(self) -> list[int]:
        """The abilities that are looked at for it."""
        by_words = list(self.order)[: SHORT_LIST // 2]
        return by_words if self.meant is None else [*by_words, *self.meant.first(MEANT)]

    def speaks_of(self, at: int) -> float:
        """How much it speaks of an ability."""
        by_meaning = MEANING * float(self.meant.of_all[at]) if self.meant is not None else 0.0
        return self.likeness.get(at, 0.0) + by_meaning


def look(objective: str, index: Index, also: Collection[int] = ()) -> list[Looked]:
    """The abilities that may be wanted, those at the places `also` among them, with what speaks for each of them, in
    the order of the index.
    """
    whole = _Said.of(objective, index)
    parts = clauses(objective)
    several = [_Said.of(part.text, index) for part in parts] or [whole]
    near = {*whole.order, *also}
    for said in several:
        near.update(said.closest)
    lowered = " ".join(stems(objective))
    return [_looked(at, index, whole, several, lowered) for at in sorted(near)]


def _looked(at: int, index: Index, whole: _Said, several: Sequence[_Said], objective: str) -> Looked:
    ability = index.abilities[at]
    clause = max(range(len(several)), key=lambda one: (several[one].speaks_of(at), -one))
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
    if whole.meant is not None and here.meant is not None:
        pieces |= pieces_of(at, whole.meant, here.meant)
    act = whole.said.get(next(iter(content(ability.act)), ""), "")
    return Looked(at, pieces, clause, here.matched(ability, index), act=act)


def weighed(several: Sequence[Looked], known: Weights, taught: Mapping[int, float] = _NOTHING) -> list[Looked]:
    """The same with how likely each is wanted: by itself first, then knowing what those that are likelier explain.

    What examples teach of abilities, as log-odds by their places, stands for what their words say.
    """
    by = known.choosing(with_meaning=any(one.is_meant for one in several))
    alone = [taught.get(one.at, _bounded(by.alone.log_odds(one.pieces))) for one in several]
    return [
        msgspec.structs.replace(one, pieces=pieces, log_odds=taught.get(one.at, _settled(pieces, by)))
        for one, pieces in zip(several, beside(several, alone), strict=True)
    ]


def _settled(pieces: dict[str, float], by: Choosing) -> float:
    return _bounded(by.settled.log_odds(pieces)) - _explained(pieces)


def _explained(pieces: dict[str, float]) -> float:
    """What it costs that likelier abilities explain its words; what has none is no likelier for it. What does something
    that is said elsewhere, and that they do not do, is no other word for them.
    """
    if "means" not in pieces:
        return 0.0 if pieces["own"] else EXPLAINED
    if pieces["own"]:
        return 0.0 if pieces["new_share"] else EXPLAINED_ELSEWHERE
    return EXPLAINED_YET_MEANT if pieces["matched"] and not pieces["act_left"] else EXPLAINED


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
        here = one.matched if _says_less(one, alone[at], several, alone) else explained[one.clause]
        own = math.fsum(value for word, value in one.matched.items() if word not in here)
        said = set().union(*explained.values())
        new = math.fsum(value for word, value in one.matched.items() if word not in said)
        best.setdefault(one.clause, alone[at])
        found[at] = one.pieces | {
            "alone": alone[at],
            "rank": min(rank, 12) / 12,
            "rank_here": min(counted[one.clause], 6) / 6,
            "behind_here": max(alone[at] - best[one.clause], -8.0),
            "matched": float(bool(every)),
            "own_share": own / every if every else 0.0,
            "own": min(own, 40.0) / 10,
            "new_share": new / every if every else 0.0,
            "act_left": float(bool(one.act) and one.act not in said),
        }
        counted[one.clause] += 1
        if alone[at] > EXPLAINS:
            explained[one.clause] |= one.matched.keys()
    return found


def _says_less(one: Looked, likely: float, several: Sequence[Looked], alone: Sequence[float]) -> bool:
    """Whether another ability that is about as likely has all of its words in the clause, and more: in `remove the
    order` that which orders has less than that which cancels orders. By words alone the latter is likelier anyway.
    """
    least = max(EXPLAINS, likely - ABOUT)
    return one.is_meant and any(
        chance > least and other.clause == one.clause and one.matched.keys() < other.matched.keys()
        for other, chance in zip(several, alone, strict=True)
    )


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
