"""Bindings: whether every expression fits what it reads, and every input the contract of the agent that gets it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from accord.domain.capability import CapabilityRange
from accord.domain.contract import Contract
from accord.domain.expression import (
    Binding,
    Computed,
    Types,
    expressions,
    schema_of,
    schema_of_binding,
    static_problems,
)
from accord.domain.graph import Graph, Sleep, Subrun, Task, Wait, Work
from accord.domain.ids import TaskId
from accord.domain.schema import JsonSchema, Schema, compile_schema
from accord.domain.schema_union import schema_key
from accord.errors import ContractViolation, Place, Problem
from accord.verifier.compatibility import Verdict
from accord.verifier.hunting import Tries
from accord.verifier.known import Capabilities, Templates, missing
from accord.verifier.outputs import Outputs
from accord.verifier.report import Finding, Findings, Severity, shown
from accord.verifier.risks import Doubts, timer_message, timer_verdict
from accord.verifier.schemas import at_best
from accord.verifier.trials import Refused, Trials
from accord.verifier.wholes import Wholes, both, verdict_of


class Handing(msgspec.Struct, frozen=True):
    """A value on its way to somebody: the binding that makes it, and what is known of it."""

    at: str
    """JSON pointer of the binding."""
    binding: Binding
    types: Types
    given: JsonSchema | None
    task: Task
    """The one that it is for, or that it undoes."""


class BindingCheck:
    """Checks the expressions and inputs of one graph."""

    def __init__(self, graph: Graph, capabilities: Capabilities, templates: Templates, findings: Findings) -> None:
        self._graph, self._findings = graph, findings
        self._capabilities, self._templates = capabilities, templates
        self.outputs = Outputs(graph, capabilities, templates)
        self._doubts, self._trials = Doubts(), Trials(graph, self.outputs.everywhere())
        self._known: dict[tuple[str, bytes], Verdict] = {}
        self._checked = self._wrong = 0
        self._inputs: dict[TaskId, list[JsonSchema | None]] = {}

    def check(self) -> None:
        """Check every task, and the run's output."""
        for task in self._graph.tasks.values():
            self._check_conditions(task)
            self._check_action(task)
            if task.compensate is not None and task.compensate.capability is not None:
                at = f"{pointer_of_task(task)}/compensate"
                types = self.outputs.of_compensation(task)
                self._check_call(at, task, task.compensate.capability, task.compensate.binding, types)
        self._check_expressions(self._graph.output, self.outputs.everywhere())
        suspicions, risks = self._findings.suspicions, self._findings.risks
        suspected = len({one.key for one in suspicions}.union(one.key for one in risks))
        self._findings.fact("expressions", "types", self._checked - suspected - self._wrong, suspected)
        told = self._findings
        told.fact("contracts", "counterexample", told.proven, told.edges - told.proven)

    def lists(self) -> dict[TaskId, JsonSchema | None]:
        """What is known of each list that a task goes through."""
        return {
            task.id: schema_of_binding(task.for_each, self.outputs.everywhere())
            for task in self._graph.tasks.values()
            if task.for_each is not None
        }

    def inputs(self) -> Mapping[TaskId, Sequence[JsonSchema | None]]:
        """What is known of the input of each task that an agent does, by each way to do it."""
        return self._inputs

    def _check_conditions(self, task: Task) -> None:
        at, everywhere = pointer_of_task(task), self.outputs.everywhere()
        if task.when is not None:
            self._check_expression(Computed(task.when, f"{at}/when"), everywhere, "bool")
        if task.for_each is not None:
            self._check_expressions(task.for_each, everywhere, expected="list")

    def _check_action(self, task: Task) -> None:
        action, at, types = task.action, pointer_of_task(task), self.outputs.of(task)
        match action:
            case Work():
                self._check_work(task, action)
            case Wait(title=title):
                self._check_expressions(title, types)
            case Sleep(until=until):
                self._check_expressions(until, types, expected="string")
                self._check_timer(until, types, f"{at}/sleep")
            case Subrun():
                self._check_expressions(action.binding, types)
                self._check_subrun(task, action, f"{at}/with", types)

    def _check_timer(self, until: Binding, types: Types, at: str) -> None:
        """Say where what a timer is given may be no duration."""
        verdict = timer_verdict(until, types)
        if not verdict.proven:
            message, hint = timer_message(until)
            self._findings.warning("ACC173", message, at, hint, verdict.witness if verdict.refuted else msgspec.UNSET)

    def _check_work(self, task: Task, work: Work) -> None:
        at = pointer_of_task(task)
        for index, option in enumerate(work.options):
            here = f"{at}/fallback/{index - 1}" if index else at
            types = self.outputs.of(task, error=index > 0)
            if option.capability is None:
                self._check_expressions(option.binding, types)
            else:
                given = self._check_call(here, task, option.capability, option.binding, types)
                self._inputs.setdefault(task.id, []).append(given)

    def _check_call(
        self, at: str, task: Task, wanted: CapabilityRange, binding: Binding, types: Types
    ) -> JsonSchema | None:
        """Gives what is known of the input."""
        self._check_expressions(binding, types)
        given = schema_of_binding(binding, types)
        contracts = self._capabilities.contracts(wanted)
        if not contracts:
            reason = missing(wanted, self._capabilities)
            self._findings.error(reason.code, reason.message, f"{at}/uses", reason.hint)
            return given
        handing = Handing(f"{at}/with", binding, types, given, task)
        for contract in contracts:
            self._check_contract(handing, contract)
        return given

    def _check_contract(self, handing: Handing, contract: Contract) -> None:
        self._check_edge(handing, contract.input, f"`{contract.ref}`")

    def _check_subrun(self, task: Task, action: Subrun, at: str, types: Types) -> None:
        graph = self._templates.graph(action.template)
        if graph is None:
            return
        try:
            wanted = compile_schema(graph.input_schema)
        except ContractViolation as error:
            self._findings.problems(error.problems)
            return
        handing = Handing(at, action.binding, types, schema_of_binding(action.binding, types), task)
        self._check_edge(handing, wanted, f"the workflow `{graph.template}`")

    def _check_edge(self, handing: Handing, wanted: Schema, whose: str) -> None:
        if self._verdict(wanted, handing.given).proven:
            self._add(handing, "proof", "ACC824", f"the input always fits {whose}")
            return
        wholes = Wholes(self.outputs.held(handing.task, handing.types))
        verdict = self._verdict(wanted, wholes.given(handing.binding, wanted.document))
        if verdict.proven:
            self._add(handing, "proof", "ACC824", f"the input always fits {whose}")
        elif (found := self._refused(handing, wanted, verdict, wholes)) is not None:
            self._refuse(handing, wanted, whose, found)
        else:
            hint = "; ".join(dict.fromkeys(self._unknown_parts(handing))) or None
            message = f"that the input fits {whose} is not proven: it is checked when the task runs"
            self._add(handing, "warning", "ACC823", message, hint)

    def _refused(self, handing: Handing, wanted: Schema, verdict: Verdict, wholes: Wholes) -> Refused | None:
        """An input that comes and is refused; None where none is certain.

        What is known of an input may allow more than ever comes. So it counts where a run was played that gives it, or
        where nothing that is known to come is ever accepted.
        """
        best = self._verdict(wanted, at_best(handing.binding, handing.types, wanted.document))
        hints = [each.witness for each in (best, verdict) if each.refuted]
        tries = Tries(wholes.types, hints, wholes.refused)
        found = self._trials.refused(handing.task, handing.binding, wanted, tries)
        given = True if handing.given is None else handing.given
        never = bool(found is None and hints) and verdict_of(False, both(wanted.document, given)).proven
        return Refused(hints[0]) if never else found

    def _refuse(self, handing: Handing, wanted: Schema, whose: str, found: Refused) -> None:
        """Tell all that is wrong with one value that comes through."""

        def place_of(pointer: str, /, *, key: bool = False) -> Place:
            return self._findings.at(handing.at + pointer, key=key)

        violations = wanted.violations(found.value, "ACC822", place_of)
        said = f"the input does not always fit {whose}"
        self._findings.edge(*(_refuted(violation, said, found) for violation in violations))

    def _add(self, handing: Handing, severity: Severity, code: str, message: str, hint: str | None = None) -> None:
        place = self._findings.at(handing.at)
        self._findings.edge(Finding(severity=severity, code=code, message=message, place=place, hint=hint))

    def _verdict(self, wanted: Schema, given: JsonSchema | None) -> Verdict:
        schema = True if given is None else given
        key = (wanted.digest, schema_key(schema))
        if key not in self._known:
            self._known[key] = verdict_of(wanted.document, schema)
        return self._known[key]

    def _unknown_parts(self, handing: Handing) -> Iterator[str]:
        for computed in expressions(handing.binding):
            source = computed.expression.source
            if schema_of(computed.expression, handing.types) in (None, True):
                yield f"nothing is known of `{source}`"
            elif computed.expression.path is None:
                yield f"`{source}` may give more than fits, as far as its parts tell"

    def _check_expressions(self, binding: Binding, types: Types, *, expected: str | None = None) -> None:
        wanted = expected if isinstance(binding, Computed) else None
        for computed in expressions(binding):
            self._check_expression(computed, types, wanted)

    def _check_expression(self, computed: Computed, types: Types, expected: str | None) -> None:
        expression, at = computed.expression, computed.pointer
        found = static_problems(expression, types, expected=expected, pointer=at)
        self._checked += 1
        self._wrong += bool(found)
        self._findings.problems(found)
        if found:
            return
        reads, risks = self._doubts.of(computed, types, expected)
        self._findings.risks.extend(risks)
        for each in reads:
            self._findings.suspect(each)
            self._findings.seen[each.key] = types, computed


def _refuted(violation: Problem, said: str, found: Refused) -> Finding:
    run = None if found.run is None else f"it comes in a run with {shown(found.run)}"
    return Finding(
        severity="error",
        code=violation.code,
        message=f"{said}: {violation.message}",
        place=violation.place,
        hint="; ".join(filter(None, (run, violation.hint))) or None,
        example=found.value,
    )


def pointer_of_task(task: Task) -> str:
    """The JSON pointer of a task; `/aggregate` for the one that a template's `aggregate` stands for."""
    if isinstance(task.action, Work):
        made_by_aggregate = any(
            computed.pointer.startswith("/aggregate/") for computed in expressions(task.action.options[0].binding)
        )
        return "/aggregate" if made_by_aggregate else f"/tasks/{task.id}"
    return f"/tasks/{task.id}"
