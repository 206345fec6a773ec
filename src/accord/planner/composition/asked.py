"""What is asked about, or told, and would be done: `is member M9 blocked?`, `member M9 was blocked`.

A question asks for what a capability finds out, and for no other one, whatever it gives: who asks for the tracking
number of an order does not wish that it is shipped. What is told asks for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial

import msgspec

from accord.planner.composition.ability import Ability
from accord.planner.composition.account import Account
from accord.planner.composition.acts import asking
from accord.planner.composition.clauses import clauses
from accord.planner.composition.verbs import finds_out, names_act
from accord.planner.composition.wording import content
from accord.planner.moods import Mood, goes_on, is_subordinate, mood_of
from accord.planner.participles import base_of, is_participle

_WORD = re.compile(r"[A-Za-z][\w'\u2019-]*")
_SPOKEN_OF = re.compile(r"\b(?:for|of|about|on|from)\s+(?:\w+ly\s+)?(\w+ing)\b", re.IGNORECASE)
"""An act that something else is said of: `thanks for blocking`."""

_LETS = re.compile(
    r"\b(?:be|being|get|have|having|let|make|want|need|needs|like|wish|should|must|ought|please|to)\b|'d\b",
    re.IGNORECASE,
)
"""What wishes that something is done, in the words of what has been done: `have it blocked`."""


class Asked(msgspec.Struct, frozen=True):
    """An ability that would be done for what is no wish."""

    index: int
    mood: Mood


def asked_about(account: Account) -> Iterator[Asked]:
    """The abilities that nobody wishes to be done."""
    found = account.found
    moods = _moods(account)
    for index, one in enumerate(found.chosen):
        if one.taught or one.clause >= len(moods):
            continue
        mood, text = moods[one.clause]
        if mood == "wish" and not is_subordinate(text) and _only_done(text, one.ability):
            mood = "statement"
        if mood != "wish" and not (mood == "question" and finds_out(one.ability)):
            yield Asked(index, mood)


def _moods(account: Account) -> list[tuple[Mood, str]]:
    """The mood of each clause, and what of it asks for something; what goes on with a question asks as well."""
    found: list[tuple[Mood, str]] = []
    before = ""
    for at, part in enumerate(clauses(account.found.reading.objective)):
        here = [one.ability for one in account.found.chosen if one.clause == at]
        text = asking(part.text, account)
        mood = mood_of(text, partial(_begins_one_of, here))
        if mood == "wish" and found and found[-1][0] == "question" and goes_on(part.text, before):
            mood = "question"
        found.append((mood, text))
        before = part.text
    return found


def _begins_one_of(abilities: Iterable[Ability], word: str) -> bool:
    return any(_begins(word, one) for one in abilities)


def _begins(word: str, ability: Ability) -> bool:
    """Whether a word at the beginning asks for what an ability does: it is its act, or the verb that describes it."""
    described = content(ability.description)[:1]
    return names_act(word, ability) or not frozenset(described).isdisjoint(content(word))


def _only_done(text: str, ability: Ability) -> bool:
    """Whether a clause has what an ability does only as what has been done, or as what something else is said of, and
    nothing that wishes it.
    """
    acts = [word for word in _WORD.findall(text) if _is_act(word, ability)]
    own = {part.lower() for part in _WORD.findall(ability.act)}
    spoken_of = [] if finds_out(ability) else _SPOKEN_OF.findall(text)
    done = [word for word in acts if (is_participle(word) or word in spoken_of) and word.lower() not in own]
    return bool(acts) and len(done) == len(acts) and _LETS.search(text) is None


def _is_act(word: str, ability: Ability) -> bool:
    """Whether a word says what an ability does, in whatever form."""
    return _begins(base_of(word), ability)
