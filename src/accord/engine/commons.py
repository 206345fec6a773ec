"""The commons: what the processes on one bus give out together: the places of agents, and capabilities with a limit.

Each process says every so often how much of it it holds (see `neighbourhood`). It takes no more than is free by what
all have said, and of what is free only its part until the others can know of it. So N processes together are over a
bound by N - 1 at most, and only until they have heard of each other again. Who has had its turn leaves what comes free
to a process that has waited longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

import msgspec

TICK: Final = timedelta(milliseconds=100)
"""How often it is told at most what a process holds."""

KNOWN_AFTER: Final = 2.5 * TICK
"""From then on the others count as having heard what was told."""

TURN: Final = timedelta(milliseconds=500)
"""How long a process goes on taking what comes free with it while another one has nothing of it."""

GRACE: Final = 3 * TICK
"""How long what came free is left to a process that has waited longer; if it does not take it, it is for all."""


class Neighbour(msgspec.Struct, frozen=True):
    """What another process has said last."""

    number: int
    """Of its notices, ever greater."""
    until: datetime
    """From then on it is not believed any more."""
    partitions: frozenset[int]
    held: Mapping[str, int]
    """By agent, and by the name of a capability with a limit."""
    wants: Mapping[str, datetime]
    """By capability: since when nothing was found for what waits."""


class Commons:
    """What this process may take of what it shares with others. A `thing` is an agent's id, or a capability's name."""

    def __init__(self) -> None:
        self._neighbours: dict[str, Neighbour] = {}
        self._theirs: Counter[str] = Counter()
        self._told: list[tuple[datetime, Mapping[str, int]]] = [(datetime.min.replace(tzinfo=UTC), {})]
        """What was told and is not sure to have been heard, and the last of what was."""
        self._freed: dict[str, datetime] = {}
        self.wants: Mapping[str, datetime] = {}
        """What waits here, as `Neighbour.wants`."""
        self.partitions: frozenset[int] = frozenset()
        """Those whose owners say what they hold."""

    @property
    def alone(self) -> bool:
        """Whether no other process is known."""
        return not self._neighbours

    @property
    def processes(self) -> int:
        """How many share, with this one."""
        return 1 + len(self._neighbours)

    def held_by_others(self, thing: str) -> int:
        """How much of it the others hold, as they say."""
        return self._theirs[thing] if self._neighbours else 0

    # -- what others say -----------------------------------------------------------------------------------------

    def hear(self, process: str, said: Neighbour) -> Set[str]:
        """Believe what a process says, unless it said something newer; returns the things of which it holds less."""
        known = self._neighbours.get(process)
        if known is not None and known.number >= said.number:
            return frozenset()
        self._neighbours[process] = said
        return self._settle(known, said)

    def forget(self, process: str) -> Set[str]:
        """The process is gone; returns the things that it held."""
        known = self._neighbours.pop(process, None)
        return self._settle(known, None)

    def expire(self, now: datetime) -> Set[str]:
        """Forget what is not believed any more; returns the things that were held."""
        late = [process for process, said in self._neighbours.items() if said.until <= now]
        return frozenset().union(*(self.forget(process) for process in late))

    def is_news(self, process: str, number: int) -> bool:
        """Whether the process has said nothing yet that has this number or a greater one."""
        known = self._neighbours.get(process)
        return known is None or known.number < number

    def knows(self, process: str) -> bool:
        """Whether this process has been heard, and is still believed."""
        return process in self._neighbours

    def _settle(self, before: Neighbour | None, after: Neighbour | None) -> Set[str]:
        old = before.held if before is not None else {}
        new = after.held if after is not None else {}
        self._theirs.update(new)
        self._theirs.subtract(old)
        for thing in old:
            if not self._theirs[thing]:
                del self._theirs[thing]
        self.partitions = frozenset().union(*(said.partitions for said in self._neighbours.values()))
        return {thing for thing, held in old.items() if new.get(thing, 0) < held}

    # -- what we say ---------------------------------------------------------------------------------------------

    def tell(self, held: Mapping[str, int], now: datetime) -> None:
        """This is told to the others now."""
        self._heard_by(now)
        self._told.append((now, held))
        self._freed = {thing: at for thing, at in self._freed.items() if timedelta() <= now - at < GRACE}

    def freed(self, thing: str, now: datetime) -> None:
        """Something of it has come free here."""
        if self._neighbours:
            self._freed[thing] = now

    # -- what may be taken ---------------------------------------------------------------------------------------

    def left_until(self, thing: str, capability: str, places: int, held: int, now: datetime) -> datetime | None:
        """Until when nothing more of it is to be taken here, of which there are so many places in all, and so many
        held here; None where it may be.
        """
        if not self._neighbours:
            return None
        theirs, known = self._theirs[thing], self._known(thing, now)
        part = max(1, ceil((places - theirs - known) / self.processes))
        if held + theirs >= places or held - known >= part or self._owes(thing, capability, places, held, now):
            return now + TICK
        return None

    def _known(self, thing: str, now: datetime) -> int:
        """How much of it the others know beyond doubt that we hold."""
        self._heard_by(now)
        return min(told.get(thing, 0) for _, told in self._told)

    def _heard_by(self, now: datetime) -> None:
        """Forget what was told before something that is sure to have been heard; what is of the future, as the clock
        was set back, counts as heard.
        """
        while len(self._told) > 1 and not timedelta() <= now - self._told[1][0] < KNOWN_AFTER:
            del self._told[0]

    def _owes(self, thing: str, capability: str, places: int, held: int, now: datetime) -> bool:
        """Whether what has just come free here is another process's turn."""
        freed = self._freed.get(thing)
        if freed is None or not timedelta() <= now - freed < GRACE:
            return False
        waiting = [said for said in self._neighbours.values() if capability in said.wants]
        part = places // (1 + len(waiting))
        if held < part:
            return False
        ours = self.wants.get(capability, now)
        return any(
            said.held.get(thing, 0) < max(part, 1)
            and now - said.wants[capability] >= TURN
            and (held or said.wants[capability] < ours)
            for said in waiting
        )
