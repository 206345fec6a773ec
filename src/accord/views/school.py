"""The planner at school: what people have said becomes examples, and examples become versions of its classifier."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import Final

from accord.domain.ids import Digest
from accord.domain.learning import ClassifierVersion, Lesson, Meant
from accord.domain.template import Template
from accord.engine.learning import Trained
from accord.engine.node import Node
from accord.errors import NotUnderstood, Refused
from accord.planner.by_classifier import NOT_INSTALLED
from accord.planner.by_name import said
from accord.planner.classifier.examples import (
    Example,
    digest_of_examples,
    examples_of,
    phrase_of,
    phrases_of,
    words_in,
)
from accord.planner.classifier.models import Models, Taught, is_installed, learnable
from accord.planner.classifier.privacy import without_values
from accord.planner.classifier.trial import Request, compared
from accord.planner.plan import check_objective
from accord.planner.spans import wanted_of
from accord.planner.ways import Objective
from accord.verifier.known import ContractTable
from accord.views.catalogue import Catalogue, all_entries

PATIENCE: Final = timedelta(seconds=2)
"""So long whoever asks a server waits for what is being learnt."""


class School:
    """The teacher of a node (`engine.learning.Teacher`)."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._learning = node.parts.learning
        self._learning.forgot.append(self._forget)
        self._models = Models()
        self._training = asyncio.Lock()
        self._of: tuple[int, int, int] | None = None
        self._taught: Taught | None = None
        self._preparing: asyncio.Task[Taught | None] | None = None
        self._is_ahead = False
        """Whether somebody has it prepared before it is asked."""

    async def judge(self, objective: str) -> Meant | None:
        """What the version in use makes of an objective. Where it is prepared beside what goes on, and templates have
        changed, it knows those of before meanwhile. Raises Refused (ACC146) where it knows none yet.
        """
        version = self._learning.version
        taught = await self._at_hand()
        return await taught.judged(objective, version) if taught is not None else None

    async def prepare(self) -> None:
        """Train the version in use, where this process has not yet. From then on nobody waits long for that."""
        self._is_ahead = True
        if self._now() != self._of:
            await self._prepared()

    async def _at_hand(self) -> Taught | None:
        if not is_installed() or self._now() == self._of:
            return self._taught
        preparing = self._prepared()
        await asyncio.wait([preparing], timeout=PATIENCE.total_seconds() if self._is_ahead else None)
        if preparing.done():
            return preparing.result()
        if self._of is not None and self._of[:2] == self._learning.mark:
            return self._taught
        hint = "ask again in a moment, or say it like an example of a template"
        raise Refused.of("ACC146", "the classifier is still learning the examples of templates", hint=hint)

    def _prepared(self) -> asyncio.Task[Taught | None]:
        """The training of the version in use: one for all who ask, and it goes on where they are gone."""
        if self._preparing is None or self._preparing.done():
            self._preparing = asyncio.create_task(self._in_use(), name="accord-School")
            self._preparing.add_done_callback(_looked_at)
        return self._preparing

    def _now(self) -> tuple[int, int, int]:
        """Another one when something else is to be learnt."""
        return (*self._learning.mark, self._node.parts.library.generation)

    async def phrase_of(self, lesson: Lesson) -> str:
        """The words of a lesson without what goes into the template's input. Raises NotFound, NotUnderstood."""
        catalogue = await all_entries(self._node)
        now = self._node.parts.ports.clock.now()
        objective = Objective(lesson.objective, catalogue.known(), ContractTable([]), catalogue, now=now)
        check_objective(objective)
        if lesson.template is None:
            return without_values(phrase_of(lesson.objective, {}), (), ())
        known = catalogue.find(lesson.template).known
        filled = said(objective, known)
        phrase = phrase_of(lesson.objective, filled.words)
        return without_values(phrase, words_in(known.template), wanted_of(known.template, filled.input))

    async def train(self, *, by: str) -> ClassifierVersion:
        """A new version, compared with the one in use. It goes on where whoever has asked is gone."""
        return await asyncio.shield(asyncio.ensure_future(self._train(by)))

    async def _train(self, by: str) -> ClassifierVersion:
        if not is_installed():
            raise NotUnderstood(NOT_INSTALLED)
        async with self._training:
            learning = self._learning
            await learning.stream.refresh()
            until, version, names = learning.until, learning.version, learning.ids(learning.until)
            templates = await self._phrased()
            phrases = list(phrases_of(templates))
            after = await self._examples(until, templates)
            if not after or not learnable([*phrases, *after]):
                hint = (
                    "templates with four examples each, three at least, and what people have said: docs/how-to/learn.md"
                )
                raise Refused.of("ACC144", "there is too little to train a classifier on", hint=hint)
            before = await self._examples(learning.until_of(version), templates)
            trial = await compared(Request(phrases, before, after))
            trained = Trained(
                until=until,
                learnt=len(names),
                digest=_digest(phrases, names),
                trial=trial,
                compared_with=version,
            )
            return await learning.add(trained, by=by)

    async def _in_use(self) -> Taught | None:
        """What the version in use has taught, with the templates that there are now."""
        if not is_installed():
            return None
        now = self._now()
        if now != self._of:
            templates = await self._phrased()
            learnt = await self._examples(self._learning.until_of(self._learning.version), templates)
            examples = learnable([*phrases_of(templates), *learnt])
            self._taught = await self._models.of(examples) if examples else None
            self._of = now
            if self._learning.mark != now[:2]:  # something was forgotten meanwhile, or another version is used
                self._forget()
                return await self._in_use()
        return self._taught

    async def _examples(self, until: int, templates: list[Template]) -> list[Example]:
        return list(examples_of(await self._learning.lessons(until), templates))

    async def _phrased(self) -> list[Template]:
        return _newest(await all_entries(self._node))

    def _forget(self) -> None:
        self._models.forget()
        self._of = self._taught = None


def _looked_at(training: asyncio.Task[Taught | None]) -> None:
    """What has gone wrong is told to those who wait, and to the round; where nobody does, it is tried again."""
    if not training.cancelled():
        training.exception()


def _newest(catalogue: Catalogue) -> list[Template]:
    return [known.template for known in Objective("", catalogue.known(), ContractTable([])).newest.values()]


def _digest(phrases: list[Example], names: list[str]) -> Digest:
    """What a version was trained on: phrases, and examples by their ids: nothing of it tells forgotten words."""
    text = "\n".join([digest_of_examples(phrases), *sorted(names)])
    return Digest(sha256(text.encode()).hexdigest())
