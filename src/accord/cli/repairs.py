"""Results that broke their contract and were repaired, in words. Green must not hide them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from accord.cli.output import agent_name, clean, counted, shortened
from accord.domain.diagnosis import Change
from accord.views.result import Repaired

CHANGES_TOLD = 3
VALUE_MOST = 40
"""Characters of a value that is told."""


def words_of(repairs: Sequence[Repaired]) -> str:
    """`1 result repaired by diagnostician: greeting (output: 5 → "5")`."""
    by = ", ".join(sorted({agent_name(one.by) for one in repairs}))
    told = "; ".join(_told(one) for one in repairs[:CHANGES_TOLD])
    more = f"; {len(repairs) - CHANGES_TOLD} more" if len(repairs) > CHANGES_TOLD else ""
    return clean(f"{counted(len(repairs), 'result')} repaired by {by}: {told}{more}")


def _told(one: Repaired) -> str:
    changes = ", ".join(_change(change) for change in one.changes[:CHANGES_TOLD])
    more = f", {len(one.changes) - CHANGES_TOLD} more" if len(one.changes) > CHANGES_TOLD else ""
    return f"{one.task} ({changes}{more})" if changes else str(one.task)


def _change(change: Change) -> str:
    return f"output{change.pointer}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Any) -> str:
    return shortened(msgspec.json.encode(value).decode(), VALUE_MOST)
