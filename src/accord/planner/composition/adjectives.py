"""Adjectives: words before the name of a list's items that say for which of them something is done: `the late orders`,
`all but the unpaid ones`.

A word is read where exactly one member of the items is called so, and is true or false, or has it among its options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.condition_words import Joined
from accord.planner.composition.lists import WHOLE
from accord.planner.composition.wording import content
from accord.planner.words import QUOTED

_TOKEN = re.compile(r"[\w'\u2019-]+|[^\w\s]")
_EXCEPT = re.compile(
    r"\b(?:but|except(?:ing)?(?:\s+for)?|excluding|other\s+than|apart\s+from)\s+(?:(?:the|those|these|any|all)\s+)?$",
    re.IGNORECASE,
)
_NOT = re.compile(r"^(?:un|non-?|not-)(?=\w{3})", re.IGNORECASE)


class Adjective(msgspec.Struct, frozen=True):
    """A member of the items, and what is to be so of it, in CEL; empty where it is true itself."""

    member: Member
    holds: str
    negated: bool


class Described(msgspec.Struct, frozen=True):
    """Items of a list by what is so of them."""

    adjectives: tuple[Adjective, ...]
    """None where a word may be meant of several members."""
    joined: Joined
    negated: bool
    """Whether all but those are meant."""
    said: str


def items_of(ability: Ability, each: str) -> tuple[Member, ...]:
    """What each item of an output's list is."""
    return tuple(one for one in ability.outputs if one.each == each)


def called(ability: Ability, each: str, items: Sequence[Member]) -> frozenset[str]:
    """The stems of what the items of a list are called; of an output that is the list, what the ability is about."""
    about = ability.named - frozenset(content(ability.act)) if each == WHOLE else ()
    return frozenset((*content(each), *(word for one in items if one.whole for word in one.named), *about))


def described(text: str, called: frozenset[str], items: Sequence[Member]) -> Iterator[Described]:
    """What a clause says so of items; `called` are the stems of what they are called."""
    blank = QUOTED.sub(lambda one: " " * len(one[0]), text)
    tokens = list(_TOKEN.finditer(blank))
    for at, noun in enumerate(tokens):
        if noun[0].lower() not in ("one", "ones") and called.isdisjoint(content(noun[0])):
            continue
        start, found, joints = _before([one[0] for one in tokens[:at]], items)
        if not found or len(joints) > 1:
            continue
        contrary = _EXCEPT.search(blank[: tokens[start].start()])
        begin = contrary.start() if contrary is not None else tokens[start].start()
        one_each = all(len(fitting) == 1 for fitting in found)
        yield Described(
            adjectives=tuple(fitting[0] for fitting in found) if one_each else (),
            joined="or" if "or" in joints else "and",
            negated=contrary is not None,
            said=text[begin : noun.end()],
        )


def _before(words: Sequence[str], items: Sequence[Member]) -> tuple[int, list[list[Adjective]], frozenset[str]]:
    """The adjectives that end a row of words: where they begin, what each may mean, and what joins them."""
    start, found, joints = len(words), list[list[Adjective]](), set[str]()
    at = start - 1
    while at >= 0:
        word = words[at].lower()
        if found and word in ("and", "or") and at > 0 and _meanings(words[at - 1], items):
            joints.add(word)
        elif found and word == "not" and start == at + 1:
            found[-1] = [msgspec.structs.replace(one, negated=not one.negated) for one in found[-1]]
            start = at
        elif meanings := _meanings(words[at], items):
            found.append(meanings)
            start = at
        else:
            break
        at -= 1
    return start, found[::-1], frozenset(joints)


def _meanings(word: str, items: Sequence[Member]) -> list[Adjective]:
    """What a word may say of the items."""
    return [one for member in items if not member.whole for one in _of_member(word, member)]


def _of_member(word: str, member: Member) -> Iterator[Adjective]:
    if member.kind == "boolean" and member.named:
        contrary = _NOT.sub("", word)
        if content(word) == member.named:
            yield Adjective(member, "", negated=False)
        elif contrary != word and content(contrary) == member.named:
            yield Adjective(member, "", negated=True)
    for option in member.options:
        if option.casefold() == word.casefold():
            yield Adjective(member, f"== {msgspec.json.encode(option).decode()}", negated=False)
