"""Lanes: tasks that want one capability. Tenants take turns by their weights, in a tenant its runs do, and of a run the
task with the highest rank is first.

It is start-time fair queueing (Goyal, Vin and Cheng, 1996): whose next turn begins earliest, by a virtual time that
goes on with the turns that are served, is next. Whoever was idle begins at that time: nothing is owed for the past.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from accord.domain.capability import CapabilityRange
from accord.domain.ids import RunId, TaskId

BACKOFF_FIRST = timedelta(milliseconds=50)
BACKOFF_CAP = timedelta(seconds=5)

SLACK = 16
"""So many tenants that wait for nothing any more are remembered, beside as many as there are others."""


class Entry(NamedTuple):
    """A task that waits: entries are in the order in which they are served."""

    before: float
    """The rank, negative."""
    ticket: int
    task: TaskId


class Queued(msgspec.Struct, frozen=True, gc=False):
    """What is to wait, and how it is served."""

    run: RunId
    task: TaskId
    rank: float = 0.0
    due: datetime | None = None
    """The run's deadline."""


Weigh = Callable[[str], float]
"""A tenant's weight: who has twice another one's gets twice the turns while both wait."""


class _Tenant:
    """What waits of one tenant: who has started the runs."""

    __slots__ = ("begins", "due", "is_urgent", "name", "passed", "price", "ticket", "turns")

    def __init__(self, name: str, price: float) -> None:
        self.name = name
        self.price = price
        """How much virtual time a turn takes: the less, the greater the weight."""
        self.turns: OrderedDict[RunId, list[Entry]] = OrderedDict()
        """By run, as heaps."""
        self.due: dict[RunId, datetime] = {}
        """The deadlines of those that have one."""
        self.is_urgent = True
        """Whether the next turn is for the earliest deadline: every second one is."""
        self.begins = 0.0
        """The virtual time at which its next turn begins."""
        self.passed = 0
        """How many turns it has let pass in this call; they count as taken until the call is over."""
        self.ticket = 0
        """Names the entry that holds its place in the order."""

    def next(self) -> RunId:
        """The run whose turn it is."""
        if self.due and self.is_urgent:
            return min(self.due, key=lambda run: (self.due[run], run))
        return next(iter(self.turns))


class _Passed(msgspec.Struct, frozen=True):
    tenant: str
    run: RunId
    entry: Entry
    due: datetime | None


class Lane:
    """Tasks that want one capability; a turn costs O(log n) of the tenants that wait."""

    def __init__(self, wanted: CapabilityRange, weigh: Weigh, cap: timedelta = BACKOFF_CAP) -> None:
        self.wanted = wanted
        self.blocked_until: datetime | None = None
        self.backoff = BACKOFF_FIRST
        self.has_room = False
        """Whether, while it is blocked, somebody has room, only not for what waits."""
        self.hungry_since: datetime | None = None
        """Since when nobody has had room for what waits."""
        self._weigh = weigh
        self._cap = cap
        self._tenants: dict[str, _Tenant] = {}
        self._tenant_of: dict[RunId, str] = {}
        self._order: list[tuple[float, int, str]] = []
        """Those that wait, as a heap by the beginning of their next turns; an entry with an old ticket is void."""
        self._tickets = 0
        self._entries = 0
        self._time = 0.0
        self._count: Counter[str] = Counter()
        self._waiting = 0
        self._passed: list[_Passed] = []
        """What let others pass while proposals are made; it is first again when they end."""

    # -- what waits ----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._waiting

    def waiting_of(self, tenant: str) -> int:
        """How many of this tenant's tasks wait here."""
        return self._count[tenant]

    def waiting_of_run(self, run: RunId) -> int:
        """How many tasks of this run wait here."""
        name = self._tenant_of.get(run)
        return len(self._tenants[name].turns[run]) if name is not None else 0

    def runs(self) -> Iterator[tuple[RunId, list[TaskId]]]:
        """What waits of each run, tenant by tenant."""
        for tenant in self._tenants.values():
            for run, tasks in tenant.turns.items():
                yield run, [entry.task for entry in sorted(tasks)]

    def add(self, tenant: str, one: Queued) -> None:
        """Queue this by its rank, behind those of the same rank."""
        self._entries += 1
        heapq.heappush(self._queue(tenant, one.run, one.due), Entry(-one.rank, self._entries, one.task))
        self._counted(tenant, 1)
        if self.has_room:
            self.unblock()

    def add_again(self, tenant: str, run: RunId, entries: Iterable[Entry], due: datetime | None) -> None:
        """Queue these, which were withdrawn, in the order that they had."""
        queue = self._queue(tenant, run, due)
        before = len(queue)
        for entry in entries:
            heapq.heappush(queue, entry)
        self._counted(tenant, len(queue) - before)
        if self.has_room:
            self.unblock()

    def withdraw(self, run: RunId) -> tuple[str, list[Entry]] | None:
        """Take everything of the run out; returns whose it was, and what."""
        name = self._tenant_of.pop(run, None)
        if name is None:
            return None
        tenant = self._tenants[name]
        tasks = tenant.turns.pop(run)
        tenant.due.pop(run, None)
        self._counted(name, -len(tasks))
        if not tenant.turns:
            self._retire(tenant)
        return name, tasks

    def order_anew(self, run: RunId, rank: Callable[[TaskId], float]) -> None:
        """Put what waits of the run in the order of other ranks; its turns are as before."""
        name = self._tenant_of.get(run)
        if name is not None:
            tasks = self._tenants[name].turns[run]
            tasks[:] = [Entry(-rank(entry.task), entry.ticket, entry.task) for entry in tasks]
            heapq.heapify(tasks)

    # -- turns ---------------------------------------------------------------------------------------------------

    def head(self) -> tuple[RunId, TaskId] | None:
        """Whose turn it is; None where nothing waits."""
        tenant = self._first()
        if tenant is None:
            return None
        run = tenant.next()
        return run, tenant.turns[run][0].task

    def rank_of_head(self) -> tuple[RunId, float] | None:
        """The run whose turn it is, and the rank of its task."""
        tenant = self._first()
        if tenant is None:
            return None
        run = tenant.next()
        return run, -tenant.turns[run][0].before

    def drop(self) -> None:
        """Take the head out; it was no turn."""
        tenant = self._first()
        assert tenant is not None  # noqa: S101 - there is a head
        self._take(tenant)

    def serve(self) -> None:
        """Take the head out: it was its tenant's turn."""
        tenant = self._first()
        assert tenant is not None  # noqa: S101 - there is a head
        self._time = max(self._time, tenant.begins)
        tenant.begins += tenant.price
        self._take(tenant)
        tenant.is_urgent = not tenant.is_urgent
        self.backoff = BACKOFF_FIRST
        self.hungry_since = None

    def pass_over(self) -> None:
        """Let others pass the head, of other tenants first, until `put_back`."""
        tenant = self._first()
        assert tenant is not None  # noqa: S101 - there is a head
        tenant.passed += 1
        due = tenant.due.get(tenant.next())
        run, entry = self._take(tenant)
        self._passed.append(_Passed(tenant.name, run, entry, due))

    @property
    def passed_over(self) -> int:
        """How many let others pass."""
        return len(self._passed)

    def put_back(self) -> None:
        """What let others pass comes first again, in its order."""
        for one in reversed(self._passed):
            heapq.heappush(self._queue(one.tenant, one.run, one.due), one.entry)
            tenant = self._tenants[one.tenant]
            tenant.turns.move_to_end(one.run, last=False)
            tenant.passed = 0
            self._counted(one.tenant, 1)
        for name in {one.tenant for one in self._passed}:
            self._place(self._tenants[name])
        self._passed.clear()

    # -- waiting for room ----------------------------------------------------------------------------------------

    def block(self, now: datetime) -> None:
        """Nobody has room: look again when somebody has, or after a back-off that doubles."""
        self.hungry_since = self.hungry_since or now
        self.blocked_until = now + self.backoff
        self.backoff = min(self.backoff * 2, self._cap)

    def unblock(self) -> None:
        """Somebody may have room."""
        self.blocked_until = None
        self.has_room = False

    def may_go_on(self, now: datetime) -> bool:
        """Whether somebody may have room: it is not blocked, or its back-off is over."""
        return self.blocked_until is None or self.blocked_until <= now

    # -- the order -----------------------------------------------------------------------------------------------

    def _queue(self, name: str, run: RunId, due: datetime | None) -> list[Entry]:
        """The run's tasks; the tenant has its place in the order."""
        tenant = self._tenants.get(name)
        if tenant is None:
            tenant = self._tenants[name] = _Tenant(name, 1 / self._weigh(name))
            tenant.begins = self._time
        if not tenant.turns:
            tenant.begins = max(tenant.begins, self._time)
            self._place(tenant)
        self._tenant_of[run] = name
        if due is not None:
            tenant.due[run] = due
        return tenant.turns.setdefault(run, [])

    def _place(self, tenant: _Tenant) -> None:
        self._tickets += 1
        tenant.ticket = self._tickets
        heapq.heappush(self._order, (tenant.begins + tenant.passed * tenant.price, tenant.ticket, tenant.name))

    def _first(self) -> _Tenant | None:
        while self._order:
            _, ticket, name = self._order[0]
            tenant = self._tenants.get(name)
            if tenant is not None and tenant.ticket == ticket:
                return tenant
            heapq.heappop(self._order)
        return None

    def _take(self, tenant: _Tenant) -> tuple[RunId, Entry]:
        """Take out what is the tenant's next; its runs take turns."""
        run = tenant.next()
        tasks = tenant.turns[run]
        entry = heapq.heappop(tasks)
        self._counted(tenant.name, -1)
        if tasks:
            tenant.turns.move_to_end(run)
        else:
            del tenant.turns[run]
            del self._tenant_of[run]
            tenant.due.pop(run, None)
        heapq.heappop(self._order)
        if tenant.turns:
            self._place(tenant)
        else:
            self._retire(tenant)
        return run, entry

    def _retire(self, tenant: _Tenant) -> None:
        """Nothing waits of the tenant any more. It is remembered as long as its last turn lasts."""
        tenant.ticket = 0
        if len(self._tenants) > 2 * len(self._order) + SLACK:
            over = [name for name, one in self._tenants.items() if not one.ticket and one.begins <= self._time]
            for name in over:
                del self._tenants[name]

    def _counted(self, tenant: str, more: int) -> None:
        self._waiting += more
        self._count[tenant] += more
        if not self._count[tenant]:
            del self._count[tenant]
