"""An agent whose key is behind a signer, at an orchestrator with delegated keys: over the network, in processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from accord.domain import event as e
from accord.domain.agent import agent_id
from accord.domain.signature import parse_statement
from accord.errors import KeyUnusable
from accord.joining import Destination, join
from accord.sdk import Agent
from accord.views.proof import proof_of

from .conftest import Places, Site, serving_at, trusting
from .processes import ACCORD, Started


@pytest.fixture
async def delegating(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving_at(tmp_path / "server", delegate_keys="always") as site:
        yield site


def greeter() -> Agent:
    agent = Agent("hello")

    @agent.capability("text.greet@1.0.0")
    async def greet(name: str) -> str:
        return f"Hello {name}"

    return agent


async def test_a_run_whose_agent_never_sees_its_key(
    delegating: Site, places: Places, greet: Path, tmp_path: Path
) -> None:
    own, path = delegating.node.parts.identity.key.kid, tmp_path / "signer.sock"
    holder = Started(
        tmp_path, "signer", (*ACCORD, "signer", "hello", "--socket", str(path), "--trust", own),
        ACCORD_HOME=str(tmp_path / "keeper"),
    )  # fmt: skip
    told = await holder.start()
    assert told["socket"] == str(path)
    station = msgspec.structs.replace(places.station("agent"), signer=path)
    destination = Destination(url=delegating.url, token=await delegating.token("hello"))
    try:
        async with join([greeter()], destination, station):
            await delegating.node.present(agent_id("local", "hello"))
            await trusting(delegating)
            run = await delegating.run(greet, {"name": "Ada"})
            assert run.phase == "completed"
            assert await delegating.node.parts.documents.fetched(run.output) == "Hello Ada"
            await holder.end(signal.SIGTERM)
            assert not path.exists()
            await holder.start()  # what was shown to the one before is shown to this one
            assert (await delegating.run(greet, {"name": "Grace"})).phase == "completed"
    finally:
        await holder.end(signal.SIGTERM)
    assert (holder.problems, holder.said) == ([], "")
    assert not (station.home / "keys").exists()
    (answer,) = [event for _, event in await delegating.node.events(run.id) if isinstance(event, e.AttemptSucceeded)]
    assert parse_statement(answer.statement.encode()).kid == told["keys"]["hello"]
    proof = await proof_of(delegating.node, run.id)
    assert (proof.ok, proof.statements) == (True, 1)
    assert await delegating.node.incidents(10) == []


async def test_a_signer_that_believes_another_orchestrator_signs_no_answer(
    site: Site, places: Places, greet: Path, tmp_path: Path
) -> None:
    path = tmp_path / "signer.sock"
    holder = Started(
        tmp_path, "signer", (*ACCORD, "signer", "hello", "--socket", str(path), "--trust", "A" * 43),
        ACCORD_HOME=str(tmp_path / "keeper"),
    )  # fmt: skip
    await holder.start()
    station = msgspec.structs.replace(places.station("agent"), signer=path)
    refused = asyncio.Event()
    try:
        async with join([greeter()], Destination(url=site.url, token=await site.token("hello")), station) as joined:
            shift = joined[0].worker._shift
            assert shift is not None
            gives_back = shift._give_back

            def noted(*given: object) -> None:
                refused.set()
                gives_back(*given)  # type: ignore[arg-type]  # as it was called

            shift._give_back = noted  # type: ignore[method-assign,assignment]  # to see it
            await site.start(greet, {"name": "Ada"})
            async with asyncio.timeout(30):
                await refused.wait()
    finally:
        await holder.end(signal.SIGTERM)
    assert "ACC648" in holder.said


async def test_without_a_signer_there_is_no_agent(places: Places, tmp_path: Path) -> None:
    station = msgspec.structs.replace(places.station("agent"), signer=tmp_path / "none")
    with pytest.raises(KeyUnusable) as refused:
        async with join([greeter()], Destination(url="http://127.0.0.1:1"), station):
            pass
    assert refused.value.problems[0].code == "ACC647"


async def test_who_is_no_user_of_the_signer_is_refused_before_anything_is_said(places: Places, tmp_path: Path) -> None:
    path = tmp_path / "signer.sock"
    holder = Started(
        tmp_path, "signer",
        (*ACCORD, "signer", "hello", "--socket", str(path), "--trust", "A" * 43, "--user", str(os.geteuid() + 1)),
        ACCORD_HOME=str(tmp_path / "keeper"),
    )  # fmt: skip
    await holder.start()
    station = msgspec.structs.replace(places.station("agent"), signer=path)
    try:
        with pytest.raises(KeyUnusable) as refused:
            async with join([greeter()], Destination(url="http://127.0.0.1:1"), station):
                pass
    finally:
        await holder.end(signal.SIGTERM)
    assert refused.value.problems[0].code == "ACC645"
