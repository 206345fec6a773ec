"""Evidence that an output feeds an input: what names, descriptions, kinds and the objective say, as numbers.

Each piece has a name, so that a link can say why it is there. The numbers are weighed in `linking`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import msgspec

from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.clauses import Clause, clauses, spoken_of
from accord.planner.composition.condition_words import asking, without
from accord.planner.composition.literals import Filling, Key, becoming, fillings, literals
from accord.planner.composition.said import said_of
from accord.planner.composition.wording import content, likeness, overlap, share_in, stems

_REFERENCES = frozenset(content("id identifier code number link reference url"))
_EACH = re.compile(r"\b(?:each|every)(?: one)?(?: of)?(?: the| these| those)? (\w+)", re.IGNORECASE)
_POINTED = re.compile(r"\b(?:the|this|that|its)\s+(?=((?:[\w-]+\s*){1,3}))", re.IGNORECASE)
_CHANGED = frozenset(stems("new updated target desired next preferred maximum minimum"))
_RENEWED = frozenset(stems("new updated"))


class Reading(msgspec.Struct, frozen=True, dict=True):
    """An objective read with the abilities that it is to be done with, in order."""

    objective: str
    abilities: tuple[Ability, ...]

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """For each ability the clauses that speak of it."""
        parts, owners = self._owned
        return tuple(
            " , ".join(part.text for part, owner in zip(parts, owners, strict=True) if owner == index)
            for index in range(len(self.abilities))
        )

    @cached_property
    def asking(self) -> tuple[str, ...]:
        """The same without conditions: what is said of the ability itself."""
        parts, owners = self._owned
        return tuple(
            " , ".join(asking(part.text) for part, owner in zip(parts, owners, strict=True) if owner == index)
            for index in range(len(self.abilities))
        )

    @cached_property
    def segment_words(self) -> tuple[frozenset[str], ...]:
        """The stems of each segment."""
        return tuple(frozenset(content(segment)) for segment in self.segments)

    @cached_property
    def filled(self) -> dict[Key, Filling]:
        """What the literals say of each parameter."""
        parts, owners = self._owned
        return fillings(self.abilities, literals(parts, owners), self._several)

    @cached_property
    def becoming(self) -> frozenset[Key]:
        """The parameters of which the words say what something becomes: nothing else feeds those."""
        return frozenset(
            (index, name)
            for (index, name), one in self.filled.items()
            if one.said is not None
            and one.said.becomes
            and one.said.owner == index
            and name in becoming(self.abilities[index])
        )

    def names(self, edge: Edge) -> bool:
        """Whether the words about the edge's target name its output, and that is not what the target is called."""
        output, segment = edge.output.named, self.segments[edge.target]
        if not output or segment == self.segments[edge.source] or self.abilities[edge.target].named.issuperset(output):
            return False
        return any(content(one[1])[: len(output)] == output for one in _POINTED.finditer(segment))

    def points_to(self, index: int, member: Member) -> bool:
        """Whether the words about an ability speak of a value of an input as known: `the quantity`, `the usual way`."""
        pointed = (content(one[1])[:2] for one in _POINTED.finditer(self.asking[index]))
        return bool(member.named) and any(set(words).issuperset(member.named) for words in pointed)

    def is_meant(self, edge: Edge) -> bool:
        """Whether the words do not leave the edge's input to its default: `buy it` says nothing of how much."""
        if not (edge.input.has_default and edge.input.decides):
            return True
        return frozenset(content(self.asking[edge.target])).issuperset(edge.input.named) or self.names(edge)

    def given(self, fed: frozenset[Key], conditions: Sequence[str] = ()) -> dict[Key, Filling]:
        """What the literals say of each parameter that no output feeds: each literal fills one of those. What is said
        in a condition fills none.
        """
        parts, owners = self._owned
        for said in conditions:
            parts = tuple(msgspec.structs.replace(part, text=without(part.text, said)) for part in parts)
        left = [
            msgspec.structs.replace(
                ability, inputs=tuple(one for one in ability.inputs if (index, one.name) not in fed)
            )
            for index, ability in enumerate(self.abilities)
        ]
        return fillings(left, literals(parts, owners), self._several, as_held=True)

    @cached_property
    def _several(self) -> frozenset[Key]:
        """The parameters of which there are several values: `translate each headline`."""
        each = [frozenset(word for one in _EACH.findall(text) for word in content(one)) for text in self.segments]
        return frozenset(
            (index, member.name)
            for index, ability in enumerate(self.abilities)
            for member in ability.inputs
            if member.named and each[index].issuperset(member.named)
        )

    @cached_property
    def said(self) -> dict[Key, dict[str, float]]:
        """What the objective says of the value of each parameter."""
        return said_of(self.objective, self.segments, self.abilities, self.filled)

    @cached_property
    def _owned(self) -> tuple[tuple[Clause, ...], tuple[int, ...]]:
        parts = clauses(self.objective) if self.abilities else ()
        return parts, spoken_of(parts, self.abilities)


class Edge(msgspec.Struct, frozen=True):
    """An output of one ability that might feed an input of another one; abilities are indices of the reading."""

    source: int
    output: Member
    target: int
    input: Member

    @property
    def key(self) -> Key:
        """The parameter that would be fed."""
        return self.target, self.input.name

    @property
    def pair(self) -> tuple[int, int]:
        """The two abilities."""
        return self.source, self.target

    @property
    def origin(self) -> Key:
        """The output that would feed it."""
        return self.source, self.output.name


def evidence(reading: Reading, edge: Edge) -> dict[str, float]:
    """All pieces that there are for an edge, and against it."""
    producer, consumer = reading.abilities[edge.source], reading.abilities[edge.target]
    found = _kinds(edge)
    found |= _names(edge)
    found |= _descriptions(edge)
    found |= _surroundings(edge, producer, consumer)
    found |= _places(edge, reading)
    found |= _versions(edge, reading)
    found |= reading.said[edge.key]
    words = reading.segment_words[edge.target]
    found["output_named_here"] = share_in(edge.output.named, words)
    found["output_described_here"] = share_in(edge.output.words, words)
    found["producer_named_here"] = share_in(producer.named, words)
    found |= _together(found)
    return found


def _kinds(edge: Edge) -> dict[str, float]:
    gives, takes = edge.output.kind, edge.input.kind
    same = gives == takes
    numeric = not same and edge.output.is_number and edge.input.is_number
    return {
        "same_kind": float(same),
        "both_numbers": float(numeric),
        "other_kind": float(not same and not numeric),
        "other_into_text": float(not same and not numeric and takes == "string"),
        "truth_or_not": float((gives == "boolean") != (takes == "boolean")),
        f"takes_{takes}": 1.0,
        f"gives_{gives}": 1.0,
    }


def _names(edge: Edge) -> dict[str, float]:
    gives, takes = edge.output, edge.input
    last = gives.named[-1] if gives.named else None
    ends = last is not None and gives.named[-1:] == takes.named[-1:]
    found = {
        "same_name": float(gives.name == takes.name),
        "same_stems": float(gives.named == takes.named),
        "names": likeness(gives.named, takes.named),
        "input_name_in_output": share_in(takes.named, gives.named),
        "output_name_in_input": share_in(gives.named, takes.named),
        "letters": overlap(gives.trigrams, takes.trigrams),
        "same_last_word": float(ends),
        "same_reference": float(ends and last in _REFERENCES),
        "input_is_changed": float(not _CHANGED.isdisjoint(stems(takes.name))),
        "output_is_renewed": float(not _RENEWED.isdisjoint(stems(gives.name))),
    }
    found |= {f"input:{word}": 2.0 for word in takes.named}
    found |= {f"input_head:{word}": 2.0 for word in takes.named[-1:]}
    found |= {f"output_head:{word}": 2.0 for word in gives.named[-1:]}
    return found


def _descriptions(edge: Edge) -> dict[str, float]:
    gives, takes = edge.output, edge.input
    return {
        "descriptions": likeness(gives.described, takes.described),
        "input_described_in_output": share_in(takes.described, gives.described),
        "output_described_in_input": share_in(gives.described, takes.described),
        "words": likeness(gives.words, takes.words),
        "described_letters": overlap(gives.described_trigrams, takes.described_trigrams),
        "input_head_in_output": float(bool(takes.named) and takes.named[-1] in gives.words),
        "output_head_in_input": float(bool(gives.named) and gives.named[-1] in takes.words),
    }


def _surroundings(edge: Edge, producer: Ability, consumer: Ability) -> dict[str, float]:
    gives, takes = edge.output, edge.input
    return {
        "input_named_by_producer": share_in(takes.named, producer.described),
        "output_named_by_consumer": share_in(gives.named, consumer.described),
        "input_described_by_producer": share_in(takes.described, producer.described),
        "input_named_by_producer_or_output": share_in(takes.named, producer.named | gives.words),
        "producer_in_input": share_in(producer.named, takes.words),
        "required": float(takes.required),
        "producer_takes_it_too": max((likeness(one.named, takes.named) for one in producer.inputs), default=0.0),
        "outputs": len(producer.outputs) - 1.0,
        "inputs": len(consumer.inputs) - 1.0,
        "first_output": float(producer.outputs[0].name == gives.name),
        "first_input": float(consumer.inputs[0].name == takes.name),
        f"consumer_verb:{consumer.verb}": 2.0,
    }


def _places(edge: Edge, reading: Reading) -> dict[str, float]:
    others = (ability for index, ability in enumerate(reading.abilities) if index != edge.target)
    taken = any(edge.input.name == member.name for ability in others for member in ability.inputs)
    gap = abs(edge.target - edge.source)
    return {"next": float(gap == 1), "between": gap - 1.0, "others_take_it": float(taken)}


def _versions(edge: Edge, reading: Reading) -> dict[str, float]:
    """Whether the producer makes a new version of something, and whether another one between does so of this output."""
    producer = reading.abilities[edge.source]
    between = reading.abilities[edge.source + 1 : edge.target]
    return {
        "is_new_version": float(_renews(producer, edge.output)),
        "is_renewed_between": float(any(_renews(one, edge.output) for one in between)),
    }


def _renews(ability: Ability, what: Member) -> bool:
    """Whether it takes something that is called so, and gives something that ends like it, of the same kind."""
    head = what.named[-1:]
    return (
        bool(head)
        and any(one.named[-1:] == head for one in ability.inputs)
        and any(one.named[-1:] == head and one.kind == what.kind for one in ability.outputs)
    )


def _together(found: dict[str, float]) -> dict[str, float]:
    """Pieces that mean more together."""
    like = max(found["names"], found["descriptions"], found["letters"])
    result = {
        "likeness": like,
        "likeness_squared": like * like,
        "like_but_said": like * max(found["literal_near_here"], found["named_here"]),
        "like_but_literal_near": like * found["literal_near_here"],
        "like_but_numbers_enough": like * found["numbers_enough"],
        "like_but_filled": like * found["filled"],
        "like_but_filled_score": like * found["filling"],
        "like_but_filled_here": like * found["filled_here"],
        "names_but_filled": found["names"] * found["filled"],
        "same_stems_but_filled": found["same_stems"] * found["filled"],
        "like_but_renewed": like * found["is_renewed_between"],
    }
    for name in ("names", "descriptions"):
        result[f"other_kind_{name}"] = found["other_kind"] * found[name]
        result[f"same_kind_{name}"] = found["same_kind"] * found[name]
    for name in ("names", "descriptions", "words", "letters", "described_letters"):
        result[f"{name}_squared"] = found[name] ** 2
    return result
