"""What is said and would change what is done, and nothing of the graph does: a time, how often, a value, to whom, by
what means, a `not`, another act.

A plan that passes over such words is not what was said, so it is refused, and they are named. Words that only describe
or are polite are told beside the plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from accord.planner.composition.account import Account
from accord.planner.composition.condition_words import COMPARED, COMPARING
from accord.planner.composition.literals import placed
from accord.planner.composition.polite import is_reason, without_courtesies
from accord.planner.composition.verbs import finds_out
from accord.planner.composition.wording import content
from accord.planner.words import PREPOSITIONS, QUOTED

_TIME = (
    r"today|tomorrow|tonight|yesterday|soon|later|daily|hourly|weekly|monthly|yearly|annually|nightly"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
    r"|seconds?|minutes?|hours?|days?|nights?|weeks?|weekends?|months?|years?|mornings?|noon|afternoons?|evenings?"
    r"|midnight|o'?clock"
)
_NUMBER_WORDS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty"
_NUMBER = (
    rf"\w*\d\w*|{_NUMBER_WORDS}|hundreds?|thousands?|millions?|dozens?|pair|couple|half|quarter|third|double|triple|once|twice|thrice|times|again|repeatedly"
    r"|several|many|few|some|more|less|fewer|most|least|another"
)
_CONTRARY = (
    r"not|no|never|none|nothing|nobody|neither|nor|cannot|\w+n['\u2019]t|without|except\w*|exclud\w*|but|instead|rather"
    r"|unlike|besides|only|solely|exclusively|or"
)
_IN_PART = (
    r"partial(?:ly)?|partly|mostly|mainly|largely|half-?way|almost|nearly|barely|hardly|scarcely|incomplete(?:ly)?"
    r"|temporar(?:y|ily)|provisional(?:ly)?|tentative(?:ly)?|separate(?:ly)?|individually|jointly"
)
_CHANGING = re.compile(rf"(?<!\w)(?:{_TIME}|{_NUMBER}|{_CONTRARY}|{_IN_PART})(?!\w)", re.IGNORECASE)
_VALUE = re.compile(r"[\"\u201c\u201d]|\w+://|\w[@/]\w|(?<!^)(?<![.!?] )\b[A-Z]\w")
"""What is in quotation marks, an address, a path, or a name; a capital letter at the start says nothing."""

_BOUNDS = frozenset({"until", "till", "since", "before", "after", "during"})
"""What makes another time of one that is a value."""

_LEADS = PREPOSITIONS | _BOUNDS | {"via", "per", "through", "using"}
_BESIDE = re.compile(
    r"\b(?:(?:together|along) with|as well as|plus|including|inclusive of|but|with(?=\s+(?:its|his|her|their|all)\b))\s"
    r"[^,;.!?]*",
    re.IGNORECASE,
)
"""What an act is done to beside what it takes, or what is kept from it."""

_HOW_MANY = re.compile(r"how (?:many|much)", re.IGNORECASE)
_TRAILING_ONLY = re.compile(r"\S\s+(?P<only>only)\W*$", re.IGNORECASE)
_NUMBERED = re.compile(rf"(?<![\w.])(-?\d[\d,.]*|{_NUMBER_WORDS})\s+$", re.IGNORECASE)
_COUNTS_PEOPLE = frozenset({"people", "persons"})
_HOW_LONG = re.compile(
    r"\b(?:for|within) (?:seconds|minutes|hours|days|weeks|months|years)\b"
    r"|\b(?:working|business|trading|school)[ -]days?\b",
    re.IGNORECASE,
)
"""Lengths of time without a number, and those of days that are not all days."""

_MEANS = re.compile(r"\b(?:by|via|per|through|using)\s+(?:(?:an?|the|my|our|your)\s+)?([a-z]+)\b", re.IGNORECASE)
"""By what means something is done."""


class Unheard(msgspec.Struct, frozen=True):
    """Words that nothing is done for."""

    words: str
    may_be_value: bool
    """Whether they may be meant for an input that was not said otherwise: `into Spanish`."""
    is_clause: bool = False
    """Whether they are all of a clause, and so another act."""


def unheard(account: Account) -> Iterator[Unheard]:
    """The words that would change what is done, and that nothing is done for."""
    for text, passed_over in account.parts():
        if passed_over and not is_reason(text):
            yield Unheard(text.strip(" .,;!?"), may_be_value=False, is_clause=True)
        elif not passed_over:
            rest = without_courtesies(text)
            strange = [*_strange(text, account), *_beside(rest, account), *_unused(rest, account)]
            yield from strange
            yield from (one for one in _means(rest, account) if not any(one.words in other.words for other in strange))


def _strange(text: str, account: Account) -> Iterator[Unheard]:
    for words in account.strange(text):
        after = text[text.index(words) + len(words) :]
        first = words.split(maxsplit=1)[0].lower()
        leads = first in _BOUNDS or (
            first in _LEADS and not (account.leads_to_value(after) or account.describes(words, after))
        )
        if (
            is_reason(words)
            or _is_answered(words, after, account)
            or (_only_compares(words) and account.holds_value(after))
        ):
            continue
        if _CHANGING.search(words) or _VALUE.search(words) or leads or _is_counted(words, text, account):
            yield Unheard(words, may_be_value=_CHANGING.search(words) is None)


def _is_answered(words: str, after: str, account: Account) -> bool:
    """Whether it asks how much there is of what something finds out: `how many copies are there`."""
    if _HOW_MANY.fullmatch(words) is None:
        return False
    said = frozenset(content(after)[:1])
    return any(finds_out(one) and not said.isdisjoint(one.output_words) for one in account.found.reading.abilities)


def _beside(text: str, account: Account) -> Iterator[Unheard]:
    """What is said after a word that joins it to the act, where a word of it is not understood; and an `only` behind
    the act.
    """
    found = _BESIDE.search(QUOTED.sub(_blank, text))
    if found is not None and any(True for _ in account.strange(text[found.start() : found.end()])):
        yield Unheard(text[found.start() : found.end()].strip(), may_be_value=False)
    only = _TRAILING_ONLY.search(text)
    if only is not None:
        yield Unheard(only["only"], may_be_value=False)


def _unused(text: str, account: Account) -> Iterator[Unheard]:
    """What is said of how long, how much or when, in words that are known, and no value is read from."""
    for one in placed(text, 0):
        measure = one.said.measure
        if one.said.sort == "when" or (one.said.sort == "word" and measure is not None):
            words = text[one.start : one.end] + (measure.written if measure is not None else "")
            in_condition = any(words in guard.condition for guard in account.said.guards)
            if not (in_condition or account.holds_value(words) or account.leads_to_value(text[one.start :])):
                yield Unheard(words, may_be_value=False)
    for found in _HOW_LONG.finditer(QUOTED.sub(_blank, text)):
        if not account.has(found[0]) or found[0].startswith(("for", "within")):
            yield Unheard(found[0], may_be_value=False)


def _blank(quoted: re.Match[str]) -> str:
    return '"' * len(quoted[0])


def _is_counted(words: str, text: str, account: Account) -> bool:
    """Whether it is what a number that is a value counts: `10` rounds, where minutes are counted."""
    before, _, after = text.partition(words)
    number = _NUMBERED.search(before)
    following = re.match(r"\s*([A-Za-z]+)", after)
    is_last = following is None or following[1].lower() in PREPOSITIONS or not account.has(following[1])
    is_value = number is not None and number[1] in account.slots.values()
    return is_value and is_last and words.lower() not in _COUNTS_PEOPLE


def _means(text: str, account: Account) -> Iterator[Unheard]:
    for found in _MEANS.finditer(QUOTED.sub('""', text)):
        if not account.has(found[1]):
            yield Unheard(found[0], may_be_value=True)


def changes(words: str) -> bool:
    """Whether words would change what is done: a time, how often, a number, a `not`."""
    return _CHANGING.search(words) is not None


def _only_compares(words: str) -> bool:
    """Whether it only says how a value is meant: `in at most` 3 sentences."""
    for pattern, _ in COMPARED:
        words = re.sub(COMPARING.format(pattern), " ", words, flags=re.IGNORECASE)
    return PREPOSITIONS.issuperset(words.lower().split())
