"""An orchestrator and its agents are killed with SIGKILL again and again, at random moments and at every named point of
a commit. What was acknowledged is done in the end, everything once, and every chain holds.

`ACCORD_TEST_LIVES` sets how many lives each test lives through.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest

from accord.app import open_stores
from accord.codec import decode_event, follow
from accord.domain import event as e
from accord.domain.graph import Graph
from accord.domain.ids import RunId, StreamId, split_item
from accord.domain.run import Run, begin, evolve
from accord.domain.system import INCIDENTS
from accord.engine.parts import Point
from accord.ports import Head, Journal, RunQuery
from accord.postgres.address import StoreAddress
from accord.settings import Settings
from accord.testing.graphs import graph_of

VICTIM = Path(__file__).with_name("victim.py")
LIVES = int(os.environ.get("ACCORD_TEST_LIVES", "5"))


class Pause:
    """A process is stopped when all its starts are acknowledged, and goes on when the pause is over."""

    def __init__(self) -> None:
        self.reached, self.over = asyncio.Event(), asyncio.Event()


class Lives:
    """Processes one after another on one home, and what they have acknowledged."""

    def __init__(self, home: Path, store: StoreAddress | None = None) -> None:
        self.home = home
        self.store = store
        self.started: list[str] = []
        self.ends: Counter[str] = Counter()
        self.all_started = asyncio.Event()
        """Set once a process has started all that it is to start."""

    async def live(
        self, runs: int, *, point: str = "", countdown: int = 0, kill_at: int = 0, pause: Pause | None = None
    ) -> str:
        """One life, until it has done everything or is killed: by itself at a point, or at its `kill_at`th word."""
        named = {"ACCORD_STORE": self.store.url} if self.store else {}
        victim = await asyncio.create_subprocess_exec(
            sys.executable, str(VICTIM), str(self.home), str(runs), point, str(countdown),
            stdout=asyncio.subprocess.PIPE, env={**os.environ, **named},
        )  # fmt: skip
        assert victim.stdout is not None
        words, begun = 0, 0
        end = "killed"
        async for line in victim.stdout:
            said = line.decode().split()
            if not line.endswith(b"\n"):
                break
            words += 1
            if said[0] == "started":
                self.started.append(said[1])
            elif said[0] == "done":
                end = "done"
            if words == kill_at:
                victim.kill()
            begun += said[0] == "started"
            if begun == runs:
                self.all_started.set()
            if pause is not None and begun == runs and not pause.reached.is_set():
                victim.send_signal(signal.SIGSTOP)
                pause.reached.set()
                await pause.over.wait()
                victim.send_signal(signal.SIGCONT)
        assert await victim.wait() in ((0,) if end == "done" else (-9,)) or kill_at
        self.ends[end] += 1
        return end


def folded(graph: Graph, events: list[e.Event]) -> tuple[Run, Counter[tuple[str, int]]]:
    """The run after its events, and how often each task was completed in each of its epochs."""
    first = events[0]
    assert isinstance(first, e.RunStarted)
    run, completed = begin(graph, first), Counter[tuple[str, int]]()
    for event in events[1:]:
        run = evolve(run, event)
        if isinstance(event, e.TaskCompleted):
            completed[event.task, run.state(event.task).epoch] += 1
    return run, completed


async def check_run(journal: Journal, run: RunId, effects: dict[str, list[Any]]) -> None:
    records = await journal.read(StreamId(run))
    assert follow(records, Head()) == await journal.head(StreamId(run))
    state, completed = folded(_graph(), [decode_event(record) for record in records])
    number = int(state.started.title)
    assert state.phase == "completed", (run, state.problem)
    assert state.output is not None
    assert orjson.loads(state.output.data or b"") == sum(2 * (number + more) for more in range(5))
    assert set(completed.values()) == {1}, "every task was accepted once in each epoch"
    for task, epoch in completed:
        if _is_work(task):
            assert effects.get(f"{run}/{task}/{epoch}"), "what was accepted has happened"


def _is_work(task: str) -> bool:
    node, index = split_item(task)  # type: ignore[arg-type]  # a task's id
    return node != "double" or index is not None


def _graph() -> Graph:
    names: dict[str, Any] = {}
    exec(compile(VICTIM.read_text(), str(VICTIM), "exec"), {"__name__": "victim"}, names)  # noqa: S102 - our own
    template = names["TEMPLATE"]
    return graph_of(template["tasks"], **{name: template[name] for name in ("name", "version", "output")})


def effects_in(home: Path) -> dict[str, list[Any]]:
    """What the agents have done, by idempotency key. The last line may be torn."""
    found: dict[str, list[Any]] = {}
    for line in (home / "effects").read_bytes().split(b"\n"):
        if line.endswith(b"]"):
            key, value = orjson.loads(line)
            found.setdefault(key, []).append(value)
    return found


async def check(lives: Lives) -> None:
    """Nothing acknowledged is lost, nothing has happened twice but under the same key."""
    effects = effects_in(lives.home)
    async with open_stores(Settings(home=lives.home, store=lives.store)) as (journal, _):
        runs = {summary.run for summary in await journal.runs(RunQuery(limit=100_000))}
        assert set(lives.started) <= runs, "what was acknowledged is there"
        for run in runs:
            await check_run(journal, run, effects)
        assert {key.split("/")[0] for key in effects} <= runs, "nothing is done before it is durable"
        assert (await journal.head(INCIDENTS)).sequence == 0, "no honest message is an incident"
    assert all(value == values[0] for values in effects.values() for value in values)


@pytest.mark.parametrize("point", get_args(Point))
async def test_killed_at_a_named_point(tmp_path: Path, point: str) -> None:
    lives = Lives(tmp_path / "home")
    rng = random.Random(point)  # noqa: S311 - the same moments every time
    for _ in range(LIVES):
        await lives.live(3, point=point, countdown=rng.choice((1, 2, 3, 5, 8, 13)))
    assert lives.ends["killed"] > 0
    assert await lives.live(1) == "done"
    await check(lives)


async def test_killed_at_any_moment(tmp_path: Path) -> None:
    lives = Lives(tmp_path / "home")
    rng = random.Random(7)  # noqa: S311 - the same moments every time
    for _ in range(LIVES):
        await lives.live(rng.randint(1, 5), kill_at=rng.randint(1, 25))
    assert lives.ends["killed"] > 0
    assert await lives.live(1) == "done"
    await check(lives)


async def test_a_journal_that_two_processes_share_survives_one_of_them(tmp_path: Path) -> None:
    """One is killed while the other goes on: the runs of both are done in the end, by the one that is left."""
    lives = Lives(tmp_path / "home")
    await lives.live(1)
    killed, left = await asyncio.gather(lives.live(4, point="after_append", countdown=6), lives.live(4))
    assert left == "done"
    assert killed in ("killed", "done")
    assert await lives.live(0) == "done"
    await check(lives)
