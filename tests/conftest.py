"""For all tests: Hypothesis judges what comes out, never how long it took; machines are of all speeds."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("accord", deadline=None)
settings.load_profile("accord")
