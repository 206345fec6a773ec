"""Agents of the orchestrator's process: how they leave."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from accord.app import host, open_node
from accord.sdk import Agent
from accord.sdk.worker import Worker
from accord.settings import Settings


async def test_all_leave_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for a while where there is no bus: one after the other that would be long."""
    stopping, stop = asyncio.Barrier(2), Worker.stop

    async def together(worker: Worker) -> None:
        if worker._shift is not None:
            await stopping.wait()
        await stop(worker)

    monkeypatch.setattr(Worker, "stop", together)
    agents = [Agent("one"), Agent("two")]
    async with open_node(Settings(home=tmp_path / "home")) as node, asyncio.timeout(30), host(node, agents):
        pass
