"""`accord journal`: the events of a run, the proof that they hold, and the state that they add up to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.text import Text

from accord.app import open_retention
from accord.cli.errors import DONE, FAILED, usage
from accord.cli.finding import find_run, read_moment
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, clean, counted, moment, shortened, size, state_text
from accord.cli.session import carry_out, opened
from accord.cli.tables import Column
from accord.codec import decode_event, follow
from accord.domain.duration import duration_words
from accord.domain.event import Event
from accord.domain.ids import RunId
from accord.domain.machine import event_name
from accord.domain.replay import StateChange, changes, count_until, states
from accord.domain.run import Run
from accord.engine.retention import Removed
from accord.ports import Head, Record
from accord.service import Service, summary_of
from accord.views.plain import plain_value
from accord.views.records import event_documents
from accord.views.runs import RunDocument, run_document

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
                screen.note(
                    f"Blobs may go in {duration_words(left.total_seconds())}; Ctrl-C leaves them to who comes next."
                )
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


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a run's events is replayed, and how closely it is looked at."""

    until: str | None
    """The number of an event, or a time."""
    after: int | None
    """What is different since this event."""
    step: bool
    """What each event has changed."""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """The state that some of a run's events add up to."""

    run: RunId
    events: int
    state: str
    agrees: bool | None
    """Whether it is what lists show; None where not all events were replayed."""
    document: RunDocument
    """The run as it was then."""
    changes: tuple[StateChange, ...]
    """What is different since the event that was asked for; else what the last event has changed."""


def replay_journal(shared: Shared, reference: str, stretch: Stretch) -> None:
    """Carry out `accord journal replay`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            records = await service.records(run)
            follow(records, Head())
            events = decoded(records)
            events = events[: _until(stretch.until, events)]
            replayed = await _replayed(service, events)
            stored = await service.summary(run)
            agrees = None
            if stored is not None and len(events) == len(records):
                agrees = summary_of(replayed[-1], stored.wake_at) == stored
            if screen.as_json:
                whole = len(events) == len(records)
                screen.document(await _document(service, replayed, stretch.after, whole=whole, agrees=agrees))
        if not screen.as_json:
            _show_replay(events, replayed, screen, stretch, agrees=agrees)
        return FAILED if agrees is False else DONE

    carry_out(shared, work)


def _until(text: str | None, events: list[tuple[int, Event]]) -> int:
    """How many events are replayed. Raises BadInput ACC590 where there are none, or not so many."""
    if text is None:
        return len(events)
    count = int(text) if text.isdecimal() else None
    if count is None:
        count = count_until([event for _, event in events], read_moment(text, "--until"))
    if not 0 < count <= len(events):
        began, ended = (event.at.isoformat() for event in (events[0][1], events[-1][1]))
        hint = f"it has {counted(len(events), 'event')}, from {began} to {ended}"
        raise usage("ACC590", f"--until {text}: the run had not begun, or has no such event yet", hint)
    return count


async def _replayed(service: Service, events: list[tuple[int, Event]]) -> list[Run]:
    """The state after every event."""
    first: Any = events[0][1]
    return list(states(await service.graph(first.graph), (event for _, event in events)))


def _changed(replayed: list[Run], after: int | None) -> tuple[StateChange, ...]:
    """What is different since the event of this number; None: what the last one has changed."""
    since = after if after is not None else len(replayed) - 1
    if since > len(replayed):
        raise usage("ACC590", f"--from {since}: it is behind the end of what is replayed", "give an earlier event")
    return tuple(changes(replayed[since - 1] if since else None, replayed[-1]))


async def _document(
    service: Service, replayed: list[Run], after: int | None, *, whole: bool, agrees: bool | None
) -> Replay:
    last = replayed[-1]
    return Replay(
        run=last.id,
        events=len(replayed),
        state=_phase(last),
        agrees=agrees,
        document=await run_document(service, last, sealed=whole),
        changes=_changed(replayed, after),
    )


def _phase(run: Run) -> str:
    return "paused" if run.paused else run.phase


def _show_replay(
    events: list[tuple[int, Event]], replayed: list[Run], screen: Screen, stretch: Stretch, *, agrees: bool | None
) -> None:
    if stretch.step:
        for number, (sequence, event) in enumerate(events[stretch.after or 0 :], stretch.after or 0):
            task = getattr(event, "task", None) or ""
            screen.line(Text.assemble((f"#{sequence}  ", "quiet"), (event_name(type(event)), "head"), f"  {task}"))
            _show_changes(changes(replayed[number - 1] if number else None, replayed[number]), screen)
    elif stretch.after is not None:
        screen.line(f"different after event {len(events)}, since event {stretch.after}:")
        _show_changes(_changed(replayed, stretch.after), screen)
    else:
        _show_states(events, replayed, screen)
    if agrees is not None:
        told = "the same as what lists show" if agrees else "NOT what lists show: the projection is wrong"
        screen.line(
            f"{counted(len(events), 'event')}; the state that they add up to is {told}", "" if agrees else "bad"
        )
    elif not stretch.step:
        screen.note(f"as it was then: accord runs show {replayed[-1].id} --at {len(events)}", "hint")


def _show_states(events: list[tuple[int, Event]], replayed: list[Run], screen: Screen) -> None:
    rows = [_replay_row(sequence, event, state) for (sequence, event), state in zip(events, replayed, strict=True)]
    screen.table(("#", "event", "task", "is then", Column("run", spare=2), "done", Column("under way", spare=1)), rows)


def _show_changes(found: Iterable[StateChange], screen: Screen) -> None:
    for one in found:
        where = f"{one.task} " if one.task is not None else ""
        before, after = (shortened(_value_words(value), 60) for value in (one.before, one.after))
        screen.line(Text.assemble("  ", clean(where), (one.what, "name"), clean(f"  {before} → {after}")))


def _value_words(value: Any) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _replay_row(sequence: int, event: Event, state: Run) -> tuple[str | Text, ...]:
    task = getattr(event, "task", None)
    then = state_text(state.state(task).phase) if task is not None else Text()
    done = f"{state.settled}/{len(state.graph.order)}"
    return str(sequence), event_name(type(event)), task or "", then, state_text(_phase(state)), done, str(state.live)
