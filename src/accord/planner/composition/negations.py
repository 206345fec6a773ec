"""Negations: what is asked for only by words that say that it is not to be done."""

from __future__ import annotations

import re
from collections.abc import Iterator

from accord.planner.composition.clauses import clauses
from accord.planner.composition.composer import Composition
from accord.planner.composition.conditions import Conditions
from accord.planner.composition.wording import content
from accord.planner.words import QUOTED

_DO_NOT = r"(?:do not|don['\u2019]?t)"
_NOT_DONE = re.compile(
    rf"(?:^|\b(?:and|but|or|so|then|please|also)\s+)(?:{_DO_NOT}(?!\s+(?:forget|hesitate|fail)\b)|never|not to"
    r"|not(?=\s+(?:the|an?|any|this|that|these|those)\b))\b"
    rf"|\b(?:must|should|shall|may) not\b|\b{_DO_NOT} want\b|\bwithout\b|\binstead of\b|\brather than\b",
    re.IGNORECASE,
)
"""What stands before words that say what is not to be done."""

_NONE_OF = re.compile(
    r"^\W*(?:(?:and|but|or|so|then|please|also)\s+)*(?!there\b|it\b|this\b|that\b)(?:\w+\s+){0,2}?"
    r"no\s+(?!more\b|less\b|fewer\b|later\b|sooner\b|earlier\b|longer\b|matter\b|doubt\b|problem\b)",
    re.IGNORECASE,
)
"""`send no alarm`, `give him no answer`."""

_NEVER_ENDS = re.compile(rf"\b(?:never(?: ever)?|(?:must|should|shall|may|do) not|{_DO_NOT})\W*$", re.IGNORECASE)
"""What is said before a comma of what comes after it: `never, under any circumstances, ...`."""


def unwanted(found: Composition, said: Conditions) -> Iterator[int]:
    """The abilities that only such words speak of; a condition may say `not`."""
    for index, one in enumerate(found.chosen):
        text = QUOTED.sub(" ", _with_never(found, one.clause))
        for condition in (*(guard.said for guard in said.guards), *said.unclear):
            text = text.replace(condition, " ")
        negated = _NOT_DONE.search(text) or _NONE_OF.search(text)
        if negated is not None and not one.ability.described.isdisjoint(content(text[negated.end() :])):
            yield index


def _with_never(found: Composition, clause: int) -> str:
    """The words of a clause, after a `never` that a comma parts from it, if nothing between is asked for."""
    parts, asked = [part.text for part in clauses(found.reading.objective)], {one.clause for one in found.chosen}
    if not parts:
        return found.reading.objective
    for at in range(clause - 1, -1, -1):
        if at in asked or parts[at].rstrip().endswith((".", ";", "!", "?")):
            break
        never = _NEVER_ENDS.search(parts[at])
        if never is not None:
            return f"{never[0].strip(' ,')} {parts[clause]}"
    return parts[clause]
