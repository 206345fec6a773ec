"""The dispatcher: runs take turns, what cannot go on is put aside and comes back, back-offs end."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain import command as c
from accord.domain.capability import CapabilityRange
from accord.domain.document import document_of
from accord.domain.graph import Work
from accord.domain.ids import RunId, TaskId
from accord.domain.payloads import FailurePayload, encode_payload
from accord.domain.retry import DEFAULT_RETRY
from accord.domain.run import Run, Want
from accord.engine.dispatcher import ORDERED_ANEW, Dispatcher, Proposal
from accord.engine.lanes import BACKOFF_CAP, BACKOFF_FIRST, Lane
from accord.sdk import Agent
from accord.testing.stage import NOON, Assignment, ScriptedAgent, Stage

MANY = {"work": {"uses": "test.work@^1", "for_each": "${ input }", "with": {"number": "${ item }"}}}
ONE = {"work": {"uses": "test.work@^1", "with": {"number": 1}}}


def working(name: str = "worker", capability: str = "test.work@1.0.0", **capacity: int) -> Agent:
    agent = Agent(name, **{"concurrency": 1, "queue": 0, **capacity})

    @agent.capability(capability)
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def served(agent: ScriptedAgent, count: int) -> list[RunId]:
    """The runs of the next assignments, each answered before the next comes."""
    runs = []
    for _ in range(count):
        assignment = await agent.assigned()
        runs.append(assignment.claims.run or RunId(""))
        await agent.answer(assignment, assignment.input["number"])
    return runs


async def started(stage: Stage, tasks: Any, value: Any = None, **fields: Any) -> Run:
    return await stage.start(tasks, value, **fields)


# -- fairness ----------------------------------------------------------------------------------------------------


async def test_a_small_run_does_not_wait_for_a_large_one(stage: Stage) -> None:
    agent = await stage.enlist(working())
    large = await stage.start(MANY, list(range(50)), version="2.0.0")
    small = await stage.start(MANY, [1, 2], version="2.0.0")
    runs = await served(agent, 8)
    assert runs.count(small.id) == 2
    assert (await stage.run(small)).phase == "completed"
    assert (await stage.run(large)).phase == "running"


async def test_runs_take_turns(stage: Stage) -> None:
    agent = await stage.enlist(working())
    first = await stage.start(MANY, list(range(6)))
    second = await stage.start(MANY, list(range(6)))
    runs = await served(agent, 12)
    assert runs[1:-1] in ([second.id, first.id] * 5, [first.id, second.id] * 5)


async def test_one_capability_does_not_hold_up_another(stage: Stage) -> None:
    await stage.enlist(working("full"))
    other = await stage.enlist(working("other", "test.other@1.0.0"))
    await stage.start(MANY, [1, 2, 3])
    run = await stage.start({"work": {"uses": "test.other@^1", "with": {"number": 1}}}, version="2.0.0")
    await other.answer(await other.assigned(), 1)
    assert (await stage.run(run)).phase == "completed"


async def test_a_small_run_does_not_wait_for_a_large_one_of_the_agents_other_capability(stage: Stage) -> None:
    agent = await stage.enlist(skilled())
    await stage.start({"work": {**MANY["work"], "uses": "q.p@^1"}}, list(range(30)), version="2.0.0")
    small = await stage.start({"work": {"uses": "q.z@^1", "with": {"number": 1}}})
    assert small.id in await served(agent, 3)


def skilled() -> Agent:
    """One place, for either of two capabilities."""
    agent = Agent("skilled", concurrency=1, queue=0)

    @agent.capability("q.p@1.0.0")
    async def many(number: int) -> int:
        return number

    @agent.capability("q.z@1.0.0")
    async def few(number: int) -> int:
        return number

    return agent


class Shop:
    """One agent that can do everything; stands where the dispatcher asks the registry, the router and the runs."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.weights: dict[str, float] = {}
        self.tenants: dict[RunId, str] = {}
        """Who has started which run; all others are ann's."""
        self.deadlines: dict[RunId, datetime] = {}
        self.picky: RunId | None = None
        """A run that must wait for another agent, who is full."""
        self.asked: Counter[str] = Counter()
        """How often the router was asked for an agent, by capability."""
        self.changed: list[Any] = []
        self._runs: dict[RunId, dict[TaskId, int]] = {}
        fake: Any = self
        self.dispatcher = Dispatcher(
            fake,
            fake,
            lambda run: False,
            lambda tenant: self.weights.get(tenant, 1.0),
            lambda run, task, want: lambda candidate: None,
        )

    def peers(self, wanted: CapabilityRange) -> str:
        return str(wanted)

    def choose(self, peers: str, want: Want, state: Any, now: datetime, bars: object) -> str | None:
        self.asked[peers] += 1
        return "agent" if self.places and state.run != self.picky else None

    def any_room(self, peers: str, now: datetime) -> bool:
        return self.places > 0

    def find(self, run: RunId) -> Any:
        tasks = self._runs[run]
        want = Want(option=0, input=document_of(b"1"), since=NOON)

        def spec(task: TaskId) -> Any:
            option: Any = SimpleNamespace(capability=CapabilityRange.parse(f"test.lane{tasks[task]}"))
            return SimpleNamespace(id=task, action=Work(options=(option,), retry=DEFAULT_RETRY), compensate=None)

        return SimpleNamespace(
            id=run, ended=False, paused=False, live=0, updated_at=NOON, deadline_at=self.deadlines.get(run),
            started=SimpleNamespace(by=self.tenants.get(run, "ann")),
            graph=SimpleNamespace(parallel=1, task=spec), state=lambda task: SimpleNamespace(wants=(want,), run=run),
        )  # fmt: skip

    def want(self, run: RunId, lane: int) -> None:
        """One task more of the run waits in this lane."""
        tasks = self._runs.setdefault(run, {})
        task = TaskId(f"t{len(tasks)}")
        tasks[task] = lane
        self.dispatcher.offer(self.find(run), task)

    def lane_of(self, proposal: Proposal) -> int:
        return self._runs[proposal.run][proposal.task]

    def assigned(self) -> Iterator[Proposal]:
        """What one call assigns until all places are taken."""
        for proposal in self.dispatcher.proposals(self.find, NOON):
            self.places -= 1
            yield proposal

    def free(self, places: int) -> None:
        self.places += places
        self.dispatcher.unblock()


RUNS, LANES = 4, 3
SOME = st.lists(st.tuples(st.integers(0, RUNS - 1), st.integers(0, LANES - 1)), max_size=4)


@given(
    large=st.tuples(st.integers(0, RUNS - 1), st.integers(0, LANES - 1)),
    first=st.lists(st.tuples(st.integers(0, RUNS - 1), st.integers(0, LANES - 1)), max_size=20),
    arrivals=st.lists(SOME, max_size=20),
    places=st.integers(1, 3),
)
def test_no_run_waits_longer_than_a_turn_of_all_runs_in_all_lanes(
    large: tuple[int, int], first: list[tuple[int, int]], arrivals: list[list[tuple[int, int]]], places: int
) -> None:
    """Whatever comes in the meantime, and however many places come free at a time."""
    shop, waiting, waited = Shop(0), Counter[RunId](), Counter[RunId]()

    def arrive(wants: list[tuple[int, int]]) -> None:
        for number, lane in wants:
            shop.want(RunId(f"run{number}"), lane)
            waiting[RunId(f"run{number}")] += 1

    arrive([*[large] * 40, *first])
    while waiting.total():
        arrive(arrivals.pop() if arrivals else [])
        shop.free(places)
        served = [proposal.run for proposal in shop.assigned()]
        assert served, "there is room, and something waits"
        for run in served:
            waiting[run] -= 1
            waited.update(other for other in waiting if waiting[other] and other != run)
            waited[run] = 0
            assert max(waited.values()) <= RUNS * LANES
        shop.places = 0


# -- tenants -----------------------------------------------------------------------------------------------------


def flooded(shop: Shop, runs: int, tenant: str = "flood") -> None:
    for number in range(runs):
        run = RunId(f"{tenant}{number}")
        shop.tenants[run] = tenant
        shop.want(run, 0)


def turns(shop: Shop, count: int) -> list[str]:
    """Whose the next tasks are that are assigned, one place at a time."""
    served = []
    for _ in range(count):
        shop.free(1)
        served += [shop.tenants[proposal.run] for proposal in shop.assigned()]
    return served


def test_a_flood_of_runs_does_not_starve_the_run_of_another_tenant() -> None:
    shop = Shop(0)
    flooded(shop, 10_000)
    assert turns(shop, 100) == ["flood"] * 100
    flooded(shop, 1, "ann")
    assert "ann" in turns(shop, 2)
    assert shop.dispatcher.waiting_of("flood") == 10_000 - 101
    assert shop.dispatcher.waiting_of("ann") == 0


def test_turns_are_in_proportion_to_weights() -> None:
    shop = Shop(0)
    shop.weights = {"ann": 3.0, "bob": 0.5}
    for tenant in ("ann", "bob", "cid"):
        flooded(shop, 400, tenant)
    served = Counter(turns(shop, 450))
    assert abs(served["ann"] - 300) <= 3
    assert abs(served["bob"] - 50) <= 3
    assert abs(served["cid"] - 100) <= 3


def test_who_was_idle_is_owed_nothing() -> None:
    shop = Shop(0)
    flooded(shop, 1000, "ann")
    assert turns(shop, 300) == ["ann"] * 300
    flooded(shop, 1000, "bob")
    assert abs(Counter(turns(shop, 20))["bob"] - 10) <= 1


def test_who_was_served_once_and_then_idle_is_owed_nothing_either() -> None:
    shop = Shop(0)
    flooded(shop, 1000, "ann")
    flooded(shop, 1, "bob")
    assert turns(shop, 300).count("bob") == 1
    flooded(shop, 1000, "bob")
    assert abs(Counter(turns(shop, 20))["bob"] - 10) <= 1


def test_who_has_always_one_task_only_gets_no_more_than_its_turns() -> None:
    """It comes again as soon as it was served, as the steps of a chain do."""
    shop = Shop(0)
    flooded(shop, 100, "ann")
    served: list[str] = []
    for number in range(60):
        if "bob" in served[-1:] or not number:
            run = RunId(f"bob{number}")
            shop.tenants[run] = "bob"
            shop.want(run, 0)
        served += turns(shop, 1)
    assert abs(served.count("bob") - 30) <= 1


@given(
    weights=st.lists(st.sampled_from((0.25, 0.5, 1.0, 2.0, 4.0)), min_size=2, max_size=5),
    idle=st.integers(0, 50),
    count=st.integers(1, 200),
)
def test_nobody_who_waits_falls_behind_its_share(weights: list[float], idle: int, count: int) -> None:
    """By more than a turn of each of the others' and its own."""
    shop = Shop(0)
    names = [f"t{number}" for number in range(len(weights))]
    shop.weights = dict(zip(names, weights, strict=True))
    flooded(shop, 300, names[0])
    turns(shop, idle)
    for name in names[1:]:
        flooded(shop, 300, name)
    served = Counter(turns(shop, count))
    for one in names:
        for other in names:
            ahead = served[one] / shop.weights[one] - served[other] / shop.weights[other]
            assert ahead <= 1 / shop.weights[one] + 1 / shop.weights[other] + 1e-9


def test_tenants_that_want_nothing_any_more_are_forgotten() -> None:
    shop = Shop(0)
    flooded(shop, 10, "last")
    for number in range(1000):
        flooded(shop, 1, f"t{number}")
    turns(shop, 1005)
    flooded(shop, 1, "bob")
    assert "bob" in turns(shop, 2)
    (lane,) = shop.dispatcher.lanes()
    assert len(lane._tenants) < 60


def test_what_waits_for_a_certain_agent_does_not_hold_up_another_tenant() -> None:
    shop = Shop(0)
    shop.picky = RunId("picky")
    shop.tenants |= {RunId("picky"): "flood", RunId("ann0"): "ann"}
    for _ in range(90):
        shop.want(RunId("picky"), 1)
    shop.want(RunId("ann0"), 1)
    shop.want(RunId("ann0"), 1)
    for _ in range(2):  # the second time ann has had a turn, and the flood none
        shop.asked.clear()
        shop.free(1)
        assert [proposal.run for proposal in shop.assigned()] == ["ann0"]
        assert shop.asked["test.lane1"] <= 4, "ann comes before the flood's third try"


# -- lanes -------------------------------------------------------------------------------------------------------


def test_lanes_take_turns_across_calls() -> None:
    shop = Shop(0)
    order: list[int] = []
    for lane in (0, 0, 0, 0, 1, 1, 1, 2, 2):
        shop.want(RunId(f"run{lane}"), lane)
    for _ in range(9):
        shop.free(1)
        order.extend(shop.lane_of(proposal) for proposal in shop.assigned())
    assert order == [0, 1, 2, 0, 1, 2, 0, 1, 0]


def test_lanes_take_turns_in_one_call() -> None:
    shop = Shop(9)
    for lane in (0, 0, 0, 0, 1, 1, 1, 2, 2):
        shop.want(RunId(f"run{lane}"), lane)
    assert [shop.lane_of(proposal) for proposal in shop.assigned()] == [0, 1, 2, 0, 1, 2, 0, 1, 0]
    assert not list(shop.dispatcher.lanes())


def test_a_lane_without_room_is_asked_once_in_a_call() -> None:
    shop = Shop(5)
    for number in range(200):
        shop.want(RunId(f"run{number}"), number % 10)
    assert len(list(shop.assigned())) == 5
    assert shop.asked == {f"test.lane{lane}": 2 if lane < 5 else 1 for lane in range(10)}
    assert list(shop.assigned()) == []
    assert shop.asked.total() == 15, "all lanes wait for room"


def test_what_let_others_pass_is_first_again_when_the_call_is_given_up() -> None:
    shop = Shop(1)
    for number in range(3):
        shop.want(RunId(f"run{number}"), 0)
    shop.picky = RunId("run0")
    proposals = shop.dispatcher.proposals(shop.find, NOON)
    assert next(proposals).run == "run1"
    proposals.close()  # type: ignore[attr-defined]  # it is a generator
    assert [[run for run, _ in lane.runs()] for lane in shop.dispatcher.lanes()] == [["run0", "run2"]]


async def test_who_must_wait_for_a_certain_agent_lets_others_pass(stage: Stage) -> None:
    """A result was sent back to the agent that made it, which is busy meanwhile; its peer works on."""
    stage.parts.router._ids = stage.ports.ids
    first = await stage.enlist(working("first"))
    doctor = await stage.enlist(diagnosing())
    picky = await stage.start(ONE)
    await first.answer(await first.assigned(), b'"x"')
    case = await doctor.assigned()
    await stage.start(ONE)
    busy = await first.assigned()
    second = await stage.enlist(working("second"))
    await doctor.answer(case, {"verdict": "retry", "explanation": "once more"})
    assert (await stage.run(picky)).state("work").wants[0].agent == first.id  # type: ignore[arg-type]  # a task's id
    other = await stage.start(ONE)
    await second.answer(await second.assigned(), 1)
    assert (await stage.run(other)).phase == "completed"
    await first.answer(busy, 1)
    again = await first.assigned()
    assert again.claims.run == picky.id


def diagnosing() -> Agent:
    agent = Agent("doctor")

    @agent.capability("accord.diagnose@1.0.0", input={}, output={"type": "object"})
    async def diagnose(case: Any) -> Any:
        return case

    return agent


# -- put aside ---------------------------------------------------------------------------------------------------


async def test_a_paused_run_is_put_aside_and_comes_back(stage: Stage) -> None:
    agent = await stage.enlist(working(concurrency=8))
    await agent.heartbeat(draining=True)
    run = await stage.start(MANY, [1, 2, 3])
    await stage.node.control(run.id, c.Pause(by="test"))
    await agent.heartbeat(draining=False)
    assert (await stage.run(run)).live == 0
    other = await stage.start(ONE, version="2.0.0")
    assert (await agent.assigned()).claims.run == other.id
    await stage.node.control(run.id, c.Resume(by="test"))
    assert {(await agent.assigned()).claims.run for _ in range(3)} == {run.id}


async def test_a_run_gets_no_more_than_its_own_limit(stage: Stage) -> None:
    agent = await stage.enlist(working(concurrency=8))
    run = await stage.start(MANY, [1, 2, 3, 4, 5], limits={"parallel": 2})
    first, second = await agent.assigned(), await agent.assigned()
    assert (await stage.run(run)).live == 2
    await agent.answer(first, 1)
    third = await agent.assigned()
    assert (await stage.run(run)).live == 2
    for assignment in (second, third):
        await agent.answer(assignment, 1)
    for _ in range(2):
        await agent.answer(await agent.assigned(), 1)
    assert (await stage.run(run)).phase == "completed"


@pytest.mark.parametrize(("scope", "subject"), [("everything", ""), ("template", "play"), ("template", "play@1.0.0")])
async def test_a_hold_puts_aside_until_it_is_lifted(stage: Stage, scope: Any, subject: str) -> None:
    agent = await stage.enlist(working())
    await stage.node.hold(scope, subject, by="test")
    run = await stage.start(ONE)
    assert (await stage.run(run)).live == 0
    await stage.node.lift(scope, subject, by="test")
    await agent.answer(await agent.assigned(), 1)
    assert (await stage.run(run)).phase == "completed"


async def test_a_task_whose_run_was_cancelled_is_dropped(stage: Stage) -> None:
    agent = await stage.enlist(working(concurrency=8))
    await agent.heartbeat(draining=True)
    run = await stage.start(MANY, [1, 2, 3])
    await stage.node.control(run.id, c.Cancel(by="test"))
    await agent.heartbeat(draining=False)
    other = await stage.start(ONE, version="2.0.0")
    assert stage.parts.dispatcher.waiting == 0
    assert (await stage.run(other)).live == 1


# -- time --------------------------------------------------------------------------------------------------------


def test_a_lanes_back_off_doubles_up_to_its_bound() -> None:
    lane = Lane(CapabilityRange.parse("test.work"), lambda tenant: 1.0)
    waits = []
    for _ in range(10):
        lane.block(NOON)
        assert lane.blocked_until is not None
        waits.append(lane.blocked_until - NOON)
    assert waits[:3] == [BACKOFF_FIRST, 2 * BACKOFF_FIRST, 4 * BACKOFF_FIRST]
    assert waits[-1] == BACKOFF_CAP
    lane.unblock()
    assert lane.blocked_until is None


async def test_a_retry_waits_for_its_back_off(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(ONE)
    failure = b'{"code":"x","message":"no","retryable":true}'
    await agent.answer(await agent.assigned(), failure, kind="failure")
    assert stage.parts.dispatcher.next_due() == NOON.replace(second=1)
    await stage.node.orchestrator.submit(run.id, c.Tick())
    assert (await stage.run(run)).live == 0
    stage.clock.forward(1)
    stage.node.orchestrator.kick()
    again: Assignment = await agent.assigned()
    assert again.claims.attempt == 2


async def test_who_comes_later_gets_what_waits(stage: Stage) -> None:
    early = await stage.enlist(working("early"))
    await stage.start(ONE)
    waiting = [await stage.start(ONE) for _ in range(3)]
    assert stage.parts.dispatcher.waiting == 3
    late = await stage.enlist(working("late"))
    runs = await served(late, 3)
    assert runs == [run.id for run in waiting]
    assert (await early.assigned()).claims.attempt == 1


async def test_what_comes_due_during_a_hold_is_not_lost_when_the_clock_is_set_back(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(ONE)
    first = await agent.assigned()
    failure = encode_payload(FailurePayload(code="flaky", message="not now", retryable=True))
    await agent.send(await agent.result(first, failure, kind="failure"))
    await stage.node.hold("everything", "", by="test")
    stage.clock.forward(2)
    await stage.node.orchestrator.submit(run.id, c.Tick())
    stage.clock.forward(-1.5)
    await stage.node.lift("everything", "", by="test")
    await stage.node.orchestrator.submit(run.id, c.Tick())
    stage.clock.forward(2)
    await stage.node.orchestrator.submit(run.id, c.Tick())
    assert (await agent.assigned()).claims.attempt == 2


# -- ranks -------------------------------------------------------------------------------------------------------


class Tastes:
    """Ranks that a test decides on."""

    def __init__(self) -> None:
        self.ranks: dict[TaskId, float] = {}
        self.editions = 0

    def of(self, run: Any, task: TaskId) -> float:
        return self.ranks.get(task, 0.0)

    def edition(self, run: Any) -> int:
        return self.editions

    def change(self, **ranks: float) -> None:
        self.ranks = {TaskId(task): rank for task, rank in ranks.items()}
        self.editions += 1


def ranked(tasks: int) -> tuple[Shop, Tastes]:
    """So many tasks of one run wait for the only agent, in two lanes."""
    shop, tastes = Shop(0), Tastes()
    shop.dispatcher.ranks = tastes
    for number in range(tasks):
        shop.want(RunId("run"), number % 2)
    return shop, tastes


def next_of(shop: Shop) -> str:
    shop.free(1)
    return next(str(proposal.task) for proposal in shop.assigned())


def test_a_result_that_tells_more_puts_what_waits_in_another_order_in_all_lanes() -> None:
    shop, tastes = ranked(6)
    assert next_of(shop) == "t0"
    tastes.change(t5=9.0, t4=8.0, t1=7.0)
    shop.dispatcher.order_anew(shop.find(RunId("run")))
    assert [next_of(shop) for _ in range(5)] == ["t5", "t4", "t1", "t2", "t3"]


def test_one_result_does_not_pay_for_another_order_of_very_many() -> None:
    shop, tastes = ranked(2 * ORDERED_ANEW + 1)
    tastes.change(t9=9.0)
    run = shop.find(RunId("run"))
    shop.dispatcher.order_anew(run)
    shop.dispatcher.order_anew(run)
    assert next_of(shop) == "t0"
    shop.dispatcher.order_anew(run)
    assert next_of(shop) == "t9"


def test_what_was_put_aside_has_the_order_of_today_when_it_goes_on() -> None:
    shop, tastes = ranked(4)
    run = shop.find(RunId("run"))
    run.paused = True
    shop.free(1)
    assert not list(shop.dispatcher.proposals(lambda _: run, NOON))
    tastes.change(t3=9.0)
    shop.dispatcher.order_anew(run)
    shop.dispatcher.unpark(run.id)
    shop.dispatcher.order_anew(run)
    assert next_of(shop) == "t3"
