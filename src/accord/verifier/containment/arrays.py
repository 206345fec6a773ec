"""Arrays whose items are such by their positions, with so many items of a kind, all different or not.

From some position on nothing tells one position from another. Of an array that is good, an item beyond that position
may be left out where it is not counted on by anything that asks for a number of items (and two stay, where two have to
be equal); what is left is good as well. So there is a good array just when there is one of at most so many items.
Which kinds each item is of is chosen from left to right; all that matters of the items before are the numbers of their
kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from accord.verifier.containment.answers import Answer, Budget, Find, Without, Witness, value_of
from accord.verifier.containment.formulas import (
    FALSE,
    TRUE,
    Containing,
    Distinct,
    Formula,
    Formulas,
    Items,
    Opaque,
    Size,
)

MAX_KINDS = 7
MAX_LENGTH = 5000
MAX_PLAIN_LENGTH = 200_000
"""Where only positions matter."""

Counts = tuple[int, ...]
Choice = tuple[bool, ...]


class _Layer(msgspec.Struct):
    """By the numbers of kinds up to a position: the numbers before it, and what its item is."""

    came_from: dict[Counts, tuple[Counts, Formula]]


class Arrays:
    """Looks for one array."""

    def __init__(self, atoms: Iterable[object], formulas: Formulas, find: Find, budget: Budget) -> None:
        wanted = list(atoms)
        self._formulas, self._find, self._budget = formulas, find, budget
        self._items = [each for each in wanted if isinstance(each, Items)]
        self._counted = [each for each in wanted if isinstance(each, Containing)]
        self._kinds = sorted({each.item for each in self._counted if each.item not in (TRUE, FALSE)})
        self._strict = {each.item for each in self._counted if each.most is not None}
        self._distinct = {each.positive for each in wanted if isinstance(each, Distinct)}
        sizes = [each for each in wanted if isinstance(each, Size)]
        needed = (each.start + each.least for each in self._counted if each.least)
        self._least = max((*(each.least for each in sizes), *needed), default=0)
        ends = [end for item in self._items for end in (item.start, item.end or 0)]
        ends += [end for count in self._counted for end in (count.start, count.end or 0)]
        self._alike = max(ends, default=0)
        """From this position on all positions are alike."""
        marked = sum(each.least for each in self._counted) + (2 if False in self._distinct else 0)
        longest = max(self._least, self._alike + marked)
        self._most = min((longest, *(each.most for each in sizes if each.most is not None)))
        opaque = [each for each in wanted if isinstance(each, Opaque)]
        self._contradicts = len(self._distinct) > 1 or any(
            Opaque(each.type, each.kind, each.key, not each.positive) in opaque for each in opaque
        )
        self._undecided = False
        self._choices: dict[int, list[tuple[Choice, Formula]]] = {}

    def look(self) -> Answer:
        """An array of which all atoms hold."""
        if self._contradicts or self._least > self._most:
            return Without.NOTHING
        if not self._counted and not self._distinct:
            return self._plain()
        if len(self._kinds) > MAX_KINDS or self._most > MAX_LENGTH:
            return Without.UNDECIDED
        if True in self._distinct:
            found = self._different()
        elif False in self._distinct:
            found = self._with_equal()
        else:
            found = self._made({})
        if found is None:
            return Without.UNDECIDED if self._undecided else Without.NOTHING
        return found

    def _plain(self) -> Answer:
        if self._least > MAX_PLAIN_LENGTH:
            return Without.UNDECIDED
        found: list[object] = []
        for position in range(min(self._least, self._alike)):
            answer = self._find(self._base(position))
            if not isinstance(answer, Witness):
                return answer
            found.append(answer.value)
        if self._least > self._alike:
            answer = self._find(self._base(self._alike))
            if not isinstance(answer, Witness):
                return answer
            found.extend([answer.value] * (self._least - self._alike))
        return Witness(found)

    # -- one item ------------------------------------------------------------------------------------------------

    def _base(self, position: int) -> Formula:
        return self._formulas.both(
            each.item for each in self._items if each.start <= position and (each.end is None or position < each.end)
        )

    def _options(self, position: int) -> list[tuple[Choice, Formula]]:
        """Which kinds an item can be of at a position, and what it is then."""
        position = min(position, self._alike)
        if position not in self._choices:
            base = self._base(position)
            self._choices[position] = [
                (choice, formula)
                for choice in self._combinations()
                if self._may_be(formula := self._item(base, choice))
            ]
        return self._choices[position]

    def _combinations(self) -> Iterator[Choice]:
        for number in range(1 << len(self._kinds)):
            yield tuple(bool(number >> index & 1) for index in range(len(self._kinds)))

    def _item(self, base: Formula, choice: Choice) -> Formula:
        parts = [base]
        for kind, chosen in zip(self._kinds, choice, strict=True):
            if chosen:
                parts.append(kind)
            elif kind in self._strict:
                parts.append(self._formulas.negated(kind))
        return self._formulas.both(parts)

    def _may_be(self, formula: Formula) -> bool:
        answer = Without.NOTHING if formula == FALSE else self._find(formula)
        self._undecided |= answer is Without.UNDECIDED
        return isinstance(answer, Witness)

    # -- numbers of items ----------------------------------------------------------------------------------------

    def _next(self, counts: Counts, position: int, choice: Choice) -> Counts | None:
        """The numbers with one more item; None where there are too many of a kind."""
        found = []
        for count, each in zip(counts, self._counted, strict=True):
            more = count
            if each.start <= position and (each.end is None or position < each.end) and self._is_of(each.item, choice):
                more += 1
            if each.most is not None and more > each.most:
                return None
            found.append(min(more, each.least) if each.most is None else more)
        return tuple(found)

    def _is_of(self, kind: Formula, choice: Choice) -> bool:
        return kind == TRUE or (kind != FALSE and choice[self._kinds.index(kind)])

    def _is_enough(self, counts: Counts) -> bool:
        return all(count >= each.least for count, each in zip(counts, self._counted, strict=True))

    def _made(self, fixed: dict[int, tuple[Choice, Formula]]) -> Witness | None:
        """The shortest array; what is at some positions may be given."""
        start: Counts = (0,) * len(self._counted)
        layers = [_Layer({start: (start, TRUE)})]
        least = max((self._least, *(position + 1 for position in fixed)))
        for position in range(self._most + 1):
            here = layers[position].came_from
            if position >= least:
                for counts in here:
                    if self._is_enough(counts):
                        return self._spelt(layers, counts)
            if position == self._most or not here:
                break
            layers.append(self._layer(here, position, fixed.get(position)))
        return None

    def _layer(self, here: Iterable[Counts], position: int, fixed: tuple[Choice, Formula] | None) -> _Layer:
        found: dict[Counts, tuple[Counts, Formula]] = {}
        options = [fixed] if fixed is not None else self._options(position)
        for counts in here:
            for choice, formula in options:
                self._budget.spend()
                after = self._next(counts, position, choice)
                if after is not None:
                    found.setdefault(after, (counts, formula))
        return _Layer(found)

    def _spelt(self, layers: list[_Layer], counts: Counts) -> Witness:
        return Witness([self._value(each) for each in _backwards(layers, counts)])

    def _value(self, formula: Formula) -> object:
        return value_of(self._find(formula))

    # -- equal and different items -------------------------------------------------------------------------------

    def _with_equal(self) -> Witness | None:
        """An array with two equal items: all that counts is where the two are."""
        last = min(self._most, self._alike + 2)
        for second in range(1, last):
            for first in range(second):
                base = self._formulas.both((self._base(first), self._base(second)))
                for choice in self._combinations():
                    formula = self._item(base, choice)
                    if self._may_be(formula):
                        found = self._made({first: (choice, formula), second: (choice, formula)})
                        if found is not None:
                            return found
        return None

    def _different(self) -> Witness | None:
        """An array without equal items: each way to choose kinds is tried until values for it can be told apart."""
        start: Counts = (0,) * len(self._counted)
        return self._chosen(start, ())

    def _chosen(self, counts: Counts, items: tuple[tuple[int, Formula], ...]) -> Witness | None:
        self._budget.spend()
        position = len(items)
        if position >= self._least and self._is_enough(counts):
            values = _told_apart([self._several(formula, position) for _, formula in items])
            if values is not None:
                return Witness(values)
        if position == self._most:
            return None
        options = list(enumerate(self._options(position)))
        # Beyond the last position that differs the order does not matter.
        from_option = items[-1][0] if position > self._alike else 0
        for number, (choice, formula) in options[from_option:]:
            after = self._next(counts, position, choice)
            if after is not None:
                found = self._chosen(after, (*items, (number, formula)))
                if found is not None:
                    return found
        return None

    def _several(self, formula: Formula, number: int) -> list[object]:
        """So many different values, or all there are."""
        found: list[object] = []
        while len(found) < number:
            self._budget.spend()
            answer = self._find(formula)
            if not isinstance(answer, Witness):
                self._undecided |= answer is Without.UNDECIDED
                break
            found.append(answer.value)
            formula = self._formulas.both((formula, self._formulas.negated(self._formulas.equal_to(answer.value))))
        return found


def _backwards(layers: list[_Layer], counts: Counts) -> list[Formula]:
    found = []
    for layer in reversed(layers[1:]):
        counts, formula = layer.came_from[counts]
        found.append(formula)
    return found[::-1]


def _told_apart(values: list[list[object]]) -> list[object] | None:
    """One of each list, all different (a matching, by augmenting paths); None where there is no such choice."""
    taken: dict[str, int] = {}
    picked: list[object] = [None] * len(values)

    def place(position: int, seen: set[str]) -> bool:
        for value in values[position]:
            key = key_of(value)
            if key in seen:
                continue
            seen.add(key)
            if key not in taken or place(taken[key], seen):
                taken[key], picked[position] = position, value
                return True
        return False

    return picked if all(place(position, set()) for position in range(len(values))) else None


def key_of(value: object) -> str:
    """The same text for values that JSON takes to be equal."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int | float):
        return f"{float(value)!r}" if abs(value) < 1 << 53 else str(value)
    if isinstance(value, list):
        return f"[{','.join(map(key_of, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{name!r}:{key_of(value[name])}" for name in sorted(value)) + "}"
    return repr(value)
