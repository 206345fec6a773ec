"""The planner learns from use: with consent, encrypted, erasable; each version is journalled and can be taken back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accord.app import open_node
from accord.domain.ids import Digest
from accord.domain.learning import ClassifierVersion, Lesson, Meant, Scores, Trial
from accord.domain.schema import canonical_form
from accord.domain.shares import SHARED
from accord.domain.system import PLANNER
from accord.domain.template import template_from_json
from accord.engine.learning import Schooling, Trained
from accord.engine.node import Node
from accord.errors import NotFound, NotUnderstood, Refused, TransitionRefused
from accord.planner.classifier.training import Training
from accord.planner.classifier.trial import Request
from accord.settings import Settings
from accord.views import learning, school
from accord.views.planning import Wanted, known_of, planned

PHRASES = {
    "weather-report": ("what is the weather in {x}", "will it rain in {x}", "forecast for {x}", "how warm is {x}"),
    "money-transfer": ("send money to {x}", "pay {x}", "wire dollars to {x}", "transfer money to {x}"),
    "music-player": ("play some {x} music", "put on {x}", "start a playlist of {x}", "i want to hear {x}"),
    "alarm-clock": ("set an alarm for {x}", "wake me up at {x}", "ring the alarm at {x}", "alarm at {x} please"),
}
SCORES = Scores(examples=9, strangers=3, inside_accuracy=0.9, outside_recall=0.8, calibration_error=0.1)
BETTER = Trial(before=SCORES, after=SCORES)
WORSE = Trial(before=SCORES, after=msgspec.structs.replace(SCORES, inside_accuracy=0.5))
COAT = Lesson(objective="is it coat season in oslo", template="weather-report")


@asynccontextmanager
async def opened(home: Path, *learn_from: str, templates: bool = True) -> AsyncIterator[Node]:
    async with open_node(Settings(home=home, learn_from=learn_from, learn_after=2)) as node:
        for name, phrases in PHRASES.items() if templates else ():
            document: dict[str, Any] = {
                "accord": "template/1",
                "name": name,
                "version": "1.0.0",
                "examples": list(phrases),
                "input": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
                "tasks": {"waits": {"sleep": "1s"}},
            }
            data = canonical_form(document)
            await node.publish(template_from_json(data), data)
        yield node


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """What trials come to, one after the other."""
    found: list[Trial] = []

    async def compared(request: Request) -> Trial:
        assert request.phrases
        return found.pop(0)

    monkeypatch.setattr(school, "compared", compared)
    return found


async def test_nothing_is_learnt_without_consent(tmp_path: Path) -> None:
    async with opened(tmp_path, "bob") as node:
        assert not (await node.planner(by="ann")).learns_from_you
        with pytest.raises(Refused, match="ACC140"):
            await node.teach(COAT, by="ann")
        assert await learning.kept(node, COAT, by="ann") is None
        assert await node.parts.ports.journal.read(PLANNER) == []
        assert await learning.kept(node, COAT, by="bob") is not None
        assert len(await node.parts.ports.journal.read(PLANNER)) == 1


async def test_words_are_kept_encrypted_without_what_goes_into_the_input(tmp_path: Path) -> None:
    async with opened(tmp_path, "*") as node:
        made = await node.teach(COAT, by="ann")
        assert (made.words, made.template, made.how, made.by) == (
            "is it coat season in {x}",
            "weather-report",
            "told",
            "ann",
        )
        assert await node.teach(COAT, by="bob") == made
        (record,) = await node.parts.ports.journal.read(PLANNER)
        assert b"coat" not in record.data
        with pytest.raises(NotFound):
            await node.teach(msgspec.structs.replace(COAT, template="nothing"), by="ann")
        with pytest.raises(NotUnderstood, match="ACC805"):
            await node.teach(msgspec.structs.replace(COAT, objective=" "), by="ann")


async def test_what_is_forgotten_cannot_be_read_any_more_by_anybody(tmp_path: Path) -> None:
    async with opened(tmp_path, "*") as node, opened(tmp_path, "*", templates=False) as other:
        made, kept = (
            await node.teach(COAT, by="ann"),
            await node.teach(Lesson(objective="a joke", template=None), by="ann"),
        )
        assert [one.words for one in await other.examples()] == ["is it coat season in {x}", "a joke"]
        gone = await other.forget(made.example, by="admin", reason="it names somebody")
        assert (gone.words, gone.forgotten_by) == (None, "admin")
        assert [one.words for one in await node.examples(by="ann")] == [None, "a joke"]
        assert await node.parts.learning.lessons(9) == [Lesson(objective="a joke", template=None)]
        assert await node.forget(made.example, by="bob") == gone
        assert (await node.planner(by="ann")).learnt == 1
        with pytest.raises(NotFound, match="ACC141"):
            await node.forget("nobody", by="ann")
        key = f"example:{made.example}"
        assert list((await node.parts.ports.journal.data_keys([key])).values()) == [None]  # type: ignore[list-item]
        assert kept.words == "a joke"


async def test_the_better_version_is_used_the_worse_one_is_not_and_any_can_be_taken_back(
    tmp_path: Path, trials: list[Trial]
) -> None:
    async with opened(tmp_path, "*") as node, opened(tmp_path, "*", templates=False) as other:
        with pytest.raises(Refused, match="ACC144"):
            await node.train(by="ann")
        await node.teach(COAT, by="ann")
        trials += [BETTER, WORSE]
        first = await node.train(by="ann")
        assert (first.version, first.flaws, first.learnt, first.compared_with) == (1, (), 1, 0)
        assert (await other.planner(by="ann")).version == 1
        await other.teach(Lesson(objective="is a coat needed in lima", template="weather-report"), by="ann")
        second = await other.train(by="bob")
        assert (second.version, second.learnt, second.compared_with) == (2, 2, 1)
        assert second.flaws == ("right of 50.0% of examples, before of 90.0%",)
        assert second.digest != first.digest
        state = await node.planner(by="ann")
        assert (state.version, state.versions, state.fresh) == (1, 2, 0)
        assert (await node.use_classifier(2, by="ann")).version == 2
        assert (await node.use_classifier(0, by="ann")).version == 0
        with pytest.raises(NotFound, match="ACC142"):
            await node.use_classifier(3, by="ann")
        assert await other.classifiers() == [first, second]
    async with opened(tmp_path, templates=False) as later:
        assert await later.classifiers() == [first, second]


async def test_the_version_in_use_decides_and_the_plan_says_which(tmp_path: Path, trials: list[Trial]) -> None:
    async def version_of(node: Node, words: str) -> tuple[str, int | None]:
        found = (await planned(Wanted(words, None, None, None), await known_of(node))).plan
        return found.template, found.classifier

    async with opened(tmp_path, "*") as node, opened(tmp_path, "*", templates=False) as other:
        words = "is it coat season where i am, in bern"
        with pytest.raises(NotUnderstood):
            await version_of(node, words)
        for start in ("is it coat season in", "is it now coat season in", "coat season in", "is a coat needed in"):
            await node.teach(Lesson(objective=f"{start} oslo", template="weather-report"), by="ann")
        trials.append(BETTER)
        await node.train(by="ann")
        await other.planner(by="ann")
        for one in (node, other):
            assert await version_of(one, words) == ("weather-report@1.0.0", 1)
        await node.use_classifier(0, by="ann")
        with pytest.raises(NotUnderstood):
            await version_of(node, words)


async def test_a_template_that_is_named_is_what_the_words_mean(tmp_path: Path) -> None:
    async with opened(tmp_path) as node:
        found = await planned(Wanted("is it coat season in oslo", "weather-report", None, None), await known_of(node))
        assert (found.plan.way, found.plan.template, found.plan.input) == (
            "named",
            "weather-report@1.0.0",
            {"x": "oslo"},
        )
        assert found.plan.objective == "is it coat season in oslo"
        given = Wanted("is it coat season", "weather-report", None, {"x": "lima"})
        assert (await planned(given, await known_of(node))).plan.input == {"x": "lima"}


async def test_of_two_who_train_at_once_one_is_refused(tmp_path: Path) -> None:
    trained = Trained(until=1, learnt=1, digest=Digest("0" * 64), trial=BETTER, compared_with=0)
    async with opened(tmp_path, "*") as node, opened(tmp_path, "*", templates=False) as other:
        await node.teach(COAT, by="ann")
        await node.parts.learning.add(trained, by="ann")
        with pytest.raises(TransitionRefused, match="ACC145"):
            await other.parts.learning.add(trained, by="bob")
        assert len(await other.classifiers()) == 1


class Counting:
    """A teacher that only counts."""

    def __init__(self) -> None:
        self.trained = 0
        self.prepared = 0

    async def judge(self, objective: str) -> Meant | None:
        return None

    async def phrase_of(self, lesson: Lesson) -> str:
        return lesson.objective

    async def train(self, *, by: str) -> ClassifierVersion:
        self.trained += 1
        raise Refused.of("ACC143", "no trial of the classifier")

    async def prepare(self) -> None:
        self.prepared += 1


async def test_who_owns_the_first_partition_trains_when_enough_has_come_and_once(tmp_path: Path) -> None:
    async with opened(tmp_path, "*") as node:
        parts, teacher = node.parts, Counting()
        parts.learning.teacher = teacher
        schooling = Schooling(parts.learning, parts.partitions)
        await node.teach(COAT, by="ann")
        assert await parts.partitions.claim(SHARED[0]) == SHARED[0]
        await schooling.go()
        assert teacher.trained == 0
        await node.teach(Lesson(objective="a joke", template=None), by="ann")
        await schooling.go()
        await schooling.go()
        assert teacher.trained == 1
        await node.teach(Lesson(objective="a poem", template=None), by="ann")
        await parts.partitions.give_up([SHARED[0]])
        await schooling.go()
        assert (teacher.trained, teacher.prepared) == (1, 4)


async def test_nobody_waits_for_a_classifier_that_a_server_has_not_trained_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    goes_on = threading.Event()
    whole = Training.whole

    def trained(self: Training, examples: Any) -> Any:
        assert goes_on.wait(60)
        return whole(self, examples)

    monkeypatch.setattr(Training, "whole", trained)
    monkeypatch.setattr(school, "PATIENCE", timedelta(0))
    async with opened(tmp_path, "*") as node:
        teacher = node.parts.learning.taught
        preparing = asyncio.create_task(teacher.prepare())
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="ACC146"):
            await node.judge("how warm is it in oslo")
        with pytest.raises(NotUnderstood, match="ACC146"):
            await planned(Wanted("is it coat season in oslo", None, None, {}), await known_of(node))
        goes_on.set()
        await preparing
        meant = await node.judge("how warm is it in oslo")
        assert meant is not None
        data = canonical_form(
            {"accord": "template/1", "name": "other", "version": "1.0.0", "tasks": {"a": {"sleep": "1s"}}}
        )
        goes_on.clear()
        await node.publish(template_from_json(data), data)
        assert (await node.judge("how warm is it in oslo")) == meant
        goes_on.set()
        await teacher.prepare()


async def test_who_has_asked_may_be_gone_before_the_training_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def compared(request: Request) -> Trial:
        begun.set()
        await goes_on.wait()
        return BETTER

    monkeypatch.setattr(school, "compared", compared)
    async with opened(tmp_path, "*") as node:
        await node.teach(COAT, by="ann")
        asked = asyncio.create_task(node.train(by="ann"))
        await begun.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        goes_on.set()
        while not await node.classifiers():  # noqa: ASYNC110 - that nobody waits for
            await asyncio.sleep(0)
        assert (await node.planner(by="ann")).version == 1
