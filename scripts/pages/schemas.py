"""The JSON Schemas that are published: of files that people write, and of what is on the wire."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from accord.domain import handshake, payloads
from accord.domain.agent import AgentCard
from accord.domain.log import LogPayload
from accord.domain.message import Claims
from accord.sdk.declared import AGENT_SCHEMA
from accord.templates.schema import accord_template_schema
from accord.templates.workflow_tests import TEST_SCHEMA
from pages.sockets import event_schema

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WIRE: dict[str, tuple[type[msgspec.Struct], str]] = {
    "claims": (Claims, "Claims of a statement"),
    "connect": (handshake.ConnectPayload, "Payload of connect"),
    "welcome": (handshake.WelcomePayload, "Payload of welcome"),
    "card": (AgentCard, "Payload of a card"),
    "heartbeat": (payloads.HeartbeatPayload, "Payload of a heartbeat"),
    "assign": (payloads.AssignPayload, "Payload of an assignment"),
    "progress": (payloads.ProgressPayload, "Payload of progress"),
    "log": (LogPayload, "Payload of lines of a log"),
    "ask": (payloads.AskPayload, "Payload of what an agent asks for"),
    "failure": (payloads.FailurePayload, "Payload of a failure"),
    "cancel": (payloads.CancelPayload, "Payload of a withdrawal"),
    "ack": (payloads.AckPayload, "Payload of an acknowledgement"),
    "reject": (payloads.RejectPayload, "Payload of a rejection"),
    "reply": (payloads.ReplyPayload, "Payload of what came of it"),
    "holdings": (payloads.HoldingsPayload, "Payload of what a process holds"),
}


def schema_files() -> dict[str, str]:
    """The text of each schema by the name of its file."""
    schemas: dict[str, Any] = {"template": accord_template_schema(), "agent": AGENT_SCHEMA, "test": TEST_SCHEMA}
    schemas |= {name: _of(kind, title) for name, (kind, title) in _WIRE.items()}
    schemas["claims"] = _with_needs(schemas["claims"])
    schemas["event"] = {"$schema": _DIALECT, **event_schema()}
    return {f"{name}.schema.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def _of(kind: type[msgspec.Struct], title: str) -> dict[str, Any]:
    schema = msgspec.json.schema(kind)
    definitions = schema["$defs"]
    root = definitions.pop(kind.__name__)
    inner = {"$defs": definitions} if definitions else {}
    schema: dict[str, Any] = _portable({"$schema": _DIALECT, **root, "title": title, **inner})
    return schema


def _portable(schema: Any) -> Any:
    """The schema with patterns as JSON Schema has them (ECMA-262), and not Python."""
    if isinstance(schema, list):
        return [_portable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: _portable(part) for name, part in schema.items()}
    if isinstance(parts.get("pattern"), str):
        parts["pattern"] = parts["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    return parts


_ABOUT = ("run", "tsk", "att", "lea")
_OF = (*_ABOUT, "cap", "ctr")
_NEEDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("connect", "card", "heartbeat", "ack", "reject", "holdings"): ("pld",),
    ("welcome",): ("pld", "ins"),
    ("upload", "fetch"): _OF,
    ("accept",): _ABOUT,
    ("delegate", "succeed"): ("dlg",),
    ("progress", "cancel", "reply"): (*_ABOUT, "pld"),
    ("assign", "log", "ask", "result", "failure"): (*_OF, "pld"),
}
"""The claims that kinds need beside those that all need, as docs/protocol.md has them."""


def _with_needs(claims: dict[str, Any]) -> dict[str, Any]:
    """The schema of claims, where no claim is null, and each kind has what it needs."""
    properties = {name: _present(claim) for name, claim in claims["properties"].items()}
    needs = [
        {"if": {"properties": {"knd": {"enum": list(kinds)}}}, "then": {"required": list(names)}}
        for kinds, names in _NEEDS.items()
    ]
    return {**claims, "description": "What a statement says.", "properties": properties, "allOf": needs}


def _present(claim: dict[str, Any]) -> dict[str, Any]:
    """The schema of a claim that is there: what is absent is left out, and never null."""
    kinds = [kind for kind in claim.get("anyOf", ()) if kind.get("type") != "null"]
    kept = {name: value for name, value in claim.items() if name not in ("anyOf", "default")}
    return {**kept, **kinds[0]} if len(kinds) == 1 else kept
