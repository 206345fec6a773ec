"""With which agents are written, and the worker that runs them."""

from accord.sdk.agent import Agent, Capability
from accord.sdk.context import Context
from accord.sdk.outcome import Failure, Result

__all__ = ["Agent", "Capability", "Context", "Failure", "Result"]
