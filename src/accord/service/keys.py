"""Keys of agents: their lives, and what rests on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

import msgspec

from accord.domain.capability import CapabilityRange, CapabilityRef
from accord.domain.delegation import Delegated
from accord.domain.ids import AgentId, KeyId, RunId
from accord.domain.impact import Impact
from accord.domain.signature import PublicKey
from accord.domain.system import RunDoubted

KeyState = Literal["valid", "retiring", "retired", "expired", "revoked"]

EXPIRES_SOON: Final = timedelta(days=14)
"""So long before a key expires people are warned, and never before two thirds of its life are over."""


class KnownKey(msgspec.Struct, frozen=True):
    """A key that is, or was, an agent's."""

    agent: AgentId
    public: PublicKey
    valid_from: datetime
    revoked_at: datetime | None = None
    offers: tuple[str, ...] = ()
    """Capabilities, `name` or `name@range`: what cards that it signs may offer; anything where empty."""
    retires_at: datetime | None = None
    """When it ends because another one has taken its place."""
    doubtful_from: datetime | None = None
    """From then on it may have been in other hands."""
    reason: str = ""
    """Why it was revoked."""
    delegation: Delegated | None = None
    """What bounds it, where another key lets it sign for a while."""
    expires_at: datetime | None = None
    """When it ends by itself."""

    @property
    def lifetime(self) -> timedelta | None:
        """How long it may sign in all; None where it does not end by itself."""
        return self.expires_at - self.valid_from if self.expires_at is not None else None

    def expired(self, now: datetime) -> bool:
        """Whether it has ended by itself."""
        return self.expires_at is not None and now >= self.expires_at

    def expires_soon(self, now: datetime) -> bool:
        """Whether it is time to give it a successor, or too late."""
        if self.expires_at is None or self.lifetime is None:
            return False
        return now >= self.expires_at - min(EXPIRES_SOON, self.lifetime / 3)

    def allows(self, ref: CapabilityRef) -> bool:
        """Whether a card that this key signs may offer the capability."""
        return not self.offers or any(CapabilityRange.parse(offer).matches(ref) for offer in self.offers)

    def usable(self, now: datetime) -> bool:
        """Whether something new may be signed with it."""
        if self.delegation is not None and now >= self.delegation.until:
            return False
        if self.expired(now):
            return False
        return self.revoked_at is None and (self.retires_at is None or now < self.retires_at)

    def state(self, now: datetime) -> KeyState:
        """What has become of it."""
        if self.revoked_at is not None:
            return "revoked"
        if self.delegation is not None:
            return "valid" if now < self.delegation.until else "retired"
        if self.retires_at is not None and now >= self.retires_at:
            return "retired"
        if self.expired(now):
            return "expired"
        return "valid" if self.retires_at is None else "retiring"


class Keys(Protocol):
    """What may be asked of the keys of agents, and done with them."""

    async def keys(self, agent: AgentId | None = None) -> list[KnownKey]:
        """The keys that the agents, or one of them, ever had, the oldest first: of those without a card, too."""
        ...

    async def key(self, kid: KeyId) -> KnownKey | None:
        """The key of an agent, whether it is still valid or not; None where nobody knows it."""
        ...

    async def revoke_key(self, kid: KeyId, *, by: str, reason: str = "", since: datetime | None = None) -> KnownKey:
        """Accept nothing new under an agent's key: when this returns, no process does any more. What was accepted
        before stays; what was signed after `since` is in doubt. Again is no error, and says more of `since`.

        Raises:
            NotFound: nobody knows the key.
            BadInput: `since` is in the future.
            Overloaded: a process that works on runs does not answer; the key is revoked all the same.
        """
        ...

    async def impact(self, kid: KeyId, *, since: datetime | None = None) -> Impact:
        """What rests on an agent's key: the runs in which results were accepted under statements by it (since then),
        the tasks and runs that depend on them. Every run that is kept is read.

        Raises NotFound where nobody knows the key.
        """
        ...

    async def contain(self, kid: KeyId, *, by: str, reason: str, since: datetime | None = None) -> Impact:
        """Quarantine all that rests on a key: its agent is held, the runs are marked as in doubt, and those that have
        not ended are paused. Again adds what is new. `lift`, `clear` and the command `Resume` take it back, one by one.

        Raises NotFound where nobody knows the key.
        """
        ...

    async def doubted(self) -> list[RunDoubted]:
        """All runs that are in doubt, those marked first first."""
        ...

    async def clear(self, run: RunId, *, by: str, note: str = "") -> None:
        """Rely on a run again. Raises TransitionRefused where it is not in doubt."""
        ...
