"""Learning: what the planner has learnt from use, and what may be done about it."""

from __future__ import annotations

from typing import Protocol

from accord.domain.learning import ClassifierVersion, Learnt, Lesson, Meant, PlannerState


class Learning(Protocol):
    """What may be asked of the planner's classifier, and done with what it has learnt."""

    async def planner(self, *, by: str) -> PlannerState:
        """What was learnt, and whether it is from whoever asks, too."""
        ...

    async def judge(self, objective: str) -> Meant | None:
        """What the version in use makes of an objective; None where there are too few examples for one, or nothing that
        could train it. Raises Refused (ACC146) while a server is still learning.
        """
        ...

    async def lessons(self) -> list[Lesson]:
        """What the version in use has learnt from use, for whoever plans in this process; a server tells nobody, and so
        this is empty there.
        """
        ...

    async def examples(self, *, by: str | None = None) -> list[Learnt]:
        """The examples that were ever kept, or one person's, the oldest first."""
        ...

    async def teach(self, lesson: Lesson, *, by: str) -> Learnt:
        """Keep what words mean; what of them goes into the template's input is left out.

        Raises:
            Refused: ACC140 the planner does not learn from whoever says so.
            NotFound: there is no such template.
            BadInput: the words say nothing, or are far too many.
            KeyUnusable: nothing here can encrypt them.
        """
        ...

    async def forget(self, example: str, *, by: str, reason: str = "") -> Learnt:
        """Destroy the words of an example, for good, and learn from it no more; again is no error. Raises NotFound."""
        ...

    async def classifiers(self) -> list[ClassifierVersion]:
        """All versions that were trained, the oldest first."""
        ...

    async def train(self, *, by: str) -> ClassifierVersion:
        """Train a version on all that was learnt, compare it with the one in use, and use it unless it is worse.

        Raises:
            Refused: ACC144 there is too little to learn, ACC143 the trial has failed, ACC145 another process was
                quicker.
        """
        ...

    async def use_classifier(self, version: int, *, by: str) -> PlannerState:
        """Let this version decide from now on, in every process once this returns; 0 knows the phrases of templates
        alone. Raises NotFound.
        """
        ...
