"""Words of objectives and example phrases: split, without case, lightly stemmed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

ARTICLES = frozenset({"a", "an", "the"})
FILLERS = ARTICLES | {
    *("please", "can", "could", "would", "will", "you", "i", "we", "want", "need", "like", "to", "me", "us"),
    *("my", "our", "just", "now", "hey", "hi", "hello", "lets", "let's", "kindly"),
}
"""Words that say nothing about what is wanted; `to` only in front of a verb, see `weight`."""

GREETINGS = frozenset({"hey", "hi", "hello"})
"""They say nothing where an objective begins with them; elsewhere they are said to somebody."""

PREPOSITIONS = frozenset(
    {"for", "in", "of", "on", "at", "with", "by", "from", "about", "into", "as", "to", "between", "among", "and"}
    | {"inside", "under", "within", "against"}
)
VERSUS = frozenset({"vs", "versus"})
QUOTED = re.compile(r"\"[^\"]*\"|\u201c[^\u201d]*\u201d")
"""What is in quotation marks, with them: a value, and no words of what is wanted."""

_TOKEN = re.compile(
    r"[\"\u201c\u201d](?P<double>[^\"\u201c\u201d]+)[\"\u201c\u201d]"
    r"|(?<!\w)['\u2018](?P<single>[^'\u2018\u2019]+)['\u2019](?!\w)"
    r"|(?P<comma>[,;])"
    r"|(?P<plain>[^\s,;\"\u201c\u201d]+)"
)
_EDGES = re.compile(r"^[(\[{<:]+|[)\]}>:!?]+$|(?<=[\w/])\.+$")
_ENDINGS = (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", ""), ("e", ""))


class Word(msgspec.Struct, frozen=True):
    """A word of a text, where it stands, and what it is compared by."""

    text: str
    start: int
    end: int
    quoted: bool = False

    @property
    def plain(self) -> str:
        """Without case."""
        return self.text.casefold()

    @property
    def stem(self) -> str:
        """Without case and the most common endings of English."""
        return stem(self.plain)

    @property
    def is_comma(self) -> bool:
        return not self.quoted and self.text in (",", ";")


def words_of(text: str) -> tuple[Word, ...]:
    """The words of a text; a comma, and all between two quotation marks, are one word each."""
    found = []
    for match in _TOKEN.finditer(text):
        quoted = match["double"] or match["single"]
        if quoted is not None:
            found.append(Word(quoted, match.start(), match.end(), quoted=True))
            continue
        kept = _EDGES.sub("", _EDGES.sub("", match[0]))
        start = match.start() + match[0].find(kept)
        is_end = kept == "." and bool(found) and found[-1].quoted and found[-1].end == start
        if kept and not is_end and (match["comma"] or re.search(r"[\w.~/&+]", kept)):
            found.append(Word(kept, start, start + len(kept)))
    return tuple(found)


def stem(word: str) -> str:
    """A word without its ending: `audits`, `auditing` and `audited` are `audit`."""
    for ending, rest in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            bare = word.removesuffix(ending) + rest
            return stem(bare) if ending in ("s", "es") and bare.endswith("e") else bare
    return word


def weight(word: Word) -> float:
    """How much a word says: nothing for articles and fillers, little for prepositions."""
    if word.quoted:
        return 1.0
    if word.is_comma or word.plain in FILLERS - GREETINGS - {"to"}:
        return 0.0
    return 0.25 if word.plain in PREPOSITIONS else 1.0


def text_between(objective: str, words: Sequence[Word]) -> str:
    """The words as they stand in the text; a quoted one without its quotation marks."""
    return words[0].text if len(words) == 1 else objective[words[0].start : words[-1].end].strip()
