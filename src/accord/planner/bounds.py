"""Bounds: where the words of a slot have to end. What the slot is called, and its schema, say what it may hold: one
word (an id), a name, a text, or a few words. What goes on behind that is said of something else, and no value.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from accord.domain.schema import JsonSchema
from accord.domain.schema_path import types_of
from accord.planner.asides import Aside, Kind, aside_in
from accord.planner.slots import Unusable
from accord.planner.times import time_in
from accord.planner.words import PREPOSITIONS, Word, text_between

Holds: TypeAlias = Literal["token", "name", "text", "words", "other"]
"""What a slot may hold; `words` where nothing tells, `other` where it is no text."""

_TOKENS: Final = frozenset(
    {
        *("id", "number", "no", "nr", "code", "key", "ref", "reference", "identifier", "sku", "uuid", "slug", "iban"),
        *("isbn", "email", "mail", "url", "uri", "link", "phone"),
    }
)
NAMING: Final = _TOKENS | {"name", "named", "called"}
"""What only says that a name or a code follows."""

_NAMES: Final = frozenset(
    {
        *("name", "customer", "recipient", "person", "user", "client", "owner", "author", "employee", "contact"),
        *("addressee", "receiver", "supplier", "vendor", "company", "manager", "patient", "guest", "member", "payer"),
        *("payee", "buyer", "seller", "colleague", "friend", "city", "country"),
    }
)
_TEXTS: Final = frozenset(
    {
        *("text", "message", "body", "purpose", "question", "reason", "description", "subject", "note", "notes"),
        *("comment", "content", "contents", "query", "prompt", "topic", "title", "words", "task", "goal", "objective"),
        *("summary", "feedback", "answer", "instruction", "instructions", "request", "cause"),
    }
)
_WHENS: Final = frozenset(
    {
        *("day", "date", "time", "when", "month", "week", "year", "hour", "deadline", "due", "until", "start", "end"),
        *("period", "schedule", "duration", "at", "interval"),
    }
)
_TOLD: Final = re.compile(r"\b(?:id|identifier|uuid|sku)\b", re.IGNORECASE)
_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
JOINS: Final = frozenset({"and", "or", "&", "+", "plus", "nor", "vs", "versus"})
EVERY: Final = frozenset({"every", "each", "all", "any", "both", "some", "no", "most", "several"})
_ONE_BY_ONE: Final = frozenset({"every", "each"})
_NOBODY: Final = frozenset(
    {
        *("nobody", "everybody", "anybody", "somebody", "everyone", "anyone", "someone", "noone", "none", "whoever"),
    }
)
_NOTHING: Final = _NOBODY | {
    *("him", "her", "me", "us", "you", "myself", "he", "she", "they", "we", "who", "which", "one", "ones", "today"),
    *("tomorrow", "tonight", "it", "them", "this", "that", "these", "those"),
}
"""Words that name nobody and nothing."""

_WHICH: Final = frozenset({"which", "who", "whose", "whom"})
_WHEN: Final = frozenset({"when", "once", "while", "whenever"})
PARTICLES: Final = frozenset(
    {"of", "the", "de", "da", "di", "del", "der", "den", "van", "von", "la", "le", "bin", "al"}
)
_SHORT: Final = frozenset(
    {"dr", "mr", "mrs", "ms", "st", "prof", "inc", "ltd", "co", "corp", "jr", "sr", "no", "vs", "etc", "e.g", "i.e"}
)
"""Words that are written with a full stop."""

_TITLES: Final = frozenset({"doctor", "professor", "nurse", "sir", "madam", "sister", "brother", "uncle", "aunt"})
"""What stands before a name and belongs to it."""

_KINDS: Final[tuple[tuple[Holds, frozenset[str]], ...]] = (("token", _TOKENS), ("name", _NAMES), ("text", _TEXTS))
TIMES: Final = ("date", "date-time", "time", "duration")
"""Formats of times."""

_WRITTEN: Final = (*TIMES, "path", "file-path", "directory-path")
"""Formats that say by themselves what is read."""


class Part(msgspec.Struct, frozen=True):
    """A part of a template's input, which the words of a slot are read for."""

    name: str
    schema: JsonSchema
    heads: frozenset[str] = frozenset()
    """The stems of the nouns that phrases have before its slot: `car` in `the car {plate}`."""

    @property
    def is_called(self) -> bool:
        """Whether it is what a thing is called."""
        return bool(self.heads)

    @property
    def parts(self) -> tuple[str, ...]:
        """The words of its name."""
        return tuple(part.lower() for part in _PART.findall(self.name))

    @property
    def holds(self) -> Holds:
        """What it may hold."""
        told = self._member("format")
        if not types_of(self.schema) & {"string"} or self._member("enum") is not None or told in _WRITTEN:
            return "other"
        if told in ("email", "uri", "uuid"):
            return "token"
        for holds, names in _KINDS:
            if not names.isdisjoint(self.parts[-1:]):
                return holds
        if _TOLD.search(str(self._member("description") or "")):
            return "token"
        return "words" if self._member("pattern") is None else "other"

    @property
    def says_when(self) -> bool:
        """Whether a time is what it is for."""
        return self._member("format") in TIMES or not _WHENS.isdisjoint(self.parts)

    def _member(self, name: str) -> Any:
        return self.schema.get(name) if isinstance(self.schema, dict) else None


def beside_in(part: Part, words: Sequence[Word], objective: str, verbs: Collection[str] = ()) -> Aside | None:
    """What of the words of a slot says something else, up to their end."""
    if len(words) < 2:
        return None
    found = (aside_in(words, verbs), *_beside(part, words, objective))
    return max((one for one in found if one is not None), key=lambda one: len(one.words), default=None)


def _beside(part: Part, words: Sequence[Word], objective: str) -> Iterator[Aside]:
    time = None if part.says_when else time_in(words)
    if time is not None:
        yield Aside(tuple(words[time:]), "condition")
    for at, word in enumerate(words):
        kind = None if word.quoted else _says(part, words, at)
        if kind is not None:
            yield Aside(tuple(words[at:]), kind)
        if at and _ends(words[at - 1], word, objective):
            yield Aside(tuple(words[at:]), "act")


def _says(part: Part, words: Sequence[Word], at: int) -> Kind | None:
    """What else begins with a word: an exception, a condition, or what tells which is meant."""
    plain, following = words[at].plain, words[at + 1].plain if at + 1 < len(words) else ""
    is_call = part.holds in ("token", "name")
    if (plain in EVERY | _NOTHING and following == "but") or (plain == "but" and is_call):
        return "contrary"
    tells_which = plain in _WHICH and part.holds in ("token", "name", "words")
    return "condition" if following and (tells_which or (plain in _WHEN and at)) else None


def _ends(word: Word, following: Word, objective: str) -> bool:
    """Whether a sentence ends between two words."""
    between = objective[word.end : following.start]
    if re.search(r"[!?]['\")\]]*\s", between):
        return True
    is_short = word.plain in _SHORT or (len(word.text) == 1 and word.text.isalpha())
    return bool(re.search(r"\.['\")\]]*\s", between)) and not is_short


def check(part: Part, words: Sequence[Word], objective: str) -> None:
    """See that the words are no more than the slot holds.

    Raises:
        Unusable: they are; the message says why.
    """
    bare = _trimmed(words)
    if part.holds in ("other", "text") or not bare or (len(bare) == 1 and bare[0].quoted):
        return
    said = text_between(objective, bare)
    plain = [word.plain for word in bare if not word.quoted]
    if any(word.is_comma for word in bare) or not JOINS.isdisjoint(plain[1:]):
        raise Unusable(f"`{said}` may be more than one; what belongs together is put into quotation marks")
    many, nothing = (_ONE_BY_ONE, _NOBODY) if part.holds == "words" and not part.is_called else (EVERY, _NOTHING)
    if part.holds == "words" and part.says_when:
        return
    if bare[0].plain in many or (len(bare) == 1 and bare[0].plain in nothing) or plain[:2] == ["no", "one"]:
        raise Unusable(f"`{said}` does not say which")
    if part.holds == "token" and len(bare) > 1:
        raise Unusable(f"`{said}` is more than one word; what belongs together is put into quotation marks")
    if part.holds == "name" and _is_no_name(bare):
        raise Unusable(f"`{said}` is more than a name; what belongs together is put into quotation marks")


def _trimmed(words: Sequence[Word]) -> list[Word]:
    """Without commas at the end, and an article in front."""
    kept = list(words)
    while kept and kept[-1].is_comma:
        kept.pop()
    return kept[1:] if len(kept) > 1 and not kept[0].quoted and kept[0].plain in ("a", "an", "the") else kept


def _is_no_name(words: Sequence[Word]) -> bool:
    """Whether words lead on from a name, or to one: `Ada in Rome`, `Ann hello`, `let Ann`."""
    if any(word.quoted for word in words):
        return True
    rest = [word for word in words[1:] if word.plain not in PARTICLES]
    is_written_small = words[0].text[0].islower()
    leads_to_name = is_written_small and any(word.text[0].isupper() for word in rest)
    if leads_to_name and words[0].plain.rstrip(".") not in PARTICLES | _SHORT | _TITLES:
        return True
    return any(word.plain in PREPOSITIONS or (word.text[0].islower() and not is_written_small) for word in rest)


_LEADS_ON: Final = JOINS | _WHICH | {"of", "from", "in", "at", "with", "for", "but"}


def is_clear(first: Part, words: Sequence[Word], second: Part, following: Sequence[Word]) -> bool:
    """Whether the border between two slots is clear that nothing stands between: `Bob` and `hello`, not `Bob` and `and
    Ann hello`.
    """
    if second.holds == "other" or first.holds == "other" or (len(words) == 1 and words[0].quoted):
        return True
    one, next_one = words[-1], following[0]
    if len(words) > 1 or next_one.is_comma or (not next_one.quoted and next_one.plain in _LEADS_ON):
        return False
    if len(following) == 1 or first.holds == "token" or not one.text.isalpha():
        return not one.plain.endswith(("'s", "\u2019s"))
    is_name = next_one.text[0].isupper() and not next_one.quoted and next_one.text not in ("I", "I'm", "I'll", "I've")
    return one.text[0].isupper() and not is_name
