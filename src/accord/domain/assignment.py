"""An assignment, claims and payload: of what happened before it alone, so that it can be made again, by us and by
whoever examines a run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from accord.domain.event import RunStarted
from accord.domain.flow import INPUT, tasks_before
from accord.domain.graph import node_of, undone_id
from accord.domain.ids import AgentId, Digest, TaskId
from accord.domain.message import Claims, PayloadRef, encode_claims, statement_id
from accord.domain.payloads import AssignContext, encode_payload
from accord.domain.progress import work_of
from accord.domain.run import Attempt, Run, Want
from accord.domain.scope import Values, output_of
from accord.domain.signature import statement_digest
from accord.domain.trace import traceparent_of

VALID_FOR: Final = timedelta(hours=1)
"""How long an assignment without a timeout may take to its agent."""


def assignment_claims(orchestrator: AgentId, run: RunStarted, task: TaskId, attempt: Attempt) -> Claims:
    """The claims of an assignment, from the events of its run and its attempt alone."""
    until = attempt.timeout_at or attempt.assigned_at + VALID_FOR
    return Claims(
        issuer=orchestrator,
        audience=attempt.agent,
        id=statement_id(run.run, task, attempt.number, "assign"),
        issued_at=int(attempt.assigned_at.timestamp()),
        expires_at=int(until.timestamp()) + 1,
        kind="assign",
        run=run.run,
        task=task,
        attempt=attempt.number,
        lease=attempt.lease,
        capability=attempt.capability,
        contract=attempt.contract,
        payload=PayloadRef(attempt.payload, attempt.payload_bytes, "application/json"),
        trace=traceparent_of(run.trace, attempt.lease),
    )


def assignment_digest(orchestrator: AgentId, run: RunStarted, task: TaskId, attempt: Attempt) -> Digest:
    """What an answer names in `ins`: the digest of the assignment's claims."""
    return statement_digest(encode_claims(assignment_claims(orchestrator, run, task, attempt)))


class Draftsman:
    """Makes the payloads of assignments."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def payload(self, run: Run, task: TaskId, want: Want, input_data: bytes, cut: tuple[str, ...]) -> bytes:
        """The assignment's payload: the input, byte by byte, and the context without the parts that are cut."""
        is_work = want.purpose == "work"
        context = AssignContext(
            idempotency_key=f"{run.id}/{task}/{run.state(task).epoch}",
            template=run.started.template,
            objective=run.started.title,
            deadline=run.started.deadline_at,
            upstream=self._upstream(run, task, cut) if is_work else {},
            errors=want.errors,
            cut=cut,
            declassify=run.graph.task(task).declassify if is_work and undone_id(task) is None else None,
        )
        return b'{"input":%b,"context":%b}' % (input_data, encode_payload(context))

    def _upstream(self, run: Run, task: TaskId, cut: tuple[str, ...]) -> dict[str, Any]:
        if not work_of(run, task).upstream:
            return {}
        before = [name for name in tasks_before(run.graph, node_of(task)) if f"tasks.{name}" not in cut]
        outputs = {name: output_of(run, name, self._values) for name in before if run.state(name).phase == "completed"}
        return {**_shown(self._values.value(run.started.input), cut), "tasks": outputs}


def _shown(value: Any, cut: tuple[str, ...]) -> dict[str, Any]:
    """The run's input without the members that are cut; nothing of what has no members, where a part of it is."""
    members = {name.removeprefix(f"{INPUT}.") for name in cut if name.startswith(f"{INPUT}.")}
    if INPUT in cut or (members and not isinstance(value, dict)):
        return {}
    return {INPUT: {name: member for name, member in value.items() if name not in members} if members else value}
