"""What requests carry: pydantic models that take nothing but their members."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict


def body(*examples: dict[str, Any]) -> ConfigDict:
    """The configuration of a body's model, with examples for the OpenAPI document."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(examples)})
