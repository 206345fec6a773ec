"""Hedges: words around a number that make another one of it, or only bound it: `about 5`, `5 minus 2`, `at least 5`."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import msgspec

from accord.planner.composition.ability import Member
from accord.planner.composition.wording import content

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


class Hedge(msgspec.Struct, frozen=True):
    """What is said around a number."""

    number: str
    before: str
    behind: str
    bound: Bound
    """Whether it is the least, or the most, that is meant; empty where it is another number."""
    of: tuple[str, ...]
    """The stems behind it."""

    @property
    def words(self) -> str:
        """What is said, with the number."""
        return self.before + self.number + self.behind

    def is_kept_by(self, member: Member) -> bool:
        """Whether the parameter takes the number itself: as a bound, or as how many there are at most of its name."""
        if not self.bound:
            return False
        counts = self.bound == "most" and not set(self.of).isdisjoint(member.named)
        return counts or not _NAMED[self.bound].isdisjoint(member.named)

    def is_against(self, member: Member) -> bool:
        """Whether the parameter is the other bound."""
        other = {"least": "most", "most": "least", "": ""}[self.bound]
        return bool(other) and not _NAMED[other].isdisjoint(member.named)


def hedge_of(text: str, start: int, end: int) -> Hedge | None:
    """What is said around the number that stands there."""
    before, behind = _BEFORE.search(text[:start]), _BEHIND.match(text[end:])
    if before is None and behind is None:
        return None
    begins = before.start() if before is not None else start
    ends = end + (behind.end() if behind is not None else 0)
    found = {name for one in (before, behind) if one is not None for name, said in one.groupdict().items() if said}
    bound: Bound = "least" if found == {"least"} else "most" if found == {"most"} else ""
    of = tuple(content(text[ends : ends + 30])[:1])
    return Hedge(text[start:end], text[begins:start].lstrip(), text[end:ends], bound, of)
