"""What a value is called right before it: `return the book B12` gives no `loan`, whatever else is known of books."""

from __future__ import annotations

from typing import Final

from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.verbs import asks_to_know, names_act, says_nothing
from accord.planner.composition.wording import begins_like, content, stems
from accord.planner.participles import is_participle
from accord.planner.words import FILLERS, PREPOSITIONS

_GENERAL: Final = frozenset(
    stems(
        "id identifier number name key code ref reference text content body message query question title value url uri "
        "link path file address subject topic term input data kind type description note reason word"
    )
)
"""What an input is called that takes whatever the capability is about, or any words; and what any value is called."""


def is_misnamed(noun: str, member: Member, ability: Ability) -> bool:
    """Whether the word before a value names another thing that the ability knows than the input takes."""
    said = content(noun)
    if not said or noun.endswith("s") or is_participle(noun) or noun in PREPOSITIONS | FILLERS:
        return False
    if not _GENERAL.isdisjoint((*said, *member.named)):
        return False
    if names_act(noun, ability) or says_nothing(noun) or asks_to_know(noun) or not _is_known(said[0], ability):
        return False
    own = member.words
    if frozenset(content(ability.description)).isdisjoint(member.named):
        return False  # it may be what such a thing is known by: the `symbol` of a stock
    return said[0] not in own and stand_ins(said[0]).isdisjoint(own) and not begins_like(said[0], own)


def _is_known(word: str, ability: Ability) -> bool:
    """Whether the ability has a word, but as the verb that describes it."""
    verb = content(ability.description)[:1]
    return word in ability.described | ability.input_words | ability.output_words and word not in verb
