"""What examples teach about the abilities of a catalogue. Needs scikit-learn: the extra `planner`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from threadpoolctl import ThreadpoolController

from accord.planner.composition.clauses import clauses
from accord.planner.composition.index import Index
from accord.planner.composition.learned_choice import LearnedChoice
from accord.planner.composition.learned_links import LearnedLinks
from accord.planner.composition.teaching import Lesson, Pair, Placed, Wanted
from accord.planner.composition.wording import content

_THREADS = ThreadpoolController()
"""One core is enough, and the others have work: threads that wait for each other on a busy machine take minutes."""


class Learned:
    """A teacher. Learning takes seconds for some hundred examples and forty abilities."""

    def __init__(self, lesson: Lesson) -> None:
        with _THREADS.limit(limits=1):
            self._learn(lesson)

    def _learn(self, lesson: Lesson) -> None:
        self._choice = LearnedChoice(lesson.examples, Index(lesson.abilities))
        self.words = frozenset(word for one in lesson.examples for word in content(one.objective))
        parts = [max(len(clauses(one.objective)), 1) for one in lesson.examples]
        places = [
            {name: clause / count for name, clause in zip(self._choice.names, map(int, row), strict=True)}
            for row, count in zip(self._choice.clauses, parts, strict=True)
        ]
        self._links = LearnedLinks(lesson.examples, places, {one.called: one for one in lesson.abilities})

    @property
    def threshold(self) -> float:
        """The least probability of an ability that is wanted."""
        return self._choice.threshold

    @property
    def is_better(self) -> bool:
        """Whether more of the examples that were held back were chosen rightly than by words alone, also where all of
        the same combination were held back.
        """
        return min(self._choice.out_of_fold, self._choice.out_of_combination) > self._choice.untaught

    def of(self, objective: str) -> Mapping[str, Wanted]:
        """Every ability that was learned."""
        with _THREADS.limit(limits=1):
            told = self._choice.of([objective])
        return {
            name: Wanted(float(chance), int(clause))
            for name, chance, clause in zip(self._choice.names, told.probability[0], told.clause[0], strict=True)
        }

    def links(self, wanted: Sequence[Placed]) -> Mapping[Pair, float]:
        """The links between abilities that are wanted, with their probabilities: acyclic."""
        with _THREADS.limit(limits=1):
            return self._links.of(wanted)
