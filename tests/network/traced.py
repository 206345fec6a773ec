"""An agent for `accord agent` that traces what it does itself, and whose second step waits for a file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from opentelemetry import trace

from accord.sdk import Agent, Context, Failure

agent = Agent("traced")
gate = Path(os.environ["TRACED_GATE"])


@agent.capability("step.first@1.0.0")
async def first(secret: str) -> str:
    """Works, under a span of its own."""
    with trace.get_tracer("mine").start_as_current_span("own work"):
        return secret.upper()


@agent.capability("step.second@1.0.0")
async def second(text: str, *, context: Context) -> str:
    """Waits for a file; tells where it is in the trace."""
    await asyncio.to_thread(gate.with_suffix(".reached").touch)
    while not await asyncio.to_thread(gate.exists):  # noqa: ASYNC110 - the test is another process
        await asyncio.sleep(0.02)
    return context.traceparent


@agent.capability("step.failing@1.0.0")
def failing(text: str) -> str:
    """Fails for good."""
    raise Failure("broken", "it is broken", retryable=False)
