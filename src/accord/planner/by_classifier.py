"""The second way: a template is meant in other words than those of its phrases, and its input is found among them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec

from accord.domain.learning import Meant
from accord.domain.template import Template
from accord.domain.template_rules import SLOT
from accord.errors import Place, Problem, Refused
from accord.planner.answering import no_wish
from accord.planner.asides import UNDOES, aside_in
from accord.planner.beyond import Told
from accord.planner.by_composition import MANY
from accord.planner.classifier.examples import phrases_of
from accord.planner.classifier.models import Models, is_installed, learnable
from accord.planner.composition.wording import two_places
from accord.planner.phrases import objective_words
from accord.planner.rules import example_of, nearest, verbs_of
from accord.planner.slots import POINTERS, not_understood, told_as
from accord.planner.spans import Filled, fill, wanted_of
from accord.planner.ways import Answer, Candidate, Found, Incomplete, KnownTemplate, Objective, Unsure, WayName
from accord.planner.words import text_between, weight

NOT_INSTALLED = Problem(
    "ACC806",
    "other words than those of phrases are understood with scikit-learn, which is not installed",
    hint="pip install 'accord-orchestrator[planner]'",
)

INSIDE = 0.5
"""From this likelihood on that any template is meant, it is asked which one."""

ALIKE = 0.5
"""Templates are about equally likely whose share is at least so much of the likeliest one's."""

ASKS = 0.8
"""From this confidence on it asks for what is missing although a word is in no example."""

NEAR = 0.1
"""From this likelihood on a template is near that has no word of the objective."""

MOST_ASKED = 4
"""So many templates are asked about at most."""


class Classifier:
    """Asks who has learnt from use; where nobody has, it learns from the phrases of templates, once."""

    name: WayName = "classifier"

    def __init__(self) -> None:
        self._models = Models()

    async def find(self, objective: Objective) -> Answer:
        """The template that examples like the objective mean, or why none is sure (ACC802, ACC806 to ACC809)."""
        try:
            judged = await objective.judge(objective.text)
        except Refused as error:
            return Unsure(error.problems)
        if judged is None:
            examples = learnable(list(phrases_of(objective.phrased)))
            if not examples:
                return Unsure()
            if not is_installed():
                return Unsure((NOT_INSTALLED,))
            judged = await (await self._models.of(examples)).judged(objective.text)
        known = objective.newest.get(judged.label) if judged.label is not None else None
        if known is None:
            return Unsure(tuple(_nearest(judged, objective)), _several(judged, objective))
        if judged.negation is not None:
            message = f"`{judged.negation}` is not said in any example of `{judged.label}`"
            return Unsure((Problem("ACC807", message, Place(), f"say it like {example_of(known.template)}"),))
        beside = no_wish(objective, known) or _beside(objective, known.template)
        if beside is not None:
            return Unsure((beside,))
        if len(objective.described) > MANY:
            return await asyncio.to_thread(_answer, objective, known, judged)
        return _answer(objective, known, judged)


def _answer(objective: Objective, known: KnownTemplate, judged: Meant) -> Answer:
    template = known.template
    given = objective.given(template)
    filled = fill(objective.text, template, given, objective.now)
    if filled.beside:
        named = (msgspec.structs.replace(one, message=f"for `{template.name}`: {one.message}") for one in filled.beside)
        return Unsure(tuple(named))
    told = Told(objective, known, judged, filled.words)
    missing = wanted_of(template, {**filled.input, **given})
    asked = fill(objective.text, template, {}, objective.now).input if given else filled.input
    unsaid = wanted_of(template, asked)  # whoever asked for it is answered, so what is given decides nothing here
    beyond = told.beyond(is_whole=not missing)
    if beyond is not None:
        return beyond
    strange = _strange(objective.text, template, filled) if unsaid and judged.confidence < ASKS else None
    if strange is not None:
        message = f"`{strange}` is in no example of `{template.name}`, which may be meant ({judged.confidence:.0%})"
        return Unsure((Problem("ACC807", message, Place(), f"say it like {example_of(template)}"),))
    if unsaid and told.is_asked_of_others:
        return Unsure(Incomplete.of(known, asked, unsaid, example_of(template)).problems)
    if missing:
        return Incomplete.of(known, filled.input, missing, example_of(template))
    left_out = told.left_out()
    beside = (one for one in map(not_understood, filled.left) if one not in left_out)
    left_out = (*left_out, *beside)
    return Found(
        known=known,
        input=filled.input,
        confidence=two_places(judged.confidence * told.share),
        reasons=(*_reasons(known, judged, filled), *left_out),
        left_out=left_out,
        slots=filled.words,
        alternatives=tuple(_others(objective, judged)),
        version=judged.version,
    )


def _beside(objective: Objective, template: Template) -> Problem | None:
    """What is said beside what the template is for: that it is to be undone, or when it is meant. What its examples say
    so is a part of it.
    """
    words, verbs = objective_words(objective.text), verbs_of(objective.phrased)
    phrases = [objective_words(SLOT.sub("", one)) for one in template.examples]
    own = {word.stem for one in phrases for word in one}
    undoes = next((word for word in words if not word.quoted and word.plain in UNDOES and word.stem not in own), None)
    if undoes is not None:
        message = f"`{undoes.text}` is not said in any example of `{template.name}`"
        return Problem("ACC807", message, Place(), f"say it like {example_of(template)}")
    aside = aside_in(words, verbs)
    said = (aside_in(one, verbs) for one in phrases)
    if aside is None or aside.kind == "act" or any(one is not None and one.kind == aside.kind for one in said):
        return None  # which acts are its own is told by all that it does
    text = text_between(objective.text, aside.words)
    message = f"`{template.name}` is not for `{text}`, which says {aside.says}"
    return Problem("ACC809", message, Place(), f"say it without `{text}`; what is in quotation marks is a value")


def _strange(text: str, template: Template, filled: Filled) -> str | None:
    """A word that is neither in an example of the template nor read for its input, and is no name or number; what only
    points at something says of no other template."""
    own = {word.stem for one in template.examples for word in objective_words(one)}
    own |= {word.stem for said in filled.words.values() for word in objective_words(said)}
    for at, word in enumerate(objective_words(text)):
        is_value = word.quoted or (at > 0 and word.text[0].isupper()) or not word.text.isalpha()
        says_which = weight(word) >= 1 and word.plain not in POINTERS
        if not is_value and says_which and word.stem not in own:
            return word.text
    return None


def _reasons(known: KnownTemplate, judged: Meant, filled: Filled) -> Iterator[str]:
    share = judged.best[0][1]
    yield f"of all examples, it is most like those that mean `{known.name}`: {share:.0%} of the likelihood"
    if judged.by == "sentences":
        yield "what the whole sentence means has decided: its words alone were not sure"
    for name, said in filled.words.items():
        yield told_as(name, said, filled.input[name])


def _others(objective: Objective, judged: Meant) -> Iterator[Candidate]:
    for label, share in judged.best[1:4]:
        if share >= 0.01 and label in objective.newest:
            template = objective.newest[label].template
            why = f"less like what means it: {share:.0%} of the likelihood"
            yield Candidate(
                template=objective.newest[label].name,
                phrase=_phrase(template),
                score=round(share, 2),
                why_not=why,
            )


def _phrase(template: Template) -> str:
    return template.examples[0] if template.examples else template.name


def _several(judged: Meant, objective: Objective) -> tuple[str, ...]:
    """The templates between which it cannot decide, where it is likelier than not that one of them is meant."""
    likely = [(label, share) for label, share in judged.best if label in objective.newest]
    if not likely or judged.confidence < INSIDE * likely[0][1]:
        return ()
    names = tuple(label for label, share in likely[:MOST_ASKED] if share >= ALIKE * likely[0][1])
    return names if len(names) > 1 else ()


def _nearest(judged: Meant, objective: Objective) -> Iterator[Problem]:
    """That it is like nothing known; and what is near, beside those that have a word of it, which are told anyway."""
    known = [(objective.newest[label].template, share) for label, share in judged.best if label in objective.newest]
    if known:
        told = nearest(objective.text, objective.phrased)
        inside = judged.confidence / max(judged.best[0][1], judged.confidence)
        near = [template for template, share in known[:3] if share * inside >= NEAR and template not in told]
        names = ", ".join(f"`{template.name}` ({example_of(template)})" for template in near)
        sure = f": {judged.confidence:.0%} sure of `{judged.best[0][0]}`" if judged.confidence >= NEAR else ""
        message = f"it is too unlike all examples{sure}"
        yield Problem("ACC807", message, Place(), f"near by what it means: {names}" if near else None)
