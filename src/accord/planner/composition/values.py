"""Values: what the words of an objective give an input, as its schema wants it; why not what they say; or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from accord.domain.schema import compile_schema
from accord.planner.composition.ability import ANY, Ability, Member
from accord.planner.composition.clauses import clauses
from accord.planner.composition.counted import currency_beside, unit_for
from accord.planner.composition.evidence import Reading
from accord.planner.composition.hedges import Hedge
from accord.planner.composition.literals import Filling, Key, Said, becoming, receiving
from accord.planner.composition.misnamed import is_misnamed
from accord.planner.composition.rivals import row_of
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.verbs import asks_for
from accord.planner.composition.wording import content, stems
from accord.planner.forms import Unclear, form_of
from accord.planner.numbers import number_in_words
from accord.planner.units import CURRENCY, MONEY, Measure

SURE = 1.2
"""The least score of a literal that is taken for the value; one in its own clause that fits has it."""

SURE_ELSEWHERE = 1.5
"""The same of a literal in a clause that speaks of something else."""

_KNOWN_BY = frozenset(content("id identifier code number"))
_ELSEWHERE = frozenset({"to", "into", "onto", "towards", "at", "in", "on", "from", "until", "of"})
_DELAY = re.compile(r"\b(?:in how many|after|delay|wait|until|from now|later)")
"""What is said of an input that tells in what time something is done."""

_SINGLE = {"a": 1, "an": 1, "half a": 0.5, "half an": 0.5}
_PLAIN = re.compile(rf"(?:{CURRENCY})?(?P<number>-?(?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,15}})(?:\.\d{{1,15}})?)(?: ?%)?")


_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}\.\d{3}(?!\d)")
"""A sum with a dot before three digits: in some countries a dot parts thousands."""

_BY_CODE = "say its currency by the code, behind the number: `5 EUR`"


class Given(msgspec.Struct, frozen=True):
    """A value, and the words that it is read from."""

    value: Any
    words: str
    note: str = ""
    """What has become of the words; empty where they are the value."""


class Unfit(msgspec.Struct, frozen=True):
    """Words that are meant for an input, and are not what its schema wants."""

    words: str
    why: str


def value_said(
    reading: Reading, key: Key, filling: Filling, member: Member, now: datetime | None = None
) -> Given | Unfit | None:
    """The value that is said, days from `now` on; None where nothing is."""
    option = _option(reading.segments[key[0]], member)
    if option is not None:
        return Given(option, option)
    said = filling.said
    if said is None or filling.score < (SURE if said.owner == key[0] else SURE_ELSEWHERE):
        return None
    if not _may_be_value(reading, key, said, member):
        return None
    if filling.instead is not None:
        name, text = filling.instead
        return Unfit(said.text, f"it may as well be `{name}`, and `{text}` this one; say the name before each")
    if said.sort in ("quoted", "name") and is_misnamed(said.leads, member, reading.abilities[key[0]]):
        return Unfit(f"{said.leads} {said.text}", f"it is called `{said.leads}`")
    return _of_literal(reading, key, said, member, now)


def _may_be_value(reading: Reading, key: Key, said: Said, member: Member) -> bool:
    """Whether a literal names nothing that is done or asked for, and nothing of another thing."""
    if member.kind == "string" and (said.sort == "word" or _is_part_of_word(reading, said)):
        return False  # a number is no name
    if not _is_called_for(said, member, reading.abilities[key[0]]):
        return False
    known = (ability.described | ability.input_words for ability in reading.abilities)
    is_data = said.sort == "quoted" or said.text in _SINGLE
    if not is_data and any(words.issuperset(content(said.text)) for words in known):
        return False
    return not (_is_own_name(member, reading.abilities[key[0]]) and _is_of_another(reading, said))


def _is_called_for(said: Said, member: Member, ability: Ability) -> bool:
    """Whether the words before a name say that it is meant for a text which need not be given, where another text has
    to be: `in German` is no `loan`.
    """
    is_needed = member.required or not any(one.is_text and one.required for one in ability.inputs)
    if is_needed or member.kind != "string" or said.sort not in ("quoted", "name"):
        return True
    if said.becomes or said.receives:
        return member.name in (becoming(ability) if said.becomes else receiving(ability))
    noun = said.before[-1:]
    is_named = any(word in member.words or not stand_ins(word).isdisjoint(member.words) for word in noun)
    return is_named or said.leads in re.findall(r"[a-z]+", _told(member).replace("_", " "))


def _is_part_of_word(reading: Reading, said: Said) -> bool:
    """Whether a number is only the beginning of what is said: `3` of `3B`."""
    alone = rf"(?<!\w){re.escape(said.text)}(?!\w)"
    return said.sort == "number" and re.search(alone, reading.segments[said.owner]) is None


def _of_literal(reading: Reading, key: Key, said: Said, member: Member, now: datetime | None) -> Given | Unfit | None:
    text = _up_to_preposition(_without_verb(reading, said), said, member)
    text = text.rstrip(".") if said.sort == "name" else text  # that ends the sentence
    row = row_of(reading.objective, said.text, member.words) if member.kind == "array" else None
    if row is not None:
        several = [value for text in row.values for (value,) in _readings(text, member)[-1:]]
        return Given(several, row.text) if compile_schema(member.schema).is_valid(several) else None
    if said.hedge is not None and not said.hedge.is_kept_by(member):
        return Unfit(said.hedge.words, "that says no one number") if member.is_number else None
    found = _written(text, said, member, now) or _unhedged(text, said, member, reading.abilities[key[0]])
    return _hedged(found, said.hedge)


def _unhedged(text: str, said: Said, member: Member, ability: Ability) -> Given | Unfit | None:
    if member.is_number and said.measure is not None:
        if said.leads == "in" and said.measure.unit.kind == "time" and not _DELAY.search(_told(member)):
            return Unfit(f"in {text}{said.measure.written}", "that may say when; say `for` where it says how long")
        return _measured(text, said.measure, member, ability)
    return _fitting(member, (Given(value, text) for value in _readings(text, member)))


def _written(text: str, said: Said, member: Member, now: datetime | None) -> Given | Unfit | None:
    """What a text stands for by the format of the input; a day that is told from the present is a date in any case."""
    if member.kind != "string":
        return None
    is_day = said.sort == "when"
    try:
        value = form_of(text, {"format": "date"} if is_day and not member.form else member.schema, now)
    except Unclear as error:
        return Unfit(text, str(error))
    if value is None:
        return Unfit(text, f"it is no {member.form or 'date'}") if is_day else None
    return _fitting(member, [Given(value, text, f"`{text}` is {value}" if value != text else "")])


def _hedged(found: Given | Unfit | None, hedge: Hedge | None) -> Given | Unfit | None:
    """The same with what is said before its words."""
    if found is None or hedge is None:
        return found
    return msgspec.structs.replace(found, words=hedge.before + found.words + hedge.behind)


def _told(member: Member) -> str:
    return f"{member.name} {member.description}".lower()


def _measured(text: str, measure: Measure, member: Member, ability: Ability) -> Given | Unfit | None:
    """A number in the unit of the input, whatever unit it is said in."""
    words, unit = text + measure.written, unit_for(ability, member)
    numbers, said_in = _readings(text, member), measure.unit.told
    if unit is None and frozenset(stems(measure.unit.name)) <= member.words and not measure.unit.per:
        return _fitting(member, (Given(value, words) for value in numbers))
    if measure.unit.is_money and currency_beside(ability, member):
        is_code = measure.written.strip() in MONEY
        return _fitting(member, (Given(value, text) for value in numbers)) if is_code else Unfit(words, _BY_CODE)
    if unit is None or not measure.fits(unit):
        is_money = unit is not None and unit.kind == "cent" and measure.unit.is_money
        counted = f"is counted in {unit.told}" if unit is not None else f"does not say that it is counted in {said_in}"
        return Unfit(words, f"`{member.name}` {counted}{', and does not say of which currency' if is_money else ''}")
    if measure.unit.is_money and _THOUSANDS.search(text):
        return Unfit(words, "a dot before three digits may part thousands; say it without the dot")
    several = [(value, measure.into(value, unit)) for value in numbers]
    if any(value is None for _, value in several):
        return Unfit(words, f"that is no exact number of {unit.name}")
    notes = (f"`{words}` is {value} {unit.name}" if value != number else "" for number, value in several)
    return _fitting(member, (Given(value, words, note) for (_, value), note in zip(several, notes, strict=True)))


def _fitting(member: Member, several: Iterable[Given]) -> Given | Unfit | None:
    """The first that the schema takes, else why it does not take the likeliest."""
    found, schema = tuple(several), compile_schema(member.schema)
    for one in found:
        if schema.is_valid(one.value):
            return one
    for one in found:
        said = f"{one.note}; " if one.note else ""
        return Unfit(one.words, f"{said}{schema.violations(one.value)[0].message}")
    return None


def _is_own_name(member: Member, ability: Ability) -> bool:
    """Whether it is by what the ability's own thing is known: `id` or `order_id` of `order.ship`."""
    return not _KNOWN_BY.isdisjoint(member.named) and (_KNOWN_BY | ability.named).issuperset(member.named)


def _is_of_another(reading: Reading, said: Said) -> bool:
    """Whether a literal says where something goes, or whose it is, and so not which it is: `ship it to "Berlin"`."""
    owns = re.search(rf"{re.escape(said.text)}[\"\u201d]?['\u2019]s\b", reading.objective) is not None
    return owns or said.leads in _ELSEWHERE


def _without_verb(reading: Reading, said: Said) -> str:
    """A name without the word at the start of a sentence that asks for something: `Find Ada` in `Find Ada's orders`."""
    first, _, rest = said.text.partition(" ")
    begins = any(part.text.startswith(said.text) for part in clauses(reading.objective))
    asks = begins and any(asks_for(first, ability) for ability in reading.abilities)
    return rest.strip() if asks and rest and said.sort == "name" else said.text


def _up_to_preposition(text: str, said: Said, member: Member) -> str:
    """Of what an id may be, what stands before `of`, unless the schema has a pattern that takes all of it: whose it is
    is no part of it.
    """
    first, of, _ = text.partition(" of ")
    if said.sort != "name" or not of or _KNOWN_BY.isdisjoint(member.named):
        return text
    has_pattern = isinstance(member.schema, dict) and not {"pattern", "enum", "const"}.isdisjoint(member.schema)
    return text if has_pattern and compile_schema(member.schema).is_valid(text) else first


def _option(segment: str, member: Member) -> str | None:
    """The one option of an enumeration that is said."""
    options = member.schema.get("enum") if isinstance(member.schema, dict) else None
    texts = [each for each in options if isinstance(each, str)] if isinstance(options, list) else []
    said = [each for each in texts if re.search(rf"(?<!\w){re.escape(each)}(?!\w)", segment, re.IGNORECASE)]
    return said[0] if len(said) == 1 else None


def _readings(text: str, member: Member) -> list[Any]:
    """What the words may be, the likeliest first."""
    if member.is_number:
        return _numbers(text)
    if member.kind == "array":
        return [[text], *([number] for number in _numbers(text))]
    return [text] if member.kind in ("string", ANY) else []


def _numbers(text: str) -> list[Any]:
    number = _SINGLE.get(text.lower(), number_in_words(text))
    found = _PLAIN.fullmatch(text)
    if number is not None or found is None:
        return [] if number is None else [number]
    plain = found["number"].replace(",", "")
    return [float(plain) if "." in plain else int(plain)]
