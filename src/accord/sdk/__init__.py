"""With which agents are written, and the worker that runs them."""

from accord.sdk.agent import Agent, Capability
from accord.sdk.calls import CallFailed
from accord.sdk.context import Context
from accord.sdk.outcome import Failure, Result
from accord.sdk.stream import Stream
from accord.sdk.worker import AgentKey, Worker, WorkerOptions

__all__ = [
    "Agent",
    "AgentKey",
    "CallFailed",
    "Capability",
    "Context",
    "Failure",
    "Result",
    "Stream",
    "Worker",
    "WorkerOptions",
]
