"""Participles: the forms of verbs that say what has been done, `blocked`, `sent`, and the verbs that they are of."""

from __future__ import annotations

from typing import Final

_IRREGULAR: Final = {
    word: base
    for base, words in {
        "begin": "began begun",
        "bring": "brought",
        "build": "built",
        "buy": "bought",
        "catch": "caught",
        "choose": "chose chosen",
        "cut": "cut",
        "do": "did done",
        "draw": "drew drawn",
        "drive": "drove driven",
        "find": "found",
        "freeze": "froze frozen",
        "get": "got gotten",
        "give": "gave given",
        "hide": "hid hidden",
        "hold": "held",
        "keep": "kept",
        "lay": "laid",
        "lead": "led",
        "leave": "left",
        "lend": "lent",
        "let": "let",
        "lose": "lost",
        "make": "made",
        "meet": "met",
        "pay": "paid",
        "put": "put",
        "read": "read",
        "rebuild": "rebuilt",
        "run": "ran run",
        "sell": "sold",
        "send": "sent",
        "set": "set",
        "show": "shown",
        "shut": "shut",
        "speak": "spoke spoken",
        "spend": "spent",
        "split": "split",
        "steal": "stole stolen",
        "take": "took taken",
        "teach": "taught",
        "tell": "told",
        "throw": "threw thrown",
        "undo": "undid undone",
        "withdraw": "withdrew withdrawn",
        "write": "wrote written",
    }.items()
    for word in words.split()
}
_NO_PARTICIPLES: Final = frozenset(
    {"bed", "embed", "exceed", "feed", "need", "proceed", "red", "seed", "shed", "speed"}
)


def base_of(word: str) -> str:
    """The verb that an irregular form is of; the word itself where it is none."""
    return _IRREGULAR.get(word.lower(), word)


def is_participle(word: str) -> bool:
    """Whether it says what has been done, or was done: `blocked`, `sent`."""
    plain = word.lower()
    return plain in _IRREGULAR or (plain.endswith("ed") and len(plain) > 3 and plain not in _NO_PARTICIPLES)
