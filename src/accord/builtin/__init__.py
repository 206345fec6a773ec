"""The agents that come with Accord: the work of the two built-in workflows, as plain typed functions."""

from __future__ import annotations

from accord.builtin import (
    audit_report,
    dependencies,
    diagnose,
    discover,
    duplication,
    grade,
    history,
    inspect_source,
    inventory,
    measure,
    metadata,
    report,
    risks,
    score,
    tests_found,
)
from accord.sdk import Agent

_COMPARISON = (discover, metadata, measure, dependencies, tests_found, risks, score, report)
_AUDIT = (inventory, inspect_source, duplication, history, grade, audit_report)


def agents() -> list[Agent]:
    """All built-in agents, in the order of their work: those of the comparison, of the audit, and the diagnostician."""
    return [module.agent for module in (*_COMPARISON, *_AUDIT, diagnose)]
