"""Encrypted runs over HTTP: read as any other, erased by an admin alone, and gone for everybody."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from accord.client.client import Client
from accord.errors import Forbidden, NotFound
from accord.joining import Destination, join
from accord.templates.reading import read_source

from .conftest import Places, serving_at
from .test_joining import Greeter


async def test_a_client_reads_an_encrypted_run_until_it_is_erased(tmp_path: Path, places: Places, greet: Path) -> None:
    agent = Greeter().agent
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(serving_at(tmp_path / "server", encrypt_payloads=True))
        keys = {role: (await site.node.issue_api_key(role, role, by="test")).text for role in ("operator", "admin")}
        destination = Destination(url=site.url, token=await site.token(agent.name))
        await stack.enter_async_context(join([agent], destination, places.station("agent")))
        await site.node.present(agent.id)
        source = read_source(greet)
        await site.node.publish(source.template, source.data)
        async with Client(site.url, keys["operator"]) as client, Client(site.url, keys["admin"]) as admin:
            run = (await client.start("greet", {"name": "Erika"})).run
            async for _ in client.service().follow(run):
                pass
            shown = await client.run(run)
            assert (shown["input"], "Erika" in shown["output"]) == ({"name": "Erika"}, True)
            state = await client.service().run(run)
            assert state.output is not None
            assert msgspec.json.decode(await client.service().data(state.output)) == shown["output"]
            assert b"Erika" not in b"".join(record.data for record in await client.service().records(run))
            with pytest.raises(Forbidden, match="admin"):
                await client.erase(run)
            assert await admin.erase(run, reason="she has asked for it") == (run,)
            left = await client.run(run)
            assert left["input"] == {"$erased": {"sha256": state.started.input.sha256, "len": 16}}
            assert (left["erased"]["by"], left["erased"]["reason"]) == ("admin", "she has asked for it")
            assert "Erika" not in str(left)
            with pytest.raises(NotFound, match="ACC872"):
                await client.service().data(state.output)
