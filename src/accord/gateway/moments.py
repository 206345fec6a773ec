"""Moments that requests name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


def _between(moment: datetime) -> datetime:
    """The moment in UTC, far enough from the ends of the calendar to be calculated with."""
    if not _FIRST <= moment <= _LAST:
        raise ValueError("a moment has a year from 1970 to 9998")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_between)]
