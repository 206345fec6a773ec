"""The school: what examples teach is learned once, beside what goes on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from threading import Thread

import msgspec

from accord.domain.ids import Digest
from accord.planner.composition.ability import Ability
from accord.planner.composition.examples import Example
from accord.planner.composition.teaching import Lesson, Teacher

TEACHERS = 4
"""How many are kept: other examples, or another catalogue, are another one."""


class Taught(msgspec.Struct, frozen=True):
    """A teacher, or why there is none."""

    teacher: Teacher | None
    note: str | None = None
    """What a plan says of it; None where there was too little to learn from."""


NOTHING = Taught(None)


class School:
    """Teachers, by what they learned from. One thread learns at a time."""

    def __init__(self) -> None:
        self._known: dict[Digest, Taught] = {}
        self._learning: Thread | None = None

    def taught(self, examples: Sequence[Example], abilities: Sequence[Ability]) -> Taught:
        """What the examples teach of the abilities, as far as it is known by now."""
        lesson = Lesson.of(examples, abilities)
        if lesson is None:
            return NOTHING
        number = len(lesson.examples)
        if find_spec("sklearn") is None:
            return Taught(None, f"nothing is learned from {number} examples: scikit-learn is not installed")
        key = _digest(lesson)
        if key not in self._known:
            self._begin(key, lesson)
            return Taught(None, f"{number} examples are still being learned from: words alone decide")
        return self._known[key]

    def finish(self) -> None:
        """Wait until nothing is being learned."""
        if self._learning is not None:
            self._learning.join()

    def _begin(self, key: Digest, lesson: Lesson) -> None:
        if self._learning is None or not self._learning.is_alive():
            # A daemon: whoever only wanted a plan does not wait for it at the end.
            self._learning = Thread(target=partial(self._learn, key, lesson), name="accord-lessons", daemon=True)
            self._learning.start()

    def _learn(self, key: Digest, lesson: Lesson) -> None:
        self._keep(key, _learn(lesson))

    def _keep(self, key: Digest, taught: Taught) -> None:
        self._known = dict([*self._known.items(), (key, taught)][-TEACHERS:])


def _learn(lesson: Lesson) -> Taught:
    from accord.planner.composition.learned import Learned  # noqa: PLC0415  # it needs scikit-learn, which is an extra

    learned = Learned(lesson)
    number = len(lesson.examples)
    if not learned.is_better:
        return Taught(None, f"{number} examples teach nothing that words alone do not say")
    return Taught(learned, f"learned from {number} examples of {len(lesson.abilities)} capabilities")


def _digest(lesson: Lesson) -> Digest:
    known = [(one.called, one.description, [member.name for member in one.inputs]) for one in lesson.abilities]
    return Digest(sha256(msgspec.json.encode([lesson.examples, known])).hexdigest())
