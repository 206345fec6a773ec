"""Agents that join over the network: who is let in, and what becomes of their work when connections break."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accord.app import open_node
from accord.custody import Custody
from accord.domain.agent import registry_id
from accord.domain.event import AttemptExpired
from accord.domain.handshake import ConnectPayload, connect_claims
from accord.domain.ids import InstanceId, KeyId, TaskId
from accord.domain.message import Message, encode_claims
from accord.domain.payloads import encode_payload
from accord.domain.signature import attach, signing_input
from accord.domain.system import INCIDENTS
from accord.engine.departures import Belongings
from accord.errors import AccordError, BadInput, MessageRefused
from accord.gateway.agents import AgentSockets
from accord.joining import Destination, Station, join
from accord.keys.opening import open_keys
from accord.ports import agent_subject
from accord.sdk import Agent
from accord.settings import Settings

from .conftest import Places, Site, serving_at
from .proxy import Proxy


class Greeter:
    """An agent that greets, and counts how often it has."""

    def __init__(self, name: str = "hello", version: str = "1.0.0", **capacity: int) -> None:
        self.agent = Agent(name, **capacity)
        self.greeted: list[str] = []
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

        @self.agent.capability(f"text.greet@{version}")
        async def greet(name: str) -> str:
            self.greeted.append(name)
            self.begun.set()
            await self.may_end.wait()
            return f"Hello {name}"


def codes(error: pytest.ExceptionInfo[AccordError]) -> list[str]:
    return [problem.code for problem in error.value.problems]


async def output(site: Site, run: object) -> object:
    return await site.node.parts.documents.fetched(run.output)  # type: ignore[attr-defined]


# -- who is let in ---------------------------------------------------------------------------------------------------


async def test_an_agent_with_a_token_does_the_work(site: Site, places: Places, greet: Path) -> None:
    greeter = Greeter()
    await places.join(greeter.agent, site.url, token=await site.token("hello"))
    run = await site.run(greet, {"name": "Ada"})
    assert run.phase == "completed"
    assert await output(site, run) == "Hello Ada"
    assert greeter.greeted == ["Ada"]


async def test_once_let_in_it_needs_no_token_and_trusts_the_same_orchestrator(
    site: Site, tmp_path: Path, greet: Path
) -> None:
    token = await site.token("hello")
    async with AsyncExitStack() as stack:
        await Places(tmp_path, stack).join(Greeter().agent, site.url, token=token)
    async with AsyncExitStack() as stack:
        await Places(tmp_path, stack).join(Greeter().agent, site.url)
        assert (await site.run(greet, {"name": "Ada"})).phase == "completed"
    known = site.node.parts.identity.key.kid
    async with AsyncExitStack() as stack:
        places = Places(tmp_path, stack)
        with pytest.raises(MessageRefused, match=f"ACC996 .* has the key wrong; .* {known}"):
            await places.join(Greeter().agent, site.url, trusted=frozenset({KeyId("wrong")}))
        await places.join(Greeter().agent, site.url, trusted=frozenset({KeyId("wrong"), known}))


async def test_an_admin_credential_gets_the_token(site: Site, places: Places, greet: Path) -> None:
    issued = await site.node.parts.access.issue("test", "admin", by="test")
    await places.join(Greeter().agent, site.url, credential=issued.text)
    assert (await site.run(greet, {"name": "Ada"})).phase == "completed"


async def test_a_viewers_credential_gets_none(site: Site, places: Places) -> None:
    issued = await site.node.parts.access.issue("test", "viewer", by="test")
    with pytest.raises(AccordError) as refused:
        await places.join(Greeter().agent, site.url, credential=issued.text)
    assert codes(refused) == ["ACC654"]


async def test_without_token_credential_or_trust_nobody_is_believed(site: Site, places: Places) -> None:
    with pytest.raises(BadInput) as refused:
        await places.join(Greeter().agent, site.url)
    assert codes(refused) == ["ACC792"]
    assert "accord agents enrol" in str(refused.value)


@pytest.mark.abuse("ASI03", at="gate", stride="spoofing", case="an enrolment token used by a second key")
async def test_a_token_is_good_for_one_key(site: Site, places: Places) -> None:
    token = await site.token("hello")
    await places.join(Greeter().agent, site.url, token=token, home="one")
    with pytest.raises(MessageRefused) as refused:
        await places.join(Greeter().agent, site.url, token=token, home="two")
    assert codes(refused) == ["ACC784"]


async def test_a_token_is_for_one_name(site: Site, places: Places) -> None:
    with pytest.raises(MessageRefused) as refused:
        await places.join(Greeter("other").agent, site.url, token=await site.token("hello"))
    assert codes(refused) == ["ACC783"]


async def test_an_invented_token(site: Site, places: Places) -> None:
    real = await site.token("hello")
    prefix, token, secret, key = real.split(".")
    with pytest.raises(MessageRefused) as refused:
        await places.join(Greeter().agent, site.url, token=f"{prefix}.{token}.{secret[::-1]}.{key}")
    assert codes(refused) == ["ACC782"]


async def test_a_withdrawn_token(site: Site, places: Places) -> None:
    text = await site.token("hello")
    (token,) = await site.node.parts.enrolment.tokens()
    await site.node.parts.enrolment.withdraw(token.id, by="test", now=site.node.parts.ports.clock.now())
    with pytest.raises(MessageRefused) as refused:
        await places.join(Greeter().agent, site.url, token=text)
    assert codes(refused) == ["ACC784"]


@pytest.mark.abuse("ASI01", "ASI07", at="agent", stride="spoofing", case="an orchestrator that is another one")
async def test_an_orchestrator_with_another_key_is_not_believed(site: Site, places: Places) -> None:
    prefix, token, secret, _ = (await site.token("hello")).split(".")
    other = "A" * 43
    with pytest.raises(MessageRefused) as refused:
        await places.join(Greeter().agent, site.url, token=f"{prefix}.{token}.{secret}.{other}")
    assert codes(refused) == ["ACC776"]


@pytest.mark.abuse(
    "ASI04", at="gate", stride="elevation of privilege", case="an offer beyond what the enrolment allows"
)
async def test_a_card_offers_what_the_agent_was_enrolled_for(site: Site, places: Places) -> None:
    token = await site.token("hello", offers=("text.other@^1",))
    await places.join(Greeter().agent, site.url, token=token)
    with pytest.raises(MessageRefused) as refused:
        await site.node.present(Greeter().agent.id)
    assert codes(refused) == ["ACC719"]


async def test_whoever_is_connected_with_a_key_is_shown_out_when_it_is_revoked(site: Site, places: Places) -> None:
    """Nothing is sent to it meanwhile, and it says nothing."""
    joined = await places.join(Greeter().agent, site.url, token=await site.token("hello"))
    await site.node.present(joined.worker.agent.id)
    (known,) = (await site.node.agents())[0].keys
    await site.node.revoke_key(known.public.kid, by="test", reason="lost")
    async with asyncio.timeout(60):
        with pytest.raises(MessageRefused) as error:
            await asyncio.shield(joined.bus.ended)  # type: ignore[union-attr]
    assert codes(error) == ["ACC662"]
    (sockets,) = _agent_sockets(site)
    assert sockets.connected == 0


async def test_whose_key_has_ended_is_told_so_and_what_to_do(site: Site, tmp_path: Path, greet: Path) -> None:
    agent = Greeter().agent
    async with AsyncExitStack() as stack:
        await Places(tmp_path, stack).join(agent, site.url, token=await site.token("hello"))
    (known,) = await site.node.keys(agent.id)
    await site.node.revoke_key(known.public.kid, by="test", reason="between us")
    admin = await site.node.parts.access.issue("test", "admin", by="test")
    for more in ({}, {"token": await site.token("hello")}, {"credential": admin.text}):
        async with AsyncExitStack() as stack:
            with pytest.raises(MessageRefused) as refused:
                await Places(tmp_path, stack).join(agent, site.url, **more)
        assert codes(refused) == ["ACC662"]
        assert "it is revoked" in str(refused.value)
        assert "accord keys rotate agent.local.hello" in str(refused.value)
        assert "between us" not in str(refused.value)
    async with open_keys(Places(tmp_path, AsyncExitStack()).station("agent").custody) as keys:
        await keys.replace("agent.local.hello")
    async with AsyncExitStack() as stack:
        await Places(tmp_path, stack).join(agent, site.url, credential=admin.text)
        assert (await site.run(greet, {"name": "Ada"})).phase == "completed"


@pytest.mark.abuse(
    "ASI03", at="gate", stride="information disclosure", case="somebody asks what has become of another's key"
)
async def test_what_has_become_of_a_key_is_told_to_nobody_else(site: Site, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        joined = await Places(tmp_path, stack).join(Greeter().agent, site.url, token=await site.token("hello"))
    (known,) = await site.node.keys(Greeter().agent.id)
    await site.node.revoke_key(known.public.kid, by="test")
    (sockets,), ports = _agent_sockets(site), site.node.parts.ports
    payload = encode_payload(ConnectPayload(instance=joined.worker.instance))
    claims = connect_claims(joined.worker.agent.id, registry_id("local"), "nonce", payload, ports.clock.now())
    signed = signing_input(known.public.kid, "ES256", encode_claims(claims))
    (signature,) = await ports.keys.sign((await ports.keys.create("forger")).kid, [signed])
    with pytest.raises(MessageRefused) as refused:
        await sockets._connecting(Message(attach(signed, signature), payload), "nonce")
    assert codes(refused) == ["ACC311"]


def _agent_sockets(site: Site) -> list[AgentSockets]:
    return [one for one in site.gateway.sockets.namespace_handlers.values() if isinstance(one, AgentSockets)]


@pytest.mark.abuse("ASI03", "ASI07", at="gate", stride="spoofing", case="a connection that speaks for another agent")
async def test_an_agent_speaks_for_itself_alone(site: Site, places: Places) -> None:
    one = await places.join(Greeter("one").agent, site.url, token=await site.token("one"))
    said: list[Message] = []
    publish = one.bus.publish

    async def overhear(parcels: list) -> None:  # type: ignore[type-arg]
        said.extend(parcel.message for parcel in parcels)
        await publish(parcels)

    one.bus.publish = overhear  # type: ignore[method-assign,assignment]
    two = await places.join(Greeter("two").agent, site.url, token=await site.token("two"), home="two")
    while not said:
        await asyncio.sleep(0)
        one.worker._shift._parts.presence.beat()  # type: ignore[union-attr]
    answer = await two.bus._connection.ask("message", (said[0].statement.decode(), said[0].payload))  # type: ignore[union-attr]
    assert answer["problems"][0]["code"] == "ACC777"
    (incident,) = await site.node.incidents(10)
    assert incident.event.problem.code == "ACC777"  # type: ignore[union-attr]


# -- what becomes of the work ----------------------------------------------------------------------------------------


async def test_credit_is_not_told_for_each_assignment(
    site: Site, places: Places, greet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals: list[object] = []
    noted = AgentSockets.on_credit

    async def note(sockets: AgentSockets, sid: str, total: object = None) -> dict[str, Any]:
        totals.append(total)
        return await noted(sockets, sid, total)

    monkeypatch.setattr(AgentSockets, "on_credit", note)
    greeter = Greeter()
    await places.join(greeter.agent, site.url, token=await site.token("hello"))
    for number in range(40):
        assert (await site.run(greet, {"name": f"n{number}"})).phase == "completed"
    concurrency = greeter.agent.capacity.concurrency
    assert totals == list(range(concurrency, totals[-1] + 1, concurrency // 2))  # type: ignore[operator]
    assert 40 <= totals[-1] <= 40 + concurrency  # type: ignore[operator]


async def test_a_connection_cut_while_it_works(site: Site, proxy: Proxy, places: Places, greet: Path) -> None:
    greeter = Greeter()
    greeter.may_end.clear()
    await places.join(greeter.agent, proxy.url, token=await site.token("hello"))
    run = await site.start(greet, {"name": "Ada"})
    await greeter.begun.wait()
    proxy.cut()
    greeter.may_end.set()
    async with asyncio.timeout(30):
        ended = await site.node.ended(run.id)
    assert ended.phase == "completed"
    assert greeter.greeted == ["Ada"]
    assert len(ended.state("greet").attempts) == 1


class Noted:
    """What was told of a connection."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._news = asyncio.Event()

    def lost(self, why: str) -> None:
        assert why
        self._note("lost")

    def joined(self) -> None:
        self._note("joined")

    def _note(self, what: str) -> None:
        self.told.append(what)
        self._news.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()


async def test_who_runs_an_agent_is_told_once_that_the_server_is_gone_and_once_that_it_is_back(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    noted = Noted()
    home = tmp_path / "agent"
    station = Station(home=home, custody=Custody(files=home / "keys", passphrase=home / "passphrase"), watch=noted)
    async with AsyncExitStack() as stack:
        async with serving_at(tmp_path / "server", unused_tcp_port) as site:
            token = await site.token("hello")
            await stack.enter_async_context(join([Greeter().agent], Destination(url=site.url, token=token), station))
            assert noted.told == ["joined"]
        await noted.until(2)
        async with serving_at(tmp_path / "server", unused_tcp_port):
            await noted.until(3)
            assert noted.told == ["joined", "lost", "joined"]


async def test_a_server_that_does_not_answer_is_told_before_the_first_connection(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    noted = Noted()
    home = tmp_path / "agent"
    station = Station(home=home, custody=Custody(files=home / "keys", passphrase=home / "passphrase"), watch=noted)
    destination = Destination(url=f"http://127.0.0.1:{unused_tcp_port}", trusted=frozenset({KeyId("x")}))

    async def wait() -> None:
        async with join([Greeter().agent], destination, station):
            pass

    waiting = asyncio.create_task(wait())
    try:
        await noted.until(1)
        assert noted.told == ["lost"]
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_an_answer_whose_acknowledgement_is_lost_is_accepted_once(
    site: Site, proxy: Proxy, places: Places, greet: Path
) -> None:
    greeter = Greeter()
    greeter.may_end.clear()
    await places.join(greeter.agent, proxy.url, token=await site.token("hello"))
    run = await site.start(greet, {"name": "Ada"})
    await greeter.begun.wait()

    def cut(point: str) -> None:
        if point == "after_append":
            proxy.cut()  # durable, and nobody was told

    site.node.parts.reached = cut
    greeter.may_end.set()
    async with asyncio.timeout(30):
        ended = await site.node.ended(run.id)
    site.node.parts.reached = lambda point: None
    assert ended.phase == "completed"
    assert greeter.greeted == ["Ada"]
    assert await site.node.incidents(10) == []


async def test_a_server_that_is_started_again(tmp_path: Path, places: Places, greet: Path) -> None:
    greeter = Greeter()
    async with serving_at(tmp_path / "server") as site:
        port = site.port
        await places.join(greeter.agent, site.url, token=await site.token("hello"))
        assert (await site.run(greet, {"name": "Ada"})).phase == "completed"
    async with serving_at(tmp_path / "server", port) as site:
        assert (await site.run(greet, {"name": "Bob"})).phase == "completed"
    assert greeter.greeted == ["Ada", "Bob"]


async def test_a_server_that_dies_while_one_of_two_instances_works(tmp_path: Path, places: Places, greet: Path) -> None:
    one, two = Greeter(), Greeter()
    one.may_end.clear()
    two.may_end.clear()
    async with serving_at(tmp_path / "server") as site:
        port = site.port
        await places.join(one.agent, site.url, token=await site.token("hello"))
        await places.join(two.agent, site.url)
        run = await site.start(greet, {"name": "Ada"})
        await asyncio.wait(
            [asyncio.ensure_future(greeter.begun.wait()) for greeter in (one, two)],
            return_when=asyncio.FIRST_COMPLETED,
        )
    async with serving_at(tmp_path / "server", port) as site:
        await site.node.adopt(run.id)
        await site.node.present(one.agent.id)
        changed = asyncio.Event()
        site.node.parts.registry.changed.append(changed.set)
        while len(site.node.parts.registry.instances(one.agent.id)) < 2:
            await changed.wait()
            changed.clear()
        one.may_end.set()
        two.may_end.set()
        async with asyncio.timeout(60):
            ended = await site.node.ended(run.id)
        await places.left()
    assert ended.phase == "completed"
    assert one.greeted + two.greeted == ["Ada"]
    assert len(ended.state("greet").attempts) == 1


async def test_two_instances_share_the_work_and_nothing_is_done_twice(site: Site, places: Places, greet: Path) -> None:
    one, two = Greeter(), Greeter()
    token = await site.token("hello")
    await places.join(one.agent, site.url, token=token)
    await places.join(two.agent, site.url)
    runs = await asyncio.gather(*(site.run(greet, {"name": f"n{number}"}) for number in range(40)))
    assert {run.phase for run in runs} == {"completed"}
    assert sorted(one.greeted + two.greeted) == sorted(f"n{number}" for number in range(40))
    assert one.greeted
    assert two.greeted


async def test_of_two_releases_each_gets_what_it_offers(site: Site, places: Places, greet: Path) -> None:
    old, new = Greeter(), Greeter(version="1.1.0")
    token = await site.token("hello")
    await places.join(old.agent, site.url, token=token)
    assert (await site.run(greet, {"name": "Ada"})).phase == "completed"
    await places.join(new.agent, site.url)
    runs = await asyncio.gather(*(site.run(greet, {"name": f"n{number}"}) for number in range(12)))
    attempts = {run.started.run: run.state(TaskId("greet")).attempts for run in runs}
    assert {run.phase for run in runs} == {"completed"}
    assert {len(found) for found in attempts.values()} == {1}, "nobody had to be asked twice"
    asked = Counter(attempt.capability for (attempt,) in attempts.values())
    assert (asked["text.greet@1.0.0"] + 1, asked["text.greet@1.1.0"]) == (len(old.greeted), len(new.greeted))


async def begins_first(*greeters: Greeter) -> Greeter:
    """The one of them that gets something to do first."""
    waiting = {asyncio.ensure_future(greeter.begun.wait()): greeter for greeter in greeters}
    done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    return waiting[done.pop()]


async def test_what_a_vanished_instance_had_is_given_to_another_one_before_its_lease_runs_out(
    tmp_path: Path, places: Places, greet: Path
) -> None:
    one, two = Greeter(), Greeter()
    for greeter in (one, two):
        greeter.may_end.clear()
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(serving_at(tmp_path / "server", agent_returns_within_s=0.5))
        ways = [await stack.enter_async_context(Proxy.before("127.0.0.1", site.port)) for _ in range(2)]
        await places.join(one.agent, ways[0].url, token=await site.token("hello"))
        await places.join(two.agent, ways[1].url, trusted=frozenset([site.node.parts.identity.key.kid]))
        run = await site.start(greet, {"name": "Ada"})
        first = await begins_first(one, two)
        way, other = (ways[0], two) if first is one else (ways[1], one)
        way.refuses = True
        way.cut()
        other.may_end.set()
        ended = await site.node.ended(run.id)
        expired = [event for _, event in await site.node.events(run.id) if isinstance(event, AttemptExpired)]
        assert [event.cause for event in expired] == ["agent_lost"]
        assert ended.phase == "completed"
        way.refuses = False
        first.may_end.set()
        again = await site.start(greet, {"name": "Bob"})  # what the lost one says now is late, and counts for nothing
        assert (await site.node.ended(again.id)).phase == "completed"
        assert await site.node.incidents(10) == []
        await places.left()
    assert sorted(one.greeted + two.greeted) == ["Ada", "Ada", "Bob"]
    assert [attempt.phase for attempt in ended.state("greet").attempts] == ["expired", "succeeded"]


async def test_an_instance_that_comes_back_in_time_keeps_what_it_has(
    tmp_path: Path, places: Places, greet: Path
) -> None:
    greeter, gone = Greeter(), asyncio.Event()
    greeter.may_end.clear()
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(serving_at(tmp_path / "server", agent_returns_within_s=3600.0))
        way = await stack.enter_async_context(Proxy.before("127.0.0.1", site.port))
        await places.join(greeter.agent, way.url, token=await site.token("hello"))
        run = await site.start(greet, {"name": "Ada"})
        await greeter.begun.wait()
        departures, left = site.node.parts.departures, site.node.parts.departures.left

        def note(instance: InstanceId, had: Belongings, now: datetime) -> None:
            assert len(had.leases) == 1
            left(instance, had, now)
            gone.set()

        departures.left = note  # type: ignore[method-assign]
        for _ in range(2):  # what it has is known over more than one connection
            gone.clear()
            way.cut()
            await gone.wait()
            await connected(site)
        greeter.may_end.set()
        ended = await site.node.ended(run.id)
        del departures.left
    assert len(ended.state("greet").attempts) == 1
    assert greeter.greeted == ["Ada"]


async def connected(site: Site) -> None:
    """Wait until an instance is connected that knows of nothing that it has lost."""
    returned, seen = site.node.parts.departures.returned, asyncio.Event()

    def note(instance: InstanceId) -> Belongings:
        seen.set()
        return returned(instance)

    site.node.parts.departures.returned = note  # type: ignore[method-assign]
    await seen.wait()
    del site.node.parts.departures.returned


@pytest.mark.parametrize("cuts", [3])
async def test_cut_again_and_again(site: Site, proxy: Proxy, places: Places, greet: Path, cuts: int) -> None:
    greeter = Greeter()
    await places.join(greeter.agent, proxy.url, token=await site.token("hello"))
    runs = []
    for number in range(30):
        runs.append(await site.start(greet, {"name": f"n{number}"}))
        if number % (30 // cuts) == 0:
            proxy.cut()
    async with asyncio.timeout(90):
        ended = [await site.node.ended(run.id) for run in runs]
    assert {run.phase for run in ended} == {"completed"}
    assert sorted(greeter.greeted) == sorted(f"n{number}" for number in range(30))


async def test_everything_is_said_twice(site: Site, proxy: Proxy, places: Places, greet: Path) -> None:
    proxy.repeats = 1.0
    greeter = Greeter()
    async with asyncio.timeout(30):
        await places.join(greeter.agent, proxy.url, token=await site.token("hello"))
        runs = await asyncio.gather(*(site.run(greet, {"name": f"n{number}"}) for number in range(10)))
    assert {run.phase for run in runs} == {"completed"}
    assert sorted(greeter.greeted) == sorted(f"n{number}" for number in range(10))
    assert proxy.repeated > 20
    assert proxy.connections == 1, "a proof that came twice ended no session"
    assert await site.node.incidents(10) == []


async def test_what_is_given_back_twice_is_done_once(
    site: Site, proxy: Proxy, places: Places, greet: Path, tmp_path: Path
) -> None:
    one, two, three = (Greeter(concurrency=1, queue=8) for _ in range(3))
    one.may_end.clear()
    async with AsyncExitStack() as stack:
        leaving = await Places(tmp_path / "agents", stack).join(one.agent, proxy.url, token=await site.token("hello"))
        proxy.repeats = 1.0
        runs = [await site.start(greet, {"name": f"n{number}"}) for number in range(5)]
        while len(leaving.worker.leases) < 5:  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0)
        for other in (two, three):
            await places.join(other.agent, proxy.url)
        one.may_end.set()
    async with asyncio.timeout(60):
        ended = [await site.node.ended(run.id) for run in runs]
    assert {run.phase for run in ended} == {"completed"}
    assert two.greeted or three.greeted, "what had not begun was given back"
    assert sorted(one.greeted + two.greeted + three.greeted) == [f"n{number}" for number in range(5)]


async def test_what_has_begun_is_not_given_back_though_it_came_twice(
    site: Site, proxy: Proxy, places: Places, greet: Path, tmp_path: Path
) -> None:
    one, two = Greeter(concurrency=1, queue=0), Greeter(concurrency=1, queue=0)
    one.may_end.clear()
    async with AsyncExitStack() as stack:
        leaving = await Places(tmp_path / "agents", stack).join(one.agent, proxy.url, token=await site.token("hello"))
        proxy.repeats = 1.0
        run = await site.start(greet, {"name": "Ada"})
        await one.begun.wait()
        while not await leaving.bus.depth(agent_subject(one.agent.id)):  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0)
        await places.join(two.agent, proxy.url)
        one.may_end.set()
    async with asyncio.timeout(60):
        assert (await site.node.ended(run.id)).phase == "completed"
    depth = await site.node.parts.ports.bus.depth(agent_subject(one.agent.id))
    assert (one.greeted, two.greeted, depth) == (["Ada"], [], 0)


# -- another key -------------------------------------------------------------------------------------------------


async def test_the_orchestrators_key_is_rotated_and_nobody_notices(tmp_path: Path, greet: Path) -> None:
    greeter = Greeter()
    async with AsyncExitStack() as stack:
        places = Places(tmp_path, stack)
        async with serving_at(tmp_path / "server") as site:
            port, first = site.port, site.node.parts.identity.key.kid
            outstanding = await site.token("late")
            await places.join(greeter.agent, site.url, token=await site.token("hello"))
            assert (await site.run(greet, {"name": "Ada"})).phase == "completed"
            await site.node.rotate_key("orchestrator", timedelta(hours=1), by="test")
            assert (await site.run(greet, {"name": "Eve"})).phase == "completed"
        async with serving_at(tmp_path / "server", port) as site:
            assert site.node.parts.identity.key.kid != first
            assert (await site.run(greet, {"name": "Bob"})).phase == "completed"
            late = Greeter("late")
            await places.join(late.agent, site.url, token=outstanding, home="late")  # its token names the first key
            await site.node.present(late.agent.id)
            assert await site.node.parts.ports.journal.read(INCIDENTS) == []
    assert greeter.greeted == ["Ada", "Eve", "Bob"]


async def test_who_was_away_follows_what_has_succeeded_and_keeps_it(tmp_path: Path, greet: Path) -> None:
    async with serving_at(tmp_path / "server") as site, AsyncExitStack() as stack:
        port, token = site.port, await site.token("hello")
        await Places(tmp_path, stack).join(Greeter().agent, site.url, token=token)
    async with open_node(Settings(home=tmp_path / "server")) as node:
        await node.rotate_key("orchestrator", timedelta(hours=1), by="test")
    async with serving_at(tmp_path / "server", port) as site, AsyncExitStack() as stack:
        await Places(tmp_path, stack).join(Greeter().agent, site.url)
        assert (await site.run(greet, {"name": "Ada"})).phase == "completed"
        assert site.node.parts.identity.key.kid in (tmp_path / "agent" / "trusted.json").read_text()
    async with serving_at(tmp_path / "another", port) as site, AsyncExitStack() as stack:
        with pytest.raises(MessageRefused) as refused:
            await Places(tmp_path, stack).join(Greeter().agent, site.url)
        assert codes(refused) == ["ACC771"]
