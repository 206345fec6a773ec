"""The thing that is asked for: `find member M7` asks for no loans of a member, `print the book B12` for no labels of
it, and `check whether the book B12 is a novel` for nothing that says whether a copy is there.

Each names what a capability takes, and nothing of what it does to it, or gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.planner.composition.ability import Ability
from accord.planner.composition.account import Account
from accord.planner.composition.acts import asking, verb_of
from accord.planner.composition.clauses import clauses
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.verbs import finds_out, names_act
from accord.planner.composition.wording import begins_like, content, stems
from accord.planner.words import PREPOSITIONS

_SEEKS: Final = frozenset(stems("find show list display search see look get give"))
_WHETHER = re.compile(r"(?:^\W*|\b(?:if|whether)\b.*?\b)(?:is|are|was|were)\b(?P<so>.*)", re.IGNORECASE)
"""A question of yes or no."""

_WORD = re.compile(r"[A-Za-z]+")


def only_taken(account: Account) -> Iterator[int]:
    """The abilities of which only what they take is named, by a verb that they have."""
    found = account.found
    parts = clauses(found.reading.objective)
    given = {link.edge.source for link in found.links}
    given |= {test.source for one in account.said.guards for test in one.tests}
    for index, one in enumerate(found.chosen):
        if one.taught or index in given or one.clause >= len(parts):
            continue
        text = asking(parts[one.clause].text, account)
        if _names_other(text, one.ability) or _asks_other(text, one.ability):
            yield index


def _names_other(text: str, ability: Ability) -> bool:
    """Whether the verb asks for a thing that is only what the ability takes."""
    verb, taken = verb_of(text), _taken(ability)
    if verb is None:
        return False
    if names_act(verb[0], ability):
        thing = ability.named - frozenset(content(ability.act)) - taken if _is_seeking(verb[0]) else frozenset[str]()
    elif content(verb[0])[:1] == content(ability.description)[:1] and not finds_out(ability):
        thing = _object(ability.description)
    else:
        return False
    said = content(text[verb.end() :])
    names_taken = not taken.isdisjoint(said)
    return bool(thing) and thing.isdisjoint(taken) and names_taken and not _meets(said, _all(ability) - taken)


def _asks_other(text: str, ability: Ability) -> bool:
    """Whether it is asked whether something is so that the ability does not find out."""
    found = _WHETHER.search(text)
    said = content(found["so"]) if found is not None else ()
    if not said or not finds_out(ability):
        return False
    return not _meets(said, _all(ability) - _taken(ability) - frozenset(content(ability.description)[:1]))


def _is_seeking(verb: str) -> bool:
    return not _SEEKS.isdisjoint(content(verb))


def _object(description: str) -> frozenset[str]:
    """What a description says right behind its verb."""
    words = _WORD.findall(description)[1:]
    upto = next((at for at, word in enumerate(words) if word.lower() in PREPOSITIONS), len(words))
    return frozenset(content(" ".join(words[:upto])))


def _taken(ability: Ability) -> frozenset[str]:
    return frozenset(word for one in ability.inputs for word in one.named)


def _all(ability: Ability) -> frozenset[str]:
    return ability.described | ability.output_words


def _meets(said: tuple[str, ...], known: frozenset[str]) -> bool:
    """Whether a word is one of these, or stands for one."""
    return any(word in known or begins_like(word, known) or not stand_ins(word).isdisjoint(known) for word in said)
