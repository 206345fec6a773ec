"""What a store was imported from, as scripts and programs get it."""

from __future__ import annotations

import msgspec

from accord.service import Exhibit


class ExhibitDocument(msgspec.Struct, frozen=True):
    """What the runs here were imported from."""

    exhibit: Exhibit | None
    """None where they are worked on here."""
