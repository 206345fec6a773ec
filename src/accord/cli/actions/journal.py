"""`accord journal`: the events of a run, the proof that they hold, and the state that they add up to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.text import Text

from accord.app import open_retention
from accord.cli.errors import DONE, FAILED
from accord.cli.finding import find_run
from accord.cli.options import Shared
from accord.cli.output import (
    Screen,
    agent_name,
    counted,
    duration,
    moment,
    shortened,
    size,
    state_text,
)
from accord.cli.session import carry_out, opened
from accord.cli.tables import Column
from accord.codec import decode_event, follow
from accord.domain.event import Event
from accord.domain.machine import event_name
from accord.domain.run import Run, begin, evolve
from accord.engine.retention import Removed
from accord.ports import Head, Record
from accord.service import Service, summary_of
from accord.views.plain import plain_value
from accord.views.records import event_documents

_SAID_ELSEWHERE = ("event", "at", "task", "attempt")


def show_journal(shared: Shared, reference: str, after: int, limit: int | None) -> None:
    """Carry out `accord journal show`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            records = await service.records(run, after=after, limit=limit)
        events = decoded(records)
        if screen.as_json:
            screen.document(event_documents(records))
        else:
            rows = [_row(sequence, event) for sequence, event in events]
            screen.table(("#", Column("at", spare=1), "event", "task", "what"), rows, wraps=False)
        return DONE

    carry_out(shared, work)


def decoded(records: Sequence[Record]) -> list[tuple[int, Event]]:
    """The events of records, with their numbers."""
    return [(record.sequence, decode_event(record)) for record in records]


def _row(sequence: int, event: Event) -> tuple[str | Text, ...]:
    document = plain_value(event)
    task = str(document.get("task", ""))
    if "attempt" in document:
        task += f" #{document['attempt']}"
    at = event.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    words = "  ".join(_words(document))
    return str(sequence), Text(at, "quiet"), event_name(type(event)), task, Text(words, "quiet")


def _words(document: dict[str, Any]) -> Iterator[str]:
    for name, value in document.items():
        if name not in _SAID_ELSEWHERE and value not in (None, "", []):
            yield f"{name}={_short(name, value)}"


def _short(name: str, value: Any) -> str:
    if isinstance(value, dict) and "sha256" in value:
        return f"{value['sha256'][:8]} ({size(value['len'])})"
    if name == "agent":
        return agent_name(value)
    if name == "statement":
        return f"{value[:8]}… ({size(len(value))})"
    if name in ("contract", "payload", "graph", "lease"):
        return str(value)[:8]
    return shortened(value if isinstance(value, str) else msgspec.json.encode(value).decode(), 120)


def prune_journal(shared: Shared, *, dry_run: bool, wait: bool) -> None:
    """Carry out `accord journal prune`."""

    async def work(screen: Screen) -> int:
        shared.here("journal prune")
        async with open_retention(shared.settings()) as retention:
            removed = await (retention.would_remove() if dry_run else retention.remove(at_once=True))
            while wait and removed.search_at is not None:
                left = removed.search_at - datetime.now(UTC)
                screen.note(f"Blobs may go in {duration(left.total_seconds())}; Ctrl-C leaves them to who comes next.")
                await asyncio.sleep(max(left.total_seconds(), 0))
                removed.add(await retention.remove())
        if screen.as_json:
            screen.document({**plain_value(removed), "dry_run": dry_run})
        else:
            _show_removed(removed, screen, verb="would go" if dry_run else "removed")
        return DONE

    carry_out(shared, work)


def _show_removed(removed: Removed, screen: Screen, *, verb: str) -> None:
    blobs = f"{counted(removed.blobs, 'blob')} ({size(removed.blobs_bytes)})"
    things = (counted(len(removed.runs), "run"), counted(removed.incidents, "incident"), blobs)
    screen.line(f"{verb}: {', '.join(things)}")
    if removed.search_at is not None:
        screen.note(f"Unused blobs go with the first command after {moment(removed.search_at)}, or with --wait.")


def replay_journal(shared: Shared, reference: str, until: int | None) -> None:
    """Carry out `accord journal replay`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            records = await service.records(run)
            follow(records, Head())
            events = decoded(records[:until])
            states = list(await _replayed(service, events))
            stored = await service.summary(run)
        last = states[-1]
        agrees = None
        if stored is not None and until is None:
            agrees = summary_of(last, stored.wake_at) == stored
        if screen.as_json:
            screen.document({"run": run, "events": len(events), "state": _phase(last), "agrees": agrees})
        else:
            _show_replay(events, states, screen, agrees=agrees)
        return FAILED if agrees is False else DONE

    carry_out(shared, work)


async def _replayed(service: Service, events: list[tuple[int, Event]]) -> Iterator[Run]:
    """The state after every event."""
    first: Any = events[0][1]
    graph = await service.graph(first.graph)

    def states() -> Iterator[Run]:
        state = begin(graph, first)
        yield state
        for _, event in events[1:]:
            state = evolve(state, event)
            yield state

    return states()


def _phase(run: Run) -> str:
    return "paused" if run.paused else run.phase


def _show_replay(events: list[tuple[int, Event]], states: list[Run], screen: Screen, *, agrees: bool | None) -> None:
    rows = [_replay_row(sequence, event, state) for (sequence, event), state in zip(events, states, strict=True)]
    screen.table(("#", "event", "task", "is then", Column("run", spare=2), "done", Column("under way", spare=1)), rows)
    if agrees is not None:
        told = "the same as what lists show" if agrees else "NOT what lists show: the projection is wrong"
        screen.line(
            f"{counted(len(events), 'event')}; the state that they add up to is {told}", "" if agrees else "bad"
        )


def _replay_row(sequence: int, event: Event, state: Run) -> tuple[str | Text, ...]:
    task = getattr(event, "task", None)
    then = state_text(state.state(task).phase) if task is not None else Text()
    done = f"{state.settled}/{len(state.graph.order)}"
    return str(sequence), event_name(type(event)), task or "", then, state_text(_phase(state)), done, str(state.live)
