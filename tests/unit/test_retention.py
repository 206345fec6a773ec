"""Ended runs, incidents and sessions go after their time, and with them the blobs that nothing else refers to; whoever
is there does a part of it, and no blob goes that somebody still needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec import structs

from accord.domain import command as c
from accord.domain.access import Principal
from accord.domain.ids import Digest, RunId, TaskId, partition_of
from accord.domain.run import Run
from accord.domain.system import INCIDENTS, SESSIONS, IncidentRecorded
from accord.engine import unused
from accord.engine.node import Node
from accord.engine.retention import PROGRESS, Removed, Retention
from accord.engine.rounds import LetterContent
from accord.engine.sessions import Credential, Sessions
from accord.engine.streams import SystemStream
from accord.engine.unused import SETTLING
from accord.errors import NotFound, Problem, StoreCorrupt, StoreUnavailable
from accord.ports import Head, Letter, RunQuery, StoredBlob
from accord.sdk import Agent
from accord.service import Fork
from accord.templates.reading import read_source
from accord.testing.world import World, simulated

LONG = """
accord: template/1
name: long
version: 1.0.0
input: {type: object, properties: {size: {type: integer}}, required: [size], additionalProperties: false}
tasks:
  make: {uses: text.make@^1, with: {size: "${ input.size }"}}
output: "${ tasks.make.output }"
"""

MEASURED = """
accord: template/1
name: measured
version: 1.0.0
tasks:
  make: {uses: text.make@^1, with: {size: 50000}}
output: "${ size(tasks.make.output) }"
"""

ASKS = """
accord: template/1
name: asks
version: 1.0.0
tasks:
  heard: {signal: {name: news}}
output: "${ tasks.heard.output }"
"""


class Place:
    """A node that keeps runs for 20 seconds, with an agent that makes long texts."""

    def __init__(self, world: World, node: Node, digests: dict[str, Digest]) -> None:
        self.world = world
        self.node = node
        self.digests = digests
        self._passed = timedelta()

    def now(self) -> datetime:
        """The time of retention; hours of a whole orchestrator would take long to simulate."""
        return self.world.clock.now() + self._passed

    def wait(self, time: timedelta) -> None:
        """Let this time pass for retention."""
        self._passed += time

    def retention(self) -> Retention:
        """What a process that has just started has of it."""
        return Retention(self.world.disk, self.world.blobs, self, self.node.parts.tuning)

    async def until_done(self) -> Removed:
        """All that a process removes that stays for as long as it takes."""
        removed = await self.retention().remove(at_once=True)
        while removed.search_at is not None:
            self.wait(SETTLING)
            removed.add(await self.retention().remove())
        return removed

    async def make(self, size: int) -> Run:
        run = await self.node.start_run(self.digests["long"], {"size": size})
        return await self.node.ended(run.id)

    async def has(self, run: Run) -> bool:
        assert run.output is not None
        return await self.has_blob(run.output.sha256)

    async def has_blob(self, digest: Digest) -> bool:
        try:
            await self.world.blobs.get(digest)
        except NotFound:
            return False
        return True

    async def runs(self) -> list[RunId]:
        return [summary.run for summary in await self.node.runs(RunQuery())]


def at_a_place(
    story: Callable[[Place], Coroutine[Any, Any, None]], *, seed: int = 7, **tuning: timedelta | int
) -> None:
    """Play a story; the node's own rounds of retention do not take part."""

    async def scenario(world: World) -> None:
        world.tuning = structs.replace(world.tuning, **{"keep": timedelta(seconds=20), **tuning})  # type: ignore[arg-type]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Retention, "go", _nothing)
            node = await world.start()
            agent = Agent("maker")

            @agent.capability("text.make@1.0.0", description="A long text.")
            async def make(size: int) -> str:
                return "x" * size

            await world.hire(agent)
            await node.present(agent.id)
            sources = {
                name: read_source(text) for name, text in (("long", LONG), ("measured", MEASURED), ("asks", ASKS))
            }
            digests = {name: await node.publish(one.template, one.data) for name, one in sources.items()}
            await story(Place(world, node, digests))

    simulated(seed, scenario)


async def _nothing(_: Retention) -> None: ...


def test_old_runs_go_with_the_blobs_that_only_they_had() -> None:
    async def story(place: Place) -> None:
        old, shared = await place.make(50_000), await place.make(60_000)
        await asyncio.sleep(30)  # simulated
        again = await place.make(60_000)
        planned = await place.retention().would_remove()
        assert await place.has(old)
        removed = await place.until_done()
        assert (removed.runs, removed.blobs, removed.blobs_bytes) == ([old.id, shared.id], 1, 50_002)
        assert set(planned.runs) == set(removed.runs)
        assert (planned.blobs, planned.blobs_bytes) == (1, 50_002)
        assert await place.runs() == [again.id]
        assert not await place.has(old)
        assert await place.has(again)

    at_a_place(story)


def test_processes_that_live_for_a_moment_do_it_together() -> None:
    async def story(place: Place) -> None:
        old = [await place.make(50_000 + number) for number in range(3)]
        await asyncio.sleep(30)  # simulated
        first = await place.retention().remove()
        assert first.runs == [run.id for run in old]
        assert first.search_at is not None
        place.wait(SETTLING / 2)
        assert (await place.retention().remove()).blobs == 0
        place.wait(SETTLING / 2)
        assert (await place.retention().remove()).blobs == 3
        assert not any([await place.has(run) for run in old])

    at_a_place(story)


def test_a_process_that_ends_after_every_step_gets_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused, "WINDOW", 2)
    monkeypatch.setattr(unused, "RUNS", 1)

    async def story(place: Place) -> None:
        old = [await place.make(50_000 + number) for number in range(4)]
        await asyncio.sleep(30)  # simulated
        new = [await place.make(70_000 + number) for number in range(3)]
        steps = 0
        while any([await place.has(run) for run in old]):
            await place.retention()._step(Removed())
            place.wait(timedelta(seconds=1))
            steps += 1
            assert steps < 200
        assert steps > 10
        assert all([await place.has(run) for run in new])

    at_a_place(story)


def test_a_blob_that_a_crash_has_left_goes_within_a_day() -> None:
    async def story(place: Place) -> None:
        await place.until_done()
        leaked = await place.world.blobs.put(b"put, and then the lights went out")
        place.wait(timedelta(hours=23))
        await place.retention().remove()
        assert await place.has_blob(leaked)
        place.wait(timedelta(hours=2))
        await place.retention().remove()
        place.wait(SETTLING)
        removed = await place.retention().remove()
        assert (removed.runs, removed.blobs) == ([], 1)
        assert not await place.has_blob(leaked)

    at_a_place(story)


def test_a_blob_stays_that_a_run_has_begun_to_use_since_the_search() -> None:
    async def story(place: Place) -> None:
        old = await place.make(50_000)
        await asyncio.sleep(30)  # simulated
        again: list[Run] = []
        remove = place.world.blobs.remove

        async def overtaken(digests: Sequence[Digest], *, before: int) -> list[StoredBlob]:
            again.append(await place.make(50_000))
            return await remove(digests, before=before)

        place.world.blobs.remove = overtaken  # type: ignore[method-assign]
        await place.until_done()
        assert again[0].output == old.output
        assert await place.has(again[0])

    at_a_place(story)


def test_a_blob_stays_that_a_fork_has_taken_over_since_the_search() -> None:
    async def story(place: Place) -> None:
        old = await place.make(50_000)
        await asyncio.sleep(30)  # simulated
        first = await place.retention().remove()
        assert first.runs == [old.id]
        # What somebody read of the run before it was retired may still be appended as a fork's.
        assert old.output is not None
        await place.node.parts.documents.renew([old.output])
        place.wait(SETTLING)
        await place.retention().remove()
        assert await place.has(old)

    at_a_place(story)


def test_a_fork_puts_again_what_it_takes_over() -> None:
    async def story(place: Place) -> None:
        started = await place.node.start_run(place.digests["measured"], {})
        source = await place.node.ended(started.id)
        taken = source.state(TaskId("make")).output
        assert taken is not None
        mark = await place.world.blobs.mark()
        fork = await place.node.fork(source.id, Fork(), by="test")
        assert await place.world.blobs.remove([taken.sha256], before=mark) == []
        assert (await place.node.ended(fork.id)).state(TaskId("make")).adopted

    at_a_place(story)


def test_a_blob_stays_while_a_letter_about_it_waits() -> None:
    async def story(place: Place) -> None:
        run = await place.node.start_run(place.digests["asks"], {})
        documents = place.node.parts.documents
        news = documents.document(msgspec.json.encode("x" * 50_000))
        await documents.store()
        await place.world.crash()
        content = LetterContent(run.id, c.Signal(payload=news, by="test", name="news"))
        partition, data = partition_of(run.id), msgspec.json.encode(content)
        await place.world.disk.post(Letter(id="one", partition=partition, data=data, posted_at=place.now()))
        await place.until_done()
        assert await place.has_blob(news.sha256)
        place.node = await place.world.start("next", claims=False)
        await place.world.own_all("next")
        assert (await place.node.ended(run.id)).phase == "completed"
        await place.until_done()
        assert await place.has_blob(news.sha256)

    at_a_place(story, keep=timedelta(days=1))


def test_incidents_go_by_age_and_by_number_with_their_evidence() -> None:
    async def story(place: Place) -> None:
        ports = place.node.parts.ports
        stream = SystemStream(ports.journal, INCIDENTS, lambda event: None)
        evidence = []
        for number in range(6):
            document = place.node.parts.documents.opaque(b"%d" % number * 1000)
            await place.node.parts.documents.store()
            evidence.append(document.sha256)
            problem = Problem("ACC340", str(number))
            event = IncidentRecorded(at=place.now(), problem=problem, statement="", payload=document)
            await stream.append(event)
            place.wait(timedelta(hours=1))
        assert (await place.until_done()).incidents == 2
        found = [number for number, _ in await place.node.parts.incidents.newest()]
        assert found == [6, 5, 4, 3]
        assert [await place.has_blob(digest) for digest in evidence] == [False, False, True, True, True, True]
        place.wait(timedelta(hours=20, minutes=30))
        planned = await place.retention().would_remove()
        assert (planned.incidents, planned.blobs) == (1, 1)
        assert (await place.until_done()).incidents == 1
        assert [number for number, _ in await place.node.parts.incidents.newest()] == [6, 5, 4]
        place.wait(timedelta(days=2))
        assert (await place.until_done()).incidents == 3
        assert await place.node.parts.incidents.newest() == []

    at_a_place(story, keep_incidents=timedelta(hours=24), max_incidents=4)


def test_a_clock_that_was_ahead_holds_nothing_up() -> None:
    async def story(place: Place) -> None:
        place.wait(timedelta(days=400))
        await place.retention().remove()
        place.wait(timedelta(days=-400))
        old = await place.make(50_000)
        await asyncio.sleep(30)  # simulated
        await place.until_done()
        assert not await place.has(old)

    at_a_place(story)


def test_progress_that_cannot_be_read_is_begun_anew() -> None:
    async def story(place: Place) -> None:
        old = await place.make(50_000)
        await asyncio.sleep(30)  # simulated
        await place.retention().remove()
        kept = await place.world.disk.snapshot(PROGRESS)
        assert kept is not None
        await place.world.disk.save_snapshot(structs.replace(kept, data=b'{"search": 7}'))
        await place.until_done()
        assert not await place.has(old)

    at_a_place(story)


def test_nothing_goes_while_the_store_is_away() -> None:
    async def story(place: Place) -> None:
        old = await place.make(50_000)
        await asyncio.sleep(30)  # simulated
        await place.retention().remove()
        place.wait(SETTLING)
        read = place.world.disk.runs

        async def away(query: RunQuery) -> Any:
            raise StoreUnavailable.of("ACC519", "away")

        place.world.disk.runs = away  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailable):
            await place.retention().remove()
        assert await place.has(old)
        place.world.disk.runs = read  # type: ignore[method-assign]
        assert (await place.retention().remove()).blobs == 1

    at_a_place(story)


def test_sessions_go_when_they_have_been_over_for_long_enough_and_so_have_all_before_them() -> None:
    async def story(place: Place) -> None:
        journal, clock, access = place.world.disk, place.world.clock, place.node.parts.access
        credential = Credential(
            principal=Principal(name="ada", role="viewer", organisation="local", credential="test"),
            until=clock.now() + timedelta(days=9),
        )
        ours, behind, late = (Sessions(journal, clock, access) for _ in range(3))
        await ours.open(credential, timedelta(seconds=5))
        await behind.stream.refresh()
        link = await ours.offer(credential)
        _, closed = await ours.redeem(link.secret, timedelta(seconds=5))
        await ours.close(closed)
        _, long = await ours.open(credential, timedelta(days=1))
        _, last = await ours.open(credential, timedelta(seconds=5))
        assert (await journal.head(SESSIONS)).sequence == 6
        place.wait(timedelta(minutes=14))
        await place.until_done()
        assert (await journal.floor(SESSIONS)).sequence == 1, "the link was not over for long enough"
        place.wait(timedelta(minutes=5))
        await place.until_done()
        assert (await journal.floor(SESSIONS)).sequence == 4, "there is one that is not over"
        for one in (ours, behind, late):  # whoever has not seen what went goes on behind it
            assert (await one.session_of(long)).principal.name == "ada"
            assert (await one.session_of(last)).principal.name == "ada"
        _, more = await late.open(credential, timedelta(days=1))
        await behind.stream.refresh()
        assert (await behind.session_of(more)).principal.name == "ada"
        place.wait(timedelta(days=2))
        await place.until_done()
        assert (await journal.floor(SESSIONS)).sequence == 6, "the last event stays"
        new = Sessions(journal, clock, access)
        assert (await new.session_of(more)).principal.name == "ada"

    at_a_place(story)


def test_a_stream_whose_first_events_are_missing_and_were_not_trimmed_is_told() -> None:
    async def story(place: Place) -> None:
        journal, clock, access = place.world.disk, place.world.clock, place.node.parts.access
        credential = Credential(principal=Principal(name="ada", role="viewer", organisation="local", credential="test"))
        for _ in range(3):
            await Sessions(journal, clock, access).open(credential, timedelta(seconds=5))
        await journal.trim(SESSIONS, until=2)
        with pytest.raises(StoreCorrupt):  # no other stream is trimmed like that
            await SystemStream(journal, SESSIONS, lambda _: None).refresh()

        async def nothing(_: object) -> Head:
            return Head()

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(journal, "floor", nothing)
            with pytest.raises(StoreCorrupt):
                await Sessions(journal, clock, access).stream.refresh()

    at_a_place(story)
