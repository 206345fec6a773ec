"""What an objective says beyond what a template does: another act, or what would change this one.

A classifier tells which examples words are like, and `repair the freezer` is like all that is said of freezers. So each
word is accounted for, as of a composed graph: by what the template's phrases and examples say, by what its tasks do,
and by what its input is read from. What other capabilities are asked for is seen by composing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from accord.domain.compile import compile_graph
from accord.domain.graph import Graph, Subrun, Task, Work
from accord.domain.learning import Meant
from accord.domain.template_rules import SLOT
from accord.errors import Place, Problem
from accord.planner.by_composition import SURE
from accord.planner.composition.account import UNDERSTOOD, Account
from accord.planner.composition.acts import verb_of
from accord.planner.composition.catalogue import index_of, offered
from accord.planner.composition.clauses import clauses
from accord.planner.composition.composer import Composer, Composition
from accord.planner.composition.conditions import NO_CONDITIONS, conditions
from accord.planner.composition.evidence import Reading
from accord.planner.composition.index import Index
from accord.planner.composition.literals import unquoted
from accord.planner.composition.objects import strangers
from accord.planner.composition.polite import without_courtesies
from accord.planner.composition.school import NOTHING
from accord.planner.composition.unheard import unheard
from accord.planner.composition.verbs import names_act, says_nothing
from accord.planner.composition.wording import content, stems
from accord.planner.rules import example_of
from accord.planner.ways import KnownTemplate, Objective, Unsure
from accord.planner.words import QUOTED

_ASKING: Final = frozenset(
    stems(
        "what who whom whose where when which why how much many long often will would shall should can could may might "
        "must am is are was were do does did have has had it there that i we you let s m re"
    )
)
"""What questions are asked with."""

_BESIDE = re.compile(r"\b(?:before|after|once|while)\b", re.IGNORECASE)
"""What stands before an act beside which another one is said."""

EXACT: Final = 0.9
"""So sure it is at least of a new graph that is asked for by the words of capabilities, and knows so many of them."""


class Told:
    """What an objective says, accounted for by what one template does; `slots` are the words of its input. No word is
    strange where it was not decided by words, or by those of examples that are not here.
    """

    def __init__(self, objective: Objective, known: KnownTemplate, judged: Meant, slots: Mapping[str, str]) -> None:
        self._objective, self._known = objective, known
        self._knows_examples = not judged.version or bool(objective.examples)
        self._by_words = self._knows_examples and judged.by == "words"
        self._graph = compile_graph(known.template, known.digest)
        self._index = index_of(tuple(offered(objective)))
        nothing = Composition(reading=Reading(objective.text, ()), chosen=(), links=(), orders=(), near=())
        own = _ASKING.union(content(" ".join(_words(objective, known, self._graph))), _stems(self._graph, self._index))
        self._account = Account(nothing, dict(slots), NO_CONDITIONS, NOTHING, own)
        self._asked = Composer(self._index, asking=unquoted).compose(objective.text, SURE)
        self._of_asked = Account(self._asked, self._account.slots, NO_CONDITIONS, NOTHING, _ASKING)

    @property
    def share(self) -> float:
        """The weighted share of the words that are about what the template does."""
        return self._account.share if self._by_words else 1.0

    def left_out(self) -> tuple[str, ...]:
        """What is said, and nothing is done for."""
        return tuple(self._account.left_out()) if self._by_words else ()

    def beyond(self, *, is_whole: bool) -> Unsure | None:
        """That the template is not meant: it does not do a part (ACC809), or most (ACC807), of what is said. Where the
        input `is_whole`, nothing that is not read can be a part of it. A template is named where it may be meant by a
        verb that nobody knows.
        """
        name = self._known.template.name
        for clause, why in (*self._others(), *self._less()):
            return self._not_for(clause, why)
        for verb in self._verbs() if self._knows_examples else ():
            answer = self._not_for(verb, "it is not known to mean that")
            return msgspec.structs.replace(answer, several=(name,))
        said = next(self._unheard(is_whole=is_whole), None)
        if said is not None:
            return self._not_for(said, "nothing would be done for it")
        if self.share < UNDERSTOOD:
            message = f"only {self.share:.0%} of the words are about what `{name}` does"
            return Unsure((Problem("ACC807", message, Place(), f"say it like {example_of(self._known.template)}"),))
        return None

    def _not_for(self, words: str, why: str) -> Unsure:
        message = f"`{self._known.template.name}` is not for `{words}`: {why}"
        hint = f"say it without `{words}`; what is in quotation marks is a value"
        return Unsure((Problem("ACC809", message, Place(), hint),))

    def _unheard(self, *, is_whole: bool) -> Iterator[str]:
        """What would change what is done, and nothing is done for."""
        given = self._objective.given(self._known.template)
        for one in unheard(self._account):
            is_counted = self._by_words if one.is_clause else is_whole
            if is_counted and not (one.may_be_value and given):
                yield one.words
        yield from self._strange_objects()
        for found in _BESIDE.finditer(QUOTED.sub(" ", self._objective.text)):
            if not self._account.has(found[0]):
                yield found[0]

    def _strange_objects(self) -> Iterator[str]:
        """What an act of a capability would be done to, and neither that nor the template knows."""
        for words in strangers(self._of_asked) if self._by_words else ():
            if not any(self._account.has(word) or self._account.stands_for(word) for word in words.split()):
                yield words

    def _verbs(self) -> Iterator[str]:
        """The verbs of clauses that neither say nor mean what the template does."""
        for part in clauses(self._objective.text):
            begins = verb_of(without_courtesies(QUOTED.sub('""', part.text)))
            if begins is None or _ASKING.issuperset(content(begins[0])):
                continue
            verb = begins[0]
            if not self._account.has(verb) and not self._account.stands_for(verb) and not _is_light(verb):
                yield verb

    def _others(self) -> Iterator[tuple[str, str]]:
        """What is asked for by words that are none of the template's, and a capability does that it does not use."""
        own = set(_capabilities(self._graph))
        for index, one in enumerate(self._asked.chosen):
            clause = self._asked.clause_of(index)
            strange = (word for word in clause.split() if not one.ability.described.isdisjoint(content(word)))
            if one.ability.called not in own and any(not self._account.has(word) for word in strange):
                yield clause, f"`{one.ability.title}` does that"

    def _less(self) -> Iterator[tuple[str, str]]:
        """What is asked for by the very words of capabilities, of which the template does more, or does it in some
        cases only.
        """
        found, own = self._asked, set(_capabilities(self._graph))
        asked = {one.ability.called for one in found.chosen}
        if not asked or not asked <= own or not self._is_exact:
            return
        if asked < own:
            yield found.clause_of(0), "it does more"
        elif not conditions(found).guards:
            for index, one in enumerate(found.chosen):
                if one.ability.called in _conditional(self._graph):
                    yield found.clause_of(index), f"it uses `{one.ability.title}` under a condition"

    @property
    def _is_exact(self) -> bool:
        """Whether each clause says by its verb what a capability does, and no word is anything else."""
        found, parts = self._asked, clauses(self._objective.text)
        begins = [verb_of(without_courtesies(part.text)) for part in parts]
        acts = [any(names_act(verb[0], one.ability) for one in found.chosen) for verb in begins if verb is not None]
        names = len(acts) == len(parts) and all(acts)
        return names and found.confidence >= EXACT and self._of_asked.share >= EXACT

    @property
    def is_asked_of_others(self) -> bool:
        """Whether a new graph of capabilities may be what is meant: they know what it would be done to."""
        return bool(self._asked.chosen) and not any(strangers(self._of_asked))


def _is_light(verb: str) -> bool:
    """Whether it says nothing without what comes after it, or only that something is to be known."""
    return says_nothing(verb) or not content(verb)


def _stems(graph: Graph, index: Index) -> frozenset[str]:
    """What the capabilities of a graph have."""
    used = set(_capabilities(graph))
    several = [one for one in index.abilities if one.called in used]
    return frozenset(
        word for one in several for words in (one.described, one.input_words, one.output_words) for word in words
    )


def _words(objective: Objective, known: KnownTemplate, graph: Graph) -> Iterator[str]:
    """All that is said of what a template does."""
    template = known.template
    yield from (template.name, template.description)
    yield from (SLOT.sub(" ", phrase) for phrase in template.examples)
    yield from (one.text for one in objective.examples if one.label == template.name)
    yield from _of_schema(template.input)
    yield from _capabilities(graph)
    for task in graph.tasks.values():
        yield from (task.id, task.description)
        below = task.action.template.partition("@")[0] if isinstance(task.action, Subrun) else None
        if below in objective.newest and below != template.name:
            other = objective.newest[below].template
            yield " ".join((other.name, other.description, *other.examples))


def _capabilities(graph: Graph, of: Callable[[Task], bool] = lambda task: True) -> Iterator[str]:
    """The names of what a graph may use, or such tasks of it, fallbacks too."""
    for task in graph.tasks.values():
        if isinstance(task.action, Work) and of(task):
            yield from (option.capability.name for option in task.action.options if option.capability is not None)


def _conditional(graph: Graph) -> frozenset[str]:
    """The capabilities that a graph uses in some cases only."""
    always = frozenset(_capabilities(graph, lambda task: task.when is None))
    return frozenset(_capabilities(graph)) - always


def _of_schema(schema: Any) -> Iterator[str]:
    """The names, descriptions and options of an input's parts."""
    parts = schema.get("properties", {}) if isinstance(schema, dict) else {}
    for name, part in parts.items():
        yield name
        if isinstance(part, dict):
            yield from (str(one) for one in (part.get("title", ""), part.get("description", ""), *part.get("enum", ())))
