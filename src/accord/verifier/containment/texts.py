"""Texts of some languages, of some lengths, with or without properties that only a validator can tell."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import lru_cache

import jsonschema_rs

from accord.verifier.containment.answers import Answer, Budget, Without, Witness
from accord.verifier.containment.formulas import Opaque, Size, Text
from accord.verifier.containment.languages import (
    EVERYTHING,
    Language,
    TooManyStatesError,
    Words,
    holds,
    intersection,
    words_of,
)

_TRIED = 400
_FORMATS: dict[str, tuple[str, ...]] = {
    "date-time": ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5+01:00"),
    "date": ("2024-02-29", "2023-12-31"),
    "time": ("12:00:00Z", "23:59:59.5+01:00"),
    "duration": ("PT1S", "P1Y2M3DT4H"),
    "email": ("a@b.example", "x.y@c.example"),
    "idn-email": ("a@b.example", "ä@b.example"),
    "hostname": ("a.example", "a"),
    "idn-hostname": ("a.example", "ä.example"),
    "ipv4": ("192.0.2.1", "10.0.0.1"),
    "ipv6": ("2001:db8::1", "::"),
    "uri": ("https://a.example/", "urn:a:b", "a:b"),
    "uri-reference": ("/a", "#b", "https://a.example/"),
    "iri": ("https://a.example/", "https://ä.example/"),
    "iri-reference": ("/a", "/ä", "https://a.example/"),
    "uuid": ("123e4567-e89b-42d3-a456-426614174000", "00000000-0000-0000-0000-000000000000"),
    "uri-template": ("/{a}", "a"),
    "json-pointer": ("/a", ""),
    "relative-json-pointer": ("0/a", "1#"),
    "regex": ("a", "^a*$"),
}


def text_in(atoms: Iterable[Text | Size | Opaque], budget: Budget) -> Answer:
    """A short text of which all atoms hold.

    The languages meet in one automaton, whose words are walked through by length: there is none where no length has
    one. Properties that are no language (formats, patterns that are not read) are asked of the validator word by word;
    so nothing is proven of them but where the words are finitely many.
    """
    wanted = list(atoms)
    opaque = [each for each in wanted if isinstance(each, Opaque)]
    if any(Opaque(each.type, each.kind, each.key, not each.positive) in opaque for each in opaque):
        return Without.NOTHING
    sizes = [each for each in wanted if isinstance(each, Size)]
    least = max((each.least for each in sizes), default=0)
    most = min((each.most for each in sizes if each.most is not None), default=None)
    try:
        language = _together([each.language for each in wanted if isinstance(each, Text)])
        return _first(language, opaque, (least, most), budget)
    except TooManyStatesError:
        return Without.UNDECIDED


def _together(languages: list[Language]) -> Language:
    finite = [each for each in languages if isinstance(each, Words) and not each.others]
    if finite:
        words = frozenset.intersection(*(each.words for each in finite))
        return Words(frozenset(word for word in words if all(holds(each, word) for each in languages)))
    excluded = frozenset().union(*(each.words for each in languages if isinstance(each, Words)))
    found: Language = EVERYTHING
    for each in languages:
        if not isinstance(each, Words):
            found = intersection(found, each)
    return intersection(Words(excluded, others=True), found) if excluded else found


def _first(language: Language, opaque: list[Opaque], lengths: tuple[int, int | None], budget: Budget) -> Answer:
    if not opaque:
        word = next(words_of(language, *lengths), None)
        budget.spend(1 + len(word or "") // 100)
        return Without.NOTHING if word is None else Witness(word)
    least, most = lengths
    samples = [each for one in opaque for each in _FORMATS.get(one.key, ())]
    fitting = (
        word for word in samples if holds(language, word) and least <= len(word) and (most is None or len(word) <= most)
    )
    walked = list(itertools.islice(words_of(language, *lengths), _TRIED + 1))
    for word in itertools.chain(fitting, walked):
        budget.spend()
        if all(has_property(each, word) for each in opaque):
            return Witness(word)
    return Without.NOTHING if len(walked) <= _TRIED else Without.UNDECIDED


def has_property(opaque: Opaque, text: str) -> bool:
    """Whether the validator says so of a text."""
    return _validator(opaque.kind, opaque.key).is_valid(text) == opaque.positive


@lru_cache(maxsize=256)
def _validator(kind: str, key: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({kind: key}, validate_formats=True, offline=True)
