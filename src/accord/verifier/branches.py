"""Branches: what the conditions of a graph say, all together: proven, or refuted by a run that CEL has confirmed.

    ACC830  a task that begins in no run
    ACC833  proven of all paths: every task can begin and every run can end; what the conditions rule out
    ACC834  an expression that fails on some path
    ACC835  not proven of the paths, and why (warning)
    ACC836  branches that are not what the template declares of them

Needs the extra `proofs` for all paths at once; without it values are tried, a read that may be absent stays an error,
and what is not known is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import UNSET
from msgspec.structs import replace

from accord.domain.certificate import Method
from accord.domain.expression import Types
from accord.domain.graph import Graph, Task, Wait
from accord.domain.ids import TaskId
from accord.verifier.hunting import Found, Hunt
from accord.verifier.playing import Played, takes_none, takes_two
from accord.verifier.readings import Reading, Suspicion, all_readings_of, readings_of
from accord.verifier.report import Findings
from accord.verifier.structure import NEVER_MET, NEVER_TRUE

if TYPE_CHECKING:
    from accord.verifier.paths.search import Answer, Paths

_INSTALL: Final = "pip install 'accord-orchestrator[proofs]'"
_ABSENT: Final = "the conditions of the graph were not looked at: that needs z3-solver, which is not installed"
_BEYOND: Final = "what its conditions or expressions say goes beyond what is translated, or no value was found for it"

_ABSENT_ONES: Final = frozenset({"ACC825", "ACC831"})
"""Suspicions that something is absent."""

Key: TypeAlias = tuple[str, str]
"""Of an expression: where it stands, and its source."""


class BranchCheck:
    """Checks all paths through one graph, once its structure and bindings have been looked at."""

    def __init__(self, graph: Graph, types: Types, findings: Findings) -> None:
        self._graph, self._types, self._findings = graph, types, findings
        self._hunt = Hunt(graph, types)
        self._suspected: dict[tuple[str, str], list[Suspicion]] = {}
        for one in findings.suspicions:
            self._suspected.setdefault(one.key, []).append(one)
        self._never = {finding.place.pointer for finding in findings.all if finding.code == "ACC830"}

    def check(self) -> None:
        """Settle what is suspect, and check what is declared."""
        method = self._settled()
        self._findings.fact("paths", method, self._findings.count("ACC833"), self._open())

    def _settled(self) -> Method:
        """Checks, and gives by which method."""
        conditional = [task for task in self._graph.tasks.values() if task.when is not None]
        readings = {reading.key: reading for reading in all_readings_of(self._graph)} if self._is_doubtful() else {}
        if not (self._is_doubtful() or conditional or self._graph.choices):
            self._prove_sound(0)
            return "search"
        if find_spec("z3") is None:
            self._findings.warning("ACC835", _ABSENT, "", _INSTALL)
            self._check_readings({}, readings, sure=True)
            self._check_risks(None, readings)
            return "search"
        from accord.verifier.paths.search import Paths  # noqa: PLC0415 - it needs Z3, which is an extra

        self._check_paths(Paths(self._graph, self._types), readings, conditional)
        return "solver"

    def _is_doubtful(self) -> bool:
        return bool(self._suspected or self._findings.risks)

    def _check_paths(self, paths: Paths, readings: Mapping[tuple[str, str], Reading], conditional: list[Task]) -> None:
        begun = paths.dead(self._doubtful())  # first: there is least to be known then
        shared = [each for each in readings_of(self._graph) if each.key in self._suspected]
        answers = zip(shared, paths.fails(shared, shared), strict=True)
        self._check_readings({each.key: answer for each, answer in answers if answer is not None}, readings, sure=False)
        self._check_risks(paths, readings)
        self._check_dead(begun, conditional)
        self._check_choices(paths)

    # -- reads ---------------------------------------------------------------------------------------------------

    def _check_readings(self, answers: Mapping[Key, Answer], readings: Mapping[Key, Reading], *, sure: bool) -> None:
        """Settle what is suspect: proven of all paths, or refuted by a run, or else not decided. What may be absent
        as far as joins and schemas say is held to be so where nobody could look at the paths (`sure`).
        """
        for key, suspicions in self._suspected.items():
            answer = answers.get(key)
            if answer is not None and answer.verdict == "never":
                message = f"`{key[1]}` never fails: what it reads is there on every path"
                self._findings.proof("ACC833", message, key[0])
            elif answer is not None and answer.verdict == "sometimes":
                self._refute(suspicions, answer.example, answer.codes, readings.get(key))
            elif found := self._hunted(key, suspicions, readings.get(key)):
                self._refute(suspicions, found[0], {found[1]}, readings.get(key))
            else:
                self._leave(suspicions, sure=sure)

    def _hunted(self, key: Key, suspicions: list[Suspicion], reading: Reading | None) -> Found | None:
        """An example that shows one of the suspicions, if one is found by trying."""
        for codes in dict.fromkeys(one.codes for one in suspicions if not one.open):
            found = self._tried(key, reading, codes)
            if found is not None:
                return found
        return None

    def _tried(self, key: Key, reading: Reading | None, codes: frozenset[str]) -> Found | None:
        if reading is not None:
            return self._hunt.of(reading, codes)
        types, computed = self._findings.seen[key]
        return self._hunt.alone(computed, types, codes)

    def _refute(
        self, suspicions: list[Suspicion], example: Any, codes: Collection[str], reading: Reading | None
    ) -> None:
        """Tell what an example shows: of several suspicions those that are about what CEL says. Where it has the very
        output that may be absent, it takes another one.
        """
        shown = [one for one in suspicions if not one.codes.isdisjoint(codes)]
        for one in shown or suspicions:
            shows = example
            if reading is not None and one.absent in example.get("outputs", ()):
                found = self._hunt.of(reading, one.codes, one.absent)
                shows = UNSET if found is None else found[0]
            self._findings.error(one.code, one.message, one.pointer, one.hint, shows)

    def _leave(self, suspicions: list[Suspicion], *, sure: bool) -> None:
        """Say what is not decided."""
        for one in suspicions:
            if sure and one.code in _ABSENT_ONES:
                self._findings.error(one.code, one.message, one.pointer, one.hint)
            else:
                reason = one.message.partition(" in some runs: ")[2] or one.message
                message = f"not proven: that `{one.source}` never fails: {reason}"
                self._findings.warning("ACC835", message, one.pointer, one.hint)

    # -- what fails by itself --------------------------------------------------------------------------------------

    def _check_risks(self, paths: Paths | None, readings: Mapping[Key, Reading]) -> None:
        """Settle what may fail by itself: ruled out by conditions, or not proven, with an example if there is one."""
        for risk in self._findings.risks:
            reading = readings.get(risk.key)
            asked = paths is not None and reading is not None and risk.free
            answer = paths.strikes(reading, risk) if asked else None  # type: ignore[union-attr, arg-type]  # as asked
            if answer is not None and answer.verdict == "never":
                message = f"no {risk.kind} in `{risk.expression.source}` fails: the conditions rule it out"
                self._findings.proof("ACC833", message, risk.pointer)
                continue
            example = None if answer is None else answer.example
            if example is None and reading is not None:
                found = self._hunt.of(reading, risk.codes, large=risk.kind in ("large", "infinite"))
                example = None if found is None else found[0]
            shown = UNSET if example is None else example
            self._findings.warning("ACC172", risk.message, risk.pointer, risk.hint, shown)

    def _open(self) -> int:
        return sum(self._findings.count(code) for code in ("ACC835", "ACC172", "ACC173"))

    # -- tasks ---------------------------------------------------------------------------------------------------

    def _doubtful(self) -> list[TaskId]:
        """The tasks of which it is not known yet that they never begin."""
        names = [name for name in self._graph.order if f"/tasks/{name}" not in self._never]
        return [name for name in names if f"/tasks/{name}/when" not in self._never]

    def _check_dead(self, answers: Mapping[TaskId, Answer], conditional: list[Task]) -> None:
        """Every task whose condition, or that of one before it, may keep it from beginning."""
        dead: set[TaskId] = set()
        unknown: list[TaskId] = []
        for name, answer in answers.items():
            if answer.verdict == "never":
                dead.add(name)
                self._tell_dead(self._graph.tasks[name], dead)
            elif answer.verdict == "unknown" and not self._begins(self._graph.tasks[name]):
                unknown.append(name)
        if unknown:
            some = ", ".join(f"`{name}`" for name in unknown[:5])
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            self._doubt(f"that each of {some}{more} begins in some run", f"/tasks/{unknown[0]}")
        if not dead and not unknown and not self._never:
            self._prove_sound(len(conditional))

    def _begins(self, task: Task) -> bool:
        """Whether the task begins in a run that is found by trying."""
        return self._hunt.begun(task, lambda seen: task.id in seen.begun) is not None

    def _tell_dead(self, task: Task, dead: set[TaskId]) -> None:
        lost = [f"`{need}`" for need in task.needs if need in dead]
        if lost:
            message = f"the task never starts: {', '.join(lost)} never does"
            self._findings.error("ACC830", message, f"/tasks/{task.id}", NEVER_MET)
        elif task.when is not None:
            message = "the task never starts: by the schemas and the other conditions its `when` is never true"
            self._findings.error("ACC830", message, f"/tasks/{task.id}/when", NEVER_TRUE)
        else:
            message = "the task never starts: what it needs never comes together in one run"
            self._findings.error("ACC830", message, f"/tasks/{task.id}", NEVER_MET)

    def _prove_sound(self, conditional: int) -> None:
        """Say that the graph is sound as a workflow net is."""
        tasks = len(self._graph.tasks)
        actions = (task.action for task in self._graph.tasks.values())
        ever = sum(isinstance(action, Wait) and action.timeout is None for action in actions)
        waits = f", once {ever} waits without a timeout are answered" if ever else ""
        message = (
            f"sound: each of the {tasks} tasks begins in some run ({conditional} of them under a condition), every run"
            f" ends{waits}, and then nothing is left over"
        )
        self._findings.proof("ACC833", message, "")

    # -- choices -------------------------------------------------------------------------------------------------

    def _check_choices(self, paths: Paths) -> None:
        exclusive = [choice for choice in self._graph.choices if choice.takes != "at_least_one"]
        together = iter(paths.together(exclusive))
        for number, choice in enumerate(self._graph.choices):
            at, names = f"/choices/{number}", ", ".join(f"`{name}`" for name in choice.between)
            if choice.takes != "at_most_one":
                claim = f"one of {names} begins in every run in which all of them are ready"
                answer = self._tried_out(paths.none(choice), takes_none(choice))
                self._tell(answer, claim, at, "widen a condition, or add a branch for what is left")
            if choice.takes != "at_least_one":
                answer = self._tried_out(next(together), takes_two(choice))
                self._tell(answer, f"no two of {names} begin in one run", at, "let each exclude the others")

    def _tried_out(self, answer: Answer, refutes: Callable[[Played], bool]) -> Answer:
        """The answer, or where nobody knows it that of a run that is found by trying."""
        found = self._hunt.begun(None, refutes) if answer.verdict == "unknown" else None
        return answer if found is None else replace(answer, verdict="sometimes", example=found)

    def _tell(self, answer: Answer, claim: str, at: str, hint: str) -> None:
        if answer.verdict == "sometimes":
            self._findings.error("ACC836", f"it is not so that {claim}", at, hint, answer.example)
        elif answer.verdict == "unknown":
            self._doubt(f"that {claim}", at)
        else:
            self._findings.proof("ACC833", claim, at)

    def _doubt(self, what: str, at: str) -> None:
        self._findings.warning("ACC835", f"not proven: {what}", at, _BEYOND)
