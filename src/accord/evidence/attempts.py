"""The attempts of a run: each answer is by the agent to which the task was assigned, under the lease of that attempt,
in time, about the bytes that were taken, and these keep the contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from accord.domain import event as e
from accord.domain.ids import AgentId, Digest, RunId, TaskId
from accord.domain.large import is_large
from accord.domain.message import Claims, Kind, confidence_text
from accord.domain.run import Run
from accord.domain.signature import parse_statement, statement_digest
from accord.errors import AccordError
from accord.evidence.documents import Documents, violations
from accord.evidence.keyring import Keyring
from accord.evidence.opening import Opened

IN_DOUBT: Final = "ACC543"

Answered = e.AttemptSucceeded | e.AttemptRejected | e.AttemptFailed


class Attempts:
    """What is found of the attempts of one run, event by event."""

    def __init__(self, bundle: Opened, keyring: Keyring, documents: Documents, run: RunId) -> None:
        self._bundle = bundle
        self._keyring = keyring
        self._documents = documents
        self._run = run
        self._assigned: dict[tuple[TaskId, int], e.AttemptAssigned] = {}
        self._answers: dict[tuple[TaskId, int], Claims] = {}
        self._doubts: list[tuple[TaskId, int, AccordError, str]] = []
        self.undone = 0
        """Statements in doubt about attempts that were rolled back since: nothing rests on them."""
        self.statements = 0
        self.payloads = 0
        self.signers: set[AgentId] = set()
        self.digests: set[Digest] = set()
        """Of the statements under which outputs were accepted."""

    def take(self, event: e.Event, name: str) -> None:
        """Check an event."""
        if isinstance(event, e.AttemptAssigned):
            self._assigned[event.task, event.attempt] = event
            if event.contract not in self._keyring.contracts:
                self._bundle.wrong("ACC847", f"the contract {event.contract} is on no card", name, "/contract")
            elif not self._keyring.offers(event.agent, event.contract):
                text = f"{event.agent} has signed no card that offers {event.capability}"
                self._bundle.wrong("ACC541", text, name, "/agent")
        elif isinstance(event, e.CallMade):
            self._take_call(event, name)
        elif isinstance(event, Answered):
            self._take_answer(event, name)

    def _take_answer(self, event: Answered, name: str) -> None:
        try:
            claims = self._keyring.claims(event.statement, event.at)
            self.digests.add(statement_digest(parse_statement(event.statement.encode()).claims))
        except AccordError as error:
            if all(problem.code == IN_DOUBT for problem in error.problems):
                self._doubts.append((event.task, event.attempt, error, name))
            else:
                self._bundle.refused(error, name, "/statement")
            return
        self.statements += 1
        self.signers.add(claims.issuer)
        self._answers[event.task, event.attempt] = claims
        assigned = self._assigned.get((event.task, event.attempt))
        for text in self._mismatches(claims, event, assigned):
            self._bundle.wrong("ACC541", text, name, "/statement")
        if not isinstance(event, e.AttemptFailed):
            self._take_output(claims, event, assigned, name)

    def _take_call(self, event: e.CallMade, name: str) -> None:
        """The agent has asked for it, under the lease of its attempt."""
        try:
            claims = self._keyring.claims(event.statement, event.at)
        except AccordError as error:
            self._bundle.refused(error, name, "/statement")
            return
        self.statements += 1
        self.signers.add(claims.issuer)
        assigned = self._assigned.get((event.task, event.attempt))
        wanted = self._of_attempt(claims, event, assigned, "ask")
        wanted["payload"] = (claims.payload.sha256 if claims.payload is not None else None, event.call)
        for text in _differences(wanted):
            self._bundle.wrong("ACC541", text, name, "/statement")

    def settle(self, state: Run | None, forked: Iterable[Run]) -> None:
        """Say of each answer in doubt whether anything rests on it: by how the run is in the end, and by how it was
        when others were forked from it.
        """
        taken_over = list(forked)
        for task, number, error, name in self._doubts:
            shared = any(one.state(task).attempt == number for one in taken_over)
            if not shared and state is not None and _is_undone(state, task, number):
                self.undone += 1
            else:
                self._bundle.refused(error, name, "/statement")

    def check_named(self, event: Answered, assignment: Digest, name: str) -> None:
        """Check that the answer names the assignment, as the journal tells of it."""
        claims = self._answers.get((event.task, event.attempt))
        if claims is not None and assignment not in claims.inputs:
            text = f"attempt {event.attempt} of task {event.task}: the answer is to another assignment"
            self._bundle.wrong("ACC881", text, name, "/statement")

    def _mismatches(self, claims: Claims, event: Answered, assigned: e.AttemptAssigned | None) -> Iterator[str]:
        kind: Kind = "failure" if isinstance(event, e.AttemptFailed) else "result"
        wanted = self._of_attempt(claims, event, assigned, kind)
        wanted["cost"] = (claims.cost, None if event.cost is None else format(event.cost, "f"))
        if not isinstance(event, e.AttemptFailed):
            said = None if event.confidence is None else confidence_text(event.confidence)
            wanted["confidence"] = (claims.confidence, said)
        yield from _differences(wanted)

    def _of_attempt(
        self, claims: Claims, event: Answered | e.CallMade, assigned: e.AttemptAssigned | None, kind: Kind
    ) -> dict[str, tuple[object, object]]:
        """What a statement about an attempt says, and what the journal says."""
        return {
            "kind": (claims.kind, kind),
            "audience": (claims.audience, self._bundle.manifest.signed_by),
            "run": (claims.run, self._run),
            "task": (claims.task, event.task),
            "attempt": (claims.attempt, event.attempt),
            "issuer": (claims.issuer, assigned.agent if assigned else None),
            "lease": (claims.lease, assigned.lease if assigned else None),
            "capability": (claims.capability, assigned.capability if assigned else None),
            "contract": (claims.contract, assigned.contract if assigned else None),
        }

    def _take_output(
        self,
        claims: Claims,
        event: e.AttemptSucceeded | e.AttemptRejected,
        assigned: e.AttemptAssigned | None,
        name: str,
    ) -> None:
        signed = claims.payload
        if signed is None or (signed.sha256, signed.length_bytes) != (event.output.sha256, event.output.length_bytes):
            self._bundle.wrong("ACC542", "the payload is not the one that was signed", name, "/output")
            return
        if not self._documents.has(event.output):
            return
        self.payloads += 1
        contract = self._keyring.contracts.get(assigned.contract) if assigned is not None else None
        if isinstance(event, e.AttemptSucceeded) and contract is not None and not is_large(event.output):
            # A large one was checked item by item when it came, and is not read again.
            for problem in violations(contract, self._documents.data(event.output) or b""):
                text = f"it was accepted, and breaks the contract: {problem.message}"
                self._bundle.wrong("ACC849", text, name, f"/output{problem.place.pointer or ''}")


def _differences(wanted: dict[str, tuple[object, object]]) -> Iterator[str]:
    for what, (said, known) in wanted.items():
        if said != known:
            yield f"the statement's {what} is {said}, the journal's is {known}"


def _is_undone(run: Run, task: TaskId, number: int) -> bool:
    """Whether the attempt was rolled back since."""
    attempt = run.attempt(task, number)
    return attempt is not None and attempt.epoch < run.state(task).epoch
