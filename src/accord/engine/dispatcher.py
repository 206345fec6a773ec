"""The dispatcher: tasks that want an agent, until one has room. They wait in lanes by capability; the lanes take turns,
in a lane tenants and their runs do, and of a run what its end waits for longest is first.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

import msgspec

from accord.domain.capability import CapabilityRange
from accord.domain.ids import RunId, TaskId
from accord.domain.progress import capability_of
from accord.domain.run import Run, Want
from accord.engine.lanes import BACKOFF_CAP, Entry, Lane, Queued, Weigh
from accord.engine.peers import Peers
from accord.engine.registry import Registry
from accord.engine.router import Bars, Choice, Router

PASSED_OVER_MAX = 100
"""How many tasks of a lane that must wait for certain agents are passed over to look for one that need not."""


LOOKED_AHEAD = 32
"""In so many lanes it is looked whether the same run has something there that its end waits for longer."""

ORDERED_ANEW = 8
"""A result pays for putting so many tasks in another order, at most."""

_NO_EDITION = -1


class Ranking(Protocol):
    """How urgent a task is among those of its run."""

    def of(self, run: Run, task: TaskId) -> float:
        """The higher, the sooner."""
        ...

    def edition(self, run: Run) -> int:
        """Another one whenever what `of` says of the run's tasks may have changed."""
        ...


class Alike:
    """All are as urgent: what was ready first is first."""

    def of(self, run: Run, task: TaskId) -> float:
        """Nothing."""
        return 0.0

    def edition(self, run: Run) -> int:
        """Always the same."""
        return 0


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
    due: datetime | None
    tasks: list[Entry]


class _Waits(msgspec.Struct, gc=False):
    """Where something of a run waits, or did, and in which order."""

    edition: int
    """By which edition of the ranks."""
    lanes: dict[str, None] = {}
    results: int = 0
    """How many have come since it was put in this order."""


class Dispatcher:
    """Holds what is wanted, and proposes assignments as long as agents have room."""

    def __init__(
        self,
        registry: Registry,
        router: Router,
        is_held: Callable[[Run], bool],
        weigh: Weigh,
        bars: Callable[[Run, TaskId, Want], Bars],
        cap: timedelta = BACKOFF_CAP,
    ) -> None:
        self._registry = registry
        self._router = router
        self._is_held = is_held
        self._weigh = weigh
        self._bars = bars
        self.ranks: Ranking = Alike()
        self._cap = cap
        self._lanes: OrderedDict[str, Lane] = OrderedDict()  # who was served last is last
        self._parked: dict[RunId, dict[str, Parked]] = {}
        self._later: list[tuple[datetime, RunId, TaskId]] = []
        self._later_of: Counter[RunId] = Counter()
        """How many of `_later` are of which run."""
        self._waits: dict[RunId, _Waits] = {}
        """Of the runs that have wanted an agent here."""
        registry.changed.append(self.unblock)

    @property
    def waiting(self) -> int:
        """How many tasks wait for an agent."""
        return sum(len(lane) for lane in self._lanes.values())

    def waiting_by_capability(self) -> dict[str, int]:
        """How many tasks wait for an agent, by the names of capabilities for which any does."""
        found: Counter[str] = Counter()
        for lane in self._lanes.values():
            if len(lane):
                found[lane.wanted.name] += len(lane)
        return dict(found)

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
                self._queue(run, task, want)

    def offer_later(self, run: RunId, task: TaskId, at: datetime) -> None:
        """Look at the task's back-offs again at this time."""
        heapq.heappush(self._later, (at, run, task))
        self._later_of[run] += 1

    def unpark(self, run: RunId) -> None:
        """The run may go on: queue again what was put aside."""
        for key, aside in self._parked.pop(run, {}).items():
            self._lane(key, aside.wanted).add_again(aside.tenant, run, aside.tasks, aside.due)
            self._waits[run].edition = _NO_EDITION  # they have the order of when they were put aside

    def unpark_all(self) -> None:
        """A hold was lifted: everything that was put aside is looked at again."""
        for run in list(self._parked):
            self.unpark(run)

    def forget(self, run: RunId) -> None:
        """Drop what waits of a run that has ended, or is read again, or is not ours any more."""
        self._parked.pop(run, None)
        waits = self._waits.pop(run, None)
        for key in waits.lanes if waits is not None else ():
            lane = self._lanes.get(key)
            if lane is not None:
                lane.withdraw(run)
        if self._later_of.pop(run, 0):
            self._later = [entry for entry in self._later if entry[1] != run]
            heapq.heapify(self._later)

    def order_anew(self, run: Run) -> None:
        """A result of the run has come. Where it tells that others of its tasks are more urgent, what waits is put in
        that order, as soon as there were results enough to pay for it.
        """
        waits = self._waits.get(run.id)
        if waits is None:
            return
        waits.results += 1
        found = map(self._lanes.get, waits.lanes)
        lanes = [lane for lane in found if lane is not None and lane.waiting_of_run(run.id)]
        if not lanes:
            return
        edition = self.ranks.edition(run)
        if edition == waits.edition:
            return
        if sum([lane.waiting_of_run(run.id) for lane in lanes]) <= waits.results * ORDERED_ANEW:
            for lane in lanes:
                lane.order_anew(run.id, lambda task: self.ranks.of(run, task))
            waits.edition, waits.results = edition, 0

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
                key, lane = most_urgent(in_turn)
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

    def _queue(self, run: Run, task: TaskId, want: Want) -> None:
        wanted = capability_of(run, task, want)
        key = str(wanted)
        lane = self._lane(key, wanted)
        lane.add(run.started.by, Queued(run.id, task, self.ranks.of(run, task), run.deadline_at))
        waits = self._waits.get(run.id)
        if waits is None:
            waits = self._waits[run.id] = _Waits(self.ranks.edition(run))
        waits.lanes[key] = None

    def _lane(self, key: str, wanted: CapabilityRange) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(wanted, self._weigh, self._cap)
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
                        self._queue(run, task, want)

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
            aside.setdefault(str(lane.wanted), Parked(lane.wanted, tenant, run.deadline_at, [])).tasks.extend(tasks)

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


def most_urgent(in_turn: deque[tuple[str, Lane]]) -> tuple[str, Lane]:
    """Take out the lane whose turn it is; or another one in which the same run has something that its end waits for
    longer: then that one's turn comes when the other's would have. What other runs want has no part in it.
    """
    first = in_turn.popleft()
    head = first[1].rank_of_head() if in_turn else None
    if head is None:
        return first
    run, highest = head
    best: int | None = None
    for position, (_, lane) in enumerate(islice(in_turn, LOOKED_AHEAD)):
        other = lane.rank_of_head()
        if other is not None and other[0] == run and other[1] > highest:
            best, highest = position, other[1]
    if best is None:
        return first
    chosen, in_turn[best] = in_turn[best], first
    return chosen
