"""The words of conditions: where an objective has them, their parts, and for which clauses they count.

Read are `if`, `only if`, `only when`, `unless`, `except if`, `in case`, `otherwise`, and what is said of each of
several things after `that`, `which` or `whose`. Parts are joined by `and`, or by `or`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import msgspec

from accord.planner.composition.clauses import clauses
from accord.planner.composition.wording import content
from accord.planner.words import QUOTED

Joined: TypeAlias = Literal["and", "or"]

_CONTRARY: Final = r"unless|(?:except|but not|just not) (?:if|when|in case)"
OPENS: Final = rf"{_CONTRARY}|only if|only when|if|in case"
"""What opens a condition that is read."""

_OPENS = re.compile(rf"\b(?:(?P<contrary>{_CONTRARY})|{OPENS})\b", re.IGNORECASE)
_OTHERWISE = re.compile(r"^\W*(?:and |or |but )?(?:otherwise|else|if not|if it is not|if it's not)\b", re.IGNORECASE)
_WHETHER = re.compile(
    r"\b(?:check|checks|see|test|find out|tell|tells|determine|verify|know|decide|ask|detect|judge)(?:\W+\w+){0,3}\W*$",
    re.IGNORECASE,
)
"""What stands before an `if` that means `whether`."""

IS: Final = r"(?:is|are|was|were|isn't|aren't|wasn't|weren't|has|have|hasn't|haven't|exceeds?|equals?)"
_OF_EACH = re.compile(
    rf"\b(?P<of_which>each|every|all|the|those|these|any)\b(?P<of>[^,;.!?]*?)\b(?:(?:that|which|who)\s+(?P<is>{IS}\b[^,;.!?]*)"
    rf"|whose\s+(?P<whose>[^,;.!?]*\b{IS}\b[^,;.!?]*))",
    re.IGNORECASE,
)
"""`each review that is negative`, `all orders whose amount is over 5`, `those that are late`."""

_FOR_ALL = re.compile(r"\b(?:each|every|all)\b", re.IGNORECASE)
_GOES_ON = re.compile(
    rf"^\W*(?:and|or|but)\s+(?:the|its|it|their|they|there|this|that|an?|no)\b.*\b{IS}\b", re.IGNORECASE
)
"""A clause that goes on with the condition before it, whatever else its words are about."""

_JOINS = re.compile(r"^\W*(?:and|or|but)\b", re.IGNORECASE)
_JOINT = re.compile(r"[\s,]*\b(and|or|but)\b\s+", re.IGNORECASE)
_NOT = re.compile(r"\b(?:not|no|never|cannot)\b|n't\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[.;!?]\s*$")
COMPARED: Final[tuple[tuple[str, str], ...]] = (
    (
        r"at least|no (?:less|fewer) than|not (?:less|fewer) than|not (?:below|under)|or more|>=|\u2265"
        r"|(?:more|greater|higher|larger) than or equal to",
        ">=",
    ),
    (
        r"at most|up to|no more than|not more than|not above|not over|or (?:less|fewer)|<=|\u2264"
        r"|(?:less|lower|smaller|fewer) than or equal to",
        "<=",
    ),
    (r"more than|greater than|higher than|larger than|above|over|exceeds?|>", ">"),
    (r"less than|lower than|smaller than|fewer than|below|under|<", "<"),
    (r"exactly|equal to|equals?|is|are|was|were|==?", "=="),
)
"""What compares a number, the more particular before the less."""

COMPARING: Final = r"(?<!\w)(?:{})(?![A-Za-z_])"
"""One of these as a word of its own, or a sign in front of a number."""


class SaidCondition(msgspec.Struct, frozen=True):
    """A condition: its words, and the clauses for which it counts."""

    text: str
    negated: bool
    """Whether it counts where it is not so: `unless`, `otherwise`."""
    clauses: frozenset[int]
    own: int
    """The last clause in which it stands."""
    of_each: bool = False
    """Whether it is said of each of several things."""
    loose: bool = False
    """Whether it may be about one thing as well, and only describes that: `the page that is behind the link`."""
    after: bool = False
    """Whether it stands behind a comma, after what it counts for: `order the item, unless it is available`."""


def said_conditions(objective: str, asking: frozenset[int]) -> Iterator[SaidCondition]:
    """The conditions that the words have, in order; `otherwise` turns the one before it around. `asking` are the
    clauses that ask for something.
    """
    parts = [part.text for part in clauses(objective)]
    last: SaidCondition | None = None
    for at, text in enumerate(parts):
        if last is not None and _OTHERWISE.match(text):
            of = _sentence(parts, at)
            last = msgspec.structs.replace(last, negated=not last.negated, clauses=of, loose=False)
            yield last
            continue
        opened = _opened(text)
        if opened is not None:
            before, words, negated = opened
            trails = bool(content(_OPENS.sub(" ", before)))
            words, own = _gone_on(words, parts, at, asking)
            of = frozenset({at}) if trails else _sentence(parts, at)
            after = of.isdisjoint(asking)
            last = SaidCondition(words, negated, _before(parts, at) if after else of, own, after=after)
            yield last
        each = _OF_EACH.search(_unquoted(text))
        if each is not None and (opened is None or text.index(opened[1]) > each.start()):
            words, own = _gone_on(each["is"] or each["whose"], parts, at, asking)
            loose = _FOR_ALL.search(f"{each['of_which']} {each['of']}") is None
            of = _sentence(parts, at, of_each=True)
            said = SaidCondition(_only_own(words), False, of, own, of_each=True, loose=loose)
            last = last if last is not None and loose else said
            yield said


def asking(text: str) -> str:
    """What of a clause comes before its condition."""
    opened = _opened(text)
    return text if opened is None else opened[0]


def unconditional(text: str) -> str:
    """A clause up to its condition, if that comes last and something is asked for before it."""
    opened = _opened(text)
    if opened is None or not content(_OPENS.sub(" ", opened[0])):
        return text
    return opened[0].rstrip() + text[len(text.rstrip(" .,;!?")) :]


def parts_of(text: str) -> tuple[list[str], Joined] | None:
    """The parts of a condition and how they are joined; None where that can be read in two ways: `and` beside `or`, or
    a `not` that may be meant for what comes after it, too.
    """
    masked = re.sub(
        r"\bor (?=(?:more|less|fewer|equal to)\b)", "or\0", QUOTED.sub(lambda one: "\1" * len(one[0]), text)
    )
    joints = {"or" if one[1].lower() == "or" else "and" for one in _JOINT.finditer(masked)}
    if len(joints) > 1:
        return None
    found, start = [], 0
    for joint in _JOINT.finditer(masked):
        found.append(text[start : joint.start()])
        start = joint.end()
    found.append(text[start:])
    texts = [one.strip(" .,;!?") for one in found]
    for one, other in pairwise(texts):
        if is_negated(one) and re.search(rf"\b{IS}\b", other, re.IGNORECASE) is None:
            return None
    return texts, "or" if "or" in joints else "and"


def without(text: str, condition: str) -> str:
    """A text without a condition, or without the part of it at the end of this clause."""
    if not condition:
        return text
    if condition in text:
        return text.replace(condition, " ")
    starts = [word.start() for word in re.finditer(r"\S+", text)]
    ends = (at for at in starts[:-1] if text[at:].strip(" .,;!?") in condition)
    return text[: next(ends, len(text))]


def is_negated(words: str) -> bool:
    """Whether a `not` turns the words around, and is no part of `no more than` and the like."""
    for pattern, _ in COMPARED[:2]:
        words = re.sub(COMPARING.format(pattern), " ", words, flags=re.IGNORECASE)
    return _NOT.search(words) is not None


def _opened(text: str) -> tuple[str, str, bool] | None:
    """What stands before a condition in its clause, its words, and whether it counts where it is not so."""
    for found in _OPENS.finditer(_unquoted(text)):
        before, words = text[: found.start()], text[found.end() :].strip(" .,;!?")
        if not _WHETHER.search(before):
            return before, words, found["contrary"] is not None
    return None


def _unquoted(text: str) -> str:
    """The text with blanks for what is in quotation marks."""
    return QUOTED.sub(lambda one: " " * len(one[0]), text)


def _gone_on(words: str, parts: Sequence[str], at: int, asking: frozenset[int]) -> tuple[str, int]:
    """A condition with the clauses after it that go on with it, and the last one of them."""
    for own in range(at + 1, len(parts)):
        text = parts[own]
        ended = _SENTENCE.search(parts[own - 1]) or not _JOINS.match(text) or _OTHERWISE.match(text)
        if ended or _opened(text) is not None or (own in asking and not _GOES_ON.match(text)):
            return words, own - 1
        words = f"{words} {text.strip(' .,;!?')}"
    return words, len(parts) - 1


def _before(parts: Sequence[str], end: int) -> frozenset[int]:
    """The clauses of a sentence before this one, back to the one before with a condition."""
    found = frozenset[int]()
    for at in range(end - 1, -1, -1):
        if _SENTENCE.search(parts[at]) or _opened(parts[at]) is not None or _OTHERWISE.match(parts[at]):
            break
        found |= {at}
    return found


def unopened(text: str) -> str:
    """The text with blanks for the words that open conditions."""
    for found in _OPENS.finditer(_unquoted(text)):
        text = text[: found.start()] + " " * len(found[0]) + text[found.end() :]
    return text


def _only_own(words: str) -> str:
    """What is said of each thing, without an `if` that comes after it."""
    found = _OPENS.search(_unquoted(words))
    return words[: found.start()].strip() if found is not None else words.strip()


def _sentence(parts: Sequence[str], start: int, *, of_each: bool = False) -> frozenset[int]:
    """The clauses from this one to the end of its sentence, or up to the next condition; what is said of each thing
    ends what was said of each thing before.
    """
    found = {start}
    for at in range(start, len(parts)):
        other = of_each and _OF_EACH.search(_unquoted(parts[at])) is not None
        if at > start and (other or _OTHERWISE.match(parts[at]) or _opened(parts[at]) is not None):
            break
        found.add(at)
        if _SENTENCE.search(parts[at]):
            break
    return frozenset(found)
