"""The executor: does in the world what committed events ask for. Everything it does may be done again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec

from accord.domain import effects as f
from accord.domain.assignment import Draftsman
from accord.domain.event import Parent
from accord.domain.ids import AgentId, InstanceId, KeyId, LeaseToken, RunId, TaskId
from accord.domain.message import payload_ref
from accord.domain.payloads import AckPayload
from accord.domain.run import Run
from accord.domain.scope import DocumentMissing
from accord.engine.assignments import Envelope
from accord.engine.below import Below
from accord.engine.ledger import Committed, Slot
from accord.engine.order import Order
from accord.engine.parts import Parts
from accord.engine.replies import Replies
from accord.engine.router import Held
from accord.errors import AccordError, BusUnavailable, KeysUnavailable, Overloaded, Problem, StoreUnavailable
from accord.ports import Parcel, notice_subject

logger = logging.getLogger("accord.executor")

UNSENT_MAX = 100_000
"""So many messages are kept for when there is a bus again, or a key store that signs them."""


class _Unsure(msgspec.Struct, frozen=True):
    run: RunId
    task: TaskId
    attempt: int
    due: datetime
    kept: datetime
    """Until when the lease was kept when the run was taken over: later, where a heartbeat has named it since."""


class Executor:
    """Carries out effects: what goes to agents is signed and published in one call each."""

    def __init__(self, parts: Parts, order: Callable[[Order], None]) -> None:
        self._parts = parts
        self._order = order
        self._draftsman = Draftsman(parts.documents)
        self.below = Below(parts, order)
        self.replies = Replies(parts.secretary, parts.documents, parts.authority)
        self._unsure: dict[LeaseToken, _Unsure] = {}
        self._unsigned: deque[Envelope] = deque(maxlen=UNSENT_MAX)
        self._unsent: deque[Parcel] = deque(maxlen=UNSENT_MAX)

    @property
    def unsent(self) -> int:
        """How many messages wait for the bus, or for the key store."""
        return len(self._unsigned) + len(self._unsent)

    async def execute(self, committed: Sequence[Committed]) -> None:
        """Do what these events ask for."""
        drafts: list[Envelope] = []
        now = self._parts.ports.clock.now()
        for one in committed:
            for effect in f.effects(one.run, one.events):
                await self._do(one.run, effect, now, drafts)
        await self.send(drafts)

    def take_over(self, run: Run) -> None:
        """Count anew who holds what of a run that was just read, before anything else is assigned.

        Leases that ran out while nobody listened are no fault of the agents: they hold for one more time.
        """
        self.abandon([run.id])
        until = self._parts.ports.clock.now() + self._parts.tuning.lease
        for effect in f.outstanding(run):
            if isinstance(effect, f.Offer):
                self._parts.dispatcher.offer(run, effect.task)
            elif isinstance(effect, f.Send):
                attempt = effect.attempt
                held = Held(attempt.agent, attempt.lease, attempt.capability)
                self._parts.router.reserve(run.id, effect.task, effect.attempt.number, held)
                self._parts.registry.extend(attempt.lease, until)

    async def resume(self, run: Run) -> None:
        """Do again what may not have been done before the run was read."""
        drafts: list[Envelope] = []
        now = self._parts.ports.clock.now()
        for effect in f.outstanding(run):
            if isinstance(effect, f.Send) and effect.attempt.agent not in self._parts.hosted:
                self._doubt(run, effect, now)
            else:
                await self._do(run, effect, now, drafts)
        await self.send(drafts)

    def _doubt(self, run: Run, effect: f.Send, now: datetime) -> None:
        """One of several instances elsewhere may have the assignment already, and another one would take it when it is
        sent again: whoever has it says so first, in a heartbeat.
        """
        lease = effect.attempt.lease
        kept = self._parts.registry.renewed().get(lease, now)
        due = now + self._parts.tuning.returns_within
        self._unsure[lease] = _Unsure(run.id, effect.task, effect.attempt.number, due, kept)

    async def send_again(self, now: datetime) -> None:
        """Send what could not be signed or sent before, and the assignments of before a take-over that no instance has
        named since.
        """
        await self._sign_unsigned()
        await self._send_unsent()
        due = [lease for lease, one in self._unsure.items() if one.due <= now]
        drafts: list[Envelope] = []
        for lease in due:
            one = self._unsure.pop(lease)
            run = self._parts.ledger.find(one.run)
            attempt = run.attempt(one.task, one.attempt) if run is not None else None
            named = self._parts.registry.renewed().get(lease, one.kept) > one.kept
            if run is not None and attempt is not None and attempt.live and attempt.lease == lease and not named:
                drafts.extend(await self._assignment(run, f.Send(one.task, attempt)))
        await self.send(drafts)

    async def reject(self, agent: AgentId, to: AgentId | InstanceId, problems: Iterable[Problem]) -> None:
        """Tell an agent, or one instance of it, why a message that is about no attempt was refused."""
        token, now = self._parts.ports.ids.token(), self._parts.ports.clock.now()
        await self.send([self._parts.secretary.refusal(agent, to, problems, token, now)])

    async def acknowledge(
        self, agent: AgentId, to: AgentId | InstanceId, ended: Iterable[LeaseToken], delegated: Iterable[KeyId] = ()
    ) -> None:
        """Tell an instance which of the leases that it has named have ended, or all of an agent which of its delegated
        keys may sign.
        """
        token, now = self._parts.ports.ids.token(), self._parts.ports.clock.now()
        content = AckPayload(tuple(ended), tuple(delegated))
        await self.send([self._parts.secretary.acknowledgement(agent, to, content, token, now)])

    async def introduce(self, to: InstanceId) -> None:
        """Tell an instance which key signs for this orchestrator's now."""
        message = self._parts.delegates.introduction
        if message is not None:
            await self._publish([Parcel(notice_subject(to), message)])

    async def tell_heirs(self, to: InstanceId, now: datetime) -> None:
        """Tell an instance which key takes the place of which of this orchestrator's."""
        messages = self._parts.successions.news(to, now)
        if messages:
            await self._publish([Parcel(notice_subject(to), message) for message in messages])

    def forget(self, runs: Iterable[RunId]) -> None:
        """Nothing of these runs is held by agents or put aside any more."""
        for run in runs:
            self._parts.router.forget(run)
            self._parts.dispatcher.forget(run)

    def abandon(self, runs: Iterable[RunId]) -> None:
        """As `forget`, for runs of which something was decided that never became durable, or that are not ours now."""
        lost = set(runs)
        self.forget(lost)
        self._unsure = {lease: one for lease, one in self._unsure.items() if one.run not in lost}
        for key in [key for key in self._parts.outgoing if key[0] in lost]:
            del self._parts.outgoing[key]
        for run in lost:
            self._parts.timers.set(run, None)

    def ensure_told(self, slot: Slot | None) -> None:
        """A run that does another one's task was asked for again: if it has ended, its parent has to know."""
        if slot is not None and slot.run.ended:
            for effect in f.outstanding(slot.run):
                if isinstance(effect, f.TellParent):
                    self._order(Order(effect.run, effect.command))

    async def _do(self, run: Run, effect: f.Effect, now: datetime, drafts: list[Envelope]) -> None:
        match effect:  # what comes with every hand-off first
            case f.Offer():
                pass  # the assigner has offered it before the commit
            case f.Send():
                drafts.extend(await self._assignment(run, effect))
            case f.Free(task=task, attempt=attempt, blamed=blamed):
                self._parts.router.free(run.id, task, attempt, now, blamed=blamed)
                self._parts.ranks.learn(run, task, attempt, now)
                self._parts.dispatcher.order_anew(run)
                self._look_again(run)
            case f.Withdraw() | f.Reject() | f.Reply():
                drafts.append(await self._news(run, effect, now))
            case f.StartSubrun():
                await self.below.start_subrun(run, effect)
            case f.StartCall(task=task, call=call):
                self._parts.router.lend(run.id, task, call.attempt)
                self._look_again(run)
                await self.below.start_call(run, effect)
            case f.TellParent(run=parent, command=command):
                self._order(Order(parent, command))
            case f.TellSubrun(run=subrun, task=task, command=command):
                self._order(Order(subrun, command, parent=Parent(run.id, task)))
            case f.Ended():
                self._parts.ranks.ended(run)
                self.forget([run.id])

    def _look_again(self, run: Run) -> None:
        """Somebody has room again."""
        self._parts.dispatcher.unpark(run.id)
        self._parts.dispatcher.unblock()

    async def _news(self, run: Run, effect: f.Withdraw | f.Reject | f.Reply, now: datetime) -> Envelope:
        match effect:
            case f.Withdraw():
                return self._parts.secretary.withdrawal(run.started, effect, now)
            case f.Reject():
                return self._parts.secretary.rejection(run.started, effect, now)
        if all(call.ended_at is not None for call in run.state(effect.task).calls):
            self._parts.router.take_back(run.id, effect.task, effect.attempt.number)
        return await self.replies.reply(run, effect, now)

    async def _assignment(self, run: Run, effect: f.Send) -> list[Envelope]:
        attempt = effect.attempt
        payload = self._parts.outgoing.pop((run.id, effect.task, attempt.number), None)
        if payload is None:
            payload = await self._payload_again_or_none(run, effect)
        if payload is None:
            logger.error("the assignment of %s/%s cannot be made again: its lease has to run out", run.id, effect.task)
            return []
        return [self._parts.secretary.assignment(run.started, effect, payload)]

    async def _payload_again_or_none(self, run: Run, effect: f.Send) -> bytes | None:
        """The payload that was assigned; None where that does not come out any more."""
        try:
            payload = await self._payload_again(run, effect)
            return payload if payload_ref(payload).sha256 == effect.attempt.payload else None
        except StoreUnavailable:
            raise
        except AccordError as error:
            logger.error("the input of %s/%s is lost: %s", run.id, effect.task, error)
            return None

    async def _payload_again(self, run: Run, effect: f.Send) -> bytes:
        data = await self._parts.documents.data(effect.attempt.want.input)
        while True:
            try:
                return self._draftsman.payload(run, effect.task, effect.attempt.want, data, effect.attempt.cut)
            except DocumentMissing as missing:
                await self._parts.documents.fetch(missing.document)

    async def send(self, drafts: list[Envelope]) -> None:
        """Sign and send these; what cannot be signed or sent now is kept, in order."""
        if not drafts:
            return
        if self._unsigned:
            self._unsigned.extend(drafts)  # in their order
            return
        try:
            parcels = await self._parts.secretary.parcels(drafts)
        except KeysUnavailable as error:
            self._parts.figures.failed(error)
            logger.warning("%d messages are signed later: %s", len(drafts), error)
            self._unsigned.extend(drafts)
            return
        self._parts.reached("before_send")
        await self._publish(parcels)

    async def _publish(self, parcels: Sequence[Parcel]) -> None:
        if self._unsent:
            self._unsent.extend(parcels)  # in their order
        elif not await self._published(parcels):
            self._unsent.extend(parcels)

    async def _sign_unsigned(self) -> None:
        """Sign what is kept, as soon as there is a key store again; more may come to it meanwhile."""
        while self._unsigned:
            drafts = tuple(self._unsigned)
            try:
                self._unsent.extend(await self._parts.secretary.parcels(drafts))
            except KeysUnavailable as error:
                self._parts.figures.failed(error)
                logger.warning("%d messages are signed later: %s", len(drafts), error)
                return
            for _ in drafts:
                self._unsigned.popleft()

    async def _send_unsent(self) -> None:
        """Send what is kept, as soon as there is a bus again; more may come to it meanwhile."""
        while self._unsent:
            parcels = tuple(self._unsent)
            if not await self._published(parcels):
                return
            for _ in parcels:
                self._unsent.popleft()

    async def _published(self, parcels: Sequence[Parcel]) -> bool:
        """Whether these are dealt with; False while there is no bus."""
        try:
            await self._parts.ports.bus.publish(parcels)
        except BusUnavailable as error:
            self._parts.figures.failed(error)
            logger.warning("%d messages are sent later: %s", len(parcels), error)
            return False
        except Overloaded:
            for parcel in parcels:
                await self._send_alone(parcel)
        return True

    async def _send_alone(self, parcel: Parcel) -> None:
        try:
            await self._parts.ports.bus.publish([parcel])
        except Overloaded as error:
            logger.warning("not sent, the lease has to run out: %s", error)
