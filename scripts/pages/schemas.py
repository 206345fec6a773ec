"""The JSON Schemas that are published: of files that people write, and of what is on the wire."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from accord.domain import handshake, payloads
from accord.domain.agent import AgentCard
from accord.domain.message import Claims
from accord.sdk.declared import AGENT_SCHEMA
from accord.templates.schema import accord_template_schema

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WIRE: dict[str, tuple[type[msgspec.Struct], str]] = {
    "claims": (Claims, "Claims of a statement"),
    "connect": (handshake.ConnectPayload, "Payload of connect"),
    "welcome": (handshake.WelcomePayload, "Payload of welcome"),
    "card": (AgentCard, "Payload of a card"),
    "heartbeat": (payloads.HeartbeatPayload, "Payload of a heartbeat"),
    "assign": (payloads.AssignPayload, "Payload of an assignment"),
    "progress": (payloads.ProgressPayload, "Payload of progress"),
    "failure": (payloads.FailurePayload, "Payload of a failure"),
    "cancel": (payloads.CancelPayload, "Payload of a withdrawal"),
    "ack": (payloads.AckPayload, "Payload of an acknowledgement"),
    "reject": (payloads.RejectPayload, "Payload of a rejection"),
}


def schema_files() -> dict[str, str]:
    """The text of each schema by the name of its file."""
    schemas: dict[str, Any] = {"template": accord_template_schema(), "agent": AGENT_SCHEMA}
    schemas |= {name: _of(kind, title) for name, (kind, title) in _WIRE.items()}
    return {f"{name}.schema.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def _of(kind: type[msgspec.Struct], title: str) -> dict[str, Any]:
    schema = msgspec.json.schema(kind)
    definitions = schema["$defs"]
    root = definitions.pop(kind.__name__)
    inner = {"$defs": definitions} if definitions else {}
    return {"$schema": _DIALECT, **root, "title": title, **inner}
