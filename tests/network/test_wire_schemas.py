"""What really goes over a connection keeps the published schemas: every event, every claim, every payload."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from accord.gateway.agents import AgentSockets
from accord.sdk import Agent, Context, Failure

from .conftest import Places, Site

SCHEMAS = Path(__file__).parents[2] / "docs" / "reference" / "schemas"


def check(name: str, value: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    found = [error.message for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(value)]
    assert not found, (name, value, found)


def plain(value: Any) -> Any:
    """As the worked examples write it: bytes in base64."""
    if isinstance(value, bytes):
        return {"$binary": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


class Recording:
    """All events of a namespace, in both directions."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.messages: list[tuple[str, bytes]] = []

    def note(self, whose: str, event: str, arguments: tuple[Any, ...], *acknowledgement: Any) -> None:
        told = {"acknowledgement": plain(acknowledgement[0])} if acknowledgement else {}
        self.events.append({"from": whose, "event": event, "arguments": plain(arguments), **told})
        for first, second in pairwise(arguments):
            if isinstance(second, bytes):
                self.messages.append((first, second))


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    recording = Recording()
    emit, trigger = AgentSockets.emit, AgentSockets.trigger_event

    async def emitted(self: Any, event: str, data: Any = None, **more: Any) -> Any:
        sent = data if isinstance(data, tuple) else () if data is None else (data,)
        recording.note("server", event, sent)
        return await emit(self, event, data, **more)

    async def triggered(self: Any, event: str, *arguments: Any) -> Any:
        answer = await trigger(self, event, *arguments)
        if event not in ("connect", "disconnect"):
            recording.note("agent", event, arguments[1:], answer)
        return answer

    monkeypatch.setattr(AgentSockets, "emit", emitted)
    monkeypatch.setattr(AgentSockets, "trigger_event", triggered)
    yield recording


async def test_all_that_is_said_keeps_the_schemas(
    monkeypatch: pytest.MonkeyPatch, site: Site, places: Places, greet: Path
) -> None:
    agent = Agent("hello")

    @agent.capability("text.greet@1.0.0", examples=[{"name": "Ada"}])
    async def hello(name: str, *, context: Context) -> str:
        context.progress(0.5, "half way")
        if not name:
            raise Failure("nobody", "there is nobody to greet", cost="0.01")
        return f"Hello {name}"

    with recorded(monkeypatch) as recording:
        await places.join(agent, site.url, token=await site.token("hello"))
        assert (await site.run(greet, {"name": "Ada"})).phase == "completed"
        assert (await site.run(greet, {"name": ""})).phase == "failed"
        for sockets in site.gateway.on_drain:
            await sockets()
    for event in recording.events:
        check("event", event)
    kinds = set()
    for statement, payload in recording.messages:
        part = statement.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        check("claims", claims)
        kinds.add(claims["knd"])
        if claims["knd"] not in ("result", "accept"):
            check(claims["knd"], json.loads(payload))
    assert kinds >= {"connect", "card", "heartbeat", "assign", "progress", "result", "failure"}
    assert {event["event"] for event in recording.events} >= {"challenge", "prove", "credit", "message", "leaving"}
