"""Encrypted runs: nothing of their documents is in the clear, and nobody reads them any more once they are erased."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from accord.app import host, open_node
from accord.codec import decode_system_event, follow
from accord.custody import Custody
from accord.domain import command as c
from accord.domain.document import INLINE_BYTES
from accord.domain.ids import RunId, TaskId
from accord.domain.log import LogQuery
from accord.domain.run import Run
from accord.domain.system import CONTROL, RetiredRunErased, SystemEvent
from accord.domain.template import Template
from accord.engine.node import Node
from accord.errors import (
    AccordError,
    KeysUnavailable,
    KeyUnusable,
    NotFound,
    Refused,
    TransitionRefused,
)
from accord.ports import Head, RunQuery, RunSummary
from accord.sdk import Agent, Context
from accord.service import Fork
from accord.settings import Settings
from accord.testing.vault import Refusal, VaultServer
from accord.views.proof import proof_of
from accord.views.result import value_of
from accord.views.runs import run_document
from accord.views.tasks import task_document

PERSON = "Erika Mustermann, 12 August 1964"
LARGE = "Erika's file: " + "x" * 2 * INLINE_BYTES

WORK: dict[str, Any] = {
    "first": {"uses": "test.echo@^1", "with": {"value": "${ input }"}},
    "second": {"uses": "test.echo@^1", "with": {"value": "${ tasks.first.output }"}},
}
INNER = {"name": "inner", "tasks": WORK, "output": "${ tasks.second.output }"}
OUTER = {
    "name": "outer",
    "tasks": {"part": {"workflow": "inner@^1", "with": "${ input }"}},
    "output": "${ tasks.part.output }",
}
WAITS = {"name": "waits", "tasks": {"wait": {"signal": {"name": "go"}}}, "output": "${ tasks.wait.output }"}


def echo() -> Agent:
    agent = Agent("echo")

    @agent.capability("test.echo@1.0.0")
    async def echo(value: Any, context: Context) -> Any:
        context.log.info("got %s", value)
        return value

    return agent


@asynccontextmanager
async def opened(home: Path, *, encrypts: bool = True, custody: Custody | None = None) -> AsyncIterator[Node]:
    settings = Settings(home=home, encrypt_payloads=encrypts)
    if custody is not None:
        settings = msgspec.structs.replace(settings, keys=custody.address, keys_secret_file=custody.secret)
    async with open_node(settings) as node, host(node, [echo()]):
        yield node


async def started(node: Node, template: dict[str, Any], value: Any) -> Run:
    document = {"accord": "template/1", "version": "1.0.0", "input": True, **template}
    digest = await node.publish(msgspec.convert(document, Template), orjson.dumps(document))
    return await node.start_run(digest, value)


async def run_of(node: Node, template: dict[str, Any], value: Any) -> Run:
    return await node.ended((await started(node, template, value)).id)


def found_in(home: Path, text: str) -> list[str]:
    """The files that hold a text."""
    return [str(file) for file in home.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


async def read_all(node: Node, run: RunId) -> str:
    """All that views show of a run."""
    state = await node.run(run)
    told = [await run_document(node, state)] + [
        await task_document(node, state, task, None) for task in state.graph.order
    ]
    return msgspec.json.encode(told).decode()


@pytest.mark.parametrize("secret", [PERSON, LARGE])
@pytest.mark.abuse(
    "ASI06", at="store", stride="information disclosure", case="payloads at rest, read by the database's owner"
)
async def test_nothing_is_in_the_clear_and_everything_can_be_read(tmp_path: Path, secret: str) -> None:
    async with opened(tmp_path) as node:
        await run_of(node, INNER, "nothing")
        run = await run_of(node, OUTER, {"who": secret})
        assert run.output is not None
        assert await value_of(node, run.output) == {"who": secret}
        assert (await proof_of(node, run.id)).ok
    assert found_in(tmp_path, secret[:30]) == []
    async with opened(tmp_path, encrypts=False) as node:  # by a process that knows only what is in the home
        assert await value_of(node, run.output) == {"who": secret}
        assert secret[:30] in await read_all(node, run.id)


@pytest.mark.parametrize("secret", [PERSON, LARGE])
async def test_what_is_erased_can_be_read_by_nobody_and_its_chain_still_holds(tmp_path: Path, secret: str) -> None:
    async with opened(tmp_path) as node, opened(tmp_path) as other:
        kept = await run_of(node, INNER, {"who": secret})
        run = await run_of(node, OUTER, {"who": secret})
        assert run.output is not None
        assert await value_of(other, run.output) == {"who": secret}
        assert await other.parts.documents.fetched(run.started.input) == {"who": secret}
        erased = await node.erase(run.id, by="ann", reason="Erika has asked for it")
        assert len(erased) == 2
        assert await node.erase(run.id, by="bob") == erased
        for one in (node, other):
            after = await one.run(run.id)
            assert after.erased is not None
            assert (after.erased.by, after.erased.reason, after.phase) == ("ann", "Erika has asked for it", "completed")
            with pytest.raises(NotFound, match="ACC872"):
                await one.data(run.output)
            for name in erased:
                assert secret[:30] not in await read_all(one, name)
                follow(await one.records(name), Head())
                proof = await proof_of(one, name)
                assert proof.ok
                assert proof.unproven > 0
            assert kept.output is not None
            assert await value_of(one, kept.output) == {"who": secret}
        for one, at in ((node, None), (node, 3), (other, 3)):  # the other still has in memory what it was shown
            with pytest.raises(NotFound, match="ACC872"):
                await one.fork(run.id, Fork(at=at), by="ann")
        with pytest.raises(TransitionRefused, match="ACC864"):
            await node.control(run.id, c.Rollback(to=TaskId("part"), by="ann"))


async def test_what_was_logged_is_encrypted_and_goes_with_the_rest(tmp_path: Path) -> None:
    async with opened(tmp_path) as node:
        run = await run_of(node, INNER, {"who": PERSON})
    assert found_in(tmp_path, PERSON) == []
    async with opened(tmp_path, encrypts=False) as node:
        page = await node.logs(run.id, LogQuery())
        assert [one.message for one in page.lines] == [f"got {{'who': '{PERSON}'}}"] * 2
        await node.erase(run.id, by="ann")
        page = await node.logs(run.id, LogQuery())
        assert (page.lines, page.gaps, page.next) == ((), (), None)


async def test_what_cannot_be_erased_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, encrypts=False) as node:
        plain = await run_of(node, INNER, PERSON)
        with pytest.raises(Refused, match="ACC878"):
            await node.erase(plain.id, by="ann")
        assert found_in(tmp_path, PERSON) != []
    async with opened(tmp_path) as node:
        with pytest.raises(NotFound, match="ACC409"):
            await node.erase(RunId("run-nobody"), by="ann")
        waiting = await started(node, WAITS, PERSON)
        with pytest.raises(TransitionRefused, match="ACC863"):
            await node.erase(waiting.id, by="ann")
        await node.signal(waiting.id, {"said": "to nobody else"}, by="ann", name="go", once="a:b:c")
        ended = await node.ended(waiting.id)
        assert ended.output is not None
        assert await value_of(node, ended.output) == {"said": "to nobody else"}
        outer = await run_of(node, OUTER, PERSON)
        below = outer.tasks[TaskId("part")].subrun
        assert below is not None
        with pytest.raises(Refused, match=f"ACC877.*{outer.id}"):
            await node.erase(below, by="ann")
    assert found_in(tmp_path, "to nobody else") == []


async def test_nothing_is_written_down_while_a_part_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as node:
        await run_of(node, INNER, "nothing")
        run = await run_of(node, OUTER, {"who": PERSON})
        journal = node.parts.ports.journal
        listed = journal.runs

        async def runs(query: RunQuery) -> list[RunSummary]:
            found = await listed(query)
            return [msgspec.structs.replace(one, state="cancelling") for one in found] if query.parent else found

        with monkeypatch.context() as patched:
            patched.setattr(journal, "runs", runs)
            with pytest.raises(TransitionRefused, match=r"ACC863.*does a task of it, is cancelling"):
                await node.erase(run.id, by="ann")
        assert (await node.run(run.id)).erased is None
        assert len(await node.erase(run.id, by="ann")) == 2


@pytest.mark.parametrize("secret", [PERSON, LARGE])
async def test_a_fork_proves_itself_whatever_becomes_of_the_run_that_it_is_of(tmp_path: Path, secret: str) -> None:
    """Both have the same documents, each under a key of its own, of which one is gone."""
    async with opened(tmp_path) as node:
        run = await run_of(node, INNER, {"who": secret})
        fork = await node.ended((await node.fork(run.id, Fork(task=TaskId("first")), by="ann")).id)
        assert (await proof_of(node, fork.id)).unproven == 0
        await node.erase(run.id, by="ann")
        proof = await proof_of(node, fork.id)
        assert proof.problems == ()
        assert proof.payloads > 0


async def test_what_belongs_to_an_encrypted_run_is_encrypted_whatever_the_setting_says_now(tmp_path: Path) -> None:
    async with opened(tmp_path) as node:
        await run_of(node, INNER, "nothing")
        run = await run_of(node, OUTER, {"who": PERSON})
    async with opened(tmp_path, encrypts=False) as node:
        fork = await node.ended((await node.fork(run.id, Fork(task=TaskId("part")), by="ann")).id)
        assert fork.output is not None
        assert await value_of(node, fork.output) == {"who": PERSON}
    assert found_in(tmp_path, PERSON) == []


@pytest.mark.abuse("ASI03", at="store", stride="spoofing", case="a process with another wrapping key")
async def test_a_process_with_another_wrapping_key_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as node:
        run = await run_of(node, INNER, PERSON)
        assert run.output is not None
    (tmp_path / "keys" / "wrapping.key").rename(tmp_path / "aside")
    with pytest.raises(KeyUnusable, match="ACC875"):
        async with opened(tmp_path):
            pass
    async with opened(tmp_path, encrypts=False) as node:
        with pytest.raises(AccordError, match="ACC875"):
            await node.data(run.output)


@pytest.fixture(params=["hsm", "kms", "vault"])
def custody(request: pytest.FixtureRequest) -> Custody:
    held = request.getfixturevalue(request.param)
    return held if isinstance(held, Custody) else held.custody


async def test_what_a_key_store_wraps_is_read_by_all_who_have_it_until_it_is_erased(
    tmp_path: Path, custody: Custody
) -> None:
    home = tmp_path / "home"
    async with opened(home, custody=custody) as node:
        run = await run_of(node, INNER, {"who": PERSON})
    assert run.output is not None
    assert found_in(home, PERSON) == [*home.glob("keys*"), *home.glob("passphrase")] == []
    async with opened(home, custody=custody, encrypts=False) as node:
        assert await value_of(node, run.output) == {"who": PERSON}
        assert PERSON in await read_all(node, run.id)
        await node.erase(run.id, by="ann", reason="Erika has asked for it")
    async with opened(home, custody=custody) as node:
        with pytest.raises(NotFound, match="ACC872"):
            await node.data(run.output)
        assert PERSON not in await read_all(node, run.id)
        proof = await proof_of(node, run.id)
        assert (proof.ok, proof.unproven > 0) == (True, True)


async def test_nothing_is_lost_while_what_wraps_is_away(tmp_path: Path, vault: VaultServer) -> None:
    async with opened(tmp_path / "home", custody=vault.custody) as node:
        before = await run_of(node, INNER, PERSON)
        assert before.output is not None
        vault.is_sealed = True
        with pytest.raises(KeysUnavailable, match="ACC630"):
            await node.data(before.output)
        with pytest.raises(KeysUnavailable, match="ACC630"):
            await started(node, INNER, PERSON)
        vault.is_sealed = False
        assert await value_of(node, before.output) == PERSON
        after = await run_of(node, INNER, PERSON)
        assert after.phase == "completed"


async def test_a_server_with_another_key_store_is_refused(tmp_path: Path, vault: VaultServer) -> None:
    home = tmp_path / "home"
    async with opened(home, custody=vault.custody):
        pass
    vault.transit._ciphers.clear()
    with pytest.raises(KeyUnusable, match=r"ACC876.*name the key store"):
        async with opened(home, custody=vault.custody):
            pass


async def test_a_result_waits_for_what_wraps_where_its_run_is_not_in_memory(
    tmp_path: Path, vault: VaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    slow = Agent("slow")

    @slow.capability("test.slow@1.0.0")
    async def work(value: Any) -> Any:
        begun.set()
        await may_end.wait()
        return value

    refused: list[str] = []

    def away_once(path: str) -> None:
        if "/decrypt/" in path and not refused:
            refused.append(path)
            raise Refusal(503, "Vault is sealed")

    template = {"name": "slow", "tasks": {"one": {"uses": "test.slow@^1", "with": {"value": "${ input }"}}}}
    async with opened(tmp_path / "home", custody=vault.custody) as node, host(node, [slow]):
        run = await started(node, template, PERSON)
        await begun.wait()
        ledger = node.parts.ledger
        slot = ledger.hot(run.id)
        assert slot is not None
        ledger.forget([slot])
        vault.before = away_once
        may_end.set()
        async with asyncio.timeout(30):
            ended = await node.ended(run.id)
    assert (ended.phase, len(refused)) == ("completed", 1)
    told = [words in caplog.text for words in ("was given up", "set aside", "fault of Accord")]
    assert told == [True, False, False]


EACH: dict[str, Any] = {
    "name": "each",
    "tasks": {
        "parts": {
            "for_each": "${ input.whom }",
            "uses": "test.echo@^1",
            "with": {"value": "${ item }"},
        },
        "last": {"uses": "test.echo@^1", "with": {"value": "${ tasks.parts.output }"}},
    },
    "output": "${ tasks.last.output }",
}


@pytest.mark.abuse(
    "ASI06", at="store", stride="information disclosure", case="what a fork takes over, read by the database's owner"
)
async def test_what_is_taken_over_of_items_is_encrypted_as_they_are(tmp_path: Path) -> None:
    """The outputs of the items together are made when the run is forked; they go with the run that they are of."""
    async with opened(tmp_path) as node:
        run = await run_of(node, EACH, {"whom": [PERSON, "somebody"]})
        fork = await node.ended((await node.fork(run.id, Fork(task=TaskId("last")), by="ann")).id)
        assert found_in(tmp_path, PERSON[:30]) == []
        assert (await proof_of(node, fork.id)).ok
        taken = fork.state(TaskId("parts")).output
        assert taken is not None
        assert await value_of(node, taken) == [PERSON, "somebody"]
        await node.erase(run.id, by="ann")
        with pytest.raises(NotFound, match="ACC872"):
            await node.data(taken)


async def test_what_a_fork_has_taken_over_outlives_the_run_that_it_is_of(tmp_path: Path) -> None:
    """Also what a part of that had made; and to erase it takes it from the fork as well."""
    async with opened(tmp_path) as node, opened(tmp_path) as other:
        run = await run_of(node, INNER, "nothing")
        run = await run_of(node, OUTER | {"tasks": AFTER}, {"who": PERSON})
        fork = await node.ended((await node.fork(run.id, Fork(task=TaskId("last")), by="ann")).id)
        taken = fork.state(TaskId("part")).output
        assert taken is not None
        assert taken.encrypted is not None
        await retire(node, but=fork.id)
        with pytest.raises(NotFound):
            await node.run(run.id)
        assert await value_of(node, taken) == {"who": PERSON}
        assert PERSON in await read_all(other, fork.id)
        assert await other.runs_that_hold(taken.encrypted.key) == [fork.id]
        with pytest.raises(Refused, match=f"ACC877.*{run.id}"):
            await other.erase(taken.encrypted.key, by="ann")
        assert await other.erase(run.id, by="ann", reason="she has asked for it") == [run.id]
        for one in (node, other):
            with pytest.raises(NotFound, match="ACC872"):
                await one.data(taken)
        assert await value_of(node, fork.started.input) == {"who": PERSON}, "what is the fork's own stays"
        told = [event for event in await control_events(node) if isinstance(event, RetiredRunErased)]
        assert [(one.run, one.by, one.reason) for one in told] == [(run.id, "ann", "she has asked for it")]


async def test_the_key_of_a_part_stays_as_long_as_the_whole(tmp_path: Path) -> None:
    async with opened(tmp_path) as node:
        await run_of(node, INNER, "nothing")
        run = await run_of(node, OUTER, {"who": PERSON})
        output = run.state(TaskId("part")).output
        assert output is not None
        await retire(node, but=run.id)
        assert await value_of(node, output) == {"who": PERSON}
        await node.erase(run.id, by="ann")
        with pytest.raises(NotFound, match="ACC872"):
            await node.data(output)


async def test_nothing_is_taken_over_whose_key_has_gone(tmp_path: Path) -> None:
    async with opened(tmp_path) as node:
        run = await run_of(node, INNER, {"who": PERSON})
        journal, keep = node.parts.ports.journal, node.parts.data_keys.use

        async def late(*given: Any) -> None:
            await retire(node)
            await keep(*given)

        node.parts.data_keys.use = late  # type: ignore[method-assign]  # it is retired at that very moment
        with pytest.raises(NotFound, match="ACC873"):
            await node.fork(run.id, Fork(task=TaskId("second")), by="ann")
        assert await journal.runs(RunQuery()) == []


AFTER: dict[str, Any] = {
    "part": {"workflow": "inner@^1", "with": "${ input }"},
    "last": {"uses": "test.echo@^1", "with": {"value": "${ tasks.part.output }"}},
}


async def retire(node: Node, but: RunId | None = None) -> None:
    """Remove all runs that have ended, but one."""
    journal = node.parts.ports.journal
    ended = await journal.runs(RunQuery())
    before = max(one.updated_at for one in ended if one.run != but)
    kept = [one.updated_at for one in ended if one.run == but]
    assert all(before < at for at in kept)
    gone = await journal.retire(ended_before=before + timedelta(microseconds=1))
    assert set(gone) == {one.run for one in ended if one.run != but}


async def control_events(node: Node) -> list[SystemEvent]:
    return [decode_system_event(record) for record in await node.parts.ports.journal.read(CONTROL)]
