"""Values as JSON."""

from __future__ import annotations

from typing import Any

import msgspec


def plain_value(value: Any) -> Any:
    """A value of ours as JSON values; documents that are carried along as bytes included."""
    return msgspec.json.decode(msgspec.json.encode(value))
