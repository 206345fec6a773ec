"""Acts that nobody has asked for: only what a capability takes is named, as in `the sample S7`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from accord.planner.composition.ability import Ability
from accord.planner.composition.account import Account
from accord.planner.composition.acts import asking, verb_of
from accord.planner.composition.clauses import clauses
from accord.planner.composition.verbs import finds_out, names_act, says_nothing
from accord.planner.composition.wording import content
from accord.planner.words import PREPOSITIONS

_WORD = re.compile(r"[A-Za-z][\w'\u2019-]*")
_WANTS = re.compile(
    r"^\W*(?:\w+\s+)?(?:I|we)(?:['\u2019]d| would)? (?:want|need|like|wish)\b"
    r"|\b(?:get|give|make|have|send|bring|provide|create|perform|execute|run)\b",
    re.IGNORECASE,
)
"""What says that somebody wants what comes after it."""


def unsaid(account: Account) -> Iterator[int]:
    """The abilities of which no word says that they are to be done. What gives somebody else what he needs has no word
    of its own, but where a clause asks for others as well.
    """
    found = account.found
    parts = [part.text for part in clauses(found.reading.objective)]
    asked = {one.clause for one in found.chosen}
    given = {link.edge.source for link in found.links}
    given |= {test.source for one in account.said.guards for test in one.tests}
    for index, one in enumerate(found.chosen):
        beside = [text for at, text in enumerate(parts) if at == one.clause or at not in asked]
        is_alone = all(other is one or other.clause != one.clause for other in found.chosen)
        if index in given and is_alone:
            continue
        says = _gives if index in given else _says
        if not one.taught and not any(says(text, one.ability, account) for text in beside):
            yield index


def _gives(text: str, ability: Ability, account: Account) -> bool:
    """Whether a clause speaks of what an ability gives to others or is about, and not only of what it takes, where it
    does more than find something out: `write a report about the cow` asks for no milking.
    """
    about = (ability.output_words | ability.described) - ability.input_words
    return finds_out(ability) or not about.isdisjoint(content(text)) or _names_act(asking(text, account), ability)


def _says(text: str, ability: Ability, account: Account) -> bool:
    """Whether a clause says that an ability is to be done: what it does, by a verb at its beginning, or, where somebody
    wants something, or it only finds something out, by what it gives.
    """
    plain = asking(text, account)
    if _names_act(text, ability) or _begins_with_verb(plain, ability):
        return True
    if _WANTS.search(plain) is None and not finds_out(ability):
        return False
    gives = {word for one in ability.outputs for word in one.named}
    about = (ability.output_words | ability.described) - ability.input_words
    return not ((gives - _taken(ability)) | about).isdisjoint(content(plain))


def _names_act(text: str, ability: Ability) -> bool:
    return any(_is_act(word, ability) for word in _WORD.findall(text))


def _is_act(word: str, ability: Ability) -> bool:
    """Whether a word says what it does, and not what it is done with."""
    said, first = frozenset(content(word)), _first(ability)
    act = frozenset(content(ability.act))
    does = act - _taken(ability)
    if not said.isdisjoint(does | (first - _taken(ability)) | (first & act)):
        return True
    return said.isdisjoint(ability.named - does | ability.input_words) and names_act(word, ability)


def _begins_with_verb(text: str, ability: Ability) -> bool:
    """Whether a clause begins with a verb that has an object, `email Bob`, and is nothing that the ability takes. If it
    asks for something else, that is told elsewhere.
    """
    verb = verb_of(text)
    said = frozenset(content(verb[0])) if verb is not None else frozenset()
    if verb is None or says_nothing(verb[0]) or not (ability.input_words - _first(ability)).isdisjoint(said):
        return False
    behind = text[verb.end() :].split(maxsplit=1)
    return bool(behind) and text[verb.end()] == " " and behind[0].lower() not in PREPOSITIONS


def _first(ability: Ability) -> frozenset[str]:
    """The first word of its description."""
    return frozenset(content(ability.description)[:1])


def _taken(ability: Ability) -> frozenset[str]:
    """What it takes, by the names of its inputs."""
    return frozenset(word for one in ability.inputs for word in one.named)
