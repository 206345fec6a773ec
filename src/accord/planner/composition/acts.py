"""The acts of clauses: with what verb each clause asks for something, and whether that is what is done for it.

A verb that is not understood, or that governs one that is, changes the act: `avoid shipping`, `undo the cancel`. And an
ability that only some noun of a clause speaks of is not what the clause asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.planner.composition.account import Account
from accord.planner.composition.clauses import clauses
from accord.planner.composition.composer import Weighed
from accord.planner.composition.condition_words import without
from accord.planner.composition.polite import without_courtesies
from accord.planner.composition.verbs import READS, asks_for, names_act
from accord.planner.composition.wording import content
from accord.planner.words import PREPOSITIONS, QUOTED

LEAD = re.compile(
    r"^\W*(?:(?:and|but|or|so|then|also|please|kindly|now|just|next|finally|lastly|first(?:ly)?|second(?:ly)?"
    r"|third(?:ly)?|after(?:wards| that)|subsequently|additionally|furthermore|moreover|eventually|meanwhile|both"
    r"|hey|hi|hello|(?:can|could|would|will) you"
    r"|(?:I|we)(?:['\u2019]d| would)? (?:want|need|like|wish)(?: you)?(?: to)?"
    r"|you (?:should|must|(?:need|have) to)|to|let['\u2019]?s|let us|help (?:me|us)(?: to)?|(?:make|be) sure (?:to|you)"
    r"|try to|go ahead and|start by|begin by|proceed to|at the end|\w{3,}ly)\b[\s,:]*)*",
    re.IGNORECASE,
)
"""What may stand before the verb of what is asked for."""

_VERB = re.compile(r"[A-Za-z][\w'\u2019-]*")
_NO_VERB: Final = frozenset(
    {
        *(
            "the",
            "a",
            "an",
            "all",
            "each",
            "every",
            "any",
            "some",
            "no",
            "both",
            "this",
            "that",
            "these",
            "those",
            "it",
        ),
        *("i", "we", "you", "they", "he", "she", "my", "our", "your", "their", "its", "his", "her", "there", "if"),
        *("unless", "when", "while", "once", "after", "before", "because", "since", "given", "based", "using", "only"),
        *("what", "which", "who", "whose", "where", "how", "is", "are", "does", "do", "did", "has", "have", "was"),
        *("upon", "via", "through", "until", "otherwise", "else", "not", "never", "don't", "or", "one", "whether"),
    }
)
"""What begins a clause that is not asked with its first word."""

_GOVERNS = re.compile(
    r"\b(?:avoid|prevent|refuse|decline|stop|quit|cease|refrain|undo|revert|reverse|forbid|prohibit|postpone|delay|skip"
    r"|halt|pause|block|abandon|fail|hesitate)(?:s|ed|ing)?\b(?:\s+(?:from|to|the|any|all|each|every))*\s+(?P<act>\w+)"
    r"|^\W*(?P<asks>(?:should|shall|may|might|must|ought|can|could)\s+(?:I|we|it|they|he|she|the)\b|why\b|how\s+(?:to|do"
    r"|does|can|could|should|would)\b)"
    r"|\b(?P<how>how\s+to|whether\s+to|why\s+to|when\s+to)\b",
    re.IGNORECASE,
)
"""What stands before an act, and is not that it is done."""

_FOR_EACH = re.compile(r"^\W*(?:(?:and|then|but|also)\s+)*(?:for|with|of)\s+(?:each|every|all|any)\b", re.IGNORECASE)
"""What begins what is done for each of several."""

_SENTENCE = re.compile(r"[.;!?]\s*$")


def not_done(account: Account) -> Iterator[str]:
    """The verbs with which clauses ask for what is not what would be done for them."""
    parts = clauses(account.found.reading.objective)
    for at in sorted({one.clause for one in account.found.chosen}):
        asked = [one for one in account.found.chosen if one.clause == at]
        if at >= len(parts) or any(one.taught for one in asked):
            continue
        text = asking(parts[at].text, account)
        said = _governing(text, asked) or _unknown_verb(text, asked)
        if said is not None:
            yield said


def not_for_each(account: Account) -> Iterator[int]:
    """What is asked for after `for each`, in the same sentence, and is neither done for each nor takes what is."""
    found, within = account.found, False
    after = set(found.repeated)
    for _ in found.chosen:
        after |= {link.edge.target for link in found.links if link.edge.source in after}
    given = {link.edge.source for link in found.links if link.edge.target in after}
    for at, part in enumerate(clauses(found.reading.objective)):
        within = within or _FOR_EACH.match(part.text) is not None
        if within:
            here = (index for index, one in enumerate(found.chosen) if one.clause == at)
            yield from (index for index in here if index not in after | given)
        within = within and _SENTENCE.search(part.text) is None


def unasked(account: Account) -> Iterator[int]:
    """The abilities that only a noun of a clause speaks of that asks for another one; nobody takes their outputs."""
    found = account.found
    used = {link.edge.source for link in found.links} | {
        test.source for one in account.said.guards for test in one.tests
    }
    for index, one in enumerate(found.chosen):
        text = found.clause_of(index)
        if one.taught or any(names_act(word, one.ability) for word in _VERB.findall(text)):
            continue
        beside = [other for other in found.chosen if other.clause == one.clause and other is not one]
        verb = verb_of(asking(text, account))
        of_another = (
            verb is not None
            and not asks_for(verb[0], one.ability)
            and any(asks_for(verb[0], other.ability) for other in beside)
        )
        only_each = _FOR_EACH.match(text) is not None and READS.isdisjoint(one.ability.described)
        if only_each or (of_another and index not in used):
            yield index


def asking(text: str, account: Account) -> str:
    """A clause without what conditions are read from, and what is polite."""
    for guard in account.said.guards:
        text = without(text, guard.condition) if guard.condition in text else text
    return without_courtesies(QUOTED.sub('""', text))


def _governing(text: str, asked: list[Weighed]) -> str | None:
    found = _GOVERNS.search(text)
    if found is None:
        return None
    word = found["act"]
    if word is not None and not any(asks_for(word, one.ability) for one in asked):
        return None
    governs = (_VERB.search(found[0]) or found)[0]
    return None if word is not None and any(asks_for(governs, one.ability) for one in asked) else found[0].strip()


def _unknown_verb(text: str, asked: list[Weighed]) -> str | None:
    verb = verb_of(text)
    return None if verb is None or any(asks_for(verb[0], one.ability) for one in asked) else verb[0]


def verb_of(text: str) -> re.Match[str] | None:
    """The verb with which a clause asks for something; None where it begins with none."""
    found = _VERB.match(text, LEAD.match(text).end())  # type: ignore[union-attr]  # it matches nothing, too
    if found is None or found[0].lower() in _NO_VERB | PREPOSITIONS or not content(found[0]):
        return None
    return found
