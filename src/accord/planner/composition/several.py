"""Several things where there is no list: `cancel every order`, `remind two invoices`, where each is done for one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.planner.composition.ability import Ability
from accord.planner.composition.account import Account
from accord.planner.composition.wording import content
from accord.planner.words import QUOTED

_ALL: Final = r"every|each|all|both"
_MANY: Final = (
    r"\d+|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|several|many|multiple|various|some|few"
    r"|couple"
)
_SEVERAL = re.compile(rf"(?<![\w./:-])(?P<how>{_ALL}|{_MANY})\b(?P<of>(?:\s+[\w'\u2019-]+){{1,4}})", re.IGNORECASE)
_WHOSE = re.compile(r"(?<=\w)\s+(?:of|for|from|to|by|with|in|on)\b", re.IGNORECASE)
_TELLS_WHICH = frozenset({"of", "the", "my", "our", "your", "his", "her", "their", "its", "these", "those"})
BETWEEN: Final = 2
"""So many words may stand between how many there are and what they are."""


def for_several(account: Account) -> Iterator[tuple[int, str]]:
    """What is asked for several things, by words, and done once, each with these words."""
    found = account.found
    for index, ability in enumerate(found.reading.abilities):
        given = [link for link in found.links if link.edge.target == index]
        takes = any(link.edge.output.kind == "array" or link.edge.output.gathered for link in given)
        if index in found.repeated or takes:
            continue
        said = next(_said_of(found.clause_of(index), ability, account), None)
        if said is not None:
            yield index, said


def lists(ability: Ability) -> bool:
    """Whether it gives a list."""
    return any(one.kind == "array" or one.each is not None for one in ability.outputs)


def _things(ability: Ability) -> frozenset[str]:
    """The words of what it takes one of, and of what it is about, if that is no list."""
    needed = {part for one in ability.inputs if one.required and one.is_text for part in one.named}
    if lists(ability) or any(one.kind == "array" for one in ability.inputs):
        return frozenset(needed)
    return ability.named - frozenset(content(ability.act)) | needed


def _said_of(clause: str, ability: Ability, account: Account) -> Iterator[str]:
    """What of a clause says that several of what the ability is about are meant."""
    things = _things(ability)
    for one in _SEVERAL.finditer(QUOTED.sub('""', clause)):
        words = _WHOSE.split(one["of"])[0].split()
        rest = [word for word in words if word.lower() not in _TELLS_WHICH]
        single = one["how"].lower() in ("every", "each")
        thing = next((word for word in rest[: BETWEEN + 1] if _is_thing(word, things, single=single)), None)
        counted = f"{one['how']} {words[0]}" if words else one["how"]
        is_one = one["how"] == "1" or any(one["how"] == each or counted in each for each in account.slots.values())
        if thing is not None and not is_one:
            yield f"{one['how']} {' '.join(words[: words.index(thing) + 1])}"


def _is_thing(word: str, things: frozenset[str], *, single: bool) -> bool:
    """Whether a word is one of these, in the plural where it is not `every`."""
    said = content(word)
    return bool(said) and things.issuperset(said) and (single or word.lower().endswith("s"))
