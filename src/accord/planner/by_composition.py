"""A way to plans that no template has: a new graph is composed of the capabilities that agents offer.

ACC810  nothing that agents offer is clearly asked for
ACC811  the objective does not say an input that is needed
ACC812  only a part of what is said is something that agents do
ACC813  something is to be done for each of several, and there is no list, or it is not clear for which of them
ACC814  a condition that nothing decides, or a wait for something that nothing waits for
ACC815  something is said not to be done, and is what would be done
ACC816  what is said would change what is done, and nothing that is asked for takes it
ACC817  several values are said for an input that has one
ACC818  a graph may be meant, and it is not sure enough
ACC819  an objective does not ask for the graph that is named
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from accord.domain.capability import CapabilityRange
from accord.domain.contract import Contract
from accord.domain.schema import canonical_form, digest_of
from accord.domain.template import template_from_json
from accord.errors import BadInput, Place, Problem
from accord.planner.composition.ability import ANY, Ability, Member, ability_of
from accord.planner.composition.account import UNDERSTOOD, Account
from accord.planner.composition.acts import not_done, not_for_each, unasked
from accord.planner.composition.clauses import clauses
from accord.planner.composition.composer import Composer, Composition, Weighed
from accord.planner.composition.conditions import Conditions, conditions
from accord.planner.composition.doubts import NEAREST, doubt, named, sureness
from accord.planner.composition.drafting import Draft, Missing, draft
from accord.planner.composition.evidence import Edge
from accord.planner.composition.exclusions import alternative, excepted, in_any_case
from accord.planner.composition.index import Index
from accord.planner.composition.linking import WEIGHED, same_kind
from accord.planner.composition.lists import with_items
from accord.planner.composition.literals import ADDRESS
from accord.planner.composition.objects import strangers
from accord.planner.composition.restrictions import guard_alone, restrictions
from accord.planner.composition.rivals import Row, row_of, same_again
from accord.planner.composition.school import School
from accord.planner.composition.sequence import Unordered, ordered
from accord.planner.composition.several import for_several, lists
from accord.planner.composition.unheard import Unheard, unheard
from accord.planner.composition.unsaid import unsaid
from accord.planner.composition.wording import content, overlap, percent, trigrams
from accord.planner.lessons import Lessons
from accord.planner.track_record import by_record
from accord.planner.ways import (
    Answer,
    Candidate,
    Found,
    Incomplete,
    KnownTemplate,
    Objective,
    Unsure,
    WayName,
    wanting_of,
)
from accord.planner.words import QUOTED
from accord.verifier.compatibility import covers

SURE = 0.5
"""The least probability of a capability that is used, and of a graph that is planned without asking."""

MANY = 1000
"""With more capabilities it takes up to tenths of a second, in which others go on."""

SPELT_LIKE = 0.3
"""The least share of groups of three letters that two words that are spelt alike have in common."""

MOST_FORMS = 2
"""Ways to say for which of several something is done that a hint has at most."""

MOST_OPTIONS = 10
"""Options of an enumeration that a question names at most."""

CACHED_CATALOGUES = 8
_EACH = re.compile(r"\b(?:for (?:each|every)|each of|every one of)\b", re.IGNORECASE)
_ADDRESS = re.compile(ADDRESS)
_DO_NOT = r"(?:do not|don['\u2019]?t)"
_NOT_DONE = re.compile(
    rf"(?:^|\b(?:and|but|or|so|then|please|also)\s+)(?:{_DO_NOT}(?!\s+(?:forget|hesitate|fail)\b)|never|not to"
    r"|not(?=\s+(?:the|an?|any|this|that|these|those)\b))\b"
    rf"|\b(?:must|should|shall|may) not\b|\b{_DO_NOT} want\b|\bwithout\b|\binstead of\b|\brather than\b",
    re.IGNORECASE,
)
"""What stands before words that say what is not to be done."""

_NONE_OF = re.compile(
    r"^\W*(?:(?:and|but|or|so|then|please|also)\s+)*(?!there\b|it\b|this\b|that\b)(?:\w+\s+){0,2}?"
    r"no\s+(?!more\b|less\b|fewer\b|later\b|sooner\b|earlier\b|longer\b|matter\b|doubt\b|problem\b)",
    re.IGNORECASE,
)
"""`send no alarm`, `give him no answer`."""

_NEVER_ENDS = re.compile(rf"\b(?:never(?: ever)?|(?:must|should|shall|may|do) not|{_DO_NOT})\W*$", re.IGNORECASE)
"""What is said before a comma of what comes after it: `never, under any circumstances, ...`."""


class Composed:
    """New graphs of what agents offer, as examples have it where there are enough; none where it is not clear what is
    meant, or a part of it was not said.
    """

    name: WayName = "composition"

    def __init__(self) -> None:
        self._lessons, self.school = Lessons(), School()

    async def find(self, objective: Objective) -> Answer:
        """The graph that is composed, what is to be said of it yet, or why there is none (ACC810 to ACC818) and which
        capabilities are nearest.
        """
        index = index_of(tuple(offered(objective)))
        taught = self.school.taught(self._lessons.of(objective), index.abilities)
        composer = Composer(index, _fits, taught.teacher, by_record(objective.tries), unquoted)
        if len(index.abilities) > MANY:
            found = await asyncio.to_thread(composer.compose, objective.text, SURE)
        else:
            found = composer.compose(objective.text, SURE)
        if not found.chosen:
            return Unsure(tuple(_nearest(found, index)))
        said = conditions(found)
        told = ordered(found, said)
        found = msgspec.structs.replace(found, orders=(*found.orders, *told.orders))
        made = draft(found, said, objective.now)
        value = objective.change(made.input, made.document["input"])
        account = Account(found, made.read, said, taught)
        if account.share < UNDERSTOOD:
            return Unsure((_half_understood(found, account.share),))
        unclear = (
            tuple(_unclear(found, said))
            or tuple(_again(found, made))
            or tuple(_restricted(account))
            or tuple(_unordered(found, told.unordered))
        )
        if unclear:
            return Unsure(unclear)
        asked = _asked(account, made, value, _given(objective, made))
        if not isinstance(asked, Unsure) and (otherwise := tuple(_otherwise(account)) or tuple(_unnamed(account))):
            return Unsure(otherwise)
        if asked is None and (several := tuple(_for_several(account, made, _given(objective, made)))):
            return Unsure(several)
        return asked or _doubted(account, made, value, objective.accepted) or _found(account, made, value)


class Accepted:
    """Of what is composed only the graph of this name, which somebody has accepted although it is not sure."""

    name: WayName = "composition"

    def __init__(self, graph: str) -> None:
        self._graph = graph

    async def find(self, objective: Objective) -> Answer:
        """The graph, or what it needs yet; none where the words ask for another one (ACC819)."""
        answer = await COMPOSED.find(msgspec.structs.replace(objective, accepted=self._graph))
        if isinstance(answer, Unsure):
            return answer
        if isinstance(answer, Found):
            found: str | None = answer.known.name
        else:
            found = answer.wanting.template if answer.wanting is not None else None
        if found is not None and found.partition("@")[0] == self._graph:
            return answer
        hint = "plan them without naming it: the answer names the graph that they ask for"
        return Unsure((Problem("ACC819", f"these words do not ask for `{self._graph}`", Place(), hint),))


COMPOSED = Composed()
"""The one that remembers what it has learned."""


def _doubted(account: Account, made: Draft, value: dict[str, Any], accepted: str | None) -> Answer | None:
    """The question whether a graph is meant that is less sure than `SURE`; None of one that somebody has accepted."""
    known = _known(made)
    if sureness(account) >= SURE or known.template.name == accepted:
        return None
    wanting = msgspec.structs.replace(wanting_of(known, value, ()), document=made.document)
    return Incomplete((doubt(account),), wanting)


def _given(objective: Objective, made: Draft) -> Collection[str]:
    """The parts of the input that are given beside the words."""
    try:
        found = objective.change({}, made.document["input"])
    except BadInput:
        return ()
    return found if isinstance(found, dict) else ()


def _asked(account: Account, made: Draft, value: dict[str, Any], given: Collection[str]) -> Answer | None:
    """What is to be said yet, or otherwise; None where all is clear. What is given beside the words may be what a part
    of them is about.
    """
    several = _rows(account, made)
    told = " ".join(row.text for row in several.values())
    rows = {name: row for name, row in several.items() if name not in given}
    missing = [name for name in made.missing if name not in value]
    answered = bool(missing) or not made.slots.keys() >= set(given)
    over = [one for one in _not_heard(account) if not (one.may_be_value and answered) and not _is_in(one.words, told)]
    problems = (
        *(_which(name, row) for name, row in rows.items()),
        *(_unsaid(name, made.missing[name]) for name in missing),
        *(_passed_over(one, account) for one in over),
    )
    if not rows and not missing:
        return Unsure(problems) if problems else None
    problems = (*problems, *_for_several(account, made, given))
    said = {name: one for name, one in value.items() if name not in rows}
    return Incomplete(problems, wanting_of(_known(made), said, [*rows, *missing]))


def _for_several(account: Account, made: Draft, given: Collection[str]) -> Iterator[Problem]:
    """What is said of several things, and is done for one, unless somebody says beside the words which one."""
    near = [one.ability.title for one in account.found.near if lists(one.ability)][:NEAREST]
    for index, said in for_several(account):
        ability = account.found.reading.abilities[index]
        if any(one.ability == ability and name in given for name, one in made.missing.items()):
            continue
        giving = " or ".join(f"`{one}`" for one in near) or "a capability that gives them"
        hint = f"ask for the list as well, of {giving}; or say which one is meant"
        message = f"`{said}` is said, there is no list of them, and `{ability.title}` is done for one"
        yield Problem("ACC813", message, Place(), hint)


def _not_heard(account: Account) -> Iterator[Unheard]:
    """What would change what is done, by its words or by where it stands; each word once."""
    told: list[str] = []
    for one in (*unheard(account), *(Unheard(words, may_be_value=True) for words in strangers(account))):
        if not any(one.words in other or other in one.words for other in told):
            yield one
        told.append(one.words)


def _rows(account: Account, made: Draft) -> dict[str, Row]:
    """The values that are said side by side, by the input that takes one of them."""
    reading, found = account.found.reading, {}
    called = {word for one in reading.abilities for member in one.inputs for word in member.named}
    for name, taken in made.slots.items():
        row = row_of(reading.objective, taken, called)
        if row is not None and not any(one in row.values for other, one in made.slots.items() if other != name):
            found[name] = row
    return found


def _is_in(words: str, told: str) -> bool:
    return all(word in told for word in words.split())


def offered(objective: Objective) -> Iterator[tuple[Contract, str]]:
    """What agents that are there offer: of each capability the newest version."""
    for name in sorted(objective.capabilities.names()):
        contracts = objective.capabilities.contracts(CapabilityRange.parse(name))
        newest = next((one for one in contracts if str(one.ref) in objective.described), None)
        if newest is not None:
            yield newest, objective.described[str(newest.ref)]


@lru_cache(maxsize=CACHED_CATALOGUES)
def index_of(offered: tuple[tuple[Contract, str], ...]) -> Index:
    """The index of a set of contracts; contracts are equal where their digests are."""
    return Index(_ability(contract, words) for contract, words in offered)


def unquoted(objective: str) -> str:
    """The objective with one word that says nothing for all that is in quotation marks, and for each address: that is
    data, and asks for nothing.
    """
    return _ADDRESS.sub('"x"', QUOTED.sub('"x"', objective))


def _ability(contract: Contract, words: str) -> Ability:
    found = ability_of(str(contract.ref), words, contract.input.document, contract.output.document)
    return msgspec.structs.replace(found, outputs=with_items(found.outputs))


def _fits(edge: Edge) -> bool:
    """Whether the input's schema covers the output's, as far as anybody can tell; what takes anything takes no list
    item by item.
    """
    if edge.output.each is not None and edge.input.kind == ANY:
        return False
    return same_kind(edge) and not covers(edge.input.schema, edge.output.schema).refuted


def _nearest(found: Composition, index: Index) -> Iterator[Problem]:
    """What could have been meant: by words, or else by letters; nothing where no agent is there."""
    if found.near:
        hint = f"the nearest capabilities: {named(found.near)}"
        yield Problem("ACC810", "no capability is clearly asked for", Place(), hint)
    elif index.abilities:
        alike = ", ".join(f"`{one.title}`" for one in _spelt_like(found.reading.objective, index.abilities))
        hint = f"spelt alike: {alike}" if alike else "none is near: accord agents list shows what agents offer"
        yield Problem("ACC810", "no capability has a word of the objective", Place(), hint)


def _spelt_like(objective: str, abilities: Sequence[Ability]) -> list[Ability]:
    """The abilities that have a word in their names that is written about like one that is said, the likest first."""
    said = [trigrams(word) for word in frozenset(content(objective))]
    alike = {word: max((overlap(trigrams(word), one) for one in said), default=0.0) for word in _names(abilities)}
    told = [(max((alike[word] for word in one.named), default=0.0), one) for one in abilities]
    close = sorted((each for each in told if each[0] >= SPELT_LIKE), key=lambda each: -each[0])
    return [one for _, one in close[:NEAREST]]


def _names(abilities: Sequence[Ability]) -> frozenset[str]:
    return frozenset(word for one in abilities for word in one.named)


def _half_understood(found: Composition, share: float) -> Problem:
    message = f"only {share:.0%} of the words are about what agents offer"
    return Problem("ACC812", message, Place(), f"the nearest capabilities: {named(found.chosen)}")


def _unclear(found: Composition, said: Conditions) -> Iterator[Problem]:
    """What is said of lists and conditions, and nothing that agents do decides; and what is not to be done."""
    yield from _unwanted(found, said)
    each = _EACH.search(QUOTED.sub(" ", found.reading.objective))
    if each is not None and not found.repeated:
        hint = "nothing that is asked for takes what is in a list of another one"
        yield Problem("ACC813", f"`{each[0]}` is said, and there is no list to go through", Place(), hint)
    for text in said.unclear:
        told = ", ".join(f"`{one.name}` of `{ability.title}`" for ability, one in _deciding(found))
        hint = f"these could: {told}" if told else "nothing that is asked for gives a yes or no, a number or an option"
        yield Problem("ACC814", f"nothing decides the condition `{text}`", Place(), hint)


def _restricted(account: Account) -> Iterator[Problem]:
    """What is said to be done for some only, or not in any case, where the graph would do it all the same."""
    for one in restrictions(account):
        message = f"`{one.said}` may say for which of several `{one.ability.title}` is done, and is not understood"
        yield Problem("ACC813", message, Place(), _said_as(one.deciding))
    said = guard_alone(account)
    if said is not None:
        hint = "say `if`, `unless` or `otherwise` with what a task finds out; for an approval, use a template"
        yield Problem("ACC814", f"nothing of the plan waits for, or decides, `{said}`", Place(), hint)


def _unordered(found: Composition, several: Sequence[Unordered]) -> Iterator[Problem]:
    """What is said of what comes first, and the graph does not follow."""
    for one in several:
        message = f"nothing of the plan waits for, or comes first by, `{one.said}`"
        hint = "say `A, then B`, or `B after doing A`, of what agents do"
        if one.contrary is not None:
            first, second = (found.reading.abilities[at].title for at in one.contrary)
            message = f"`{one.said}` says that `{second}` comes after `{first}`, and the plan has no such order"
            hint = (
                "say them in the order in which they take something from each other, without a condition on one alone"
            )
        yield Problem("ACC814", message, Place(), hint)


def _otherwise(account: Account) -> Iterator[Problem]:
    """What is said of the acts, and would make them others."""
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
    for verb in not_done(account):
        hint = f"say what is to be done, in words of what agents offer; {_takes(account)}"
        yield Problem("ACC816", f"`{verb}` would change what is done: it is not understood", Place(), hint)
    for index in not_for_each(account):
        clause = account.found.clause_of(index)
        message = f"`{clause}` may be meant for each, and `{account.found.reading.abilities[index].title}` is done once"
        yield Problem("ACC813", message, Place(), "say it in a sentence of its own where it is done once")
    for index in unasked(account):
        title = account.found.reading.abilities[index].title
        message = f"`{title}` would be done for `{account.found.clause_of(index)}`, which asks for something else"
        yield Problem("ACC816", message, Place(), f"say it apart, or without what `{title}` takes; {_takes(account)}")


def _unnamed(account: Account) -> Iterator[Problem]:
    """What would be done although only what it takes is named."""
    for index in unsaid(account):
        clause, title = account.found.clause_of(index), account.found.reading.abilities[index].title
        near = named([account.found.chosen[index], *account.found.near])
        message = f"`{clause}` does not say what is to be done; `{title}` would be a guess"
        yield Problem("ACC816", message, Place(), f"say what is to be done with it; these are near: {near}")


def _passed_over(one: Unheard, account: Account) -> Problem:
    """What is said, and nothing would be done for it."""
    message = f"`{one.words}` would change what is done, and nothing that is asked for takes it"
    if one.is_clause:
        message = f"nothing would be done for `{one.words}`: it is not understood"
    near = f"; near are {named(account.found.near)}" if account.found.near else ""
    hint = f"say it without `{one.words}`, or ask for what takes it; {_takes(account)}{near}"
    return Problem("ACC816", message, Place(), hint)


def _again(found: Composition, made: Draft) -> Iterator[Problem]:
    """What may only be another value for what is done already, and would be taken for another act."""
    for index, earlier in same_again(found, made.slots):
        one, other = (found.reading.abilities[at].title for at in (index, earlier))
        message = f"`{found.clause_of(index)}` may be meant for `{other}`, and `{one}` is not named"
        yield Problem("ACC817", message, Place(), f"say what is to be done with it; `{other}` is done once")


def _which(name: str, row: Row) -> Problem:
    several = ", ".join(f"`{one}`" for one in row.values)
    message = f"{several} are said, and there is one `{name}`"
    hint = f"say which, as `{name}` of the input; what is done for several is asked for one by one"
    return Problem("ACC817", message, Place(pointer=f"/{name}"), hint)


def _takes(account: Account) -> str:
    """What the chosen abilities take, for a hint."""
    told = (
        f"`{one.title}` takes {', '.join(f'`{member.name}`' for member in one.inputs) or 'nothing'}"
        for one in account.found.reading.abilities[:NEAREST]
    )
    return ", ".join(told)


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


def _unwanted(found: Composition, said: Conditions) -> Iterator[Problem]:
    """What is asked for only by words that say that it is not to be done; a condition may say `not`."""
    for index, one in enumerate(found.chosen):
        text = QUOTED.sub(" ", _with_never(found, one.clause))
        for condition in (*(guard.said for guard in said.guards), *said.unclear):
            text = text.replace(condition, " ")
        negated = _NOT_DONE.search(text) or _NONE_OF.search(text)
        if negated is not None and not one.ability.described.isdisjoint(content(text[negated.end() :])):
            message = f"`{found.clause_of(index)}` says what is not to be done; a plan has only what is done"
            hint = f"say only what is to be done: `{one.ability.title}` is what these words are about"
            yield Problem("ACC815", message, Place(), hint)


def _with_never(found: Composition, clause: int) -> str:
    """The words of a clause, after a `never` that a comma parts from it, if nothing between is asked for."""
    parts, asked = [part.text for part in clauses(found.reading.objective)], {one.clause for one in found.chosen}
    if not parts:
        return found.reading.objective
    for at in range(clause - 1, -1, -1):
        if at in asked or parts[at].rstrip().endswith((".", ";", "!", "?")):
            break
        never = _NEVER_ENDS.search(parts[at])
        if never is not None:
            return f"{never[0].strip(' ,')} {parts[clause]}"
    return parts[clause]


def _deciding(found: Composition) -> Iterator[tuple[Ability, Member]]:
    """The outputs over which there can be a condition."""
    for ability in found.reading.abilities:
        for one in ability.outputs:
            if one.decides:
                yield ability, one


def _unsaid(name: str, one: Missing) -> Problem:
    what = f" ({one.member.description})" if one.member.description else ""
    message = f"for `{one.ability.title}` the objective does not say `{one.member.name}`{what}"
    if one.unfit is not None:
        message = f"for `{one.ability.title}`, `{one.unfit.words}` is no `{one.member.name}`{what}: {one.unfit.why}"
    options = one.member.schema.get("enum") if isinstance(one.member.schema, dict) else None
    say = "say it, in quotation marks where it is more than a word"
    if isinstance(options, list) and 0 < len(options) <= MOST_OPTIONS:
        say = f"say one of {', '.join(map(str, options))}"
    hint = f"{say}; or give `{name}` of the input"
    return Problem("ACC811", message, Place(pointer=f"/{name}"), hint)


def _known(made: Draft) -> KnownTemplate:
    data = canonical_form(made.document)
    return KnownTemplate(template_from_json(data), digest_of(data))


def _found(account: Account, made: Draft, value: Any) -> Found:
    """The plan; it is as sure as what is chosen, less by the share of the words that are not known."""
    found, note = account.found, account.taught.note
    left_out = tuple(account.left_out())
    return Found(
        known=_known(made),
        input=value,
        confidence=sureness(account),
        reasons=(*made.reasons, *left_out, *_compared(found), *([note] if note is not None else [])),
        left_out=left_out,
        slots=made.slots,
        whys=made.whys,
        alternatives=tuple(
            Candidate(
                template=one.ability.name,
                phrase=one.ability.description,
                score=round(one.probability, 2),
                why_not=_why_not(found, one),
            )
            for one in _alternatives(found)
        ),
        document=made.document,
    )


def _compared(found: Composition) -> Iterator[str]:
    """Why one of several that would have done is used."""
    for one in found.preferred:
        yield f"`{one.ability.title}` was chosen over `{one.instead_of.title}`, which fits as well: {one.why}"


def _alternatives(found: Composition) -> list[Weighed]:
    """What was weighed and is not used: first what would have done, then what may be meant."""
    able = {one.instead_of.called for one in found.preferred}
    weighed = [one for one in found.near if one.ability.called in able or one.probability >= WEIGHED]
    return sorted(weighed, key=lambda one: one.ability.called not in able)[:NEAREST]


def _why_not(found: Composition, one: Weighed) -> str:
    for other in found.preferred:
        if other.instead_of.called == one.ability.called:
            return f"it fits as well, and `{other.ability.title}` is expected to do better: {other.why}"
    return f"a capability that is asked for with {percent(one.probability)} only"
