"""Moods: whether words wish that something is done, ask whether it is so, or tell that it is.

`is member M9 blocked?` and `member M9 was blocked` have every word of `block member M9`, and ask for nothing that
changes anything. Where the verb stands tells them apart: an auxiliary before its subject asks, as a word like `who` at
the beginning does; a form of `be` or `have` behind the subject tells, if what has been done comes after it. Polite
wishes are said as questions, to somebody who is to do it: `can you block member M9?`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from accord.planner.participles import is_participle

Mood: TypeAlias = Literal["wish", "question", "statement", "description"]
"""A statement tells what has been done, a description what something is like."""

_LEADS = re.compile(
    r"^\W*(?:(?:and|but|or|so|then|also|please|kindly|now|just|well|ok(?:ay)?|hey|hi|hello|first|next)\b[\s,:]*)*",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"(?:can|could|will|would|(?:ca|could|wo)n['\u2019]t) (?:you|some(?:body|one)|any(?:body|one))\b"
    r"|(?:can|could) (?:we|I)\b"
    r"|(?:is|would) (?:it|that|this)(?: be)? (?:possible|ok(?:ay)?|alright|fine) (?:to|for|if)\b"
    r"|(?:is there|do you have) (?:a|any) (?:way|chance|possibility)\b"
    r"|(?:are you|is any(?:body|one)|is some(?:body|one)) able\b|(?:do|would) you mind\b|(?:may|might) (?:I|we)\b"
    r"|(?:make|be) sure\b|ensure\b|see (?:to it )?that\b|(?:what|how) about\b|why (?:not|don['\u2019]t (?:you|we))\b",
    re.IGNORECASE,
)
"""What asks somebody to do something."""

_TO_KNOW = re.compile(
    r"\b(?:(?:tell|show) (?:me|us)|let (?:me|us) know|knows?|say|see|wonder(?:ing)?|find out|check|verify"
    r"|confirm)"
    r"\s+(?:if|whether|who|whose|when|where|why|how|what|which)\b",
    re.IGNORECASE,
)
"""A question inside of a wish."""

_ASKS = re.compile(
    r"(?:is|are|am|was|were|does|did|has|had|(?:is|are|was|were|does|did|has|have|had)n['\u2019]t)\b"
    r"|do (?:I|you|we|they|people|these|those|any\w*|all|both)\b"
    r"|have (?:I|you|we|they|any(?:body|one))\b|have\b[^.;!?]*\bbeen\b"
    r"|(?:can|could|will|would|should|shall|must|may|might|ought)\b"
    r"|(?:who|whom|whose|what|which|why|how)\b"
    r"|(?:when|where) (?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|shall|must|may|might)\b",
    re.IGNORECASE,
)
"""What begins a question."""

_BINDS = re.compile(
    r"\b(?:that|which|who|whom|whose|if|unless|when|while|because|since|as|where|whether|what|how|to)\b", re.IGNORECASE
)
"""What leads in a part of a sentence that says what something is like, or what somebody wants."""

_LEADS_IN = re.compile(
    r"(?:after|before|once|until|till|as soon as|as long as|if|unless"
    r"|when(?! (?:is|are|was|were|do|does|did|has|have|had)\b)|while|because|since|otherwise)\b",
    re.IGNORECASE,
)
"""What begins a clause that says when something else is done, or why."""

_FINITE = re.compile(
    r"(?:\b(?:is|are|am|was|were|has|have|had)"
    r"|(?:(?<=\bit)|(?<=\bhe)|(?<=\bshe)|(?<=there)|(?<=\bI)|(?<=\bwe)|(?<=\byou)|(?<=they))['\u2019](?:s|re|ve|m))\b"
    r"(?! to\b)(?P<after>(?:\s+[\w'\u2019-]+){1,4})",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"(?:I|we|you|he|she|it|they|some(?:body|one)|no(?:body| one)|every(?:body|one))\s+(?:already\s+|just\s+|never\s+"
    r"|\w+ly\s+)?(?P<did>[\w-]+)",
    re.IGNORECASE,
)
_WANTED: Final = frozenset(
    {*("needed", "required", "wanted", "requested", "wished", "liked", "supposed", "expected", "desired", "meant")}
)
"""What is said of what is to be done yet."""

_SENTENCE = re.compile(r"[.;!?]\s*$")
_GOES_ON = re.compile(r"^\W*(?:and|or)\b(?!\s+(?:then|if|so|please)\b)", re.IGNORECASE)


def mood_of(text: str, is_verb: Callable[[str], bool]) -> Mood:
    """The mood of a clause, in which what is in quotation marks is left out; `is_verb` says of its first word whether
    it asks for something.
    """
    bare = text[_LEADS.match(text).end() :]  # type: ignore[union-attr]  # it matches nothing, too
    if _TO_KNOW.search(bare):
        return "question"
    if _POLITE.match(bare) or is_subordinate(bare):
        return "wish"
    if _ASKS.match(bare):
        return "question"
    first = re.match(r"[\w'\u2019-]+", bare)
    if first is not None and is_verb(first[0]) and not is_participle(first[0]):
        return "wish"
    return _told(bare)


def is_subordinate(text: str) -> bool:
    """Whether a clause says when something else is done, or why."""
    return _LEADS_IN.match(text, _LEADS.match(text).end()) is not None  # type: ignore[union-attr]  # as above


def goes_on(text: str, before: str) -> bool:
    """Whether a clause belongs to the sentence of the one before it, and says more of the same."""
    return _SENTENCE.search(before) is None and _GOES_ON.match(text) is not None


def _told(text: str) -> Mood:
    """Whether it says that something has been done, or is so."""
    person = _PERSON.match(text)
    if person is not None and _is_done(person["did"]):
        return "statement"
    bound = _BINDS.search(text)  # the first word is no predicate: `have it blocked`
    finite = _FINITE.search(text, 1, bound.start() if bound is not None else len(text))
    if finite is None or not _WANTED.isdisjoint(finite["after"].lower().split()):
        return "wish"
    return "statement" if any(map(_is_done, finite["after"].split())) else "description"


def _is_done(word: str) -> bool:
    return is_participle(word) and word.lower() not in _WANTED
