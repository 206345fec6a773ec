"""What is different in a run between two of its events."""

from __future__ import annotations

import msgspec

from accord.domain.ids import RunId
from accord.domain.replay import StateChange, changes
from accord.errors import BadInput
from accord.service import Service
from accord.views.past import run_at


class StateDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What is different in a run after some events."""

    run: RunId
    after: int
    """Since this event; 0: since before the run."""
    until: int
    """Up to this event."""
    changes: tuple[StateChange, ...]


async def state_difference(service: Service, run: RunId, after: int, until: int | None) -> StateDifference:
    """What is different between two events of the run; up to now where `until` is None.

    Raises:
        NotFound: there is no such run, or it has not so many events.
        BadInput: ACC590 the second event is not behind the first.
    """
    if until is not None and until < after:
        raise BadInput.of("ACC590", f"event {until} is before event {after}", hint="give the earlier one first")
    last = await run_at(service, run, until)
    sequence = until or (await service.records(run))[-1].sequence
    first = await run_at(service, run, after) if after else None
    return StateDifference(run=run, after=after, until=sequence, changes=tuple(changes(first, last)))
