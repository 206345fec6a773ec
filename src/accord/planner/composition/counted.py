"""What a number counts, and which input takes such a number: 12 `books` are no days, 30 `EUR` are no minutes."""

from __future__ import annotations

import re
from typing import Final

from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.wording import content, stems
from accord.planner.units import MONEY, Measure, Unit, currencies_in, unit_in
from accord.planner.words import PREPOSITIONS

FITS: Final = 1.0
"""What it is worth that a number has the unit of its parameter, or another one of that kind."""

_BEHIND: Final = re.compile(r"\s+(?P<first>[a-z]+)\b(?:\s+(?P<second>[a-z]+)\b)?")
_PEOPLE: Final = frozenset({"people", "persons"})
_PLURAL: Final = re.compile(r"\w{2,}[^\Wsui]s|\w+(?:sses|ies)|children|men|women|mice|people")
_NO_NOUN: Final = PREPOSITIONS | frozenset(
    {"and", "or", "but", "then", "times", "has", "was", "does", "yes", "thanks", "always", "perhaps", "afterwards"}
)
_ONE: Final = frozenset({"1", "one"})
_HOW_MANY: Final = re.compile(r"\b(?:how many|(?:number|amount|count) of)\s+(?:the\s+)?(?P<noun>\w+)", re.IGNORECASE)
_COUNTS: Final = frozenset(content("amount quantity count number limit max maximum min minimum size top total result"))
_CURRENCY: Final = frozenset(content("currency"))
_SEATS: Final = frozenset(
    content("person people guest serving seat portion party attendee participant adult passenger capacity diner head")
)


def counted_behind(number: str, text: str) -> str:
    """The noun that a number counts, in the plural unless it is one; empty where there is none."""
    found = _BEHIND.match(text)
    words = [word for word in (found["first"], found["second"]) if word] if found is not None else []
    for word in words:
        if word in _NO_NOUN:
            return ""
        if _PLURAL.fullmatch(word):
            return word
    return words[0] if words and number.lower() in _ONE else ""


def unit_for(ability: Ability, member: Member) -> Unit | None:
    """The unit of a number: its own, else that of the ability, if no other input has one; cents are of the currency
    that the ability names.
    """
    unit = member.unit
    if unit is None and all(one.unit is None for one in ability.inputs):
        unit = unit_in(ability.description)
    return unit.of(_currencies(ability)) if unit is not None and unit.is_money else unit


def currency_beside(ability: Ability, member: Member) -> bool:
    """Whether another input says in which currency a number is."""
    others = (one for one in ability.inputs if one.is_text and one is not member)
    return unit_for(ability, member) is None and any(not _CURRENCY.isdisjoint(one.named) for one in others)


def is_of_text(member: Member, text: str) -> bool:
    """Whether a text may be one of an input: a currency is of no other one than that."""
    return text not in MONEY or not _CURRENCY.isdisjoint(member.words)


def worth_of(ability: Ability, member: Member, measure: Measure | None, noun: str) -> float | None:
    """What it is worth for an input that a number has a unit, or counts something; None where it is not for it."""
    if not member.is_number:
        return None if member.kind == "string" and (noun or measure is not None) else 0.0
    if measure is None:
        return 0.0 if not noun else _worth_of_noun(ability, member, noun)
    unit = unit_for(ability, member)
    if unit is not None and measure.fits(unit):
        return FITS
    numbers = [one for one in ability.inputs if one.is_number]
    if len(numbers) == 1:
        return 0.0
    others = (unit_for(ability, one) for one in numbers if one is not member)
    is_elsewhere = any(one is not None and measure.fits(one) for one in others)
    return None if unit is not None or is_elsewhere else 0.0


def _worth_of_noun(ability: Ability, member: Member, noun: str) -> float | None:
    """An input counts that by its name, or what its description says that it is how many of; as an amount of what the
    ability is about; or, for all that is known, because nothing is known of the noun.
    """
    said = {each for word in stems(noun) for each in (word, *stand_ins(word))}
    told = {word for one in _HOW_MANY.finditer(member.description) for word in stems(one["noun"])}
    if not said.isdisjoint((*member.named, *told)):
        return FITS
    if member.unit is not None:
        return None
    if noun in _PEOPLE:
        return None if _SEATS.isdisjoint(member.words) else FITS
    is_known = not said.isdisjoint(ability.described | ability.input_words | ability.output_words)
    return None if is_known and _COUNTS.isdisjoint(member.named) else 0.0


def _currencies(ability: Ability) -> frozenset[str]:
    members = (*ability.inputs, *ability.outputs)
    return currencies_in([ability.description, *(text for one in members for text in (one.name, one.description))])
