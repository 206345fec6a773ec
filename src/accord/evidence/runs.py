"""The runs of a bundle: each is folded again from its events, and what it says of its output and of other runs is
compared with what those say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from accord.codec import decode_event
from accord.domain import event as e
from accord.domain.assignment import Draftsman, assignment_digest
from accord.domain.compile import compile_graph
from accord.domain.diagnosis import Diagnosis
from accord.domain.document import Document
from accord.domain.fork import contract_of
from accord.domain.graph import Graph, Task, Work
from accord.domain.ids import Digest, RunId, split_item
from accord.domain.run import Run, begin, evolve
from accord.domain.scope import DocumentMissing, evaluated, output_of, run_scope
from accord.domain.template import template_from_json
from accord.errors import AccordError, MessageRefused, Problem, StoreCorrupt
from accord.evidence.attempts import Answered, Attempts
from accord.evidence.documents import Documents, DocumentValues, documents_in
from accord.evidence.keyring import Keyring
from accord.evidence.manifest import document_name, event_name
from accord.evidence.opening import Opened
from accord.evidence.policies import Policies
from accord.ports import Record

_BEFORE: Final = "a bundle of the fork from before still proves it (accord journal export)"


class Replayed:
    """A run as its events make it."""

    def __init__(
        self,
        bundle: Opened,
        keyring: Keyring,
        documents: Documents,
        policies: Policies,
        records: Sequence[Record],
    ) -> None:
        self._bundle = bundle
        self._keyring = keyring
        self._documents = documents
        self._policies = policies
        self._values = DocumentValues(documents)
        self.id = RunId(records[0].stream)
        self.attempts = Attempts(bundle, keyring, documents, self.id)
        self.events = list(self._decoded(records))
        self.state: Run | None = None
        self._states: dict[int, Run] = {}
        self.certified = False
        """Whether the orchestrator's certificate of its graph holds."""
        self._draftsman = Draftsman(self._values)

    def _decoded(self, records: Sequence[Record]) -> Any:
        for record in records:
            try:
                yield record.sequence, decode_event(record)
            except StoreCorrupt as error:
                self._bundle.refused(error, event_name(record.stream, record.sequence))

    @property
    def started(self) -> e.RunStarted | None:
        """The first event."""
        first = self.events[0][1] if self.events else None
        return first if isinstance(first, e.RunStarted) else None

    # -- by itself -----------------------------------------------------------------------------------------------

    def replay(self, keep: Sequence[int] = ()) -> None:
        """Check every event, and fold them up to the first that cannot follow. The states after these are kept."""
        graph = self._graph()
        for sequence, event in self.events:
            name = event_name(self.stream, sequence)
            for pointer, document in documents_in(event):
                self._documents.check(document, name, pointer)
            self.attempts.take(event, name)
            if graph is not None:
                graph = graph if self._fold(graph, sequence, event, name) else None
                if sequence in keep and self.state is not None:
                    self._states[sequence] = self.state
        self.attempts.settle(self.state if graph is not None else None, self._states.values())

    @property
    def stream(self) -> Any:
        """The run's stream."""
        return self.id

    def state_at(self, sequence: int) -> Run | None:
        """The run as it was after an event that was to be kept."""
        return self._states.get(sequence)

    def _graph(self) -> Graph | None:
        started, name = self.started, event_name(self.stream, 1)
        if started is None or started.run != self.id:
            self._bundle.wrong("ACC845", f"the first event does not start {self.id}", name)
            return None
        self._check_certificate(started, name)
        data = self._bundle.data(document_name(started.graph))
        document = Document(started.graph, len(data or b""))
        if data is None and not self._bundle.has(document_name(started.graph)):
            self._bundle.wrong("ACC847", f"the template {started.graph} is not in the bundle", name, "/graph")
        elif data is None:
            return None
        elif self._documents.check(document, name, "/graph") is not None:
            try:
                return compile_graph(template_from_json(data), started.graph)
            except AccordError as error:
                self._bundle.refused(error, document_name(started.graph))
        return None

    def _check_certificate(self, started: e.RunStarted, name: str) -> None:
        """Whether the orchestrator has certified this graph for this run."""
        certified = started.certificate
        if certified is None:
            return
        place = "/certificate/statement" if certified.delegation is None else "/certificate/delegation"
        root = self._bundle.signature(certified.root, name, place, ever=True)
        if root is None:
            return
        try:
            claims = certified.claims(root, certified.parsed().kid, started.at)
            certified.cover(claims, started.run, started.graph)
            self._keyring.refuse_ended(certified.kid, started.at)
            self.certified = True
        except MessageRefused as error:
            text = f"the certificate does not hold: {error.problems[0].message}"
            self._bundle.wrong("ACC839", text, name, "/certificate")

    def _fold(self, graph: Graph, sequence: int, event: e.Event, name: str) -> bool:
        """Whether the event can follow; the state is the one after it."""
        try:
            if self.state is None:
                if not isinstance(event, e.RunStarted):
                    return False
                self.state = begin(graph, event)
            else:
                self.state = evolve(self.state, event)
        except Exception as error:
            self._bundle.wrong("ACC845", f"event {sequence} cannot follow: {error}", name)
            return False
        self._check_outcome(self.state, event, name)
        return True

    def _check_outcome(self, run: Run, event: e.Event, name: str) -> None:
        if isinstance(event, e.AttemptAssigned | e.TaskDeclassified):
            self._policies.take(run, event, name)
        if isinstance(event, Answered):
            self._check_answer(run, event, name)
        elif isinstance(event, e.AttemptAssigned):
            self._check_payload(run, event, name)
        elif isinstance(event, e.RunCompleted):
            self._check_output(run, event, name)
        elif isinstance(event, e.TaskCompleted) and event.attempt is not None:
            attempt = run.attempt(event.task, event.attempt)
            if attempt is None or attempt.output is None or not self._is_output(event, attempt.output):
                text = f"the output of task {event.task} is not the one of attempt {event.attempt}"
                self._bundle.wrong("ACC845", text, name, "/output")
        elif isinstance(event, e.TaskCompleted) and not _needs_no_attempt(run.graph.task(event.task), event):
            self._bundle.wrong("ACC845", f"no attempt has made the output of task {event.task}", name, "/output")

    def _check_answer(self, run: Run, event: Answered, name: str) -> None:
        attempt = run.attempt(event.task, event.attempt)
        if attempt is not None:
            orchestrator = self._bundle.manifest.signed_by
            self.attempts.check_named(event, assignment_digest(orchestrator, run.started, event.task, attempt), name)

    def _check_payload(self, run: Run, event: e.AttemptAssigned, name: str) -> None:
        """Whether the agent was sent what follows from the events before: the wanted input, and its context."""
        attempt = run.attempt(event.task, event.attempt)
        data = self._documents.data(attempt.want.input) if attempt is not None else None
        if attempt is None or data is None:
            return
        try:
            made = self._draftsman.payload(run, event.task, attempt.want, data, event.cut)
        except DocumentMissing:
            return
        if (sha256(made).hexdigest(), len(made)) != (event.payload, event.payload_bytes):
            text = "the agent was sent another payload than follows from the events before"
            self._bundle.wrong("ACC845", text, name, "/payload")

    def _is_output(self, event: e.TaskCompleted, made: Document) -> bool:
        """Whether an attempt made the task's output: as its result, or as what a diagnosis has repaired."""
        if event.output is None or event.output == made:
            return event.output == made
        data, repaired = self._documents.data(made), self._documents.data(event.output)
        if data is None or repaired is None:
            return self._bundle.manifest.payloads == "digests"
        value = orjson.loads(data)
        is_diagnosis = isinstance(value, dict) and value.keys() <= set(Diagnosis.__struct_fields__)
        return is_diagnosis and value.get("output") == orjson.loads(repaired)

    def _check_output(self, run: Run, event: e.RunCompleted, name: str) -> None:
        """Whether the template makes this output of what the tasks have given."""
        try:
            made = evaluated(run.graph.output, run_scope(run, self._values), self._values)
        except DocumentMissing:
            return
        except AccordError as error:
            self._bundle.refused(error, name, "/output")
            return
        if made != event.output:
            self._bundle.wrong("ACC845", "the template makes another output of what the tasks gave", name, "/output")

    # -- with others ---------------------------------------------------------------------------------------------

    def compare(self, others: Mapping[RunId, Replayed]) -> None:
        """Check what the run says of the runs that did its tasks, or that its agents have asked for, and of the one
        that it was forked from.
        """
        children: dict[str, RunId] = {}
        for sequence, event in self.events:
            name = event_name(self.stream, sequence)
            if isinstance(event, e.SubrunStarted):
                children[event.task] = event.run
                self._compare_start(event, others.get(event.run), name)
            elif isinstance(event, e.CallMade):
                self._compare_start(event, others.get(event.run), name)
            elif isinstance(event, e.CallEnded) and event.problem is None:
                self._compare_end(event, others.get(event.run), name)
            elif isinstance(event, e.TaskCompleted) and event.task in children and not event.by:
                self._compare_end(event, others.get(children[event.task]), name)
            elif isinstance(event, e.TaskAdopted):
                self._compare_adopted(event, others, name)

    def _compare_start(self, event: e.SubrunStarted | e.CallMade, child: Replayed | None, name: str) -> None:
        started = child.started if child is not None else None
        if started is None:
            return
        parent = started.parent
        other = isinstance(event, e.CallMade) and started.graph != event.graph
        other = other or started.input.sha256 != event.input.sha256
        if parent is None or (parent.run, parent.task) != (self.id, event.task) or other:
            self._bundle.wrong("ACC850", f"{event.run} says that it was started in another way", name, "/run")

    def _compare_end(self, event: e.TaskCompleted | e.CallEnded, child: Replayed | None, name: str) -> None:
        if child is None:
            self._bundle.wrong("ACC847", f"the run that did task {event.task} is not in the bundle", name)
            return
        outputs = [one.output for _, one in child.events if isinstance(one, e.RunCompleted)]
        if event.output not in outputs:
            self._bundle.wrong("ACC850", f"{child.id} has another output", name, "/output")

    def _compare_adopted(self, event: e.TaskAdopted, others: Mapping[RunId, Replayed], name: str) -> None:
        origin = self.started.origin if self.started is not None else None
        other = others.get(origin.run) if origin is not None else None
        if origin is None or other is None:
            text = f"the run that made the output of {event.task} is not in the bundle"
            is_gone = origin is not None and origin.run in self._bundle.manifest.absent
            hint = f"{origin.run} was removed, as it was old enough: {_BEFORE}" if origin and is_gone else None
            self._bundle.wrong_as(Problem("ACC847", text, hint=hint), name)
            return
        then = other.state_at(origin.sequence)
        state = then.state(event.task) if then is not None else None
        if then is None or state is None or not self._is_taken_over(then, event):
            self._bundle.wrong("ACC850", f"{origin.run} had another output of task {event.task}", name, "/output")
        if then is not None and event.contract not in (None, contract_of(then, event.task)):
            self._bundle.wrong("ACC850", f"{origin.run} had it under another contract", name, "/contract")
        known: set[Digest | None] = {*other.attempts.digests, state.source if state is not None else None}
        if event.source is not None and event.source not in known:
            self._bundle.wrong("ACC850", f"{origin.run} has not accepted that statement", name, "/source")

    def _is_taken_over(self, then: Run, event: e.TaskAdopted) -> bool:
        """Whether it is the output that the other run had; of a `for_each` those of its items, put together."""
        state = then.state(event.task)
        if state.output is not None or state.items is None:
            return state.output == event.output
        try:
            made = orjson.dumps(output_of(then, event.task, self._values))
        except DocumentMissing:
            return True  # what is not in the bundle is counted, not disproven
        return sha256(made).hexdigest() == event.output.sha256


def _needs_no_attempt(task: Task, event: e.TaskCompleted) -> bool:
    """Whether the output can be one that no attempt has made: the items' outputs together, a value of the template, or
    what a run, a person or a timer has given.
    """
    if task.for_each is not None and split_item(event.task)[1] is None:
        return event.output is None
    if not isinstance(task.action, Work):
        return event.by != ""
    return event.by == "fallback" and any(option.capability is None for option in task.action.options)


def kept_for_forks(replays: Mapping[RunId, Replayed]) -> dict[RunId, list[int]]:
    """The events of each run after which others were forked."""
    wanted: dict[RunId, list[int]] = {}
    for one in replays.values():
        origin = one.started.origin if one.started is not None else None
        if origin is not None:
            wanted.setdefault(origin.run, []).append(origin.sequence)
    return wanted
