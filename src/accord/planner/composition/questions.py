"""Questions: what is to be said yet of a composed graph, so that its input is whole and nothing said is passed over."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Final

import msgspec

from accord.domain.schema_path import schema_at
from accord.errors import Place, Problem
from accord.planner.composition.ability import Member
from accord.planner.composition.account import Account
from accord.planner.composition.doubts import NEAREST, named
from accord.planner.composition.drafting import Draft, Missing
from accord.planner.composition.objects import strangers
from accord.planner.composition.rivals import Row, row_of
from accord.planner.composition.sequence import Unordered
from accord.planner.composition.several import for_several, lists
from accord.planner.composition.unheard import Unheard, unheard
from accord.planner.composition.wording import parts

MOST_OPTIONS: Final = 10
"""Options of an enumeration that a question names at most."""

SPELT_LIKE: Final = 0.8
"""How like each other words are of which one may be a slip for the other one: `laons`, `loans`."""

SPELT_OUT: Final = 4
"""Shorter words are like too many others."""

_CODE: Final = re.compile(r"(?=.*\d)[A-Z][\w-]*")


class Proposal(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A graph that may be what is meant, and what is known of it before it is planned."""

    account: Account
    made: Draft
    unordered: Sequence[Unordered]
    """Words of order that it does not follow."""
    value: dict[str, Any]
    """Its input: what the words say, and what is given beside them."""
    given: Collection[str]
    """The parts of that which are given beside the words; a part of the words may be about them."""

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The values that are said side by side, by the input that takes one of them, and is not given."""
        return {name: row for name, row in self._said_rows.items() if name not in self.given}

    @cached_property
    def missing(self) -> list[str]:
        """The inputs that are needed, and that nothing is said of."""
        return [name for name in self.made.missing if name not in self.value]

    @property
    def asked(self) -> list[str]:
        """The inputs that are asked for."""
        return [*self.rows, *self.missing]

    @cached_property
    def superseded(self) -> dict[str, str]:
        """The words of the parts of the input for which something else is given."""
        read = {name: words for name, words in self.made.read.items() if name in self.given}
        said = self.made.input
        return {
            name: words
            for name, words in read.items()
            if self.value[name] != said.get(name) and str(self.value[name]) != words
        }

    @cached_property
    def over(self) -> list[Unheard]:
        """What is said, would change what is done, and is neither a value that is asked for nor one that is given."""
        told = " ".join(row.text for row in self._said_rows.values())
        answered = bool(self.missing) or not self.made.slots.keys() >= set(self.given)
        return [
            one
            for one in _not_heard(self.account)
            if not (one.may_be_value and answered) and not all(word in told for word in one.words.split())
        ]

    @cached_property
    def _said_rows(self) -> dict[str, Row]:
        reading, found = self.account.found.reading, dict[str, Row]()
        called = {word for one in reading.abilities for member in one.inputs for word in member.named}
        slots = self.made.slots
        for name, taken in slots.items():
            row = row_of(reading.objective, taken, called)
            if row is not None and not any(one in row.values for other, one in slots.items() if other != name):
                found[name] = row
        return found


def questions(proposal: Proposal) -> tuple[Problem, ...]:
    """What is to be said yet, and what else would not be understood then."""
    return (
        *(_which(name, row) for name, row in proposal.rows.items()),
        *(_unsaid(name, proposal.made.missing[name]) for name in proposal.missing),
        *passed_over(proposal),
        *several(proposal),
    )


def passed_over(proposal: Proposal) -> Iterator[Problem]:
    """What is said, and nothing would be done for it."""
    account = proposal.account
    near = f"; near are {named(account.found.near)}" if account.found.near else ""
    for one in proposal.over:
        message = f"`{one.words}` would change what is done, and nothing that is asked for takes it"
        if one.is_clause:
            message = f"nothing would be done for `{one.words}`: it is not understood"
        hint = f"say it without `{one.words}`, or ask for what takes it; {takes(account)}{near}"
        yield Problem("ACC816", message, Place(), _meant(one.words, account) or hint)


def _meant(words: str, account: Account) -> str | None:
    """What a word may be meant for, for a hint: one that is known and spelt about like it, or an item of a list."""
    word, abilities = words.rpartition(" ")[2], account.found.reading.abilities
    known = sorted({each for one in abilities for each in parts(f"{one.called} {one.description}")})
    close = get_close_matches(word.lower(), known, n=1, cutoff=SPELT_LIKE)
    if close and word.isalpha() and len(word) >= SPELT_OUT:
        return f"did you mean `{close[0]}`?"
    taking = [f"`{member.name}`" for one in abilities for member in one.inputs if _lists_texts(member)]
    if taking and _CODE.fullmatch(word):
        return f'if it is one of {" or ".join(taking)}, say each of them in quotation marks: `"{word}"`'
    return None


def _lists_texts(member: Member) -> bool:
    items = schema_at(member.schema, (0,)) if member.kind == "array" else None
    return isinstance(items, dict) and items.get("type") == "string"


def several(proposal: Proposal) -> Iterator[Problem]:
    """What is said of several things, and is done for one, unless somebody says beside the words which one."""
    found, missing = proposal.account.found, proposal.made.missing
    near = [one.ability.title for one in found.near if lists(one.ability)][:NEAREST]
    for index, said in for_several(proposal.account):
        ability = found.reading.abilities[index]
        if any(one.ability == ability and name in proposal.given for name, one in missing.items()):
            continue
        giving = " or ".join(f"`{one}`" for one in near) or "a capability that gives them"
        hint = f"ask for the list as well, of {giving}; or say which one is meant"
        message = f"`{said}` is said, there is no list of them, and `{ability.title}` is done for one"
        yield Problem("ACC813", message, Place(), hint)


def takes(account: Account) -> str:
    """What the chosen abilities take, for a hint."""
    told = (
        f"`{one.title}` takes {', '.join(f'`{member.name}`' for member in one.inputs) or 'nothing'}"
        for one in account.found.reading.abilities[:NEAREST]
    )
    return ", ".join(told)


def _not_heard(account: Account) -> Iterator[Unheard]:
    """What would change what is done, by its words or by where it stands; each word once."""
    told: list[str] = []
    for one in (*unheard(account), *(Unheard(words, may_be_value=True) for words in strangers(account))):
        if not any(one.words in other or other in one.words for other in told):
            yield one
        told.append(one.words)


def _which(name: str, row: Row) -> Problem:
    several = ", ".join(f"`{one}`" for one in row.values)
    message = f"{several} are said, and there is one `{name}`"
    hint = f"say which, as `{name}` of the input; what is done for several is asked for one by one"
    return Problem("ACC817", message, Place(pointer=f"/{name}"), hint)


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
