"""Webhooks: who is told, what, in which order, and what becomes of it when one of the two is away."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

from accord.cli.actions.serve import options_of
from accord.domain.ids import AgentId
from accord.domain.message import Message
from accord.domain.webhook import Subscription
from accord.engine.webhooks import Reach, checked_url, problems_of
from accord.errors import BadInput
from accord.gateway.webhooks import deliverer, endpoint
from accord.gateway.webhooks.endpoint import Endpoint, allowed_networks
from accord.machine import RandomIds, SystemClock
from accord.ports import REGISTRY_SUBJECT, Parcel
from accord.settings import Settings

from .conftest import Site, serving_at
from .receiver import Receiver
from .test_feeds import go, start

LOCAL = (ip_network("127.0.0.0/8"),)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.open() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(endpoint, "FIRST_WAIT", timedelta(milliseconds=1))


async def add(site: Site, url: str, **more: Any) -> Any:
    """The answer to a new webhook."""
    key = (await site.node.parts.access.issue(f"admin{url[-4:]}", "admin", by="test")).text
    async with httpx.AsyncClient(base_url=site.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
        answer = await http.post("/v1/webhooks", json={"url": url, **more})
        assert answer.status_code == 201, answer.text
        shown = await http.get(answer.headers["Location"])
        assert shown.json() == answer.json()["webhook"]
        assert answer.json()["secret"] not in shown.text
        return answer.json()


async def test_every_event_is_told_in_order_and_signed(site: Site, receiver: Receiver, tmp_path: Path) -> None:
    added = await add(site, receiver.url)
    run = await start(site.node, tmp_path)
    await go(site.node, run)
    await receiver.told("run.completed")
    records = await site.node.records(run.id)
    assert [event["data"]["sequence"] for event in receiver.events()] == [record.sequence for record in records]
    for (headers, body), record in zip(receiver.taken, records, strict=True):
        event = json.loads(body)
        assert (event["specversion"], event["subject"], event["source"]) == ("1.0", run.id, "urn:accord:local")
        assert event["data"]["digest"] == record.digest
        assert event["data"]["event"] == json.loads(record.data)
        assert headers["content-type"] == "application/cloudevents+json"
        assert headers["webhook-id"] == event["id"] == f"{run.id}.{record.sequence}"
        key = base64.b64decode(added["secret"].split("_")[1])
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"


async def test_only_what_is_asked_for_is_told(site: Site, receiver: Receiver, tmp_path: Path) -> None:
    await add(site, receiver.url, types=["run.*"], templates=["steps"])
    run = await start(site.node, tmp_path)
    await go(site.node, run)
    await receiver.told("run.completed")
    assert [event["type"] for event in receiver.events()] == ["accord.run.started", "accord.run.completed"]


async def test_incidents_are_told_of_and_nothing_that_was_sent(site: Site, receiver: Receiver) -> None:
    secret = b"hunter2, of a payload"
    await add(site, receiver.url, types=["incident.*", "agent.quarantined"])
    statement = secret.replace(b" ", b".")
    await site.node.parts.ports.bus.publish([Parcel(REGISTRY_SUBJECT, Message(statement, secret))])
    await receiver.told("incident.opened")
    await site.node.resolve(1, by="ann", note=secret.decode())
    await receiver.told("incident.resolved")
    await site.node.quarantine(AgentId("spiffe://local/agent/editor"), by="ann", reason=secret.decode())
    await receiver.told("agent.quarantined")
    assert all(b"hunter2" not in body for _, body in receiver.taken)
    assert [event["data"]["incident"] for event in receiver.events()] == [1, 1, 3]
    assert [event["data"].get("severity") for event in receiver.events()] == ["medium", None, "critical"]
    assert receiver.events()[0]["id"] == "sys:incidents.1"


async def test_what_is_not_taken_is_told_again_and_nothing_overtakes_it(
    site: Site, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.statuses = [500, 503, 302, 204, 500, 204]
    await add(site, receiver.url)
    run = await start(site.node, tmp_path)
    await go(site.node, run)
    await receiver.told("run.completed")
    records = await site.node.records(run.id)
    assert [event["data"]["sequence"] for event in receiver.events()] == [record.sequence for record in records]
    assert receiver.asked == len(records) + 4


async def test_what_is_never_taken_is_given_up_and_told_so(
    site: Site, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "GIVES_UP_AFTER", timedelta())
    receiver.statuses = [500]
    added = await add(site, receiver.url, types=["run.*"])
    run = await start(site.node, tmp_path)
    await go(site.node, run)
    await receiver.told("run.completed")
    assert [event["type"] for event in receiver.events()] == ["accord.run.completed"]
    known = await site.node.parts.webhooks.find(added["webhook"]["id"])
    assert (known.given_up, known.problem) == (1, "it answered 500")


async def test_an_endpoint_that_is_gone_is_removed(
    site: Site, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.statuses = [410]
    removed = asyncio.Event()
    remove = site.node.parts.webhooks.remove

    async def noted(*args: Any, **more: Any) -> Any:
        await remove(*args, **more)
        removed.set()

    monkeypatch.setattr(site.node.parts.webhooks, "remove", noted)
    await add(site, receiver.url)  # whatever happens next in the home may be the news that finds it gone
    await start(site.node, tmp_path)
    async with asyncio.timeout(40):
        await removed.wait()
    assert await site.node.parts.webhooks.all() == []
    assert receiver.taken == []


async def test_a_restart_loses_nothing(receiver: Receiver, tmp_path: Path) -> None:
    async with serving_at(tmp_path / "server") as site:
        await add(site, receiver.url)
        run = await start(site.node, tmp_path)
        await receiver.until(lambda: receiver.taken)
        receiver.statuses = [500] * 1000
        await go(site.node, run)
    receiver.statuses = []
    async with serving_at(tmp_path / "server") as site:
        await receiver.told("run.completed")
        told = list(dict.fromkeys(event["data"]["sequence"] for event in receiver.events()))
        assert told == [record.sequence for record in await site.node.records(run.id)]
        # What was told was kept: the beginning did not come again.
        assert len(receiver.taken) == len(told)


async def test_what_happened_before_is_not_told(site: Site, receiver: Receiver, tmp_path: Path) -> None:
    run = await start(site.node, tmp_path)
    before = len(await site.node.records(run.id))
    await add(site, receiver.url)
    await go(site.node, run)
    await receiver.told("run.completed")
    assert receiver.events()[0]["data"]["sequence"] > before


# -- addresses -------------------------------------------------------------------------------------------------------


async def test_an_address_that_would_never_be_told_is_refused_with_all_else_that_is_wrong(site: Site) -> None:
    key = (await site.node.parts.access.issue("admin", "admin", by="test")).text
    async with httpx.AsyncClient(base_url=site.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
        answer = await http.post("/v1/webhooks", json={"url": "http://10.0.0.1/x", "types": ["run.*", "runn.*"]})
        found = [(one["code"], one["place"]["pointer"], one["hint"]) for one in answer.json()["problems"]]
        assert found == [
            (
                "ACC986",
                "/url",
                'an operator allows networks in the setting webhook_networks, for example ["10.0.0.0/8"]',
            ),
            ("ACC984", "/types/1", "did you mean run.*?"),
        ]
        assert (await http.get("/v1/webhooks")).json() == {"webhooks": [], "next": None}


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/meta",
        "http://127.0.0.1:9/x",
        "http://10.1.2.3/x",
        "http://[::1]/x",
        "http://localhost/x",
    ],
)
async def test_addresses_that_are_not_public_are_not_told(url: str) -> None:
    there = Endpoint(url, "whsec_AAAA", Reach(), SystemClock(), RandomIds())
    problem = await there.tell("id", b"{}")
    assert problem is not None
    assert "ACC986" in problem
    await there.close()


async def test_nothing_is_told_in_the_clear_where_everything_needs_tls() -> None:
    """Also by a webhook that was there before; what stays on this machine may be plain."""
    encrypted = Reach(LOCAL, needs_tls=True)
    there = Endpoint("http://8.8.8.8/x", "whsec_AAAA", encrypted, SystemClock(), RandomIds())
    problem = await there.tell("id", b"{}")
    assert problem is not None
    assert "ACC861 the webhook at 8.8.8.8 is without TLS" in problem
    await there.close()
    codes = {
        url: [one.code for one in problems_of(Subscription(url=url), encrypted)]
        for url in ("http://hooks.invalid/a", "https://hooks.invalid/a", "http://127.0.0.1:1/a", "http://10.0.0.1/a")
    }
    assert list(codes.values()) == [["ACC861"], [], [], ["ACC986", "ACC861"]]
    assert options_of(Settings(home=Path(), require_tls=True), "127.0.0.1").reach.needs_tls
    assert not options_of(Settings(home=Path()), "127.0.0.1").reach.needs_tls


async def test_an_endpoint_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "WITHIN_S", 0.05)

    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.transport.abort()
        ended.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        there = Endpoint(url, "whsec_AAAA", Reach(LOCAL), SystemClock(), RandomIds())
        assert await there.tell("id", b"{}") == "no answer within 0.05 s"
        await there.close()
        await ended.wait()
        await asyncio.sleep(0)


@pytest.mark.parametrize("url", ["ftp://a/b", "https://", "https://u:p@a/b", "https://a/#b", "nonsense"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        checked_url(url)
    assert refused.value.problems[0].code == "ACC987"


def test_networks() -> None:
    assert allowed_networks(["10.0.0.0/8"], "0.0.0.0") == (ip_network("10.0.0.0/8"),)  # noqa: S104 - bound to nothing
    assert ip_network("127.0.0.0/8") in allowed_networks([], "127.0.0.1")
    with pytest.raises(BadInput) as refused:
        allowed_networks(["10.0.0.1/8"], "127.0.0.1")
    assert refused.value.problems[0].code == "ACC988"
