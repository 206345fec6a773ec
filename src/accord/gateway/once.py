"""Idempotency keys: a request under a key is done once, whatever becomes of its answer on the way."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from accord.domain.access import Principal

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9._~-]+$",
        description="Names this request. Sent again under the same key, it is answered as it was, and done no more.",
    ),
]


def once(principal: Principal, key: str | None) -> str | None:
    """The name of a principal's request in the journal."""
    return None if key is None else f"{principal.credential}:{key}"
