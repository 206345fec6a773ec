"""Verification: a report holds as long as what it rests on."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from accord.domain.agent import decode_card
from accord.engine import verification
from accord.sdk import Agent
from accord.testing.stage import Stage

WORK = {"work": {"uses": "test.work@^1", "with": {"number": 1}}}
NESTED = {"inner": {"workflow": "play@^1", "with": {}}}


def working(*capabilities: str) -> Agent:
    agent = Agent("worker")
    for capability in capabilities:
        agent.capability(capability)(work)
    return agent


async def work(number: int) -> int:
    return number


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


class Counting:
    """Counts how often something is verified."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._verify = verification.verify
        monkeypatch.setattr(verification, "verify", self._counted)

    def _counted(self, *arguments: Any, **named: Any) -> Any:
        self.count += 1
        return self._verify(*arguments, **named)


async def reports(stage: Stage, digest: Any, counting: Counting) -> int:
    """How often the graph has to be verified for one more report."""
    before = counting.count
    await stage.parts.verification.report(await stage.parts.library.graph(digest), by="local")
    return counting.count - before


async def test_a_report_outlasts_other_templates(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.enlist(working("test.work@1.0.0"))
    digest = await stage.publish(WORK)
    counting = Counting(monkeypatch)
    await stage.publish(WORK, name="another")
    assert await reports(stage, digest, counting) == 0


async def test_with_sub_workflows_it_does_not(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.enlist(working("test.work@1.0.0"))
    await stage.publish(WORK)
    digest = await stage.publish(NESTED, name="outer")
    await stage.parts.verification.report(await stage.parts.library.graph(digest), by="local")
    counting = Counting(monkeypatch)
    await stage.publish(WORK, name="another")
    assert await reports(stage, digest, counting) == 1


async def test_it_ends_with_what_agents_offer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await stage.enlist(working("test.work@1.0.0"))
    digest = await stage.publish(WORK)
    counting = Counting(monkeypatch)
    await agent.announce()
    assert await reports(stage, digest, counting) == 0, "it has said the same again"
    more = working("test.work@1.0.0", "test.more@1.0.0")
    stage.parts.registry.remember_card(decode_card(agent.card(more)))
    assert await reports(stage, digest, counting) == 1
