"""What a server knows that can be typed: asked with little patience, for somebody has pressed Tab, and nothing is
offered where it does not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from accord.cli.output import agent_name
from accord.cli.server import connected
from accord.client.connection import Connection
from accord.client.patience import Patience
from accord.errors import AccordError
from accord.settings import Settings

T = TypeVar("T")

MOST: Final = 50
SOON: Final = Patience(connect_s=0.5, answer_s=1.0, attempts=1, refused_s=0.0)
WITHIN_S: Final = 1.5

_ALL: Final = {"limit": 1000}


class _Run(msgspec.Struct):
    run: str
    state: str
    template: str
    parent: str | None = None


class _Runs(msgspec.Struct):
    runs: list[_Run]


class _Task(msgspec.Struct):
    task: str
    state: str


class _Tasks(msgspec.Struct):
    tasks: list[_Task]


class _Template(msgspec.Struct):
    name: str
    origin: str


class _Templates(msgspec.Struct):
    templates: list[_Template]


class _Agent(msgspec.Struct):
    agent: str
    capabilities: list[str]
    present: Any


class _Agents(msgspec.Struct):
    agents: list[_Agent]


class There:
    """A server, and what it offers: names, each with what it is."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = url
        self._settings = settings

    def runs(self, beginning: str) -> dict[str, str]:
        """Runs whose id begins like this, the newest first, with state and template."""
        found = self._asked(lambda server: _runs(server, beginning, MOST)) or []
        return {run.run: f"{run.state}, {run.template}" for run in found if run.run.startswith(beginning)}

    def tasks(self, run: str) -> dict[str, str]:
        """The tasks of the newest run that is called like this, or `last`, with their states."""

        async def ask(server: Connection) -> _Tasks | None:
            found = await _runs(server, run, 1) if run != "last" else await _newest(server)
            return await server.get(f"/v1/runs/{found[0].run}/tasks", _Tasks, _ALL) if found else None

        found = self._asked(ask)
        return {task.task: task.state for task in found.tasks} if found is not None else {}

    def templates(self) -> dict[str, str]:
        """All templates, by name."""
        found = self._asked(lambda server: server.get("/v1/templates", _Templates, _ALL))
        return {one.name: one.origin for one in found.templates} if found is not None else {}

    def agents(self) -> dict[str, str]:
        """All agents, by name."""
        return {agent_name(one.agent): "is there" if one.present else "was there" for one in self._agents()}

    def capabilities(self) -> dict[str, str]:
        """What all agents offer."""
        return {name.partition("@")[0]: "is offered there" for one in self._agents() for name in one.capabilities}

    def _agents(self) -> list[_Agent]:
        found = self._asked(lambda server: server.get("/v1/agents", _Agents, _ALL))
        return found.agents if found is not None else []

    def _asked(self, ask: Callable[[Connection], Awaitable[T]]) -> T | None:
        """The answer; None where there is none soon, whatever the reason."""

        async def asked() -> T:
            asked = connected(self._url, self._settings, SOON, tell=lambda _: None)
            async with asyncio.timeout(WITHIN_S), asked as server:
                return await ask(server)

        try:
            return asyncio.run(asked())
        except (AccordError, TimeoutError):
            return None


async def _runs(server: Connection, text: str, limit: int) -> list[_Run]:
    return (await server.get("/v1/runs", _Runs, {"text": text or None, "limit": limit})).runs


async def _newest(server: Connection) -> list[_Run]:
    """The newest runs that are no part of another, as far as one page shows them."""
    return [run for run in await _runs(server, "", MOST) if run.parent is None]
