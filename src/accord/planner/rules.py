"""Rules: which template an objective means, by the templates' example phrases; or why none can be said to be meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

import msgspec

from accord.domain.schema import JsonSchema, compile_schema
from accord.domain.schema_path import types_of
from accord.domain.template import Template
from accord.domain.template_rules import SLOT
from accord.errors import Place, Problem
from accord.planner.asides import NEGATIONS, Aside, not_taken
from accord.planner.bounds import Part, beside_in, check, is_clear
from accord.planner.called import Taken, part_of, taken
from accord.planner.phrases import Alignment, Phrase, objective_words, with_thanks
from accord.planner.slots import Unusable, read_slot
from accord.planner.typed import Typed
from accord.planner.words import Word, stem, text_between, weight, words_of

CONFIDENT = 0.8
"""Least share of matched words of a confident match."""

MARGIN = 0.1
"""How much better a match must be than that of another template."""


ALIKE = 0.8
"""From this likeness on a word is spelt nearly like another one."""

SPELT = 5
"""Shorter words are the same, or others."""

_SAY_NOTHING = frozenset(
    {
        *("what", "who", "whom", "whose", "which", "when", "where", "why", "how", "is", "are", "was", "were", "be"),
        *("do", "does", "did", "have", "has", "had", "it", "its", "this", "that", "these", "those", "there", "not"),
        *("no", "or", "if", "so", "then", "some", "any", "all", "every", "each", "one", "your", "his", "her", "their"),
        *("them", "they"),
    }
)
"""Words that have nothing to do with what a template is for."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """An objective laid over one phrase of one template."""

    template: Template
    phrase: str
    alignment: Alignment
    input: dict[str, Any]
    unusable: tuple[Problem, ...]
    """Slots whose words are not what the input asks for."""
    left: tuple[str, ...] = ()
    """What is said beside values, and nothing is known of."""
    aside: Aside | None = None
    """What a slot would have to take and is said of something else."""
    missing: tuple[str, ...]
    """Inputs that are needed and that nothing was said about."""

    @property
    def score(self) -> float:
        return self.alignment.score

    @property
    def is_complete(self) -> bool:
        """Whether it gives a valid input."""
        return not self.unusable and not self.missing

    @property
    def name(self) -> str:
        return f"{self.template.name}@{self.template.version}"


def matches(
    objective: str, templates: Sequence[Template], acts: Collection[str] = (), now: datetime | None = None
) -> list[Match]:
    """The best match of each template that has a phrase in common with the objective, the best first; `acts` are the
    stems of what can be asked for beside what templates do, `now` is the present, where that is known.
    """
    verbs = verbs_of(templates).union(acts)
    found = []
    for template in templates:
        several = [_best(objective, template, phrase, verbs, now) for phrase in template.examples]
        several = [match for match in several if match.alignment.matched >= 1.0]
        if several:
            found.append(max(several, key=_rank))
    return sorted(found, key=_rank, reverse=True)


def acts_of(described: Mapping[str, str]) -> frozenset[str]:
    """The stems of what capabilities do: the last word of the name, and the first of what it is for."""
    names = (stem(ref.partition("@")[0].rpartition(".")[2].casefold()) for ref in described)
    begins = (words_of(text)[:1] for text in described.values())
    return frozenset((*names, *(word.stem for words in begins for word in words)))


def _best(objective: str, template: Template, phrase: str, verbs: Collection[str], now: datetime | None) -> Match:
    """The match of a phrase, without the thanks at the end but where they are the text that it needs."""
    words = objective_words(objective)
    match = _match(objective, words, template, phrase, verbs, now)
    if any(part_of(template, name).holds == "text" for name in match.alignment.missing_slots):
        other = _match(objective, with_thanks(words, objective), template, phrase, verbs, now)
        return other if other.is_complete else match
    return match


def _rank(match: Match) -> tuple[bool, float, float]:
    return match.is_complete and match.score >= CONFIDENT, round(match.score, 6), match.alignment.matched


def confident(found: Sequence[Match]) -> Match | None:
    """The match that is meant, None where that cannot be said."""
    usable = [match for match in found if match.is_complete and match.score >= CONFIDENT]
    return usable[0] if usable and not rivals(usable) else None


def rivals(usable: Sequence[Match]) -> list[Match]:
    """All matches that are as good as the best one, that one included; none where it is clearly the best."""
    best = usable[0]
    others = [
        match
        for match in usable[1:]
        if best.score - match.score < MARGIN and best.alignment.matched - match.alignment.matched < 0.5
    ]
    return [best, *others] if others else []


def verbs_of(templates: Sequence[Template]) -> frozenset[str]:
    """The stems of the words with which phrases begin: what can be asked for."""
    phrases = (Phrase(text).parts for template in templates for text in template.examples)
    return frozenset(parts[0].stem for parts in phrases if parts and isinstance(parts[0], Word))


def _match(
    objective: str,
    words: tuple[Word, ...],
    template: Template,
    text: str,
    verbs: Collection[str],
    now: datetime | None,
) -> Match:
    phrase = Phrase(text)
    alignment = _up_to_numbers(phrase.align(words), objective, template)
    if not phrase.begins(objective, words):
        alignment = msgspec.structs.replace(alignment, lost=alignment.lost + 1)
    reading = _Reading(objective, words, template, alignment, now)
    reading.read(verbs)
    given, unusable = reading.given, reading.unusable
    said = {**given, **{name: None for name, _ in alignment.slots if name not in reading.unsaid}}
    missing = dict.fromkeys((*alignment.missing_slots, *reading.unsaid, *_needed(template, said)))
    if not missing and not unusable:
        unusable.extend(_input_problems(template, given))
    return Match(
        template=template,
        phrase=text,
        alignment=_negated(reading.alignment, words),
        input=given,
        unusable=tuple(unusable),
        left=tuple(reading.left),
        aside=reading.aside,
        missing=tuple(missing),
    )


class _Reading:
    """Reads the slots of a phrase, each by its part of the template's input."""

    def __init__(
        self,
        objective: str,
        words: Sequence[Word],
        template: Template,
        alignment: Alignment,
        now: datetime | None,
    ) -> None:
        self._objective, self._words, self._template, self._now = objective, words, template, now
        self._typed = Typed(words, objective, now)
        self.alignment = alignment
        """In the end the slots have the words that are read, and what is said beside them is lost."""
        self.given: dict[str, Any] = {}
        self.unusable: list[Problem] = []
        self.unsaid: list[str] = []
        """The slots that have no words but those of the phrases."""
        self.left: list[str] = []
        self.aside: Aside | None = None

    def read(self, verbs: Collection[str]) -> None:
        """Read all slots; `verbs` are the stems of what can be done."""
        unclear, own = _unclear(self._words, self.alignment, self._template), _own_words(self._template)
        for name, part in self.alignment.slots:
            asked = part_of(self._template, name)
            aside = beside_in(asked, part, self._objective, verbs)
            if aside is not None:
                self._not_taken(name, aside)
            elif name not in unclear and _says_nothing(part, own):
                self.unsaid.append(name)
            else:
                self._read(asked, part, unclear.get(name))

    def _read(self, asked: Part, part: Sequence[Word], unclear: str | None) -> None:
        name = asked.name
        try:
            if unclear is not None:
                raise Unusable(f"where it {unclear} is not clear; put it into quotation marks")
            found = self._typed.taken(name, part, asked.schema)
            if found.words == tuple(part):
                led = name in self.alignment.led
                found = taken(asked, part, self._template, self._objective, led=led)
            if found.aside is not None:
                self._not_taken(name, found.aside)
                return
            check(asked, found.words, self._objective)
            self.given[name] = read_slot(found.words, self._objective, asked.schema, name, self._now)
        except Unusable as error:
            hint = f"for example: {example_of(self._template)}"
            self.unusable.append(Problem("ACC803", f"`{name}`: {error}", Place(pointer=f"/{name}"), hint))
            return
        self._take(name, found)

    def _take(self, name: str, found: Taken) -> None:
        slots = tuple((one, found.words if one == name else part) for one, part in self.alignment.slots)
        lost = self.alignment.lost + sum(map(weight, found.left))
        self.left.extend(word.text for word in found.left)
        self.alignment = msgspec.structs.replace(self.alignment, slots=slots, lost=lost)

    def _not_taken(self, name: str, aside: Aside) -> None:
        self.aside = self.aside or aside
        self.unusable.append(not_taken(name, self._objective, aside))


def _says_nothing(part: Sequence[Word], own: Collection[str]) -> bool:
    """Whether words only repeat those of the phrases."""
    return all(not word.quoted and (word.stem in own or weight(word) < 1.0) for word in part)


def _up_to_numbers(alignment: Alignment, objective: str, template: Template) -> Alignment:
    """The alignment in which a slot right before one for a number ends where the number begins: `bill Acme Corp 5`."""
    slots = list(alignment.slots)
    for at, ((one, before), (other, after)) in enumerate(pairwise(alignment.slots)):
        schema = part_of(template, other).schema
        words = (*slots[at][1], *after)
        is_border = not objective[before[-1].end : after[0].start].strip()
        if is_border and types_of(schema) and types_of(schema) <= {"integer", "number"}:
            begins = next((end for end in range(1, len(words)) if _reads(words[end:], objective, schema)), None)
            if begins is not None:
                slots[at : at + 2] = [(one, words[:begins]), (other, words[begins:])]
    return msgspec.structs.replace(alignment, slots=tuple(slots))


def _reads(words: Sequence[Word], objective: str, schema: JsonSchema) -> bool:
    try:
        read_slot(words, objective, schema)
    except Unusable:
        return False
    return True


def _unclear(words: Sequence[Word], alignment: Alignment, template: Template) -> dict[str, str]:
    """The slots between which nothing stands, and the border is not clear."""
    found: dict[str, str] = {}
    for (one, before), (other, after) in pairwise(alignment.slots):
        between = [word for word in words if before[-1].end <= word.start < after[0].start]
        if not any(weight(word) for word in between) and not is_clear(
            part_of(template, one), before, part_of(template, other), after
        ):
            found |= {one: "ends", other: "begins"}
    return found


def _own_words(template: Template) -> frozenset[str]:
    """The stems of the words that the template's phrases are made of."""
    parts = (part for text in template.examples for part in Phrase(text).parts)
    return frozenset(part.stem for part in parts if isinstance(part, Word) and weight(part) >= 1.0)


def _negated(alignment: Alignment, words: tuple[Word, ...]) -> Alignment:
    """A negation outside of all slots turns the meaning around: then nothing is matched."""
    inside = {word for _, part in alignment.slots for word in part}
    outside = (word for word in words if not word.quoted and word not in inside and word.text not in alignment.fixed)
    if any(word.plain in NEGATIONS for word in outside):
        return msgspec.structs.replace(alignment, lost=alignment.lost + 10)
    return alignment


def _needed(template: Template, given: dict[str, Any]) -> Iterator[str]:
    schema = template.input if isinstance(template.input, dict) else {}
    yield from (name for name in schema.get("required", ()) if name not in given)


def _input_problems(template: Template, given: dict[str, Any]) -> Iterator[Problem]:
    for problem in compile_schema(template.input).violations(given):
        yield msgspec.structs.replace(problem, code="ACC803")


def example_of(template: Template) -> str:
    """A phrase that would have been understood, with its slots as they are."""
    return f"`{template.examples[0]}`" if template.examples else f"`accord run {template.name}`"


def nearest(objective: str, templates: Sequence[Template], most: int = 3) -> list[Template]:
    """The templates that an objective may have meant, the nearest first: those that have a word that says something in
    common with it, in their names, descriptions and phrases, or one that is spelt nearly so.
    """
    words = [word.stem for word in objective_words(objective) if weight(word) >= 1.0 and word.plain not in _SAY_NOTHING]
    ranked = sorted(((_nearness(words, template), template) for template in templates), key=lambda one: -one[0])
    return [template for near, template in ranked[:most] if near]


def _nearness(words: Sequence[str], template: Template) -> float:
    """The share of words that a template has."""
    text = " ".join((template.name.replace("-", " "), template.description, *map(_without_slots, template.examples)))
    stems = {word.stem for word in objective_words(text)}
    return sum(_is_among(word, stems) for word in words) / max(len(words), 1)


def _is_among(word: str, stems: Collection[str]) -> bool:
    alike = (SequenceMatcher(None, word, other).ratio() for other in stems if len(other) >= SPELT)
    return word in stems or (len(word) >= SPELT and any(ratio >= ALIKE for ratio in alike))


def _without_slots(phrase: str) -> str:
    return SLOT.sub(" ", phrase)


def bound_words(match: Match, objective: str) -> dict[str, str]:
    """The words of the objective that went into each slot."""
    return {name: text_between(objective, part) for name, part in match.alignment.slots}
