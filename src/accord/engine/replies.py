"""Replies: what agents are told of what they have asked for while they worked.

ACC475  the agent may not see what came of its call
ACC476  the output of the call is too large for a reply
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from accord.domain.effects import Reply
from accord.domain.ids import Digest, TaskId
from accord.domain.labels import join
from accord.domain.message import PAYLOAD_MAX_BYTES
from accord.domain.payloads import ReplyPayload
from accord.domain.run import Attempt, Run
from accord.engine.assignments import Envelope, Secretary
from accord.engine.authority import Authority
from accord.engine.documents import Documents
from accord.errors import AccordError, KeysUnavailable, Problem, StoreUnavailable

ENVELOPE_BYTES: Final = 64 << 10
"""What a reply holds beside the output, at most."""


class Replies:
    """Makes replies out of calls that have ended."""

    def __init__(self, secretary: Secretary, documents: Documents, authority: Authority) -> None:
        self._secretary = secretary
        self._documents = documents
        self._authority = authority

    async def reply(self, run: Run, effect: Reply, now: datetime) -> Envelope:
        """What came of a call, for the agent of an attempt. Raises StoreUnavailable, KeysUnavailable."""
        call = effect.call
        if call.problem is not None:
            return self.refusal(run, effect.task, effect.attempt, call.call, (call.problem,), now)
        try:
            content = await self._content(run, effect)
        except (StoreUnavailable, KeysUnavailable):
            raise
        except AccordError as error:
            return self.refusal(run, effect.task, effect.attempt, call.call, error.problems, now)
        return self._secretary.reply(run.started, effect.task, effect.attempt, content, now)

    def refusal(
        self,
        run: Run,
        task: TaskId,
        attempt: Attempt,
        call: Digest,
        problems: tuple[Problem, ...],
        now: datetime,
    ) -> Envelope:
        """Nothing comes of what the agent has asked for, and why."""
        content = ReplyPayload(asked=call, problems=problems)
        return self._secretary.reply(run.started, task, attempt, content, now)

    async def _content(self, run: Run, effect: Reply) -> ReplyPayload:
        call = effect.call
        refusal = self._unseen(run, effect) or _oversize(effect)
        if refusal is not None:
            return ReplyPayload(asked=call.call, problems=(refusal,), run=call.run)
        if call.output is None:
            return ReplyPayload(asked=call.call, output=None, run=call.run)
        value = await self._documents.fetched(call.output)
        return ReplyPayload(asked=call.call, output=value, run=call.run)

    def _unseen(self, run: Run, effect: Reply) -> Problem | None:
        """Why the agent may not see the output; None where it may."""
        if not run.labelled:
            return None
        attempt = effect.attempt
        labels = join(effect.call.labels)
        decision = self._authority.of_agent("see", run, attempt.agent, attempt.capability, labels)
        if decision.allowed:
            return None
        message = f"{attempt.agent} may not see what came of its call: {decision.words()}"
        return Problem("ACC475", message, hint="let a task of the template do it, whose agent need not see it")


def _oversize(effect: Reply) -> Problem | None:
    output = effect.call.output
    if output is None or output.length_bytes <= PAYLOAD_MAX_BYTES - ENVELOPE_BYTES:
        return None
    message = f"the output of the call has {output.length_bytes} bytes: too many for a reply"
    return Problem("ACC476", message, hint="let a task of the template do it: its output is handed on by reference")
