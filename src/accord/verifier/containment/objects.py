"""Objects whose members are such by their names, with members that have to be there, and so many of them.

The names that are spoken of split all names into classes within which nothing tells one from another: one class for
each name that is written out, and the rest, cut by the patterns. An object is good just when each of its members is
good by its class, so it is enough to choose how many members of each class there are, and which of them meets what has
to be there. Members that meet nothing only make the object larger, so the choice of those is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeAlias

import msgspec

from accord.verifier.containment.answers import Answer, Budget, Find, Without, Witness, value_of
from accord.verifier.containment.formulas import FALSE, Formula, Formulas, Members, Opaque, Size, SomeMember
from accord.verifier.containment.languages import (
    Automaton,
    Language,
    TooManyStatesError,
    Words,
    complement,
    holds,
    intersection,
    is_empty,
    words_of,
)

MAX_CLASSES = 200
MAX_SIZE = 20_000
"""Members of an object that is made."""


_Chosen: TypeAlias = tuple[tuple[int, Formula], ...]
"""Members, each with the number of its class and what its value is."""


class _Class(msgspec.Struct, frozen=True, eq=False):
    """Names that nothing tells apart."""

    names: Language
    base: Formula
    """What members of these names are."""
    meets: frozenset[int]
    """The numbers of what has to be there that one of these names can meet."""
    room: int
    """So many names there are, as far as they can be needed."""


class Objects:
    """Looks for one object."""

    def __init__(self, atoms: Iterable[object], formulas: Formulas, find: Find, budget: Budget) -> None:
        wanted = list(atoms)
        self._formulas, self._find, self._budget = formulas, find, budget
        self._all = [each for each in wanted if isinstance(each, Members)]
        self._some = _merged([each for each in wanted if isinstance(each, SomeMember)], formulas)
        sizes = [each for each in wanted if isinstance(each, Size)]
        self._least = max((each.least for each in sizes), default=0)
        self._most = min((each.most for each in sizes if each.most is not None), default=None)
        opaque = [each for each in wanted if isinstance(each, Opaque)]
        self._contradicts = any(Opaque(each.type, each.kind, each.key, not each.positive) in opaque for each in opaque)
        self._undecided = False

    def look(self) -> Answer:
        """An object of which all atoms hold."""
        if self._contradicts or (self._most is not None and self._least > self._most):
            return Without.NOTHING
        if self._least > MAX_SIZE:
            return Without.UNDECIDED
        self._budget.spend((len(self._all) + len(self._some)) // 4)
        try:
            self._classes = list(self._split())
        except TooManyStatesError:
            return Without.UNDECIDED
        self._where: list[list[int]] = [[] for _ in self._some]
        for index, each in enumerate(self._classes):
            for number in each.meets:
                self._where[number].append(index)
        found = self._forced()
        if found is None:
            return Without.UNDECIDED if self._undecided else Without.NOTHING
        return found

    def _forced(self) -> Witness | None:
        """Meet first what only one class of one name can meet: there is nothing to choose."""
        left: list[int] = []
        together: dict[int, list[Formula]] = {}
        for number, classes in sorted(enumerate(self._where), key=lambda each: len(each[1])):
            if len(classes) == 1 and self._classes[classes[0]].room == 1:
                together.setdefault(classes[0], []).append(self._some[number].value)
            else:
                left.append(number)
        chosen = []
        for index, values in together.items():
            formula = self._formulas.both((self._classes[index].base, *values))
            if not self._may_be(formula):
                return None
            chosen.append((index, formula))
        if self._most is not None and len(chosen) > self._most:
            return None
        return self._assign(left, tuple(chosen))

    def _split(self) -> Iterator[_Class]:
        languages = [*(each.names for each in self._all), *(each.names for each in self._some)]
        written = sorted(frozenset().union(*(each.words for each in languages if isinstance(each, Words))))
        applying = _Applying(self._all), _Applying(self._some)
        for name in written:
            yield self._class(Words(frozenset((name,))), 1, [each.to_name(name) for each in applying])
        rest: list[tuple[Language, frozenset[Language]]] = [(Words(frozenset(written), others=True), frozenset())]
        for cut in dict.fromkeys(each for each in languages if isinstance(each, Automaton)):
            rest = [
                (names, inside | {cut} if within else inside)
                for part, inside in rest
                for within in (True, False)
                if not is_empty(names := intersection(part, cut if within else complement(cut)))
            ]
            if len(rest) > MAX_CLASSES:
                raise TooManyStatesError
        for names, inside in rest:
            yield self._class(names, self._room(names), [each.to_rest(inside) for each in applying])

    def _room(self, names: Language) -> int:
        enough = self._least + len(self._some)
        return enough if isinstance(names, Words) else len(list(islice(words_of(names), enough)))

    def _class(self, names: Language, room: int, applying: list[list[int]]) -> _Class:
        everywhere, meets = applying
        base = self._formulas.both(self._all[number].value for number in everywhere)
        return _Class(names, base, frozenset(meets), room)

    def _assign(self, left: list[int], chosen: _Chosen) -> Witness | None:
        """Let each of what has to be there be met, by a member that was chosen or by a new one."""
        self._budget.spend()
        if not left:
            return self._filled(chosen)
        for members in chain(self._met_by_chosen(left[0], chosen), self._met_by_new(left[0], chosen)):
            found = self._assign(left[1:], members)
            if found is not None:
                return found
        return None

    def _met_by_chosen(self, number: int, chosen: _Chosen) -> Iterator[_Chosen]:
        for at, (index, formula) in enumerate(chosen):
            if number in self._classes[index].meets:
                both = self._formulas.both((formula, self._some[number].value))
                if self._may_be(both):
                    yield (*chosen[:at], (index, both), *chosen[at + 1 :])

    def _met_by_new(self, number: int, chosen: _Chosen) -> Iterator[_Chosen]:
        if self._most is not None and len(chosen) >= self._most:
            return
        for index in self._where[number]:
            if sum(each == index for each, _ in chosen) < self._classes[index].room:
                both = self._formulas.both((self._classes[index].base, self._some[number].value))
                if self._may_be(both):
                    yield (*chosen, (index, both))

    def _may_be(self, formula: Formula) -> bool:
        answer = Without.NOTHING if formula == FALSE else self._find(formula)
        self._undecided |= answer is Without.UNDECIDED
        return isinstance(answer, Witness)

    def _filled(self, chosen: _Chosen) -> Witness | None:
        members = list(chosen)
        for index, each in enumerate(self._classes):
            missing = self._least - len(members)
            if missing <= 0:
                break
            used = sum(other == index for other, _ in chosen)
            if each.room > used and self._may_be(each.base):
                members.extend([(index, each.base)] * min(missing, each.room - used))
        if len(members) < self._least:
            return None
        names: dict[int, Iterator[str]] = {}
        made: dict[str, object] = {}
        for index, formula in members:
            name = next(names.setdefault(index, _names_of(self._classes[index].names)))
            made[name] = value_of(self._find(formula))
        return Witness(made)


def _names_of(language: Language) -> Iterator[str]:
    """All names, the empty one after those of one letter."""
    yield from words_of(language, 1, 1)
    yield from words_of(language, 0, 0)
    yield from words_of(language, 2)


class _Applying:
    """Tells which of some atoms speak of a name."""

    def __init__(self, atoms: Sequence[Members | SomeMember]) -> None:
        self._by_name: dict[str, list[int]] = {}
        self._others: list[tuple[int, Language]] = []
        for number, each in enumerate(atoms):
            if isinstance(each.names, Words) and not each.names.others:
                for name in each.names.words:
                    self._by_name.setdefault(name, []).append(number)
            else:
                self._others.append((number, each.names))

    def to_name(self, name: str) -> list[int]:
        return [*self._by_name.get(name, ()), *(number for number, names in self._others if holds(names, name))]

    def to_rest(self, inside: frozenset[Language]) -> list[int]:
        """Of names that are not written out, inside these automata and outside all others."""
        return [number for number, names in self._others if isinstance(names, Words) or names in inside]


def _merged(some: list[SomeMember], formulas: Formulas) -> list[SomeMember]:
    """What one name has to meet, as one."""
    single: dict[Language, list[Formula]] = {}
    others = []
    for each in some:
        if isinstance(each.names, Words) and not each.names.others and len(each.names.words) == 1:
            single.setdefault(each.names, []).append(each.value)
        else:
            others.append(each)
    return [*(SomeMember(names, formulas.both(values)) for names, values in single.items()), *others]
