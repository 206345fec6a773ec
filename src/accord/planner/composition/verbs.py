"""Verbs: which words ask for what an ability does."""

from __future__ import annotations

import re
from typing import Final

from accord.planner.composition.ability import Ability
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.wording import content, stems

READS: Final = frozenset(
    stems("show display give tell find get fetch list look see search retrieve obtain gather pull read view load check")
)
"""What asks for something to be known: each of them is good for all that gives something and changes nothing."""

_FINDS: Final = READS | frozenset(
    stems(
        "measure calculate compute count estimate determine predict detect classify compare analyze analyse verify "
        "test track monitor inspect"
    )
)
"""Verbs of what finds something out, and changes nothing."""

_TOLD: Final = _FINDS - frozenset(stems("give get obtain gather pull load"))
"""Those of them with which descriptions say it; with others they may say what somebody gets: `Gives a refund`."""

_TELLS: Final = frozenset(stems("tell load"))
"""What may as well be done with what is known: `tell Ada that it is late`."""

_OUT: Final = re.compile(r"(?:the|an?) |(?:works?|finds?|figures?) out\b|looks? up\b", re.IGNORECASE)

_DOES: Final = frozenset(stems("do make get have let take give perform carry run execute use call go"))
"""Verbs that say nothing without what comes after them: `make a reservation`."""


def asks_for(word: str, ability: Ability) -> bool:
    """Whether a word is one of an ability, or stands for one; verbs that only ask to know are all the same. What is yes
    or no of a result is not done: `waive the fee` asks for nothing that tells whether it is `waived`.
    """
    gives = frozenset(word for one in ability.outputs if one.kind != "boolean" for word in one.words)
    said, known = frozenset(content(word)), ability.described | ability.input_words | gives
    if not said.isdisjoint(known | _DOES):
        return True
    if not said.isdisjoint(READS) and (not READS.isdisjoint(ability.described) or finds_out(ability)):
        return True
    return any(not stand_ins(each).isdisjoint(known) for each in said)


def names_act(word: str, ability: Ability) -> bool:
    """Whether a word is what the ability does, or stands for it."""
    act = frozenset(content(ability.act))
    return any(each in act or not stand_ins(each).isdisjoint(act) for each in content(word))


def finds_out(ability: Ability) -> bool:
    """Whether what it does only finds something out: its act says so, or how its description begins, with such a verb
    or with what it gives.
    """
    act, described = content(ability.act)[:1], content(ability.description)[:1]
    return not _FINDS.isdisjoint(act) or not _TOLD.isdisjoint(described) or _OUT.match(ability.description) is not None


def asks_to_know(word: str) -> bool:
    """Whether a verb asks that something is found out, and for nothing else."""
    return not (_TOLD - _TELLS).isdisjoint(content(word))


def says_nothing(word: str) -> bool:
    """Whether a verb says nothing of what is to be done by itself: `get`, `show`."""
    return not (READS | _DOES).isdisjoint(content(word))
