"""Incidents as scripts and programs get them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from accord.domain.system import Incident
from accord.views.plain import plain_value

IncidentDocument = dict[str, Any]
"""An incident's members, and its number as `incident`."""


def incident_documents(found: Sequence[tuple[int, Incident]]) -> list[IncidentDocument]:
    """The documents of incidents."""
    return [{"incident": number, **plain_value(event)} for number, event in found]


def incident_of(document: IncidentDocument) -> tuple[int, Incident]:
    """The incident that a document is about."""
    rest = {name: value for name, value in document.items() if name != "incident"}
    return document["incident"], msgspec.convert(rest, Incident)
