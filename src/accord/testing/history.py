"""Recorded histories: a template, the events of one run as the journal's bytes, and the state that they must give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from accord.codec import chained, decode_event
from accord.domain.graph import Graph
from accord.domain.ids import Digest, StreamId
from accord.domain.run import Run, TaskState, begin, evolve
from accord.ports import Head
from accord.testing.graphs import graph_of


class Header(msgspec.Struct, frozen=True):
    """The first line of a recorded history."""

    about: str
    tasks: Mapping[str, Any]
    fields: Mapping[str, Any]
    state: Digest
    """`state_digest` after the last event."""
    chain: Digest
    """The digest of the last event in the hash chain."""


class History(msgspec.Struct, frozen=True):
    """One recorded run."""

    header: Header
    events: tuple[bytes, ...]

    def graph(self) -> Graph:
        """What the recorded run was pinned to."""
        return graph_of(self.header.tasks, **self.header.fields)

    def replayed(self) -> Run:
        """The fold of the events, read as the journal's are."""
        records = chained(StreamId("run_history"), Head(), self.events)
        first, *rest = (decode_event(record) for record in records)
        run = begin(self.graph(), first)  # type: ignore[arg-type]  # the first event of a history starts the run
        for event in rest:
            run = evolve(run, event)
        return run

    def chain(self) -> Digest:
        """The digest of the last event."""
        return chain_digest(self.events)


def chain_digest(events: Iterable[bytes]) -> Digest:
    """The digest of the last of these events in the hash chain."""
    return chained(StreamId("run_history"), Head(), events)[-1].digest


def state_digest(run: Run) -> Digest:
    """SHA-256 over what is to be the same for ever: phases, epochs, outputs and attempts of the run and its tasks."""
    tasks = {task: _summary(state) for task, state in sorted(run.tasks.items()) if state.phase != "pending"}
    output = run.output.sha256 if run.output is not None else None
    problem = run.problem.code if run.problem is not None else None
    return Digest(sha256(msgspec.json.encode([run.phase, run.epoch, output, problem, tasks])).hexdigest())


def _summary(state: TaskState) -> list[Any]:
    attempts = [[one.phase, one.agent, one.epoch, one.want.purpose, one.want.option] for one in state.attempts]
    output = state.output.sha256 if state.output is not None else None
    problem = state.problem.code if state.problem is not None else None
    labels = [state.labels] if state.labels else []  # older histories have none
    return [state.phase, state.epoch, state.item_count, output, state.attempt, problem, attempts, *labels]


def read_history(path: Path) -> History:
    """A recorded history from its file: a header, then one event a line."""
    first, *lines = path.read_bytes().splitlines()
    return History(msgspec.json.decode(first, type=Header), tuple(lines))


def write_history(path: Path, history: History) -> None:
    """The file that `read_history` reads."""
    path.write_bytes(b"\n".join((msgspec.json.encode(history.header), *history.events, b"")))
