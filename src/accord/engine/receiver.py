"""The receiver: admits authentic messages and lets the core decide on them; cards and heartbeats go to the registry."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial

import msgspec

from accord.domain import command as c
from accord.domain.agent import decode_card
from accord.domain.delegation import OF_AGENTS, delegation_of
from accord.domain.document import Document
from accord.domain.ids import Digest, LeaseToken, RunId, partition_of, run_of
from accord.domain.message import Claims
from accord.domain.news import Progressed
from accord.domain.payloads import HeartbeatPayload, ProgressPayload, decode_payload
from accord.domain.signature import parse_statement
from accord.engine.batch import Arrival, Batch
from accord.engine.calls import Calls
from accord.engine.executor import Executor
from accord.engine.parts import Parts
from accord.engine.presence import Report
from accord.engine.recency import Recency
from accord.engine.tracer import Verdict
from accord.engine.verdicts import REFUSALS, Asked, Authentic, Barred, Damaged, Late, News, Suspect, Unchecked
from accord.errors import (
    AccordError,
    Fenced,
    KeysUnavailable,
    MessageRefused,
    NotFound,
    Problem,
    StoreError,
    StoreUnavailable,
)

logger = logging.getLogger("accord.receiver")

ATTEMPTS_MAX = 10
"""How often a message about a run of somebody else is left to come again."""


class Receiver:
    """Deals with one message at a time; what follows from it is in the batch."""

    def __init__(self, parts: Parts, executor: Executor, calls: Calls) -> None:
        self._parts = parts
        self._executor = executor
        self._calls = calls
        self._recency = Recency()

    async def receive(self, arrival: Arrival, batch: Batch) -> None:
        """Deal with a message; it is acknowledged after the commit, or comes again. Raises what says that store or keys
        are away.
        """
        found = arrival.found
        try:
            if isinstance(found, Authentic) and not await self._is_for_us(found):
                batch.nack(arrival.inbox, found.delivery)
                return
            if await self._deal_with(arrival, batch):
                return
        except (StoreUnavailable, KeysUnavailable, Fenced):
            raise
        except Exception as error:
            # Nothing of it has happened, and it would fail again: it is set aside so that others are not held up.
            logger.exception("a message was set aside because of a fault of Accord's")
            problem = Problem("ACC354", f"{REFUSALS['ACC354']}: {error!r:.500}")
            batch.suspects.append(Suspect(found.delivery, problem, found.claims))
        batch.ack(arrival.inbox, found.delivery)

    async def _is_for_us(self, authentic: Authentic) -> bool:
        """Whether the run is ours beyond doubt: only its owner may say that a message is late, or of no run.

        What nobody takes, however often it comes, is for nobody, and dealt with here.
        """
        run = authentic.claims.run
        if run is None or authentic.delivery.attempts > ATTEMPTS_MAX:
            return True
        partition, partitions = partition_of(run), self._parts.partitions
        if partitions.surely_ours(partition):
            return True
        await partitions.check()
        return partitions.surely_ours(partition)

    async def _deal_with(self, arrival: Arrival, batch: Batch) -> bool:
        """Whether the message is held: it comes again by itself once its large payload was looked at."""
        found = arrival.found
        if isinstance(found, Suspect):
            batch.suspects.append(found)
        elif found.claims.kind in ("card", "heartbeat", "delegate"):
            await self._hear(found, batch)
        else:
            return await self._admit(found, batch, arrival)
        return False

    async def _admit(self, authentic: Authentic, batch: Batch, arrival: Arrival) -> bool:
        run = authentic.claims.run or RunId("")
        slot = await batch.slot(run) if self._parts.ledger.owns(run) else None
        verdict = self._parts.gate.admit(slot.run if slot else None, authentic)
        if isinstance(verdict, c.Deliver) and not authentic.message.payload and not await self._is_kept(verdict.output):
            contract = self._parts.registry.contract(authentic.claims.contract or Digest(""))
            verdict = Unchecked(run, verdict.output.sha256, contract)
        if isinstance(verdict, Unchecked):
            again = partial(arrival.inbox.nack, [authentic.delivery])
            self._parts.large.look_then(verdict.run, verdict.digest, verdict.contract, again)
            return True
        if slot is not None and self._parts.tracer.on:
            self._parts.tracer.judged(slot.run, authentic.claims, arrival.taken_at, _told(verdict))
        if isinstance(verdict, (Damaged, Barred)):
            batch.suspects.append(verdict.suspect)
            verdict = verdict.command
        if isinstance(verdict, Suspect):
            batch.suspects.append(verdict)
        elif isinstance(verdict, News):
            self._report(verdict)
        elif isinstance(verdict, Asked):
            if slot is not None:
                self._calls.asked(slot.run, verdict)
        elif not isinstance(verdict, Late) and slot is not None:
            await self._parts.ledger.decide(slot, verdict)
            batch.slots[run] = slot
        return False

    async def _is_kept(self, output: Document) -> bool:
        """Whether the bytes of a result are at hand: what was uploaded a while ago may be gone, as nothing has referred
        to it so far. What is there stays from now on.
        """
        try:
            await self._parts.documents.renew([output])
        except NotFound:
            self._parts.large.forget(output.sha256)
            return False
        return True

    async def _hear(self, authentic: Authentic, batch: Batch) -> None:
        """A card, a heartbeat or a delegation."""
        claims, now = authentic.claims, self._parts.ports.clock.now()
        try:
            if claims.kind == "card":
                await self._register(authentic, now)
            elif claims.kind == "delegate":
                await self._delegate(authentic, now)
            else:
                await self._beat(authentic, now)
        except StoreError:
            raise
        except AccordError as error:
            batch.suspects.append(Suspect(authentic.delivery, error.problems[0], claims, claims.issuer))
            await self._executor.reject(claims.issuer, claims.issuer, error.problems)

    async def _beat(self, authentic: Authentic, now: datetime) -> None:
        """An instance keeps the leases that its agent holds, and is told which of those that it names have ended."""
        claims, registry = authentic.claims, self._parts.registry
        beat = decode_payload(HeartbeatPayload, authentic.message.payload)
        if not beat.instance.startswith(f"{claims.issuer}#"):
            raise MessageRefused.of("ACC714", f"{claims.issuer} sent the heartbeat of {beat.instance}")
        holders = {lease: self._parts.router.holder(lease) for lease in beat.running}
        foreign = [holder for holder in holders.values() if holder not in (None, claims.issuer)]
        if foreign:
            raise MessageRefused.of("ACC348", f"{claims.issuer} renews a lease of {foreign[0]}")
        if not self._recency.is_news(beat.instance, claims, now):
            return
        report = self._report_of(beat, claims, now)
        kept = tuple(lease for lease, holder in holders.items() if holder is not None)
        beat = msgspec.structs.replace(beat, running=kept)
        await self._executor.tell_heirs(beat.instance, now)
        if registry.heartbeat(claims.issuer, beat, report, now, self._parts.tuning.lease):
            self._recency.seen(beat.instance, claims)
            ended = [lease for lease, holder in holders.items() if holder is None and self._is_over(lease)]
            if ended:
                await self._executor.acknowledge(claims.issuer, beat.instance, ended)
            if self._parts.delegates.is_new_to(beat.instance, beat.trusts or (), now):
                await self._executor.introduce(beat.instance)
        else:
            hint = "send the card first"
            unknown = Problem("ACC715", f"no card of {beat.instance} is known here", hint=hint)
            await self._executor.reject(claims.issuer, beat.instance, [unknown])

    def _is_over(self, lease: LeaseToken) -> bool:
        """Whether a lease that nobody holds here has ended beyond doubt: its run is ours, and was read."""
        run = run_of(lease)
        if run is None or run in self._parts.ledger.unread:
            return False
        return self._parts.partitions.surely_ours(partition_of(run))

    def _report_of(self, beat: HeartbeatPayload, claims: Claims, now: datetime) -> Report:
        """What an instance says of its work. What we have assigned is known better here: only the rest counts."""
        ours = sum(self._is_of_ours(lease) for lease in beat.running)
        capacity = self._parts.registry.instance_capacity(beat.instance)
        held = round(beat.load * capacity.total) if capacity is not None else 0
        until = min(self._parts.registry.report_until(now), datetime.fromtimestamp(claims.expires_at, UTC))
        return Report(beat.queued, beat.load, max(0, held - ours), until)

    def _is_of_ours(self, lease: LeaseToken) -> bool:
        """Whether we have assigned it, or another process that tells us itself what it holds."""
        run = run_of(lease)
        if run is None:
            return self._parts.router.holder(lease) is not None
        partition = partition_of(run)
        return partition in self._parts.partitions.fences or partition in self._parts.router.commons.partitions

    async def _register(self, authentic: Authentic, now: datetime) -> None:
        payload, claims = authentic.message.payload, authentic.claims
        card = decode_card(payload)
        if card.agent != claims.issuer:
            raise MessageRefused.of("ACC714", f"{claims.issuer} sent the card of {card.agent}")
        if not self._recency.is_news(card.instance, claims, now):
            return
        document = self._parts.documents.document(payload)
        await self._parts.documents.store()
        statement = authentic.message.statement.decode("ascii")
        await self._parts.enrolment.register(card, document, statement, now)
        self._recency.trim(now)
        self._recency.seen(card.instance, claims)

    async def _delegate(self, authentic: Authentic, now: datetime) -> None:
        """An agent's key lets another one sign for it: from now on, whichever process hears of it, and for ever known
        to have done so. The agent is told, and begins to use it then.
        """
        statement = authentic.message.statement
        parent, most = parse_statement(statement).kid, self._parts.tuning.delegated_for
        delegation = delegation_of(authentic.claims, parent, OF_AGENTS, most)
        await self._parts.enrolment.delegate(delegation, statement.decode("ascii"), now)
        agent = authentic.claims.issuer
        await self._executor.acknowledge(agent, agent, (), [delegation.key.kid])

    def _report(self, news: News) -> None:
        try:
            progress = decode_payload(ProgressPayload, news.payload)
        except MessageRefused:
            return  # nobody relies on progress
        claims = news.claims
        if claims.run and claims.task and claims.attempt:
            told = Progressed(claims.run, claims.task, claims.attempt, progress.fraction, progress.message)
            self._parts.feed.publish(claims.run, told)


def _told(verdict: c.Command | Late | Asked | News | Damaged | Barred | Suspect) -> Verdict:
    """The verdict of the gate, as a span tells it."""
    if isinstance(verdict, Late):
        return Verdict("late")
    if isinstance(verdict, (Damaged, Barred)):
        return Verdict("refused", verdict.suspect.problem.code)
    if isinstance(verdict, Suspect):
        return Verdict("refused", verdict.problem.code)
    problems = verdict.problems if isinstance(verdict, c.Deliver) else ()
    return Verdict("rejected", problems[0].code) if problems else Verdict("accepted")
