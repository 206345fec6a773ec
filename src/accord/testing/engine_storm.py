"""A storm: workflows of known outcome, played in bad weather while people intervene, processes crash and strangers
forge; then it clears up, and everything must have come out right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import msgspec
import orjson

from accord.builtin.diagnose import agent as diagnostician
from accord.domain import command as c
from accord.domain.document import INLINE_BYTES, document_of
from accord.domain.ids import PARTITIONS, Digest, RunId, StreamId, TaskId
from accord.domain.run import Run
from accord.engine.node import Node
from accord.errors import AccordError
from accord.sdk import Agent
from accord.service import Fork
from accord.templates.reading import read_source
from accord.testing.cast import PAIR, Cast
from accord.testing.forger import Forger
from accord.testing.invariants.held import Hold
from accord.testing.outcome import Told, mistakes
from accord.testing.workflows import Maker, Workflow
from accord.testing.world import World

ENDS_WITHIN_S = 900
"""Simulated time in which every run has to end once it is calm."""

LARGE = 10**16
"""A number that no double holds exactly, and LARGE_UP_TO tasks that may double it within 64 bits."""
LARGE_UP_TO = 8

ADDING: Final = read_source(
    orjson.dumps(
        {
            "accord": "template/1",
            "name": "adding",
            "version": "1.0.0",
            "input": PAIR,
            "tasks": {"add": {"uses": "math.add@^1", "with": "${ input }"}},
            "output": "${ tasks.add.output }",
        }
    ).decode()
)
"""What agents get that ask for it in words."""

OVERDUE_S = 30
"""How long a wake-up may be overdue while it is calm: some sweeps."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a seed has decided about a storm as a whole."""

    rounds: int
    pause_s: float
    runs: int
    hosts: tuple[str, ...]
    quack: bool
    """Whether the diagnostic agent is none."""
    late: bool
    forgeries: bool
    interventions: bool
    crashes: bool
    clock_jumps: bool
    upgrades: bool
    """Whether second instances of agents run another release than the first."""
    frozen_hosts: bool
    replicas: bool
    """Whether the orchestrators share the partitions evenly; they come and go."""


class Storm:
    """One storm and what it was blown at."""

    def __init__(self, world: World, *, replicas: bool = False, calls: bool = False) -> None:
        rng = world.rng
        self.calls = calls
        self.world = world
        self.rng = rng
        self.cast = Cast(rng, world.weather, calls=calls)
        self.plan = Plan(
            rounds=rng.choice((8, 20, 50)),
            pause_s=rng.choice((0.2, 1, 3)),
            runs=rng.choice((2, 4, 12)),
            hosts=rng.choice((("main", "second"), ("main", "second", "third")))
            if replicas
            else rng.choice((("main",), ("main", "second"))),
            quack=rng.random() < 0.15,
            late=rng.random() < 0.3,
            forgeries=rng.random() < 0.5,
            interventions=rng.random() < 0.7,
            crashes=rng.random() < 0.7,
            clock_jumps=rng.random() < 0.2,
            upgrades=rng.random() < 0.4,
            frozen_hosts=rng.random() < 0.5,
            replicas=replicas,
        )
        if replicas:
            world.tuning = msgspec.structs.replace(world.tuning, serves=True, shared_bus=True)
        self.adders = [self.cast.adder(name) for name in ("ada", "bob", "cyd")[: rng.randint(1, 3)]]
        self.agents: list[Agent] = [*self.adders, self.cast.quack() if self.plan.quack else diagnostician]
        self.late = self.cast.adder("eve", late=True)
        self.newer = {adder.id: self.cast.upgraded(adder) for adder in self.adders if self.plan.upgrades}
        """Of what the second seat of an agent runs another release."""
        self.forger = Forger(world)
        self.told: dict[RunId, Told] = {}
        self.flows: list[tuple[Workflow, Digest]] = []
        self.frozen: list[str] = []
        self.log: list[str] = []
        self.hung = False
        """Whether there are agents that do not come to an end."""

    # -- the course of it ----------------------------------------------------------------------------------------

    async def play(self) -> str:
        """Everything, from a fair morning to the evening; returns the fingerprint of all that was committed."""
        await self._prepare()
        self._blow()
        owning = [asyncio.create_task(self._own(name), name=f"owning {name}") for name in self.plan.hosts]
        try:
            for _ in range(self.plan.rounds):
                await self._act()
                await asyncio.sleep(self.rng.random() * self.plan.pause_s)
            await self._clear_up()
            await self._begin_anew()
            await self._all_end()
        finally:
            for task in owning:
                task.cancel()
            await asyncio.gather(*owning, return_exceptions=True)
        await self._check()
        return self.world.watch.fingerprint()

    async def _prepare(self) -> None:
        if self.calls:
            self.world.planner = self._planned
        for name in self.plan.hosts:
            await self.world.start(name, claims=not self.plan.replicas and (name == "main" or self.rng.random() < 0.3))
        for agent in (*self.agents, self.late, self.cast.stranger()):
            await self.world.hire(agent)
            await self.node.present(agent.id)
        if self.plan.late:
            await self.world.dismiss(self.late)
        for host in self.world.hosts.values():
            await host.parts.refresh()
        if self.calls:
            await self.world.node.publish(ADDING.template, ADDING.data)
        child = Maker(self.rng, calls=self.calls).workflow("child", self.rng.randint(1, 4))
        main = Maker(self.rng, calls=self.calls).workflow("main", self.rng.randint(2, 10), child=child)
        flows = [child, main]
        flows.append(Maker(self.rng, late=True).workflow("late", self.rng.randint(1, 4)))
        flows.append(Maker(self.rng).workflow("doomed", self.rng.randint(2, 6), child=child, doomed=True))
        for flow in flows:
            source = read_source(orjson.dumps(flow.source).decode())
            self.flows.append((flow, await self.world.node.publish(source.template, source.data)))
        for host in self.world.hosts.values():
            await host.parts.refresh()

    async def _planned(self, objective: str, given: dict[str, Any], by: str) -> tuple[Digest, Any]:
        """What the planner makes of every objective: the one thing that agents ask for in words."""
        del objective, by
        return ADDING.digest, given

    @property
    def node(self) -> Node:
        """An orchestrator that runs, any of them."""
        return self.rng.choice(list(self.world.hosts.values())).node

    def _blow(self) -> None:
        rng, weather = self.rng, self.world.weather
        weather.lose = rng.choice((0, 0.02, 0.1))
        weather.duplicate = rng.choice((0, 0.1, 0.4))
        weather.delay_s = rng.choice((0, 0.05, 1, 4))
        weather.refuse_commit = rng.choice((0, 0.02, 0.15))
        weather.lose_answer = rng.choice((0, 0.02, 0.15))
        weather.refuse_other = rng.choice((0, 0.02, 0.1))
        weather.refuse_blob = rng.choice((0, 0.02, 0.2))
        weather.stall = rng.choice((0, 0, 0.01))
        weather.commit_s = rng.choice((0.001, 0.02, 0.5))
        weather.crash_at_point = rng.choice((0, 0.005, 0.03)) if self.plan.crashes else 0
        weather.fail = rng.choice((0, 0.1, 0.3))
        weather.hang = rng.choice((0, 0, 0.03))
        weather.slow_s = rng.choice((0.01, 0.3, 5))
        weather.break_contract = rng.choice((0, 0.05, 0.3))

    async def _own(self, name: str) -> None:
        """What a process does all its life: own what is free, and be started again when it has crashed."""
        while True:
            host = self.world.hosts.get(name)
            if host is None:
                await asyncio.sleep(self.rng.random() * 8)
                await self._try(lambda: self.world.start(name, claims=False))
                continue
            try:
                await asyncio.wait_for(host.crashed.wait(), 2)
            except TimeoutError:
                if not self.plan.replicas:
                    await self._try(host.parts.partitions.claim_all)
                continue
            self.log.append(f"{name} crashed")
            await self.world.crash(name)

    async def _act(self) -> None:
        actions: list[Callable[[], Awaitable[None]]] = [self._start, self._start, self._answer, self._agent]
        plan = self.plan
        actions += [self._command] * 3 * plan.interventions + [self._hold] * plan.interventions
        actions += [self._forge] * 3 * plan.forgeries + [self._crash] * plan.crashes
        actions += [self._jump] * plan.clock_jumps + [self._freeze] * 2 * plan.frozen_hosts
        actions += [self._leave] * 2 * plan.replicas
        action = self.rng.choice(actions)
        if self.world.hosts:
            await self._try(action)

    async def _try(self, action: Callable[[], Awaitable[Any]]) -> None:
        """Do it as a person would who gives up after a while; a refusal is an answer, too."""
        try:
            await asyncio.wait_for(action(), 40)
        except (AccordError, TimeoutError) as error:
            self.log.append(f"{getattr(action, '__name__', action)}: {error}")

    # -- what people do ------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        if len(self.told) < self.plan.runs:
            flow, digest = self.rng.choice(self.flows)
            large = len(flow.cells) <= LARGE_UP_TO and self.rng.random() < 0.1
            n = self.rng.randrange(100) + (LARGE if large else 0)
            padding = {"padding": "x" * (INLINE_BYTES + n % 100)} if self.rng.random() < 0.3 else {}
            run = await self.node.start_run(digest, {"n": n, **padding})
            self.told[run.id] = Told(flow, n)

    async def _command(self) -> None:
        watch, rng = self.world.watch, self.rng
        runs = [run for run in watch.runs.values() if run.id in self.told]
        if not runs:
            return
        run = rng.choice(runs)
        tasks = sorted(task for task in run.tasks if not task.startswith("undo:")) or [TaskId("t0")]
        command = rng.choice(("pause", "pause", "resume", "cancel", "rollback", "rollback", "retry", "fork"))
        if command == "fork":
            task = rng.choice([None, TaskId("t0")])
            fork = await self.node.fork(run.id, Fork(task=task), by="storm")
            self.told[fork.id] = msgspec.structs.replace(self.told[run.id], forked=True)
            return
        if command == "cancel":
            self.told[run.id] = msgspec.structs.replace(self.told[run.id], cancelled=True)
        commands: dict[str, c.ControlCommand] = {
            "pause": c.Pause(by="storm"),
            "resume": c.Resume(by="storm"),
            "cancel": c.Cancel(by="storm"),
            "rollback": c.Rollback(to=rng.choice(tasks), by="storm"),
            "retry": c.RetryTask(task=rng.choice(tasks), by="storm"),
        }
        await self.node.control(run.id, commands[command])

    async def _hold(self) -> None:
        node, watch = self.node, self.world.watch
        scope, subject = self.rng.choice((("everything", ""), ("template", "main"), ("agent", self.adders[0].id)))
        if (scope, subject) in watch.holds.placed:
            del watch.holds.placed[scope, subject]
            await node.lift(scope, subject, by="storm")  # type: ignore[arg-type]  # one of the literals
        else:
            await node.hold(scope, subject, by="storm")  # type: ignore[arg-type]  # as above
            owner = node.parts.identity.owner
            watch.holds.placed[scope, subject] = Hold(scope, subject, owner, self.world.clock.now())

    async def _answer(self) -> None:
        """Give everybody who waits what they wait for; signals also to those who do not wait yet."""
        for run in list(self.world.watch.runs.values()):
            if not run.ended:
                await self._answer_run(run)

    async def _answer_run(self, run: Run) -> None:
        flow = self._flow_of(run)
        for task in sorted(task for task, state in run.tasks.items() if state.waiting is not None):
            waiting = run.state(task).waiting
            if waiting is None or waiting.for_ == "time":
                continue
            if waiting.for_ == "signal":
                payload = (flow.signals() if flow is not None else {}).get(waiting.signal or "")
                if payload is None:
                    continue
                command = c.Signal(payload=document_of(b"%d" % payload), by="storm", name=waiting.signal or "")
            else:
                command = c.Signal(payload=document_of(b'{"approved":true}'), by="storm", task=task)
            await self.node.control(run.id, command)

    def _flow_of(self, run: Run) -> Workflow | None:
        """The workflow that it is a run of; None of what an agent has asked for."""
        name = run.started.template.partition("@")[0]
        return next((flow for flow, _ in self.flows if flow.name == name), None)

    # -- what happens to processes -------------------------------------------------------------------------------

    async def _agent(self) -> None:
        rng = self.rng
        agent, seat = rng.choice(self.agents), rng.choice((1, 1, 2))
        instance = self.world.instances.get((agent.id, seat))
        release = self.newer.get(agent.id, agent) if seat == 2 else agent
        if instance is None:
            await self.world.hire(release, seat=seat, enrolled=True)
        elif instance.line.passage.is_frozen:
            instance.line.passage.thaw()
        else:
            what = rng.choice(("kill", "leave", "freeze", "again"))
            if what == "freeze":
                instance.line.passage.freeze()
            elif what == "again":
                await self.world.dismiss(agent, seat=seat, killed=True)
                await self.world.hire(release, seat=seat, enrolled=True)
            else:
                await self.world.dismiss(agent, seat=seat, killed=what == "kill")

    async def _crash(self) -> None:
        self.rng.choice(list(self.world.hosts.values())).cut()

    async def _leave(self) -> None:
        """An orchestrator stops in good order; like one that has crashed it is started again after a while."""
        await self.world.stop(self.rng.choice(list(self.world.hosts)))

    async def _freeze(self) -> None:
        host = self.rng.choice(list(self.world.hosts.values()))
        host.freeze()
        await asyncio.sleep(self.rng.random() * 15)
        host.thaw()

    async def _jump(self) -> None:
        self.world.clock.offset += timedelta(seconds=self.rng.choice((-3, -0.1, 2, 30, 600)))

    async def _forge(self) -> None:
        await self.forger.act()

    # -- the evening ---------------------------------------------------------------------------------------------

    async def _clear_up(self) -> None:
        world = self.world
        self.hung = world.weather.hang > 0
        world.weather.clear_up()
        world.clock.offset = max(world.clock.offset, timedelta(0))
        await asyncio.sleep(20)
        for instance in list(world.instances.values()):
            instance.line.passage.thaw()
        if self.plan.replicas:
            await world.come_out_even()
        else:
            await world.own_all(next(iter(world.hosts)))
        for agent in (*self.agents, self.late):
            for seat in (1, 2):
                if self.hung or self.rng.random() < 0.5:
                    await world.dismiss(agent, seat=seat, killed=True)
            for seat, release in self._needed(agent):
                if (agent.id, seat) not in world.instances:
                    await world.hire(release, seat=seat, enrolled=True)
        await self._lift_all()

    def _needed(self, agent: Agent) -> Iterator[tuple[int, Agent]]:
        """Which releases of it are there in the calm, by their seats: what an agent has called for wants the very
        version that was found then.
        """
        yield 1, agent
        if self.calls and agent.id in self.newer:
            yield 2, self.newer[agent.id]

    async def _lift_all(self) -> None:
        """Lift every hold; a commit that stalled when it cleared up may still hold up the first tries."""
        self.world.watch.holds.placed.clear()
        for _ in range(5):
            node = self.node
            await self._try(node.parts.control_stream.refresh)
            for hold in node.parts.holds.placed():
                await self._try(lambda n=node, h=hold: n.lift(h.scope, h.subject, by="storm"))  # type: ignore[misc]
            await asyncio.sleep(1)

    async def _begin_anew(self) -> None:
        """In the calm everything can be started, and comes out right: no storm ends well because nothing happened."""
        for flow, digest in self.flows:
            for _ in range(20):
                try:
                    run = await asyncio.wait_for(self.node.start_run(digest, {"n": 7}), 40)
                except (AccordError, TimeoutError) as error:
                    self.log.append(f"{flow.name} does not start: {error}")
                    await asyncio.sleep(2)
                else:
                    self.told[run.id] = Told(flow, 7)
                    break
            else:
                self.world.watch.broken.append(f"{flow.name} cannot be started: {self.log[-1]}")

    async def _all_end(self) -> None:
        watch, until_s = self.world.watch, ENDS_WITHIN_S
        for _ in range(until_s // 5):
            for run in list(watch.runs.values()):
                if run.paused and not run.ended:
                    await self._try(lambda r=run.id: self.node.control(r, c.Resume(by="storm")))  # type: ignore[misc]
            await self._try(self._answer)
            await asyncio.sleep(5)
            late = self.world.clock.now() - timedelta(seconds=OVERDUE_S)
            overdue = await self.world.disk.overdue(late, partitions=range(PARTITIONS))
            if overdue:
                watch.broken.append(f"{overdue[0].run} was to wake at {overdue[0].wake_at} (invariant 2)")
            if all(run.ended for run in watch.runs.values()):
                await asyncio.sleep(20)
                return
        watch.broken.append(f"stuck: {self._stuck()}")

    def _stuck(self) -> str:
        words = []
        for run in self.world.watch.runs.values():
            if not run.ended:
                busy = {task: run.state(task) for task in run.busy}
                words.append(f"{run.id} {run.phase} paused={run.paused} {list(run.leaving)}")
                words.extend(
                    f"  {task} {one.phase} wants={len(one.wants)} waiting={one.waiting} sub={one.subrun} "
                    f"{[(a.number, a.phase, a.agent) for a in one.attempts][-2:]}"
                    for task, one in busy.items()
                )
        for name, host in self.world.hosts.items():
            parts = host.parts
            words.append(f"{name}: {len(parts.partitions.fences)} partitions, loads {parts.router._loads}")
            words.append(
                f"lanes {[(str(x.wanted), dict(x.runs()), x.blocked_until) for x in parts.dispatcher.lanes()]}"
            )
            words.append(f"parked {parts.dispatcher._parked} later {parts.dispatcher._later}")
            words.append(f"present {parts.registry._present}")
        return "\n".join(words)

    async def _check(self) -> None:
        broken = self.world.watch.broken
        broken.extend(self.world.leaks())
        letters = await self.world.disk.letters(range(PARTITIONS))
        broken.extend(f"nobody has answered the letter {letter.data!r}" for letter in letters)
        broken.extend(self.cast.conflicts)
        node = next(iter(self.world.hosts.values())).node
        broken.extend(await mistakes(self.world.watch, node, self.told, self.cast.traces))
        broken.extend(await self.forger.missing())


async def storm(world: World) -> str:
    """A storm in this world; returns the fingerprint of its history."""
    return await Storm(world).play()


async def replica_storm(world: World) -> str:
    """A storm over replicas; returns the fingerprint of its history."""
    return await Storm(world, replicas=True).play()


async def calling_storm(world: World) -> str:
    """A storm over runs whose agents ask others while they work; returns the fingerprint of its history."""
    return await Storm(world, calls=True).play()


async def encrypted_storm(world: World) -> str:
    """A storm over encrypted runs, none of whose documents is anywhere in the clear."""
    world.tuning = msgspec.structs.replace(world.tuning, encrypt_payloads=True)
    fingerprint = await Storm(world).play()
    for run in world.watch.runs:
        for record in await world.disk.read(StreamId(run)):
            if b'"inline":' in record.data:
                raise AssertionError(f"event {record.sequence} of {run} has a document in the clear: {record.data!r}")
    return fingerprint
