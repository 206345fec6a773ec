"""How much a text means what abilities do, whatever words say it. There is none of it without the extra `meaning`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from accord.planner.composition.ability import Ability
from accord.planner.composition.wording import parts
from accord.planner.meaning import Meanings

FIRST = 24
"""So many abilities are ranked by what they mean; the others come after them."""


class Meant(msgspec.Struct, frozen=True):
    """What abilities have in common with a text in meaning, by their places in the index: cosines."""

    of_all: Any
    """By name and description."""
    of_name: Any
    """By name alone."""
    order: Mapping[int, int]
    """The places of the best abilities."""
    best: float
    best_name: float

    def first(self, most: int) -> list[int]:
        """The best abilities."""
        return list(self.order)[:most]


class MeantAbilities:
    """What the abilities of a catalogue mean; it is made once for it."""

    def __init__(self, abilities: Sequence[Ability], known: Meanings) -> None:
        names = [" ".join(parts(one.called)) for one in abilities]
        self._known = known
        self._names = known.of(names)
        self._all = known.of([f"{name}. {one.description}" for name, one in zip(names, abilities, strict=True)])

    def by(self, text: str) -> Meant:
        """How much a text means what each of them does."""
        (row,) = self._known.of([text])
        of_all, of_name = self._all @ row, self._names @ row
        most = min(FIRST, len(of_all))
        likeliest = (-of_all).argpartition(most - 1)[:most].tolist()
        ranked = sorted(likeliest, key=lambda at: (-of_all[at], at))
        order = {at: place for place, at in enumerate(ranked)}
        return Meant(of_all, of_name, order, float(of_all.max()), float(of_name.max()))


def pieces_of(at: int, whole: Meant, here: Meant) -> dict[str, float]:
    """What an ability's meaning says of how likely it is wanted: beside all that is said, and beside the clause that
    speaks of it most.
    """
    return {
        "means": float(whole.of_all[at]),
        "means_best": float(whole.of_all[at]) - whole.best,
        "means_place": whole.order.get(at, FIRST) / FIRST,
        "means_name": float(whole.of_name[at]),
        "means_here": float(here.of_all[at]),
        "means_here_best": float(here.of_all[at]) - here.best,
        "means_first_here": float(here.order.get(at) == 0),
        "means_name_here_best": float(here.of_name[at]) - here.best_name,
    }
