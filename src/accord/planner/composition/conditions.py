"""Conditions: what is done only if something that another task finds out is so, or only for those items of a list of
which it is so.

They are over outputs that are true or false, numbers that are compared, and one of several options. Whatever else is
said there is told as not understood.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final

import msgspec

from accord.planner.composition.ability import Member
from accord.planner.composition.adjectives import Described, called, described, items_of
from accord.planner.composition.clauses import clauses
from accord.planner.composition.composer import Composition
from accord.planner.composition.condition_words import (
    COMPARED,
    COMPARING,
    IS,
    Joined,
    SaidCondition,
    is_negated,
    parts_of,
    said_conditions,
)
from accord.planner.composition.reach import reached
from accord.planner.composition.wording import begins_like, content, stems, total
from accord.planner.units import measure_behind
from accord.planner.words import QUOTED

_IS_VALUE = re.compile(
    rf"\b(?:{IS}|contains?|says?|reads?|includes?|called|named)\s+(?:not\s+)?[\"\u201c]", re.IGNORECASE
)
"""What compares with a value in quotation marks: nothing that is true or false does."""

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?")
_SIGN = re.compile(r"[$\u20ac\u00a3%]")
_UNITS: Final = {
    "$": frozenset(content("dollars USD")),
    "\u20ac": frozenset(content("euros EUR")),
    "\u00a3": frozenset(content("pounds GBP")),
    "%": frozenset(content("percent percentage rate ratio share")),
}
"""What is said of a member that is counted in what a sign stands for."""

_SAYS_NOTHING = frozenset(
    stems(
        "it he she they so yes true there any case only if unless when then is are was were has have not no isn aren "
        "wasn weren doesn don t that which who whose"
    )
)
_HARMLESS = frozenset(
    stems("yet already still now currently really actually also both either indeed all at longer anymore")
)
"""Words beside a condition that change nothing of it."""

_OF_SOME = re.compile(
    r"^\W*(?:there\W+(?:is|are)\b|(?:any|all|every|each|some|one|none|no|most|both|either|neither|few|many|several|half"
    r"|at (?:least|most)|(?:more|less|fewer) than|exactly|two|three|\d+)\b)",
    re.IGNORECASE,
)
"""`any is late`, `all of them are paid`: what is said of the items of a list together."""

NEAR = 0.5
"""The least weighted share of a condition's words that an output and its task account for."""


_COMPARES: Final = re.compile("|".join((rf"\b{IS}\b", *(COMPARING.format(one) for one, _ in COMPARED))), re.IGNORECASE)
"""What begins to compare."""


class Test(msgspec.Struct, frozen=True):
    """An output of an ability, or of an item of its list, is so; abilities are indices of the reading."""

    source: int
    output: Member
    holds: str
    """What follows the output in CEL: `> 3`, `== "spam"`; empty where it is true or false itself."""
    negated: bool


class Guard(msgspec.Struct, frozen=True):
    """An ability is done only if this is so; where it is about items of its list, only for those of which it is."""

    target: int
    tests: tuple[Test, ...]
    joined: Joined
    negated: bool
    said: str
    """The words, up to the end of the clause."""
    condition: str
    """Of them the condition, without what is to be done that comes after it without a comma."""

    @property
    def compared(self) -> str:
        """The words that compare, up to the last value that something is compared with; none where it is with no
        value.
        """
        end = max((end for one in self.tests if one.holds for end in _ends_of(one, self.condition)), default=0)
        begins = _COMPARES.search(self.condition, 0, end)
        return self.condition[begins.start() if begins is not None else 0 : end]

    @property
    def of_items(self) -> bool:
        """Whether it is about the items of the list that the ability goes through."""
        return any(one.output.each is not None for one in self.tests)


class Conditions(msgspec.Struct, frozen=True):
    """What a graph's objective says of conditions."""

    guards: tuple[Guard, ...] = ()
    """In the order of their abilities. Of each one `when` at most, or what leaves items out, all of which counts;
    together they close no circle with what is handed over.
    """
    unclear: tuple[str, ...] = ()
    """Conditions that are said, and that nothing decides; or that decide nothing."""


NO_CONDITIONS = Conditions()


def conditions(found: Composition) -> Conditions:
    """The conditions of a composed graph."""
    guards: dict[int, Guard] = {}
    unclear: list[str] = []
    for said in said_conditions(found.reading.objective, frozenset(one.clause for one in found.chosen)):
        made = {guard.target: guard for guard in _guards(found, said, guards)}
        if made and guards.keys().isdisjoint(made):
            guards |= made
        elif not said.loose:
            unclear.append(said.text)
    several = [*guards.values()]
    for target, clause, told in _adjectives(found):
        guard = _left(found, target, told)
        if guard is None or not _goes_with(guard, clause, several):
            unclear.append(told.said)
        else:
            several.append(guard)
    return Conditions(tuple(sorted(several, key=lambda one: one.target)), tuple(unclear))


def _adjectives(found: Composition) -> Iterator[tuple[int, str, Described]]:
    """What says for which items of a list something is done, with whoever goes through the list, and its clause."""
    parts = [part.text for part in clauses(found.reading.objective)]
    for target, source, each in _through(found):
        ability = found.reading.abilities[source]
        items = items_of(ability, each)
        for at in sorted({found.chosen[source].clause, found.chosen[target].clause}):
            yield from ((target, parts[at], one) for one in described(parts[at], called(ability, each, items), items))


def _left(found: Composition, target: int, told: Described) -> Guard | None:
    """The guard that leaves the other items out; None where it is not clear what is said of them."""
    source = next(
        one.edge.source for one in found.links if one.edge.target == target and one.edge.output.each is not None
    )
    tests = tuple(Test(source, one.member, one.holds, one.negated) for one in told.adjectives)
    return Guard(target, tests, told.joined, told.negated, told.said, told.said) if tests else None


def _goes_with(guard: Guard, clause: str, others: Sequence[Guard]) -> bool:
    """Whether all that is said of the items counts together: nothing in the clause joins it, and nothing of the ability
    depends on more than its items.
    """
    same = [one for one in others if one.target == guard.target]
    here = [one for one in same if one.condition in clause]
    rest = clause
    for one in (guard, *here):
        rest = rest.replace(one.condition, " ")
    joined = re.search(r"(?<!^)\b(?:or|nor|and|plus)\b", rest.strip()) is not None
    return all(one.of_items for one in same) and not (here and joined)


def _through(found: Composition) -> list[tuple[int, int, str]]:
    """What goes through a list, with what gives it, and the list."""
    links = ((one.edge.target, one.edge.source, one.edge.output.each) for one in found.links)
    return sorted({(target, source, each) for target, source, each in links if each is not None})


def _guards(found: Composition, said: SaidCondition, before: Mapping[int, Guard]) -> Iterator[Guard]:
    """The guard of each ability that the condition is about; none where a part of it is decided by nothing."""
    parts = parts_of(said.text)
    if parts is None:
        return
    texts, joined = parts
    targets = [index for index, one in enumerate(found.chosen) if one.clause in said.clauses]
    of_items = [(target, tests) for target in targets if (tests := _of_items(found, said, texts, target))]
    if of_items and not said.of_each and _OF_SOME.match(said.text):
        return  # it is about the list as a whole
    if of_items:
        source = of_items[0][1][0].source
        several = {target: tests for target, tests in of_items if tests[0].source == source}
        if said.of_each or _each_of(found, source, several).issuperset(targets):
            for target, tests in several.items():
                yield Guard(target, tests, joined, said.negated, said.text, _condition(found, said, tests, targets))
        return
    tests = () if said.of_each else _tests(found, said, texts, _everywhere(found, said))
    first = frozenset(index for one in tests for index in _ancestors(found, one.source, before))
    left = [target for target in targets if target not in first]
    if tests and not (said.after and len(left) > 1):  # it may be meant for the last one, or for all
        for target in left:
            yield Guard(target, tests, joined, said.negated, said.text, _condition(found, said, tests, targets))


def _each_of(found: Composition, source: int, several: Collection[int]) -> frozenset[int]:
    """What gives a list, what is done for its items, and all that takes something from those."""
    seen = {source, *several}
    for _ in found.chosen:
        seen |= {link.edge.target for link in found.links if link.edge.source in seen - {source}}
    return frozenset(seen)


def _condition(found: Composition, said: SaidCondition, tests: Sequence[Test], targets: Sequence[int]) -> str:
    """The words up to the first that names what is to be done, and nothing by which it is decided."""
    abilities = found.reading.abilities
    decided = [abilities[one.source] for one in tests]
    known = {word for one in decided for word in one.described | one.input_words | one.output_words}
    acts = {word for target in targets for word in abilities[target].named} - known
    words = re.finditer(r"\w+", QUOTED.sub(lambda one: " " * len(one[0]), said.text))
    end = next((word.start() for word in words if not acts.isdisjoint(content(word[0]))), len(said.text))
    return said.text[:end].strip(" ,")


_Candidates = Sequence[tuple[int, Member]]


def _of_items(found: Composition, said: SaidCondition, texts: Sequence[str], target: int) -> tuple[Test, ...]:
    """The tests over the items of the list that the target goes through; none where it goes through none, or something
    else decides a part.
    """
    link = next((one for one in found.links if one.edge.target == target and one.edge.output.each is not None), None)
    if link is None:
        return ()
    source, each = link.edge.source, link.edge.output.each
    items = [(source, one) for one in found.reading.abilities[source].outputs if one.each == each]
    return _tests(found, said, texts, items)


def _everywhere(found: Composition, said: SaidCondition) -> _Candidates:
    """The outputs of all that is done once and spoken of by then."""
    return [
        (index, output)
        for index, ability in enumerate(found.reading.abilities)
        if found.chosen[index].clause <= said.own and index not in found.repeated
        for output in ability.outputs
        if output.each is None
    ]


def _tests(found: Composition, said: SaidCondition, texts: Sequence[str], candidates: _Candidates) -> tuple[Test, ...]:
    """What decides each part; nothing where one of them is not decided. A part that only compares is about what the one
    before it is about.
    """
    tests: list[Test] = []
    for text in texts:
        bare = bool(tests) and not _own_words(text)
        decided = _decided(found, said, text, [(tests[-1].source, tests[-1].output)] if bare else candidates)
        if decided is None:
            return ()
        source, output, holds = decided
        tests.append(Test(source, output, holds, is_negated(text)))
    return tuple(tests)


def _decided(
    found: Composition, said: SaidCondition, text: str, candidates: _Candidates
) -> tuple[int, Member, str] | None:
    """The output that decides a part best, and how; of equal ones that of the ability spoken of last."""
    best: tuple[float, int, Member, str] | None = None
    for index, output in candidates:
        words = _in_unit_of(output, _before_act(found, said, text, index))
        holds = _holds(output, words) if words is not None else None
        if words is None or holds is None:
            continue
        known = _known(found, index, output, holds)
        likeness = _likeness(known, output, words, holds, _named(found, said, index))
        if likeness >= NEAR and (best is None or likeness >= best[0]):
            best = likeness, index, output, holds
    return best[1:] if best is not None else None


def _named(found: Composition, said: SaidCondition, besides: int) -> frozenset[str]:
    """The words of other abilities that are spoken of where the condition counts."""
    return frozenset(
        word
        for index, one in enumerate(found.chosen)
        if index != besides and one.clause in said.clauses
        for word in one.ability.described | one.ability.input_words
    )


def _holds(output: Member, words: str) -> str | None:
    """What is to be so of an output, in CEL; None where the words say nothing of one of its kind."""
    if output.kind == "boolean":
        return None if _NUMBER.search(words) or _IS_VALUE.search(words) else ""
    if output.is_number:
        counted = all(not _UNITS[sign].isdisjoint(output.words) for sign in _SIGN.findall(words))
        return _comparison(words) if counted else None
    said = [one for one in output.options if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", words, re.IGNORECASE)]
    return f"== {msgspec.json.encode(said[0]).decode()}" if len(said) == 1 else None


def _before_act(found: Composition, said: SaidCondition, words: str, besides: int) -> str:
    """The words up to what is to be done without a comma before it: `it is high` of `it is high notify Ada`."""
    acts = {
        word
        for index, one in enumerate(found.chosen)
        if index != besides and one.clause in said.clauses | {said.own}
        for word in (*content(one.ability.act)[:1], *content(one.ability.description)[:1])
    }
    known = found.reading.abilities[besides].output_words
    for one in list(re.finditer(r"[A-Za-z]+", words))[1:]:
        if not acts.isdisjoint(content(one[0])) and known.isdisjoint(content(one[0])):
            return words[: one.start()].strip()
    return words


def _ends_of(test: Test, condition: str) -> Iterator[int]:
    """Where the value ends that an output is compared with, in whatever unit it is said."""
    value = test.holds.partition(" ")[2].strip('"')
    for number in _NUMBER.finditer(condition):
        measure = measure_behind(condition[number.end() :])
        told = _NUMBER.match(_in_unit_of(test.output, condition[number.start() :]) or "")
        if told is not None and told[0].replace(",", "") == value:
            yield number.end() + (len(measure.written) if measure is not None else 0)
    if not test.output.is_number:
        yield from (one.end() for one in re.finditer(re.escape(value), condition, re.IGNORECASE))


def _in_unit_of(output: Member, words: str) -> str | None:
    """The words with their number in the unit of the output, without that; None where it can not be told in it."""
    number = _NUMBER.search(words)
    measure = measure_behind(words[number.end() :]) if number is not None else None
    if number is None or measure is None or output.unit is None:
        return words
    told = measure.into(number[0].replace(",", ""), output.unit) if measure.fits(output.unit) else None
    if told is None:
        return None
    return f"{words[: number.start()]}{told}{words[number.end() + len(measure.written) :]}"


def _comparison(words: str) -> str | None:
    numbers = _NUMBER.findall(words)
    if len(numbers) != 1:
        return None
    number = numbers[0].replace(",", "")
    return next((f"{sign} {number}" for pattern, sign in COMPARED if _has(pattern, words)), None)


def _has(pattern: str, words: str) -> bool:
    return re.search(COMPARING.format(pattern), words, re.IGNORECASE) is not None


def _own_words(text: str) -> list[str]:
    """The words of a part that are about something: what compares, and to what, is not."""
    text = _NUMBER.sub(" ", QUOTED.sub(" ", text))
    for pattern, _ in COMPARED:
        text = re.sub(COMPARING.format(pattern), " ", text, flags=re.IGNORECASE)
    return [word for word in content(text) if word not in _SAYS_NOTHING]


def _known(found: Composition, index: int, output: Member, holds: str) -> frozenset[str]:
    """The words that may stand in a condition over an output: its own, those of its ability, and what is quoted."""
    ability, quoted = found.reading.abilities[index], QUOTED.findall(found.reading.objective)
    own = (one.said.text for key, one in found.reading.filled.items() if key[0] == index and one.said is not None)
    values = frozenset(word for one in (*quoted, *own) for word in content(one))
    return output.words | frozenset(content(holds)) | ability.described | ability.input_words | values


def _likeness(known: frozenset[str], output: Member, words: str, holds: str, others: frozenset[str]) -> float:
    """Which weighted share of the words is known, but for those by which others are called; all, where they only point
    back, and nothing where a part of the condition would be passed over.
    """
    own = output.words | frozenset(content(holds))
    every = _own_words(words)
    said = [word for word in every if word in own or word not in others]
    if not said:
        return 1.0
    near = [word for word in said if _is_in(word, own)]
    if not near:
        return 0.0
    condition = takewhile(lambda word: word in known or word not in others, every)
    if any(not _is_in(word, known | _HARMLESS) for word in condition):
        return 0.0
    return total(word for word in said if _is_in(word, known)) / total(said)


def _is_in(word: str, words: frozenset[str]) -> bool:
    """Whether a word is among others, or has the beginning of one."""
    return word in words or begins_like(word, words)


def _ancestors(found: Composition, index: int, guards: Mapping[int, Guard]) -> frozenset[int]:
    """An ability, and all that it takes something from, or waits for, directly or not."""
    arrows = [
        *((one.edge.source, one.edge.target) for one in found.links),
        *((one.source, one.target) for one in found.orders),
        *((test.source, one.target) for one in guards.values() for test in one.tests),
    ]
    return frozenset(reached(index, lambda at: (source for source, target in arrows if target == at)))
