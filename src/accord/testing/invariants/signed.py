"""Invariant 4: no result in the journal without a valid signature of the agent that held the lease; none that breaks
its contract.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from accord.domain import event as e
from accord.domain.message import decode_claims
from accord.domain.run import Run
from accord.domain.signature import parse_statement, verify
from accord.engine.registry import Registry


def unsigned(run: Run, event: e.Event, registry: Registry) -> Iterator[str]:
    """Why the event's result cannot be relied on; `run` is the state before it. Raises MessageRefused."""
    if not isinstance(event, (e.AttemptSucceeded, e.AttemptRejected)):
        return
    attempt = run.attempt(event.task, event.attempt)
    parsed = parse_statement(event.statement.encode())
    known = registry.known_key(parsed.kid)
    if attempt is None or known is None or known.agent != attempt.agent:
        yield f"{event.task} was answered by somebody else"
        return
    verify(parsed, known.public)
    claims = decode_claims(parsed.claims)
    signed = claims.payload.sha256 if claims.payload else None
    if claims.lease != attempt.lease or signed != event.output.sha256:
        yield f"{event.task}: the statement is about something else"
    if isinstance(event, e.AttemptSucceeded) and event.output.data is not None:
        contract = registry.contract(attempt.contract)
        if contract.violations_of_output(msgspec.json.decode(event.output.data)):
            yield f"{event.task}: the result breaks its contract"
