"""Sequence: what comes after what because the words say so, where nothing is handed over between them.

`then`, `afterwards`, `finally` part what was said by then from what is said after it; `but first` turns the two around;
`after checking`, `before checking` name one of them. That becomes the needs of tasks. Words of order that no graph can
follow are told: tasks side by side, or the other way round, are not what was said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from accord.planner.composition.acts import LEAD
from accord.planner.composition.clauses import clauses
from accord.planner.composition.composer import Composition
from accord.planner.composition.conditions import Conditions, Guard
from accord.planner.composition.linking import Link, Order
from accord.planner.composition.reach import reached
from accord.planner.composition.verbs import asks_for, names_act
from accord.planner.composition.wording import content
from accord.planner.words import QUOTED

_DONE = r"(?:(?:that|this|it|they)(?:['\u2019]s| is| are| has been| have been)? )?(?:done|finished|completed?)"
_NEXT = re.compile(
    r"(?<!until )(?<!till )(?<!by )(?<!since )(?<!even )(?<!now and )\bthen\b(?! again\b)"
    r"|\b(?:afterwards?|thereafter|subsequently|finally|lastly|eventually|in the end|at the end(?! of\b)"
    r"|as (?:a|the) (?:last|final|next) step|followed by"
    r"|(?P<leading>secondly|thirdly|(?:second|third|fourth|next)(?=,))"
    rf"|(?:after|following) (?:that|this|which)\b(?! \w+(?:ed|s)\b)|(?:once|when|after) {_DONE})\b",
    re.IGNORECASE,
)
"""What stands with what comes after all that was said by then."""

_FIRST = re.compile(
    r"\b(?:first(?:ly)?(?: of all)?|to begin with|beforehand|(?:before|prior to) (?:that|this|it|doing so))\b",
    re.IGNORECASE,
)
"""What stands with what comes before the rest."""

_BESIDE = re.compile(
    r"\b(?P<word>after|once|upon|before|prior to)\s+(?:(?:having|you|we|I)\s+(?:have\s+)?"
    r"|(?:it|they|this|that|(?:the|an?|its)(?:\s+\w+){1,3}?)\s+(?:is|are|was|were|has been|have been)\s+)?(?P<act>\w+)",
    re.IGNORECASE,
)
"""What stands before an act beside which another one is said."""

_AFTER = re.compile(r"\bafter\b", re.IGNORECASE)
_LEADS = re.compile(r"(?:^|[.,;:!?]|\b(?:and|but|so|please|then|now))\s*$", re.IGNORECASE)
"""What stands before a word that is said of what comes after it."""

_TRAILS = re.compile(r"\s*(?:$|[.,;!?]|(?:and|but|or)\b)", re.IGNORECASE)
_BUT = re.compile(r"\bbut\W*$", re.IGNORECASE)
_SENTENCE = re.compile(r"[.;!?](?=\s|$)")
_PART = re.compile(r"[,.;!?](?=\s|$)")
_WORD = re.compile(r"\w+")
_CONDITION = re.compile(r"\b(?:if|unless|in case|when)\b", re.IGNORECASE)


class Unordered(msgspec.Struct, frozen=True):
    """Words of order that the graph does not follow."""

    said: str
    contrary: tuple[int, int] | None = None
    """Of two abilities the one that they say comes first, and the other one, from which the first takes something or
    whose end would not be waited for; None where they put nothing in order.
    """


class Ordered(msgspec.Struct, frozen=True):
    """What words say of the order of what is done."""

    orders: tuple[Order, ...] = ()
    unordered: tuple[Unordered, ...] = ()


class _Told(msgspec.Struct, frozen=True):
    """Words that put abilities in order."""

    said: str
    before: Sequence[int]
    after: Sequence[int]
    beside: int | None = None
    """Of several the one that stands beside the word; the others are meant, too, unless they cannot be."""


def ordered(found: Composition, said: Conditions) -> Ordered:
    """What comes after what in the words for a graph, and not by what is handed over."""
    words = _Words(found)
    making = _Making(found, said)
    for told in words.told():
        making.add(told)
    unclear = [Unordered(one) for one in words.unclear]
    return Ordered(tuple(making.needed()), (*unclear, *making.unordered))


def along(links: tuple[Link, ...], unordered: Sequence[Unordered]) -> tuple[Link, ...]:
    """The links, but those that hand something over in the order that is contrary to the words."""
    against = {(one.contrary[1], one.contrary[0]) for one in unordered if one.contrary is not None}
    return tuple(one for one in links if (one.edge.source, one.edge.target) not in against)


class _Words:
    """The words of order of an objective."""

    def __init__(self, found: Composition) -> None:
        self._found, self._said = found, found.reading.objective
        self._text = QUOTED.sub(lambda one: '"' + "x" * (len(one[0]) - 2) + '"', self._said)
        places = sorted(_places(found, self._text))
        self._at, self._acts = [at for at, _ in places], [index for _, index in places]
        self._used: list[tuple[int, int]] = []
        self.unclear: list[str] = []

    def told(self) -> Iterator[_Told]:
        """What is put in order, in no order of its own; what is not is `unclear` then."""
        yield from self._beside()
        cuts = dict(self._cuts())
        turned = dict(self._turned(cuts))
        if turned and (len(turned) > 1 or cuts):
            self.unclear += turned.values()
            return
        for at, word in turned.items():
            yield _Told(word, self._acts[at:], self._acts[:at])
        ends = [*sorted(cuts), len(self._acts)]
        for start, end, before in zip(ends, ends[1:], [0, *ends], strict=False):
            yield _Told(cuts[start], self._acts[before:start], self._acts[start:end])
        self._left()

    def _beside(self) -> Iterator[_Told]:
        """What is done before or after what is named in a part of a sentence: `after checking it, ...`."""
        for word in _BESIDE.finditer(self._text):
            if not self._is_act(word):
                continue
            self._used.append(word.span())
            end = self._next(_PART, word.end())
            named = self._between(word.start(), end)
            if self._leads(word):
                others = self._between(end, self._next(_SENTENCE, word.end()))
            else:
                others = self._between(self._row(word.start()), word.start())
            if not others and not self._leads(word):
                self.unclear.append(word[0])
                continue
            beside = others[-1] if others and not self._leads(word) else None
            if word["word"].lower() in ("before", "prior to"):
                yield _Told(word["word"], others, named, beside)
            else:
                yield _Told(word["word"], named, others, beside)

    def _is_act(self, word: re.Match[str]) -> bool:
        """Whether an act begins behind the word: with what names it, or with a verb that asks for what is named by the
        next place of its clause: `after sending a reminder`.
        """
        place = next((one for one, at in enumerate(self._at) if at >= word.start("act")), None)
        if place is None or self._at[place] == word.start("act"):
            return place is not None
        one = self._found.chosen[self._acts[place]]
        is_near = self._at[place] < self._next(_PART, word.end()) and word[0] in self._found.clause_of(
            self._acts[place]
        )
        return is_near and asks_for(word["act"], one.ability)

    def _row(self, end: int) -> int:
        """Where the row of acts begins that ends here: in its sentence, behind what puts it after others."""
        return max(self._last(pattern, end) for pattern in (_SENTENCE, _NEXT, _FIRST, _BESIDE))

    def _cuts(self) -> Iterator[tuple[int, str]]:
        """From which of the acts on all come after those before."""
        for word in _NEXT.finditer(self._text):
            if self._is_used(word) or self._only_concludes(word) or (word["leading"] and not self._leads(word)):
                continue
            self._used.append(word.span())
            at = self._meant(word)
            if at > 0:
                yield at, word[0]
            elif not self._leads(word) and len(self._acts) > 1:
                self.unclear.append(word[0])
        for word in _AFTER.finditer(self._text):
            at = self._meant(word)
            if not self._is_used(word) and self._leads(word) and at > 0:
                self._used.append(word.span())
                yield at, word[0]

    def _turned(self, cuts: dict[int, str]) -> Iterator[tuple[int, str]]:
        """From which of the acts on all come before those before; what only begins a row is a cut behind it."""
        for word in _FIRST.finditer(self._text):
            if not (self._leads(word) or self._trails(word)) or self._is_used(word):
                continue
            self._used.append(word.span())
            at = self._meant(word)
            later = any(one > at for one in cuts)
            if at == 0 and not later and len(self._acts) > 1:
                cuts[1] = word[0]
            elif at > 0 and self._turns(word):
                yield at, word[0]
            elif at > 0 and not later:
                self.unclear.append(word[0])

    def _turns(self, word: re.Match[str]) -> bool:
        """Whether it is said of what comes before what was said: `but first`, `before that`."""
        begins_row = word[0].lower().startswith(("first", "to"))
        return not begins_row or self._trails(word) or _BUT.search(self._text[: word.start()]) is not None

    def _left(self) -> None:
        """`after` what is not done: nothing waits for it."""
        for word in _AFTER.finditer(self._text):
            if not self._is_used(word):
                self.unclear.append(self._said[word.start() : self._next(_PART, word.end())])

    def _meant(self, word: re.Match[str]) -> int:
        """Which of the acts a word of order stands with."""
        before = sum(at < word.start() for at in self._at)
        if before == len(self._at) or (self._trails(word) and not self._leads(word)):
            return max(before - 1, 0)
        return before

    def _only_concludes(self, word: re.Match[str]) -> bool:
        """Whether it only ends a condition: `if it is late, then ...`; one behind its act has nothing to end."""
        start = self._last(_SENTENCE, word.start())
        opens = [one.end() for one in _CONDITION.finditer(self._text, start, word.start()) if self._leads(one)]
        return word[0].lower() == "then" and bool(opens) and not self._between(opens[-1], word.start())

    def _leads(self, word: re.Match[str]) -> bool:
        return _LEADS.search(self._text[: word.start()]) is not None

    def _trails(self, word: re.Match[str]) -> bool:
        return _TRAILS.match(self._text, word.end()) is not None

    def _is_used(self, word: re.Match[str]) -> bool:
        return any(start < word.end() and word.start() < end for start, end in self._used)

    def _between(self, start: int, end: int) -> list[int]:
        return [index for at, index in zip(self._at, self._acts, strict=True) if start <= at < end]

    def _next(self, pattern: re.Pattern[str], start: int) -> int:
        found = pattern.search(self._text, start)
        return found.start() if found is not None else len(self._text)

    def _last(self, pattern: re.Pattern[str], end: int) -> int:
        return max((one.end() for one in pattern.finditer(self._text, 0, end)), default=0)


def _places(found: Composition, text: str) -> Iterator[tuple[int, int]]:
    """Where the words for each ability begin: with what names what it does, or else behind what leads them in."""
    starts, at = [], 0
    for part in clauses(found.reading.objective):
        at = found.reading.objective.index(part.text, at)
        starts.append((at, at + len(part.text)))
        at += len(part.text)
    for index, one in enumerate(found.chosen):
        start, end = starts[one.clause]
        act = frozenset(content(one.ability.act))
        words = [word for word in _WORD.finditer(text, start, end) if names_act(word[0], one.ability)]
        words.sort(key=lambda word: act.isdisjoint(content(word[0])))
        lead = LEAD.match(text[start:end])
        yield words[0].start() if words else start + (lead.end() if lead is not None else 0), index


class _Making:
    """Orders, as far as nothing that is handed over, and no condition, is against them."""

    def __init__(self, found: Composition, said: Conditions) -> None:
        self._orders: list[Order] = []
        self.unordered: list[Unordered] = []
        self._arrows = {(link.edge.source, link.edge.target) for link in found.links}
        self._arrows |= {(test.source, guard.target) for guard in said.guards for test in guard.tests}
        self._arrows |= {(one.source, one.target) for one in found.orders}
        when = [guard for guard in said.guards if not guard.of_items]
        self._guards = [
            [guard for guard in when if self._reaches(guard.target, index)] for index in range(len(found.chosen))
        ]

    def add(self, told: _Told) -> None:
        """All that words put before comes before all that they put after."""
        before = [one for one in told.before if self._may_be(told, one, told.after, ahead=True)]
        after = [one for one in told.after if self._may_be(told, one, told.before, ahead=False)]
        last = [one for one in before if not any(self._comes(one, other) for other in before)]
        first = [one for one in after if not any(self._comes(other, one) for other in after)]
        for source in last:
            for target in first:
                self._order(source, target, told.said)

    def _may_be(self, told: _Told, one: int, others: Sequence[int], *, ahead: bool) -> bool:
        """Whether one of a row may be meant beside its last: it is not on the other side already."""
        if told.beside in (None, one) or told.beside in others:
            return True
        return not any(self._comes(other, one) if ahead else self._comes(one, other) for other in others)

    def needed(self) -> Iterator[Order]:
        """The orders that do not follow from others."""
        for one in self._orders:
            self._arrows.remove((one.source, one.target))
            if not self._reaches(one.source, one.target):
                self._arrows.add((one.source, one.target))
                yield one

    def _order(self, source: int, target: int, said: str) -> None:
        if self._comes(source, target) or self._are_contrary(source, target):
            return
        same = all(any(_same(one, other) for other in self._guards[target]) for one in self._guards[source])
        if source == target or self._reaches(target, source) or (not same and self._guards[target]):
            self.unordered.append(Unordered(said, (source, target)))
            return
        self._arrows.add((source, target))
        self._orders.append(Order(source, target, said=said, settled=not same))

    def _are_contrary(self, source: int, target: int) -> bool:
        """Whether only one of them is done, however it turns out."""
        return any(
            _tested(one) == _tested(other) and one.negated != other.negated
            for one in self._guards[source]
            for other in self._guards[target]
        )

    def _comes(self, source: int, target: int) -> bool:
        """Whether it comes before the other one already."""
        return source != target and self._reaches(source, target)

    def _reaches(self, source: int, target: int) -> bool:
        return target in reached(source, lambda at: (after for before, after in self._arrows if before == at))


def _same(one: Guard, other: Guard) -> bool:
    return _tested(one) == _tested(other) and one.negated == other.negated


def _tested(one: Guard) -> tuple[object, ...]:
    return one.tests, one.joined
