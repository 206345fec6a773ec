"""Rules: which template an objective means, by the templates' example phrases; or why none can be said to be meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

import msgspec

from accord.domain.schema import JsonSchema, compile_schema
from accord.domain.schema_path import schema_at, types_of
from accord.domain.template import Template
from accord.domain.template_rules import SLOT
from accord.errors import Place, Problem
from accord.planner.asides import NEGATIONS, Aside, not_taken
from accord.planner.bounds import Part, beside_in, check, is_clear
from accord.planner.phrases import Alignment, Phrase, objective_words, with_thanks
from accord.planner.slots import Unusable, read_slot
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
    if any(_part_of(template, name).holds == "text" for name in match.alignment.missing_slots):
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
    alignment = _up_to_numbers(Phrase(text).align(words), objective, template)
    given: dict[str, Any] = {}
    unusable: list[Problem] = []
    own, said = _own_words(template), None
    unclear = _unclear(words, alignment, template)
    for name, part in alignment.slots:
        asked = _part_of(template, name)
        aside = beside_in(asked, part, objective, verbs)
        if aside is not None:
            said = said or aside
            unusable.append(not_taken(name, objective, aside))
            continue
        try:
            if name in unclear:
                raise Unusable(f"where it {unclear[name]} is not clear; put it into quotation marks")
            if all(not word.quoted and (word.stem in own or weight(word) < 1.0) for word in part):
                raise Unusable(f"`{text_between(objective, part)}` only repeats words of the phrases")
            check(asked, part, objective)
            given[name] = read_slot(part, objective, asked.schema, name, now)
        except Unusable as error:
            hint = f"for example: {example_of(template)}"
            unusable.append(Problem("ACC803", f"`{name}`: {error}", Place(pointer=f"/{name}"), hint))
    missing = dict.fromkeys((*alignment.missing_slots, *_needed(template, {**given, **dict(alignment.slots)})))
    if not missing and not unusable:
        unusable.extend(_input_problems(template, given))
    return Match(
        template=template,
        phrase=text,
        alignment=_negated(alignment, words),
        input=given,
        unusable=tuple(unusable),
        aside=said,
        missing=tuple(missing),
    )


def _up_to_numbers(alignment: Alignment, objective: str, template: Template) -> Alignment:
    """The alignment in which a slot right before one for a number ends where the number begins: `bill Acme Corp 5`."""
    slots = list(alignment.slots)
    for at, ((one, before), (other, after)) in enumerate(pairwise(alignment.slots)):
        schema = _part_of(template, other).schema
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


def _part_of(template: Template, name: str) -> Part:
    schema = schema_at(template.input, (name,))
    return Part(name, True if schema is None else schema)


def _unclear(words: Sequence[Word], alignment: Alignment, template: Template) -> dict[str, str]:
    """The slots between which nothing stands, and the border is not clear."""
    found: dict[str, str] = {}
    for (one, before), (other, after) in pairwise(alignment.slots):
        between = [word for word in words if before[-1].end <= word.start < after[0].start]
        if not any(weight(word) for word in between) and not is_clear(
            _part_of(template, one), before, _part_of(template, other), after
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
