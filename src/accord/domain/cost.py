"""Cost: what attempts say they have cost, in the unit that an organisation's agents count in; decimals, no floats."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

PATTERN = r"(0|[1-9][0-9]{0,11})(\.[0-9]{0,8}[1-9])?"
"""A cost in its shortest form: at most 12 digits before the point and 9 behind it. So the sum over a million attempts
is exact in 28 digits, which is what decimals have.
"""

NOTHING = Decimal(0)
_COST = re.compile(PATTERN)


def shortest(cost: Decimal) -> str:
    """The number without zeros that say nothing: `1.50` is `1.5`."""
    text = format(cost, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def cost_text(cost: Decimal) -> str | None:
    """The cost as an agent tells it; None where it is none, or does not fit."""
    text = shortest(cost)
    return text if _COST.fullmatch(text) else None


def total(costs: Iterable[Decimal | None]) -> Decimal:
    """The sum of the costs that are known."""
    return sum((cost for cost in costs if cost is not None), NOTHING)
