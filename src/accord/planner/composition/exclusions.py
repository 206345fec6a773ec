"""What is said and is no plan: all but a value, one act or another one, a condition that counts in any case.

A plan does all that it has. So what is excepted, and which of two acts is meant, is refused and named, where no filter
or condition of the graph is read from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from accord.planner.composition.account import Account
from accord.planner.composition.condition_words import without
from accord.planner.composition.rivals import row_of
from accord.planner.words import QUOTED

_EXCEPTED = re.compile(
    r"\b(?:all|each|every\w*|any\w*|some\w*|no\w*)\b(?:\s+[\w'\u2019-]+){0,4}?\s+(?:but|save|bar)\b"
    r"(?!\s+(?:not|only|no)\b)"
    r"|\b(?:other than|different from|apart from|aside from|with the exception of|save for|all save|all bar)\b"
    r"|\b(?:except|excepting|excluding|minus)\b(?!\s+(?:if|when|in case)\b)",
    re.IGNORECASE,
)
"""What stands before what is excepted."""

_OR = re.compile(
    r"\band/or\b|\beither\b|\bor\b(?!\s+(?:more|less|fewer|later|earlier|else|so|not|otherwise|equal)\b)", re.IGNORECASE
)
_WHETHER = re.compile(r"\bwhether\b[^,;.!?]*\bor\b", re.IGNORECASE)
_EVEN = re.compile(
    r"\beven\s+(?:if|when|where|though|unless)\b|\b(?:regardless|irrespective)\b|\bno\s+matter\s+(?:if|whether|when)\b",
    re.IGNORECASE,
)


def excepted(account: Account) -> str | None:
    """What excepts something from what is done."""
    found = _EXCEPTED.search(_rest(account))
    return found[0] if found is not None else None


def alternative(account: Account) -> str | None:
    """What says that one of several is meant, where it is no value of a list, and no row of which it is asked which."""
    found = _OR.search(_WHETHER.sub(" ", _without_values(account)))
    return found[0] if found is not None else None


def in_any_case(account: Account) -> str | None:
    """What says that a condition changes nothing: `even if it is late`."""
    found = _EVEN.search(QUOTED.sub('""', account.found.reading.objective))
    return found[0] if found is not None else None


def _rest(account: Account) -> str:
    """The objective without the words that conditions are read from, and without what is in quotation marks."""
    text = account.found.reading.objective
    for guard in account.said.guards:
        text = without(text, guard.condition) if guard.condition in text else text
    return QUOTED.sub('""', text)


def _without_values(account: Account) -> str:
    """The rest without values, and without rows of them."""
    text = account.found.reading.objective
    for taken in _taken(account):
        text = text.replace(taken, " ")
    for guard in account.said.guards:
        text = text.replace(guard.condition, " ")
    for unclear in account.said.unclear:
        text = text.replace(unclear, " ")
    return QUOTED.sub('""', text)


def _taken(account: Account) -> Iterator[str]:
    reading = account.found.reading
    called = {word for one in reading.abilities for member in one.inputs for word in member.named}
    for value in account.slots.values():
        row = row_of(reading.objective, value, called)
        yield row.text if row is not None else value
