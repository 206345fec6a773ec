"""The index of a catalogue: which abilities have the words of a text, in time that grows with the words alone."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from accord.planner.composition.ability import Ability
from accord.planner.composition.meant import Meant, MeantAbilities
from accord.planner.composition.synonyms import stand_ins, synonyms
from accord.planner.composition.wording import content
from accord.planner.meaning import meanings

NAME, DESCRIPTION, MEMBER, KIND = 3.0, 1.5, 0.6, 0.6
"""What a word counts by where it stands."""

SYNONYM = 0.5
"""What a word counts that only stands for one that was said."""

_FILES: Mapping[str, str] = {
    **dict.fromkeys(("jpg", "jpeg", "png", "gif", "bmp", "webp", "tiff"), "image"),
    **dict.fromkeys(("wav", "mp3", "flac", "ogg", "m4a", "aac"), "audio"),
    **dict.fromkeys(("mp4", "avi", "mov", "mkv", "webm"), "video"),
    **dict.fromkeys(("txt", "md", "pdf", "doc", "docx", "rtf"), "text"),
    **dict.fromkeys(("csv", "xlsx", "xls", "tsv"), "table"),
}
_FILE = re.compile(r"\.(\w{2,4})\b")
COMMON = 0.4
"""A word that more than this share of a large catalogue has says nothing, and is not looked up."""


class Index:
    """Abilities by their words; it is made once for a catalogue, and never changed."""

    def __init__(self, abilities: Iterable[Ability], *, by_meaning: bool = True) -> None:
        """By words alone where `by_meaning` is off, or it is not known what words mean."""
        self.abilities: Sequence[Ability] = tuple(abilities)
        known = meanings() if by_meaning else None
        self._meant = MeantAbilities(self.abilities, known) if known is not None and self.abilities else None
        self._stand_ins = stand_ins if self._meant is not None else synonyms
        weighed = [_words(ability) for ability in self.abilities]
        counted: Counter[str] = Counter(word for words in weighed for word in words)
        size = len(self.abilities)
        self._rarity = {word: math.log((size + 1) / (count + 0.5)) + 0.2 for word, count in counted.items()}
        self._unseen = math.log(size + 2) + 0.9
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for at, words in enumerate(weighed):
            norm = math.sqrt(math.fsum((count * self._rarity[word]) ** 2 for word, count in words.items())) or 1.0
            for word, count in words.items():
                self._postings[word].append((at, count * self._rarity[word] / norm))
        common = max(COMMON * size, 200)
        self._looked_up = {word for word, found in self._postings.items() if len(found) <= common}

    def rarity(self, word: str) -> float:
        """How much a word says here."""
        return self._rarity.get(word, self._unseen)

    def known(self, word: str) -> bool:
        """Whether any ability has the word."""
        return word in self._rarity

    def meant(self, text: str) -> Meant | None:
        """How much a text means what each ability does; None where it is not known what words mean."""
        return self._meant.by(text) if self._meant is not None else None

    def said_words(self, text: str) -> dict[str, str]:
        """The stems of a text, what kinds its files are of, and what stands for them: each with the stem that was said,
        or the kind.
        """
        found = {word: word for word in content(text)}
        for kind in kinds_of_files(text):
            found.setdefault(kind, f".{kind}")
        for word in content(text):
            for other in sorted(self._stand_ins(word)):
                found.setdefault(other, word)
        return found

    def likeness(self, said: Mapping[str, float]) -> dict[int, float]:
        """The cosine of a text's words with each ability that has any of them."""
        found: dict[int, float] = defaultdict(float)
        norm = 0.0
        for word, count in said.items():
            amount = count * self.rarity(word)
            norm += amount * amount if count >= 1 else 0.0
            if word in self._looked_up:
                for at, weight in self._postings[word]:
                    found[at] += amount * weight
        scale = 1 / math.sqrt(norm) if norm else 0.0
        return {at: score * scale for at, score in found.items()}


def kinds_of_files(text: str) -> Iterator[str]:
    """The kinds of the files that a text names: `tour.mp4` is a `video`."""
    for found in _FILE.finditer(text):
        kind = _FILES.get(found[1].lower())
        if kind is not None:
            yield kind


def _words(ability: Ability) -> dict[str, float]:
    words: dict[str, float] = {}

    def count(several: Iterable[str], weight: float) -> None:
        for word in several:
            words[word] = max(words.get(word, 0.0), weight)

    count(ability.named, NAME)
    count(content(ability.description), DESCRIPTION)
    for member in (*ability.inputs, *ability.outputs):
        count(member.named, MEMBER)
        count(content(member.kind), KIND)
    return words
