"""Recency: tells news of instances from repetitions, so that a card or heartbeat somebody has kept has no effect."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from accord.domain.ids import InstanceId
from accord.domain.ingress import CLOCK_SKEW
from accord.domain.message import Claims, Kind

TRIM_MIN: Final = 256


class _Newest(msgspec.Struct):
    issued_at: int
    expires_at: int
    ids: set[str]


class Recency:
    """The newest card and heartbeat of every instance. What has expired is refused anyway and need not be known."""

    def __init__(self) -> None:
        self._newest: dict[tuple[InstanceId, Kind], _Newest] = {}
        self._trim_at = TRIM_MIN

    def is_news(self, instance: InstanceId, claims: Claims, now: datetime) -> bool:
        """Whether nothing as new as this has been seen of the instance."""
        known = self._newest.get((instance, claims.kind))
        if known is None or known.expires_at <= now.timestamp() or claims.issued_at > known.issued_at:
            return True
        if known.issued_at > (now + CLOCK_SKEW).timestamp():
            return True  # our clock was set back: what is known is refused now, as it is from the future
        return claims.issued_at == known.issued_at and claims.id not in known.ids

    def seen(self, instance: InstanceId, claims: Claims) -> None:
        """This has had its effect."""
        known = self._newest.get((instance, claims.kind))
        if known is not None and known.issued_at == claims.issued_at:
            known.ids.add(claims.id)
            known.expires_at = max(known.expires_at, claims.expires_at)
        else:
            self._newest[instance, claims.kind] = _Newest(claims.issued_at, claims.expires_at, {claims.id})

    def trim(self, now: datetime) -> None:
        """Forget what has expired, when twice as much is known as was left the last time."""
        if len(self._newest) < self._trim_at:
            return
        limit = now.timestamp()
        self._newest = {key: one for key, one in self._newest.items() if one.expires_at > limit}
        self._trim_at = max(TRIM_MIN, 2 * len(self._newest))
