"""Patience: how long a client waits, how often it tries again, and how long it rests in between."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a client waits, and how often it tries again; times in seconds."""

    connect_s: float = 5.0
    answer_s: float = 60.0
    """For an answer to begin or to go on."""
    silence_s: float = 45.0
    """How long a feed may be silent: a server says every 15 s that it is still there."""
    attempts: int = 6
    """How often a request is sent, where somebody listens."""
    feed_attempts: int = 20
    """How often in a row a feed may be cut without any news: a server may be stopped and started again meanwhile."""
    refused_s: float = 10.0
    """How long it rests in all where nobody listens at the address: a server may be starting."""
    first_rest_s: float = 0.2
    longest_rest_s: float = 10.0
    longest_told_rest_s: float = 60.0
    """A server may ask for more patience than this; then it is given up."""

    def rest_s(self, failures: int, chance: Callable[[], float]) -> float:
        """How long to rest after so many failures in a row: ever longer, by chance between half and all of it."""
        whole = min(self.first_rest_s * 2.0 ** min(failures - 1, 30), self.longest_rest_s)
        return whole * (0.5 + chance() / 2)


PATIENT = Patience()
