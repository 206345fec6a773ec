"""A storm: random commands, answers, losses and crashes in any order; then calm, in which every run must end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random

from accord.domain import command as c
from accord.domain.ids import TaskId
from accord.domain.run import Attempt, Run
from accord.errors import AccordError, Problem
from accord.testing.invariants import must
from accord.testing.player import Answer, Broken, Done, Failed, Player, Refuses, Silent, Verdict

_COSTS = (None, Decimal(0), Decimal("0.1"))

CALM_STEPS = 4000
"""So many steps are enough for every run of a test; one that needs more is stuck."""


class Storm:
    """Does something random with a player's run, again and again."""

    def __init__(self, player: Player, random: Random) -> None:
        self.player = player
        self.random = random
        self.refused = 0

    def blow(self, steps: int) -> None:
        """So many random steps."""
        for _ in range(steps):
            action = self.random.choices(_ACTIONS, _WEIGHTS)[0]
            try:
                action(self)
            except AccordError:
                self.refused += 1

    def calm(self, *, perfect: bool = True) -> Run:
        """From now on everybody does what is asked, or (not `perfect`) fails now and then; the run ends."""
        player = self.player
        for _ in range(CALM_STEPS):
            run = player.run
            if run.ended:
                return run
            if run.paused:
                self._afford()
                player.do(c.Resume(by="tester"))
            elif not (self._step(perfect=perfect) or self._answer_people()):
                player.wake()
        must(False, f"the run is stuck: {player.run.phase}, {sorted(player.run.busy)}")
        return player.run

    def revive(self) -> Run:
        """A run that failed or was cancelled goes on, as soon as somebody wants it to."""
        self._afford()
        run = self.player.run
        lost = sorted(task for task, state in run.tasks.items() if state.phase in ("failed", "cancelled"))
        nodes = [task for task in lost if task in run.graph.tasks]
        if nodes:
            self.player.do(c.RetryTask(task=self.random.choice(nodes), by="tester"))
        else:
            begun = sorted(task for task in run.graph.tasks if run.state(task).phase != "pending")
            self.player.do(c.Rollback(to=self.random.choice(begun), by="tester"))
        return self.calm()

    def _step(self, *, perfect: bool) -> bool:
        player = self.player
        if wanted := player.wanted():
            player.assign(wanted[0][0])
            return True
        if under_way := player.under_way():
            task, attempt = under_way[0]
            given = _good(task, attempt) if perfect else self._any_answer(task, attempt)
            player.answer(task, given, attempt.number)
            return not isinstance(given, Silent)
        if player.subruns:
            player.end_subrun(min(player.subruns), value="sub")
            return True
        return False

    def _answer_people(self) -> bool:
        player = self.player
        for task in sorted(player.run.busy):
            waiting = player.run.state(task).waiting
            if waiting is not None and waiting.for_ == "signal":
                player.signal(waiting.signal or "", "signal")
                return True
            if waiting is not None and waiting.for_ in ("approval", "review"):
                player.decide_on(task, {"approved": True})
                return True
        return False

    def _afford(self) -> None:
        """Whoever wants a run to go on gives it what that costs."""
        if self.player.run.budget is not None:
            self.player.do(c.SetBudget(max_cost=self.player.run.spent + 1000, by="tester"))

    # -- what may happen -----------------------------------------------------------------------------------------

    def assign(self) -> None:
        """A wanted attempt is given to an agent."""
        if wanted := self.player.wanted():
            self.player.assign(self.random.choice(wanted)[0])

    def answer(self) -> None:
        """An agent answers something."""
        if under_way := self.player.under_way():
            task, attempt = self.random.choice(under_way)
            self.player.answer(task, self._any_answer(task, attempt), attempt.number)

    def accept(self) -> None:
        """An agent says that it has begun."""
        if under_way := self.player.under_way():
            task, attempt = self.random.choice(under_way)
            self.player.do(c.Accept(task=task, attempt=attempt.number))

    def lose(self) -> None:
        """An agent is gone."""
        under_way = self.player.under_way()
        if under_way:
            agent = self.random.choice(under_way)[1].agent
            lost = tuple((task, attempt.number) for task, attempt in under_way if attempt.agent == agent)
            self.player.do(c.AgentLost(attempts=lost))

    def late(self) -> None:
        """An agent answers an attempt that has ended long ago, or never was."""
        tasks = sorted(self.player.run.tasks)
        task = self.random.choice(tasks) if tasks else TaskId("nothing")
        number = self.random.randint(1, 4)
        attempt = self.player.run.attempt(task, number)
        if attempt is None or not attempt.live:
            self.player.answer(task, Done("late"), number)

    def refuse_input(self) -> None:
        """The input does not fit the contract."""
        if wanted := self.player.wanted():
            self.player.refuse_input(self.random.choice(wanted)[0])

    def give_up(self) -> None:
        """What is wanted cannot be assigned."""
        if wanted := self.player.wanted():
            problem = Problem("ACC457", "it cannot be assigned")
            self.player.do(c.GiveUp(task=self.random.choice(wanted)[0], problem=problem))

    def damage(self) -> None:
        """An answer is damaged on its way."""
        if under_way := self.player.under_way():
            task, attempt = self.random.choice(under_way)
            self.player.damage(task, attempt.number)

    def wake(self) -> None:
        """Time passes."""
        leases = [attempt.lease for _, attempt in self.player.under_way()]
        self.player.wake(renewed=self.random.sample(leases, self.random.randint(0, len(leases))))

    def pause(self) -> None:
        """Somebody pauses the run, or it goes on."""
        paused = self.player.run.paused
        self.player.do(c.Resume(by="tester") if paused else c.Pause(by="tester"))

    def budget(self) -> None:
        """Somebody gives the run a budget, or another one."""
        more = self.random.choice((Decimal("0.1"), Decimal("0.5"), Decimal(5)))
        self.player.do(c.SetBudget(max_cost=self.player.run.spent + more, by="tester"))

    def cancel(self) -> None:
        """Somebody cancels."""
        self.player.do(c.Cancel(by="tester", gives_up=self.random.random() < 0.3))

    def retry(self) -> None:
        """Somebody wants a task that failed to be done again."""
        lost = [task for task, state in self.player.run.tasks.items() if state.phase in ("failed", "cancelled")]
        if lost:
            self.player.do(c.RetryTask(task=self.random.choice(sorted(lost)), by="tester"))

    def roll_back(self) -> None:
        """Somebody wants a task and all behind it to be undone."""
        tasks = sorted(self.player.run.tasks)
        if tasks:
            self.player.do(c.Rollback(to=self.random.choice(tasks), by="tester"))

    def signal(self) -> None:
        """A signal comes, early or not."""
        self.player.signal(self.random.choice(("go", "stop", "other")), "signal")

    def decide(self) -> None:
        """Somebody approves, or not."""
        tasks = sorted(task for task in self.player.run.busy if self.player.run.state(task).waiting is not None)
        if tasks:
            self.player.decide_on(self.random.choice(tasks), {"approved": self.random.random() < 0.5})

    def end_subrun(self) -> None:
        """A run that does a task ends, well or not."""
        if self.player.subruns:
            problem = Problem("ACC420", "it failed") if self.random.random() < 0.3 else None
            self.player.end_subrun(self.random.choice(sorted(self.player.subruns)), "sub", problem)

    def crash(self) -> None:
        """The orchestrator is killed, and started again."""
        self.player.crash()

    def _any_answer(self, task: TaskId, attempt: Attempt) -> Answer:
        if attempt.want.purpose == "diagnose":
            verdict = self.random.choice(("repaired", "retry", "reassign", "fail"))
            return self.random.choice((Verdict(verdict, "mended"), Verdict(verdict, "mended"), Broken(), Failed()))
        confidence, cost = self.random.choice((None, 0.3, 0.8)), self.random.choice(_COSTS)
        good = Done(f"{task} {self.random.randint(0, 1)}", confidence, cost)
        bad = (Broken(cost=cost), Failed(cost=cost), Failed(retryable=False), Refuses(self.random.randint(0, 2)))
        return self.random.choice((good, good, good, *bad, Silent()))


def _good(task: TaskId, attempt: Attempt) -> Answer:
    return Verdict("repaired", f"{task} mended") if attempt.want.purpose == "diagnose" else Done(f"{task} done", 1.0)


_CHOICES: dict[Callable[[Storm], None], int] = {
    Storm.assign: 24,
    Storm.answer: 24,
    Storm.accept: 2,
    Storm.lose: 1,
    Storm.late: 2,
    Storm.refuse_input: 1,
    Storm.give_up: 1,
    Storm.damage: 2,
    Storm.wake: 5,
    Storm.pause: 2,
    Storm.budget: 1,
    Storm.cancel: 1,
    Storm.retry: 3,
    Storm.roll_back: 2,
    Storm.signal: 2,
    Storm.decide: 3,
    Storm.end_subrun: 4,
    Storm.crash: 1,
}
_ACTIONS = tuple(_CHOICES)
_WEIGHTS = tuple(_CHOICES.values())
