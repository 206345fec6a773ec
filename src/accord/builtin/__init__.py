"""The agents that come with Accord: the work of the two built-in workflows, as plain typed functions."""

from __future__ import annotations

from accord.builtin import (
    dependencies,
    discover,
    measure,
    metadata,
    report,
    risks,
    score,
    tests_found,
)
from accord.sdk import Agent


def agents() -> list[Agent]:
    """All built-in agents, in the order of their work."""
    modules = (discover, metadata, measure, dependencies, tests_found, risks, score, report)
    return [module.agent for module in modules]
