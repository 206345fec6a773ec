"""The dispatcher: tasks that want an agent, until one has room. They wait in lanes by capability; the lanes take turns,
and in a lane tenants and their runs do.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from accord.domain.capability import CapabilityRange
from accord.domain.ids import RunId, TaskId
from accord.domain.progress import capability_of
from accord.domain.run import Run, Want
from accord.engine.lanes import Lane, Weigh
from accord.engine.peers import Peers
from accord.engine.registry import Registry
from accord.engine.router import Bars, Choice, Router

PASSED_OVER_MAX = 100
"""How many tasks of a lane that must wait for certain agents are passed over to look for one that need not."""


class Proposal(msgspec.Struct, frozen=True, gc=False):
    """An attempt that could be assigned now."""

    run: RunId
    task: TaskId
    want: Want
    choice: Choice


class Parked(msgspec.Struct, frozen=True):
    """What a run that may not go on wants of one capability."""

    wanted: CapabilityRange
    tenant: str
    tasks: deque[TaskId]


class Dispatcher:
    """Holds what is wanted, and proposes assignments as long as agents have room."""

    def __init__(
        self,
        registry: Registry,
        router: Router,
        is_held: Callable[[Run], bool],
        weigh: Weigh,
        bars: Callable[[Run, TaskId, Want], Bars],
    ) -> None:
        self._registry = registry
        self._router = router
        self._is_held = is_held
        self._weigh = weigh
        self._bars = bars
        self._lanes: OrderedDict[str, Lane] = OrderedDict()  # who was served last is last
        self._parked: dict[RunId, dict[str, Parked]] = {}
        self._later: list[tuple[datetime, RunId, TaskId]] = []
        self._later_of: Counter[RunId] = Counter()
        """How many of `_later` are of which run."""
        registry.changed.append(self.unblock)

    @property
    def waiting(self) -> int:
        """How many tasks wait for an agent."""
        return sum(len(lane) for lane in self._lanes.values())

    @property
    def unserved(self) -> int:
        """How many of them want what no agent that is present offers."""
        return sum(len(lane) for lane in self._lanes.values() if len(lane) and not self._registry.peers(lane.wanted))

    def waiting_of(self, tenant: str) -> int:
        """How many of this tenant's tasks wait for an agent."""
        return sum(lane.waiting_of(tenant) for lane in self._lanes.values())

    def lanes(self) -> Iterator[Lane]:
        """All lanes in which something waits."""
        return (lane for lane in self._lanes.values() if len(lane))

    def hungry(self) -> dict[str, datetime]:
        """The capabilities of which something waits because nobody has room, and since when nothing was found."""
        found: dict[str, datetime] = {}
        for lane in self._lanes.values():
            if lane.hungry_since is not None and len(lane):
                name = lane.wanted.name
                found[name] = min(lane.hungry_since, found.get(name, lane.hungry_since))
        return found

    def offer(self, run: Run, task: TaskId) -> None:
        """Queue what the task wants, now or when its back-off is over."""
        for want in run.state(task).wants:
            if want.not_before is not None and want.not_before > run.updated_at:
                self.offer_later(run.id, task, want.not_before)
            else:
                self._lane(capability_of(run, task, want)).add(run.started.by, run.id, task)

    def offer_later(self, run: RunId, task: TaskId, at: datetime) -> None:
        """Look at the task's back-offs again at this time."""
        heapq.heappush(self._later, (at, run, task))
        self._later_of[run] += 1

    def unpark(self, run: RunId) -> None:
        """The run may go on: queue again what was put aside."""
        for aside in self._parked.pop(run, {}).values():
            self._lane(aside.wanted).add_first(aside.tenant, run, aside.tasks)

    def unpark_all(self) -> None:
        """A hold was lifted: everything that was put aside is looked at again."""
        for run in list(self._parked):
            self.unpark(run)

    def forget(self, run: RunId) -> None:
        """Drop what waits of a run that has ended, or is read again, or is not ours any more."""
        self._parked.pop(run, None)
        for lane in self._lanes.values():
            lane.withdraw(run)
        if self._later_of.pop(run, 0):
            self._later = [entry for entry in self._later if entry[1] != run]
            heapq.heapify(self._later)

    def unblock(self) -> None:
        """Look at all lanes again: somebody came, or has room."""
        for lane in self._lanes.values():
            lane.unblock()

    @property
    def eager(self) -> bool:
        """Whether something waits in a lane that may go on at once."""
        return any(len(lane) and lane.blocked_until is None for lane in self._lanes.values())

    def next_due(self) -> datetime | None:
        """When a back-off ends next, a task's or a lane's."""
        times = [lane.blocked_until for lane in self._lanes.values() if lane.blocked_until and len(lane)]
        return min([*times, *(entry[0] for entry in self._later[:1])], default=None)

    def proposals(self, find: Callable[[RunId], Run | None], now: datetime) -> Iterator[Proposal]:
        """Assignments that are possible now; each must be made, or given up, before the next one is asked for."""
        self._wake_later(find, now)
        in_turn = deque(item for item in self._lanes.items() if item[1].may_go_on(now))
        try:
            while in_turn:
                key, lane = in_turn.popleft()
                proposal = self._next(lane, find, now)
                if proposal is None:
                    self._leave(key, lane, now)
                    continue
                in_turn.append((key, lane))
                # One place at a time is what mostly comes free: the turns must outlast the call.
                self._lanes.move_to_end(key)
                yield proposal
        finally:
            for _, lane in in_turn:
                lane.put_back()

    def _lane(self, wanted: CapabilityRange) -> Lane:
        key = str(wanted)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(wanted, self._weigh)
        return lane

    def _wake_later(self, find: Callable[[RunId], Run | None], now: datetime) -> None:
        while self._later and self._later[0][0] <= now:
            _, run_id, task = heapq.heappop(self._later)
            self._later_of[run_id] -= 1
            if not self._later_of[run_id]:
                del self._later_of[run_id]
            run = find(run_id)
            if run is not None:
                for want in run.state(task).wants:
                    if want.not_before is not None and want.not_before <= now:
                        self._lane(capability_of(run, task, want)).add(run.started.by, run_id, task)

    def _next(self, lane: Lane, find: Callable[[RunId], Run | None], now: datetime) -> Proposal | None:
        """What the lane proposes in its turn; None where nothing waits in it, or nobody has room. A task that only some
        agents may do, who are full, lets others pass.
        """
        while (head := lane.head()) is not None:
            run_id, task = head
            run = find(run_id)
            if run is None or run.ended or run.paused or run.live >= run.graph.parallel or self._is_held(run):
                self._park(run, lane, run_id)
                continue
            want = self._due(run, task, lane, now)
            if want is None:
                lane.drop()
                self._look_again(run, task, now)
                continue
            peers = self._registry.peers(lane.wanted)
            choice = self._router.choose(peers, want, run.state(task), now, self._bars(run, task, want))
            if choice is not None:
                lane.serve()
                return Proposal(run_id, task, want, choice)
            if self._is_full(lane, peers, now):
                return None
            lane.pass_over()
        return None

    def _is_full(self, lane: Lane, peers: Peers, now: datetime) -> bool:
        return lane.passed_over >= PASSED_OVER_MAX or not self._router.any_room(peers, now)

    def _leave(self, key: str, lane: Lane, now: datetime) -> None:
        """The lane has no more turns in this call. It keeps its place: who found no room is not behind who did."""
        has_room = not len(lane)
        lane.put_back()
        if len(lane):
            lane.block(now)
            lane.has_room = has_room
        else:
            del self._lanes[key]

    def _park(self, run: Run | None, lane: Lane, run_id: RunId) -> None:
        """Put the run's tasks aside until the run may go on; those of a run that is not here any more are dropped."""
        withdrawn = lane.withdraw(run_id)
        if withdrawn is not None and run is not None and not run.ended:
            tenant, tasks = withdrawn
            aside = self._parked.setdefault(run_id, {})
            aside.setdefault(str(lane.wanted), Parked(lane.wanted, tenant, deque())).tasks.extend(tasks)

    def _look_again(self, run: Run, task: TaskId, now: datetime) -> None:
        """What was due when it was queued may not be so now: clocks are set back."""
        for want in run.state(task).wants:
            if want.not_before is not None and want.not_before > now:
                self.offer_later(run.id, task, want.not_before)

    def _due(self, run: Run, task: TaskId, lane: Lane, now: datetime) -> Want | None:
        for want in run.state(task).wants:
            if (want.not_before is None or want.not_before <= now) and capability_of(run, task, want) == lane.wanted:
                return want
        return None
