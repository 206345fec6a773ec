"""A server and an agent on another machine, each with its keys in a key store; and where that is away for a while."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from accord.custody import Custody
from accord.domain.signature import parse_statement
from accord.joining import Destination, Station, join
from accord.testing.vault import VaultServer

from .conftest import serving_at, trusting
from .test_joining import Greeter


def left_in(folder: Path) -> list[Path]:
    """Keys that are in a home after all."""
    return [*folder.glob("*/keys"), *folder.glob("*/passphrase")]


@pytest.mark.parametrize("held", ["hsm", "vault"])
async def test_server_and_agent_sign_where_their_keys_are(
    held: str, request: pytest.FixtureRequest, tmp_path: Path, greet: Path
) -> None:
    custody: Custody = request.getfixturevalue(held).custody
    station = Station(home=tmp_path / "agent", custody=custody)
    async with serving_at(tmp_path / "server", keys=custody.address, keys_secret_file=custody.secret) as site:
        destination = Destination(url=site.url, token=await site.token("hello"))
        async with join([Greeter().agent], destination, station):
            run = await site.run(greet, {"name": "you"})
            assert run.phase == "completed"
            seal = await site.node.seal(run.id)
    assert parse_statement(seal.statement.encode()).kid == seal.key
    assert not left_in(tmp_path)


async def test_what_is_under_way_while_the_key_store_is_away_goes_on_when_it_is_back(
    vault: VaultServer, tmp_path: Path, greet: Path
) -> None:
    custody = vault.custody
    greeter = Greeter()
    greeter.may_end.clear()
    station = Station(home=tmp_path / "agent", custody=custody)
    async with serving_at(
        tmp_path / "server", keys=custody.address, keys_secret_file=custody.secret, delegate_keys="always"
    ) as site:
        destination = Destination(url=site.url, token=await site.token("hello"))
        async with join([greeter.agent], destination, station), asyncio.timeout(60):
            first = await site.start(greet, {"name": "you"})
            await greeter.begun.wait()
            await trusting(site)
            vault.is_sealed = True
            greeter.may_end.set()
            second = await site.start(greet, {"name": "them"})
            refused, loop = asyncio.Event(), asyncio.get_running_loop()
            vault.before = lambda path: loop.call_soon_threadsafe(refused.set) and None
            await refused.wait()
            vault.is_sealed = False
            ended = [await site.node.ended(run.id) for run in (first, second)]
    assert [run.phase for run in ended] == ["completed", "completed"]
    assert greeter.greeted == ["you", "them"]
