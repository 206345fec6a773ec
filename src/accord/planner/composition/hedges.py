"""Hedges: words around a number that make another one of it, or only bound it: `about 5`, `5 minus 2`, `at least 5`,
`5 to 7`.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import msgspec

from accord.planner.composition.ability import Member
from accord.planner.composition.wording import content, stems
from accord.planner.numbers import NUMBER_WORDS
from accord.planner.units import CURRENCY, measure_behind

Bound: TypeAlias = Literal["", "least", "most"]

_LEAST = r"at least|no (?:less|fewer) than|not (?:less|fewer) than|a minimum of|minimum"
_MOST = r"at most|up to|no more than|not more than|a maximum of|maximum"
_BEFORE: Final = re.compile(
    rf"(?:\b(?:(?P<least>{_LEAST})|(?P<most>{_MOST})|about|around|approximately|approx\.?|roughly|nearly|almost|circa|some"
    r"|under|over|below|above|beyond|(?:less|more|fewer|greater|higher|lower|other) than|minus|plus|times|half(?: of)?)"
    r"(?: the| an?)?\s+|[~<>\u2264\u2265\u2248]\s*)$",
    re.IGNORECASE,
)
_BEHIND: Final = re.compile(
    r"\s*(?:[*/+\u00d7\u00f7]\s*\d+|-\s+\d+|-?ish\b)"
    r"|\s+(?:(?P<least>or more)|(?P<most>or (?:less|fewer))|or so"
    r"|(?:minus|plus|times|divided by|multiplied by)(?:\s+\w+)?)\b",
    re.IGNORECASE,
)
_NAMED: Final = {
    "least": frozenset(content("min minimum least lowest lower")),
    "most": frozenset(content("max maximum most highest upper limit up")),
}
_ENDS: Final = {"least": frozenset(stems("from first start begin")), "most": frozenset(stems("to last end until"))}
"""How the ends of a range may be called as well."""

_NUMBER: Final = rf"(?:(?:{CURRENCY})?\d[\d,.]*|{NUMBER_WORDS})(?: ?%)?"
_TO: Final = r"(?:\s*[-\u2013]\s*|\s+(?:up )?to\s+)"
_UNIT: Final = r"(?P<unit>[ -]?[A-Za-z%$\u20ac\u00a3]+)?"
_BEGINS_RANGE: Final = re.compile(rf"{_UNIT}{_TO}{_NUMBER}", re.IGNORECASE)
_ENDS_RANGE: Final = re.compile(rf"(?<![\w.]){_NUMBER}{_UNIT}{_TO}$", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"\bbetween\s+$", re.IGNORECASE)
_BEGINS_BETWEEN: Final = re.compile(rf"{_UNIT}\s+and\s+{_NUMBER}", re.IGNORECASE)
_ENDS_BETWEEN: Final = re.compile(rf"\bbetween\s+{_NUMBER}{_UNIT}\s+and\s+$", re.IGNORECASE)


class Hedge(msgspec.Struct, frozen=True):
    """What is said around a number."""

    number: str
    before: str
    behind: str
    bound: Bound
    """Whether it is the least, or the most, that is meant; empty where it is another number."""
    of: tuple[str, ...]
    """The stems behind it."""
    is_range: bool = False
    """Whether it is one of two ends: `5 to 7`."""

    @property
    def ends_range(self) -> bool:
        """Whether it is the latter of two ends."""
        return self.is_range and self.bound == "most"

    @property
    def words(self) -> str:
        """What is said, with the number."""
        return self.before + self.number + self.behind

    def is_kept_by(self, member: Member) -> bool:
        """Whether the parameter takes the number itself: as a bound, or as how many there are at most of its name."""
        if not self.bound:
            return False
        counts = self.bound == "most" and not set(self.of).isdisjoint(member.named)
        ends = self.is_range and not _ENDS[self.bound].isdisjoint(stems(member.name))
        return counts or ends or not _NAMED[self.bound].isdisjoint(member.named)

    def is_against(self, member: Member) -> bool:
        """Whether the parameter is the other bound."""
        other = {"least": "most", "most": "least", "": ""}[self.bound]
        return bool(other) and not _NAMED[other].isdisjoint(member.named)


def hedge_of(text: str, start: int, end: int) -> Hedge | None:
    """What is said around the number that stands there."""
    before, behind = _BEFORE.search(text[:start]), _BEHIND.match(text[end:])
    if before is None and behind is None:
        return _range_of(text, start, end)
    begins = before.start() if before is not None else start
    ends = end + (behind.end() if behind is not None else 0)
    found = {name for one in (before, behind) if one is not None for name, said in one.groupdict().items() if said}
    bound: Bound = "least" if found == {"least"} else "most" if found == {"most"} else ""
    of = tuple(content(text[ends : ends + 30])[:1])
    return Hedge(text[start:end], text[begins:start].lstrip(), text[end:ends], bound, of)


def _range_of(text: str, start: int, end: int) -> Hedge | None:
    """The range of which the number that stands there is an end."""
    number, before, behind = text[start:end], text[:start], text[end:]
    between = _BETWEEN.search(before)
    begins = (_BEGINS_BETWEEN if between is not None else _BEGINS_RANGE).match(behind)
    if begins is not None and _are_alike(begins["unit"], behind[begins.end() :]):
        return Hedge(number, between[0] if between is not None else "", begins[0], "least", (), is_range=True)
    ends = _ENDS_BETWEEN.search(before) or _ENDS_RANGE.search(before)
    if ends is not None and _are_alike(ends["unit"], behind):
        return Hedge(number, ends[0], "", "most", (), is_range=True)
    return None


def _are_alike(unit: str | None, behind: str) -> bool:
    """Whether a number without a unit, or with a unit of the same kind, follows: `20 minutes to 180` is no range."""
    one, other = measure_behind(unit or ""), measure_behind(behind)
    return not unit or (one is not None and other is not None and one.unit.kind == other.unit.kind)
