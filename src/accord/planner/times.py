"""Times at the end of words: `by Friday`, `next week`, `in 5 minutes`, `every day`. They say when, and are no value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from accord.planner.words import Word

_DAYS: Final = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_MONTHS: Final = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
    r"(?: \d{1,2}(?:st|nd|rd|th)?)?(?: \d{4})?"
)
_UNIT: Final = (
    r"(?:seconds?|secs?|minutes?|mins?|hours?|days?|weekdays?|weeks?|weekends?|months?|quarters?|years?"
    r"|mornings?|afternoons?|evenings?|nights?)"
)
_MANY: Final = r"(?:\d+|an?|the|one|two|three|four|five|six|seven|eight|nine|ten|twelve|few|a few|some|several)"
_EVENT: Final = r"(?:noon|midday|midnight|breakfast|lunch|dinner|eod|eow)"
_CLOCK: Final = r"\d{1,2}(?::\d\d)?(?: ?(?:am|pm|a\.m|p\.m|o'clock))?"
_DATE: Final = rf"(?:\d{{4}}-\d\d-\d\d|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTHS}|{_MONTHS})"
_AT: Final = r"(?:by|before|after|until|till|from|on|since|at|around|in)"
_TIME: Final = re.compile(
    r"(?:today|tomorrow|tonight|asap)(?: (?:morning|afternoon|evening|night))?"
    rf"|{_AT} (?:the )?(?:today|tomorrow|tonight|{_UNIT}|{_EVENT}|{_DAYS}(?: {_UNIT})?|{_DATE}|(?:end of .+))"
    rf"|{_AT} (?:next|this|every|each|last|coming) (?:{_UNIT}|{_DAYS}|{_MONTHS})"
    rf"|(?:next|this|every|each|coming) (?:other )?(?:\d+ )?(?:{_UNIT}|{_DAYS}|{_MONTHS}|time)"
    rf"|(?:in|within|after|for|every) {_MANY} (?:more )?{_UNIT}"
    rf"|{_MANY} {_UNIT} (?:later|from now)|{_DAYS}"
    rf"|(?:at|by|before|after|until|till|around) {_CLOCK}|\d{{1,2}}(?::\d\d)? ?(?:am|pm|o'clock)"
    r"|(?:before|after) (?:the |an? |my |our )?[^ ]+"
)
_LONGEST: Final = 7
"""Words of a time at most."""


def time_in(words: Sequence[Word]) -> int | None:
    """Where a time begins with which the words end; None where they end with none."""
    for at in range(max(0, len(words) - _LONGEST), len(words)):
        if not any(word.quoted for word in words[at:]):
            text = " ".join(word.plain for word in words[at:] if not word.is_comma)
            if _TIME.fullmatch(text) and not words[at].is_comma:
                return at
    return None
