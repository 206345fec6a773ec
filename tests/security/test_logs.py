"""Log lines that must be refused: nothing of them is kept, and each is an incident."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from accord.domain.ids import LeaseToken, TaskId
from accord.domain.log import LoggedLine, LogPayload, LogQuery
from accord.domain.message import payload_ref
from accord.domain.payloads import encode_payload
from accord.domain.run import Run
from accord.ports import LOGS_SUBJECT
from accord.sdk import Agent
from accord.sdk.log_lines import line_of
from accord.testing.stage import Assignment, ScriptedAgent, Stage

ONE = {"work": {"uses": "test.work@^1", "with": {"number": 1}}}
OTHER = {"wait": {"signal": {"name": "go"}}}


def working(name: str) -> Agent:
    agent = Agent(name)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def batch(stage: Stage, *messages: str, first: int = 1) -> bytes:
    lines = tuple(line_of(20, message, {}, stage.clock.now()) for message in messages)
    return encode_payload(LogPayload(first=first, lines=lines))


async def say(stage: Stage, agent: ScriptedAgent, given: Assignment, data: bytes, /, **changed: Any) -> None:
    """Have the agent log this, and wait until it is dealt with."""
    honest = {"id": f"{given.claims.run}/work/1/log/1"}
    message = await agent.sign(agent.claims(given, data, **{"kind": "log", **honest, **changed}), data)
    await stage.bus.deliver(LOGS_SUBJECT, message)


async def kept(stage: Stage, run: Run) -> list[LoggedLine]:
    """What is kept, once it is written: whoever follows is told."""
    with stage.node._logbook.watching(run.id) as changed:
        page = await stage.node.logs(run.id, LogQuery())
        if not page.lines:
            await asyncio.wait_for(changed.wait(), 10)
            page = await stage.node.logs(run.id, LogQuery())
    return list(page.lines)


async def codes(stage: Stage) -> list[str]:
    await stage.start(OTHER, name="other")  # a turn puts down what was noticed
    return await stage.codes()


async def test_an_honest_line_is_kept_also_when_it_comes_late(stage: Stage) -> None:
    agent = await stage.enlist(working("one"))
    run = await stage.start(ONE)
    given = await agent.assigned()
    await agent.answer(given, 8)
    await say(stage, agent, given, batch(stage, "late"))
    await say(stage, agent, given, batch(stage, "late"))
    assert [one.message for one in await kept(stage, run)] == ["late"]
    assert await codes(stage) == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"lease": LeaseToken("run.another")}, "ACC349"),
        ({"attempt": 2}, "ACC347"),
        ({"task": TaskId("none")}, "ACC347"),
        ({"capability": "test.other@1.0.0"}, "ACC350"),
        ({"inputs": ()}, "ACC881"),
        ({"payload": payload_ref(b"{}")}, "ACC352"),
        ({"kind": "progress"}, "ACC345"),
        ({"lease": None}, "ACC346"),
        ({"expires_at": 1}, "ACC343"),
    ],
)
@pytest.mark.abuse(
    "ASI07",
    at="gate",
    stride="tampering",
    case="log lines with claims that are not those of the attempt",
    codes=("ACC345", "ACC347", "ACC349", "ACC350", "ACC352", "ACC881"),
)
async def test_lines_with_other_claims_are_refused(stage: Stage, changed: dict[str, Any], code: str) -> None:
    agent = await stage.enlist(working("one"))
    run = await stage.start(ONE)
    given = await agent.assigned()
    await say(stage, agent, given, batch(stage, "no"), **changed)
    await say(stage, agent, given, batch(stage, "yes"))
    assert [one.message for one in await kept(stage, run)] == ["yes"]
    assert await codes(stage) == [code]


@pytest.mark.abuse(
    "ASI03", at="gate", stride="spoofing", case="log lines about an attempt of another agent", codes=("ACC348",)
)
async def test_nobody_writes_into_the_log_of_another_agent(stage: Stage) -> None:
    agent = await stage.enlist(working("one"))
    run = await stage.start(ONE)
    given = await agent.assigned()
    other = await stage.enlist(working("two"))
    await say(stage, other, given, batch(stage, "forged"))
    await say(stage, agent, given, batch(stage, "honest"))
    await say(stage, other, given, batch(stage, "forged again", first=2))
    assert [one.message for one in await kept(stage, run)] == ["honest"]
    assert await codes(stage) == ["ACC348", "ACC348"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b'{"first":1,"lines":[' + b" " * (65 << 10) + b"]}", "ACC482"),
        (b'{"first":1,"lines":[{"at":"2026-01-01T00:00:00Z","level":"info","message":"","fields":{"x":"%b"}}]}'
         % (b"y" * (9 << 10)), "ACC483"),
        (b'{"first":1,"lines":[{"at":"2026-01-01T00:00:00Z","level":"info","message":"%b"}]}'
         % (b"y" * 4001), "ACC330"),
        (b'{"first":1,"lines":[{"at":"2026-01-01T00:00:00","level":"info","message":""}]}', "ACC330"),
        (b'{"first":1,"lines":[{"at":"2026-01-01T00:00:00Z","level":"loud","message":""}]}', "ACC330"),
        (b'{"first":0,"lines":[]}', "ACC330"),
        (b'{"first":1,"first":2,"lines":[]}', "ACC322"),
        (b"no json", "ACC321"),
    ],
)  # fmt: skip
@pytest.mark.abuse(
    "ASI05", at="gate", stride="denial of service", case="log lines beyond their bounds", codes=("ACC482", "ACC483")
)
async def test_lines_beyond_their_bounds_are_refused(stage: Stage, payload: bytes, code: str) -> None:
    agent = await stage.enlist(working("one"))
    run = await stage.start(ONE)
    given = await agent.assigned()
    await say(stage, agent, given, payload)
    await say(stage, agent, given, batch(stage, "yes"))
    assert [one.message for one in await kept(stage, run)] == ["yes"]
    assert await codes(stage) == [code]
