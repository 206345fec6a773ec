"""Diagnosis: what a diagnostic agent is asked about a result that broke its contract, and what it may answer."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from accord.domain.capability import CapabilityRange
from accord.errors import Problem

DIAGNOSE = CapabilityRange.parse("accord.diagnose@^1")
"""The capability of diagnostic agents. One is built in; any agent that offers it may do it instead."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A result that broke its contract."""

    task: str
    capability: str
    agent: str
    output_schema: dict[str, Any] | bool
    output: Any
    """The result; a string where it was no JSON, then `is_json` is false."""
    is_json: bool = True
    problems: tuple[Problem, ...]
    attempts_used: int
    attempts_allowed: int
    agents_tried: tuple[str, ...]
    """The agents whose results broke the contract, in order."""
    peers: int
    """How many other agents could do it."""


class Change(msgspec.Struct, frozen=True):
    """One thing that a repair changed."""

    pointer: str
    rule: str
    before: Any = None
    after: Any = None


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict. Only a repair carries an output; it is checked against the contract like any other."""

    verdict: Literal["repaired", "retry", "reassign", "fail"]
    explanation: str
    output: Any = msgspec.field(default=msgspec.UNSET)
    changes: tuple[Change, ...] = ()
