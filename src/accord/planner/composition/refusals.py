"""Refusals: why a composed graph is not planned, in the order in which it is found out: the first that applies is told.

First whether enough is understood at all; then what the graph would do otherwise than said; then what it would leave
out, and what nobody has asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Final, TypeAlias

from accord.errors import Place, Problem
from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.account import UNDERSTOOD
from accord.planner.composition.acts import not_done, not_for_each, unasked
from accord.planner.composition.asked import asked_about
from accord.planner.composition.composer import Composition
from accord.planner.composition.doubts import NEAREST, named
from accord.planner.composition.equals import equals
from accord.planner.composition.exclusions import alternative, excepted, in_any_case
from accord.planner.composition.index import Index
from accord.planner.composition.negations import unwanted
from accord.planner.composition.questions import Proposal, passed_over, several, takes
from accord.planner.composition.restrictions import guard_alone, restrictions
from accord.planner.composition.rivals import same_again
from accord.planner.composition.thing import only_taken
from accord.planner.composition.unsaid import unsaid
from accord.planner.composition.verbs import finds_out
from accord.planner.composition.wording import content, overlap, trigrams
from accord.planner.words import QUOTED
from accord.verifier.compatibility import covers

SPELT_LIKE: Final = 0.3
"""The least share of groups of three letters that two words that are spelt alike have in common."""

MOST_FORMS: Final = 2
"""Ways to say for which of several something is done that a hint has at most."""

_EACH: Final = re.compile(r"\b(?:for (?:each|every)|each of|every one of)\b", re.IGNORECASE)

Check: TypeAlias = Callable[[Proposal], Iterator[Problem]]
"""What speaks against a graph; nothing where all is well."""


def refusal(proposal: Proposal) -> tuple[Problem, ...]:
    """Why the graph is not planned: what the first check says that says anything."""
    told = (tuple(check(proposal)) for check in CHECKS)
    return next((problems for problems in told if problems), ())


def nearest(found: Composition, index: Index) -> Iterator[Problem]:
    """What could have been meant: by words, or else by letters; nothing where no agent is there."""
    if found.near:
        hint = f"the nearest capabilities: {named(found.near)}"
        yield Problem("ACC810", "no capability is clearly asked for", Place(), hint)
    elif index.abilities:
        alike = ", ".join(f"`{one.title}`" for one in _spelt_like(found.reading.objective, index.abilities))
        hint = f"spelt alike: {alike}" if alike else "none is near: accord agents list shows what agents offer"
        yield Problem("ACC810", "no capability has a word of the objective", Place(), hint)


def _half_understood(proposal: Proposal) -> Iterator[Problem]:
    share = proposal.account.share
    if share < UNDERSTOOD:
        message = f"only {share:.0%} of the words are about what agents offer"
        yield Problem("ACC812", message, Place(), f"the nearest capabilities: {named(proposal.account.found.chosen)}")


def _unclear(proposal: Proposal) -> Iterator[Problem]:
    """What is not to be done, and what is said of lists and conditions that nothing that agents do decides."""
    yield from _unwanted(proposal)
    yield from _without_list(proposal)
    yield from _undecided(proposal)


def _unwanted(proposal: Proposal) -> Iterator[Problem]:
    found = proposal.account.found
    for index in unwanted(found, proposal.account.said):
        message = f"`{found.clause_of(index)}` says what is not to be done; a plan has only what is done"
        hint = f"say only what is to be done: `{found.reading.abilities[index].title}` is what these words are about"
        yield Problem("ACC815", message, Place(), hint)


def _without_list(proposal: Proposal) -> Iterator[Problem]:
    found = proposal.account.found
    each = _EACH.search(QUOTED.sub(" ", found.reading.objective))
    if each is not None and not found.repeated:
        hint = next(_not_covered(found), "nothing that is asked for takes what is in a list of another one")
        yield Problem("ACC813", f"`{each[0]}` is said, and there is no list to go through", Place(), hint)


def _not_covered(found: Composition) -> Iterator[str]:
    """What items of a list have, and an input of the same name does not take as it is."""
    for giving, taking in permutations(found.reading.abilities, 2):
        items = {one.name: one for one in giving.outputs if one.each is not None and not one.whole}
        for member in taking.inputs:
            item = items.get(member.name)
            verdict = covers(member.schema, item.schema) if item is not None else None
            if verdict is not None and verdict.refuted:
                has = f"each item of `{giving.title}` has `{member.name}`"
                why = "; ".join(one.message for one in verdict.violations)
                yield f"{has}, but not each that may be there is one that `{taking.title}` takes: {why}"


def _undecided(proposal: Proposal) -> Iterator[Problem]:
    deciding = ", ".join(f"`{one.name}` of `{ability.title}`" for ability, one in _deciding(proposal.account.found))
    hint = (
        f"these could: {deciding}" if deciding else "nothing that is asked for gives a yes or no, a number or an option"
    )
    for text in proposal.account.said.unclear:
        yield Problem("ACC814", f"nothing decides the condition `{text}`", Place(), hint)


def _no_wish(proposal: Proposal) -> Iterator[Problem]:
    """What is asked about, or told, and would be done."""
    found = proposal.account.found
    finding = named([one for one in (*found.near, *found.chosen) if finds_out(one.ability)])
    near = f"; these find something out: {finding}" if finding else ""
    for one in asked_about(proposal.account):
        says = "asks about" if one.mood == "question" else "tells of"
        title = found.reading.abilities[one.index].title
        message = f"`{found.clause_of(one.index)}` {says} something, and `{title}` would do it"
        yield Problem("ACC816", message, Place(), f"say it as a wish where it is to be done{near}")


def _again(proposal: Proposal) -> Iterator[Problem]:
    """What may only be another value for what is done already, and would be taken for another act."""
    found = proposal.account.found
    for index, earlier in same_again(found, proposal.made.slots):
        one, other = (found.reading.abilities[at].title for at in (index, earlier))
        message = f"`{found.clause_of(index)}` may be meant for `{other}`, and `{one}` is not named"
        yield Problem("ACC817", message, Place(), f"say what is to be done with it; `{other}` is done once")


def _restricted(proposal: Proposal) -> Iterator[Problem]:
    """What is said to be done for some only, or not in any case, where the graph would do it all the same."""
    for one in restrictions(proposal.account):
        message = f"`{one.said}` may say for which of several `{one.ability.title}` is done, and is not understood"
        yield Problem("ACC813", message, Place(), _said_as(one.deciding))
    said = guard_alone(proposal.account)
    if said is not None:
        hint = "say `if`, `unless` or `otherwise` with what a task finds out; for an approval, use a template"
        yield Problem("ACC814", f"nothing of the plan waits for, or decides, `{said}`", Place(), hint)


def _unordered(proposal: Proposal) -> Iterator[Problem]:
    """What is said of what comes first, and the graph does not follow."""
    for one in proposal.unordered:
        message = f"nothing of the plan waits for, or comes first by, `{one.said}`"
        hint = "say `A, then B`, or `B after doing A`, of what agents do"
        if one.contrary is not None:
            first, second = (proposal.account.found.reading.abilities[at].title for at in one.contrary)
            message = f"`{one.said}` says that `{second}` comes after `{first}`, and the plan has no such order"
            hint = (
                "say them in the order in which they take something from each other, without a condition on one alone"
            )
        yield Problem("ACC814", message, Place(), hint)


def _several_meant(proposal: Proposal) -> Iterator[Problem]:
    """What may as well be meant: others do something else, and have all words that are said."""
    found = proposal.account.found
    for index, others in equals(found):
        title, able = found.reading.abilities[index].title, ", ".join(f"`{one.title}`" for one in others[:NEAREST])
        message = f"`{found.clause_of(index)}` may be meant for `{title}`, or as well for {able}"
        yield Problem("ACC810", message, Place(), "say what tells them apart, in their words")


def _ignored(proposal: Proposal) -> Iterator[Problem]:
    """What nothing would be done for; where something is asked, it is told beside the questions."""
    if not proposal.asked:
        yield from passed_over(proposal)


def _otherwise(proposal: Proposal) -> Iterator[Problem]:
    """What is said of the acts, and would make them others."""
    yield from _beyond_plans(proposal)
    yield from _other_acts(proposal)


def _beyond_plans(proposal: Proposal) -> Iterator[Problem]:
    """What no plan says: in any case, all but some, one or the other."""
    account = proposal.account
    said = in_any_case(account)
    if said is not None:
        hint = "say it without a condition where it is to be done in any case"
        yield Problem("ACC814", f"`{said}` is no condition of what is done", Place(), hint)
    said = excepted(account)
    if said is not None:
        hint = "say what it is done for; of a list, what they are: `all but the late ones`"
        yield Problem("ACC816", f"`{said}` excepts something, and nothing of the plan leaves it out", Place(), hint)
    said = alternative(account)
    if said is not None:
        hint = "say which one; a plan does all that it has"
        yield Problem("ACC817", f"`{said}` says that one of several is meant, and not which", Place(), hint)


def _other_acts(proposal: Proposal) -> Iterator[Problem]:
    account, abilities = proposal.account, proposal.account.found.reading.abilities
    for verb in not_done(account):
        hint = f"say what is to be done, in words of what agents offer; {takes(account)}"
        yield Problem("ACC816", f"`{verb}` would change what is done: it is not understood", Place(), hint)
    for index in not_for_each(account):
        clause, title = account.found.clause_of(index), abilities[index].title
        message = f"`{clause}` may be meant for each, and `{title}` is done once"
        yield Problem("ACC813", message, Place(), "say it in a sentence of its own where it is done once")
    for index in unasked(account):
        clause, title = account.found.clause_of(index), abilities[index].title
        message = f"`{title}` would be done for `{clause}`, which asks for something else"
        yield Problem("ACC816", message, Place(), f"say it apart, or without what `{title}` takes; {takes(account)}")


def _unnamed(proposal: Proposal) -> Iterator[Problem]:
    """What would be done although only what it takes is named."""
    account = proposal.account
    for index in dict.fromkeys((*unsaid(account), *only_taken(account))):
        clause, title = account.found.clause_of(index), account.found.reading.abilities[index].title
        near = named([account.found.chosen[index], *account.found.near])
        message = f"`{clause}` does not say what is to be done; `{title}` would be a guess"
        yield Problem("ACC816", message, Place(), f"say what is to be done with it; these are near: {near}")


def _only_one(proposal: Proposal) -> Iterator[Problem]:
    """What is said of several, and would be done for one; where something is asked, it is told beside the questions."""
    if not proposal.asked:
        yield from several(proposal)


CHECKS: Final[tuple[Check, ...]] = (
    _half_understood,
    _no_wish,
    _unclear,
    _again,
    _restricted,
    _unordered,
    _several_meant,
    _ignored,
    _otherwise,
    _unnamed,
    _only_one,
)
"""What is found out, one after the other."""


def _deciding(found: Composition) -> Iterator[tuple[Ability, Member]]:
    """The outputs over which there can be a condition."""
    for ability in found.reading.abilities:
        for one in ability.outputs:
            if one.decides:
                yield ability, one


def _spelt_like(objective: str, abilities: Sequence[Ability]) -> list[Ability]:
    """The abilities that have a word in their names that is written about like one that is said, the likest first."""
    said = [trigrams(word) for word in frozenset(content(objective))]
    alike = {word: max((overlap(trigrams(word), one) for one in said), default=0.0) for word in _names(abilities)}
    told = [(max((alike[word] for word in one.named), default=0.0), one) for one in abilities]
    close = sorted((each for each in told if each[0] >= SPELT_LIKE), key=lambda each: -each[0])
    return [one for _, one in close[:NEAREST]]


def _names(abilities: Sequence[Ability]) -> frozenset[str]:
    return frozenset(word for one in abilities for word in one.named)


def _said_as(deciding: Sequence[Member]) -> str:
    """How to say for which of several something is done, by what each of them has."""
    forms = [f"`each … {_as_condition(one)}`" for one in deciding[:MOST_FORMS]]
    if not forms:
        return "nothing that each of them has decides that: say `each …` where all are meant"
    return f"say it as {' or '.join(forms)}, or `each …` where all are meant"


def _as_condition(one: Member) -> str:
    name = " ".join(one.name.split("_"))
    if one.kind == "boolean":
        return f"that is {name}"
    return f"whose {name} is {one.options[0] if one.options else 'over 5'}"
