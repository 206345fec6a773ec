"""What all runs ask, over HTTP: whoever owns a run, in pages, and only while it waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accord.app import host, open_node
from accord.domain.approval import ApprovalQuery
from accord.domain.ids import RunId, TaskId
from accord.domain.news import Happened
from accord.engine import approvals
from accord.engine.node import Node
from accord.errors import StoreCorrupt
from accord.sdk import Agent, Result
from accord.settings import Settings
from accord.templates.reading import read_source

ASKS = """
accord: template/1
name: asks
version: 1.0.0
input: {type: object, properties: {names: {type: array, items: {type: string}}}, additionalProperties: false}
tasks:
  each: {for_each: "${ input.?names.orValue([]) }", approval: {title: "Is ${ item } right?"}}
  go: {signal: {name: go, schema: {type: integer}}}
  pause: {sleep: 9h}
  sure: {approval: {title: "Sure?", timeout: 2d}}
"""

GUESSES = """
accord: template/1
name: guesses
version: 1.0.0
tasks:
  guess: {uses: text.guess@^1, confidence: {at_least: 0.8, otherwise: review}, with: {}}
"""

SLEEPS = """
accord: template/1
name: sleeps
version: 1.0.0
tasks:
  pause: {sleep: 9h}
"""


def guessing() -> Agent:
    agent = Agent("guesser")

    @agent.capability("text.guess@1.0.0")
    async def guess() -> Result[str]:
        return Result("perhaps", confidence=0.1)

    return agent


async def started(node: Node, text: str, given: Any = None, *, waits_in: str | None = "sure") -> RunId:
    """A run of this template, once the task waits."""
    source = read_source(text)
    digest = await node.publish(source.template, source.data)
    run = await node.start_run(digest, given or {}, title="t")
    async for news in node.follow(run.id):
        if waits_in is None or (isinstance(news, Happened) and news.run.state(TaskId(waits_in)).waiting):
            break
    return run.id


async def listed(asker: Any, **parameters: Any) -> list[tuple[str, str]]:
    """Runs and tasks of all pages; the links lead from one to the next."""
    found, path = [], asker.http.build_request("GET", "/v1/approvals", params=parameters).url
    while True:
        page = await asker.http.get(path)
        assert page.status_code == 200, page.text
        found += [(one["run"], one["task"]) for one in page.json()["approvals"]]
        if "next" not in page.links:
            assert page.json()["next"] is None
            return found
        path = page.links["next"]["url"]


@pytest.mark.abuse(
    "ASI09", at="gateway", stride="repudiation", case="an approval shows what is decided, and keeps who has"
)
async def test_it_tells_all_that_it_takes_to_answer_and_the_answer_ends_it(asker: Any) -> None:
    node = asker.gateway.node
    await asker.show("operator")
    run = await started(node, ASKS)
    answer = await asker.http.get("/v1/approvals")
    go, sure = answer.json()["approvals"]
    waiting = (await node.run(run)).state(TaskId("sure")).waiting
    assert (go["kind"], go["signal"], go["schema"], go["until"]) == ("signal", "go", {"type": "integer"}, None)
    assert (sure["run"], sure["task"], sure["kind"], sure["question"]) == (run, "sure", "approval", "Sure?")
    assert (sure["template"], sure["title"], sure["role"]) == ("asks@1.0.0", "t", "operator")
    assert sure["schema"]["required"] == ["approved"]
    assert sure["until"] == waiting.until.isoformat().replace("+00:00", "Z") > sure["since"]
    assert (await asker.http.get(sure["task_href"])).json()["state"] == "waiting"

    headers = {"If-None-Match": answer.headers["ETag"]}
    assert (await asker.http.get("/v1/approvals", headers=headers)).status_code == 304
    said = {"task": sure["task"], "value": {"approved": True}}
    assert (await asker.http.post(sure["answer_href"], json=said)).status_code == 200
    assert (await asker.http.get("/v1/approvals", headers=headers)).status_code == 200
    assert await listed(asker) == [(run, "go")]


async def test_a_review_waits_as_well_and_what_only_sleeps_does_not(asker: Any) -> None:
    await asker.show("viewer")
    node = asker.gateway.node
    async with host(node, [guessing()]):
        await started(node, SLEEPS, waits_in="pause")
        run = await started(node, GUESSES, waits_in="guess")
    (review,) = (await asker.http.get("/v1/approvals")).json()["approvals"]
    assert (review["run"], review["kind"], review["schema"]["required"]) == (run, "review", ["approved"])
    assert "guess" in review["question"]


async def test_pages_go_through_all_runs_and_through_the_items_of_one(asker: Any) -> None:
    await asker.show("viewer")
    first, second = [await started(asker.gateway.node, ASKS, {"names": list("abc")}) for _ in range(2)]
    tasks = ["each[0]", "each[1]", "each[2]", "go", "sure"]
    expected = [(run, task) for run in (second, first) for task in tasks]
    for limit in (1, 2, 5, 6, 1000):
        assert await listed(asker, limit=limit) == expected
    assert await listed(asker, run=first, limit=2) == expected[5:]
    assert await listed(asker, kind="signal") == [(second, "go"), (first, "go")]
    assert await listed(asker, kind=["signal", "approval"], template="asks", limit=3) == expected
    assert await listed(asker, template="asks@2.0.0") == await listed(asker, run=first, template="ask") == []
    since = (await asker.http.get("/v1/approvals")).json()["approvals"][4]["since"]
    assert await listed(asker, since=since) == expected[:5]
    assert await listed(asker, after="nothing is called so") == []
    assert await listed(asker, run="run_none") == []


async def test_a_page_looks_at_so_many_runs_and_reads_of_each_only_what_is_new(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [await started(node, ASKS) for _ in range(4)]
    await started(node, SLEEPS, waits_in="pause")
    monkeypatch.setattr(approvals, "LOOKED_AT_MOST", 2)
    monkeypatch.setattr(approvals, "AT_ONCE", 2)
    page = await node.approvals(ApprovalQuery(kinds=("review",)))
    assert (page.approvals, page.next) == ((), runs[2])
    page = await node.approvals(ApprovalQuery(after=page.next))
    assert {one.run for one in page.approvals} == set(runs[:2])
    assert page.next == runs[0]
    assert await node.approvals(ApprovalQuery(after=page.next)) == approvals.OpenApprovals((), None)

    read: list[tuple[str, int]] = []
    journal = node.parts.ports.journal
    reading = journal.read

    async def noted(stream: Any, *, after: int = 0, limit: int | None = None) -> Any:
        read.append((stream, after))
        return await reading(stream, after=after, limit=limit)

    monkeypatch.setattr(journal, "read", noted)
    await node.signal(runs[3], 1, by="test", name="go")
    read.clear()
    page = await node.approvals(ApprovalQuery())
    assert [(one.run, one.task) for one in page.approvals] == [(runs[3], "sure"), (runs[2], "go"), (runs[2], "sure")]
    of_runs = [(stream, after) for stream, after in read if stream.startswith("run_")]
    assert [stream for stream, _ in of_runs] == [runs[3], runs[2]]
    assert all(after > 0 for _, after in of_runs)


async def test_a_run_that_is_damaged_is_named_and_hides_no_other(asker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await asker.show("viewer")
    node = asker.gateway.node
    broken, whole = [await started(node, ASKS) for _ in range(2)]
    read = node.parts.ledger.read_quickly

    async def damaged(run: RunId) -> Any:
        if run == broken:
            raise StoreCorrupt.of("ACC801", "the chain does not hold")
        return await read(run)

    monkeypatch.setattr(node.parts.ledger, "read_quickly", damaged)
    page = (await asker.http.get("/v1/approvals")).json()
    assert page["damaged"] == [broken]
    assert {one["run"] for one in page["approvals"]} == {whole}


async def test_a_process_that_does_not_own_the_runs_answers_the_same(node: Node, tmp_path: Path) -> None:
    run = await started(node, ASKS)
    async with open_node(Settings(home=tmp_path / "home")) as other:
        assert other.parts.ledger.find(run) is None
        assert await other.approvals(ApprovalQuery()) == await node.approvals(ApprovalQuery())
        await node.signal(run, 1, by="test", name="go")
        assert [one.task for one in (await other.approvals(ApprovalQuery())).approvals] == ["sure"]
