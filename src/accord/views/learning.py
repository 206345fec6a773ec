"""What was learnt from use, as programs get it; and what a run shows is kept."""

from __future__ import annotations

import logging

import msgspec

from accord.domain.learning import ClassifierVersion, Learnt, Lesson
from accord.errors import AccordError
from accord.service import Service

logger = logging.getLogger("accord.learning")


class ExamplePage(msgspec.Struct, frozen=True):
    """A page of examples, the oldest first."""

    examples: tuple[Learnt, ...]
    next: str | None
    """The id of the page's last example, behind which the next one begins; None where there is none."""


class VersionPage(msgspec.Struct, frozen=True):
    """A page of versions of the classifier, the oldest first."""

    versions: tuple[ClassifierVersion, ...]
    next: str | None
    """The page's last version, behind which the next one begins; None where there is none."""


async def kept(service: Service, lesson: Lesson, *, by: str) -> Learnt | None:
    """Keep what somebody has shown by running a template for words; None where the planner does not learn from them. A
    run is not to fail for it: what goes wrong is logged.
    """
    try:
        if (await service.planner(by=by)).learns_from_you:
            return await service.teach(lesson, by=by)
    except AccordError as error:
        logger.warning("the planner could not keep an example: %s", error)
    return None
