"""Runs as they were after any event of theirs: state is the fold of the journal, up to wherever one wants."""

from __future__ import annotations

from datetime import UTC, datetime

from accord.domain.ids import RunId
from accord.domain.state import Run
from accord.errors import NotFound
from accord.service import Service


async def run_at(service: Service, run: RunId, at: int | None) -> Run:
    """The run as it was after its event number `at`, or where that is None, as it is. Raises NotFound where there is no
    such run, or it has not so many events.
    """
    state = await service.run(run, until=at)
    if at is not None and not await service.records(run, after=at - 1, limit=1):
        raise NotFound.of("ACC434", f"the run has no event {at}", hint="its events are counted from 1")
    return state


def shown_at(run: Run, at: int | None) -> datetime:
    """The time that is told of a run that is shown as it was after its event number `at`, or where that is None, as it
    is: what goes on is told up to then.
    """
    return run.updated_at if at is not None else run.told_at(datetime.now(UTC))
