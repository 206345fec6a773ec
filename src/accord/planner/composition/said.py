"""What an objective says of the value of each parameter: literals near its name, counts of numbers and names, dates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.literals import Filling, Key
from accord.planner.composition.wording import content, share_in, stems

_NUMBER = re.compile(r"(?<![\w.])[$\u20ac\u00a3]?\d[\d,]*(?:\.\d+)?")
_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']{2,})'|\u201c([^\u201d]+)\u201d")
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][\w-]*(?:\s+[A-Z][\w-]*)*")
_DATE = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
    r"|\d{4}-\d\d-\d\d|\d+/\d+/\d+|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b|\btomorrow\b|\btoday\b"
    r"|\b\d{1,2}(?::\d\d)? ?[AaPp][Mm]\b"
)
_POINTS_BACK = re.compile(
    r"\b(this|that|these|those|it|its|them|their|obtained|resulting|above|based on|according|accordingly|said"
    r"|corresponding|same|using the|from the)\b",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(r"['\"]([^'\"]+)['\"]")
_DATED = frozenset(content("date day time"))


class _Counts:
    """What is counted once in an objective."""

    def __init__(self, objective: str, segments: Sequence[str], abilities: Sequence[Ability]) -> None:
        members = [member for ability in abilities for member in ability.inputs]
        self.objective = objective
        self.lowered = objective.lower()
        self.words = frozenset(stems(objective))
        self.numbers = len(_NUMBER.findall(objective))
        self.quotations = len(_QUOTED.findall(objective))
        self.wanted_numbers = sum(member.is_number for member in members)
        self.near = [_around(objective, found, 45, 30) for found in _found(objective, _NUMBER, _QUOTED)]
        self.segments = [_Segment(text, ability) for text, ability in zip(segments, abilities, strict=True)]


class _Segment:
    """The part of an objective that speaks of one ability."""

    def __init__(self, text: str, ability: Ability) -> None:
        self.text = text
        self.words = frozenset(content(text))
        self.length = len(content(text))
        self.numbers = len(_NUMBER.findall(text))
        self.quotations, self.names = len(_QUOTED.findall(text)), len(_NAME.findall(text))
        self.wanted_numbers = sum(member.is_number for member in ability.inputs)
        self.wanted_texts = sum(_holds_words(member) for member in ability.inputs)
        self.has_date, self.points_back = bool(_DATE.search(text)), bool(_POINTS_BACK.search(text))
        self.near_numbers = [_around(text, found, 40, 25) for found in _NUMBER.finditer(text)]
        self.near_names = [_around(text, found, 40, 25) for found in _found(text, _QUOTED, _NAME)]


def said_of(
    objective: str, segments: Sequence[str], abilities: Sequence[Ability], filled: dict[Key, Filling]
) -> dict[Key, dict[str, float]]:
    """For each parameter what there is to think that its value is said."""
    counts = _Counts(objective, segments, abilities)
    return {
        (index, member.name): _everywhere(member, counts)
        | _here(member, counts.segments[index])
        | _filled(member, index, filled[index, member.name])
        for index, ability in enumerate(abilities)
        for member in ability.inputs
    }


def _found(text: str, *patterns: re.Pattern[str]) -> Iterator[re.Match[str]]:
    return chain.from_iterable(pattern.finditer(text) for pattern in patterns)


def _around(text: str, found: re.Match[str], before: int, after: int) -> frozenset[str]:
    return frozenset(content(f"{text[max(0, found.start() - before) : found.start()]} {text[found.end() :][:after]}"))


def _holds_words(member: Member) -> bool:
    return member.is_text


def _bounded(number: int) -> float:
    return float(max(-3, min(3, number)))


def _everywhere(member: Member, counts: _Counts) -> dict[str, float]:
    number, text = float(member.is_number), float(_holds_words(member))
    surplus = counts.numbers - counts.wanted_numbers
    return {
        "numbers_said": number * (counts.numbers > 0),
        "no_numbers_said": number * (counts.numbers == 0),
        "numbers": min(counts.numbers, 8) / 8,
        "numbers_left": number * _bounded(surplus),
        "numbers_enough": number * (surplus >= 0),
        "quotations": text * min(counts.quotations, 6) / 6,
        "named": share_in(member.named, counts.words),
        "described": share_in(member.words, counts.words),
        "literal_near": max((share_in(member.named, near) for near in counts.near), default=0.0),
        "has_examples": float(any(sign in member.description for sign in ("e.g", "such as", "'", '"'))),
        "example_said": float(any(each.lower() in counts.lowered for each in _EXAMPLE.findall(member.description))),
        "no_date_said": float(member.is_text and _is_dated(member) and not _DATE.search(counts.objective)),
    }


def _is_dated(member: Member) -> bool:
    return not _DATED.isdisjoint(member.words)


def _here(member: Member, segment: _Segment) -> dict[str, float]:
    number, text = float(member.is_number), float(_holds_words(member))
    dated = float(member.is_text and _is_dated(member))
    surplus, named = segment.numbers - segment.wanted_numbers, segment.quotations + segment.names
    near = segment.near_numbers if member.is_number else segment.near_names if text else []
    return {
        "numbers_left_here": number * _bounded(surplus),
        "numbers_enough_here": number * (surplus >= 0),
        "numbers_here": number * (segment.numbers > 0),
        "quotations_here": text * min(segment.quotations, 4),
        "names_here": text * min(segment.names, 4),
        "names_enough_here": text * (named >= segment.wanted_texts),
        "names_left_here": text * _bounded(named - segment.wanted_texts),
        "is_dated": dated,
        "date_here": dated * segment.has_date,
        "points_back": float(segment.points_back),
        "named_here": share_in(member.named, segment.words),
        "described_here": share_in(member.words, segment.words),
        "head_here": float(bool(member.named) and member.named[-1] in segment.words),
        "literal_near_here": max((share_in(member.named, each) for each in near), default=0.0),
        "literal_near_described_here": max((share_in(member.words, each) for each in near), default=0.0),
        "length_here": min(segment.length, 40) / 40,
        "nothing_here": float(segment.length == 0),
    }


def _filled(member: Member, index: int, filling: Filling) -> dict[str, float]:
    said = filling.said
    filled = float(said is not None)
    return {
        "filling": filling.score if said is not None else 0.0,
        "filling_best": filling.best,
        "filled": filled,
        "filled_quoted": float(said is not None and said.sort == "quoted"),
        "filled_date": float(said is not None and said.sort == "date"),
        "filled_here": float(said is not None and said.owner == index),
        "filled_number": filled * member.is_number,
        "unfilled_number": (1 - filled) * member.is_number,
        "unfilled_text": (1 - filled) * member.is_text,
    }
