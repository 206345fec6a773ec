"""Capturing a run: a test of its workflow with what its agents and people answered, ready to be run again and mended.

What is labelled `confidential` or `personal` keeps its form and loses its content, unless whoever asks wants it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from accord.domain import event as e
from accord.domain.capability import CapabilityRange
from accord.domain.compile import compile_graph
from accord.domain.contract import Contract
from accord.domain.cost import shortest
from accord.domain.flow import all_labels, input_labels, made_labels, run_labels
from accord.domain.graph import capabilities_of
from accord.domain.grounds import short_name
from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.run import Run
from accord.domain.state import Attempt
from accord.domain.template import template_from_json
from accord.domain.workflow_test import Answer, Expected, Said, ScriptedContract, ScriptedError, WorkflowTest
from accord.errors import NotFound, TransitionRefused
from accord.service import Look, Service
from accord.verifier.known import ContractTable
from accord.views.catalogue import PUBLISHED, Entry, all_entries
from accord.views.histories import history
from accord.views.result import value_of

SECRET: Final = frozenset(("confidential", "personal"))
"""What has one of these labels is redacted."""

REDACTED: Final = "redacted"

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_CODE: Final = re.compile(r"([A-Za-z0-9._-]{1,128}): (.*)", re.DOTALL)


async def capture(service: Service, run: RunId, *, with_data: bool = False, look: Look | None = None) -> WorkflowTest:
    """A test that does what the run did. Raises NotFound, TransitionRefused (ACC595) where it has not ended, or is
    erased, and what `look` raises of the runs that did its tasks.
    """
    state = await service.run(run)
    if not state.ended:
        hint = f"accord runs explain {run} says what it waits for"
        text = f"the run is {state.phase}: it can be captured once it has ended"
        raise TransitionRefused.of("ACC595", text, hint=hint)
    if state.erased is not None:
        raise TransitionRefused.of("ACC595", "the run is erased: nobody knows any more what was answered in it")
    recorder = _Recorder(service, look, with_data=with_data)
    await recorder.take(state, "")
    return await recorder.made(state)


class _Recorder:
    """What was said in a run, and in those that did its tasks."""

    def __init__(self, service: Service, look: Look | None, *, with_data: bool) -> None:
        self._service = service
        self._look = look
        self._with_data = with_data
        self._agents: dict[str, list[Answer]] = {}
        self._said: list[Said] = []
        self._contracts: dict[Digest, None] = {}
        self.hidden: dict[str, None] = {}
        """What was redacted, in order."""

    async def take(self, run: Run, prefix: str) -> None:
        """Record a run, whose tasks are named behind this prefix."""
        events = [event for _, event in await history(self._service, run.id)]
        retryable = {
            (event.task, event.attempt): event.retryable for event in events if isinstance(event, e.AttemptFailed)
        }
        for task in _in_order(run):
            for attempt in run.state(task).attempts:
                self._contracts[attempt.contract] = None
                key = f"{prefix}{task}{'!' if attempt.want.purpose == 'diagnose' else ''}"
                answer = await self._answer(run, task, attempt, may_retry=retryable.get((task, attempt.number), True))
                self._agents.setdefault(key, []).append(answer)
        for event in events:
            if isinstance(event, e.SignalReceived):
                await self._take_signal(run, event, prefix)
        for task, subrun in _subruns(events):
            try:
                if self._look is not None:
                    await self._look(subrun)
                await self.take(await self._service.run(subrun), f"{prefix}{task}/")
            except NotFound:
                continue

    async def _answer(self, run: Run, task: TaskId, attempt: Attempt, *, may_retry: bool) -> Answer:
        secret = _is_secret((*attempt.want.labels, *attempt.labels, *_made(run, task, attempt)))
        agent = short_name(attempt.agent)
        if attempt.phase in ("succeeded", "rejected") and attempt.output is not None:
            value = self._shown(await value_of(self._service, attempt.output), secret, f"the output of {task}")
            return Answer(
                output=value,
                agent=agent,
                confidence=attempt.confidence if attempt.confidence is not None else UNSET,
                cost=_cost(attempt),
                labels=attempt.labels,
                declassified=bool(run.state(task).declassified) and run.state(task).attempt == attempt.number,
            )
        if attempt.phase == "failed" and attempt.problems:
            found = _CODE.fullmatch(attempt.problems[0].message)
            code, message = (found[1], found[2]) if found else ("failed", attempt.problems[0].message)
            message = self._shown(message, secret, f"what was said of {task}")
            if attempt.fault == "consumer":
                return Answer(refuse=message, agent=agent)
            error = ScriptedError(code=code, message=message, retryable=may_retry)
            return Answer(error=error, agent=agent, cost=_cost(attempt))
        return Answer(silent=True, agent=agent)

    async def _take_signal(self, run: Run, event: e.SignalReceived, prefix: str) -> None:
        found = await value_of(self._service, event.payload)
        value = self._shown(found, _is_secret(all_labels(run)), f"what {event.by} answered")
        if isinstance(found, dict) and isinstance(found.get("approved"), bool):
            value = {**value, "approved": found["approved"]}  # else another way would be gone
        if event.task is not None:
            self._said.append(Said(task=f"{prefix}{event.task}", value=value))
        else:
            self._said.append(Said(signal=event.name, value=value))

    async def made(self, run: Run) -> WorkflowTest:
        """The test of this run, with all that was recorded."""
        started = run.started
        contracts = await self._service.contracts()
        known = {one.digest: one for one in contracts}
        data = await self._service.template(started.graph)
        entry = Entry(template=template_from_json(data), digest=started.graph, data=data, origin=PUBLISHED)
        asked = [known[one] for one in self._contracts if one in known]
        unused = await self._unused(run, entry, contracts)
        used = {one.digest: one for one in (*asked, *filter(None, unused.values()))}
        given = await value_of(self._service, started.input)
        document = WorkflowTest(
            accord="test/1",
            name=f"captured from {run.id}",
            template=msgspec.json.decode(data),
            digest=started.graph,
            input=self._shown_input(run, given, ()),
            labels=started.labels,
            contracts={str(one.ref): _contract(one) for one in used.values()},
            agents={key: tuple(answers) for key, answers in self._agents.items()},
            said=tuple(self._said),
            expect=await self._expected(run),
        )
        hidden = f"; redacted: {', '.join(self.hidden)}" if self.hidden else ""
        missing = [one[:12] for one in self._contracts if one not in known]
        missing += [str(wanted) for wanted, contract in unused.items() if contract is None]
        unknown = f"; contracts that are not known here: {', '.join(missing)}" if missing else ""
        return msgspec.structs.replace(document, description=f"{started.template}, {run.phase}{hidden}{unknown}"[:4000])

    async def _unused(
        self, run: Run, template: Entry, contracts: Sequence[Contract]
    ) -> dict[CapabilityRange, Contract | None]:
        """For each capability that the template may ask for and never did, in this run: its newest contract. Without it
        the test's template could not be verified; None where no contract of it is known here.
        """
        known = ContractTable(contracts)
        asked = ContractTable(one for one in contracts if one.digest in self._contracts)
        below = (await all_entries(self._service)).below(template)
        graphs = [run.graph, *(compile_graph(one.template, one.digest) for one in below)]
        wanted = (one for graph in graphs for task in graph.tasks.values() for one in capabilities_of(task))
        return {need: next(iter(known.contracts(need)), None) for need in wanted if not asked.contracts(need)}

    async def _expected(self, run: Run) -> Expected:
        output: Any = UNSET
        if run.phase == "completed" and run.output is not None:
            secret = _is_secret(run_labels(run)) if run.labelled else False
            output = self._shown(await value_of(self._service, run.output), secret, "the run's output")
        return Expected(
            state=run.phase if run.phase in ("completed", "failed", "cancelled") else UNSET,
            output=output,
            problem=run.problem.code if run.problem is not None else UNSET,
            tasks={task: run.state(task).phase for task in run.graph.order},
            attempts={task: run.state(task).work for task in _in_order(run) if run.state(task).work},
            cost=shortest(run.spent) if run.spent else UNSET,
        )

    # -- what may be shown ---------------------------------------------------------------------------------------

    def _shown(self, value: Any, secret: bool, what: str) -> Any:
        if not secret or self._with_data:
            return value
        self.hidden[what] = None
        return redacted(value)

    def _shown_input(self, run: Run, value: Any, path: tuple[str, ...]) -> Any:
        """The input, but for its secret members."""
        if not run.labelled or self._with_data or not _is_secret(input_labels(run, path)):
            return value
        if isinstance(value, dict) and value:
            return {name: self._shown_input(run, inner, (*path, name)) for name, inner in value.items()}
        return self._shown(value, True, "/".join(("the input", *path)))


def redacted(value: Any) -> Any:
    """A value of the same form, without its content: names of members that are no identifiers are replaced as well."""
    if isinstance(value, Mapping):
        named = enumerate(value.items())
        return {name if _NAME.fullmatch(name) else f"member{at}": redacted(one) for at, (name, one) in named}
    if isinstance(value, list):
        return [redacted(one) for one in value]
    if isinstance(value, bool) or value is None:
        return value and False
    if isinstance(value, str):
        return REDACTED
    return type(value)(0)


def _is_secret(labels: Iterable[str]) -> bool:
    return not SECRET.isdisjoint(labels)


def _made(run: Run, task: TaskId, attempt: Attempt) -> Iterable[str]:
    return made_labels(run, task, attempt.number) if run.labelled and attempt.output is not None else ()


def _in_order(run: Run) -> Iterator[TaskId]:
    """Everything that has attempts: nodes with their items in the order of the graph, then compensations."""
    named = dict.fromkeys(part for node in run.graph.order for part in run.instances(node))
    yield from (part for part in named if part in run.tasks)
    yield from sorted(run.tasks.keys() - named.keys())


def _subruns(events: Iterable[e.Event]) -> Iterator[tuple[TaskId, RunId]]:
    for event in events:
        if isinstance(event, e.SubrunStarted):
            yield event.task, event.run


def _cost(attempt: Attempt) -> str | UnsetType:
    return shortest(attempt.cost) if attempt.cost is not None else UNSET


def _contract(contract: Contract) -> ScriptedContract:
    limits = contract.limits
    return ScriptedContract(
        input=contract.input.document,
        output=contract.output.document,
        deadline=f"{limits.deadline.total_seconds():g}s" if limits.deadline is not None else UNSET,
        confidence=float(limits.min_confidence) if limits.min_confidence is not None else UNSET,
        max_cost=shortest(limits.max_cost) if limits.max_cost is not None else UNSET,
        labels=tuple(sorted(contract.labels)),
    )
