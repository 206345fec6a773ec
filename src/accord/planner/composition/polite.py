"""Polite words, and reasons: what is said beside what is to be done, and changes nothing of it."""

from __future__ import annotations

import re

from accord.planner.words import QUOTED

_POLITE = re.compile(
    r"\b(?:thanks?(?:\s+(?:you|a\s+lot|very\s+much|so\s+much))?|cheers|regards|greetings|sorry|dear(?:\s+\w+)?|kind(?:ly|est)?"
    r"|good\s+(?:day|morning|evening|afternoon)|in\s+advance|right\s+away|at\s+once|immediately|asap"
    r"|as\s+(?:soon|quickly)\s+as\s+possible|ok(?:ay)?|hope\s+you(?:['\u2019]re|\s+are)\s+\w+|hi\s+there|hello\s+there"
    r"|(?:do\s+not|don['\u2019]?t|not)\s+(?:forget|hesitate|fail)(?:\s+to)?|never\s+mind|no\s+(?:problem|matter|doubt)"
    r"|for\s+(?:me|us))\b",
    re.IGNORECASE,
)
_BECAUSE = re.compile(r"^\W*(?:because|so\s+that|(?:since|as)\s+(?:I|we|you|they|he|she|it))\b", re.IGNORECASE)
_REASON = re.compile(
    r"\bbecause\b(?:(?!\b(?:and|but|or|if|unless|until|except|instead|then|only)\b)[^,;.!?])*", re.IGNORECASE
)
"""A reason within a clause; `since` and `so that` may as well say when, and what it is to be like."""


def without_courtesies(text: str) -> str:
    """The text with blanks for what is only polite, and for reasons; what is in quotation marks is data."""
    blank = QUOTED.sub(lambda one: "\0" * len(one[0]), text)
    for found in (*_POLITE.finditer(blank), *_REASON.finditer(blank)):
        text = text[: found.start()] + " " * len(found[0]) + text[found.end() :]
    return text


def is_reason(text: str) -> bool:
    """Whether it says why something is to be done."""
    return _BECAUSE.match(text) is not None
