"""Asides: words that no slot of a phrase may take, because they say something else: what is not meant, another act, or
when something is to be done. In quotation marks they are data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from accord.errors import Place, Problem
from accord.planner.words import ARTICLES, FILLERS, PREPOSITIONS, Word, text_between

Kind: TypeAlias = Literal["contrary", "condition", "act", "other", "more"]

NEGATIONS: Final = frozenset({"not", "don't", "dont", "never", "without", "stop", "no", "cannot", "can't"})
UNDOES: Final = frozenset({"cancel", "delete", "remove", "undo", "revoke", "close", "drop", "clear", "forget", "abort"})
"""What undoes most of what else can be asked for."""

_CONTRARY: Final = (NEGATIONS - {"stop", "no"}) | {
    *("except", "excluding", "besides", "unlike", "instead", "rather", "only", "solely", "exclusively"),
}
_TIMES: Final = frozenset(
    {
        *("today", "tomorrow", "tonight", "soon", "later", "daily", "hourly", "weekly", "monthly", "yearly", "nightly"),
        *("once", "twice", "again", "repeatedly"),
    }
)
_CONDITIONS: Final = frozenset({"if", "unless", "until", "till", "whenever", "otherwise"})
_SEQUENCE: Final = frozenset({"then", "afterwards", "afterward", "thereafter"})
_JOINS: Final = frozenset({"and", "but", "also", "&", "+", "plus"}) | _SEQUENCE
_OBJECTS: Final = frozenset({"it", "them", "him", "her", "this", "that", "these", "those", "everything", "me", "us"})
_VERBS: Final = frozenset(
    {
        *("send", "mail", "email", "delete", "remove", "cancel", "notify", "tell", "inform", "report", "print", "save"),
        *("store", "upload", "download", "publish", "post", "fetch", "get", "find", "search", "check", "verify"),
        *("review", "audit", "compare", "analyze", "analyse", "summarize", "summarise", "translate", "write", "create"),
        *(
            "make",
            "build",
            "run",
            "start",
            "stop",
            "book",
            "order",
            "buy",
            "pay",
            "call",
            "ask",
            "show",
            "give",
            "move",
        ),
        *("copy", "rename", "update", "fix", "deploy", "test"),
    }
)
"""What people ask for every day; what is known here is asked for, too."""

_SAYS: Final[dict[Kind, str]] = {
    "contrary": "what is not meant",
    "condition": "when it is meant",
    "act": "something else to do",
    "other": "another thing",
    "more": "more than that",
}


class Aside(msgspec.Struct, frozen=True):
    """Words that say something else."""

    words: tuple[Word, ...]
    kind: Kind

    @property
    def says(self) -> str:
        """What it says, in words."""
        return _SAYS[self.kind]


def not_taken(name: str, objective: str, aside: Aside) -> Problem:
    """That a part of an input does not take these words."""
    words = text_between(objective, aside.words)
    hint = f"say it without `{words}`; in quotation marks it is a part of `{name}`"
    return Problem(
        "ACC809", f"`{name}` does not take `{words}`, which says {aside.says}", Place(pointer=f"/{name}"), hint
    )


def aside_in(words: Sequence[Word], verbs: Collection[str] = ()) -> Aside | None:
    """What of the words of a slot says something else, up to their end; `verbs` are the stems of what can be done. A
    word alone is what fills the slot.
    """
    if len(words) > 1:
        for at, kind in _asides(words, verbs):
            return Aside(tuple(words[at:]), kind)
    return None


def _asides(words: Sequence[Word], verbs: Collection[str]) -> Iterator[tuple[int, Kind]]:
    for at, word in enumerate(words):
        if word.quoted:
            continue
        alone = _is_border(words, at - 1) and _is_border(words, at + 1)
        if word.plain in _CONTRARY and not alone:
            yield at, "contrary"
        elif (word.plain in _TIMES and at + 1 == len(words) and _is_short(words[:at])) or word.plain in _CONDITIONS:
            yield at, "condition"
        elif (word.is_comma or word.plain in _JOINS) and _acts(words[at:], verbs):
            yield at, "act"


def _is_border(words: Sequence[Word], at: int) -> bool:
    """Whether nothing that is said stands there: what is between two such places is a value alone."""
    is_outside = not 0 <= at < len(words)
    return is_outside or words[at].is_comma or (not words[at].quoted and words[at].plain in _JOINS | {"or"})


def _is_short(words: Sequence[Word]) -> bool:
    """Whether only a name stands before a time: it says when, as it does not in a sentence that is a value."""
    return bool(words) and (len(words) == 1 or words[-2].is_comma or words[-2].plain in _JOINS | {"or", *ARTICLES})


def _acts(words: Sequence[Word], verbs: Collection[str]) -> bool:
    """Whether words, from one that joins on, begin another act: a verb, and what it is done to. After no more than a
    comma the verb has to be a known one.
    """
    joins: set[str] = set()
    while words and not words[0].quoted and (words[0].is_comma or words[0].plain in _JOINS | FILLERS - ARTICLES):
        joins.add(words[0].plain)
        words = words[1:]
    if not words or words[0].quoted:
        return False
    if len(words) > 1 and not words[1].quoted and words[1].plain in _OBJECTS and not joins.isdisjoint(_JOINS):
        return True
    is_verb = words[0].plain in _VERBS or words[0].stem in verbs
    has_object = len(words) > 1 and not words[1].is_comma and words[1].plain not in PREPOSITIONS
    return is_verb and (has_object or not joins.isdisjoint(_SEQUENCE))
