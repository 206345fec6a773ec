"""Regular languages of texts: finite sets of words, their complements, and deterministic automata.

A letter is a Unicode scalar value: JSON has no lone surrogates. Automata are complete and minimal, their states in the
order of a breadth-first walk, so that equal languages are equal values (Myhill and Nerode).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeAlias, TypeVar

import msgspec

MAX_STATES = 1500
"""Of an automaton; what needs more is not read."""

MAX_LENGTH = 20_000
"""Of words that are looked for."""

_SURROGATES, _GAP = 0xD800, 0x800
LETTERS = 0x110000 - _GAP
_LIKED = "a0A b1B-_./@~!cdefghijklmnopqrstuvwxyz23456789CDEFGHIJKLMNOPQRSTUVWXYZ"


class TooManyStatesError(Exception):
    """A language is too large to be looked at."""


class Automaton(msgspec.Struct, frozen=True):
    """A deterministic automaton: state 0 is the start."""

    cuts: tuple[int, ...]
    """The first letters of classes of letters that are alike; the first is 0."""
    moves: tuple[tuple[int, ...], ...]
    """By state and class, the next state."""
    accepting: tuple[bool, ...]


class Words(msgspec.Struct, frozen=True):
    """These words; or with `others` all texts but these."""

    words: frozenset[str]
    others: bool = False


Language: TypeAlias = Automaton | Words
State = TypeVar("State", bound=Hashable)

EVERYTHING = Words(frozenset(), others=True)
NOTHING = Words(frozenset())


def letter_of(character: str) -> int:
    """The number of a letter, without the surrogates' gap."""
    point = ord(character)
    return point if point < _SURROGATES else point - _GAP


def character_of(letter: int) -> str:
    """The character of a number."""
    return chr(letter if letter < _SURROGATES else letter + _GAP)


def holds(language: Language, word: str) -> bool:
    """Whether the word is in the language."""
    if isinstance(language, Words):
        return (word in language.words) != language.others
    state = 0
    for character in word:
        state = language.moves[state][_class_of(language.cuts, letter_of(character))]
    return language.accepting[state]


def complement(language: Language) -> Language:
    """All texts that are not in the language."""
    if isinstance(language, Words):
        return Words(language.words, not language.others)
    return Automaton(language.cuts, language.moves, tuple(not each for each in language.accepting))


def intersection(one: Language, other: Language) -> Language:
    """The texts that are in both.

    Raises:
        TooManyStatesError: it needs more than `MAX_STATES` states.
    """
    if isinstance(one, Automaton) and isinstance(other, Automaton):
        return _product(one, other)
    if isinstance(one, Automaton):
        return intersection(other, one)
    if not one.others:
        return Words(frozenset(word for word in one.words if holds(other, word)))
    if isinstance(other, Words):
        return _but(other, one.words)
    inside = frozenset(word for word in one.words if holds(other, word))
    return _product(other, _spelt(inside, others=True)) if inside else other


def union(one: Language, other: Language) -> Language:
    """The texts that are in either."""
    return complement(intersection(complement(one), complement(other)))


def is_empty(language: Language) -> bool:
    """Whether no text is in it."""
    if isinstance(language, Words):
        return not (language.others or language.words)
    return not any(language.accepting)


def covers(wide: Language, narrow: Language) -> bool:
    """Whether every text of the narrow one is in the wide one."""
    return is_empty(intersection(narrow, complement(wide)))


def of_lengths(least: int, most: int | None) -> Language:
    """The texts of such lengths."""
    if least == 0 and most is None:
        return EVERYTHING
    end = least if most is None else most + 1
    if end > MAX_STATES:
        raise TooManyStatesError
    moves: list[tuple[int, ...]] = [(min(state + 1, end),) for state in range(end + 1)]
    accepting = [least <= state and (most is None or state <= most) for state in range(end + 1)]
    return minimal((0,), moves, accepting)


def words_of(language: Language, least: int = 0, most: int | None = None) -> Iterator[str]:
    """The words of such lengths, shorter ones first, plain letters first; it ends only where there are no more.

    Raises:
        TooManyStatesError: it would have to look for words longer than `MAX_LENGTH`.
    """
    if isinstance(language, Words) and not language.others:
        fitting = (word for word in language.words if least <= len(word) and (most is None or len(word) <= most))
        yield from sorted(fitting, key=lambda word: (len(word), word))
        return
    plain: frozenset[str] = frozenset()
    if isinstance(language, Words):
        yield from (word for word in _plain_words(least, most) if word not in language.words)
        plain, language = frozenset(_plain_words(least, most)), _spelt(language.words, others=True)
    for length, alive in _alive_by_length(language, least, most):
        yield from (word for word in _words_of_length(language, length, alive) if word not in plain)


def _plain_words(least: int, most: int | None) -> Iterator[str]:
    """Some words of plain letters, so that hardly anybody has to spell all others out."""
    for length in range(least, least + 2 if most is None else min(most, least + 1) + 1):
        yield from (letter * length for letter in (_LIKED if length else "a"))


def minimal(cuts: tuple[int, ...], moves: list[tuple[int, ...]], accepting: list[bool]) -> Automaton:
    """The minimal automaton with these states, of which the first is the start (Moore's refinement)."""
    group = [int(each) for each in accepting]
    count = len(set(group))
    while True:
        numbers: dict[tuple[int, ...], int] = {}
        refined = [
            numbers.setdefault((group[state], *(group[to] for to in row)), len(numbers))
            for state, row in enumerate(moves)
        ]
        group = refined
        if len(numbers) == count:
            break
        count = len(numbers)
    return _ordered(cuts, moves, accepting, group)


def _ordered(cuts: tuple[int, ...], moves: list[tuple[int, ...]], accepting: list[bool], group: list[int]) -> Automaton:
    member = {number: state for state, number in reversed(list(enumerate(group)))}
    order = {group[0]: 0}
    waiting = [group[0]]
    for current in waiting:
        for to in moves[member[current]]:
            if group[to] not in order:
                order[group[to]] = len(order)
                waiting.append(group[to])
    rows = [[order[group[to]] for to in moves[member[number]]] for number in waiting]
    columns = list(zip(*rows, strict=True))
    kept = [index for index in range(len(cuts)) if index == 0 or columns[index] != columns[index - 1]]
    return Automaton(
        tuple(cuts[index] for index in kept),
        tuple(tuple(row[index] for index in kept) for row in rows),
        tuple(accepting[member[number]] for number in waiting),
    )


def _but(language: Words, words: frozenset[str]) -> Words:
    return Words(language.words | words, others=True) if language.others else Words(language.words - words)


def _spelt(words: Iterable[str], *, others: bool = False) -> Automaton:
    """The automaton of a set of words, or of all others."""
    tree: list[dict[int, int]] = [{}]
    ends: set[int] = set()
    for word in sorted(words):
        state = 0
        for character in word:
            letter = letter_of(character)
            if letter not in tree[state]:
                if len(tree) > MAX_STATES:
                    raise TooManyStatesError
                tree[state][letter] = len(tree)
                tree.append({})
            state = tree[state][letter]
        ends.add(state)
    used = {letter for node in tree for letter in node}
    cuts = tuple(sorted({0} | {each for letter in used for each in (letter, letter + 1) if each < LETTERS}))
    dead = len(tree)
    rows = [tuple(node.get(cut, dead) for cut in cuts) for node in tree]
    rows.append((dead,) * len(cuts))
    return minimal(cuts, rows, [(state in ends) != others for state in range(dead + 1)])


def _product(one: Automaton, other: Automaton) -> Automaton:
    cuts = tuple(sorted({*one.cuts, *other.cuts}))
    columns = [(_class_of(one.cuts, cut), _class_of(other.cuts, cut)) for cut in cuts]

    def step(pair: tuple[int, int]) -> list[tuple[int, int]]:
        left, right = one.moves[pair[0]], other.moves[pair[1]]
        return [(left[here], right[there]) for here, there in columns]

    states, moves = explored((0, 0), step)
    return minimal(cuts, moves, [one.accepting[left] and other.accepting[right] for left, right in states])


def explored(start: State, step: Callable[[State], list[State]]) -> tuple[list[State], list[tuple[int, ...]]]:
    """All states that can be reached, the start first, and their moves.

    Raises:
        TooManyStatesError: there are more than `MAX_STATES`.
    """
    numbers, states, moves = {start: 0}, [start], []
    for state in states:
        row = step(state)
        for to in row:
            if to not in numbers:
                numbers[to] = len(states)
                states.append(to)
        if len(states) > MAX_STATES:
            raise TooManyStatesError
        moves.append(tuple(numbers[to] for to in row))
    return states, moves


def _class_of(cuts: tuple[int, ...], letter: int) -> int:
    low, high = 0, len(cuts)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cuts[middle] <= letter else (low, middle)
    return low


def _alive_by_length(automaton: Automaton, least: int, most: int | None) -> Iterator[tuple[int, list[frozenset[int]]]]:
    """Lengths of which there are words, each with the states that lead to an end in so many steps."""
    alive = [frozenset(state for state, ends in enumerate(automaton.accepting) if ends)]
    seen: dict[frozenset[int], int] = {}
    for length in itertools.count():
        if most is not None and length > most:
            return
        now = alive[length]
        if length >= least:
            if 0 in now:
                seen.clear()
                yield length, alive
            elif now in seen:
                return
            else:
                seen[now] = length
        if length >= MAX_LENGTH:
            raise TooManyStatesError
        alive.append(frozenset(s for s, row in enumerate(automaton.moves) if not now.isdisjoint(row)))


def _words_of_length(automaton: Automaton, length: int, alive: list[frozenset[int]]) -> Iterator[str]:
    order = _liked_classes(automaton.cuts)
    path: list[Iterator[tuple[str, int]]] = [_steps(automaton, 0, alive, length, order)] if length else []
    if not length:
        yield ""
        return
    word: list[str] = []
    while path:
        found = next(path[-1], None)
        if found is None:
            path.pop()
            if word:
                word.pop()
            continue
        character, state = found
        if len(path) == length:
            yield "".join((*word, character))
        else:
            word.append(character)
            path.append(_steps(automaton, state, alive, length - len(path), order))


def _steps(
    automaton: Automaton, state: int, alive: list[frozenset[int]], left: int, order: list[int]
) -> Iterator[tuple[str, int]]:
    """The letters that lead on to words with so many letters left, and where they lead; plain ones of all first."""
    fitting = [index for index in order if automaton.moves[state][index] in alive[left - 1]]
    for index in fitting:
        for letter in _letters(automaton.cuts, index):
            yield character_of(letter), automaton.moves[state][index]


def _letters(cuts: tuple[int, ...], index: int) -> Iterator[int]:
    low = cuts[index]
    high = cuts[index + 1] if index + 1 < len(cuts) else LETTERS
    liked = [letter for letter in map(ord, _LIKED) if low <= letter < high]
    yield from liked
    visible = range(max(low, 0x20), min(high, 0x7F))
    yield from (letter for letter in visible if letter not in liked)
    yield from (letter for letter in range(low, high) if letter not in visible and letter not in liked)


def _liked_classes(cuts: tuple[int, ...]) -> list[int]:
    rank = {ord(character): number for number, character in enumerate(_LIKED)}
    first = [next(_letters(cuts, index)) for index in range(len(cuts))]
    return sorted(range(len(cuts)), key=lambda index: (rank.get(first[index], 1 << 21), first[index]))
