"""`accord.Client` against a server on a real socket, with a proxy between them that cuts the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accord import Client
from accord.app import host
from accord.client.events import Happening, Progress, RunEvent
from accord.client.patience import Patience
from accord.client.remote import Remote
from accord.domain.access import Role
from accord.domain.document import Document
from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.message import Message
from accord.domain.news import Happened
from accord.engine.verdicts import Suspect
from accord.errors import (
    BadInput,
    ContractViolation,
    Forbidden,
    NotFound,
    Problem,
    Refused,
    StoreCorrupt,
    Unauthenticated,
)
from accord.ports import Record
from accord.sdk import Agent, Context
from accord.service import Invitation
from accord.templates.reading import read_source
from accord.views.proof import proof_of
from accord.views.tasks import listed_task, task_document

from .conftest import Site, serving_at
from .proxy import Proxy

QUICK = Patience(first_rest_s=0.01, longest_rest_s=0.05, feed_attempts=200, refused_s=1.0)

TWO = """
accord: template/1
name: two
version: 1.0.0
description: Two steps, and a word in between.
examples: ["do two of {n}"]
input: {type: object, required: [n], properties: {n: {type: integer}}, additionalProperties: false}
tasks:
  first: {uses: number.next@^1, with: {n: "${ input.n }"}}
  ask: {needs: [first], approval: {title: "Go on?"}}
  second: {needs: [ask], uses: number.next@^1, with: {n: "${ tasks.first.output }"}}
output: "${ tasks.second.output }"
"""


def counting(name: str = "counter", capability: str = "number.next") -> Agent:
    agent = Agent(name)

    @agent.capability(f"{capability}@1.0.0")
    async def following(n: int, context: Context) -> int:
        await context.progress(0.5, "half way")
        return n + 1

    return agent


async def key_of(site: Site, role: Role = "admin") -> str:
    return (await site.node.parts.access.issue(f"{role}-key", role, by="test")).text


@asynccontextmanager
async def client_of(site: Site, url: str | None = None, role: Role = "admin") -> AsyncIterator[Client]:
    async with Client(url or site.url, await key_of(site, role), patience=QUICK) as client:
        yield client


@pytest.fixture
async def staffed(site: Site) -> AsyncIterator[Site]:
    async with host(site.node, [counting()]):
        yield site


async def approved(client: Client, run: str) -> None:
    await client.signal(run, {"approved": True}, task="ask")


async def test_a_run_from_its_start_to_its_signed_result(staffed: Site) -> None:
    async with client_of(staffed) as client:
        published = await client.publish(TWO)
        assert (await client.publish(TWO)).digest == published.digest
        assert "two@1.0.0" in [one.template for one in await client.templates()]
        assert (await client.plan("do two of 3"))["input"] == {"n": 3}
        run = await client.start("two", {"n": 1}, title="mine")
        told: list[Happening] = []
        async for happening in client.watch(run.run):
            told.append(happening)
            if isinstance(happening, RunEvent) and happening.event == "task.waiting":
                (asked,) = [one async for one in client.approvals(kinds=("approval",), template="two", run=run.run)]
                assert (asked.task, asked.answer_href) == ("ask", f"/v1/runs/{run.run}/signals")
                await approved(client, run.run)
        result = await client.result(run.run)
        assert (result.state, result.output, result.title) == ("completed", 3, "mine")
        assert result.signed_by == "spiffe://local/orchestrator/main"
        events = [one for one in told if isinstance(one, RunEvent)]
        assert [one.sequence for one in events] == list(range(1, len(events) + 1))
        assert (events[0].event, events[-1].event) == ("run.started", "run.completed")
        assert {one.message for one in told if isinstance(one, Progress)} <= {"half way", ""}
        assert (await client.run(run.run))["by"] == "admin-key", "who let the run in is who shows the key"
        assert [one.run async for one in client.runs(template="two")] == [run.run]
        assert [one.agent for one in await client.agents("number.next")] == ["spiffe://local/agent/counter"]


async def test_controls(staffed: Site) -> None:
    async with client_of(staffed) as client:
        await client.publish(TWO)
        run = (await client.start("two", {"n": 1})).run
        assert (await client.pause(run, reason="wait")).state == "paused"
        assert (await client.resume(run)).state == "running"
        with pytest.raises(Refused, match="ACC403"):
            await client.resume(run)
        async for happening in client.watch(run):
            if isinstance(happening, RunEvent) and happening.event == "task.waiting":
                break
        fork = await client.fork(run, task="ask", changes={"n": 5})
        await client.cancel(run)
        assert (await client.result(run)).state == "cancelled"
        await approved(client, fork.run)
        assert (await client.result(fork.run)).output in (3, 7)
        assert (await client.rollback(fork.run, "second")).state in ("rolling_back", "running", "completed")
        assert (await client.result(fork.run)).state == "completed"


async def test_the_same_key_starts_one_run_in_two_processes_of_a_program(staffed: Site) -> None:
    async with client_of(staffed) as client:
        await client.publish(TWO)
        one = await client.start("two", {"n": 1}, once="order-17")
        two = await client.start("two", {"n": 1}, once="order-17")
        assert one.run == two.run
        with pytest.raises(Refused, match="ACC449 the idempotency key order-17"):
            await client.start("two", {"n": 2}, once="order-17")


async def test_what_is_refused_is_the_same_error_with_all_its_problems(staffed: Site) -> None:
    async with client_of(staffed) as client:
        await client.publish(TWO)
        with pytest.raises(ContractViolation) as broken:
            await client.start("two", {"n": "x", "m": 1})
        assert len(broken.value.problems) == 2
        with pytest.raises(NotFound, match="ACC761"):
            await client.start("three", {})
        with pytest.raises(NotFound, match="ACC409"):
            await client.result("run_x")
    async with client_of(staffed, role="operator") as operator:
        source = read_source(TWO)
        digest = await operator.service().publish(source.template, source.data)
        assert (await operator.service().start_run(digest, {"n": 1})).started.by == "operator-key"
        other = read_source(TWO.replace("1.0.0", "1.1.0"))
        with pytest.raises(Forbidden, match="ACC654"):
            await operator.service().publish(other.template, other.data)
    async with client_of(staffed, role="viewer") as viewer:
        with pytest.raises(Forbidden, match="ACC654"):
            await viewer.start("two", {"n": 1})
    async with Client(staffed.url, "accord_nobody_nothing", patience=QUICK) as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.templates()


async def test_a_watcher_whose_connection_is_cut_again_and_again_misses_nothing(staffed: Site, proxy: Proxy) -> None:
    async with client_of(staffed, proxy.url) as client:
        await client.publish(TWO)
        run = (await client.start("two", {"n": 1})).run
        sequences = []
        async for happening in client.watch(run):
            if isinstance(happening, RunEvent):
                sequences.append(happening.sequence)
                proxy.cut()
                if happening.event == "task.waiting":
                    await approved(client, run)
        head = (await staffed.node.records(RunId(run)))[-1].sequence
        assert sequences == list(range(1, head + 1))
        assert proxy.connections > 1, "it was cut, and connected again"


async def test_a_watcher_outlives_the_server(tmp_path: Path) -> None:
    async with serving_at(tmp_path / "server") as first, host(first.node, [counting()]):
        key, port = await key_of(first), first.port
        async with Client(first.url, key, patience=QUICK) as client:
            await client.publish(TWO)
            run = (await client.start("two", {"n": 1})).run
    async with Client(f"http://127.0.0.1:{port}", key, patience=QUICK) as client:
        watching = asyncio.ensure_future(client.result(run))
        async with serving_at(tmp_path / "server", port) as second, host(second.node, [counting()]):
            assert await second.node.adopt(RunId(run))
            async for news in second.node.follow(RunId(run)):
                if isinstance(news, Happened) and news.run.state(TaskId("ask")).waiting is not None:
                    break
            await approved(client, run)
            assert (await watching).output == 3


async def test_no_proxy_of_the_environment_is_shown_what_is_asked_on_this_machine(
    staffed: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with client_of(staffed) as client:
        assert await client.templates()


async def test_the_tasks_of_a_run_and_their_attempts(staffed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accord.client.pages.PAGE", 1)
    async with client_of(staffed) as client:
        await client.publish(TWO)
        run = RunId((await client.start("two", {"n": 1})).run)
        await approved(client, run)
        await client.result(run)
        state = await staffed.node.run(run)
        tasks = [task async for task in client.tasks(run)]
        assert tasks == [listed_task(state, name, state.updated_at) for name in state.graph.order]
        assert [task.task async for task in client.tasks(run, states=("failed",))] == []
        assert [task.task async for task in client.tasks(run, states=("completed",))] == list(state.graph.order)
        for name in state.graph.order:
            told = await client.task(run, name)
            assert told == await task_document(staffed.node, state, name, None)
            assert tuple(await client.attempts(run, name)) == told.attempts
        (attempt,) = await client.attempts(run, "second")
        assert (attempt.input, attempt.output) == ({"n": 2}, 3)
        assert await client.attempt(run, "second", 1) == attempt
        for missing in (client.task(run, "third"), client.attempts(run, "a[0]"), client.attempt(run, "second", 2)):
            with pytest.raises(NotFound, match="ACC434"):
                await missing
        with pytest.raises(NotFound):
            await anext(client.tasks("run_00000000000000000000000001"))


async def test_lists_are_whole_however_long_a_page_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pages", "remote"):
        monkeypatch.setattr(f"accord.client.{module}.PAGE", 2)
    delivery: Any = type("Delivery", (), {"message": Message(b"statement", b""), "attempts": 1})()
    await site.node.parts.incidents.record_all([Suspect(delivery, Problem("ACC301", "refused"))] * 5)
    agents = [counting(f"counter-{number}", f"number.next{number}") for number in range(5)]
    async with host(site.node, agents), client_of(site) as client:
        for agent in agents:
            await client.add_webhook(f"https://hooks.invalid/{agent.name}")
            await site.node.issue_enrolment_token(Invitation(name=agent.name), by="test")
            await site.node.issue_api_key(agent.name, "viewer", by="test")
        there, here = client.service(), site.node
        assert await there.contracts() == await here.contracts()
        assert await there.api_keys() == await here.api_keys()
        assert await there.enrolment_tokens() == await here.enrolment_tokens()
        assert await client.webhooks() == await here.webhooks()
        assert len(await client.webhooks()) == 5
        whole = await here.incidents(10)
        assert [one.number for one in whole] == [5, 4, 3, 2, 1]
        for limit in (1, 2, 3, 5, 10):
            assert await there.incidents(limit) == whole[:limit]
            assert await there.incidents(limit, after=4) == whole[2 : 2 + limit]
        assert [one["incident"] async for one in client.incidents()] == [5, 4, 3, 2, 1]
        assert [one["incident"] async for one in client.incidents(after=3)] == [2, 1]


# -- the service of a server -------------------------------------------------------------------------------------


async def test_a_servers_service_gives_what_the_node_itself_gives(staffed: Site) -> None:
    async with client_of(staffed) as client:
        await client.publish(TWO)
        run = RunId((await client.start("two", {"n": 1})).run)
        await client.cancel(run)
        await client.result(run)
        there, here = client.service(), staffed.node
        assert await there.run(run) == await here.run(run)
        assert await there.run(run, until=2) == await here.run(run, until=2)
        assert await there.records(run) == await here.records(run)
        assert await there.records(run, after=1, limit=1) == await here.records(run, after=1, limit=1)
        assert await there.summary(run) == await here.summary(run)
        assert await there.templates() == await here.templates()
        assert await there.contracts() == await here.contracts()
        assert [one.keys for one in await there.agents()] == [one.keys for one in await here.agents()]
        assert await there.holds() == await here.holds()
        known, seen = await there.cluster(), await here.cluster()
        assert (known.members, known.runs, known.store) == (seen.members, seen.runs, seen.store)
        news = [one async for one in there.follow(run) if isinstance(one, Happened)]
        assert news[-1].run == await here.run(run)
        assert (await proof_of(there, run)).ok


@pytest.mark.abuse(
    "ASI07", at="gateway", stride="tampering", case="a server whose answers do not fit its own signatures"
)
async def test_nothing_is_believed_that_can_be_verified(staffed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client_of(staffed) as client:
        await client.publish(TWO)
        run = RunId((await client.start("two", {"n": 1})).run)
        await client.cancel(run)
        await client.result(run)
        there = client.service()
        honest = staffed.node.records

        async def lying(run: RunId, **more: int) -> list[Record]:
            records = await honest(run, **more)
            changed = records[0].data.replace(b'"by":"admin-key"', b'"by":"nobody"')
            return [msgspec.structs.replace(records[0], data=changed), *records[1:]]

        monkeypatch.setattr(staffed.node, "records", lying)
        with pytest.raises(StoreCorrupt, match="ACC526"):
            await there.run(run)
        assert isinstance(there, Remote)
        connection = there._connection

        async def another(path: str) -> bytes:
            return b"another document"

        monkeypatch.setattr(connection, "data", another)
        with pytest.raises(StoreCorrupt, match="ACC976"):
            await there.data(Document(Digest("0" * 64), 3))


async def test_a_start_that_is_asked_for_again_plans_nothing(staffed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client_of(staffed) as client:
        await client.publish(TWO)
        by_words = await client.start("do two of 3", once="words")
        by_name = await client.start("two", {"n": 1}, title="mine", once="name")
        # What would be planned now is another template; and planning fails.
        await client.publish(TWO.replace("1.0.0", "1.1.0").replace("Two steps", "2 steps"))
        monkeypatch.setattr("accord.gateway.resources.runs.planned", None)
        assert (await client.start("do two of 3", once="words")).run == by_words.run
        assert (await client.start("two", {"n": 1}, title="mine", once="name")).run == by_name.run
        assert (await client.start("two@1.0.0", {"n": 1}, title="mine", once="name")).run == by_name.run
        others = [("do two of 4", None, ""), ("do two of 3", {"n": 4}, ""), ("two", {"n": 3}, "")]
        for what, given, title in others:
            with pytest.raises(Refused, match="ACC449"):
                await client.start(what, given, title=title, once="words")
        for what, given, title in [("two", {"n": 2}, "mine"), ("two", {"n": 1}, ""), ("two@^1.1", {"n": 1}, "mine")]:
            with pytest.raises(Refused, match="ACC449"):
                await client.start(what, given, title=title, once="name")


async def test_webhooks_are_added_shown_and_removed(site: Site) -> None:
    async with client_of(site) as client:
        added = await client.add_webhook("https://hooks.invalid/a", types=["run.*"], templates=["two@1.0.0"])
        assert added.secret.startswith("whsec_")
        assert await client.webhooks() == [added.webhook]
        assert (added.webhook.types, added.webhook.templates) == (("run.*",), ("two@1.0.0",))
        assert await client.service().webhook(added.webhook.id) == added.webhook
        with pytest.raises(BadInput) as refused:
            await client.add_webhook("ftp://a/b", types=["run.complted", "task.*", "nothing.*"])
        assert [problem.code for problem in refused.value.problems] == ["ACC987", "ACC984", "ACC984"]
        assert refused.value.problems[1].hint == "did you mean run.completed?"
        assert await client.remove_webhook(added.webhook.id) == added.webhook
        assert await client.webhooks() == []
        with pytest.raises(NotFound, match="ACC985"):
            await client.remove_webhook(added.webhook.id)


async def test_templates_are_compared(staffed: Site) -> None:
    async with client_of(staffed) as client:
        changed = TWO.replace("1.0.0", "1.1.0").replace("Go on?", "On?").replace("  second:", "  third:")
        with pytest.raises(NotFound, match="ACC761"):
            await client.diff("two@1.0.0", "two")
        await client.publish(TWO)
        after = await client.publish(changed.replace("tasks.second", "tasks.third"))
        for reference in ("two", "two@^1.1", after.digest):
            found = await client.diff("two@1.0.0", reference)
            assert (found.before.template, found.after.digest) == ("two@1.0.0", after.digest)
            tasks = found.tasks
            assert (tasks.added, tasks.removed, tasks.changed) == (("third",), ("second",), ("ask",))
        title = next(one for one in found.changes if one.pointer == "/tasks/ask/approval/title")
        assert (title.kind, title.before, title.after) == ("changed", "Go on?", "On?")
