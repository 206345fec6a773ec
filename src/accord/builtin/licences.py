"""Licences: the SPDX expression that a product states, and what class of duties it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import Field

from accord.builtin.products import Record

LicenceClass = Literal["permissive", "weak copyleft", "strong copyleft", "unknown"]

_ORDER: tuple[LicenceClass, ...] = ("permissive", "weak copyleft", "strong copyleft", "unknown")
_PERMISSIVE = re.compile(
    r"(MIT|Apache|BSD|ISC|PSF|Python|Zlib|Unlicense|CC0|0BSD|HPND|BSL-1|WTFPL|NCSA|ZPL|X11|PostgreSQL|AFL|BlueOak)"
    r"([-.\w]*)\Z",
    re.IGNORECASE,
)
_WEAK = re.compile(r"(LGPL|MPL|EPL|CDDL|EUPL|CPL|MS-RL|OSL)([-.\w+]*)\Z", re.IGNORECASE)
_STRONG = re.compile(r"(AGPL|GPL|SSPL|CC-BY-SA)([-.\w+]*)\Z", re.IGNORECASE)

_CLASSIFIERS = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "Zope Public License": "ZPL-2.1",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
}
_VAGUE = frozenset({"BSD License", "Apache Software License"})
"""Classifiers that name a family: which licence of it is left open."""
_WORDINGS = (
    (r"affero", "AGPL-3.0-only"),
    (r"\blesser\b|\blgpl", "LGPL-3.0-only"),
    (r"mozilla|\bmpl\b", "MPL-2.0"),
    (r"\bgpl\b|\bgplv3|gnu general public", "GPL-3.0-only"),
    (r"apache", "Apache-2.0"),
    (r"\bmit\b|permission is hereby granted, free of charge", "MIT"),
    (r"\b2[- ]clause", "BSD-2-Clause"),
    (r"\bbsd\b|redistribution and use in source and binary forms", "BSD-3-Clause"),
    (r"\bisc\b", "ISC"),
    (r"python software foundation|\bpsf\b", "PSF-2.0"),
    (r"unlicense", "Unlicense"),
)


class Licence(Record):
    """What licence a product states, where it states it, and the class of duties that follows."""

    expression: str | None = Field(description="SPDX expression; None when none could be told.")
    source: Literal["License-Expression", "classifier", "License field", "licence file", "none"]
    certain: bool = Field(description="False where the expression was guessed from wording or a vague classifier.")
    licence_class: LicenceClass
    stated: Annotated[str, Field(max_length=200)] = ""


def licence_of(expression: str | None, classifiers: Sequence[str], field: str | None, file_text: str | None) -> Licence:
    """The licence by the best source there is: expression (PEP 639), classifiers, free field, licence file."""
    spdx = _canonical(expression)
    if spdx:
        return _licence(spdx, "License-Expression", certain=True, stated=spdx)
    named = [line.split(" :: ")[-1] for line in classifiers if line.startswith("License ::")]
    mapped = [_CLASSIFIERS[name] for name in named if name in _CLASSIFIERS]
    exact = _canonical(field)
    if exact and (not mapped or _VAGUE.intersection(named)):
        return _licence(exact, "License field", certain=True, stated=exact)
    if mapped:
        certain = _VAGUE.isdisjoint(named)
        return _licence(" OR ".join(mapped), "classifier", certain=certain, stated="; ".join(named))
    return _by_wording(field, file_text)


def _by_wording(field: str | None, file_text: str | None) -> Licence:
    guess = _guessed(field)
    if guess:
        return _licence(guess, "License field", certain=False, stated=_first_line(field))
    guess = _guessed(file_text)
    if guess:
        return _licence(guess, "licence file", certain=False, stated=_first_line(file_text))
    return _licence(None, "none", certain=False, stated=_first_line(field))


def class_of(expression: str | None) -> LicenceClass:
    """The class of an SPDX expression: of `OR` the freer side, of `AND` the stricter one."""
    if not expression:
        return "unknown"
    tokens = re.findall(r"[()]|[^\s()]+", expression)
    rank, rest = _alternatives(tokens)
    return "unknown" if rest else _ORDER[rank]


def _licence(
    expression: str | None,
    source: Literal["License-Expression", "classifier", "License field", "licence file", "none"],
    *,
    certain: bool,
    stated: str,
) -> Licence:
    return Licence(
        expression=expression,
        source=source,
        certain=certain,
        licence_class=class_of(expression),
        stated=stated[:200],
    )


def _canonical(expression: str | None) -> str | None:
    try:
        return canonicalize_license_expression(expression) if expression else None
    except InvalidLicenseExpression:
        return None


def _guessed(text: str | None) -> str | None:
    head = (text or "")[:2000].lower()
    return next((spdx for wording, spdx in _WORDINGS if re.search(wording, head)), None)


def _first_line(text: str | None) -> str:
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), "")


def _alternatives(tokens: list[str]) -> tuple[int, list[str]]:
    rank, rest = _conjunction(tokens)
    while rest and rest[0].upper() == "OR":
        other, rest = _conjunction(rest[1:])
        rank = min(rank, other)
    return rank, rest


def _conjunction(tokens: list[str]) -> tuple[int, list[str]]:
    rank, rest = _term(tokens)
    while rest and rest[0].upper() == "AND":
        other, rest = _term(rest[1:])
        rank = max(rank, other)
    return rank, rest


def _term(tokens: list[str]) -> tuple[int, list[str]]:
    if not tokens:
        return _ORDER.index("unknown"), []
    if tokens[0] == "(":
        rank, rest = _alternatives(tokens[1:])
        return rank, rest[1:] if rest and rest[0] == ")" else ["("]
    rank, rest = _rank(tokens[0]), tokens[1:]
    if len(rest) > 1 and rest[0].upper() == "WITH":  # an exception of the GPL family allows linking
        strong = rank == _ORDER.index("strong copyleft")
        return (_ORDER.index("weak copyleft") if strong else rank), rest[2:]
    return rank, rest


def _rank(identifier: str) -> int:
    families: Iterable[tuple[re.Pattern[str], LicenceClass]] = (
        (_WEAK, "weak copyleft"),
        (_STRONG, "strong copyleft"),
        (_PERMISSIVE, "permissive"),
    )
    found = next((name for pattern, name in families if pattern.match(identifier)), "unknown")
    return _ORDER.index(found)
