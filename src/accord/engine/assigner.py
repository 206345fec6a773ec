"""The assigner: turns the dispatcher's proposals into assignments, in the same commit as what made them possible."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.assignment import Draftsman
from accord.domain.ids import Digest, RunId, TaskId, lease_of
from accord.domain.message import payload_ref
from accord.domain.progress import work_of
from accord.domain.run import Run
from accord.domain.scope import DocumentMissing
from accord.domain.wanted import labels_of
from accord.engine.dispatcher import Proposal
from accord.engine.lanes import BACKOFF_CAP
from accord.engine.large import input_problems
from accord.engine.ledger import Slot
from accord.engine.parts import Parts
from accord.engine.router import Held
from accord.errors import Problem, StoreUnavailable, TransitionRefused

logger = logging.getLogger("accord.assigner")


class Assigner:
    """Asks the dispatcher what can be assigned, and decides it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._draftsman = Draftsman(parts.documents)

    async def assign(self, slots: dict[RunId, Slot]) -> None:
        """Assign all that can be; runs that this changes join `slots`."""
        for slot in slots.values():
            self._offer(slot.run, slot.pending)
        ledger, clock, tracer = self._parts.ledger, self._parts.ports.clock, self._parts.tracer
        tracer.routing()
        for proposal in self._parts.dispatcher.proposals(ledger.find, clock.now()):
            hot = ledger.hot(proposal.run)
            if hot is not None:
                slots[proposal.run] = hot  # first: what fails on the way is then read again, and offered again
                await self._try_to_assign(hot, proposal)
        self._parts.timers.poke()

    def _offer(self, run: Run, events: Iterable[e.Event]) -> None:
        dispatcher = self._parts.dispatcher
        for event in events:
            if isinstance(event, e.AttemptWanted):
                dispatcher.offer(run, event.task)
            elif isinstance(event, e.RunResumed):
                dispatcher.unpark(run.id)

    async def _try_to_assign(self, slot: Slot, proposal: Proposal) -> None:
        try:
            await self._assign(slot, proposal)
        except StoreUnavailable:
            raise
        except TransitionRefused:
            # Not yet: the clock was set back.
            self._parts.dispatcher.offer_later(slot.run.id, proposal.task, self._parts.ports.clock.now() + BACKOFF_CAP)
        except Exception as error:
            # It would fail again, and nothing else would be assigned any more.
            logger.exception("%s of %s cannot be assigned", proposal.task, proposal.run)
            problem = Problem("ACC457", f"it cannot be assigned: {error!r:.500}")
            await self._decide(slot, c.GiveUp(task=proposal.task, problem=problem))

    async def _decide(self, slot: Slot, command: c.RefuseInput | c.GiveUp) -> None:
        before = len(slot.pending)
        await self._parts.ledger.decide(slot, command)
        self._offer(slot.run, slot.pending[before:])

    async def _assign(self, slot: Slot, proposal: Proposal) -> None:
        documents, task, want = self._parts.documents, proposal.task, proposal.want
        chosen_by = self._parts.authority.policy.source
        data = await documents.data(want.input)
        problems = await self._input_problems(slot.run, proposal)
        if problems:
            await self._decide(slot, _refusal(proposal, problems))
            return
        cut = self._parts.authority.cut(slot.run, task, want, proposal.choice.candidate)
        payload = await self._payload(slot.run, proposal, data, cut)
        if self._parts.authority.policy.source is not chosen_by:
            self._parts.dispatcher.offer(slot.run, task)  # other policies are in force by now: somebody is chosen anew
            return
        number = len(slot.run.state(task).attempts) + 1
        command = self._command(slot.run, proposal, payload, cut)
        await self._parts.ledger.decide(slot, command)
        held = Held(command.agent, command.lease, command.capability)
        self._parts.router.reserve(slot.run.id, task, number, held)
        self._parts.outgoing[slot.run.id, task, number] = payload
        self._parts.tracer.routed(command.lease)

    async def _input_problems(self, run: Run, proposal: Proposal) -> tuple[Problem, ...]:
        contract = proposal.choice.candidate.contract
        value = await self._parts.documents.fetched(proposal.want.input)
        found = input_problems(run, contract, value, self._parts.registry)
        return tuple(
            Problem(one.code, f"the input of {proposal.task} breaks {contract.ref}: {one.message}", one.place, one.hint)
            for one in found
        )

    async def _payload(self, run: Run, proposal: Proposal, data: bytes, cut: tuple[str, ...]) -> bytes:
        while True:
            try:
                return self._draftsman.payload(run, proposal.task, proposal.want, data, cut)
            except DocumentMissing as missing:
                await self._parts.documents.fetch(missing.document)

    def _command(self, run: Run, proposal: Proposal, payload: bytes, cut: tuple[str, ...]) -> c.Assign:
        want, candidate = proposal.want, proposal.choice.candidate
        reference = payload_ref(payload)
        now, authority = self._parts.ports.clock.now(), self._parts.authority
        granted = authority.authorization("execute", run, candidate.agent, candidate.capability, labels_of(want))
        return c.Assign(
            task=proposal.task,
            purpose=want.purpose,
            option=want.option,
            agent=candidate.agent,
            lease=lease_of(run.id, self._parts.ports.ids.token()),
            lease_until=now + self._parts.tuning.lease,
            capability=candidate.capability,
            contract=candidate.contract.digest,
            payload=Digest(reference.sha256),
            payload_bytes=len(payload),
            timeout=self._timeout(run, proposal.task, candidate.contract.limits.deadline),
            grounds=proposal.choice.grounds,
            policy=granted,
            cut=cut,
        )

    def _timeout(self, run: Run, task: TaskId, contracted: timedelta | None) -> timedelta | None:
        own = work_of(run, task).timeout
        return min((one for one in (own, contracted) if one is not None), default=None)


def _refusal(proposal: Proposal, problems: tuple[Problem, ...]) -> c.RefuseInput:
    candidate = proposal.choice.candidate
    return c.RefuseInput(
        task=proposal.task,
        option=proposal.want.option,
        capability=candidate.capability,
        contract=candidate.contract.digest,
        problems=problems,
    )
