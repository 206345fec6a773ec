"""Privacy: what of words is a name, a number or a quotation of a single case, and is neither learnt nor kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec

from accord.planner.asides import NEGATIONS, UNDOES
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.weights import rarity
from accord.planner.composition.wording import stems
from accord.planner.words import FILLERS, PREPOSITIONS, stem

UNKNOWN: Final = "value"
"""What the slot is called in place of what goes into no known part of an input."""

_TOKEN: Final = re.compile(r"\{[^{}]*\}|\"[^\"]*\"|\u201c[^\u201d]*\u201d|[^\s,;:!?()\"\u201c\u201d]+")
_ENDS: Final = re.compile(r"(?:['\u2019]s)?[.'\u2019]*$")
_SENTENCE: Final = re.compile(r"[.!?:]\s+$")

_BEGIN: Final = frozenset(
    (
        *map(stem, (*FILLERS, *PREPOSITIONS, *NEGATIONS, *UNDOES)),
        *stems("what when who whom whose which where why how is are was were am be been do does did has have had"),
        *stems("should shall may might must hopefully maybe perhaps then also there here it he she they that this"),
        *stems("these those no yes give get let ask write if unless once after before first next all every each"),
    )
)
"""Words that sentences begin with, and that name nobody."""


class _Piece(msgspec.Struct, frozen=True):
    start: int
    end: int
    is_value: bool


def without_values(phrase: str, own: Collection[str], left: Sequence[str]) -> str:
    """A phrase with a slot for each name, number and quotation, but for the words whose stems are the template's `own`.
    The one part of the input that is `left` gives its name to the only one.
    """
    runs = list(_runs(phrase, own))
    name = left[0] if len(left) == len(runs) == 1 else UNKNOWN
    for start, end in reversed(runs):
        phrase = f"{phrase[:start]}{{{name}}}{phrase[end:]}"
    return phrase


def _runs(phrase: str, own: Collection[str]) -> Iterator[tuple[int, int]]:
    """Where values stand; those with nothing but blanks between them are one."""
    found: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(phrase):
        piece = _piece(phrase, token, own)
        if piece.is_value and found and not phrase[found[-1][1] : piece.start].strip():
            found[-1] = (found[-1][0], piece.end)
        elif piece.is_value:
            found.append((piece.start, piece.end))
    yield from found


def _piece(phrase: str, token: re.Match[str], own: Collection[str]) -> _Piece:
    text = token[0] if token[0][0] in '"\u201c{' else _ENDS.sub("", token[0])
    begins = not phrase[: token.start()].strip() or _SENTENCE.search(phrase[: token.start()]) is not None
    return _Piece(token.start(), token.start() + len(text), _is_value(text, begins, own))


def _is_value(text: str, begins: bool, own: Collection[str]) -> bool:
    if not text or text[0] == "{":
        return False
    if text[0] in '"\u201c' or any(letter.isdigit() or letter == "@" for letter in text):
        return True
    word = stem(text.casefold())
    if not text[0].isupper() or text == "I" or word in own:
        return False
    return not begins or not (word in _BEGIN or word in rarity() or stand_ins(word))
