"""Estimates in words: how long a run takes, what it costs, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from accord.cli.output import clean, counted
from accord.domain.cost import shortest
from accord.domain.duration import duration_words
from accord.planner.estimate import CostInterval, Estimate, Interval, TaskEstimate

NAMED: Final = 5
"""So many tasks are named of which nothing is known."""


def expected_words(expected: Estimate) -> Iterator[str]:
    """Time, cost and failures, and what of it is not known."""
    if expected.time_s is not None:
        yield f"time  {_time(expected.time_s)}"
    else:
        yield f"time  not known: {_no_history(expected)}"
    if expected.unknown and expected.time_s is not None:
        yield f"      and on top what nobody has done yet: {_named(expected)}"
    if expected.cost is not None:
        declared = " (by contracts: no agent has told one)" if any(one.declared for one in expected.tasks) else ""
        yield f"cost  {_cost(expected.cost)}{declared}"
    elif any(one.known for one in expected.tasks):
        yield "cost  not known: no agent has told one"
    if expected.completes is not None and expected.completes < 1:
        yield f"ends  {int(100 * expected.completes + 0.5)} % of such runs without a task that fails for good"


def expected_task(one: TaskEstimate) -> str:
    """What is expected of one task, in a few words; that nothing is known of it where that is so."""
    if one.basis == "none":
        return "(no history)"
    if one.basis == "declared" and one.time_s is not None:
        return f"({duration_words(one.time_s.p50)}, declared)"
    took = one.time_s or one.each_s
    if took is None:
        return ""
    each = " each" if one.time_s is None else ""
    cost = f", cost {_cost(one.cost)}" if one.cost is not None else ""
    return f"({_time(took)}{each}{cost}; {_rests(one)})"


def _rests(one: TaskEstimate) -> str:
    """What it rests on: `12 attempts at it`."""
    match one.basis:
        case "runs":
            return f"{counted(one.known, 'run')}"
        case "task":
            return f"{counted(one.known, 'attempt')} at it"
        case _:
            return f"{counted(one.known, 'attempt')} at the capability"


def _no_history(expected: Estimate) -> str:
    return f"nobody has done {_named(expected)} yet" if expected.unknown else "there is nothing to be done"


def _named(expected: Estimate) -> str:
    more = len(expected.unknown) - NAMED
    return clean(", ".join(expected.unknown[:NAMED])) + (f" and {more} more" if more > 0 else "")


def _time(of: Interval) -> str:
    low, high = duration_words(of.p10), duration_words(of.p90)
    return f"about {duration_words(of.p50)}" + (f", {low} to {high} in four of five" if low != high else "")


def _cost(of: CostInterval) -> str:
    low, high = shortest(of.p10), shortest(of.p90)
    return f"{shortest(of.p50)}" + (f", {low} to {high}" if low != high else "")
