"""Branches: what the conditions of a graph say, all together: proven, or refuted by a run that CEL has confirmed.

    ACC830  a task that begins in no run
    ACC833  proven of all paths: every task can begin and every run can end; what the conditions rule out
    ACC834  an expression that fails on some path
    ACC835  not proven of the paths, and why (warning)
    ACC836  branches that are not what the template declares of them

Needs the extra `proofs`; without it what is suspect stays an error, and what is not known is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from accord.domain.certificate import Method
from accord.domain.expression import UNKNOWN, Inference, Types, syntax_of
from accord.domain.graph import Graph, Task, Wait
from accord.domain.ids import TaskId
from accord.verifier.readings import Reading, Suspicion, all_readings_of, readings_of
from accord.verifier.report import Findings
from accord.verifier.risks import Risk
from accord.verifier.structure import NEVER_MET, NEVER_TRUE

if TYPE_CHECKING:
    from accord.verifier.paths.search import Answer, Paths

_INSTALL: Final = "pip install 'accord-orchestrator[proofs]'"
_ABSENT: Final = "the conditions of the graph were not looked at: that needs z3-solver, which is not installed"
_BEYOND: Final = "what its conditions or expressions say goes beyond what is translated, or no value was found for it"


class BranchCheck:
    """Checks all paths through one graph, once its structure and bindings have been looked at."""

    def __init__(self, graph: Graph, types: Types, findings: Findings) -> None:
        self._graph, self._types, self._findings = graph, types, findings
        self._inference = Inference(types)
        self._suspected: dict[tuple[str, str], list[Suspicion]] = {}
        self._never = {finding.place.pointer for finding in findings.all if finding.code == "ACC830"}

    def check(self) -> None:
        """Settle what is suspect, and check what is declared."""
        method = self._settled()
        self._findings.fact("paths", method, self._findings.count("ACC833"), self._open())

    def _settled(self) -> Method:
        """Checks, and gives by which method."""
        asked = [reading for reading in readings_of(self._graph) if self._is_asked(reading)]
        conditional = [task for task in self._graph.tasks.values() if task.when is not None]
        if not (asked or conditional or self._graph.choices or self._findings.risks):
            self._findings.settle()
            self._prove_sound(0)
            return "search"
        if find_spec("z3") is None:
            self._findings.settle()
            self._findings.warning("ACC835", _ABSENT, "", _INSTALL)
            for risk in self._findings.risks:
                self._tell_risk(risk)
            return "search"
        from accord.verifier.paths.search import Paths  # noqa: PLC0415 - it needs Z3, which is an extra

        self._check_paths(Paths(self._graph, self._types), asked, conditional)
        return "solver"

    def _is_asked(self, reading: Reading) -> bool:
        """Whether the schemas and joins alone leave open that it fails."""
        if not self._suspected and self._findings.suspicions:
            for one in self._findings.suspicions:
                self._suspected.setdefault(one.key, []).append(one)
        if _key(reading) in self._suspected:
            return True
        expression = reading.computed.expression
        if expression.path is not None or expression is UNKNOWN:
            return expression is UNKNOWN
        return not self._inference.is_well_typed(syntax_of(expression), expression.guarded)

    def _check_paths(self, paths: Paths, asked: list[Reading], conditional: list[Task]) -> None:
        begun = paths.dead(self._doubtful())  # first: there is least to be known then
        suspected = [reading for reading in asked if _key(reading) in self._suspected]
        for reading, answer in zip(asked, paths.fails(asked, suspected), strict=True):
            self._check_reading(reading, answer)
        self._findings.settle()
        self._check_risks(paths)
        self._check_dead(begun, conditional)
        self._check_choices(paths)

    # -- reads ---------------------------------------------------------------------------------------------------

    def _check_reading(self, reading: Reading, answer: Answer | None) -> None:
        suspicions = self._suspected.get(_key(reading), [])
        if answer is None or answer.verdict == "unknown":
            if answer is not None and not suspicions:
                self._doubt(f"that `{reading.computed.expression.source}` never fails", reading.computed.pointer)
            return
        for one in suspicions:
            if one in self._findings.suspicions:
                self._findings.suspicions.remove(one)
        if answer.verdict == "never":
            message = f"`{reading.computed.expression.source}` never fails: what it reads is there on every path"
            self._findings.proof("ACC833", message, reading.computed.pointer)
            return
        for one in suspicions:
            self._findings.error(one.code, one.message, one.pointer, one.hint, answer.example)
        if not suspicions:
            source = reading.computed.expression.source
            message = f"`{source}` fails in some runs: what it reads is absent there, or of another type"
            hint = "ask for it with has() or `.?`, or test its type"
            self._findings.error("ACC834", message, reading.computed.pointer, hint, answer.example)

    # -- what fails by itself --------------------------------------------------------------------------------------

    def _check_risks(self, paths: Paths) -> None:
        """Settle what may fail by itself: ruled out by conditions, or not proven, with an example if there is one."""
        readings = {_key(reading): reading for reading in all_readings_of(self._graph)} if self._findings.risks else {}
        for risk in self._findings.risks:
            reading = readings.get(risk.key)
            answer = paths.strikes(reading, risk) if reading is not None and risk.free else None
            if answer is not None and answer.verdict == "never":
                message = f"no {risk.kind} in `{risk.expression.source}` fails: the conditions rule it out"
                self._findings.proof("ACC833", message, risk.pointer)
            else:
                self._tell_risk(risk, UNSET if answer is None else answer.example)

    def _tell_risk(self, risk: Risk, example: object = UNSET) -> None:
        self._findings.warning("ACC172", risk.message, risk.pointer, risk.hint, UNSET if example is None else example)

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
            elif answer.verdict == "unknown":
                unknown.append(name)
        if unknown:
            some = ", ".join(f"`{name}`" for name in unknown[:5])
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            self._doubt(f"that each of {some}{more} begins in some run", f"/tasks/{unknown[0]}")
        if not dead and not unknown and not self._never:
            self._prove_sound(len(conditional))

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
                self._tell(paths.none(choice), claim, at, "widen a condition, or add a branch for what is left")
            if choice.takes != "at_least_one":
                self._tell(next(together), f"no two of {names} begin in one run", at, "let each exclude the others")

    def _tell(self, answer: Answer, claim: str, at: str, hint: str) -> None:
        if answer.verdict == "sometimes":
            self._findings.error("ACC836", f"it is not so that {claim}", at, hint, answer.example)
        elif answer.verdict == "unknown":
            self._doubt(f"that {claim}", at)
        else:
            self._findings.proof("ACC833", claim, at)

    def _doubt(self, what: str, at: str) -> None:
        self._findings.warning("ACC835", f"not proven: {what}", at, _BEYOND)


def _key(reading: Reading) -> tuple[str, str]:
    return reading.computed.pointer, reading.computed.expression.source
