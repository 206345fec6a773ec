"""The decisions of policies: each rests on a set that was in force and is there as it was named; and it is taken again,
of what the events say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from accord.codec import decode_system_event
from accord.domain import event as e
from accord.domain.document import Document
from accord.domain.flow import cut_for
from accord.domain.graph import undone_id
from accord.domain.ids import Digest
from accord.domain.labels import Labels
from accord.domain.policy import (
    AgentAction,
    AgentFacts,
    Authorization,
    CapabilityFacts,
    Decision,
    HandOff,
    Request,
    agent_facts,
    run_facts,
)
from accord.domain.progress import work_of
from accord.domain.run import Attempt, Run
from accord.domain.system import PolicyAdopted
from accord.domain.wanted import actions_for, labels_of
from accord.errors import AccordError
from accord.evidence.documents import Documents
from accord.evidence.manifest import document_name, event_name
from accord.evidence.opening import Opened
from accord.ports import Record

Decide: TypeAlias = Callable[[Request], Decision]
"""What a policy set says to a request."""

ReadPolicies: TypeAlias = Callable[[bytes], Decide]
"""Reads a policy set, from the document that names it. Raises AccordError where it is none."""

Resting: TypeAlias = e.AttemptAssigned | e.TaskDeclassified
"""What rests on a decision."""


class Policies:
    """The sets that were in force, and what they say."""

    def __init__(self, bundle: Opened, documents: Documents, records: Sequence[Record], read: ReadPolicies) -> None:
        self._bundle = bundle
        self._documents = documents
        self._read = read
        self._sets: dict[Digest, Decide | None] = {}
        self._adopted: set[Digest] = set()
        self._organisation = bundle.manifest.signed_by.removeprefix("spiffe://").partition("/")[0]
        for record in records:
            try:
                event = decode_system_event(record)
            except AccordError as error:
                bundle.refused(error, event_name(record.stream, record.sequence))
            else:
                if isinstance(event, PolicyAdopted):
                    self._adopted.add(event.digest)

    def take(self, run: Run, event: Resting, name: str) -> None:
        """Take the decision again that an event rests on; `run` is the state after it. What rests on the set that ships
        with Accord tells of no decision; that one lets nobody declassify.
        """
        decided = event.policy
        attempt = run.attempt(event.task, event.attempt)
        if decided is None and isinstance(event, e.TaskDeclassified):
            self._bundle.wrong("ACC851", "no policy has permitted it", name, "/policy")
        if decided is None or attempt is None:
            return
        if decided.digest not in self._adopted:
            text = f"the policy set {decided.digest} was never in force"
            self._bundle.wrong("ACC851", text, name, "/policy/digest")
        if decided.digest not in self._sets:
            self._sets[decided.digest] = self._set(decided.digest, name)
        decide = self._sets[decided.digest]
        if decide is not None:
            for pointer, text in _Again(decide, decided, run, attempt, self._organisation).found(event):
                self._bundle.wrong("ACC851", text, name, pointer)

    def _set(self, digest: Digest, name: str) -> Decide | None:
        """What a set says; None where it is not there, which is told."""
        data = self._bundle.data(document_name(digest))
        document = Document(digest, len(data or b""))
        if self._documents.check(document, name, "/policy/digest") is None or data is None:
            return None
        try:
            return self._read(data)
        except AccordError as error:
            self._bundle.wrong("ACC851", f"it is no policy set: {error}", document_name(digest))
            return None


class _Again:
    """The decisions about one attempt, taken again."""

    def __init__(self, decide: Decide, decided: Authorization, run: Run, attempt: Attempt, organisation: str) -> None:
        self._decide = decide
        self._decided = decided
        self._run = run
        self._attempt = attempt
        tags = frozenset(decided.tags)
        self._agent: AgentFacts = agent_facts(attempt.agent, tags, quarantined=decided.quarantined)
        name, _, version = attempt.capability.partition("@")
        self._capability = CapabilityFacts(name, version)
        self._facts = run_facts(run.started.template, organisation, run.started.by)

    def found(self, event: Resting) -> Iterator[tuple[str, str]]:
        """What is not as it was said, each with its place in the event."""
        labels = labels_of(self._attempt.want)
        if isinstance(event, e.TaskDeclassified):
            yield from self._differences("declassify", labels)
            return
        yield from self._differences("execute", labels)
        for action in actions_for(self._run, event.task, self._attempt.want)[1:]:
            decision = self._asked(action, labels)
            if not decision.allowed:
                yield "/agent", f"the policies do not let {event.agent} {action} that: {decision.words()}"
        yield from self._other_cut(event)

    def _differences(self, action: AgentAction, labels: Labels) -> Iterator[tuple[str, str]]:
        decision, by = self._asked(action, labels), self._decided.by
        if not decision.allowed:
            yield "/policy/by", f"the policies do not let {self._attempt.agent} {action} that: {decision.words()}"
        elif decision.reasons != by:
            said = ", ".join(by) or "none"
            yield "/policy/by", f"{', '.join(decision.reasons)} permit it, and the journal says {said}"

    def _other_cut(self, event: e.AttemptAssigned) -> Iterator[tuple[str, str]]:
        if event.purpose != "work" or undone_id(event.task) is not None or not work_of(self._run, event.task).upstream:
            cut: tuple[str, ...] = ()
        else:
            cut = cut_for(self._run, event.task, lambda labels: self._asked("see", labels).allowed)
        if cut != event.cut:
            told, said = (", ".join(one) or "nothing" for one in (cut, event.cut))
            yield "/cut", f"the policies cut {told}, and the journal says {said}"

    def _asked(self, action: AgentAction, labels: Labels) -> Decision:
        return self._decide(HandOff(action, self._agent, self._capability, self._facts, labels))
