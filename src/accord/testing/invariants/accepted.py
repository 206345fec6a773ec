"""Invariant 1: for each run, task and epoch at most one result is ever accepted; nothing that was accepted is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from accord.domain import event as e
from accord.domain.ids import AgentId, TaskId
from accord.domain.message import Claims, Message
from accord.domain.run import Run

IN_TIME_S = 60
"""An answer that expires so soon may have been too late when it came."""


class Acceptances:
    """Counts what one run has accepted; compensations are tasks, too."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[TaskId, int]] = Counter()
        """By task and epoch."""
        self.completions: Counter[TaskId] = Counter()
        """What agents, timers and people of the run itself completed."""

    def see(self, before: Run, event: e.Event, after: Run) -> Iterator[str]:
        """What is wrong with the event."""
        match event:
            case e.TaskCompleted(task=task) | e.TaskAdopted(task=task):
                key = (task, after.state(task).epoch)
                self.counts[key] += 1
                self.completions[task] += isinstance(event, e.TaskCompleted)
                if self.counts[key] > 1:
                    yield f"{task} was accepted twice in epoch {key[1]}"
            case e.AttemptSucceeded(task=task, attempt=number):
                attempt = before.attempt(task, number)
                if attempt is None or not attempt.live:
                    yield f"{task} took the result of an attempt that had ended"


def lost_answers(run: Run, claims: Claims, signer: AgentId, message: Message, now: datetime) -> Iterator[str]:
    """An answer is acknowledged only when what it means is durable; `run` is what the journal says then."""
    if claims.task is None or claims.kind not in ("result", "failure"):
        return
    attempt = run.attempt(claims.task, claims.attempt or 0)
    if attempt is None or not attempt.live or (attempt.lease, attempt.agent) != (claims.lease, signer):
        return
    is_whole = claims.payload is not None and claims.payload.sha256 == sha256(message.payload).hexdigest()
    if is_whole and claims.expires_at > now.timestamp() + IN_TIME_S:
        yield f"an answer about {claims.task} was acknowledged and lost"
