"""Lists come in pages: each member once and in order, whatever the page's length, and a link up to the last page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from accord.app import host
from accord.domain.enrolment import Wanted
from accord.domain.message import Message
from accord.domain.system import INCIDENTS
from accord.domain.webhook import Subscription
from accord.engine.verdicts import Suspect
from accord.errors import Problem
from accord.sdk import Agent

COUNT = 5
NAMES = [f"number-{number}" for number in range(COUNT)]

LISTS = {
    "/v1/access/keys": ("keys", "id"),
    "/v1/capabilities": ("capabilities", "digest"),
    "/v1/enrolments": ("tokens", "id"),
    "/v1/incidents": ("incidents", "incident"),
    "/v1/keys": ("keys", "key"),
    "/v1/templates": ("templates", "template"),
    "/v1/webhooks": ("webhooks", "id"),
}
"""What a page calls its members, and which member of theirs names them."""


def offering(name: str) -> Agent:
    agent = Agent(name)

    @agent.capability(f"{name.replace('-', '_')}.next@1.0.0")
    async def following(n: int) -> int:
        return n + 1

    return agent


async def refused(node: Any, count: int) -> None:
    deliveries: list[Any] = [
        type("Delivery", (), {"message": Message(b"%d" % number, b""), "attempts": 1})() for number in range(count)
    ]
    await node.parts.incidents.record_all([Suspect(one, Problem("ACC301", "refused")) for one in deliveries])


@pytest.fixture
async def filled(asker: Any) -> AsyncIterator[Any]:
    """There are five of everything but templates, at least."""
    node = asker.gateway.node
    await asker.show("admin")
    for name in NAMES:
        await asker.key("viewer", name)
        wanted = Wanted(name=name, organisation="local")
        await node.parts.enrolment.issue(wanted, by="test", now=node.parts.ports.clock.now())
        await node.add_webhook(Subscription(url=f"https://hooks.invalid/{name}"), by="test")
    await refused(node, COUNT)
    async with host(node, [offering(name) for name in NAMES]):
        yield asker


async def walked(asker: Any, path: str, name: str) -> tuple[list[Any], list[int]]:
    """The members of all pages, and how many each page had."""
    found, lengths = [], []
    while True:
        page = await asker.http.get(path)
        assert page.status_code == 200, page.text
        found += page.json()[name]
        lengths.append(len(page.json()[name]))
        link = page.links.get("next")
        assert (link is None) == (page.json()["next"] is None)
        if link is None:
            return found, lengths
        path = link["url"]


@pytest.mark.parametrize("path", list(LISTS))
async def test_each_member_comes_once_and_in_order(filled: Any, path: str) -> None:
    name, by = LISTS[path]
    whole = (await filled.http.get(path)).json()
    assert len(whole[name]) > 1
    assert whole["next"] is None
    for limit in (1, 2, len(whole[name]) - 1, len(whole[name]), 1000):
        found, lengths = await walked(filled, f"{path}?limit={limit}", name)
        assert found == whole[name]
        assert len(lengths) == -(-len(found) // limit)
        assert set(lengths[:-1]) <= {limit}
    last = whole[name][-1][by]
    assert (await filled.http.get(path, params={"after": last})).json() == {name: [], "next": None}


async def test_what_begins_no_page_is_refused(asker: Any) -> None:
    await asker.show("admin")
    for path in LISTS:
        for limit in (0, -1, 1001, "many"):
            asked = await asker.http.get(path, params={"limit": limit})
            assert (path, asked.status_code, asked.json()["code"]) == (path, 422, "ACC956")
        asked = await asker.http.get(path, params={"after": "nowhere"})
        numbered = path == "/v1/incidents"
        expected = (422, "ACC956") if numbered else (404, "ACC959")
        assert (path, asked.status_code, asked.json()["code"]) == (path, *expected)
        assert numbered or "nowhere" in asked.json()["problems"][0]["message"]


async def test_pages_of_the_keys_of_one_agent_have_none_of_others(filled: Any) -> None:
    agent = "spiffe://local/agent/number-3"
    page = await filled.http.get("/v1/keys", params={"agent": agent, "limit": 1})
    assert [one["agent"] for one in page.json()["keys"]] == [agent]
    assert page.json()["next"] is None


async def test_incidents_that_were_trimmed_end_the_last_page(filled: Any) -> None:
    node = filled.gateway.node
    await node.parts.ports.journal.trim(INCIDENTS, until=2)
    found, _ = await walked(filled, "/v1/incidents?limit=2", "incidents")
    assert [one["incident"] for one in found] == [5, 4, 3]
    for after in (1, 2, 3):
        assert (await filled.http.get("/v1/incidents", params={"after": after})).json()["incidents"] == []
    beyond = (await filled.http.get("/v1/incidents", params={"after": 10**30})).json()["incidents"]
    assert beyond == found


async def test_incidents_that_come_meanwhile_change_no_page_behind(filled: Any) -> None:
    first = (await filled.http.get("/v1/incidents?limit=2")).json()
    await refused(filled.gateway.node, 3)
    second = (await filled.http.get("/v1/incidents", params={"limit": 2, "after": first["next"]})).json()
    assert [one["incident"] for one in first["incidents"] + second["incidents"]] == [5, 4, 3, 2]
