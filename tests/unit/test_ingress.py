"""What both ends check of an authentic message, at the edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from accord.domain.ids import AgentId
from accord.domain.ingress import claims_flaw, payload_flaw
from accord.domain.message import Claims, payload_ref

NOW = datetime(2026, 1, 1, tzinfo=UTC)
US = AgentId("spiffe://local/agent/us")
CLAIMS = Claims(
    issuer=AgentId("spiffe://local/orchestrator/main"),
    audience=US,
    id="1",
    issued_at=int(NOW.timestamp()),
    expires_at=int(NOW.timestamp()) + 1,
    kind="assign",
    payload=payload_ref(b"{}"),
)


def changed(**fields: Any) -> Claims:
    return msgspec.structs.replace(CLAIMS, **fields)


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        (CLAIMS, None),
        (changed(audience=AgentId("spiffe://local/agent/other")), "audience"),
        (changed(expires_at=CLAIMS.issued_at), "expired"),
        (changed(issued_at=CLAIMS.issued_at + 60), None),
        (changed(issued_at=CLAIMS.issued_at + 61), "future"),
    ],
)
def test_a_message_is_for_its_recipient_and_in_time(claims: Claims, kind: str | None) -> None:
    flaw = claims_flaw(claims, {US}, NOW)
    assert (flaw and flaw.kind) == kind


def test_a_message_has_expired_with_the_second_it_names() -> None:
    assert claims_flaw(CLAIMS, {US}, NOW + timedelta(seconds=1, microseconds=-1)) is None
    assert claims_flaw(CLAIMS, {US}, NOW + timedelta(seconds=1)) is not None


@pytest.mark.parametrize(
    ("claims", "payload", "holds"),
    [
        (CLAIMS, b"{}", True),
        (CLAIMS, b"[]", False),
        (CLAIMS, b"{} ", False),
        (CLAIMS, b"", False),
        (changed(payload=None), b"", True),
        (changed(payload=None), b"{}", False),
    ],
)
def test_a_payload_is_the_one_that_was_signed(claims: Claims, payload: bytes, holds: bool) -> None:
    assert (payload_flaw(claims, payload) is None) == holds
