"""The search for paths: which tasks can begin, which reads fail, which branches are taken together or not at all.

One solver holds what the schemas and conditions of a graph say; each question is pushed onto it and taken off again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import msgspec
import z3

from accord.domain.expression import Types
from accord.domain.expression.syntax import Call
from accord.domain.graph import Choice, Graph
from accord.domain.ids import TaskId
from accord.formulas import Formula, at_least, both, either
from accord.verifier.paths.examples import Examples, holds_in
from accord.verifier.paths.risks import failing
from accord.verifier.paths.states import States
from accord.verifier.paths.terms import Term
from accord.verifier.playing import Played, Plays, cone_of, read_with, takes_none, takes_two
from accord.verifier.readings import FAILURES, Reading, tasks_of
from accord.verifier.risks import Risk
from accord.verifier.samples import Impossible

EFFORT: Final = 3_000_000
"""What one question may take, in Z3's own units: the same on every machine."""

_ALWAYS_TRUE: Final = 1
"""Z3 tries first that a task begins: one path then has many of them."""


class Answer(msgspec.Struct, frozen=True):
    """Whether there is a path. `never` is a proof; of `sometimes` there is an example that CEL has confirmed."""

    verdict: Literal["never", "sometimes", "unknown"]
    example: Any = None
    codes: frozenset[str] = frozenset()
    """What CEL says of the example."""


NEVER: Final = Answer("never")
UNKNOWN: Final = Answer("unknown")
_BEGINS: Final = Answer("sometimes")
Confirms: TypeAlias = Callable[[Played], bool]


class Paths:
    """All paths through one graph; `types` are the schemas of what its expressions read."""

    def __init__(self, graph: Graph, types: Types) -> None:
        self._graph = graph
        self._states = States(graph, types)
        self._examples = Examples(self._states, types)
        self._plays = Plays(graph, types)
        self._solver = self._states.solver
        self._solver.set("rlimit", EFFORT)
        self._solver.set("phase_selection", _ALWAYS_TRUE)

    def dead(self, tasks: Collection[TaskId]) -> dict[TaskId, Answer]:
        """Of each of these tasks whether it ever begins; `sometimes` has no example.

        A path on which one task begins is asked about all others, too: few paths are enough for most graphs. The first
        has most tasks; what it leaves out excludes what it has, and is mostly found on one other path.
        """
        found: dict[TaskId, Answer] = {}
        left = dict.fromkeys(name for name in tasks if self._states.of[name].begins is not True)
        together = 1
        while left:
            names = list(islice(left, together))
            answer, begun = self._begin(names, left)
            if answer.verdict != "sometimes" and len(names) > 1:
                together = len(names) // 2
                continue
            together = len(left) if not found else min(2 * together, len(left))
            found[names[0]] = answer
            for one in (names[0], *begun):
                left.pop(one, None)
        return {name: found.get(name, _BEGINS) for name in tasks}

    def fails(self, readings: Sequence[Reading], suspected: Collection[Reading]) -> list[Answer | None]:
        """Of each expression whether evaluating it ever fails because something is absent or of another type; None
        where nothing says that it could, or where it may fail for a reason that is not looked at.
        """
        terms = [self._term(reading) for reading in readings]
        open_ = [at for at, reading in enumerate(readings) if terms[at].wrong is not False or reading in suspected]
        reached = {at: self._reached(readings[at]) for at in open_}
        never = self._never([both((reached[at], terms[at].wrong)) for at in open_])
        sure = self._never([both((reached[at], terms[at].doubt)) for at in open_])
        found: list[Answer | None] = [None] * len(readings)
        for at, is_never, is_sure in zip(open_, never, sure, strict=True):
            if not is_never:
                found[at] = self._ask([reached[at], terms[at].wrong], readings[at])
            elif is_sure:
                found[at] = NEVER
        return found

    def _term(self, reading: Reading) -> Term:
        """What an expression gives."""
        task = reading.task
        if task is not None and reading.stage == "condition":
            return self._states.of[task.id].when.among("bool")
        found = self._states.translation.of(reading.computed.expression, self._states.reader(task))
        return found if reading.wanted is None else found.among(reading.wanted)

    def strikes(self, reading: Reading, risk: Risk) -> Answer:
        """Whether a risk in an expression ever comes true."""
        if not isinstance(risk.node, Call):
            return UNKNOWN
        formula = failing(risk, risk.node, self._states.translation, self._states.reader(reading.task))
        return self._ask([self._reached(reading), formula], reading, risk.codes)

    def _reached(self, reading: Reading) -> Formula:
        """When an expression is evaluated."""
        task = reading.task
        if task is None:
            return self._states.ended_well()
        state = self._states.of[task.id]
        return state.ready if reading.stage == "condition" else state.begins

    def together(self, choices: Sequence[Choice]) -> list[Answer]:
        """Of each choice whether two of its branches are ever taken in one run."""
        two = [at_least(2, [self._states.of[name].begins for name in choice.between]) for choice in choices]
        never = self._never(two)
        return [
            NEVER if is_never else self._asked([question], choice.between, takes_two(choice))
            for choice, question, is_never in zip(choices, two, never, strict=True)
        ]

    def none(self, choice: Choice) -> Answer:
        """Whether all branches of a choice are ever ready, and none is taken."""
        states = [self._states.of[name] for name in choice.between]
        left = [formula for state in states for formula in (state.ready, state.when.denies)]

        return self._asked(left, choice.between, takes_none(choice))

    # -- asking --------------------------------------------------------------------------------------------------

    def _never(self, questions: Sequence[Formula]) -> list[bool]:
        """Of each question whether it is proven that no path is as it says; many are mostly answered by asking once."""
        if not questions or self._model([either(questions)]) is None:
            return [True] * len(questions)
        if len(questions) == 1:
            return [False]
        half = len(questions) // 2
        return [*self._never(questions[:half]), *self._never(questions[half:])]

    def _begin(self, names: list[TaskId], others: Iterable[TaskId]) -> tuple[Answer, frozenset[TaskId]]:
        """Whether these tasks ever begin in one run, and which others do on the same path."""
        model = self._model(self._states.of[name].begins for name in names)
        if model is None:
            return NEVER, frozenset()
        if isinstance(model, str):
            return UNKNOWN, frozenset()
        together = [one for one in others if holds_in(model, self._states.of[one].begins)]
        for asked in (together, names):
            seen = self._played(model, asked)
            if seen is not None and seen[1].begun.issuperset(names):
                return _BEGINS, seen[1].begun
        return UNKNOWN, frozenset()

    def _ask(self, question: list[Formula], reading: Reading, codes: frozenset[str] = FAILURES) -> Answer:
        task = reading.task
        said: set[str] = set()

        def confirms(seen: Played) -> bool:
            scope = seen.scope_of(reading)
            said.update([] if scope is None else filter(None, [reading.breaks(scope, codes)]))
            return bool(said)

        about = self._graph.order if task is None else [task.id]
        answer = self._asked(question, about, confirms, reading)
        return msgspec.structs.replace(answer, codes=frozenset(said))

    def _asked(
        self, question: list[Formula], about: Iterable[TaskId], confirms: Confirms, reading: Reading | None = None
    ) -> Answer:
        """Whether there is such a path, of what comes before the tasks that it is about; outputs that a `reading` reads
        beside those that conditions read are part of its example.
        """
        found = self._model(question)
        if found is None:
            return NEVER
        seen = None if isinstance(found, str) else self._played(found, about, reading)
        if seen is None or not confirms(seen[1]):
            return UNKNOWN
        return Answer("sometimes", seen[0])

    def _model(self, question: Iterable[Formula]) -> z3.ModelRef | str | None:
        """A model; None where there is none, and why where nobody knows."""
        asked = both(question)
        if asked is False:
            return None
        self._solver.push()
        try:
            if asked is not True:
                self._solver.add(asked)
            found = self._solver.check()
            if found == z3.sat:
                return self._solver.model()
            return None if found == z3.unsat else str(self._solver.reason_unknown())
        finally:
            self._solver.pop()

    def _played(
        self, model: z3.ModelRef, about: Iterable[TaskId], reading: Reading | None = None
    ) -> tuple[Any, Played] | None:
        read = () if reading is None else tasks_of(reading.computed.expression.references)
        cone = cone_of(self._graph, about)
        try:
            example = self._examples.of(model, cone, read_with(self._graph, _reads(self._graph, cone).union(read)))
        except Impossible:
            return None
        seen = self._plays.of(example, cone)
        return seen.told(example, reading), seen


def _reads(graph: Graph, cone: Iterable[TaskId]) -> set[TaskId]:
    """The tasks whose output the conditions of these read."""
    conditions = (graph.tasks[name].when for name in cone)
    return {task for one in conditions if one is not None for task in tasks_of(one.references)}
