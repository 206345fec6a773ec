"""What both ends check of an authentic message: that it is for them, in time, and with the payload that was signed."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from accord.domain.ids import AgentId
from accord.domain.message import Claims

CLOCK_SKEW: Final = timedelta(seconds=60)
"""How far the issuer's clock may be ahead."""


class Flaw(NamedTuple):
    """What is wrong, where in the claims, and what is there instead. Each end has codes of its own for it."""

    kind: Literal["audience", "expired", "future", "payload"]
    pointer: str
    seen: str


def claims_flaw(claims: Claims, audiences: Container[AgentId], now: datetime) -> Flaw | None:
    """Why this is not for any of these recipients, or not now."""
    if claims.audience not in audiences:
        return Flaw("audience", "/aud", claims.audience)
    if claims.expires_at <= now.timestamp():
        return Flaw("expired", "/exp", str(claims.expires_at))
    if claims.issued_at > (now + CLOCK_SKEW).timestamp():
        return Flaw("future", "/iat", str(claims.issued_at))
    return None


def payload_flaw(claims: Claims, payload: bytes) -> Flaw | None:
    """Why these are not the bytes that were signed."""
    signed = claims.payload
    if signed is None:
        return Flaw("payload", "/pld", "none is signed") if payload else None
    if signed.length_bytes != len(payload) or signed.sha256 != sha256(payload).hexdigest():
        return Flaw("payload", "/pld", f"{len(payload)} bytes")
    return None
