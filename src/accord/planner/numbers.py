"""Numbers in words, up to a hundred: `twelve`, `twenty-five`, `a dozen`."""

from __future__ import annotations

import re
from typing import Final

_ONES: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS: Final = {word: number for number, word in enumerate(_ONES)}
_ROUND: Final = {word: 10 * number for number, word in enumerate(_TENS, 2)}
_WHOLE: Final = {"hundred": 100, "a hundred": 100, "one hundred": 100, "dozen": 12, "a dozen": 12, "one dozen": 12}

NUMBER_WORDS: Final = (
    rf"(?:{'|'.join(_TENS)})[ -](?:{'|'.join(_ONES[1:10])})(?!\w)"
    rf"|(?:a|one) (?:hundred(?! and\b)|dozen)(?!\w)|(?:{'|'.join(sorted((*_ONES[1:], *_TENS), reverse=True))})(?!\w)"
)
"""A number in words, wherever it stands; the longest one first."""


def number_in_words(text: str) -> int | None:
    """The number that words are; None where they are none."""
    plain = re.sub(r"[\s-]+", " ", text.strip().lower())
    ten, _, one = plain.partition(" ")
    if plain in _WHOLE:
        return _WHOLE[plain]
    if ten in _ROUND and (not one or 0 < _NUMBERS.get(one, 0) < 10):
        return _ROUND[ten] + _NUMBERS.get(one, 0)
    return _NUMBERS.get(plain)
