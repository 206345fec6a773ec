"""Diagnosis: what a diagnostic agent is asked about a result that broke its contract, and what it may answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from accord.domain.agent import agent_id
from accord.domain.capability import CapabilityRange
from accord.errors import Problem

DIAGNOSE = CapabilityRange.parse("accord.diagnose@^1")
"""The capability of diagnostic agents. One is built in; an agent that the operator has named may do it instead."""

DIAGNOSTICIAN = agent_id("local", "diagnostician")
"""The one that is built in."""

_COUNT = Annotated[int, msgspec.Meta(ge=0)]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A result that broke its contract."""

    task: str
    capability: str
    agent: str
    output_schema: dict[str, Any] | bool
    output: Any
    """The result; a string where it was no JSON, then `is_json` is false."""
    is_json: bool = True
    problems: Annotated[tuple[Problem, ...], msgspec.Meta(min_length=1)]
    attempts_used: _COUNT
    attempts_allowed: _COUNT
    agents_tried: tuple[str, ...]
    """The agents whose results broke the contract, in order; the last one is that of this result."""
    earlier: tuple[tuple[Problem, ...], ...] = ()
    """What was wrong with the results before this one, in the order of `agents_tried`; none where it is not known."""
    peers: _COUNT
    """How many other agents could do it."""


class Change(msgspec.Struct, frozen=True):
    """One thing that a repair changed.

    The pointer is that of the value as it was at this step. `before` and `after` are what was there and what is
    there now; of a member that was renamed, its names. What only moved, in or out of a wrapper, is in the output.
    """

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
