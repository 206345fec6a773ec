"""Learning: what people have said that words mean, and which version of the classifier decides, folded from
`sys:planner`. The words are encrypted, each example's under a data key of its own, which goes when it is forgotten.

ACC140  the planner does not learn from whoever asks    ACC141  there is no such example
ACC144  there is nothing to train a classifier on       ACC146  the classifier is not trained yet
ACC142  there is no such version of the classifier         ACC145  another process has trained one meanwhile
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Final, Protocol

import msgspec

from accord.domain.document import Document
from accord.domain.ids import Digest, RunId
from accord.domain.learning import (
    EVERYBODY,
    MOST_LEARNT,
    ClassifierVersion,
    Learnt,
    Lesson,
    Meant,
    PlannerState,
    Trial,
)
from accord.domain.shares import SHARED
from accord.domain.system import (
    PLANNER,
    ClassifierTrained,
    ClassifierUsed,
    ExampleForgotten,
    ExampleLearnt,
    SystemEvent,
)
from accord.encryption import Cipher
from accord.encryption.cipher import text_in
from accord.engine.data_keys import DataKeys
from accord.engine.partitions import Partitions
from accord.engine.rewrapping import WITHIN_ANOTHER
from accord.engine.streams import SystemStream
from accord.errors import NotFound, Refused, TransitionRefused
from accord.ports import Clock, Ids, Journal

logger = logging.getLogger("accord.learning")

ROOT: Final = RunId("planner")
"""Names the data key that wraps those of examples: no run is called so."""


class _Words(msgspec.Struct, frozen=True):
    """What is encrypted of an example. The salt keeps the digest from telling whether words that somebody guesses are
    the ones that were forgotten.
    """

    words: str
    salt: str


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A classifier that was trained, before it is a version."""

    until: int
    learnt: int
    digest: Digest
    trial: Trial
    compared_with: int


class Teacher(Protocol):
    """Whoever trains classifiers of what was learnt here: the planner, which the engine does not know."""

    async def judge(self, objective: str) -> Meant | None:
        """See `Service.judge`."""
        ...

    async def phrase_of(self, lesson: Lesson) -> str:
        """The words of a lesson without what goes into the template's input. Raises NotFound, BadInput."""
        ...

    async def train(self, *, by: str) -> ClassifierVersion:
        """See `Service.train`."""
        ...

    async def prepare(self) -> None:
        """Have the version in use at hand, with the templates that there are, before it is asked."""
        ...


class Learning:
    """Keeps examples and versions, and forgets examples."""

    def __init__(
        self, journal: Journal, keys: DataKeys, clock: Clock, ids: Ids, learns_from: frozenset[str], train_after: int
    ) -> None:
        self.stream = SystemStream(journal, PLANNER, self._apply)
        self._keys = keys
        self._clock = clock
        self._ids = ids
        self._learns_from = learns_from
        self._train_after = train_after
        self._examples: dict[str, ExampleLearnt] = {}
        """All that there ever were, in the order of the stream."""
        self._forgotten: dict[str, ExampleForgotten] = {}
        self._versions: list[ClassifierTrained] = []
        self._root: Cipher | None = None
        self._words: dict[str, str] = {}
        """Of examples that were read."""
        self.version = 0
        """The one in use."""
        self.forgot: list[Callable[[], None]] = []
        """Told when an example was forgotten, here or by another process."""
        self.teacher: Teacher | None = None

    def _apply(self, event: SystemEvent) -> None:
        if isinstance(event, ExampleLearnt):
            self._examples[event.example] = event
        elif isinstance(event, ExampleForgotten):
            self._forgotten[event.example] = event
            self._words.pop(event.example, None)
            for tell in self.forgot:
                tell()
        elif isinstance(event, ClassifierTrained):
            self._versions.append(event)
        elif isinstance(event, ClassifierUsed):
            self.version = event.version

    # -- what there is -------------------------------------------------------------------------------------------

    def learns_from(self, tenant: str) -> bool:
        """Whether what this one runs becomes examples."""
        return not self._learns_from.isdisjoint((tenant, EVERYBODY))

    def refuse(self, tenant: str) -> None:
        """Nothing where the planner learns from this one. Raises Refused (ACC140)."""
        if not self.learns_from(tenant):
            hint = f'it is the operator who lets it: learn_from = ["{tenant}"] in settings.toml'
            raise Refused.of("ACC140", f"the planner does not learn from {tenant}", hint=hint)

    @property
    def taught(self) -> Teacher:
        """Whoever trains classifiers here. Raises Refused (ACC144) where nobody does."""
        if self.teacher is None:
            raise Refused.of("ACC144", "nothing here trains classifiers")
        return self.teacher

    def state(self, tenant: str) -> PlannerState:
        """What was learnt, and whether it is from this one, too."""
        return PlannerState(
            learns_from=tuple(sorted(self._learns_from)),
            learns_from_you=self.learns_from(tenant),
            learnt=len(self._examples) - len(self._forgotten),
            fresh=self.fresh,
            train_after=self._train_after,
            version=self.version,
            versions=len(self._versions),
        )

    @property
    def fresh(self) -> int:
        """Examples since the newest version was trained."""
        until = self._versions[-1].until if self._versions else 0
        return sum(name not in self._forgotten for name in islice(self._examples, until, None))

    @property
    def is_due(self) -> bool:
        """Whether so much has come that a version is to be trained."""
        return self.fresh >= self._train_after

    @property
    def mark(self) -> tuple[int, int]:
        """Another one when other examples are to be learnt: the version in use, and how many are forgotten."""
        return self.version, len(self._forgotten)

    @property
    def until(self) -> int:
        """How many examples there ever were."""
        return len(self._examples)

    def versions(self) -> list[ClassifierVersion]:
        """All versions, the oldest first."""
        return [_version(one) for one in self._versions]

    def ids(self, until: int) -> list[str]:
        """Of the first so many examples, those that are not forgotten; of very many the newest."""
        return self._there(until)[-MOST_LEARNT:]

    def _there(self, until: int) -> list[str]:
        return [name for name in islice(self._examples, until) if name not in self._forgotten]

    def until_of(self, version: int) -> int:
        """How many examples a version goes back to. Raises NotFound."""
        if version == 0:
            return 0
        if not 0 < version <= len(self._versions):
            raise NotFound.of("ACC142", f"there is no version {version}", hint="accord planner versions lists them")
        return self._versions[version - 1].until

    async def lessons(self, until: int) -> list[Lesson]:
        """What the first so many examples say. Raises what reading their words raises."""
        words = await self._read(self.ids(until))
        told = ((self._examples[name], said) for name, said in words.items())
        return [Lesson(objective=said, template=one.template, how=one.how, run=one.run) for one, said in told]

    async def examples(self, by: str | None = None) -> list[Learnt]:
        """All examples, or one person's, the oldest first; of those that are forgotten, that there were some."""
        found = [one for one in self._examples.values() if by in (None, one.by)]
        words = await self._read([one.example for one in found])
        return [_learnt(one, words.get(one.example), self._forgotten.get(one.example)) for one in found]

    # -- what is done --------------------------------------------------------------------------------------------

    async def teach(self, lesson: Lesson, *, by: str) -> Learnt:
        """Keep an example; the same one again is kept once.

        Raises:
            Refused: ACC140 nothing is learnt from whoever gives it.
            KeyUnusable: nothing can be encrypted.
        """
        self.refuse(by)
        words = await self._read(self._there(self.until))
        for one, said in words.items():
            if (said, self._examples[one].template) == (lesson.objective, lesson.template):
                return _learnt(self._examples[one], said)
        name = self._ids.token()
        cipher = await self._keys.keep_under(await self._over(), _key(name))
        document, _ = cipher.encrypted(msgspec.json.encode(_Words(lesson.objective, self._ids.token())))
        event = ExampleLearnt(
            at=self._clock.now(),
            example=name,
            words=document,
            template=lesson.template,
            how=lesson.how,
            by=by,
            run=lesson.run,
        )
        await self.stream.append(event)
        return _learnt(event, lesson.objective)

    async def forget(self, example: str, *, by: str, reason: str = "") -> Learnt:
        """Destroy the words of an example; again is no error. It is written down before: a process that dies in between
        leaves one that is said to be forgotten, and who asks again brings it to its end. Raises NotFound.
        """
        await self.stream.refresh()
        event = self.example(example)
        if example not in self._forgotten:
            await self.stream.append(ExampleForgotten(at=self._clock.now(), example=example, by=by, reason=reason))
        await self._keys.erase([_key(example)])
        return _learnt(event, None, self._forgotten[example])

    def example(self, example: str) -> ExampleLearnt:
        """The example of this id. Raises NotFound."""
        if example not in self._examples:
            hint = "accord planner examples lists them"
            raise NotFound.of("ACC141", f"there is no example {example}", hint=hint)
        return self._examples[example]

    async def add(self, trained: Trained, *, by: str) -> ClassifierVersion:
        """Give what was trained its number, and use it from now on unless it is worse. Raises TransitionRefused where
        another process has trained one meanwhile.
        """
        before = len(self._versions)

        def refuse_second() -> None:
            if len(self._versions) != before or self.version != trained.compared_with:
                raise TransitionRefused.of("ACC145", "another process has trained a version meanwhile")

        flaws, now = tuple(trained.trial.flaws()), self._clock.now()
        event = ClassifierTrained(at=now, version=before + 1, flaws=flaws, by=by, **msgspec.structs.asdict(trained))
        used = () if flaws else (ClassifierUsed(at=now, version=event.version, by=by),)
        await self.stream.append(event, *used, check=refuse_second)
        return _version(event)

    async def use(self, version: int, *, by: str) -> None:
        """Let this version decide from now on; again is no error. Raises NotFound."""
        await self.stream.refresh()
        self.until_of(version)
        if version != self.version:
            await self.stream.append(ClassifierUsed(at=self._clock.now(), version=version, by=by))

    # -- words ---------------------------------------------------------------------------------------------------

    async def _read(self, examples: Sequence[str]) -> dict[str, str]:
        """The words of those of these examples that are not forgotten, in this order."""
        unread = [name for name in examples if name not in self._words and name not in self._forgotten]
        if unread:
            ciphers = await self._keys.find_under(await self._over(), [_key(name) for name in unread])
            read = {name: ciphers[_key(name)] for name in unread if _key(name) in ciphers}
            self._words |= {name: _decrypted(cipher, self._examples[name].words) for name, cipher in read.items()}
        return {name: self._words[name] for name in examples if name in self._words and name not in self._forgotten}

    async def _over(self) -> Cipher:
        """What wraps the keys of examples."""
        if self._root is None:
            self._root = await self._keys.own(ROOT)
        return self._root


def _decrypted(cipher: Cipher, document: Document) -> str:
    text = text_in(document)
    return msgspec.json.decode(cipher.decrypted(document, text or b""), type=_Words).words


def _learnt(event: ExampleLearnt, words: str | None, gone: ExampleForgotten | None = None) -> Learnt:
    return Learnt(
        example=event.example,
        words=words,
        template=event.template,
        how=event.how,
        by=event.by,
        at=event.at,
        run=event.run,
        forgotten_by=gone.by if gone is not None else None,
        forgotten_at=gone.at if gone is not None else None,
    )


class Schooling:
    """Trains a version when enough examples have come, at one server of all: the one that owns the first partition."""

    every = timedelta(seconds=5)

    def __init__(self, learning: Learning, partitions: Partitions) -> None:
        self._learning = learning
        self._partitions = partitions
        self._tried = 0

    async def go(self) -> None:
        """Train, where it is due and ours; have ready what is in use."""
        learning = self._learning
        if learning.teacher is None:
            return
        if learning.is_due and self._tried < learning.until and SHARED[0] in self._partitions.fences:
            self._tried = learning.until  # what fails is not tried again until more has come
            await self._train(learning.teacher)
        await learning.teacher.prepare()

    async def _train(self, teacher: Teacher) -> None:
        try:
            made = await teacher.train(by="accord")
        except Refused as error:
            logger.warning("no new version of the classifier: %s", error)
            return
        logger.info(
            "version %d of the classifier was trained and %s", made.version, "is not used" if made.flaws else "is used"
        )


def _key(example: str) -> RunId:
    """Names the data key of an example: no run is called so."""
    return RunId(f"{WITHIN_ANOTHER}{example}")


def _version(event: ClassifierTrained) -> ClassifierVersion:
    return ClassifierVersion(
        version=event.version,
        at=event.at,
        by=event.by,
        learnt=event.learnt,
        digest=event.digest,
        trial=event.trial,
        compared_with=event.compared_with,
        flaws=event.flaws,
    )
