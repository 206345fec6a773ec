"""The last way: a language model suggests a graph. The verifier judges it, and its errors are told to the model.

ACC150  the language model cannot be asked
ACC153  no suggestion has held
ACC154  the language model took too long
ACC155  the language model sees no way
ACC156  a suggestion that nobody has looked at yet
ACC157  nothing may be shown to a language model
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import msgspec

from accord.addresses import kept_in
from accord.domain.compile import compile_graph
from accord.domain.contract import Contract
from accord.domain.ids import Digest
from accord.domain.schema import canonical_form, digest_of
from accord.domain.template import template_from_json
from accord.errors import BadInput, Place, Problem
from accord.planner.documents import suggested_by
from accord.planner.suggestion.asking import Asked, Endpoint, asked_of
from accord.planner.suggestion.drafting import Drafted, drafted, flaws, value_problems
from accord.planner.suggestion.graph import SuggestedGraph
from accord.planner.suggestion.selection import Shown, bounded, nearest
from accord.planner.suggestion.wording import plain
from accord.planner.ways import Answer, Found, Incomplete, KnownTemplate, Objective, Unsure, WayName
from accord.ports import Clock, ModelCall
from accord.recent import Recent
from accord.verifier.verify import verify

if TYPE_CHECKING:
    from accord.planner.suggestion.model import Answer as Answered

SUREST: Final = 0.5
"""No suggestion is surer: nobody has measured how often models are right here."""

LESS_EACH_ROUND: Final = 0.8
"""What is left of its confidence for each round before it that did not hold."""

KEPT: Final = 64
"""Suggestions that are remembered: the same question is not asked, nor paid for, twice."""

AT_ONCE: Final = 4
"""So many objectives are asked about at a time in a process: a model is slow, and is paid for."""

TRIED: Final = 5
"""So many problems of suggestions that did not hold are told."""

Allowed = Callable[[Sequence[Contract]], Awaitable[Sequence[Contract]]]
"""Which of these a run of whoever asks may use."""

NEEDED: Final = ("pydantic_ai", "openai")
"""What asks a model: it comes with the extra `llm`."""


class _Held(msgspec.Struct, frozen=True):
    """A suggestion that held."""

    draft: Drafted
    confidence: float
    why: str
    rounds: int


class Suggestions:
    """A language model, and what it has suggested in this process."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self.endpoint = endpoint
        self.clock = clock
        self.turns = asyncio.Semaphore(AT_ONCE)
        self._held: Recent[Digest, _Held] = Recent(KEPT)

    def way(self, allowed: Allowed, *, labelled: bool = False) -> Suggestion:
        """The way for one objective. Of what is `labelled`, nothing is sent."""
        return Suggestion(self, allowed, labelled=labelled)

    def remembered(self, asked: Digest) -> _Held | None:
        """What was suggested when the very same was asked."""
        return self._held.get(asked)

    def remember(self, asked: Digest, held: _Held) -> None:
        """Keep this; of more than `KEPT` the oldest go."""
        self._held[asked] = held


class Suggestion:
    """Asks a language model about one objective."""

    name: WayName = "suggestion"

    def __init__(self, suggestions: Suggestions, allowed: Allowed, *, labelled: bool = False) -> None:
        self._suggestions = suggestions
        self._endpoint = suggestions.endpoint
        self._allowed = allowed
        self._labelled = labelled
        self.calls: list[ModelCall] = []
        """How the model was asked."""

    async def find(self, objective: Objective) -> Answer:
        """The graph that the model suggests and that holds, what is still to be said for it (ACC802), or why there is
        none (ACC150 to ACC157).
        """
        if self._labelled:
            return _unsure("ACC157", "what has labels is shown to no language model", "give the labels in a template")
        near = nearest(objective, self._endpoint.most)
        if not near and objective.described:
            message = (
                "no capability has a word of the objective, and there are too many to show all to a language model"
            )
            return _unsure("ACC157", message, "suggestion_capabilities is how many are shown: all, where it is enough")
        shown = await self._shown(near)
        if not shown:
            return _unsure("ACC157", "nothing is offered that a language model could suggest", "accord agents list")
        asked = asked_of(self._endpoint.model, objective.text, shown)
        held = self._suggestions.remembered(asked.digest)
        if held is None:
            answer = await self._ask(asked, objective, shown)
            if isinstance(answer, Unsure):
                return answer
            held = answer
            self._suggestions.remember(asked.digest, held)
        return self._answer(objective, held)

    async def _shown(self, near: Sequence[Shown]) -> Mapping[str, Shown]:
        allowed = set(await self._allowed([one.contract for one in near]))
        return bounded([one for one in near if one.contract in allowed])

    async def _ask(self, asked: Asked, objective: Objective, shown: Mapping[str, Shown]) -> _Held | Unsure:
        if any(find_spec(name) is None for name in NEEDED):
            message = "a language model is asked with pydantic-ai, which is not installed"
            return _unsure("ACC150", message, "pip install 'accord-orchestrator[llm]'")
        judge = _Judge(objective, shown)
        try:
            key = key_of(self._endpoint)
            async with asyncio.timeout(self._endpoint.within.total_seconds()), self._suggestions.turns:
                ask = await asyncio.to_thread(_loaded)
                answer = await ask(self._endpoint, key, asked, judge.check, self._suggestions.clock, self.calls.append)
        except BadInput as error:
            return Unsure(error.problems)
        except TimeoutError:
            seconds = self._endpoint.within.total_seconds()
            message = f"`{self._endpoint.model}` has suggested nothing that holds within {seconds:g} s"
            problem = Problem("ACC154", message, hint="suggestion_within_s is how long it may take")
            return Unsure((problem, *judge.tried[-TRIED:]))
        return self._held(asked, answer, judge)

    def _held(self, asked: Asked, answer: Answered, judge: _Judge) -> _Held | Unsure:
        model = self._endpoint.model
        if answer.unable is not None:
            return _unsure("ACC155", f"`{model}` sees no way: {plain(answer.unable)}", None)
        if answer.graph is None or judge.draft is None:
            return Unsure(tuple(_not_held(model, answer, judge)))
        rounds = judge.rounds
        own = min(max(answer.graph.confidence, 0.0), 1.0) if answer.graph.confidence == answer.graph.confidence else 0.0
        made: dict[str, Any] = {
            "model": plain(model, 200),
            "asked": asked.digest,
            "rounds": rounds,
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
        }
        if answer.cost is not None:
            made["cost"] = f"{answer.cost:.9f}"
        draft = msgspec.structs.replace(judge.draft, document=suggested_by(judge.draft.document, made))
        return _Held(draft, min(SUREST, own) * LESS_EACH_ROUND ** (rounds - 1), plain(answer.graph.why), rounds)

    def _answer(self, objective: Objective, held: _Held) -> Answer:
        draft = held.draft
        data = canonical_form(draft.document)
        known = KnownTemplate(template_from_json(data), digest_of(data))
        value = objective.change(draft.input, draft.document["input"])
        missing = [name for name in draft.missing if name not in value]
        if missing:
            hint = "give them as members of the input"
            return Incomplete.of(known, draft.input, missing, hint)
        return Found(
            known=known,
            input=value,
            confidence=round(held.confidence, 2),
            reasons=tuple(self._reasons(held)),
            slots=draft.slots,
            whys=draft.whys,
            document=draft.document,
        )

    def _reasons(self, held: _Held) -> Iterator[str]:
        rounds = "at once" if held.rounds == 1 else f"after {held.rounds - 1} that did not hold"
        yield f"`{self._endpoint.model}` at {self._endpoint.host} has suggested it, {rounds}: {held.why}"
        yield from held.draft.reasons


class _Judge:
    """Judges suggestions, and remembers what was wrong with them, and the one that held."""

    def __init__(self, objective: Objective, shown: Mapping[str, Shown]) -> None:
        self._objective = objective
        self._shown = shown
        self.rounds = 0
        self.tried: list[Problem] = []
        self.draft: Drafted | None = None

    def check(self, graph: SuggestedGraph) -> tuple[Problem, ...]:
        """All that is wrong with it: what it is made of first, then what the verifier says."""
        self.rounds += 1
        problems = flaws(graph, self._shown)
        if not problems:
            self.draft = drafted(graph, self._shown, self._objective.text)
            problems = (*value_problems(self.draft), *self._verified(self.draft))
        self.tried.extend(problems)
        return problems

    def _verified(self, draft: Drafted) -> tuple[Problem, ...]:
        data = canonical_form(draft.document)
        try:
            graph = compile_graph(template_from_json(data), digest_of(data))
        except BadInput as error:
            return error.problems
        report = verify(graph, self._objective.capabilities, self._objective.others)
        return tuple(finding.problem for finding in report.errors)


def _loaded() -> Callable[..., Awaitable[Answered]]:
    """What asks: importing it takes a second, so that is done beside the loop."""
    from accord.planner.suggestion.model import ask  # noqa: PLC0415 - it needs pydantic-ai, which is an extra

    return ask


def key_of(endpoint: Endpoint) -> str | None:
    """The key of its file. Raises BadInput ACC150 where that cannot be read."""
    return kept_in(endpoint.key_file, "ACC150", "key") if endpoint.key_file is not None else None


def _unsure(code: str, message: str, hint: str | None) -> Unsure:
    return Unsure((Problem(code, message, Place(), hint),))


def _not_held(model: str, answer: Answered, judge: _Judge) -> Iterator[Problem]:
    """That none held, and what was tried last; or why it could not be asked."""
    if answer.problem is not None and not (judge.tried and answer.problem.code == "ACC153"):
        yield answer.problem
    else:
        rounds = f"{judge.rounds} suggestion{'s' if judge.rounds != 1 else ''}"
        yield Problem("ACC153", f"none of {rounds} of `{model}` holds", hint="what was wrong with them is told here")
    yield from judge.tried[-TRIED:]
