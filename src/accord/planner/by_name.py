"""A template is named for an objective: what is meant is known, and its input is found among the words."""

from __future__ import annotations

from accord.planner.rules import acts_of, bound_words, confident, example_of, matches
from accord.planner.slots import told_as
from accord.planner.spans import Filled, fill, wanted_of
from accord.planner.ways import Answer, Found, Incomplete, KnownTemplate, Objective, Unsure, WayName


class Named:
    """Reads an objective as one that means this template."""

    name: WayName = "named"

    def __init__(self, known: KnownTemplate) -> None:
        self._known = known

    async def find(self, objective: Objective) -> Answer:
        """The template with what the words say of its input, or what they do not say of it (ACC802, ACC809)."""
        template, given = self._known.template, objective.given(self._known.template)
        filled = said(objective, self._known)
        if filled.beside:
            return Unsure(filled.beside)
        missing = wanted_of(template, {**filled.input, **given})
        if missing:
            return Incomplete.of(self._known, filled.input, missing, example_of(template))
        read = (told_as(name, words, filled.input[name]) for name, words in filled.words.items())
        return Found(
            known=self._known,
            input=filled.input,
            confidence=1.0,
            reasons=("the template was named", *read),
            slots=filled.words,
        )


def said(objective: Objective, known: KnownTemplate) -> Filled:
    """What an objective says of the template's input: as a phrase has it that it is, else as its schema asks for it."""
    match = confident(matches(objective.text, [known.template], acts_of(objective.described), objective.now))
    if match is not None:
        return Filled(match.input, bound_words(match, objective.text))
    return fill(objective.text, known.template, objective.given(known.template), objective.now)
