"""Bare words: values that are said without a capital letter and without quotation marks, right behind what they are the
value of: `ward north`, `5 bottles of ethanol`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.domain.schema import compile_schema
from accord.planner.asides import UNDOES
from accord.planner.composition.ability import Member
from accord.planner.composition.evidence import Reading
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.unheard import changes
from accord.planner.composition.wording import content, stems
from accord.planner.words import FILLERS, PREPOSITIONS

_ENDS: Final = r"(?=\s*(?:$|[,.;:!?])|\s+(?:{})\b)".format(
    "|".join(sorted({*PREPOSITIONS, "please", "then", "but", "if", "unless"}))
)
_WORD: Final = rf"(?P<word>[\w][\w-]*){_ENDS}"
_LEADS: Final = r"\b(?:of|in|for|from|at|on|to|with)\s+(?:the\s+)?"
"""Elsewhere two words may be one thing: `check the freezer door`."""

_SAYS_HOW: Final = re.compile(r"\w{2,}ly$")
_NO_VALUE: Final = frozenset(
    stems(
        "again aloud away back below above here there home now soon fast first last next previous new old other same "
        "yet too also already immediately asap only who which that whose is are was were has have it them him her me "
        "us because since while when where how why everything anything something nothing everyone somebody overnight "
        "online offline urgent early late together alone"
    )
) | frozenset(word for one in (*FILLERS, *PREPOSITIONS, *UNDOES) for word in stems(one))
"""Words that say when, how or what else, and name nothing."""


def bare_said(reading: Reading, index: int, member: Member, alone: bool) -> str | None:
    """The one word behind the name of a member, or, where it is `alone` in having no value, behind what is counted;
    None where it is not clear that it is a value.
    """
    if member.kind != "string" or member.is_time or member.options or member.holds == "text":
        return None
    found = list(
        dict.fromkeys((*_behind_name(reading, index, member), *(_behind_count(reading, index) if alone else ())))
    )
    values = [word for word in found if _may_be_value(word, reading)]
    return values[0] if len(values) == 1 and compile_schema(member.schema).is_valid(values[0]) else None


def _behind_name(reading: Reading, index: int, member: Member) -> Iterator[str]:
    name = r"[\s_-]+".join(map(re.escape, re.split(r"[\s_-]+", member.name)))
    for one in re.finditer(rf"{_LEADS}{name}\s+(?:called\s+|named\s+)?{_WORD}", reading.segments[index], re.IGNORECASE):
        yield one["word"]


def _behind_count(reading: Reading, index: int) -> Iterator[str]:
    """What stands after `of` behind what a number of the ability counts: `5 bottles of`."""
    counted = frozenset(word for one in reading.abilities[index].inputs if one.is_number for word in one.words)
    for one in re.finditer(rf"\b[\w.,]+\s+(?P<counted>\w+)\s+of\s+{_WORD}", reading.segments[index], re.IGNORECASE):
        if not counted.isdisjoint(content(one["counted"])):
            yield one["word"]


def _may_be_value(word: str, reading: Reading) -> bool:
    """Whether a word is nothing that is known otherwise."""
    said = content(word) or stems(word)
    known = {each for one in reading.abilities for each in one.described | one.input_words | one.output_words}
    is_known = any(each in known or not stand_ins(each).isdisjoint(known) for each in said)
    return not is_known and _NO_VALUE.isdisjoint(said) and not _SAYS_HOW.search(word) and not _changes(word)


def _changes(word: str) -> bool:
    """Whether a word would change what is done; `3B` is no number."""
    return changes(word) and re.fullmatch(r"\w*[A-Za-z]\w*\d|\d\w*[A-Za-z]\w*", word) is None
