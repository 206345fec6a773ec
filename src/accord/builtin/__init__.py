"""The agents that come with Accord: the work of the two built-in workflows, as plain typed functions."""

from __future__ import annotations

from importlib import import_module

from accord.sdk import Agent

_COMPARISON = ("discover", "metadata", "measure", "dependencies", "tests_found", "risks", "score", "report")
_AUDIT = ("inventory", "inspect_source", "duplication", "history", "grade", "audit_report")


def agents() -> list[Agent]:
    """All built-in agents, in the order of their work: those of the comparison, of the audit, and the diagnostician.

    Their modules are loaded now, and not before: contracts are made of their types, and most commands host nobody.
    """
    modules = [import_module(f"{__name__}.{name}") for name in (*_COMPARISON, *_AUDIT, "diagnose")]
    return [module.agent for module in modules]
