"""What agents log: it comes to the run, in order, and is read by task, attempt and level; nothing waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accord.codec import decode_event
from accord.domain import log
from accord.domain.event import AttemptAssigned, AttemptSucceeded
from accord.domain.ids import RunId, TaskId
from accord.domain.log import LogGap, LoggedLine, LogPayload, LogQuery, Tally, number_lines, tallied
from accord.domain.run import Run
from accord.engine.node import Node
from accord.errors import BadInput, NotFound
from accord.sdk import Agent, Context, Failure
from accord.sdk.log_lines import line_of
from accord.service import Fork
from accord.templates.reading import read_source
from accord.testing.world import World, simulated

PLAN = """
accord: template/1
name: logging
version: 1.0.0
input: {type: integer}
tasks:
  first: {uses: words.say@^1, with: {number: "${ input }"}, retry: {attempts: 2, backoff: {first: 1s}}}
  second: {uses: words.say@^1, with: {number: "${ tasks.first.output }"}}
output: "${ tasks.second.output }"
"""

Body = Callable[[int, Context], Any]
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


async def performed(world: World, body: Body, value: int = 1) -> tuple[Node, Run]:
    """A node, and a run of two tasks that do this."""
    node = await world.start()
    agent = Agent("speaker", concurrency=2)
    agent.capability("words.say@1.0.0", description="Says something.")(body)
    await world.hire(agent)
    await node.present(agent.id)
    source = read_source(PLAN)
    run = await node.start_run(await node.publish(source.template, source.data), value)
    return node, await node.ended(run.id)


async def all_lines(node: Node, run: Run, **wanted: Any) -> list[LoggedLine]:
    """What is logged of a run, once nothing is on its way."""
    await asyncio.sleep(5)
    page = await node.logs(run.id, LogQuery(**wanted))
    assert not page.more
    return list(page.lines)


def said(lines: list[LoggedLine]) -> list[tuple[str, int, int, str, str]]:
    return [(one.task, one.attempt, one.number, one.level, one.message) for one in lines]


async def speak(number: int, context: Context) -> int:
    """Logs a little, and fails the first time."""
    context.log("got %d", number, extra={"number": number})
    logging.getLogger("library").warning("careful", extra={"share": 0.5})
    if context.task == "first" and context.attempt == 1:
        context.log.error("no luck", extra={"reason": "chance"})
        raise Failure("unlucky", "not this time", retryable=True)
    return number + 1


def test_lines_come_to_the_run_with_their_levels_and_fields() -> None:
    async def body(world: World) -> None:
        node, run = await performed(world, speak)
        assert run.phase == "completed"
        lines = await all_lines(node, run)
        assert said(lines) == [
            ("first", 1, 1, "info", "got 1"),
            ("first", 1, 2, "warning", "careful"),
            ("first", 1, 3, "error", "no luck"),
            ("first", 2, 1, "info", "got 1"),
            ("first", 2, 2, "warning", "careful"),
            ("second", 1, 1, "info", "got 2"),
            ("second", 1, 2, "warning", "careful"),
        ]
        assert lines[0].fields == {"number": 1}
        assert lines[1].fields == {"logger": "library", "share": 0.5}
        assert lines[2].fields == {"reason": "chance"}

    simulated(1, body)


def test_lines_are_asked_for_by_task_attempt_and_level_and_in_pages() -> None:
    async def body(world: World) -> None:
        node, run = await performed(world, speak)
        everything = await all_lines(node, run)
        assert said(await all_lines(node, run, task=TaskId("second"))) == said(everything[5:])
        assert said(await all_lines(node, run, attempt=2)) == said(everything[3:5])
        assert said(await all_lines(node, run, level="error")) == said(everything[2:3])
        found: list[LoggedLine] = []
        wanted = LogQuery(limit=3)
        while True:
            page = await node.logs(run.id, wanted)
            assert len(page.lines) <= 3
            found += page.lines
            if not page.more:
                break
            wanted = LogQuery(limit=3, after=page.next)
        assert found == everything
        assert (await node.logs(run.id, LogQuery(after=page.next))).lines == ()
        with pytest.raises(BadInput, match="ACC484"):
            await node.logs(run.id, LogQuery(after="0.x.1"))
        with pytest.raises(NotFound):
            await node.logs(RunId("nobody"), LogQuery())

    simulated(1, body)


def test_by_the_time_of_an_event_there_were_the_lines_written_until_then() -> None:
    async def body(world: World) -> None:
        async def slowly(number: int, context: Context) -> int:
            context.log.info("begin %d", number)
            await asyncio.sleep(10)
            context.log.info("end %d", number)
            return number + 1

        node, run = await performed(world, slowly)
        lines = await all_lines(node, run)
        events = [decode_event(record) for record in await node.records(run.id)]
        ended, given = (
            [place for place, one in enumerate(events, 1) if isinstance(one, kind)]
            for kind in (AttemptSucceeded, AttemptAssigned)
        )
        told = {at: len((await node.logs(run.id, LogQuery(at=at))).lines) for at in range(1, len(events) + 1)}
        assert (told[1], told[ended[0]], told[len(events)]) == (0, 2, 4)
        assert told[given[1]] == 2  # it has said nothing when it is given the work
        assert said(list((await node.logs(run.id, LogQuery(at=ended[0]))).lines)) == said(lines[:2])
        assert list(told.values()) == sorted(told.values())
        fork = await node.ended((await node.fork(run.id, Fork(task=TaskId("second")), by="test")).id)
        assert said(await all_lines(node, fork, at=1)) == said(lines[:2])  # it has taken them over

    simulated(1, body)


def test_who_follows_is_told_each_line_once_until_the_run_has_ended() -> None:
    async def body(world: World) -> None:
        told: list[LoggedLine] = []

        async def slowly(number: int, context: Context) -> int:
            for part in range(3):
                context.log.info("part %d", part)
                await asyncio.sleep(10)
            return number

        async def follow(node: Node, run: Run) -> None:
            async for page in node.follow_logs(run.id, LogQuery()):
                told.extend(page.lines)

        node = await world.start()
        agent = Agent("speaker")
        agent.capability("words.say@1.0.0", description="Says something.")(slowly)
        await world.hire(agent)
        await node.present(agent.id)
        source = read_source(PLAN)
        run = await node.start_run(await node.publish(source.template, source.data), 1)
        following = asyncio.create_task(follow(node, run))
        await asyncio.sleep(15)
        assert [one.message for one in told] == ["part 0", "part 1"], "before the attempt has ended"
        await node.ended(run.id)
        await following
        assert said(told) == said(await all_lines(node, run))
        assert len(told) == 6

    simulated(1, body)


def test_what_goes_beyond_the_bound_is_counted_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accord.engine.logbook.ATTEMPT_MAX_BYTES", 1000)

    async def body(world: World) -> None:
        async def much(number: int, context: Context) -> int:
            for part in range(50):
                context.log.info("part %d", part)
            return number

        node, run = await performed(world, much)
        assert run.phase == "completed"
        await asyncio.sleep(5)
        page = await node.logs(run.id, LogQuery(task=TaskId("first")))
        assert 2 < len(page.lines) < 20
        assert page.gaps == (LogGap(task=TaskId("first"), attempt=1, missing=50 - len(page.lines)),)

    simulated(1, body)


def test_what_is_logged_wrongly_harms_nobody() -> None:
    async def body(world: World) -> None:
        async def badly(number: int, context: Context) -> int:
            context.log.info("%d is a number", "no")
            context.log.info("odd", extra={"huge": 1 << 80, "nan": float("nan"), "bytes": b"x", "half": "\ud800"})
            context.log.info("x" * 100_000)
            try:
                raise ValueError("inside")
            except ValueError:
                context.log.exception("caught")
            return number

        node, run = await performed(world, badly)
        lines = [one for one in await all_lines(node, run) if one.task == "first"]
        assert lines[0].fields == {"huge": str(1 << 80), "nan": "nan", "bytes": "b'x'", "half": "\\ud800"}
        assert len(lines[1].message) == log.MESSAGE_MAX_CHARACTERS
        assert lines[2].fields["exception"].endswith("ValueError: inside")

    simulated(1, body)


def test_what_an_agent_raises_stays_with_its_author(caplog: pytest.LogCaptureFixture) -> None:
    async def body(world: World) -> None:
        async def broken(number: int, context: Context) -> int:
            context.log.info("so far")
            raise ValueError("a secret of the author")

        node, run = await performed(world, broken)
        assert run.phase == "failed"
        lines = await all_lines(node, run)
        assert {one.message for one in lines} == {"so far"}

    simulated(1, body)
    assert "a secret of the author" in caplog.text, "it is told where the agent runs"


def test_a_plain_function_logs_from_its_thread() -> None:
    async def body(world: World) -> None:
        def in_thread(number: int, context: Context) -> int:
            context.log.info("from a thread")
            logging.getLogger("library").error("and from a library")
            return number

        node, run = await performed(world, in_thread)
        lines = [one for one in await all_lines(node, run) if one.task == "first"]
        assert [one.message for one in lines] == ["from a thread", "and from a library"]

    simulated(1, body)


def test_a_fork_has_the_lines_of_the_attempts_that_it_shares() -> None:
    async def body(world: World) -> None:
        node, run = await performed(world, speak)
        original = await all_lines(node, run)
        fork = await node.fork(run.id, Fork(task=TaskId("second")), by="test")
        ended = await node.ended(fork.id)
        assert ended.phase == "completed"
        lines = await all_lines(node, ended)
        assert lines[:5] == original[:5], "of the first task, which was not done again"
        assert said(lines[5:]) == [("second", 1, 1, "info", "got 2"), ("second", 1, 2, "warning", "careful")]
        found, wanted = [], LogQuery(limit=2)
        while (page := await node.logs(ended.id, wanted)).lines:
            found += page.lines
            wanted = LogQuery(limit=2, after=page.next)
        assert found == lines

    simulated(1, body)


def test_lines_that_come_twice_are_kept_once_and_those_that_never_come_are_missing() -> None:
    lines = tuple(line_of(logging.INFO, f"line {number}", {}, NOON) for number in range(3))
    batch = LogPayload(first=3, lines=lines)
    numbered = number_lines(TaskId("task"), 1, batch)
    tally, kept = tallied(Tally(), batch, numbered, 10_000)
    assert [one.number for one in kept] == [3, 4, 5]
    assert (tally.said, tally.kept) == (5, 3), "the first two are missing"
    assert tallied(tally, batch, numbered, 10_000) == (tally, [])
    assert tallied(tally, LogPayload(first=9, lines=()), [], 10_000)[0].said == 8
