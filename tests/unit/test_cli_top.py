"""The picture of who works and what waits."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import signal
import termios
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from accord.cli import output
from accord.cli.actions import top
from accord.cli.actions.top import Order, Seen, picture
from accord.cli.output import Screen
from accord.cli.session import _interruptible
from accord.domain.agent import agent_id
from accord.domain.cluster import Cluster, Member, PartitionStanding
from accord.domain.ids import InstanceId
from accord.domain.system import HoldPlaced
from accord.ports import Sighting
from accord.views.agents import AgentDocument, Room, instance_document

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def agent(name: str, *loads: float, held: bool = False, draining: bool = False) -> AgentDocument:
    known = agent_id("local", name)
    instances = tuple(
        instance_document(
            Sighting(
                agent=known,
                instance=InstanceId(f"{known}#{number}"),
                process="p-1-1",
                seen_at=NOW,
                concurrency=4,
                queue=4,
                queued=max(0, round(load * 8) - 4),
                load=load,
                draining=draining,
            )
        )
        for number, load in enumerate(loads)
    )
    return AgentDocument(
        agent=known,
        organisation="local",
        description="",
        held=held,
        hold=HoldPlaced(at=NOW, scope="agent", subject=known, by="ann") if held else None,
        running=sum(one.running for one in instances),
        queued=sum(one.queued for one in instances),
        present=Room(4 * len(loads), 4 * len(loads)) if loads else None,
        capabilities=(),
        concurrency=4,
        queue=4,
        instances=instances,
    )


def seen(*agents: AgentDocument, queued: int | None = 3) -> Seen:
    owners = ["p-1-1", None, "p-2-2"]
    partitions = tuple(
        PartitionStanding(partition=number, reserved=False, owner=owner, epoch=1, until=NOW, queued=queued)
        for number, owner in enumerate(owners)
    )
    members = (
        Member(name="p-1-1", serves=True, here=True, partitions=1),
        Member(name="p-2-2", serves=False, here=False, partitions=1),
    )
    cluster = Cluster(
        at=NOW,
        organisation="local",
        release="1.2.3",
        store="postgresql",
        bus="nats",
        members=members,
        partitions=partitions,
        runs=2,
        waiting=5,
    )
    return Seen(cluster=cluster, runs={"running": 2, "paused": 1}, agents=agents)


def drawn(what: Seen, by: Order = "load", lines: int | None = None) -> list[str]:
    paper = io.StringIO()
    Console(file=paper, width=100, theme=output.THEME, color_system=None).print(picture(what, by, lines))
    return [line.rstrip() for line in paper.getvalue().splitlines()]


def test_it_tells_who_works_what_waits_and_what_nobody_owns() -> None:
    lines = drawn(seen(agent("quiet"), agent("idle", 0.0), agent("busy", 0.5, 1.0), agent("held", 0.25, held=True)))
    assert lines[0] == "Accord 1.2.3  local · postgresql · nats · 2026-01-02 12:00:00"
    assert lines[1].split() == ["runs", "●", "running", "2", "‖", "paused", "1"]
    assert lines[2] == "waiting  5 tasks for an agent · 9 answers on the bus"
    assert [line.split()[:4] for line in lines[4:8]] == [
        ["process", "what", "partitions"],
        ["p-1-1", "replica,", "asked", "1"],
        ["p-2-2", "command", "1", "━━━━━━━━━━━━━━━━━━━━"],
        ["nobody", "1"],
    ]
    assert [line.split()[:5] for line in lines[10:13]] == [
        ["busy", "2", "8", "8", "4"],
        ["held", "1", "2", "4", "0"],
        ["idle", "1", "0", "4", "0"],
    ]
    assert lines[11].endswith("‖ held back")
    assert lines[-1] == "1 agent known and not present"


def test_a_low_terminal_is_told_how_many_more_there_are() -> None:
    many = [agent(f"a{number}", number / 10) for number in range(10)]
    lines = drawn(seen(*many), lines=14)
    assert [line.split()[0] for line in lines[10:13]] == ["a9", "a7", "a8"]
    assert lines[-1] == "7 more present"
    assert [line.split()[0] for line in drawn(seen(*many), "name", 14)[10:13]] == ["a0", "a1", "a2"]


def test_what_is_not_known_is_not_made_up() -> None:
    lines = drawn(seen(queued=None))
    assert "not told by the bus" in lines[2]
    assert lines[-1].split() == ["none", "present"]
    assert drawn(seen(agent("leaves", 0.1, draining=True)))[-1].endswith("1 about to leave")


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Both ends of the terminal that stdin is: where somebody types, and what reads it."""
    types, reads = pty.openpty()
    with os.fdopen(reads) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield types, reads
    os.close(types)


def watching(shows: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> str:
    """What stands in the terminal once `accord top` has ended; `shows` is called when it has looked."""
    screen, paper = Screen(), io.StringIO()
    screen.out = Console(file=paper, width=100, height=30, theme=output.THEME, color_system=None, force_terminal=True)

    async def look(_: Any) -> Seen:
        asyncio.get_running_loop().call_soon(shows)
        return seen(agent("idle", 0.0))

    async def work(screen: Screen) -> int:
        await top._watch(None, screen, "load", 3600)  # type: ignore[arg-type]  # it is asked nothing
        return 0

    monkeypatch.setattr(top, "look", look)
    assert asyncio.run(_interruptible(work, screen)) == 0
    return paper.getvalue()


def test_q_ends_it_and_it_says_so(keyboard: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    types, reads = keyboard
    before = termios.tcgetattr(reads)
    told = watching(lambda: os.write(types, b"xq"), monkeypatch)
    assert "q or Ctrl-C ends it" in told
    assert termios.tcgetattr(reads) == before


def test_ctrl_c_ends_it_where_no_key_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    told = watching(lambda: signal.raise_signal(signal.SIGINT), monkeypatch)
    assert "Ctrl-C ends it" in told
    assert "q or" not in told


def test_what_is_piped_says_nothing_of_keys() -> None:
    assert not [line for line in drawn(seen(agent("idle", 0.0))) if "ends it" in line]
