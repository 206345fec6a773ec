"""Large outputs of encrypted runs: uploaded, handed on, read, proven, taken over and erased like any other document;
never anywhere in the clear.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from pydantic import BaseModel

from accord.app import host, open_node, open_stores
from accord.domain.document import Document
from accord.domain.ids import RunId, TaskId
from accord.domain.run import Run
from accord.domain.template import Template
from accord.encryption import SEGMENT_BYTES
from accord.engine.documents import PIECE_BYTES
from accord.engine.exhibit import fill, kept_of
from accord.engine.node import Node
from accord.errors import NotFound
from accord.evidence.container import Container, Entry
from accord.evidence.opening import opened as opened_bundle
from accord.ports import RunQuery
from accord.sdk import Agent, Stream
from accord.service import Fork
from accord.settings import Settings
from accord.testing.audit import Audit, swept
from accord.views.proof import proof_of
from accord.views.result import value_of

BOUND = 1 << 20
"""What is over this is large in these tests."""

TEXT = "Erika Mustermann, 12 August 1964, " * 30
COUNT = BOUND // len(TEXT) + 500
SUM = COUNT * (COUNT - 1) // 2

TASKS: dict[str, Any] = {
    "make": {"uses": "rows.make@^1", "with": {"count": "${ input }"}},
    "sum": {"uses": "rows.sum@^1", "with": {"rows": "${ tasks.make.output }"}},
}
WAITS = {"wait": {"signal": {"name": "go"}, "after": ["make"]}, **TASKS}


@pytest.fixture(autouse=True)
def _bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accord.domain.large.PAYLOAD_MAX_BYTES", BOUND)


class Row(BaseModel):
    number: int
    text: str


def rows() -> Agent:
    agent = Agent("rows")

    @agent.capability("rows.make@1.0.0")
    async def make(count: int) -> AsyncIterator[Row]:
        for number in range(count):
            yield Row(number=number, text=TEXT)

    @agent.capability("rows.sum@1.0.0")
    async def sum_(rows: Stream[Row]) -> int:
        return sum([row.number async for row in rows])

    return agent


@asynccontextmanager
async def at_home(home: Path, *, encrypts: bool = True) -> AsyncIterator[Node]:
    async with open_node(Settings(home=home, encrypt_payloads=encrypts)) as node, host(node, [rows()]):
        yield node


async def run_of(node: Node, count: int = COUNT) -> Run:
    document = {
        "accord": "template/1",
        "name": "pipe",
        "version": "1.0.0",
        "input": True,
        "tasks": TASKS,
        "output": "${ tasks.sum.output }",
    }
    digest = await node.publish(msgspec.convert(document, Template), orjson.dumps(document))
    return await node.ended((await node.start_run(digest, count)).id)


def made(run: Run) -> Document:
    output = run.state(TaskId("make")).output
    assert output is not None
    return output


async def read(node: Node, document: Document) -> bytes:
    """The document; no piece of it is larger than what is read, or decrypted, at a time."""
    most = PIECE_BYTES + SEGMENT_BYTES if document.encrypted is not None else 1 << 20
    pieces = [piece async for piece in node.parts.documents.stream(document)]
    assert all(0 < len(piece) <= most for piece in pieces)
    return b"".join(pieces)


def found_in(home: Path, text: str) -> list[Path]:
    """The files that hold a text."""
    return [file for file in home.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


@pytest.mark.parametrize("count", [COUNT, 1_050_000 // len(TEXT)], ids=["large", "uploaded, and not large"])
@pytest.mark.abuse(
    "ASI06", at="store", stride="information disclosure", case="a large output at rest, read by the database's owner"
)
async def test_it_is_handed_on_and_never_in_the_clear(tmp_path: Path, count: int) -> None:
    async with at_home(tmp_path) as node:
        run = await run_of(node, count)
        assert run.phase == "completed", run.problem
        assert await value_of(node, run.output or made(run)) == count * (count - 1) // 2
        output = made(run)
        data = await read(node, output)
        assert (sha256(data).hexdigest(), len(data)) == (output.sha256, output.length_bytes)
        proof = await proof_of(node, run.id)
        assert (proof.problems, proof.unproven) == ((), 0)
    assert found_in(tmp_path, TEXT[:30]) == []
    async with at_home(tmp_path, encrypts=False) as node:  # by a process that knows only what is in the home
        assert await read(node, output) == data
        assert await Audit(node).all() == await swept(node) == []
        assert await read(node, output) == data, "the text is no unused blob"


async def test_in_the_clear_it_is_as_before(tmp_path: Path) -> None:
    async with at_home(tmp_path, encrypts=False) as node:
        run = await run_of(node)
        assert run.phase == "completed", run.problem
        assert made(run).encrypted is None
        assert sha256(await read(node, made(run))).hexdigest() == made(run).sha256


async def test_what_is_erased_can_be_read_by_nobody(tmp_path: Path) -> None:
    async with at_home(tmp_path) as node, at_home(tmp_path) as other:
        run = await run_of(node)
        await read(other, made(run))
        await node.erase(run.id, by="ann")
        for one in (node, other):
            with pytest.raises(NotFound, match="ACC872"):
                await read(one, made(run))
            proof = await proof_of(one, run.id)
            assert (proof.problems, proof.unproven > 0) == ((), True)


async def test_a_bundle_has_it_and_an_exhibit_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Container.read

    def small(container: Container, entry: Entry) -> bytes:
        assert entry.length_bytes <= BOUND, f"{entry.name} is read whole"
        return whole(container, entry)

    monkeypatch.setattr(Container, "read", small)
    async with at_home(tmp_path / "here") as node:
        run = await run_of(node)
        data = await read(node, made(run))
        bundle = b"".join([chunk async for chunk in node.export(run.id)])
        assert (await proof_of(node, run.id)).unproven == 0
    assert data in bundle
    there = Settings(home=tmp_path / "there")
    opened = opened_bundle(BytesIO(bundle), None)
    assert opened.signed_by is not None
    now = datetime.now(UTC)
    there.home.mkdir()
    async with open_stores(there) as (journal, blobs):
        there.exhibit.write_bytes(msgspec.json.encode(kept_of(opened, opened.signed_by, "run.tar", now)))
        await fill(opened, journal, blobs, now)
    async with open_node(there) as node:
        shown = made(await node.run(run.id))
        assert shown.encrypted is not None
        assert b"".join([piece async for piece in node.parts.documents.stream(shown)]) == data
        assert await node.data(shown) == data


async def forked(node: Node, run: Run) -> Run:
    """A fork that has taken over what was made, and has handed it on."""
    fork = await node.ended((await node.fork(run.id, Fork(task=TaskId("sum")), by="ann")).id)
    assert fork.phase == "completed", fork.problem
    assert fork.state(TaskId("make")).adopted
    return fork


@pytest.mark.parametrize("encrypts", [False, True], ids=["in the clear", "encrypted"])
async def test_forks_take_it_over_and_hand_it_on(tmp_path: Path, encrypts: bool) -> None:
    async with at_home(tmp_path, encrypts=encrypts) as node:
        run = await run_of(node)
        for _ in range(2):
            run = await forked(node, run)
            proof = await proof_of(node, run.id)
            assert (proof.problems, proof.unproven) == ((), 0)


async def test_what_a_fork_has_taken_over_stays_until_it_is_erased(tmp_path: Path) -> None:
    """Also once the run that it is of is gone; and to erase that takes it from the fork as well."""
    async with at_home(tmp_path) as node, at_home(tmp_path) as other:
        run = await run_of(node)
        fork = await forked(node, run)
        await retire(node, but=fork.id)
        with pytest.raises(NotFound):
            await node.run(run.id)
        (problem,) = (await proof_of(node, fork.id)).problems
        assert (problem.code, run.id in (problem.hint or "")) == ("ACC847", True)
        data = await read(other, made(fork))
        assert sha256(data).hexdigest() == made(run).sha256
        assert await swept(node) == []
        assert await read(other, made(fork)) == data
        await node.erase(run.id, by="ann")
        with pytest.raises(NotFound, match="ACC872"):
            await read(other, made(fork))


async def test_it_goes_with_its_run(tmp_path: Path) -> None:
    async with at_home(tmp_path) as node:
        run = await run_of(node)
        text = made(run).encrypted
        assert text is not None
        assert text.digest is not None
        await retire(node)
        assert await swept(node) == []
        assert not await node.parts.ports.blobs.renew(text.digest)
        assert await node.parts.ports.journal.upload(run.id, made(run).sha256) is None


async def retire(node: Node, but: RunId | None = None) -> None:
    """Remove all runs that have ended, but one."""
    journal = node.parts.ports.journal
    ended = [one for one in await journal.runs(RunQuery()) if one.run != but]
    before = max(one.updated_at for one in ended) + timedelta(microseconds=1)
    assert set(await journal.retire(ended_before=before)) == {one.run for one in ended}
