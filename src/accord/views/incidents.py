"""Incidents as scripts and programs get them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from accord.domain.incident import Filed, Sought
from accord.service import Service
from accord.views.plain import plain_value

IncidentDocument = dict[str, Any]
"""An incident's members, its number as `incident`, its `severity` and `state`, and the `steps` that led to it."""

_FILED: Final = ("severity", "state", "steps")


class IncidentPage(msgspec.Struct, frozen=True):
    """A page of incidents, the newest first: their members, and their numbers as `incident`."""

    incidents: tuple[IncidentDocument, ...]
    next: int | None
    """The number of the page's last incident, behind which older ones begin; None where there are none."""


async def incident_page(service: Service, limit: int, after: int | None, sought: Sought) -> IncidentPage:
    """The newest of the incidents that are sought, of those older than `after` where that is given."""
    found = await service.incidents(limit + 1, after=after, sought=sought)
    documents = tuple(map(incident_document, found[:limit]))
    return IncidentPage(documents, documents[-1]["incident"] if len(found) > limit else None)


def incident_document(filed: Filed) -> IncidentDocument:
    """The incident's document."""
    standing = {name: plain_value(getattr(filed, name)) for name in _FILED}
    return {"incident": filed.number, **standing, **plain_value(filed.event)}


def incident_of(document: IncidentDocument) -> Filed:
    """The incident that a document is about."""
    event = {name: value for name, value in document.items() if name not in ("incident", *_FILED)}
    standing = {name: document[name] for name in _FILED}
    return msgspec.convert({"number": document["incident"], "event": event, **standing}, Filed)
