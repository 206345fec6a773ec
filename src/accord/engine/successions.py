"""Successions: which keys the orchestrator has had, and which one takes the place of ours.

They are in a stream of their own: a process of a version that does not know them goes on without them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from accord.domain.agent import orchestrator_id
from accord.domain.ids import InstanceId, KeyId
from accord.domain.message import Message, encode_claims
from accord.domain.signature import PublicKey
from accord.domain.succession import LINKS_MAX, Link, followed, succession_claims
from accord.domain.system import SUCCESSIONS, KeySucceeded, SystemEvent
from accord.engine.streams import SystemStream
from accord.errors import MessageRefused
from accord.ports import Journal, KeyStore
from accord.statements import Draft, Signer

TOLD_MAX: Final = 10_000
"""How many instances are remembered that were told: beyond that all are told anew."""

logger = logging.getLogger("accord.successions")


class Successions:
    """Follows who takes whose place; only what is connected with our own key counts."""

    def __init__(self, journal: Journal, organisation: str, own: PublicKey, keys: KeyStore) -> None:
        self.stream = SystemStream(journal, SUCCESSIONS, self._apply)
        self._organisation = organisation
        self._own = own
        self._keys = keys
        self._by_old: dict[KeyId, KeySucceeded] = {}
        self._by_new: dict[KeyId, KeySucceeded] = {}
        self._publics: dict[KeyId, PublicKey] = {own.kid: own}
        self._replaced: frozenset[KeyId] = frozenset()
        self._told: dict[InstanceId, int] = {}
        """How many heartbeats of an instance were heard since there is something to tell."""

    async def follow(self) -> None:
        """Read what others have written. Raises StoreUnavailable, KeysUnavailable."""
        self._replaced = frozenset(await self._keys.replaced())
        await self.stream.refresh()

    def _apply(self, event: SystemEvent) -> None:
        if not isinstance(event, KeySucceeded):
            return
        try:
            old, new = followed([_link(event)], orchestrator_id(self._organisation))
            if (old.kid, new.kid) != (event.before, event.key):
                raise MessageRefused.of("ACC668", "the statement is about other keys")
        except MessageRefused as error:
            logger.error("a succession in the journal is not believed: %s", error)
            return
        if old.kid not in self._by_old and new.kid not in self._by_new:
            self._by_old[old.kid] = self._by_new[new.kid] = event
            self._publics |= {old.kid: old, new.kid: new}

    # -- what is told --------------------------------------------------------------------------------------------

    def chain(self) -> tuple[Link, ...]:
        """What leads from the keys before to ours, and on from there: the last links, the oldest first."""
        return tuple(map(_link, [*reversed(list(self._past())), *self._heirs()]))[-LINKS_MAX:]

    def news(self, instance: InstanceId, now: datetime) -> list[Message]:
        """What an instance that has sent a heartbeat is told: less and less often, for it may not hear it, or not know
        successions at all; of the keys before ours only as long as they are accepted.
        """
        links = [*reversed([one for one in self._past() if one.until > now]), *self._heirs()]
        if not links:
            return []
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        count = self._told[instance] = self._told.get(instance, 0) + 1
        return [] if count & (count - 1) else [Message(one.statement.encode(), b"") for one in links]

    def _past(self) -> Iterator[KeySucceeded]:
        """The successions up to our key, the newest first."""
        return _walk(self._own.kid, self._by_new, lambda one: one.before)

    def _heirs(self) -> Iterator[KeySucceeded]:
        """Those from our key on, the oldest first."""
        return _walk(self._own.kid, self._by_old, lambda one: one.key)

    # -- who is believed -----------------------------------------------------------------------------------------

    def keys(self, now: datetime) -> dict[KeyId, PublicKey]:
        """The keys that may sign for the orchestrator now: ours, those after it, and those before it that this key
        store had, until they retire. Nobody vouches for the one before.
        """
        before = [one.before for one in self._past() if one.until > now and one.before in self._replaced]
        kids = [*before, self._own.kid, *(one.key for one in self._heirs())]
        return {kid: self._publics[kid] for kid in kids}

    def ever(self) -> dict[KeyId, PublicKey]:
        """The same with the keys before ours that have retired: what they have signed for ever still holds."""
        before = [one.before for one in self._past() if one.before in self._replaced]
        kids = [*before, self._own.kid, *(one.key for one in self._heirs())]
        return {kid: self._publics[kid] for kid in kids}

    # -- succeeding ----------------------------------------------------------------------------------------------

    async def succeed(self, new: PublicKey, overlap: timedelta, *, by: str, now: datetime) -> None:
        """Have our key say that this one takes its place, and keep that. Raises what the key store and the store do."""
        claims = succession_claims(self._organisation, new, now)
        (statement,) = await Signer(self._keys, self._own).sign([Draft(encode_claims(claims), alone=True)])
        await self.stream.append(
            KeySucceeded(
                at=now,
                key=new.kid,
                before=self._own.kid,
                jwk=self._own.to_jwk(),
                statement=statement.decode("ascii"),
                until=now + overlap,
                by=by,
            )
        )


def _link(event: KeySucceeded) -> Link:
    return Link(event.jwk, event.statement)


def _walk(
    start: KeyId, found: Mapping[KeyId, KeySucceeded], on: Callable[[KeySucceeded], KeyId]
) -> Iterator[KeySucceeded]:
    """From one key to the next, each once: a circle ends where it closes."""
    seen = {start}
    here = found.get(start)
    while here is not None and on(here) not in seen:
        yield here
        seen.add(on(here))
        here = found.get(on(here))
