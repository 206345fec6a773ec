"""`accord top`: who works and what waits, looked at again and again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from accord.cli.errors import DONE
from accord.cli.keypress import hears_keys, pressed
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, clean, counted, moment, state_text
from accord.cli.session import carry_out, ended_or_interrupted, opened
from accord.domain.cluster import Cluster, Member
from accord.ports import OPEN, RunQuery
from accord.service import Service
from accord.views.agents import AgentDocument, agent_documents

Order = Literal["load", "name"]

RUNS_MOST = 1000
"""Open runs that are counted; of more it is said that there are more."""

AROUND = 9
"""Lines that the picture needs beside agents and processes."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one look has shown."""

    cluster: Cluster
    runs: dict[str, int]
    """Open runs by state, up to a thousand of the newest."""
    agents: tuple[AgentDocument, ...]


def top(shared: Shared, *, by: Order, every_s: float, once: bool) -> None:
    """Carry out `accord top`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            if screen.as_json:
                screen.document(await look(service))
            elif once or not screen.watched:
                screen.out.print(picture(await look(service), by))
            else:
                await _watch(service, screen, by, every_s)
        return DONE

    carry_out(shared, work)


async def look(service: Service) -> Seen:
    """All that is shown, as it is now."""
    cluster, agents, open_ = await asyncio.gather(
        service.cluster(), service.agents(), service.runs(RunQuery(states=OPEN, limit=RUNS_MOST))
    )
    return Seen(
        cluster=cluster,
        runs=dict(Counter(one.state for one in open_)),
        agents=await agent_documents(service, agents, whole=False),
    )


async def _watch(service: Service, screen: Screen, by: Order, every_s: float) -> None:
    """Look until the command is interrupted, or `q` is pressed."""
    footer = f"{'q or Ctrl-C' if hears_keys() else 'Ctrl-C'} ends it"

    async def look_on(live: Live) -> None:
        while True:
            live.update(picture(await look(service), by, screen.out.size.height, footer), refresh=True)
            await asyncio.sleep(every_s)

    with Live(console=screen.out, screen=True, auto_refresh=False) as live, pressed("q") as told_to_end:
        looking = asyncio.create_task(look_on(live))
        try:
            await ended_or_interrupted(told_to_end, looking)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


def picture(seen: Seen, by: Order, lines: int | None = None, footer: str = "") -> RenderableType:
    """What was seen, in so many lines of a terminal; in as many as it takes where None."""
    cluster = seen.cluster
    members = _members(cluster)
    present = sorted((one for one in seen.agents if one.present is not None), key=lambda one: _key(one, by))
    room = len(present) if lines is None else max(lines - AROUND - len(cluster.members), 3)
    parts: list[RenderableType] = [*_head(seen), Text(), members, Text(), _agents(present[:room])]
    absent = len(seen.agents) - len(present)
    beyond = [f"{len(present) - room} more present"] if len(present) > room else []
    rest = [*beyond, f"{counted(absent, 'agent')} known and not present"] if absent else beyond
    rest += [footer] if footer else []
    return Group(*parts, Text(" · ".join(rest), "quiet")) if rest else Group(*parts)


def _key(one: AgentDocument, by: Order) -> tuple[float, int, str]:
    return (-_taken(one), -one.queued, one.agent) if by == "load" else (0.0, 0, one.agent)


def _head(seen: Seen) -> Iterator[RenderableType]:
    cluster = seen.cluster
    yield Text.assemble(
        (f"Accord {cluster.release}", "head"),
        (f"  {cluster.organisation} · {cluster.store} · {cluster.bus} · {moment(cluster.at)}", "quiet"),
    )
    line = Text("runs     ")
    counts = [Text.assemble(state_text(state), f" {seen.runs[state]}") for state in OPEN if state in seen.runs]
    line.append_text(Text("   ").join(counts) if counts else Text("none under way", "quiet"))
    if sum(seen.runs.values()) >= RUNS_MOST:
        line.append(f"   of the newest {RUNS_MOST}", "quiet")
    yield line
    queued = "not told by the bus" if cluster.queued is None else f"{counted(cluster.queued, 'answer')} on the bus"
    yield Text(f"waiting  {counted(cluster.waiting, 'task')} for an agent · {queued}")


def _members(cluster: Cluster) -> Table:
    grid = _table("process", "what", "partitions", "")
    most = max((one.partitions for one in cluster.members), default=0)
    for one in cluster.members:
        grid.add_row(one.name, _what(one), str(one.partitions), _bar(one.partitions / most if most else 0))
    free = sum(one.owner is None and not one.reserved for one in cluster.partitions)
    if free:
        grid.add_row(Text("nobody", "warn"), "", str(free), "")
    return grid


def _what(member: Member) -> str:
    kind = "replica" if member.serves else "command"
    return f"{kind}, asked" if member.here else kind


def _agents(agents: Sequence[AgentDocument]) -> Table:
    grid = _table("agent", "instances", "at work", "of", "queued", "", "")
    for one in agents:
        assert one.present is not None  # noqa: S101 - those that are present are shown
        counts = (len(one.instances), one.running, one.present.concurrency, one.queued)
        name = Text(clean(agent_name(one.agent)), "name")
        grid.add_row(name, *map(str, counts), _bar(_taken(one)), _said(one))
    if not agents:
        grid.add_row(Text("none present", "quiet"), "", "", "", "", "", "")
    return grid


def _said(one: AgentDocument) -> Text:
    if one.hold is not None:
        return Text("⊘ quarantined", "red") if one.hold.quarantine else Text("‖ held back", "yellow")
    if one.taken_out:
        return Text(f"✗ out of {', '.join(out.capability for out in one.taken_out)}", "red")
    leaving = sum(each.draining for each in one.instances)
    return Text(f"{leaving} about to leave" if leaving else "", "yellow")


def _taken(one: AgentDocument) -> float:
    """What all instances work on, as a share of what they can."""
    slots = one.present.concurrency if one.present is not None else 0
    return one.running / slots if slots else 0.0


def _bar(share: float) -> ProgressBar:
    return ProgressBar(total=1.0, completed=share, width=20)


def _table(*columns: str) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="quiet")
    for name in columns:
        right = name in ("instances", "at work", "of", "queued", "partitions")
        grid.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    return grid
