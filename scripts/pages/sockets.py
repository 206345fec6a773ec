"""The JSON Schema of the events of Socket.IO: who sends them, with which arguments, and what acknowledges them."""

from __future__ import annotations

from typing import Any

import msgspec

from accord.domain.succession import LINKS_MAX
from accord.gateway.session import Reply

_STATEMENT: dict[str, Any] = {
    "type": "string",
    "maxLength": 2047,
    "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
    "description": "A statement, as text.",
}
_PAYLOAD: dict[str, Any] = {
    "type": "object",
    "description": "A payload: a binary argument. JSON holds it as base64.",
    "properties": {"$binary": {"type": "string", "contentEncoding": "base64"}},
    "required": ["$binary"],
    "additionalProperties": False,
}
_CHALLENGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "nonce": {"type": "string", "minLength": 1, "description": "To be the `jti` of `connect`."},
        "registry": {"type": "string", "pattern": "^spiffe://[^/]+/registry$"},
    },
    "required": ["nonce", "registry"],
    "additionalProperties": False,
}
_CREDIT = {"type": "integer", "minimum": 0, "description": "Altogether, since the session began."}
_SCOPE = {"enum": ["agent", "instance"], "description": "Whether it is for all instances of the agent, or for one."}
_MESSAGE = [{"$ref": "#/$defs/statement"}, {"$ref": "#/$defs/payload"}]
_RECEIVED = {"description": "Anything: that it has come is enough."}
_REPLY = {"$ref": "#/$defs/reply"}
_WELCOME = {"anyOf": [{"$ref": "#/$defs/welcome"}, _REPLY]}

_EVENTS: tuple[tuple[str, str, list[Any], Any], ...] = (
    ("server", "challenge", [_CHALLENGE], None),
    ("agent", "prove", _MESSAGE, _WELCOME),
    ("agent", "credit", [_CREDIT], _REPLY),
    ("agent", "message", _MESSAGE, _REPLY),
    ("agent", "log", _MESSAGE, None),
    ("agent", "return", _MESSAGE, _REPLY),
    ("server", "message", _MESSAGE, _RECEIVED),
    ("server", "notice", [_SCOPE, *_MESSAGE], _RECEIVED),
    ("server", "leaving", [], None),
)
"""Who sends it, its name, its arguments, and its acknowledgement; None where nothing is awaited."""


def event_schema() -> dict[str, Any]:
    """One event: `from`, `event`, `arguments`, and `acknowledgement` where one was given."""
    reply = msgspec.json.schema(Reply)
    return {
        "title": "An event of the namespace /agents",
        "description": "Who sends it, its arguments, and what the other side acknowledges it with.",
        "type": "object",
        "required": ["from", "event", "arguments"],
        "oneOf": [_event(*event) for event in _EVENTS],
        "$defs": {
            "statement": _STATEMENT,
            "payload": _PAYLOAD,
            "welcome": {
                "type": "object",
                "properties": {
                    "ok": {"const": True},
                    "statement": {"$ref": "#/$defs/statement"},
                    "payload": {"$ref": "#/$defs/payload"},
                    "successions": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": LINKS_MAX,
                        "items": {
                            "type": "object",
                            "properties": {"jwk": {"type": "object"}, "statement": {"$ref": "#/$defs/statement"}},
                            "required": ["jwk", "statement"],
                            "additionalProperties": False,
                        },
                    },
                },
                "required": ["ok", "statement", "payload"],
                "additionalProperties": False,
            },
            "reply": {**reply["$defs"].pop("Reply"), "title": "Reply", "additionalProperties": False},
            **reply["$defs"],
        },
    }


def _event(whose: str, name: str, arguments: list[Any], acknowledgement: Any) -> dict[str, Any]:
    return {
        "title": f"{name}, from the {whose}",
        "properties": {
            "from": {"const": whose},
            "event": {"const": name},
            "arguments": {
                "type": "array",
                **({"prefixItems": arguments} if arguments else {}),
                "minItems": len(arguments),
                "maxItems": len(arguments),
            },
            "acknowledgement": False if acknowledgement is None else acknowledgement,
        },
    }
