"""Near names: members whose name is another spelling of the one that is wanted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from difflib import SequenceMatcher

LEAST_RATIO = 0.85
MAX_COMPARED = 10_000
"""Pairs of names; where there are more, only those that are spelt alike are found."""


def renamed(unknown: Collection[str], wanted: Collection[str]) -> dict[str, str]:
    """By unknown name the wanted one that it stands for, where each has no other to stand for."""
    spelt: dict[str, list[str]] = {}
    for name in wanted:
        spelt.setdefault(_letters(name), []).append(name)
    pairs = _only_pairs([(one, name) for one in unknown for name in spelt.get(_letters(one), ()) if _letters(one)])
    free = set(wanted) - set(pairs.values())
    rest = [one for one in unknown if one not in pairs]
    if len(rest) * len(free) > MAX_COMPARED:
        return pairs
    return pairs | _only_pairs([(one, name) for one in rest for name in wanted if name in free and is_near(one, name)])


def is_near(one: str, other: str) -> bool:
    """Whether two names are the same but for case, separators and one slip of the pen.

    The slip is a letter more, less, wrong or swapped with the next, and never the first: `invalid` is not
    `valid`, `exclude` not `include`, and `item_1` not `item_2`.
    """
    first, second = _letters(one), _letters(other)
    if first == second:
        return bool(first)
    if not first or not second or first[0] != second[0] or _digits(first) != _digits(second):
        return False
    return _is_one_slip(first, second) and SequenceMatcher(None, first, second).ratio() >= LEAST_RATIO


def _only_pairs(pairs: list[tuple[str, str]]) -> dict[str, str]:
    lefts, rights = Counter(one for one, _ in pairs), Counter(name for _, name in pairs)
    return {one: name for one, name in pairs if lefts[one] == 1 and rights[name] == 1}


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _digits(name: str) -> str:
    return re.sub(r"\D", "", name)


def _is_one_slip(first: str, second: str) -> bool:
    start = next((at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    if start is None:
        return abs(len(first) - len(second)) == 1
    a, b = first[start:], second[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
