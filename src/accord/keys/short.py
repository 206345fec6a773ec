"""Short-lived keys: they live in this process's memory alone, and sign for a key in a slow store."""

from __future__ import annotations

from datetime import timedelta

from accord.deputy import DelegateKeys, Delegating
from accord.domain.message import Kind
from accord.keys.private import PrivateKey


def delegating(when: DelegateKeys, lifetime: timedelta, kinds: frozenset[Kind]) -> Delegating | None:
    """How such keys sign these kinds; None where none are wanted."""
    if when == "never":
        return None
    return Delegating(when=when, make=PrivateKey.generate, kinds=kinds, lifetime=lifetime)
