"""Whether a template is for what is asked or told: `is the car washed?` has the words of `wash the car`, and asks for
no wash.

It is where its examples ask or tell such things, too, or where all that it does is to find something out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from accord.domain.compile import compile_graph
from accord.domain.graph import Work
from accord.domain.template_rules import SLOT
from accord.errors import Place, Problem
from accord.planner.composition.catalogue import index_of, offered
from accord.planner.composition.verbs import asks_to_know, finds_out
from accord.planner.moods import Mood, mood_of
from accord.planner.rules import example_of, verbs_of
from accord.planner.ways import KnownTemplate, Objective
from accord.planner.words import QUOTED, stem

_SAYS: Final = {"question": "asks about something", "statement": "tells of something"}
_FIRST = re.compile(r"\W*(?:please\s+)?([\w-]+)", re.IGNORECASE)


def no_wish(objective: Objective, known: KnownTemplate) -> Problem | None:
    """That the objective asks or tells something, and the template would do it (ACC809)."""
    verbs = verbs_of(objective.phrased)
    mood = _mood(objective.text, verbs)
    if mood not in _SAYS:
        return None
    examples = list(_examples(objective, known))
    if any(_mood(one, verbs) == mood for one in examples):
        return None
    if mood == "question" and (any(map(_finds, examples)) or _only_finds(objective, known)):
        return None
    template = known.template
    message = f"`{template.name}` is not for `{objective.text.strip()}`, which {_SAYS[mood]}"
    return Problem("ACC809", message, Place(), f"say it as a wish where it is to be done, like {example_of(template)}")


def _mood(text: str, verbs: Collection[str]) -> Mood:
    return mood_of(QUOTED.sub('""', text), lambda word: stem(word.casefold()) in verbs)


def _examples(objective: Objective, known: KnownTemplate) -> Iterator[str]:
    """What is said of the template, with a word for each slot."""
    yield from (SLOT.sub("X", phrase) for phrase in known.template.examples)
    yield from (one.text for one in objective.examples if one.label == known.template.name)


def _finds(example: str) -> bool:
    first = _FIRST.match(example)
    return first is not None and asks_to_know(first[1])


def _only_finds(objective: Objective, known: KnownTemplate) -> bool:
    """Whether all that the template uses only finds something out."""
    graph = compile_graph(known.template, known.digest)
    used = {
        option.capability.name
        for task in graph.tasks.values()
        if isinstance(task.action, Work)
        for option in task.action.options
        if option.capability is not None
    }
    finding = {one.called for one in index_of(tuple(offered(objective))).abilities if finds_out(one)}
    return bool(used) and used <= finding
