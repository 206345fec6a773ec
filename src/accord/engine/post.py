"""The post: letters to the owners of partitions, which may be we ourselves, and waiting for their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec

from accord.domain import command as c
from accord.domain.ids import PARTITIONS, Digest, RunId, partition_of
from accord.engine.letters import CATCH_UP, LetterContent, caught_up, caught_up_by, outcome
from accord.engine.parts import Parts
from accord.engine.rounds import Letters
from accord.errors import Overloaded, Refused
from accord.ports import Answer, Letter

WAIT_S: Final = 30.0
FIRST_LOOK_S: Final = 0.005
ADOPT_EVERY: Final = 5
"""After so many looks at the full interval it is tried to take the partition over from an owner that is silent."""


class Post:
    """Posts commands. A letter has a name that the caller may choose: whoever does not know whether a command was
    carried out sends it again under the same name.
    """

    def __init__(self, parts: Parts, letters: Letters, tell_moved: Callable[[], Awaitable[None]]) -> None:
        """`tell_moved` has all who hear it follow the shared streams; letters are what makes sure of it."""
        self._parts = parts
        self._tell_moved = tell_moved
        self._letters = letters

    async def answered(self, name: str) -> RunId | None:
        """The run that the letter was carried out on, None while it is not. Raises what it was refused with."""
        answer = await self._parts.ports.journal.answered(name)
        return None if answer is None else outcome(answer.data)

    async def send(
        self, run: RunId, command: c.ControlCommand | c.Start, *, name: str | None = None, graph: Digest | None = None
    ) -> RunId:
        """Post a command, and wait until it was carried out: that of another run where the name was used before.

        Raises what the command was refused with, and Overloaded where its owner does not answer.
        """
        ports = self._parts.ports
        letter = Letter(
            id=name or ports.ids.token(),
            partition=partition_of(run),
            data=msgspec.json.encode(LetterContent(run, command, graph)),
            posted_at=ports.clock.now(),
        )
        await ports.journal.post(letter)
        await self._letters.go()  # where the letter is for us, it need not wait for the next round
        for looks, pause_s in enumerate(_pauses(self._parts.tuning.letters_every.total_seconds())):
            answer = await ports.journal.answered(letter.id)
            if answer is not None:
                return outcome(answer.data) or run
            if looks and looks % ADOPT_EVERY == 0:
                await self._parts.partitions.claim(await self._partition_of(letter))
            await asyncio.sleep(pause_s)
        raise Overloaded.of(
            "ACC453", "the process that owns the run does not answer; the command stays posted", hint="is it stopped?"
        )

    async def caught_up(self) -> None:
        """Wait until every process that owns a partition has followed the shared streams, and acts upon it.

        One that has died, or whose leases have run out, is shut out: it can append nothing any more.
        Raises Overloaded where one is there and does not answer.
        """
        await self._tell_moved()
        owned: dict[str, list[int]] = {}
        for owner in await self._parts.ports.journal.owners():
            if owner.name != self._parts.identity.owner:
                owned.setdefault(owner.name, []).append(owner.partition)
        await asyncio.gather(*(self._has_caught_up(name, partitions) for name, partitions in owned.items()))

    async def _has_caught_up(self, owner: str, partitions: list[int]) -> None:
        letter = await self._ask(partitions[0])
        for looks, pause_s in enumerate(_pauses(self._parts.tuning.letters_every.total_seconds())):
            answer = await self._parts.ports.journal.answered(letter.id)
            if answer is not None and caught_up_by(answer.data) in (owner, None):
                return
            if answer is not None or looks % ADOPT_EVERY == 0:
                owned = await self._owned_by(owner)
                if answer is not None or letter.partition not in owned:
                    # Whoever owns that partition now is another one, or nobody: it is no matter what they know.
                    await self._parts.ports.journal.answer([Answer(letter.id, caught_up(self._parts.identity.owner))])
                    if not owned:
                        return
                    letter = await self._ask(owned[0])
            await asyncio.sleep(pause_s)
        raise Overloaded.of(
            "ACC453",
            "a process that works on runs does not answer; what was decided holds, there as soon as it goes on",
            hint="is it stopped?",
        )

    async def _ask(self, partition: int) -> Letter:
        """Ask the owner of a partition to follow the shared streams."""
        ports = self._parts.ports
        letter = Letter(id=ports.ids.token(), partition=partition, data=CATCH_UP, posted_at=ports.clock.now())
        await ports.journal.post(letter)
        return letter

    async def _owned_by(self, owner: str) -> list[int]:
        """The partitions of this process; its leases that have run out are ended."""
        now = self._parts.ports.clock.now()
        theirs = [one for one in await self._parts.ports.journal.owners() if one.name == owner]
        for one in theirs:
            if one.until <= now:
                await self._parts.partitions.shut_out(one.partition)
        return [one.partition for one in await self._parts.ports.journal.owners() if one.name == owner]

    async def _partition_of(self, letter: Letter) -> int:
        """Where the letter waits: the one of this name may have been posted before, and to another partition."""
        waiting = await self._parts.ports.journal.letters(range(PARTITIONS), limit=10_000)
        return next((one.partition for one in waiting if one.id == letter.id), letter.partition)


def _pauses(longest_s: float) -> Iterator[float]:
    """How long to wait between two looks, `WAIT_S` altogether: ever longer, up to `longest_s`."""
    pause_s, waited_s = min(FIRST_LOOK_S, longest_s), 0.0
    while waited_s < WAIT_S:
        yield pause_s
        waited_s += pause_s
        pause_s = min(2 * pause_s, longest_s)


def other_request(once: str) -> Refused:
    """The error that a name of a request stands for another request."""
    name = once.rpartition(":")[2]
    hint = "every request that is another one needs a key of its own"
    return Refused.of("ACC449", f"the idempotency key {name} was used for another request", hint=hint)
