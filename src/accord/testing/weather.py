"""The weather of a simulation: how often what goes wrong."""

from __future__ import annotations

import msgspec

STALL_S = 40.0
"""Longer than leases and ownership last."""


class Weather(msgspec.Struct):
    """How bad things are: probabilities per message, commit, call or piece of work, and delays in seconds."""

    lose: float = 0.0
    duplicate: float = 0.0
    delay_s: float = 0.0
    refuse_commit: float = 0.0
    lose_answer: float = 0.0
    refuse_other: float = 0.0
    """Of reads and claims."""
    refuse_blob: float = 0.0
    """Of keeping and fetching large documents."""
    commit_s: float = 0.002
    stall: float = 0.0
    """Of commits that take up to `STALL_S` until they are written, or until their answer comes."""
    crash_at_point: float = 0.0
    """At each named point of a commit."""
    fail: float = 0.0
    """An agent fails, and may be asked again."""
    hang: float = 0.0
    """An agent does not come to an end before it is killed."""
    slow_s: float = 0.1
    break_contract: float = 0.0
    """An agent's result is not what was agreed."""

    def clear_up(self) -> None:
        """From now on everything goes well."""
        calm = Weather()
        for field in self.__struct_fields__:
            setattr(self, field, getattr(calm, field))
