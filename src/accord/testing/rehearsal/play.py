"""Plays: one workflow test, played to its end by the real engine, in memory, on a clock of its own.

ACC941  the run stands still                             ACC944  an answer of a person that nobody asked for
ACC942  the run goes on for more than ten years          ACC945  a fault that has not happened
ACC943  an attempt for which nobody says what is answered
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from accord.domain.contract import Contract
from accord.domain.diagnosis import DIAGNOSTICIAN
from accord.domain.graph import Graph
from accord.domain.ids import LeaseToken, RunId
from accord.domain.message import Claims
from accord.domain.news import Happened
from accord.domain.run import Run
from accord.domain.workflow_test import Happening, WorkflowTest
from accord.engine.feed import Subscription
from accord.engine.parts import Tuning
from accord.errors import AccordError, PlaceOf, Problem
from accord.ports import Policy
from accord.sdk import Agent
from accord.sdk.outcome import Failure
from accord.testing.rehearsal.actor import LEASE, Actor, Turn, turn_of
from accord.testing.rehearsal.judge import Seen, judged
from accord.testing.rehearsal.outside import Outside
from accord.testing.rehearsal.people import People
from accord.testing.rehearsal.roles import Cast, cast
from accord.testing.rehearsal.script import DIAGNOSIS, Cue, Script
from accord.testing.simulation import Deadlock, SimulatedLoop, run_simulated
from accord.testing.stage import NOON, Assignment, SetClock, Stage, node_on, ports_in_memory
from accord.views.capture import capture
from accord.views.catalogue import Catalogue, Entry
from accord.views.planning import made_ready

FOREVER: Final = timedelta(days=36_500)
LONGEST: Final = timedelta(days=3_650)
"""A run that takes longer is given up."""

_SAY: Final = "give the answer under `agents`, or an agent with --agents"
_WHY: Final = "an answer under `agents` or `said` is missing, or the template waits for what never comes"

LOOK: Final = timedelta(days=1)
"""How often it is looked whether anything will happen still."""

TUNING: Final = Tuning(
    lease=LEASE,
    absent_after=FOREVER,
    partition_ttl=FOREVER,
    sweep_every=timedelta(days=1),
    alone=True,
    quarantine_after=0,
    system_agents=frozenset((DIAGNOSTICIAN,)),
)


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow test with all that it needs."""

    test: WorkflowTest
    place_of: PlaceOf
    """Where the parts of the test are written."""
    entry: Entry
    catalogue: Catalogue
    """The template, and those that it runs."""
    graphs: tuple[Graph, ...]
    contracts: tuple[Contract, ...] = ()
    """That the test declares."""
    agents: tuple[Agent, ...] = ()
    """That may do what the script does not answer."""
    policy: Policy | None = None
    record: bool = False
    """Whether agents that were given answer whatever they can, and what was answered is wanted as a test."""
    within_s: float = 60.0
    """How long an agent that was given may take, in real time."""


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    problems: tuple[Problem, ...]
    """What is not as it was expected; none where the test has passed."""
    seen: Seen | None = None
    recorded: WorkflowTest | None = None
    """The run as a test, where that was wanted and it has ended; what is labelled secret is redacted."""


def play(piece: Piece) -> Played:
    """Play the test to its end."""
    players = cast(piece.test, piece.contracts, piece.agents, piece.graphs, record=piece.record)
    rng = random.Random(1)  # noqa: S311 - the same each time
    with Outside(piece.agents, piece.within_s) as outside:
        try:
            return run_simulated(rng, lambda loop: _Play(piece, players, outside).go(loop), LONGEST.total_seconds())
        except Deadlock:
            text = f"the run goes on for more than {LONGEST.days} days"
            return Played(problems=(Problem("ACC942", text, piece.place_of("/expect")),))


class LoopClock(SetClock):
    """The time of a simulated loop."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def now(self) -> datetime:
        """The present."""
        return NOON + timedelta(seconds=self._loop.time())


class _Play:
    """One play: everybody who takes part in it, and what goes wrong on purpose."""

    def __init__(self, piece: Piece, players: Cast, outside: Outside) -> None:
        self._piece = piece
        self._players = players
        self._outside = outside
        self._script = Script(piece.test.agents)
        self._faults = dict(enumerate(piece.test.faults))
        """Those that have not happened yet."""
        self._actors: list[Actor] = []
        self._unanswered: dict[str, str] = {}
        """Tasks for which nobody says what is answered, each with its capability."""
        self._renewed = asyncio.Event()
        """Another orchestrator has taken over."""
        self._paths: dict[RunId, str] = {}
        self._kept: dict[LeaseToken, datetime] = {}
        """Leases of agents that work, each until when."""
        self._stage: Stage
        self._people: People

    async def go(self, loop: SimulatedLoop) -> Played:
        """Play it."""
        ports = await ports_in_memory(LoopClock(loop), policy=self._piece.policy)
        async with AsyncExitStack() as stack:
            self._stage = Stage(await node_on(ports, TUNING, "main"), ports, stack)
            async with self._on_stage():
                return await self._played()

    @asynccontextmanager
    async def _on_stage(self) -> AsyncIterator[None]:
        await self._stage.node.__aenter__()
        self._people = People(self._piece.test.said, self._stage, self._path_of)
        try:
            for agent in self._players.agents:
                self._actors.append(Actor(await self._stage.enlist(agent), self))
            yield
        finally:
            await self._people.leave()
            for actor in self._actors:
                await actor.leave()
            await self._stage.node.__aexit__(None, None, None)

    async def _played(self) -> Played:
        test, piece = self._piece.test, self._piece
        try:
            digest = await made_ready(self._stage.node, piece.entry, piece.catalogue, by="test")
            given = {} if test.input is msgspec.UNSET else test.input
            started = await self._stage.node.start_run(digest, given, title=test.name, by="test", labels=test.labels)
        except AccordError as error:
            at = piece.place_of("/input")
            return Played(problems=tuple(msgspec.structs.replace(one, place=at) for one in error.problems))
        still = await self._until_end(started)
        run = await self._stage.run(started.id)
        seen, problems = await judged(test, self._stage.node, run, piece.place_of)
        found = (*self._own_problems(still), *problems)
        recorded = await capture(self._stage.node, run.id) if piece.record and run.ended else None
        return Played(problems=tuple(found), seen=seen, recorded=recorded)

    def _own_problems(self, still: str) -> list[Problem]:
        """What went on beside the run that was not meant so."""
        place_of = self._piece.place_of
        found = [
            Problem("ACC943", f"nobody says what {capability} answers for {task}", place_of("/agents"), _SAY)
            for task, capability in self._unanswered.items()
        ]
        if still:
            found.append(Problem("ACC941", f"the run stands still: {still}", place_of("/expect"), _WHY))
        found += [msgspec.structs.replace(one, place=place_of(f"/said/{at}")) for at, one in self._people.refused]
        found += [Problem("ACC944", "nobody asked for this", place_of(f"/said/{at}")) for at in self._people.left]
        found += [Problem("ACC945", "this has not happened", place_of(f"/faults/{at}")) for at in self._faults]
        return found

    # -- the run ---------------------------------------------------------------------------------------------------

    async def _until_end(self, started: Run) -> str:
        """Wait for the end of the run; what it waits for, where there will be none."""
        ends = [asyncio.create_task(self._watched(started.id)), asyncio.create_task(self._stands_still(started.id))]
        broken = [actor.failed for actor in self._actors]
        done, _ = await asyncio.wait([*ends, *broken], return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        return "".join(one.result() for one in done)

    async def _watched(self, main: RunId) -> str:
        """Let people see what happens, to the end of the run."""
        while True:
            self._renewed.clear()
            node = self._stage.node
            with node.parts.feed.subscribe() as news:
                for run in [slot.run for slot in node.parts.ledger.slots()]:
                    await self._people.see(main, run)
                if (await self._stage.run(main)).ended:
                    return ""
                while not self._renewed.is_set():
                    happened = await self._next(news)
                    if isinstance(happened, Happened):
                        await self._people.see(main, happened.run)
                        if happened.run.id == main and happened.run.ended:
                            return ""

    async def _next(self, news: Subscription) -> object:
        """The next of the news; None where another orchestrator has taken over."""
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(news.take()), asyncio.create_task(self._renewed.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return tasks[0].result() if tasks[0].done() else None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stands_still(self, main: RunId) -> str:
        """Return what the run waits for, once nothing will ever happen any more."""
        idle = 0
        while idle < 2:
            await asyncio.sleep(LOOK.total_seconds())
            idle = idle + 1 if self._is_idle() else 0
        run = await self._stage.run(main)
        waiting = sorted(f"{task} is {run.state(task).phase}" for task in run.busy)
        return ", ".join(waiting) or f"it is {run.phase}"

    def _is_idle(self) -> bool:
        clock = self._stage.clock
        runs = [slot.run for slot in self._stage.parts.ledger.slots() if not slot.run.ended]
        timed = any(one.due or one.offers.after(clock.now()) or one.deadline_at for one in runs)
        return not timed and not self._people.speaking and not any(actor.working for actor in self._actors)

    async def _path_of(self, run: Run) -> str:
        parent = run.started.parent
        if parent is None:
            return ""
        if run.id not in self._paths:
            above = self._stage.parts.ledger.find(parent.run) or await self._stage.run(parent.run)
            self._paths[run.id] = f"{await self._path_of(above)}{parent.task}/"
        return self._paths[run.id]

    # -- what actors ask -------------------------------------------------------------------------------------------

    async def turn(self, agent: str, assignment: Assignment) -> Turn:
        """What becomes of an attempt."""
        claims = assignment.claims
        assert claims.run is not None and claims.task is not None and claims.capability is not None  # noqa: PT018, S101
        run = self._stage.parts.ledger.find(claims.run) or await self._stage.run(claims.run)
        attempt = run.attempt(claims.task, claims.attempt or 0)
        mark = DIAGNOSIS if attempt is not None and attempt.want.purpose == "diagnose" else ""
        task = f"{await self._path_of(run)}{claims.task}{mark}"
        number = run.state(claims.task).ordinal(claims.attempt or 0)
        happening = self._fault(task, number)
        cue = Cue(task=task, capability=claims.capability, agent=agent, input=assignment.input)
        real = self._players.given.get(claims.capability)
        scripted = None if real is not None and self._piece.record else self._script.answer(cue)
        if scripted is not None:
            return turn_of(scripted, assignment, happening)
        if real is not None and (self._piece.record or not self._script.has(task, claims.capability)):
            return Turn(self._outside.outcome(real, claims, assignment.message), fault=happening)
        self._unanswered[task] = claims.capability
        return Turn(Failure("unscripted", f"the test does not say what is answered for {task}"))

    def _fault(self, task: str, number: int) -> Happening | None:
        """What goes wrong with the answer to this attempt."""
        at = next((at for at, one in self._faults.items() if (one.task, one.attempt) == (task, number)), None)
        return None if at is None else self._faults.pop(at).what

    def is_wanted(self, claims: Claims) -> bool:
        """Whether an answer to this assignment is still waited for."""
        assert claims.run is not None and claims.task is not None  # noqa: PT018, S101
        run = self._stage.parts.ledger.find(claims.run)
        attempt = None if run is None else run.attempt(claims.task, claims.attempt or 0)
        return attempt is not None and attempt.live and attempt.lease == claims.lease

    def keep(self, lease: LeaseToken, until: datetime) -> None:
        """An agent works on it until then, and is heard of."""
        self._kept[lease] = until
        self._stage.parts.registry.extend(lease, until)

    async def crash(self) -> None:
        """The orchestrator is gone at once; another one reads the journal, and agents tell it that they are here."""
        gone = self._stage.node
        fences = list(gone.parts.partitions.fences)
        await gone.vanish()
        node = await node_on(self._stage.ports, TUNING, "main")
        self._stage.node, self._stage.parts = node, node.parts
        await node.__aenter__()
        for lease, until in self._kept.items():
            node.parts.registry.extend(lease, until)
        await node.parts.partitions.claim_some(fences)
        for actor in self._actors:
            await actor.agent.announce()
        self._renewed.set()
