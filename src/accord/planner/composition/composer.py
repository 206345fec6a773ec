"""Composition: which abilities an objective wants, which of them feed which, and what its words fill in.

Forwards from what is given in the words, backwards from what is wanted: each ability that is chosen is there because
the words ask for it; each input is filled by words, by another ability's output, or it is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from accord.planner.composition.ability import Ability
from accord.planner.composition.alike import alike
from accord.planner.composition.choice import Looked, look, order_of_mention, weighed
from accord.planner.composition.clauses import clauses
from accord.planner.composition.condition_words import unconditional
from accord.planner.composition.evidence import Reading
from accord.planner.composition.index import Index
from accord.planner.composition.linking import Fits, Link, Linked, Order, any_kind, linked, log_odds, probability
from accord.planner.composition.lists import repeated
from accord.planner.composition.preference import Prefer, Preferred, indifferent, preferred
from accord.planner.composition.teaching import Placed, Teacher, Wanted
from accord.planner.composition.weights import weights
from accord.planner.composition.wording import content

MOST = 12
"""More abilities are never chosen for one objective."""

WORTH_A_LOOK = 0.02
"""An ability that examples speak of is looked at from this probability on, whether or not its words are said."""


class Weighed(msgspec.Struct, frozen=True):
    """An ability that was looked at, and how likely it is wanted."""

    ability: Ability
    probability: float
    clause: int
    taught: bool = False
    """Whether examples say so, and not its words."""


class Composition(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A graph of abilities for an objective."""

    reading: Reading
    chosen: tuple[Weighed, ...]
    """In the order in which the objective speaks of them; links name them by place."""
    links: tuple[Link, ...]
    orders: tuple[Order, ...]
    """What comes after what, because it did so in examples, although nothing is handed over."""
    near: tuple[Weighed, ...]
    """Those that were looked at and not chosen, the likeliest first."""
    preferred: tuple[Preferred, ...] = ()
    """Those of the chosen ones that others could stand in for."""

    @cached_property
    def confidence(self) -> float:
        """How likely it is that all that was chosen is wanted: that of the least likely one; 0 where there is none."""
        return min((one.probability for one in self.chosen), default=0.0)

    @cached_property
    def repeated(self) -> frozenset[int]:
        """The abilities that are done for each item of a list."""
        return Linked(self.links, self.orders).repeated

    def clause_of(self, index: int) -> str:
        """The words that ask for the ability at this place."""
        parts = clauses(self.reading.objective)
        return parts[self.chosen[index].clause].text.strip(" .,;!?") if parts else self.reading.objective

    def alike(self, index: int) -> Iterator[str]:
        """What has to be known of words to see that they ask for the ability at this place, if not examples say it."""
        if not self.chosen[index].taught:
            for word, other in alike(self.clause_of(index), self.chosen[index].ability):
                yield f"`{word}` means nearly the same as `{other}`"


class Composer:
    """Composes graphs of the abilities of an index, and of no others; with a teacher as its examples have it. `prefer`
    decides between those that would do the same; `asking` gives the part of an objective that asks for abilities, in
    as many clauses.
    """

    def __init__(
        self,
        index: Index,
        fits: Fits = any_kind,
        teacher: Teacher | None = None,
        prefer: Prefer = indifferent,
        asking: Callable[[str], str] = str,
    ) -> None:
        self._index, self._fits, self._teacher, self._prefer, self._asking = index, fits, teacher, prefer, asking
        self._places = {ability.called: at for at, ability in enumerate(index.abilities)}

    def compose(self, objective: str, threshold: float | None = None) -> Composition:
        """The graph for an objective; empty where nothing is likelier to be wanted than `threshold`, or what is best
        by experience where that is not given.
        """
        asking = self._asking(objective)
        taught = self._taught(asking)
        told = self._told(asking, taught)
        least = self._likely(told, taught, threshold)
        bare = dict(_bare(asking, [one for _, one in least]))
        if bare:
            told = _likelier(told, self._told(_with(asking, bare), taught), bare)
            least = self._likely(told, taught, threshold)
        said = self._index.said_words(asking)
        wanted = [one for one in least if one[1].at in taught or not self._is_outdone(one[1], least, said)]
        likely = {looked.at: chance for chance, looked in told}
        best, better = self._preferred([looked for _, looked in wanted], [looked for _, looked in told], likely)
        chosen = order_of_mention(asking, best)
        reading = Reading(objective, tuple(self._index.abilities[looked.at] for looked in chosen))
        reading, found = self._linked(reading, chosen, taught)
        taken = {looked.at for looked in chosen}
        return Composition(
            reading=reading,
            chosen=self._weighed(chosen, likely, taught),
            links=found.links,
            orders=found.orders,
            near=self._weighed([one for _, one in told if one.at not in taken and one.is_near], likely, taught),
            preferred=better,
        )

    def _is_outdone(self, one: Looked, others: Sequence[tuple[float, Looked]], said: Collection[str]) -> bool:
        """Whether another one does the same with what is named, and the words speak of it rather: `find the orders of a
        customer` asks for no `invoice.find`.
        """
        ability = self._index.abilities[one.at]
        for _, other in others:
            rival = self._index.abilities[other.at]
            more = other.clause == one.clause and one.matched.keys() < other.matched.keys() >= rival.named
            if more and ability.act == rival.act and (ability.named - rival.named).isdisjoint(said):
                return True
        return False

    def _preferred(
        self, wanted: Sequence[Looked], told: Sequence[Looked], likely: dict[int, float]
    ) -> tuple[list[Looked], tuple[Preferred, ...]]:
        """What is used of those that are wanted and of others that do the same; who takes a place is as likely."""
        best, better = preferred(wanted, told, self._index, self._prefer)
        for one, other in zip(wanted, best, strict=True):
            likely[other.at] = likely[one.at]
        return best, better

    def _taught(self, objective: str) -> dict[int, Wanted]:
        """What examples teach, by the places of abilities."""
        told = self._teacher.of(objective) if self._teacher is not None else {}
        return {self._places[name]: wanted for name, wanted in told.items() if name in self._places}

    def _told(self, objective: str, taught: Mapping[int, Wanted]) -> list[tuple[float, Looked]]:
        """All that were looked at, the likeliest first."""
        also = [at for at, wanted in taught.items() if wanted.probability > WORTH_A_LOOK]
        several = [
            msgspec.structs.replace(one, clause=taught[one.at].clause) if one.at in taught else one
            for one in look(objective, self._index, also)
        ]
        by_examples = {at: log_odds(wanted.probability) for at, wanted in taught.items()}
        found = [(probability(one.log_odds), one) for one in weighed(several, weights(), by_examples)]
        return sorted(found, key=lambda one: (-one[0], one[1].at))

    def _likely(
        self, told: Sequence[tuple[float, Looked]], taught: Mapping[int, Wanted], threshold: float | None
    ) -> list[tuple[float, Looked]]:
        """Those that are wanted, as far as their own likelihood says."""
        return [one for one in told if one[0] > self._least(one[1].at in taught, threshold)][:MOST]

    def _least(self, taught: bool, threshold: float | None) -> float:
        if threshold is not None:
            return threshold
        return self._teacher.threshold if taught and self._teacher is not None else weights().choice_threshold

    def _linked(
        self, reading: Reading, chosen: Sequence[Looked], taught: Mapping[int, Wanted]
    ) -> tuple[Reading, Linked]:
        """The links; what is done for each item of a list gives a list to those after it."""
        if len(chosen) < 2:  # it takes two
            return reading, Linked((), ())
        known = [index for index, looked in enumerate(chosen) if looked.at in taught]
        pairs = self._pairs(reading, chosen, known) if len(known) > 1 else {}
        several: frozenset[int] = frozenset()
        for _ in chosen:
            lifted = _with_lists(reading, several)
            found = linked(lifted, self._fits, pairs)
            if found.repeated == several:
                return lifted, found
            several = found.repeated
        return reading, linked(reading, lambda edge: edge.output.each is None and self._fits(edge), pairs)

    def _pairs(self, reading: Reading, chosen: Sequence[Looked], known: Sequence[int]) -> dict[tuple[int, int], float]:
        """How likely each of two abilities that examples know feeds the other one; 0 where it does not."""
        assert self._teacher is not None, "nothing is known without one"  # noqa: S101
        parts = max(len(clauses(reading.objective)), 1)
        called = {index: reading.abilities[index].called for index in known}
        told = self._teacher.links([Placed(called[index], chosen[index].clause / parts) for index in known])
        return {
            (one, other): told.get((called[one], called[other]), 0.0)
            for one in known
            for other in known
            if one != other
        }

    def _weighed(
        self, several: Sequence[Looked], likely: Mapping[int, float], taught: Mapping[int, Wanted]
    ) -> tuple[Weighed, ...]:
        return tuple(
            Weighed(self._index.abilities[one.at], likely[one.at], one.clause, one.at in taught) for one in several
        )


def _bare(objective: str, wanted: Sequence[Looked]) -> Iterator[tuple[int, str]]:
    """The clauses of which what comes before the condition asks for nothing yet, by their places: the words of a
    condition are those of what decides it, and hide what is to be done.
    """
    for at, part in enumerate(clauses(objective)):
        bare = unconditional(part.text)
        here = (one.matched for one in wanted if one.clause == at)
        if bare != part.text and all(words.keys().isdisjoint(content(bare)) for words in here):
            yield at, bare


def _with(objective: str, bare: Mapping[int, str]) -> str:
    """The objective with these clauses at their places."""
    told, rest = "", objective
    for at, part in enumerate(clauses(objective)):
        before, _, rest = rest.partition(part.text)
        told += before + bare.get(at, part.text)
    return told + rest


def _likelier(
    told: Sequence[tuple[float, Looked]], again: Sequence[tuple[float, Looked]], places: Collection[int]
) -> list[tuple[float, Looked]]:
    """All that were looked at, the likeliest first: what the clauses at these places speak of, as they were looked at
    again.
    """
    better = {one.at: (chance, one) for chance, one in again if one.clause in places}
    best = (max(one, better.get(one[1].at, one), key=lambda each: each[0]) for one in told)
    return sorted(best, key=lambda one: (-one[0], one[1].at))


def _with_lists(reading: Reading, several: frozenset[int]) -> Reading:
    """The reading in which these abilities are done for each item of a list."""
    abilities = reading.abilities
    return Reading(
        reading.objective, tuple(repeated(one) if index in several else one for index, one in enumerate(abilities))
    )
