"""Literals of an objective (numbers, dates, quotations, names, paths), and which parameter each of them may fill."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.clauses import Clause
from accord.planner.composition.counted import counted_behind, is_of_text, worth_of
from accord.planner.composition.hedges import Hedge, hedge_of
from accord.planner.composition.wording import content, share_in
from accord.planner.dates import MOMENT, RELATIVE, WRITTEN
from accord.planner.numbers import NUMBER_WORDS
from accord.planner.units import CURRENCY, MEASURED, UNIT_NAMES, Measure, measure_behind, measure_with
from accord.planner.words import QUOTED

Sort: TypeAlias = Literal["quoted", "date", "when", "number", "name", "word", "path"]

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_UNITS: Final = "|".join(sorted((*UNIT_NAMES, "minute", "second"), reverse=True))
_LEADING: Final = "|".join(
    rf"(?<=\b{one} )" for one in ("for", "of", "by", "with", "within", "after", "over", "lasting", "in")
)
_ADDRESS: Final = r"\b[A-Za-z][A-Za-z\d+.-]*://[^\s\"<>\u201c\u201d]*[^\s\"<>\u201c\u201d.,;:!?)]"
"""What is written like `https://example.org/page`, without what ends a sentence."""

_NO_AMOUNT: Final = rf"(?!(?i:{MEASURED})|\d[\d.,]*\s+[a-z]{{3,}}s\b)"
"""What is measured or counted is no part of the name before it: `Ada 500 mg`, `Bella 3 portions`."""

_LITERAL: Final = re.compile(
    r"\"(?P<double>[^\"]+)\"|\u201c(?P<curly>[^\u201d]+)\u201d|(?<!\w)'(?P<single>[^']{2,}?)'(?!\w)"
    rf"|(?P<url>{_ADDRESS})"
    rf"|(?P<when>(?i:{MOMENT}|{RELATIVE}))|(?P<written>(?i:{WRITTEN}))"
    rf"|(?P<date>(?:{_MONTHS})\b(?: \d{{1,2}}(?:st|nd|rd|th)?)?(?:,? \d{{4}})?|\d{{4}}-\d\d-\d\d|\d+/\d+/\d{{2,4}}"
    r"|\b\d{1,2}(?::\d\d)? ?[AaPp]\.?[Mm]\b|\d\d:\d\d)"
    rf"|(?P<number>(?<![\w.])(?:{CURRENCY})?-?\d[\d,]*(?:\.\d+)?(?: ?%)?)"
    rf"|(?P<name>\b(?=[\w.-]*\d)[A-Z][\w.-]*(?:\s+{_NO_AMOUNT}[A-Z0-9][\w-]*)*"
    rf"|\b[A-Z][\w.-]*(?:\s+{_NO_AMOUNT}(?:(?:of |the )[A-Z]|[A-Z0-9])[\w-]*)*)"
    rf"|(?P<word>\b(?:{NUMBER_WORDS})|\bhalf an?(?= (?:{_UNITS})\b)|(?:{_LEADING})an?(?= (?:{_UNITS})\b))"
    r"|(?P<path>[\w/]+[/@][\w./-]+|\b\w+\d\w*\b)"
)
_LAST_WORD = re.compile(r"(\w+)\s+$")
_MONEY = frozenset(
    content("dollar price cost budget amount fee income revenue investment salary payment value premium usd euro")
)
_SHARE = frozenset(content("percent percentage rate ratio share"))
_NUMBERED = frozenset(content("id number code identifier year"))
_BECOMES = frozenset(content("language tongue format currency unit encoding"))
_RECEIVES = frozenset(content("recipient receiver addressee to email mailbox"))
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.\w+")
_TONGUE = re.compile(
    r"[A-Z][a-z]+(?:ish|ese|ian|an|ic|ch)|Hindi|Urdu|Bengali|Punjabi|Tamil|Telugu|Thai|Greek|Hebrew|Latin|Farsi|Swahili"
)
RECEIVES: Final = 1.0
"""What it is worth that `to`, or how it is written, says that somebody receives what is sent."""

BECOMES: Final = 1.0
"""What it is worth that `into` says that something becomes what the literal names."""

IN_UNIT: Final = 1.0
"""What it is worth that a number has the unit of its parameter, or another one."""

SAME: Final = 0.01
"""Sums that differ by less are the same."""

HELD: Final = 0.3
"""What it is worth that a literal is a sentence or a name, as its parameter is."""

_SENTENCE: Final = re.compile(r"[a-z]\w*[ ,]+[a-z]")
"""Words in small letters side by side."""

_FREE: Final = 0.6
"""What it is worth to leave a parameter without a literal."""

_SORTS: Final[dict[str, Sort]] = {
    **dict.fromkeys(("double", "curly", "single"), "quoted"),
    **dict.fromkeys(("date", "written"), "date"),
    "when": "when",
    "number": "number",
    "name": "name",
    "word": "word",
    **dict.fromkeys(("url", "path"), "path"),
}
_OF_SORT: Final[dict[Sort, float]] = {"quoted": 1.2, "name": 0.8, "path": 0.7, "word": -1.0}


class Said(msgspec.Struct, frozen=True):
    """A literal, and the words around it."""

    sort: Sort
    text: str
    """Without quotation marks."""
    owner: int
    """The index of the ability that its clause speaks of."""
    before: tuple[str, ...]
    after: tuple[str, ...]
    leads: str = ""
    """The word before it, in small letters."""
    measure: Measure | None = None
    """The unit behind a number."""
    counted: str = ""
    """The noun behind a number."""
    glued: bool = False
    """Whether letters that are no unit are right behind a number: `5G`."""
    hedge: Hedge | None = None
    """What makes another number of it."""

    @property
    def becomes(self) -> bool:
        """Whether it names what something becomes: `into German`, `to French`."""
        if self.sort not in ("quoted", "name"):
            return False
        return self.leads == "into" or (self.leads in ("in", "to") and _TONGUE.fullmatch(self.text) is not None)

    @property
    def receives(self) -> bool:
        """Whether it names somebody who gets something: `to Bob`, `bob@example.org`."""
        is_somebody = self.sort in ("quoted", "name", "path")
        return is_somebody and (self.leads == "to" or _MAIL.fullmatch(self.text) is not None)


class Placed(msgspec.Struct, frozen=True):
    """A literal, and where it stands, with its quotation marks."""

    start: int
    end: int
    said: Said


class Filling(msgspec.Struct, frozen=True):
    """What the literals say of one parameter."""

    said: Said | None
    """The literal that fills it when each literal fills at most one."""
    score: float
    best: float
    """The score of the literal that fits it best, wanted by others or not; 0 where none does."""
    instead: tuple[str, str] | None = None
    """Another parameter of the ability, and its literal, that could as well be the other way round."""


Key: TypeAlias = tuple[int, str]
"""A parameter: the index of its ability, and its name."""


def literals(parts: Sequence[Clause], owners: Sequence[int]) -> tuple[Said, ...]:
    """The literals in order."""
    return tuple(said for part, owner in zip(parts, owners, strict=True) for said in _literals(part.text, owner))


def unquoted(objective: str) -> str:
    """The objective with one word that says nothing for all that is in quotation marks, and for each address: that is
    data, and asks for nothing.
    """
    return re.sub(_ADDRESS, '"x"', QUOTED.sub('"x"', objective))


def _literals(text: str, owner: int) -> Iterator[Said]:
    return (one.said for one in placed(text, owner))


def placed(text: str, owner: int) -> Iterator[Placed]:
    """The literals of a clause that speaks of the ability `owner`."""
    read = 0
    for found in _LITERAL.finditer(text):
        if found.start() < read:
            continue  # it belongs to the number before it: `1 hour and 30 minutes`
        group = found.lastgroup or "name"
        sort: Sort = _SORTS[group]
        if sort == "name" and (found[0] == "I" or (found.start() == 0 and len(found[0].split()) < 2)):
            continue
        before = content(text[max(0, found.start() - 40) : found.start()])[-5:]
        after = content(text[found.end() : found.end() + 30])[:3]
        leads = _LAST_WORD.search(text[: found.start()])
        lead = leads[1].lower() if leads is not None else ""
        said = Said(sort, found[group], owner, before, after, lead)
        if sort in ("number", "word"):
            said = _numbered(said, text, found.start(), found.end())
            more = said.measure.written if said.measure is not None and said.measure.more else ""
            read = found.end() + len(more)
        yield Placed(found.start(), found.end(), said)


def _numbered(said: Said, text: str, start: int, end: int) -> Said:
    """The same number with its unit, or what it counts, and what is said around it."""
    hedge = hedge_of(text, start, end)
    behind = text[end + len(hedge.behind) :] if hedge is not None and hedge.is_range else text[end:]
    measure = measure_with(said.text, text[end:]) or measure_behind(behind)
    counted = counted_behind(said.text, behind) if measure is None else ""
    glued = measure is None and text[end : end + 1].isalpha()
    return msgspec.structs.replace(said, measure=measure, counted=counted, hedge=hedge, glued=glued)


def fillings(
    abilities: Sequence[Ability], said: Sequence[Said], several: frozenset[Key], *, as_held: bool = False
) -> dict[Key, Filling]:
    """Which literal fills which parameter, each at most one: an assignment of the greatest sum, found by augmenting.
    The parameters of `several` have a value for each of several things: no literal elsewhere is one. `as_held` looks at
    what is a sentence and what a name, which the weights of links do not know.
    """
    keys = [(index, member) for index, ability in enumerate(abilities) for member in ability.inputs]
    scores = [
        [
            None
            if one.owner != index and (index, member.name) in several
            else _in_place(abilities[index], member, index, one, HELD if as_held else 0.0)
            for one in said
        ]
        for index, member in keys
    ]
    given = _assigned(scores, len(said))
    found: dict[Key, Filling] = {}
    for row, (index, member) in enumerate(keys):
        literal = given[row]
        score = 0.0 if literal is None else scores[row][literal] or 0.0
        best = max((each for each in scores[row] if each is not None), default=0.0)
        other = _instead(row, literal, given, scores, keys)
        instead = (keys[other][1].name, said[given[other] or 0].text) if other is not None else None
        found[index, member.name] = Filling(None if literal is None else said[literal], score, max(best, 0.0), instead)
    return found


def _instead(
    row: int,
    literal: int | None,
    given: Sequence[int | None],
    scores: Sequence[Sequence[float | None]],
    keys: Sequence[tuple[int, Member]],
) -> int | None:
    """The row of another text of the same ability with which its literal could be exchanged, and nothing would be said
    less.
    """
    for other, (index, member) in enumerate(keys):
        its = given[other]
        if other == row or literal is None or its is None or index != keys[row][0]:
            continue
        pairs = (scores[row][literal], scores[other][its], scores[row][its], scores[other][literal])
        if member.is_text and keys[row][1].is_text and None not in pairs:
            one, its_own, turned, its_turned = (each or 0.0 for each in pairs)
            if turned + its_turned >= one + its_own - SAME:
                return other
    return None


def becoming(ability: Ability) -> frozenset[str]:
    """The parameters that say what something becomes."""
    texts = [one for one in ability.inputs if one.is_text]
    named = [one for one in texts if not _BECOMES.isdisjoint(one.named)]
    return frozenset(one.name for one in named or texts if not _BECOMES.isdisjoint(one.words))


def receiving(ability: Ability) -> frozenset[str]:
    """The parameters that say who gets something."""
    texts = [one for one in ability.inputs if one.is_text]
    return frozenset(
        one.name
        for one in texts
        if not _RECEIVES.isdisjoint(one.named) or (isinstance(one.schema, dict) and one.schema.get("format") == "email")
    )


def _in_place(ability: Ability, member: Member, index: int, said: Said, held: float) -> float | None:
    """How well a literal fits a parameter; what something becomes, and who gets it, fits only where the ability's input
    says that, if it does.
    """
    score = _score(member, index, said)
    if said.hedge is not None and said.hedge.is_against(member):
        return None
    if held and member.holds == "name" and said.sort in ("date", "when"):
        return None  # a day is nobody's name
    if score is None:
        return None
    measured = _worth(ability, member, said) if held else _measured(member, said)
    if measured is None:
        return None
    score += measured + held * _as_held(member, said)
    if said.owner != index:
        return score
    for is_so, parts, worth in ((said.becomes, becoming, BECOMES), (said.receives, receiving, RECEIVES)):
        meant = parts(ability) if is_so else frozenset()
        if meant:
            return score + worth if member.name in meant else None
    return score


def _worth(ability: Ability, member: Member, said: Said) -> float | None:
    """What the unit of a number, what it counts, and the range that it ends, are worth; None where it is of something
    else.
    """
    if said.hedge is not None and said.hedge.ends_range and not said.hedge.is_kept_by(member):
        return None
    if said.glued or (said.sort == "name" and not is_of_text(member, said.text)):
        return None
    return worth_of(ability, member, said.measure, said.counted)


def _score(member: Member, index: int, said: Said) -> float | None:
    """How well a literal fits a parameter; None where it cannot be one."""
    base = _of_number(member, said) if member.is_number else _of_text(member, said)
    if base is None:
        return None
    around = (*said.before, *said.after)
    base += 0.8 if said.owner == index else (-0.3 if abs(said.owner - index) > 1 else 0.0)
    base += 1.2 * share_in(member.named, around) + 0.6 * share_in(member.words, around)
    if said.before and member.named:
        last = said.before[-1]
        base += 0.4 * (last in member.named) + 0.4 * (last == member.named[-1])
    return base


def _of_number(member: Member, said: Said) -> float | None:
    if said.sort not in ("number", "word"):
        return None
    score = 1.0
    if said.text[0] in "$\u20ac\u00a3":
        score += -0.5 if _MONEY.isdisjoint(member.words) else 0.8
    if said.text.endswith("%"):
        score += 0.6 if is_share(member) else -0.3
    return score


def _measured(member: Member, said: Said) -> float:
    """What it is worth for a link that a number has the unit of its parameter."""
    if said.measure is None or member.unit is None:
        return 0.0
    return IN_UNIT if said.measure.fits(member.unit) else -IN_UNIT


def is_share(member: Member) -> bool:
    """Whether it is counted in percent."""
    return not _SHARE.isdisjoint(member.words)


def _of_text(member: Member, said: Said) -> float | None:
    if not member.is_text and member.kind != "object":
        return None
    if member.options and said.text.casefold() not in (one.casefold() for one in member.options):
        return None
    if said.sort == "when":
        return 0.9 if member.takes_day else None
    if said.sort == "date":
        return 0.9 if member.is_time else -0.5
    if said.sort == "number":
        return 0.1 if member.kind == "array" or member.is_time or not _NUMBERED.isdisjoint(member.words) else -0.8
    away = member.is_time and said.sort != "quoted"
    return _OF_SORT[said.sort] - (1.0 if away else 0.0)


def _as_held(member: Member, said: Said) -> float:
    """Whether a sentence or a name stands where such a one belongs: 1, or -1 where the other one does."""
    is_sentence = said.sort == "quoted" and _SENTENCE.search(said.text) is not None
    if not member.is_text or member.holds not in ("name", "text") or not (is_sentence or said.sort == "name"):
        return 0.0
    return 1.0 if is_sentence == (member.holds == "text") else -1.0


def _assigned(scores: Sequence[Sequence[float | None]], columns: int) -> list[int | None]:
    """For each row its column, so that the sum is greatest; a row may stay without one for `_FREE`.

    The Hungarian method with potentials, rows by rows, O(rows² · columns).
    """
    rows = len(scores)
    width = columns + rows
    costs = [[1e6 if score is None else -score for score in row] + [-_FREE] * rows for row in scores]
    return [None if column is None or column >= columns else column for column in _hungarian(costs, width)]


def _hungarian(costs: Sequence[Sequence[float]], width: int) -> list[int | None]:
    """For each row its column of the least sum; there are at least as many columns as rows."""
    matching = _Matching(costs, width)
    for row in range(1, len(costs) + 1):
        matching.add(row)
    found: list[int | None] = [None] * len(costs)
    for column in range(1, width + 1):
        if matching.owner[column]:
            found[matching.owner[column] - 1] = column - 1
    return found


class _Matching:
    """Rows matched to columns at least cost, with the potentials that prove it; 0 is no row and no column."""

    def __init__(self, costs: Sequence[Sequence[float]], width: int) -> None:
        self._costs, self._width = costs, width
        self._of_row, self._of_column = [0.0] * (len(costs) + 1), [0.0] * (width + 1)
        self.owner = [0] * (width + 1)

    def add(self, row: int) -> None:
        """Match one more row: along the cheapest way on which others change their columns."""
        self.owner[0], at = row, 0
        came = [0] * (self._width + 1)
        least, used = [float("inf")] * (self._width + 1), [False] * (self._width + 1)
        while self.owner[at] != 0:
            used[at] = True
            at = self._step(at, came, least, used)
        while at:
            self.owner[at], at = self.owner[came[at]], came[at]

    def _step(self, at: int, came: list[int], least: list[float], used: list[bool]) -> int:
        """Reach one more column, and keep the potentials right."""
        row = self.owner[at]
        for column in range(1, self._width + 1):
            reduced = self._costs[row - 1][column - 1] - self._of_row[row] - self._of_column[column]
            if not used[column] and reduced < least[column]:
                least[column], came[column] = reduced, at
        following = min((each for each in range(1, self._width + 1) if not used[each]), key=least.__getitem__)
        delta = least[following]
        for column in range(self._width + 1):
            if used[column]:
                self._of_row[self.owner[column]] += delta
                self._of_column[column] -= delta
            else:
                least[column] -= delta
        return following
