"""The page that leads through the worked examples of the wire."""

from __future__ import annotations

import json
from typing import Any

from pages.markdown import GENERATED, cell, table
from pages.scenes import SCENES, SUMMARIZE, Step
from pages.signing import AGENT_KEY, ORCHESTRATOR_KEY

_INTRODUCTION = (
    "An implementation in another language can compare itself with these, byte by byte. Each scene is a JSON file in "
    "[`docs/reference/vectors`](vectors), with all that is said in it, in order; the tests verify them with libraries "
    "that are not Accord's. The keys are those of RFC 7515 (A.3) and RFC 8037 (A.1), delegated ones those of RFC 6979 "
    "(A.2.5) and RFC 8032 (7.1); both algorithms "
    "are deterministic (ES256 by RFC 6979), so signatures can be compared as well. What the members mean is told in "
    "[the protocol](../protocol.md).\n\n"
    "- [`keys.json`](vectors/keys.json): all keys with their secret parts, the contracts with their digests, the "
    "enrolment token, and the time at which all of it happens, seconds since 1970.\n"
    "- A step is an `event` of Socket.IO with its `arguments`, and the `acknowledgement` where there is one, as "
    "[the schema of events](schemas/event.schema.json) says; or a `request` with its `response`.\n"
    '- `{"$binary": …}` stands for bytes, in base64. `signed` takes the statements of a step apart: the key that '
    "signed, header, claims, the SHA-256 of the claims' bytes (what `ins` holds), and the payload.\n"
)


def vector_page() -> str:
    """The page, as Markdown."""
    parts = [
        f"# Worked examples of the wire\n\n{GENERATED}\n\n{_INTRODUCTION}",
        table(["scene", "what happens"], [[f"[{name}](#{name})", title] for name, (title, _) in SCENES.items()]),
        "## Keys\n\nThe orchestrator's, ES256, and the agent's, Ed25519:\n\n"
        + _json(ORCHESTRATOR_KEY.jwk())
        + "\n\n"
        + _json(AGENT_KEY.jwk()),
        f"## A contract\n\n{_json(SUMMARIZE.document())}\n\nIts digest, SHA-256 over the RFC 8785 form:\n\n"
        + _text(SUMMARIZE.digest),
        *(_scene(name, title, make()) for name, (title, make) in SCENES.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _scene(name: str, title: str, steps: list[Step]) -> str:
    shown = "\n\n".join(_step(number, step) for number, step in enumerate(steps, 1))
    return f"## {name}\n\n{title}: [`{name}.json`](vectors/{name}.json).\n\n{shown}"


def _step(number: int, step: Step) -> str:
    how = f"`{step['event']}`" if "event" in step else f"`{step['request']['method']} {step['request']['path']}`"
    lines = [f"{number}. {step['from']}, {how}: {cell(step['what'])}"]
    lines += [
        f"\n   Claims, signed by the {one['key']}, {one['header']['alg']}:\n\n{_inside(one)}"
        for one in step.get("signed", ())
    ]
    if "acknowledgement" in step:
        lines.append(f"\n   Acknowledged with `{_short(step['acknowledgement'])}`")
    elif "event" in step and not step.get("signed"):
        lines.append(f"\n   Arguments: `{json.dumps(step['arguments'])}`")
    return "\n".join(lines)


def _inside(one: dict[str, Any]) -> str:
    payload = f"\n{one['payload']}" if one["payload"] else ""
    text = json.dumps(one["claims"], separators=(",", ":")) + payload
    return "\n".join(f"   {line}" for line in f"```text\n{text}\n```".splitlines())


def _short(acknowledgement: dict[str, Any]) -> str:
    """The acknowledgement; a welcome's bytes are taken apart in the file."""
    told = {name: "…" if name in ("statement", "payload") else value for name, value in acknowledgement.items()}
    return json.dumps(told, ensure_ascii=False)


def _json(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2)}\n```"


def _text(text: str) -> str:
    return f"```text\n{text}\n```"
