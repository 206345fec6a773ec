"""Incidents as scripts and programs get them."""

from __future__ import annotations

from typing import Any

import msgspec

from accord.domain.system import Incident
from accord.service import Service
from accord.views.plain import plain_value

IncidentDocument = dict[str, Any]
"""An incident's members, and its number as `incident`."""


class IncidentPage(msgspec.Struct, frozen=True):
    """A page of incidents, the newest first: their members, and their numbers as `incident`."""

    incidents: tuple[IncidentDocument, ...]
    next: int | None
    """The number of the page's last incident, behind which older ones begin; None where there are none."""


async def incident_page(service: Service, limit: int, after: int | None) -> IncidentPage:
    """The newest incidents, of those older than `after` where that is given."""
    found = await service.incidents(limit + 1, after=after)
    documents = tuple({"incident": number, **plain_value(event)} for number, event in found[:limit])
    return IncidentPage(documents, documents[-1]["incident"] if len(found) > limit else None)


def incident_of(document: IncidentDocument) -> tuple[int, Incident]:
    """The incident that a document is about."""
    rest = {name: value for name, value in document.items() if name != "incident"}
    return document["incident"], msgspec.convert(rest, Incident)
