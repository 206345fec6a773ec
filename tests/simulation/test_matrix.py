"""Parallel, waiting, paused, crashed, resumed, rolled back, retried, forked, cancelled, signalled, with runs that do
tasks: the product of it with the whole engine, at several moments. The same matrix for the pure core is in
`tests/unit/test_core_matrix.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import msgspec
import orjson
import pytest

from accord.domain import command as c
from accord.domain.agent import Capacity
from accord.domain.document import document_of
from accord.domain.graph import undo_id
from accord.domain.ids import Digest, RunId, TaskId, item_id
from accord.errors import AccordError
from accord.service import Fork
from accord.templates.reading import read_source
from accord.testing.cast import Cast
from accord.testing.outcome import Told, mistakes
from accord.testing.workflows import Cell, Workflow
from accord.testing.world import World, simulated

BY = "tester"
UNDO = {"compensate": {"uses": "math.undo@^1", "with": {"made": "${ task.output }"}}}
RETRY = {"attempts": 100, "backoff": {"first": "100ms", "cap": "1s"}}


def work(a: str, b: str | int, **more: Any) -> dict[str, Any]:
    return {"uses": "math.add@^1", "with": {"a": a, "b": b}, "retry": RETRY, **more}


def template(name: str, cells: tuple[Cell, ...], **fields: Any) -> Workflow:
    """A workflow of these cells, of which all are part of the output."""
    source = {
        "accord": "template/1",
        "name": name,
        "version": "1.0.0",
        "input": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        "tasks": {cell.name: cell.spec for cell in cells},
        "output": {cell.name: f"${{ tasks.{cell.name}.output }}" for cell in cells if cell.sure},
        **fields,
    }
    return Workflow(cells=cells, source=source)


CHILD = template(
    "child",
    (
        Cell(name="one", spec=work("${ input.n }", 1, **UNDO), sure=True, value=lambda n, t: n + 1),
        Cell(
            name="two",
            spec=work("${ tasks.one.output }", 1),
            needs=("one",),
            sure=True,
            value=lambda n, t: t["one"].value + 1,
        ),
    ),
)

CELLS = (
    Cell(name="first", spec=work("${ input.n }", 1, **UNDO), sure=True, value=lambda n, t: n + 1),
    Cell(
        name="left",
        spec=work("${ tasks.first.output }", 2, **UNDO),
        needs=("first",),
        sure=True,
        value=lambda n, t: t["first"].value + 2,
    ),
    Cell(
        name="many",
        spec=work("${ item }", "${ tasks.first.output }", for_each="${ [1, 2, 3, 4] }", parallel=2, **UNDO),
        needs=("first",),
        sure=True,
        is_list=True,
        value=lambda n, t: [one + t["first"].value for one in (1, 2, 3, 4)],
    ),
    Cell(
        name="ask",
        spec={"signal": {"name": "go", "schema": {"type": "integer"}}, "needs": ["first"]},
        needs=("first",),
        sure=True,
        value=lambda n, t: 5,
        signal=("go", 5),
    ),
    Cell(
        name="sub",
        spec={"workflow": "child@^1", "with": {"n": "${ tasks.first.output }"}},
        needs=("first",),
        value=lambda n, t: CHILD.output(t["first"].value),
    ),
    Cell(
        name="last",
        spec=work("${ tasks.left.output }", "${ tasks.ask.output }", needs=["left", "ask", "many", "sub"], **UNDO),
        needs=("left", "ask", "many", "sub"),
        sure=True,
        value=lambda n, t: t["left"].value + 5,
    ),
)

PARALLEL = (1, 256)
MOMENTS = (2, 7)
"""How many results were accepted when somebody intervenes."""
CRASHES = ("never", "before", "between", "after")
ACTIONS = (
    "none",
    "rollback first",
    "rollback many",
    "rollback many[1]",
    "rollback sub",
    "retry",
    "fork",
    "cancel",
    "signal",
)


class Story:
    """One way through the matrix."""

    def __init__(self, world: World, parallel: int) -> None:
        self.world = world
        self.cast = Cast(world.rng, world.weather)
        self.flow = template("main", CELLS, limits={"parallel": parallel}, on_failure="compensate")
        self.told: dict[RunId, Told] = {}
        self.run = RunId("")

    async def begin(self, moment: int) -> None:
        """Start the run, and wait until so many results are accepted."""
        await self.world.start()
        for name in ("ada", "bob"):
            agent = self.cast.adder(name)
            await self.world.hire(agent)
            await self.world.node.present(agent.id)
        child, main = [await self._published(flow) for flow in (CHILD, self.flow)]
        assert child != main
        run = await self.world.node.start_run(main, {"n": 3})
        self.run, self.told[run.id] = run.id, Told(self.flow, 3)
        for _ in range(1000):
            if self._accepted() >= moment or not self._moves():
                break
            await asyncio.sleep(0.05)

    async def _published(self, flow: Workflow) -> Digest:
        source = read_source(orjson.dumps(flow.source).decode())
        return await self.world.node.publish(source.template, source.data)

    def _accepted(self) -> int:
        return sum(self.world.watch.accepted.values())

    def _moves(self) -> bool:
        return any(run.live for run in self.world.watch.runs.values() if not run.ended)

    async def crash(self) -> None:
        """The process dies, and another one goes on."""
        await self.world.crash()
        await self.world.start(claims=False)
        await self.world.own_all()

    async def do(self, command: c.ControlCommand) -> None:
        """Intervene; a refusal is an answer, too."""
        try:
            await self.world.node.control(self.run, command)
        except AccordError:
            return

    async def act(self, action: str) -> None:
        """What somebody wants of the run."""
        kind, _, task = action.partition(" ")
        if kind == "fork":
            fork = await self.world.node.fork(self.run, Fork(task=TaskId("left")), by=BY)
            self.told[fork.id] = msgspec.structs.replace(self.told[self.run], forked=True)
        elif kind == "cancel":
            await self.do(c.Cancel(by=BY))
            await self.do(c.RetryTask(task=TaskId("left"), by=BY))
            self.told[self.run] = msgspec.structs.replace(self.told[self.run], cancelled=True)
        elif kind == "rollback":
            await self.do(c.Rollback(to=TaskId(task), by=BY))
        elif kind == "retry":
            await self.do(c.RetryTask(task=TaskId("many"), by=BY))
        elif kind == "signal":
            await self.do(c.Signal(payload=document_of(b"5"), by=BY, name="go"))

    async def end(self) -> None:
        """Everybody does what is asked, until every run has ended; then nothing is missing, and nothing is left."""
        watch = self.world.watch
        for _ in range(300):
            for run in list(watch.runs.values()):
                if run.started.template == "main@1.0.0" and run.state(TaskId("ask")).phase == "waiting":
                    signal = c.Signal(payload=document_of(b"5"), by=BY, name="go")
                    await self.world.node.control(run.id, signal)
            if all(run.ended for run in watch.runs.values()):
                break
            await asyncio.sleep(0.5)
        await asyncio.sleep(12)  # heartbeats, and what they bring about
        watch.broken.extend(f"{run.id} is {run.phase}" for run in watch.runs.values() if not run.ended)
        watch.broken.extend(self.world.leaks())
        watch.broken.extend(await mistakes(watch, self.world.node, self.told, self.cast.traces))


async def until(holds: Callable[[], bool]) -> None:
    """Let time pass until this holds."""
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0.2)
    raise AssertionError("it never came to pass")


async def story(world: World, parallel: int, moment: int, paused: bool, crash: str, action: str) -> None:
    told = Story(world, parallel)
    await told.begin(moment)
    if paused:
        await told.do(c.Pause(by=BY))
    if crash == "before":
        await told.crash()
    await told.act(action)
    if crash == "between":
        await told.crash()
    if paused:
        await asyncio.sleep(3)
        await told.do(c.Resume(by=BY))
    if crash == "after":
        await asyncio.sleep(0.2)
        await told.crash()
    await told.end()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(600)
def test_ten_thousand_items_are_paused_rolled_back_and_given_up() -> None:
    """Of 10 000 items some are done when the run is paused; all of those are undone, and nothing else is touched."""

    async def scenario(world: World) -> None:
        cast = Cast(world.rng, world.weather)
        world.weather.slow_s = 0.5
        spec = work("${ item }", "${ input.n }", for_each="${ input.items }", parallel=50, **UNDO)
        limits = {"parallel": 50, "tasks": 20_000}
        cells = (Cell(name="many", spec=spec),)
        flow = template("wide", cells, input=True, limits=limits, on_failure="compensate")
        node = await world.start()
        agent = cast.adder("ada")
        agent.capacity = Capacity(concurrency=100, queue=100)
        await world.hire(agent)
        await node.present(agent.id)
        source = read_source(orjson.dumps(flow.source).decode())
        run = await node.start_run(
            await node.publish(source.template, source.data), {"n": 3, "items": list(range(10_000))}
        )
        many, watch = TaskId("many"), world.watch
        await until(lambda: watch.runs[run.id].state(many).items_settled >= 100)
        await node.control(run.id, c.Pause(by=BY))
        assigned = watch.assigned
        await asyncio.sleep(2)
        assert watch.assigned == assigned, "a pause lets nothing begin"
        done = watch.runs[run.id].state(many).items_settled
        await node.control(run.id, c.Rollback(to=many, by=BY))
        await world.crash()
        node = await world.start(claims=False)
        await world.own_all()
        await asyncio.sleep(2)
        assert watch.assigned == assigned, "nor does a rollback, while the run is paused"
        await node.control(run.id, c.Resume(by=BY))
        await until(lambda: watch.runs[run.id].phase != "rolling_back")
        assert sum(watch.completions(run.id)[undo_id(item_id(many, n))] for n in range(10_000)) == done
        await node.control(run.id, c.Cancel(by=BY))
        assert (await node.ended(run.id)).phase == "cancelled"
        await asyncio.sleep(12)
        assert not world.leaks()

    simulated(1, scenario)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("crash", CRASHES)
def test_nothing_is_lost_and_nothing_repeated(crash: str, action: str) -> None:
    for seed, (parallel, moment, paused) in enumerate(product(PARALLEL, MOMENTS, (False, True))):
        scenario = partial(story, parallel=parallel, moment=moment, paused=paused, crash=crash, action=action)
        try:
            simulated(seed, scenario)
        except AssertionError as error:
            pytest.fail(f"parallel={parallel} moment={moment} paused={paused}: {error}")
