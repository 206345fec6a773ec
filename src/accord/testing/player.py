"""A player: one run with everything around it played in one thread, on a clock that moves only when it is told to.

It is engine, router and agents at once: it journals events as bytes, carries out effects, gives wanted attempts to
agents, lets them answer as their script says, and wakes the run when it is due. After every event all invariants are
checked, and the state that the bytes give is compared with the live one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, TypeAlias

import msgspec

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.decide import decide, start
from accord.domain.draft import Decision
from accord.domain.effects import Effect, StartSubrun, TellSubrun, effects, outstanding
from accord.domain.graph import Graph
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.run import Attempt, Run, TaskState, Want, begin, evolve
from accord.domain.timing import next_wake
from accord.errors import Place, Problem
from accord.testing.invariants import must
from accord.testing.run_watch import RunWatch
from accord.testing.values import MemoryValues

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)
RUN = RunId("run_00000000000000000000000000")


class Done(msgspec.Struct, frozen=True):
    """The agent gives a result."""

    value: Any = None
    confidence: float | None = None
    cost: Decimal | None = None
    labels: tuple[str, ...] = ()
    declassifies: bool = False


class Broken(msgspec.Struct, frozen=True):
    """The agent gives a result that breaks its contract."""

    value: Any = None
    message: str = "not as agreed"
    cost: Decimal | None = None


class Failed(msgspec.Struct, frozen=True):
    """The agent says that it cannot do it."""

    retryable: bool = True
    message: str = "no"
    cost: Decimal | None = None


class Refuses(msgspec.Struct, frozen=True):
    """The agent refuses its input, which keeps the contract; so many others could do it."""

    peers: int = 1


class Verdict(msgspec.Struct, frozen=True):
    """A diagnostic agent has looked at a broken result."""

    verdict: Any
    repaired: Any = None


class Silent(msgspec.Struct, frozen=True):
    """The agent never answers."""


Answer: TypeAlias = Done | Broken | Failed | Refuses | Verdict | Silent
Script: TypeAlias = Mapping[str, Answer | list[Answer]] | Callable[[TaskId, Attempt], Answer]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(e.Event).decode


class Player:
    """One run, and all that it needs."""

    def __init__(  # noqa: PLR0913 - what a test may want to be different, all by name
        self,
        graph: Graph,
        script: Script | None = None,
        *,
        given: Any = None,
        agents: Iterable[str] = ("ann", "bob", "cyd"),
        adopted: tuple[c.Adopted, ...] = (),
        parent: e.Parent | None = None,
        values: MemoryValues | None = None,
        labels: tuple[str, ...] = (),
    ) -> None:
        self.graph = graph
        self.script = {} if script is None else script
        self.agents = [AgentId(f"spiffe://test/agent/{name}") for name in agents]
        self.values = values or MemoryValues()
        self.now = START
        self.watch = RunWatch()
        self.journal: list[bytes] = []
        self.events: list[e.Event] = []
        self.subruns: dict[RunId, TaskId] = {}
        """Runs that were started, or told to cancel, and have not answered yet."""
        self.told: list[Effect] = []
        self.answered: dict[TaskId, int] = {}
        self._replayed: Run | None = None
        command = c.Start(
            run=RUN,
            input=self.values.of(given),
            title="a test",
            by="tester",
            adopted=adopted,
            parent=parent,
            labels=labels,
        )
        self.run = self._take(None, start(graph, command, self.now, self.values))

    # -- the engine ----------------------------------------------------------------------------------------------

    def do(self, command: c.Command) -> tuple[e.Event, ...]:
        """Decide, journal and carry out. Raises what the command is refused with."""
        decision = decide(self.run, command, self.now, self.values)
        again = decide(self.run, command, self.now, self.values)
        must(again == decision, "asked again, the decision is another one")
        self.run = self._take(self.run, decision)
        return decision.events

    def crash(self) -> None:
        """Forget the state and read the journal again; what may not have been done is done again."""
        run = None
        for data in self.journal:
            run = self._evolved(run, _decode(data))
        assert run is not None  # noqa: S101 - a run has a first event
        must(run == self.run, "the journal gives another state")
        self.run = run
        self.subruns.clear()
        self._carry_out(run, outstanding(run))

    def wake(self, *, renewed: Iterable[LeaseToken] = ()) -> datetime | None:
        """Let time pass to the next wake-up, and tick; None where the run has ended."""
        due = next_wake(self.run, {}, self.now)
        if due is not None:
            self.now = max(self.now, due)
            self.do(c.Tick(renewed=frozenset(renewed)))
        return due

    def _take(self, before: Run | None, decision: Decision) -> Run:
        for event in decision.events:
            after = self._evolved(before, event)
            for problem in (*self.watch.event_problems(before, event, after), *self.watch.state_problems(after)):
                must(False, problem)
            self._journal(event, after)
            before = after
        must(before == decision.run, "the decision's run is not the one that its events give")
        self._carry_out(decision.run, effects(decision.run, decision.events))
        return decision.run

    def _journal(self, event: e.Event, after: Run) -> None:
        data = _encode(event)
        again = _decode(data)
        must(again == event and _encode(again) == data, f"{event} is not the same after encoding")
        self._replayed = self._evolved(self._replayed, again)
        must(self._replayed == after, "the state is not the fold of the journal")
        self.journal.append(data)
        self.events.append(event)

    def _evolved(self, run: Run | None, event: e.Event) -> Run:
        if run is not None:
            return evolve(run, event)
        assert isinstance(event, e.RunStarted)  # noqa: S101 - the first one
        return begin(self.graph, event)

    def _carry_out(self, run: Run, found: Iterable[Effect]) -> None:
        for effect in found:
            self.told.append(effect)
            match effect:
                case StartSubrun(run=subrun, task=task) | TellSubrun(run=subrun, task=task, command=c.Cancel()):
                    self.subruns[subrun] = task
                case _:
                    pass

    # -- the router ----------------------------------------------------------------------------------------------

    def wanted(self) -> list[tuple[TaskId, Want]]:
        """What could be assigned now, the tasks by name."""
        if self.run.paused or self.run.ended:
            return []
        return [
            (task, want)
            for task in sorted(self.run.busy)
            for want in self.run.state(task).wants[:1]
            if want.not_before is None or want.not_before <= self.now
        ]

    def assign(self, task: TaskId | str) -> Attempt:
        """Give the task's first want to an agent."""
        task = TaskId(task)
        state = self.run.state(task)
        want = state.wants[0]
        number = len(state.attempts) + 1
        command = c.Assign(
            task=task,
            purpose=want.purpose,
            option=want.option,
            agent=self._choose(state, want),
            lease=LeaseToken(f"{task}#{number}"),
            lease_until=self.now + LEASE,
            capability="test.work@1.0.0",
            contract=Digest("0" * 64),
            payload=Digest("1" * 64),
            payload_bytes=0,
            timeout=None,
        )
        self.do(command)
        return self.run.state(task).attempts[-1]

    def _choose(self, state: TaskState, want: Want) -> AgentId:
        used = [attempt.agent for attempt in state.current()]
        allowed = [agent for agent in self.agents if agent not in want.avoid] or self.agents
        return want.agent or min(allowed, key=lambda agent: (used.count(agent), agent))

    # -- the agents ----------------------------------------------------------------------------------------------

    def under_way(self) -> list[tuple[TaskId, Attempt]]:
        """The attempts that may be answered."""
        return [
            (task, attempt)
            for task in sorted(self.run.busy)
            for attempt in self.run.state(task).attempts
            if attempt.live
        ]

    def answer(self, task: TaskId | str, given: Answer, attempt: int | None = None) -> tuple[e.Event, ...]:
        """The agent answers to the task's attempt (the last live one by default)."""
        task = TaskId(task)
        number = attempt or next(one.number for one in reversed(self.run.state(task).attempts) if one.live)
        command = self._command(given, task, number)
        return () if command is None else self.do(command)

    def _command(self, given: Answer, task: TaskId, number: int) -> c.Command | None:
        statement, of = f"{task}#{number}", self.values.of
        match given:
            case Done(value, confidence, cost, labels, declassifies):
                return c.Deliver(
                    task=task,
                    attempt=number,
                    statement=statement,
                    output=of(value),
                    confidence=confidence,
                    cost=cost,
                    labels=labels,
                    declassifies=c.Permitted(None) if declassifies else None,
                )
            case Broken(value, message, cost):
                problems, case = (Problem("ACC247", message),), of({"broken": value})
                return c.Deliver(
                    task=task,
                    attempt=number,
                    statement=statement,
                    output=of(value),
                    cost=cost,
                    problems=problems,
                    diagnosis=case,
                )
            case Failed(retryable, message, cost):
                problem = Problem("ACC420", message)
                return c.Fail(
                    task=task, attempt=number, statement=statement, problem=problem, retryable=retryable, cost=cost
                )
            case Refuses(peers):
                problem = Problem("ACC420", "not for me")
                return c.Fail(
                    task=task,
                    attempt=number,
                    statement=statement,
                    problem=problem,
                    retryable=False,
                    refuses=True,
                    peers=peers,
                )
            case Verdict(verdict, repaired):
                mended = of(repaired) if verdict == "repaired" else None
                return c.Diagnose(
                    task=task,
                    attempt=number,
                    statement=statement,
                    verdict=verdict,
                    output=of({"verdict": verdict}),
                    repaired=mended,
                )
        return None

    def damage(self, task: TaskId | str, attempt: int) -> tuple[e.Event, ...]:
        """An answer is damaged on its way."""
        return self.do(c.Damage(task=TaskId(task), attempt=attempt, problem=Problem("ACC352", "other bytes")))

    def refuse_input(self, task: TaskId | str, pointer: str = "") -> tuple[e.Event, ...]:
        """The input that the task's expressions made breaks the contract at this place in it."""
        task = TaskId(task)
        problem = Problem("ACC250", "not as agreed", Place(pointer=pointer))
        option = self.run.state(task).wants[0].option
        return self.do(
            c.RefuseInput(
                task=task, option=option, capability="test.work@1.0.0", contract=Digest("0" * 64), problems=(problem,)
            )
        )

    def end_subrun(self, run: RunId, value: Any = None, problem: Problem | None = None) -> tuple[e.Event, ...]:
        """The run that does a task ends."""
        task = self.subruns.pop(run)
        output = None if problem is not None else self.values.of(value)
        return self.do(c.SubrunEnded(task=task, run=run, output=output, problem=problem))

    def signal(self, name: str, value: Any = None) -> tuple[e.Event, ...]:
        """Send a signal."""
        return self.do(c.Signal(payload=self.values.of(value), by="tester", name=name))

    def decide_on(self, task: str, value: Any) -> tuple[e.Event, ...]:
        """Answer an approval or a review."""
        return self.do(c.Signal(payload=self.values.of(value), by="tester", task=TaskId(task)))

    # -- playing -------------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """One assignment, or one answer; whether there was any."""
        for task, _ in self.wanted():
            self.assign(task)
            return True
        for task, attempt in self.under_way():
            given = self._scripted(task, attempt)
            if not isinstance(given, Silent):
                self.answered[task] = self.answered.get(task, 0) + 1
                self.answer(task, given, attempt.number)
                return True
        for run in sorted(self.subruns):
            self.end_subrun(run, value="sub")
            return True
        return False

    def settle(self) -> Run:
        """Play until nothing more happens without time passing, or somebody deciding."""
        while self.step():
            pass
        return self.run

    def play(self, wakes: int = 200) -> Run:
        """Play until the run has ended, or waits for a person, or has been woken so often."""
        for _ in range(wakes):
            self.settle()
            if self.run.ended or self._idle():
                break
            self.wake()
        return self.run

    def _idle(self) -> bool:
        """Whether only a person can go on: nothing is due, and no back-off ends."""
        return not self.run.due and self.run.offers.after(self.now) is None

    def _scripted(self, task: TaskId, attempt: Attempt) -> Answer:
        if callable(self.script):
            return self.script(task, attempt)
        given = self.script.get(task, Done(f"{task} done"))
        if not isinstance(given, list):
            return given
        return given[min(self.answered.get(task, 0), len(given) - 1)]

    # -- looking -------------------------------------------------------------------------------------------------

    def phase(self, task: str) -> str:
        """The task's phase."""
        return self.run.state(TaskId(task)).phase

    def phases(self) -> dict[str, str]:
        """The phases of all nodes."""
        return {node: self.phase(node) for node in self.graph.order}

    def output(self, task: str | None = None) -> Any:
        """The value of a task's output, or of the run's."""
        found = self.run.output if task is None else self.run.state(TaskId(task)).output
        return None if found is None else self.values.value(found)

    def kinds(self) -> list[str]:
        """The kinds of all events so far."""
        return [type(event).__name__ for event in self.events]

    def order_of(self, kind: type, prefix: str = "") -> list[str]:
        """The tasks of the events of a kind, in order."""
        tasks = (getattr(event, "task", "") for event in self.events if isinstance(event, kind))
        return [task for task in tasks if task.startswith(prefix)]

    def fingerprint(self) -> str:
        """SHA-256 over the journal's bytes."""
        return sha256(b"\n".join(self.journal)).hexdigest()
