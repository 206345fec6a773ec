"""The first way: an objective is laid over the example phrases of templates. Exact, and every word is accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from accord.domain.template import Template
from accord.errors import Place, Problem, Wanting
from accord.planner.answering import no_wish
from accord.planner.rules import (
    CONFIDENT,
    Match,
    acts_of,
    bound_words,
    confident,
    example_of,
    matches,
    nearest,
    rivals,
)
from accord.planner.slots import not_understood, told_as
from accord.planner.ways import Answer, Candidate, Found, Incomplete, Objective, Unsure, WayName, wanting_of


class Rules:
    """Phrases and their slots."""

    name: WayName = "rules"

    async def find(self, objective: Objective) -> Answer:
        """The template whose phrase the objective is, or why there is none (ACC800 to ACC804)."""
        if not objective.phrased:
            hint = "give a template `examples`, or run one by its name"
            return Unsure((Problem("ACC804", "no known template has example phrases", Place(), hint),))
        acts = acts_of(objective.described)
        found = [
            _completed(match, objective) for match in matches(objective.text, objective.phrased, acts, objective.now)
        ]
        if no_wishes := tuple(_no_wishes(found, objective)):
            return Unsure(no_wishes)
        best = confident(found)
        if best is None:
            problems = tuple(_why_not(objective.text, found, objective.phrased))
            if _is_contrary(found):
                return Incomplete(problems)
            several = _several(found)
            return _asked(problems, found, objective) if _is_clear(found) else Unsure(problems, several)
        left_out = tuple(map(not_understood, best.left))
        return Found(
            known=objective.newest[best.template.name],
            input=best.input,
            confidence=round(best.score, 2),
            reasons=(*_reasons(best, objective.text), *left_out),
            left_out=left_out,
            slots=bound_words(best, objective.text),
            alternatives=tuple(_candidate(match, best) for match in found if match is not best),
        )


def _no_wishes(found: Sequence[Match], objective: Objective) -> Iterator[Problem]:
    """That templates whose words are said are not for what is asked or told."""
    for match in found:
        problem = no_wish(objective, objective.newest[match.template.name]) if match.score >= CONFIDENT else None
        if problem is not None:
            yield problem


def _completed(match: Match, objective: Objective) -> Match:
    """The match without a need for what is given beside the words; what is said of something else stays."""
    given = objective.given(match.template) if not match.is_complete and match.score >= CONFIDENT else {}
    if not given:
        return match
    missing = tuple(name for name in match.missing if name not in given)
    unusable = tuple(
        problem for problem in match.unusable if problem.code == "ACC809" or _slot_of(problem) not in given
    )
    return msgspec.structs.replace(match, missing=missing, unusable=unusable)


def _asked(problems: tuple[Problem, ...], found: Sequence[Match], objective: Objective) -> Incomplete:
    """That something is to be said yet, and of which template where only one could be meant."""
    clear = [match for match in found if match.score >= CONFIDENT]
    if len(clear) != 1:
        return Incomplete(problems, several=_several(found))
    return Incomplete(problems, _wanting(clear[0], objective), takes=clear[0].template.input)


def _wanting(match: Match, objective: Objective) -> Wanting | None:
    """What is to be said yet, if anything is."""
    wrong = [_slot_of(problem) for problem in match.unusable if problem.place.pointer]
    missing = tuple(dict.fromkeys((*match.missing, *wrong)))
    said = {name: value for name, value in match.input.items() if name not in missing}
    return wanting_of(objective.newest[match.template.name], said, missing) if missing else None


def _several(found: Sequence[Match]) -> tuple[str, ...]:
    """The names of the templates that could be meant, where they are more than one."""
    clear = [match for match in found if match.score >= CONFIDENT]
    usable = [match for match in clear if match.is_complete]
    names = tuple(match.template.name for match in (rivals(usable) if usable else clear))
    return names if len(names) > 1 else ()


def _slot_of(problem: Problem) -> str:
    """The part of the input that a problem is of; empty where it is of the whole."""
    return (problem.place.pointer or "").removeprefix("/").split("/")[0]


def _is_clear(found: Sequence[Match]) -> bool:
    """Whether all that could be meant was said, but for what goes into the slots; not where more is said than that."""
    clear = [match for match in found if match.score >= CONFIDENT]
    return bool(clear) and not any(match.is_complete or match.aside is not None for match in clear)


def _is_contrary(found: Sequence[Match]) -> bool:
    """Whether what is meant is clear, and something of it is said not to be: then no other way may do it."""
    said = [match.aside for match in found if match.score >= CONFIDENT]
    return any(aside is not None and aside.kind == "contrary" for aside in said)


def _why_not(objective: str, found: Sequence[Match], templates: Sequence[Template]) -> Iterator[Problem]:
    usable = [match for match in found if match.is_complete and match.score >= CONFIDENT]
    if usable:
        several = rivals(usable)
        names = " and ".join(f"`{match.template.name}`" for match in several)
        phrases = "; ".join(f"`{match.phrase}`" for match in several)
        hint = f"say it as one of them does: {phrases}"
        yield Problem("ACC801", f"{names} fit the objective equally well", Place(), hint)
        return
    close = [match for match in found if match.score >= CONFIDENT / 2]
    for match in close[:3]:
        yield from _why_incomplete(match)
    if not close:
        near = ", ".join(f"`{template.name}` ({example_of(template)})" for template in nearest(objective, templates))
        hint = f"the nearest: {near}" if near else "none has a word of it: accord templates list shows all of them"
        yield Problem("ACC800", "no template fits the objective", Place(), hint)


def _why_incomplete(match: Match) -> Iterator[Problem]:
    name, hint = match.template.name, f"say it like {example_of(match.template)}"
    if match.missing:
        slots = ", ".join(f"`{slot}`" for slot in match.missing)
        yield Problem("ACC802", f"for `{name}` the objective does not say {slots}", Place(), hint)
    for problem in match.unusable:
        yield msgspec.structs.replace(problem, message=f"for `{name}`: {problem.message}")
    if match.is_complete:
        share = f"{match.score:.0%}"
        message = f"only {share} of the words fit `{match.phrase}` of `{name}`"
        yield Problem("ACC800", message, Place(), hint)


def _reasons(match: Match, objective: str) -> Iterator[str]:
    words = " ".join(match.alignment.fixed)
    yield f"`{words}` is said in the phrase `{match.phrase}` of `{match.name}`"
    for name, said in bound_words(match, objective).items():
        yield told_as(name, said, match.input[name])


def _candidate(match: Match, best: Match) -> Candidate:
    if not match.is_complete:
        missing = [*match.missing, *(problem.place.pointer or "" for problem in match.unusable)]
        why = f"not said, or not fitting: {', '.join(name.strip('/') for name in missing)}"
    elif match.score < CONFIDENT:
        why = f"only {match.score:.0%} of the words fit"
    else:
        why = f"fewer words fit than with `{best.template.name}`"
    return Candidate(template=match.name, phrase=match.phrase, score=round(match.score, 2), why_not=why)
