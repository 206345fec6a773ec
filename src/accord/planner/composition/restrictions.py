"""Restrictions: words that say that an act is not for all things of a list, or not in any case, and that no filter or
condition of the graph is read from.

A plan that passes over such words would do more than was said. They are found so that it is refused: it is better to
refuse a plan that would have been right than to make one that does too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.account import Account
from accord.planner.composition.adjectives import called, described, items_of
from accord.planner.composition.clauses import clauses
from accord.planner.composition.condition_words import COMPARED, IS, OPENS, asking, without
from accord.planner.composition.conditions import Conditions
from accord.planner.composition.linking import Link
from accord.planner.composition.lists import WHOLE
from accord.planner.composition.wording import content
from accord.planner.words import PREPOSITIONS, QUOTED

_CARDINAL = (
    r"(?:\d+(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|dozen|half"
    r"|a couple)"
)
_ORDINAL = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|\d+(?:st|nd|rd|th)|last|next|previous|final"
    r"|top|bottom|other|others|remaining|rest|latter|former|single|best|worst|most|least|\w{2,}est)"
)
_SOME = re.compile(
    r"\b(?:only|solely|exclusively|except\w*|exclud\w*|apart from|other than|aside from|besides|save for|bar|else"
    r"|unlike|none|nothing|neither|nobody|third of|quarter of|majority|minority|most of|least of|one of|first of"
    r"|last of|at random|randomly|random|per ?cent|every (?:other|second|third)|whichever|whatever|matching)\b"
    rf"|\b(?:that|which|who)\s+(?:do|does|did|don't|doesn't|{IS})\b|\bwhose\s+\w+"
    rf"|\b(?:the|these|those|its|their|each|every|all|any|a|an)\s+(?:very\s+)?{_ORDINAL}\b"
    r"|\b(?:all|every\w*|each|any\w*|orders?|ones|items?|of them)\b[^,;.]*\bbut\b"
    r"|\bnot (?:all|every|each|any)\b|\d\s*%"
    rf"|\b{_CARDINAL}\s+(?:\w+\s+)?of\b|\btop\s+{_CARDINAL}\b"
    r"|\b(?:an?|one|1)\s+(?:\w+\s+){1,2}for\s+(?:all|them|both|everything|the (?:lot|whole))\b"
    r"|\b(?:altogether|in total|combined|joint)\b",
    re.IGNORECASE,
)
"""What says that it is not for all."""

_AMOUNT = re.compile(
    rf"\b(?:(?:{'|'.join(pattern for pattern, _ in COMPARED[:4])}|up to)\s+{_CARDINAL}"
    r"|some|few|fewer|several|many|half|a (?:couple|handful|dozen))\b(?:\s+(?:of\s+)?(?P<of>\w+))?",
    re.IGNORECASE,
)
"""How much of something, which may be an input: `in at most 3 sentences`."""

_COUNTED = re.compile(rf"\b{_CARDINAL}\s+(?:\w+\s+)?(?P<of>\w+)", re.IGNORECASE)
_ANY_ONE = re.compile(r"\b(?:an?|another)\s+(?P<of>\w+)|\bone\b(?=\W*$)", re.IGNORECASE)
"""`an order`, or only `one`."""

_THE_ONE = re.compile(r"\b(?:the|this|that)\s+(?P<of>\w+(?:\s+\w+)?)", re.IGNORECASE)
"""`the order`, where there are several."""

_ONES = re.compile(r"\b(?:ones|of (?:them|those|these|it))\b", re.IGNORECASE)
"""What speaks of things of a list; in a clause for which nothing is done it says which."""

_EVERY_ONE = re.compile(r"\b(?:each|every) (?:single )?(?:one )?(?:of )?", re.IGNORECASE)
_TOKEN = re.compile(r"\"[^\"]*\"|\u201c[^\u201d]*\u201d|[\w.]+")
REACHES = 4
"""After so many words a value still belongs to a member that was said: `with an amount of exactly 5`."""

_ALONE = re.compile(
    r"\b(?:wait(?:ing)?\s+(?:for|until|till)|depend(?:s|ing)?\s+(?:up)?on|subject to|as (?:soon|long) as(?! possible)"
    r"|so long as|assuming"
    r"|in (?:the|that|this|such a) case|(?:should|were|had) (?:it|they|there|this|that|the \w+) \w+"
    r"|maybe|perhaps|possibly|optionally|(?:prepare|(?:be|get) ready|pretend|consider|offer)(?:ing)? to"
    r"|simulat\w+|dry[- ]run"
    r"|suppos(?:e|ing)|provided|providing|on condition|in the event|given that|granted that|until|till|whenever"
    r"|as needed|if needed|where needed|while|as appropriate"
    r"|(?:after|once|before|upon)\s+(?:asking|confirm\w*|approv\w*|permission|consent|I|we|my|our)"
    r"|with (?:my|our|his|her|their|the manager's) (?:\w+\s+)?(?:approval|permission|consent|agreement|ok|okay)"
    r"|approvals?|permission|consent|my confirmation|go-ahead|sign-?off"
    r"|ask(?:ing)?\s+(?:me|us|first|for)|check(?:ing)? with (?:me|us)"
    r"|let (?:me|us) (?:approve|confirm|decide|check))\b",
    re.IGNORECASE,
)
"""Conditions and waits of which no plan is read."""

_WHEN = re.compile(r"(?:^|[.,;!?]\s*|\b(?:and|or|but|then|it|them)\s+)(?P<word>when|where|whether)\b", re.IGNORECASE)
_WHEN_SO = re.compile(
    r"(?<!\btell)(?<!\bsay)(?<!\bknow)(?<!\bsee)(?<!\bask)(?<!\bfind out)(?<!\bcheck)(?<!\bshow)\s+(?P<word>when)\s+"
    r"(?:it|they|he|she|there|this|that|the|I|we|you|available|needed|necessary|possible|late|ready)\b",
    re.IGNORECASE,
)
_ONLY = re.compile(r"\bonly\b", re.IGNORECASE)
_ELSE = re.compile(r"(?P<starts>^\W*(?:(?:and|but|or|so|then)\s+)*)?\b(?P<word>otherwise|or else)\b", re.IGNORECASE)
"""What turns a condition around: only at the start of a clause it is read."""

_READ = re.compile(rf"\b(?:{OPENS})\b", re.IGNORECASE)


class Restriction(msgspec.Struct, frozen=True):
    """What is said and not understood of the things for which something is done."""

    said: str
    ability: Ability
    """What would be done for all of them."""
    deciding: tuple[Member, ...]
    """What of each thing could decide it, what is said first."""


class _Part(msgspec.Struct, frozen=True):
    """A clause that may restrict an act, without what is read from it."""

    text: str
    acts: bool
    """Whether something is done for it."""
    finds: bool
    """Whether it is about what gives the list."""
    own: bool
    """Whether it is that of the act."""


def guard_alone(account: Account) -> str | None:
    """What makes an act depend on something, or wait for it, and is in no condition of the graph, if anything does."""
    parts = [_unquoted(_bare(part.text, account.said)) for part in clauses(account.found.reading.objective)]
    for other in (one for text in parts for one in _ELSE.finditer(text)):
        if other["starts"] is None or not account.said.guards:
            return other["word"]
    text = _READ.sub(" ", " ; ".join(parts))
    offered = frozenset(word for ability in account.found.reading.abilities for word in ability.described)
    for found in (one for pattern in (_ALONE, _WHEN, _WHEN_SO) for one in pattern.finditer(text)):
        if not _is_within(found[0], offered) and not _is_date(found[0], text[found.end() :], account):
            return _with_rest(found.groupdict().get("word", found[0]), account.found.reading.objective)
    return None


def _with_rest(said: str, objective: str) -> str:
    """A word that waits or asks with what it waits for, up to the end of the clause."""
    found = None if " " in said else re.search(rf"\b{re.escape(said)}\b(?:{QUOTED.pattern}|[^,;.!?])*", objective)
    return said if found is None else found[0].strip()


def _is_date(said: str, after: str, account: Account) -> bool:
    """Whether it is `until` before a value that is an input."""
    values = ('""', *account.slots.values())
    return said.lower() in ("until", "till") and after.lstrip().startswith(values)


def restrictions(account: Account) -> Iterator[Restriction]:
    """What restricts each act that is done for the things of a list; of each act the first that is said."""
    for index in range(len(account.found.chosen)):
        several = [link for link in account.found.links if link.edge.target == index and _is_of_list(link)]
        found = next((one for link in several for one in _restricted(account, link)), None)
        found = found or next(_unfiltered(account, index), None)
        if found is not None:
            yield found


def _unfiltered(account: Account, index: int) -> Iterator[Restriction]:
    """What is said of the things that an ability lists, where somebody gets all of them."""
    ability, links = account.found.reading.abilities[index], account.found.links
    text = account.found.clause_of(index)
    for value in account.slots.values():
        text = _without_value(text, value)
    for each in dict.fromkeys(one.each for one in ability.outputs if one.each is not None):
        of_list = [
            one.edge.output
            for one in links
            if one.edge.source == index and each in (one.edge.output.each, _list_of(one.edge.output))
        ]
        if of_list and all(one.each is not None for one in of_list):
            continue  # what is left out, or not, is told of whoever goes through it
        items = items_of(ability, each)
        deciding = tuple(one for one in items if one.decides and not one.whole)
        names = (one.said for one in described(text, called(ability, each, items), items))
        for said in (*names, *(one for one, _ in _of_members(_unquoted(text), items, ability.named | _taken(ability)))):
            yield Restriction(said, ability, deciding)


def _list_of(output: Member) -> str | None:
    """The list that an output is, by what its items have for `each`."""
    return None if output.each is not None else WHOLE if output.whole else output.name


def _is_of_list(link: Link) -> bool:
    output = link.edge.output
    return output.each is not None or output.gathered or output.kind == "array"


def _restricted(account: Account, link: Link) -> Iterator[Restriction]:
    ability, source = (account.found.reading.abilities[one] for one in (link.edge.target, link.edge.source))
    each = link.edge.output.each
    items = items_of(source, each) if each is not None else ()
    deciding = [one for one in items if one.decides and not one.whole]
    for part in _parts(account, link):
        bare = _unquoted(part.text)
        for said, member in (
            *((one, None) for one in _closed(bare, link, ability, source)),
            *_of_members(bare, items, ability.named | source.named | (_taken(source) if part.finds else frozenset())),
            *((one[0], None) for one in _ONES.finditer(bare) if not part.acts),
            *((one, None) for one in _only_one(link, account) if part.own),
            *((one, None) for one in _strange(part, account)),
        ):
            yield Restriction(said, ability, tuple(sorted(deciding, key=lambda one: one is not member)))


def _only_one(link: Link, account: Account) -> Iterator[str]:
    """What speaks of one thing, where it is done for each item of a list, and nobody says `each`."""
    source, each = account.found.reading.abilities[link.edge.source], link.edge.output.each
    if each is None or _EVERY_ONE.search(_unquoted(account.found.reading.objective)):
        return
    listed = called(source, each, items_of(source, each))
    for found in _THE_ONE.finditer(_unquoted(asking(account.found.clause_of(link.edge.target)))):
        words = [word for word in found["of"].split() if word.lower() not in PREPOSITIONS]
        if any(_is_one(word, listed) for word in words) and not any(word.endswith("s") for word in words):
            yield found[0].removesuffix(found["of"]) + " ".join(words)


def _is_one(word: str, listed: frozenset[str]) -> bool:
    """Whether a word is what the items of a list are called, in the singular."""
    return not listed.isdisjoint((*content(word), *content(f"{word}s")))


def _strange(part: _Part, account: Account) -> Iterator[str]:
    """What is not understood of a clause for which something is done, and does not only describe what a value names."""
    text = _AMOUNT.sub(" ", part.text)
    for said in account.strange(text) if part.acts else ():
        if not _joins(said) and not account.describes(said, text.partition(said)[2]):
            yield said


def _joins(said: str) -> bool:
    return PREPOSITIONS.issuperset(said.lower().split())


def _taken(source: Ability) -> frozenset[str]:
    """The words of what the words of a list say of how it is found: nothing says of an input that it is true."""
    return frozenset(word for one in source.inputs if one.kind != "boolean" for word in one.named)


def _parts(account: Account, link: Link) -> Iterator[_Part]:
    """The clauses that may restrict it, without conditions that are read: its own, that of the list, without values of
    several words, and those for which nothing is done.
    """
    found = account.found
    asked = {one.clause for one in found.chosen}
    own, finds = found.chosen[link.edge.target].clause, found.chosen[link.edge.source].clause
    guarded = any(guard.target == link.edge.target for guard in account.said.guards)
    for at, part in enumerate(clauses(found.reading.objective)):
        if at in asked and at not in (own, finds):
            continue
        text = _bare(part.text, account.said)
        for value in account.slots.values() if at == finds != own else ():
            text = _without_value(text, value) if " " in value else text
        yield _Part(_ONLY.sub(" ", text) if guarded else text, at in asked, at == finds, at == own)


def _without_value(text: str, value: str) -> str:
    """A text without a value, whether that is in quotation marks or not."""
    return re.sub(rf"[\"\u201c]?{re.escape(value)}[\"\u201d]?", " ", text)


def _bare(text: str, said: Conditions) -> str:
    """A text without what conditions are read from."""
    for guard in said.guards:
        text = without(text, guard.condition)
    return text


def _unquoted(text: str) -> str:
    return QUOTED.sub('""', text)


def _closed(text: str, link: Link, ability: Ability, source: Ability) -> Iterator[str]:
    """Words that say that it is not for all, and numbers of things."""
    offered = ability.described | source.described
    listed = {*content(link.edge.output.each or ""), *link.edge.output.named, *content("them ones those")}
    text = _EVERY_ONE.sub("each ", _READ.sub(" ", text))
    yield from (found[0] for found in _SOME.finditer(text) if not _is_within(found[0], offered))
    for found in _AMOUNT.finditer(text):
        if not _is_within(found["of"] or "", ability.input_words - listed) and not _is_within(found[0], offered):
            yield found[0]
    for found in (*_COUNTED.finditer(text), *_ANY_ONE.finditer(text)):
        if found["of"] is None or not listed.isdisjoint(content(found["of"])):
            yield found[0]


def _is_within(text: str, words: frozenset[str]) -> bool:
    """Whether all words of a text, and at least one, are among these."""
    said = content(text)
    return bool(said) and words.issuperset(said)


def _of_members(text: str, items: Sequence[Member], besides: frozenset[str]) -> Iterator[tuple[str, Member]]:
    """What is said of a member of the things, but is no condition: that it is so, or its value."""
    tokens = [found[0] for found in _TOKEN.finditer(text)]
    for at, token in enumerate(tokens):
        said = set(content(token)) - besides
        for member in items:
            if member.whole or said.isdisjoint(member.named):
                continue
            near = tokens[at + 1 : at + 1 + REACHES]
            if member.kind == "boolean" or any(one[0] == '"' or one[0].isdigit() for one in near):
                yield token, member
