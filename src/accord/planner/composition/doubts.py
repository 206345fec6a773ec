"""Doubts: how sure it is that a composed graph is meant, and what is told of one that is not sure enough."""

from __future__ import annotations

from collections.abc import Sequence

from accord.errors import Place, Problem
from accord.planner.composition.account import Account
from accord.planner.composition.composer import Weighed
from accord.planner.composition.wording import percent, two_places

NEAREST = 3

HARDLY = 0.8
"""What is asked for with less is told as a reason of doubt."""


def sureness(account: Account) -> float:
    """How sure it is that the graph is meant: as what is chosen, less by the share of the words that are not known."""
    return two_places(account.found.confidence * account.share)


def doubt(account: Account) -> Problem:
    """That a graph may be meant, and is not sure enough: what is not understood, and what else is near."""
    found = account.found
    reasons = [*account.left_out(), *(_hardly(one) for one in found.chosen if one.probability < HARDLY)]
    why = "; ".join(reasons) or "only a part of the words is about it"
    message = f"{named(found.chosen)} may be meant, {percent(sureness(account))} sure: {why}"
    near = f"the nearest besides: {named(found.near)}; " if found.near else ""
    hint = f"{near}say it in their words, or accept the graph as what is meant"
    return Problem("ACC818", message, Place(), hint)


def named(several: Sequence[Weighed]) -> str:
    """The first of them, by name."""
    return ", ".join(f"`{one.ability.title}`" for one in several[:NEAREST])


def _hardly(one: Weighed) -> str:
    return f"`{one.ability.title}` is asked for with {percent(one.probability)}"
