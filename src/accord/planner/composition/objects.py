"""Objects: what an act is done to, and what a value is said to be, where no capability that is asked for knows it.

`measure the cholesterol` asks for no measurement of glucose, and `notify the doctor "Meyer"` for no message to a
patient. So the words behind the verb count like the verb: if none of them is known, it is another act. The same goes
for a noun in front of a value, and for what makes a bound of a time: `before 2026-12-03`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from accord.planner.composition.account import Account
from accord.planner.composition.acts import asking, verb_of
from accord.planner.composition.clauses import clauses
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.wording import PREFIX, begins_like, content, overlap, stems, trigrams
from accord.planner.words import FILLERS, PREPOSITIONS

SPELT_LIKE: Final = 0.6
"""The least share of groups of three letters that a word has in common with one that it is written for."""

_TOKEN = re.compile(r"\"+|[\w@/][\w'\u2019./@-]*|[^\w\s]")
_ENDS: Final = PREPOSITIONS | {
    *("or", "but", "then", "that", "which", "who", "whose", "when", "if", "unless", "while", "so", "because", "since"),
    *("before", "after", "until", "till", "via", "per", "through", "using", "without", "during", "than", "over"),
    *("like", "what", "how", "why", "where", "whether", "pertaining", "regarding", "concerning", "related", "relating"),
}
"""What ends the words for a thing."""

_PARTICLES: Final = frozenset({"up", "down", "out", "away", "off", "back", "along", "here", "there", "again"})
_NAMING: Final = frozenset(
    stems("number name named called id titled labelled entitled no version following exactly text sentence phrase word")
)
"""What only says that a value follows."""

_GENERAL: Final = frozenset(
    stems(
        "details information info data value list overview result status copy set kind type name something everything"
    )
)
"""What says nothing without what comes after it: `details about the sample`."""

_OF: Final = frozenset(
    {"of", "about", "on", "for", "pertaining", "regarding", "concerning", "related", "relating", "to"}
)
_MODAL: Final = frozenset({"can", "could", "would", "will", "should", "shall", "may", "might", "must"})

_BOUNDS: Final = {
    "by": frozenset(stems("by before until till deadline due end latest expire expiry last stop")),
    "from": frozenset(stems("from after since start begin earliest first departure")),
}
"""What makes a time a bound of what is meant, and what an input is called that takes a bound."""

_NOUN = re.compile(
    r"(?P<determined>\b(?:the|an?|my|our|his|her|their|this|that)\s+(?:\w+\s+)?)?\b(?P<noun>[a-z][a-z-]+)\s+"
    r"[\"\u201c]?$"
)


def strangers(account: Account) -> Iterator[str]:
    """What acts would be done to, and what values would be, that no ability of the clause knows."""
    parts = clauses(account.found.reading.objective)
    for at in sorted({one.clause for one in account.found.chosen}):
        asked = [index for index, one in enumerate(account.found.chosen) if one.clause == at]
        if at < len(parts) and not any(account.found.chosen[index].taught for index in asked):
            clause = _Clause(account, parts[at].text, asked)
            yield from clause.objects()
            yield from clause.names()
    yield from _bounds(account)


class _Clause:
    """A clause, and what those know that are asked for by it, or hand them something."""

    def __init__(self, account: Account, text: str, asked: list[int]) -> None:
        self._account, self._text, self._asked = account, asking(text, account), asked
        self._whole = text

    @cached_property
    def _known(self) -> frozenset[str]:
        found = self._account.found
        several = {*self._asked, *(link.edge.source for link in found.links if link.edge.target in self._asked)}
        abilities = [found.reading.abilities[index] for index in several]
        said = (*self._account.slots.values(), *(guard.condition for guard in self._account.said.guards))
        words = (one.described | one.input_words | one.output_words for one in abilities)
        return frozenset(word for each in words for word in each) | {word for each in said for word in content(each)}

    def objects(self) -> Iterator[str]:
        """The words behind the verb, if none of them is known."""
        verb = verb_of(self._text)
        if verb is None or verb[0].lower() in _MODAL:
            return
        words: list[re.Match[str]] = []
        general = False
        for token in _TOKEN.finditer(self._text, verb.end()):
            if self._is_value(token[0]) and not any(self._knows(word) for word in content(token[0])):
                if words:
                    break
            elif general and not words and token[0].lower() in _OF:
                continue
            elif not token[0][0].isalnum() or token[0].lower() in _ENDS:
                break
            elif not _GENERAL.isdisjoint(content(token[0])):
                general = True
            elif token[0].lower() not in FILLERS | _PARTICLES and not token[0].endswith("ly"):
                words.append(token)
        said = [word for one in words for word in content(one[0]) if not self._account.points(word)]
        if said and not any(self._knows(word) for word in said):
            yield self._text[words[0].start() : words[-1].end()]

    def names(self) -> Iterator[str]:
        """The nouns in front of values that are not known."""
        verb = verb_of(self._text)
        for value in self._account.slots.values():
            for found in re.finditer(rf"(?<![\w.]){re.escape(value)}(?!\w)", self._whole) if value else ():
                noun = _NOUN.search(self._whole[: found.start()])
                if noun is None or (verb is not None and noun["noun"] == verb[0]):
                    continue
                said = content(noun["noun"])
                names = noun["noun"] in _ENDS | FILLERS | _PARTICLES or not _NAMING.isdisjoint(said)
                bare = value[0].isdigit() and noun["determined"] is None
                if said and not names and not bare and not any(self._knows(word) for word in said):
                    yield noun[0].strip(' "\u201c')

    def _is_value(self, text: str) -> bool:
        return text[0] in '"\0' or text[0].isupper() or any(one.isdigit() for one in text)

    def _knows(self, word: str) -> bool:
        if not self._known.isdisjoint((word, *stand_ins(word))):
            return True
        return begins_like(word, self._known) or (
            len(word) >= PREFIX and any(overlap(trigrams(one), trigrams(word)) >= SPELT_LIKE for one in self._known)
        )


def _bounds(account: Account) -> Iterator[str]:
    """Times of which only a bound is said, for inputs that take none."""
    reading = account.found.reading
    for (index, name), filling in reading.filled.items():
        said = filling.said
        if said is None or said.sort not in ("date", "when") or said.text not in account.slots.values():
            continue
        told = next(f"{name} {one.description}" for one in reading.abilities[index].inputs if one.name == name)
        words = stems(told)
        if said.leads in _BOUNDS and _BOUNDS[said.leads].isdisjoint(words):
            yield f"{said.leads} {said.text}"
