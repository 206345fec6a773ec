"""The registry: who is known (durable: keys and cards), and who is present (live: instances and their heartbeats)."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from msgspec.structs import replace

from accord.domain.agent import AgentCard, Capacity
from accord.domain.capability import RESERVED, CapabilityName, CapabilityRange, Version
from accord.domain.contract import Contract
from accord.domain.delegation import Delegated
from accord.domain.ids import AgentId, Digest, InstanceId, KeyId, LeaseToken
from accord.domain.payloads import HeartbeatPayload
from accord.domain.signature import PublicKey
from accord.domain.system import AgentEnrolled, KeyDelegated, KeyRetired, KeyRevoked, SystemEvent
from accord.engine.attendance import Attendance, best_of
from accord.engine.presence import Presence, Report
from accord.errors import MessageRefused, NotFound, Problem
from accord.service import KnownAgent, KnownKey

Compatible = Callable[[Contract, Contract], tuple[Problem, ...]]
"""What breaks when the second contract takes the place of the first; `accord.verifier` has it."""


NEVER = datetime.min.replace(tzinfo=UTC)

SILENT_MAX = 10_000
"""How many silent instances are remembered, so that they need not send their cards again."""


class Registry(Attendance):
    """Agents, keys and contracts. Whoever wants to know of changes adds a function to `changed`."""

    def __init__(
        self, compatible: Compatible, *, absent_after: timedelta, system_agents: frozenset[AgentId] = frozenset()
    ) -> None:
        super().__init__()
        self._compatible = compatible
        self._absent_after = absent_after
        self._system_agents = system_agents
        self._keys: dict[KeyId, KnownKey] = {}
        self._early: dict[KeyId, list[KeyRevoked]] = {}
        """What was said of keys whose delegations have not been read yet: those are in a stream of their own."""
        self._kids: dict[AgentId, dict[KeyId, None]] = {}
        """By agent, in the order of their enrolment."""
        self._cards: dict[AgentId, AgentCard] = {}
        self._by_id: list[AgentId] = []
        """Whose cards these are, in order."""
        self._offered: dict[AgentId, set[Digest]] = {}
        self._contracts: dict[Digest, Contract] = {}
        self._versions: dict[str, dict[Version, Contract]] = {}
        self._silent: dict[InstanceId, Presence] = {}
        self._left: set[AgentId] = set()
        self._renewed: dict[LeaseToken, datetime] = {}
        self.generation = 0
        """Counts the changes of what is known: reports of the verifier hold for one generation."""
        self.refusals: dict[AgentId, MessageRefused] = {}
        """Why an agent's last card was refused."""
        self.changed: list[Callable[[], None]] = []
        self.revoked: list[Callable[[KeyId], None]] = []
        """Told of each key that is revoked, here or by another process."""

    # -- durable -------------------------------------------------------------------------------------------------

    def apply(self, event: SystemEvent) -> None:
        """Fold an event of `sys:registry` or of `sys:delegations`, each in its order; the documents of cards come by
        `accept_card`.
        """
        if isinstance(event, AgentEnrolled):
            public = PublicKey.from_jwk(event.jwk)
            self._kids.setdefault(event.agent, {})[event.key] = None
            self._keys[event.key] = KnownKey(
                event.agent, public, event.at, offers=event.offers, expires_at=event.expires_at
            )
        elif isinstance(event, KeyRevoked):
            self._revoke(event)
        elif isinstance(event, KeyRetired):
            self._keys[event.key] = replace(self._keys[event.key], retires_at=event.until)
        elif isinstance(event, KeyDelegated):
            public, bounds = PublicKey.from_jwk(event.jwk), Delegated(event.parent, event.until, event.kinds)
            self._keys.setdefault(event.key, KnownKey(event.agent, public, event.at, delegation=bounds))
            for early in self._early.pop(event.key, ()):
                self._revoke(early)

    def _revoke(self, event: KeyRevoked) -> None:
        known = self._keys.get(event.key)
        if known is None:
            self._early.setdefault(event.key, []).append(event)
            return
        self._keys[event.key] = replace(
            known,
            revoked_at=known.revoked_at or event.at,
            doubtful_from=_earlier(known.doubtful_from, event.since),
            reason=known.reason or event.reason,
        )
        self._cut_off()
        for tell in self.revoked:
            tell(event.key)

    def _cut_off(self) -> None:
        """Give nothing more to instances whose every key was revoked, and let them be gone with the next `expire`."""
        cut: set[AgentId] = set()
        for one in self._present.values():
            if one.keys and all(kid in self._keys and self._keys[kid].revoked_at is not None for kid in one.keys):
                one.last_seen, one.draining = NEVER, True
                cut.add(one.agent)
        self._settle_all(cut)

    def key(self, kid: KeyId, now: datetime) -> KnownKey | None:
        """The key, if it may sign: from the event that enrolled it to the one that revoked it, or until another one
        has taken its place, or it has expired. What a clock says of the first two is no matter, so setting one back
        locks nobody out.
        """
        known = self._keys.get(kid)
        if known is None or not known.usable(now):
            return None
        if known.delegation is not None:
            parent = self._keys.get(known.delegation.parent)
            return known if parent is not None and parent.usable(now) else None
        return known

    def known_key(self, kid: KeyId) -> KnownKey | None:
        """The key, whether it is still valid or not: old statements are verified with it. What was said of a key goes
        for those that it has delegated to.
        """
        known = self._keys.get(kid)
        parent = self._keys.get(known.delegation.parent) if known is not None and known.delegation else None
        if known is None or parent is None or parent.revoked_at is None:
            return known
        return replace(
            known,
            revoked_at=_earlier(known.revoked_at, parent.revoked_at),
            doubtful_from=_earlier(known.doubtful_from, parent.doubtful_from),
            reason=known.reason or parent.reason,
        )

    def all_keys(self) -> Iterator[KnownKey]:
        """The keys of all agents, by agent, in the order of their enrolment."""
        for agent in sorted(self._kids):
            yield from (self._keys[kid] for kid in self._kids[agent])

    def delegates_of(self, kid: KeyId) -> Iterator[KeyId]:
        """All keys that this one has ever let sign for it."""
        return (one for one, known in self._keys.items() if known.delegation and known.delegation.parent == kid)

    def remember_card(self, card: AgentCard) -> None:
        """Take over what a card offers; its contracts are known from now on, whether the agent is present or not."""
        before = self._cards.get(card.agent)
        if before is None or before.capabilities != card.capabilities:
            self.generation += 1
        if before is None:
            insort(self._by_id, card.agent)
        self._cards[card.agent] = card
        self._offered[card.agent] = {contract.digest for contract in card.contracts()} | self._offered.get(
            card.agent, set()
        )
        for contract in card.contracts():
            self._contracts[contract.digest] = contract
            self._versions.setdefault(contract.capability, {})[contract.version] = contract
        self._tell()

    def card_problems(self, card: AgentCard) -> Iterator[Problem]:
        """Why a card cannot be accepted: a version stands for one contract for ever, a new one keeps its promises, and
        Accord's own names are for agents that the operator has named.
        """
        for contract in card.contracts():
            if contract.capability.startswith(RESERVED) and card.agent not in self._system_agents:
                hint = f'the operator may allow it: system_agents = ["{card.agent}"] in the settings'
                yield Problem("ACC717", f"{contract.capability} is reserved: names under `{RESERVED}` are", hint=hint)
            for version, known in self._versions.get(contract.capability, {}).items():
                yield from self._version_problems(contract, version, known)

    def _version_problems(self, contract: Contract, version: Version, known: Contract) -> Iterator[Problem]:
        if version == contract.version:
            if known.digest != contract.digest:
                hint = "give the changed contract a new version"
                yield Problem("ACC710", f"{contract.ref} is known with another contract", hint=hint)
        elif version.release[0] == contract.version.release[0]:
            older, newer = (known, contract) if version < contract.version else (contract, known)
            yield from self._compatible(older, newer)

    # -- live ----------------------------------------------------------------------------------------------------

    def arrive(self, card: AgentCard, now: datetime) -> None:
        """An instance is here: it has sent its card."""
        self._silent.pop(card.instance, None)
        offers = frozenset(contract.digest for contract in card.contracts())
        self._put(Presence(card, offers, now))
        self.refusals.pop(card.agent, None)
        self._settle_all([card.agent])

    def refuse(self, agent: AgentId, refusal: MessageRefused) -> None:
        """The agent's card was refused: who waits for the agent is told why."""
        self.refusals[agent] = refusal
        self._tell()

    def heartbeat(
        self, agent: AgentId, beat: HeartbeatPayload, report: Report, now: datetime, lease: timedelta
    ) -> bool:
        """An instance is still here, or here again after a silence, and keeps its leases, or it leaves; False where it
        has not sent a card yet.
        """
        returns = beat.instance in self._silent
        presence = self._silent[beat.instance] if returns else self._present.get(beat.instance)
        if presence is None or presence.agent != agent:
            return False
        if beat.leaving:
            self._leave(agent, beat.instance)
            return True
        trusts = frozenset(beat.trusts or ())
        changed = returns or presence.draining != beat.draining or presence.trusts != trusts
        presence.trusts = trusts
        if returns:
            self._put(self._silent.pop(beat.instance))
        was_over, told_before = presence.is_over_mark(now), presence.tells(now)
        presence.last_seen, presence.draining, presence.report = now, beat.draining, report
        if told_before or presence.tells(now):
            self._forget_rooms(agent)
        for token in beat.running:
            self._renewed[token] = now + lease
        if changed:
            self._settle_all([agent])
        elif was_over and not presence.is_over_mark(now):
            self._tell()
        return True

    def _leave(self, agent: AgentId, instance: InstanceId) -> None:
        if instance in self._present:
            self._drop(instance)
        self._silent.pop(instance, None)
        self._left.add(agent)
        self._settle_all([agent])

    def expire(self, now: datetime) -> list[AgentId]:
        """Forget the instances that have been silent for too long; returns the agents that have lost one.

        After a clock was set back they are silent from then on.
        """
        for one in self._present.values():
            one.last_seen = min(one.last_seen, now)
        late = [name for name, one in self._present.items() if now - one.last_seen > self._absent_after]
        gone = {name: self._drop(name) for name in late}
        agents = {one.agent for one in gone.values()} | self._left
        self._left.clear()
        self._silent.update(gone)
        for name in list(self._silent)[:-SILENT_MAX]:
            del self._silent[name]
        self._renewed = {token: until for token, until in self._renewed.items() if until > now}
        if gone:
            self._settle_all({one.agent for one in gone.values()})
        return sorted(agents)

    def dismiss(self, instance: InstanceId, at: datetime) -> AgentId | None:
        """Count an instance as gone that was not heard after this time, and return whose it is; None where it was. A
        heartbeat brings it back.
        """
        presence = self._present.get(instance)
        if presence is None or presence.last_seen > at:
            return None
        self._drop(instance)
        self._silent[instance] = presence
        self._settle_all([presence.agent])
        return presence.agent

    def renewed(self) -> dict[LeaseToken, datetime]:
        """How long heartbeats keep which leases."""
        return self._renewed

    def extend(self, lease: LeaseToken, until: datetime) -> None:
        """Keep a lease without a heartbeat: its run was just read, and the agent could not be heard meanwhile."""
        self._renewed[lease] = max(until, self._renewed.get(lease, until))

    def instance_capacity(self, instance: InstanceId) -> Capacity | None:
        """What an instance takes at a time, present or silent; None where it has not sent a card."""
        found = self._present.get(instance) or self._silent.get(instance)
        return found.capacity if found is not None else None

    def report_until(self, now: datetime) -> datetime:
        """Until when a report that comes now may be believed: as long as its instance counts as present without another
        one.
        """
        return now + self._absent_after

    def instance_offers(self, instance: InstanceId, contract: Digest | None) -> bool:
        """Whether this instance, present or silent, has a card that offers the contract."""
        found = self._present.get(instance) or self._silent.get(instance)
        return found is not None and contract in found.offers

    def is_served(self, agent: AgentId, contract: Digest | None) -> bool:
        """Whether an instance is present, be it about to leave, that offers this contract."""
        return any(contract in one.offers for one in self.instances(agent).values())

    def is_offered(self, card: AgentCard) -> bool:
        """Whether nothing new is on this card: the last one accepted, or an instance that is present, says the same."""
        cards = [known] if (known := self._cards.get(card.agent)) is not None else []
        cards.extend(one.card for one in self.instances(card.agent).values())
        return any(one.capabilities == card.capabilities for one in cards)

    # -- looking -------------------------------------------------------------------------------------------------

    def contract(self, digest: Digest) -> Contract:
        """The contract of this digest. Raises NotFound."""
        contract = self._contracts.get(digest)
        if contract is None:
            raise NotFound.of("ACC711", f"no contract {digest[:12]} is known")
        return contract

    def offers(self, agent: AgentId, contract: Digest) -> bool:
        """Whether the agent's card offers this contract."""
        return contract in self._offered.get(agent, ())

    def contracts(self, wanted: CapabilityRange) -> list[Contract]:
        """All known contracts in the range, the newest version first."""
        known = self._versions.get(wanted.name, {})
        return [known[version] for version in sorted(known, reverse=True) if wanted.matches(known[version].ref)]

    def versions(self, name: CapabilityName) -> list[str]:
        """All known versions of a capability, the newest first."""
        return [str(version) for version in sorted(self._versions.get(name, {}), reverse=True)]

    def names(self) -> list[str]:
        """The names of all known capabilities."""
        return sorted(self._versions)

    def agents(self) -> list[AgentCard]:
        """All known agents, by id."""
        return [self._cards[agent] for agent in self._by_id]

    def known(self, wanted: CapabilityRange | None = None, after: AgentId | None = None) -> Iterator[KnownAgent]:
        """All known agents by id, from behind this one on, or those whose newest card, or an instance, offers a
        capability in this range. Each is found when it is asked for; nothing may change meanwhile.
        """
        for number in range(bisect_right(self._by_id, after) if after is not None else 0, len(self._by_id)):
            card = self._cards[self._by_id[number]]
            if wanted is None or _offers(wanted, card, self.instances(card.agent).values()):
                keys = tuple(self._keys[kid] for kid in self._kids.get(card.agent, ()))
                yield KnownAgent(card=card, keys=keys, capacity=self.capacity(card.agent))

    def every_contract(self) -> list[Contract]:
        """Every contract that was ever offered, by capability, the newest version first."""
        every = (self._versions[name] for name in self.names())
        return [known[version] for known in every for version in sorted(known, reverse=True)]

    def _settle_all(self, agents: Iterable[AgentId]) -> None:
        for agent in agents:
            self._settle(agent)
        self._tell()

    def _tell(self) -> None:
        for tell in self.changed:
            tell()


def _offers(wanted: CapabilityRange, card: AgentCard, instances: Iterable[Presence]) -> bool:
    return any(best_of(one, wanted) is not None for one in (card, *(instance.card for instance in instances)))


def unknown_limits(limits: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    """Which limits hold for nothing (ACC718): nobody has ever offered the capability, or its name is misspelt."""
    offered = set(known)
    for name in sorted(set(limits) - offered):
        close = get_close_matches(name, offered, n=1)
        hint = f"did you mean {close[0]}?" if close else "accord agents list shows what is offered"
        yield Problem("ACC718", f"capability_limits: no known agent offers {name}", hint=hint)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)
