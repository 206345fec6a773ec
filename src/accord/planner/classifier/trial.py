"""A trial: two classifiers on the same examples, which neither has seen. It takes as long as several trainings, so it
is a process of its own, with low priority: `compared` asks it, `main` is it.

ACC143  the trial of a classifier has failed, or takes too long
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence, Set
from typing import Final

import msgspec

from accord.domain.learning import Scores, Trial
from accord.errors import Problem, Refused
from accord.planner.classifier.examples import Example
from accord.planner.classifier.models import LEAST_TEMPLATES, learnable
from accord.planner.classifier.training import Training

WITHIN_S: Final = 900.0

_SINGLE: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Request(msgspec.Struct, frozen=True):
    """What the classifiers are trained on."""

    phrases: list[Example]
    """What both know."""
    before: list[Example]
    """What the one in use has learnt from use."""
    after: list[Example]
    """What the new one has."""


async def compared(request: Request) -> Trial:
    """The trial, made by another process. Raises Refused (ACC143)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **dict.fromkeys(_SINGLE, "1")},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            out, told = await process.communicate(msgspec.json.encode(request))
    except TimeoutError:
        raise _failed(f"it takes more than {WITHIN_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise _failed(told.decode(errors="replace").strip()[-400:])
    return msgspec.json.decode(out, type=Trial)


def _failed(why: str) -> Refused:
    return Refused(Problem("ACC143", f"no trial of the classifier: {why}", hint="the version in use goes on"))


def main() -> None:
    """Read a request from standard input, and write its trial to standard output."""
    if sys.platform != "win32":
        os.nice(10)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    sys.stdout.buffer.write(msgspec.json.encode(tried(request)))


def tried(request: Request) -> Trial:
    """The trial of what is learnable. The same request gives the same one."""
    news = learnable([*request.phrases, *request.after])
    of_before = frozenset(learnable([*request.phrases, *request.before]))
    training = Training()
    phrases = frozenset(request.phrases)
    after, before = _Tally(training, phrases), _Tally(training, phrases)
    for part in _parts(news):
        old = [one for one in part.known if one in of_before]
        if _is_enough(part.known) and (_is_enough(old) or not of_before):
            after.count(part.known, part)
            if of_before:
                before.count(old, part)
    return Trial(after=after.scores(), before=before.scores() if of_before else None)


def _is_enough(known: Sequence[Example]) -> bool:
    """Whether these are of so many templates that a model can be measured."""
    return len({one.label for one in known} - {None}) >= LEAST_TEMPLATES


class _Part(msgspec.Struct, frozen=True):
    known: list[Example]
    others: list[Example]
    """Held out."""
    strangers: list[str]
    """Held out, too, and of no template that is known."""


def _parts(examples: Sequence[Example]) -> Iterator[_Part]:
    """The examples dealt several times, each label evenly. Where nobody has given strangers, some templates are left
    out each time, as long as enough others remain, and what is said of those is strange.
    """
    from accord.planner.classifier.model import PARTS, dealt  # noqa: PLC0415 - it needs scikit-learn, an extra

    inside = [one for one in examples if one.label is not None]
    outside = [one for one in examples if one.label is None]
    leave_out = not outside and len({one.label for one in inside}) > LEAST_TEMPLATES
    for number, (known, others) in enumerate(dealt(inside, leave_out=leave_out)):
        there = {one.label for one in known}
        strange = [one.text for at, one in enumerate(outside) if at % PARTS == number]
        familiar = [one for at, one in enumerate(outside) if at % PARTS != number]
        strange += [one.text for one in others if one.label not in there]
        yield _Part([*known, *familiar], [one for one in others if one.label in there], strange)


class _Tally:
    """What one of the classifiers has got right."""

    def __init__(self, training: Training, phrases: Set[Example]) -> None:
        self._training, self._phrases = training, phrases
        self._right: list[bool] = []
        self._right_of_phrases: list[bool] = []
        self._refused: list[bool] = []
        self._errors: list[float] = []

    def count(self, known: Sequence[Example], part: _Part) -> None:
        """Train it on what it knows, and let it judge what is held out."""
        model = self._training.whole(known)
        asked = [*part.others, *(Example(text, None) for text in part.strangers)]
        for one, judged in zip(asked, model.judge([one.text for one in asked], most=1), strict=True):
            if one.label is None:
                self._refused.append(judged.label is None)
            else:
                self._right.append(judged.label == one.label)
            if one in self._phrases:
                self._right_of_phrases.append(judged.label == one.label)
            is_best = one.label is not None and judged.best[0][0] == one.label
            self._errors.append((judged.confidence - is_best) ** 2)

    def scores(self) -> Scores:
        return Scores(
            examples=len(self._right),
            strangers=len(self._refused),
            inside_accuracy=_mean(self._right),
            outside_recall=_mean(self._refused),
            calibration_error=_mean(self._errors),
            phrases=len(self._right_of_phrases),
            phrase_accuracy=_mean(self._right_of_phrases),
        )


def _mean(values: Sequence[float]) -> float:
    """The mean; 1 where there are none, which nothing is worse than."""
    return sum(values) / len(values) if values else 1.0


if __name__ == "__main__":
    main()
