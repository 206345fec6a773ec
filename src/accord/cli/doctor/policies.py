"""The policies: which set is in force here, and whether it passes its check."""

from __future__ import annotations

from collections.abc import Iterator

from accord.cli.doctor.finding import Finding, made
from accord.policy.cedar import checked
from accord.policy.source import read_source, shipped_source
from accord.settings import Settings


def policies(settings: Settings) -> Iterator[Finding]:
    """The one finding about them, or one for each fault."""
    yield from made(_policies, settings)


def _policies(settings: Settings) -> Finding:
    path = settings.policies
    found = checked(shipped_source() if path is None else read_source(path))
    number = "1 policy" if len(found.rules) == 1 else f"{len(found.rules)} policies"
    named = "the set that ships with Accord" if path is None else str(path)
    return Finding("policies", "ok", f"{named}: {number}, {found.source.digest[:12]}")
