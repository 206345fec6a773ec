"""A node: one orchestrator with its rounds, and all that people and programs may ask of it: the `Service` of this
process. What its methods promise stands there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any, Self

import msgspec

from accord.codec import decode_event, follow
from accord.domain import command as c
from accord.domain.access import ApiKey, IssuedApiKey, Principal, Role
from accord.domain.agent import agent_of_key
from accord.domain.approval import ApprovalQuery, OpenApprovals
from accord.domain.capability import CapabilityRange
from accord.domain.checkpoint import Checkpoint, Growth
from accord.domain.cluster import Cluster
from accord.domain.contract import Contract
from accord.domain.document import Document
from accord.domain.enrolment import EnrolmentToken, IssuedEnrolmentToken, Wanted, lifetime_problems
from accord.domain.event import Event
from accord.domain.experience import Experience
from accord.domain.graph import Graph
from accord.domain.ids import AgentId, Digest, KeyId, RunId, StreamId, TaskId, partition_of
from accord.domain.impact import Impact
from accord.domain.incident import ALL, Filed, Sought
from accord.domain.learning import ClassifierVersion, Learnt, Lesson, Meant, PlannerState
from accord.domain.lineage import seal_claims
from accord.domain.log import LogPage, LogQuery
from accord.domain.news import Happened, News
from accord.domain.policy import Decision
from accord.domain.run import Run
from accord.domain.signature import Algorithm, PublicKey
from accord.domain.system import HoldLifted, HoldPlaced, RunDoubted, Scope
from accord.domain.template import Template
from accord.domain.webhook import IssuedWebhook, Subscription, Webhook
from accord.engine.approvals import Approvals
from accord.engine.barred import barred
from accord.engine.cluster import cluster_seen
from accord.engine.compromise import Compromise
from accord.engine.controls import Controls
from accord.engine.enrolment import Terms
from accord.engine.erasure import Erasure
from accord.engine.export import Export
from accord.engine.following import followed
from accord.engine.ledger import unknown_run
from accord.engine.lists import Lists
from accord.engine.log_pages import LogPages
from accord.engine.logbook import Logbook
from accord.engine.orchestrator import STOP_WITHIN, Orchestrator
from accord.engine.parts import Parts
from accord.engine.past import Past, Room
from accord.engine.post import Post
from accord.engine.quarantine import Quarantine
from accord.engine.rewrapping import Rewrapping
from accord.engine.rounds import Rounds
from accord.engine.starts import Starts
from accord.errors import (
    AccordError,
    BadInput,
    KeyUnusable,
    MessageRefused,
    Problem,
    Refused,
    StoreError,
    StoreUnavailable,
    TransitionRefused,
)
from accord.ports import Head, Record, RunQuery, RunSummary, Sighting
from accord.service import (
    Barred,
    Exhibit,
    Fork,
    Invitation,
    KnownAgent,
    KnownKey,
    Look,
    MadeCheckpoint,
    Payloads,
    ProvenRun,
    Published,
    Question,
    Seal,
    exhibited,
)

logger = logging.getLogger("accord.node")

LOOK_AGAIN_S = 1.0
"""How often the journal is asked after a run of another process: what happens there is no news here."""


PRESENT_WITHIN = timedelta(seconds=20)
"""How long an agent that is started here may take until its card is accepted."""


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """A key that another one has taken the place of."""

    name: str
    new: PublicKey
    old: KeyId
    until: datetime | None = None
    """How long the old one is accepted; None where it was not, or nobody knows it."""
    expires_at: datetime | None = None
    """When the new one ends by itself."""


class Node:
    """A running orchestrator. Open it with `async with`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.orchestrator = Orchestrator(parts)
        self._rounds = Rounds(self.orchestrator)
        self._post = Post(parts, self._rounds.letters, self._rounds.neighbourhood.tell_moved)
        self._starts = Starts(self.orchestrator, self._post)
        self._controls = Controls(self.orchestrator, self._post)
        self._approvals = Approvals(
            parts.ports.journal, parts.ledger, parts.library, parts.template_stream, parts.permission
        )
        self.room = Room()
        self._past = Past(parts.ports.journal, parts.ledger, self.room)
        self._compromise = Compromise(parts, self._controls)
        self._rounds.also.append(Quarantine(parts, self.quarantine).watch)
        self._erasure = Erasure(parts, self._controls)
        self._logbook = Logbook(self.orchestrator)
        self._log_pages = LogPages(parts, self._past, self._logbook)
        self.lists = Lists(parts.ports.journal, parts.permission, self._rounds.relisting)

    async def __aenter__(self) -> Self:
        self.parts.partitions.gained = self.orchestrator.own
        self.parts.partitions.lost = self.orchestrator.disown
        await self.orchestrator.start()
        self._rounds.start()
        if not self.parts.tuning.alone:
            self._logbook.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._rounds.stop()
        await self._logbook.stop()
        await self._rounds.leave()
        await self.orchestrator.stop()
        await self._anchor()
        try:
            async with asyncio.timeout(STOP_WITHIN.total_seconds()):
                await self.parts.partitions.release()
        except (StoreUnavailable, TimeoutError) as away:
            logger.warning("others have to wait until this process's ownership runs out: %s", away)

    async def _anchor(self) -> None:
        """Put what has moved into a checkpoint, where that can be done now; else the next process does it."""
        if not self.parts.ledger.moved:
            return
        try:
            async with asyncio.timeout(STOP_WITHIN.total_seconds()):
                await self.parts.checkpoints.make()
        except (StoreError, TimeoutError) as error:
            logger.warning("no checkpoint of what has happened here last: %s", error)

    async def vanish(self) -> None:
        """Stop at once, without giving anything back, as if the process had been killed; for tests."""
        await self._rounds.stop()
        self._logbook.vanish()
        await self.orchestrator.stop(timedelta(0))

    # -- templates -----------------------------------------------------------------------------------------------

    async def templates(self) -> list[Published]:
        """All versions of all published templates, whichever process they were published by."""
        await self.parts.template_stream.refresh()
        return self.parts.library.published()

    async def template(self, digest: Digest) -> bytes:
        """The document of a published template."""
        return await self.parts.library.document(digest)

    async def graph(self, digest: Digest) -> Graph:
        """The graph of a published template."""
        return await self.parts.library.graph(digest)

    async def publish(
        self, template: Template, document: bytes, *, by: str = "local", as_written: bool = False
    ) -> Digest:
        """Publish a template, once it is verified and its version says what has changed."""
        (await self.parts.verification.report(self.parts.library.compiled(document), by=by)).refuse()
        if not as_written:
            await self.parts.template_stream.refresh()
            Refused.raise_if(await self.parts.verification.version(template, document))
        now, stream = self.parts.ports.clock.now(), self.parts.template_stream
        return await self.parts.library.publish(template, document, stream, by, now)

    # -- runs ----------------------------------------------------------------------------------------------------

    async def start_run(  # noqa: PLR0913 - as in `Service`
        self,
        digest: Digest,
        value: Any,
        *,
        title: str = "",
        by: str = "local",
        once: str | None = None,
        labels: Sequence[str] = (),
        trace: str = "",
    ) -> Run:
        """Start a run of a published template."""
        self._refuse_exhibit()
        return await self._starts.start(digest, value, title=title, by=by, once=once, labels=labels, trace=trace)

    async def begun(self, once: str) -> Run | None:
        """The run that the request of this name was carried out on; None where there was none, or none yet. Raises what
        it was refused with.
        """
        return await self._starts.begun(once)

    async def fork(self, run: RunId, wanted: Fork, *, by: str, once: str | None = None, trace: str = "") -> Run:
        """Start a new run that shares what a run had done."""
        self._refuse_exhibit()
        return await self._starts.fork(run, wanted, by=by, once=once, trace=trace)

    async def control(self, run: RunId, command: c.ControlCommand, *, once: str | None = None) -> None:
        """Carry out a command on a run, here or at the process that owns the run."""
        self._refuse_exhibit()
        await self._controls.control(run, command, once=once)

    async def erase(self, run: RunId, *, by: str, reason: str = "") -> list[RunId]:
        """Make the documents of a run unreadable."""
        self._refuse_exhibit()
        return await self._erasure.erase(run, by=by, reason=reason)

    async def runs_that_hold(self, key: RunId) -> list[RunId]:
        """Whose documents are under the data key of a run: the run itself, or where that was removed, those that have
        taken them over.
        """
        known = self.parts.ports.journal.run
        if await known(key) is not None:
            return [key]
        return [run for run in await self.parts.data_keys.users(key) if await known(run) is not None] or [key]

    async def signal(
        self, run: RunId, value: Any, *, by: str, name: str = "", task: TaskId | None = None, once: str | None = None
    ) -> None:
        """Give a value to a run."""
        self._refuse_exhibit()
        await self._controls.signal(run, value, by=by, name=name, task=task, once=once)

    async def adopt(self, run: RunId) -> bool:
        """Take over the run, if nobody owns it; whether it is ours now. Raises StoreCorrupt where it cannot go on."""
        if not await self._controls.adopt(run):
            return False
        await self.parts.ledger.vouch(run)
        return True

    async def runs(self, query: RunQuery) -> list[RunSummary]:
        """A page of runs, newest first."""
        return await self.lists.page(query)

    async def approvals(self, query: ApprovalQuery, who: Principal | None = None) -> OpenApprovals:
        """A page of what runs ask; where it is said who asks, of those that they may look at."""
        return await self._approvals.listed(query, who)

    async def barred(self, run: Run) -> list[Barred]:
        """Tasks that the policy lets nobody do."""
        return barred(run, self.parts.registry, self.parts.authority)

    async def left(self, runs: Sequence[RunId]) -> dict[RunId, datetime | None]:
        """Those of these runs that no process works on."""
        if self.parts.exhibit is not None:
            return {}
        journal, now = self.parts.ports.journal, self.parts.ports.clock.now()
        until = {owner.partition: owner.until for owner in await journal.owners()}
        left = {run: until.get(partition_of(run)) for run in runs if until.get(partition_of(run), now) <= now}
        open_ = [one.run for one in [await journal.run(run) for run in left] if one and one.wake_at is not None]
        return {run: left[run] for run in open_}

    async def experience(self, template: str | None = None) -> Experience:
        """What the runs tell that have ended last."""
        known = await self.parts.hindsight.experience(template)
        return msgspec.structs.replace(known, waiting=self.parts.dispatcher.waiting_by_capability())

    async def summary(self, run: RunId) -> RunSummary | None:
        """What lists show of the run."""
        return await self.parts.ports.journal.run(run)

    async def run(self, run: RunId, *, until: int | None = None) -> Run:
        """The run as it is, or was; its chain is verified."""
        state = await (self._past.run(run, until) if until is not None else self._present(run))
        if state is None:
            raise unknown_run(run)
        return state

    async def _present(self, run: RunId) -> Run | None:
        state, _ = await self.parts.ledger.read(run)
        return state

    async def records(self, run: RunId, *, after: int = 0, limit: int | None = None) -> list[Record]:
        """The run's events as they stand in the journal."""
        return await self.parts.ports.journal.read(StreamId(run), after=after, limit=limit)

    async def events(self, run: RunId, *, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """The run's events with their numbers, in order."""
        records = await self.records(run, after=after, limit=limit)
        return [(record.sequence, decode_event(record)) for record in records]

    def follow(self, run: RunId) -> AsyncIterator[News]:
        """News of a run, up to its end."""
        return followed(self.parts, run)

    async def ended(self, run: RunId) -> Run:
        """The run once it has ended, here or at another process."""
        with self.parts.feed.subscribe(run, _tells_the_end) as news:
            while True:
                if not news.waiting and self.parts.ledger.find(run) is None:
                    state = await self.run(run)
                    if state.ended:
                        return state
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        end = await news.take()
                        if isinstance(end, Happened):
                            return end.run

    async def logs(self, run: RunId, wanted: LogQuery) -> LogPage:
        """Lines that the run's agents have logged."""
        return await self._log_pages.page(run, wanted)

    def follow_logs(self, run: RunId, wanted: LogQuery) -> AsyncGenerator[LogPage]:
        """The same, then those that come."""
        return self._log_pages.follow(run, wanted)

    async def seal(self, run: RunId) -> Seal:
        """The signed statement about the run's output."""
        state = await self.run(run)
        if state.phase != "completed" or state.output is None:
            raise TransitionRefused.of("ACC459", f"the run is {state.phase}: it has no output", hint="wait for its end")
        if self.parts.exhibit is not None:
            return self.parts.exhibit.seal_of(run)
        secretary = self.parts.secretary
        data = await self.data(state.output)
        [message] = await secretary.sign([(seal_claims(secretary.identity, state, state.output), data)])
        return Seal(message.statement.decode("ascii"), secretary.identity, secretary.key.kid)

    async def data(self, document: Document) -> bytes:
        """The document's exact bytes."""
        return await self.parts.documents.data(document)

    # -- evidence ------------------------------------------------------------------------------------------------

    async def export(self, run: RunId, payloads: Payloads = "all", look: Look | None = None) -> AsyncIterator[bytes]:
        """The bundle of a run; raises what `look` raises of the other runs that are in it."""
        self._refuse_exhibit()
        follow(await self.records(run), Head())
        state = await self.run(run)
        seal = (await self.seal(run)).statement.encode() if _is_sealed(state) else None
        async for chunk in Export(self.parts, run, payloads, look).chunks(seal):
            yield chunk

    async def exhibit(self) -> Exhibit | None:
        """What the store was imported from."""
        return self.parts.exhibit.exhibit if self.parts.exhibit is not None else None

    def _refuse_exhibit(self) -> None:
        """Raise Refused (ACC592) where the runs here are only looked at."""
        if self.parts.exhibit is not None:
            raise exhibited()

    async def checkpoints(self, *, after: int = 0, limit: int | None = None) -> list[MadeCheckpoint]:
        """The checkpoints behind this number, in order."""
        made = await self.parts.checkpoints.made(after=after, limit=limit)
        return [
            MadeCheckpoint(
                number=number,
                at=one.at,
                added=len(one.anchors),
                checkpoint=Checkpoint(size=one.size, root=one.root, statement=one.statement),
            )
            for number, one in made
        ]

    async def growth(self, size: int) -> Growth:
        """The newest checkpoint, and the proof that its log begins with the one of this size."""
        return await self.parts.checkpoints.growth(size)

    async def anchor(self, run: RunId) -> ProvenRun:
        """The newest checkpoint, and the proof that the run ended in it where it ends now."""
        await self.run(run)
        checkpoint, proofs = await self.parts.checkpoints.anchored([StreamId(run)])
        return ProvenRun(checkpoint=checkpoint, run=proofs[StreamId(run)], key=self.parts.identity.key.to_jwk())

    # -- agents --------------------------------------------------------------------------------------------------

    async def agents(
        self, wanted: CapabilityRange | None = None, after: AgentId | None = None, limit: int | None = None
    ) -> list[KnownAgent]:
        """All known agents, or those that offer a capability; by id, from behind this one on, and no more than so
        many.
        """
        router = self.parts.router
        known = islice(self.parts.registry.known(wanted, after), limit)
        return [
            msgspec.structs.replace(
                one, taken_out=router.breakers.of(one.card.agent), work=router.work_of(one.card.agent)
            )
            for one in known
        ]

    async def sightings(self) -> list[Sighting]:
        """Instances that are present, in whatever process; of what several processes hear, the newest."""
        found = await self.parts.ports.journal.sightings(self.parts.ports.clock.now())
        newest = {one.instance: one for one in sorted(found, key=lambda one: one.seen_at)}
        return sorted(newest.values(), key=lambda one: (one.agent, one.instance))

    async def contracts(self) -> list[Contract]:
        """Every contract that an agent has ever offered."""
        brought = self.parts.exhibit.known_contracts() if self.parts.exhibit is not None else []
        return [*self.parts.registry.every_contract(), *brought]

    async def decisions(self, questions: Sequence[Question], *, by: str) -> list[Decision]:
        """What the policy in force says to these."""
        authority = self.parts.authority
        return [
            authority.of_agent_in(authority.run_of(one.template, by), one.action, one.agent, one.capability, one.labels)
            for one in questions
        ]

    async def keys(self, agent: AgentId | None = None) -> list[KnownKey]:
        """The keys that the agents, or one of them, ever had."""
        found = (one for one in self.parts.registry.all_keys() if agent in (None, one.agent))
        return sorted(found, key=lambda one: (one.valid_from, one.public.kid))

    async def key(self, kid: KeyId) -> KnownKey | None:
        """The key of an agent."""
        return self.parts.registry.known_key(kid)

    async def revoke_key(self, kid: KeyId, *, by: str, reason: str = "", since: datetime | None = None) -> KnownKey:
        """Accept nothing new under an agent's key."""
        now = self.parts.ports.clock.now()
        await self.parts.enrolment.revoke(kid, by=by, reason=reason, now=now, since=since)
        await self._post.caught_up()
        known = self.parts.registry.known_key(kid)
        assert known is not None  # noqa: S101 - it was revoked just now
        return known

    async def impact(self, kid: KeyId, *, since: datetime | None = None) -> Impact:
        """What rests on a key."""
        return await self._compromise.impact(kid, since)

    async def contain(self, kid: KeyId, *, by: str, reason: str, since: datetime | None = None) -> Impact:
        """Quarantine the key's agent and everything that rests on the key."""
        known = await self._compromise.known(kid)
        await self.quarantine(known.agent, by=by, reason=reason)
        return await self._compromise.contain(kid, since, by=by, reason=reason)

    async def doubted(self) -> list[RunDoubted]:
        """All runs that are in doubt."""
        await self.parts.control_stream.refresh()
        return self.parts.doubts.all()

    async def clear(self, run: RunId, *, by: str, note: str = "") -> None:
        """Rely on a run again."""
        await self._compromise.clear(run, by=by, note=note)

    async def new_key(self, name: str, lifetime: timedelta, *, by: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """A new key of our key store, with which its agent may sign for so long from now on.

        Raises:
            BadInput: it is not named like an agent's (ACC665), or would have no life (ACC666).
            KeyUnusable: there is one of this name.
        """
        agent = agent_of_key(name, self.parts.identity.organisation)
        BadInput.raise_if(lifetime_problems(lifetime))
        public = await self.parts.ports.keys.create(name, algorithm)
        now = self.parts.ports.clock.now()
        await self.parts.enrolment.enrol(agent, public, by=by, now=now, expires_at=now + lifetime)
        return public

    def rewrap(self, *, new_key: bool) -> AsyncIterator[Rewrapping]:
        """Wrap the data keys of all encrypted runs under the key that wraps now, or under a new one; how far it has
        come. What breaks off goes on where it is done again without a new key. Raises KeyUnusable, KeysUnavailable.
        """
        self._refuse_exhibit()
        return self.parts.data_keys.rewrap(new_key=new_key)

    async def rotate_key(
        self,
        name: str,
        overlap: timedelta,
        *,
        by: str,
        algorithm: Algorithm = "ES256",
        lifetime: timedelta | None = None,
    ) -> Rotated:
        """A new key in place of one of our key store, which ends after the overlap, or now where it was revoked. It
        lives as long as said, or else as the old one did.

        Processes that hold the old one go on with it until they end.

        Raises:
            NotFound, KeyUnusable: there is no such key, or none can be made.
            BadInput: what is no agent's is to expire (ACC665), or it would have no life (ACC666).
        """
        ports, registry = self.parts.ports, self.parts.registry
        old = await ports.keys.public(name)
        await self.parts.refresh_registry()
        known = registry.known_key(old.kid)
        agent = agent_of_key(name, self.parts.identity.organisation) if known is None and lifetime is not None else None
        BadInput.raise_if(lifetime_problems(lifetime))
        now = ports.clock.now()
        new = await ports.keys.replace(name, algorithm)
        lives = known.lifetime if lifetime is None and known is not None else lifetime
        rotated = Rotated(name=name, new=new, old=old.kid, expires_at=now + lives if lives is not None else None)
        if known is None:
            if old.kid == self.parts.identity.key.kid:
                await self._succeed(new, overlap, by=by)
                return msgspec.structs.replace(rotated, until=now + overlap)
            if agent is not None:
                await self.parts.enrolment.enrol(agent, new, by=by, now=now, expires_at=rotated.expires_at)
            return rotated
        await self.parts.enrolment.succeed(old.kid, new, Terms(overlap, lives), by=by, now=now)
        await self._post.caught_up()
        return msgspec.structs.replace(rotated, until=now + overlap if known.usable(now) else None)

    async def _succeed(self, new: PublicKey, overlap: timedelta, *, by: str) -> None:
        """Have the orchestrator's key say that this one takes its place, and all processes know."""
        try:
            await self.parts.successions.succeed(new, overlap, by=by, now=self.parts.ports.clock.now())
        except AccordError as error:
            text = f"{new.kid} is the orchestrator's key now, and the one before has not said so"
            hint = "agents elsewhere have to be given it with --trust"
            raise KeyUnusable(Problem("ACC669", text, hint=hint), *error.problems) from error
        await self._post.caught_up()

    async def present(self, agent: AgentId) -> None:
        """Wait until the agent is here. Raises MessageRefused where its card was refused, or does not come."""
        registry = self.parts.registry
        changed = asyncio.Event()
        registry.changed.append(changed.set)
        try:
            async with asyncio.timeout(PRESENT_WITHIN.total_seconds()):
                while registry.capacity(agent) is None:
                    if agent in registry.refusals:
                        raise registry.refusals[agent]
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            text = f"{agent} sent no card that was accepted within {PRESENT_WITHIN.total_seconds():g} s"
            raise MessageRefused.of("ACC716", text, hint="accord incidents list tells what was refused") from None
        finally:
            registry.changed.remove(changed.set)

    # -- the cluster ---------------------------------------------------------------------------------------------

    async def cluster(self) -> Cluster:
        """Who works on the store, and what waits for them."""
        return await cluster_seen(self.parts)

    # -- holds and incidents -------------------------------------------------------------------------------------

    async def holds(self) -> Sequence[HoldPlaced]:
        """All holds in force."""
        return self.parts.holds.placed()

    async def hold(self, scope: Scope, subject: str, *, by: str, reason: str = "") -> None:
        """Assign nothing of this scope from now on."""
        now = self.parts.ports.clock.now()
        await self.parts.control_stream.refresh()
        await self.parts.control_stream.append(HoldPlaced(at=now, scope=scope, subject=subject, by=by, reason=reason))
        await self._post.caught_up()

    async def lift(self, scope: Scope, subject: str, *, by: str) -> None:
        """Lift a hold."""
        await self.parts.control_stream.refresh()
        if not any(one.scope == scope and one.subject == subject for one in self.parts.holds.placed()):
            raise TransitionRefused.of(
                "ACC447", f"there is no hold on {subject or scope}", hint="accord runs list --holds"
            )
        now = self.parts.ports.clock.now()
        await self.parts.control_stream.append(HoldLifted(at=now, scope=scope, subject=subject, by=by))
        await self._post.caught_up()

    async def quarantine(self, agent: AgentId, *, by: str, reason: str) -> None:
        """Assign nothing to an agent that is suspected, until its hold is lifted."""
        now, parts = self.parts.ports.clock.now(), self.parts
        held = HoldPlaced(at=now, scope="agent", subject=agent, by=by, reason=reason, quarantine=True)

        def refuse_again() -> None:
            if agent in parts.holds.quarantined:
                raise Refused.of("ACC361", f"{agent} is quarantined already")

        try:
            await parts.control_stream.refresh()
            await parts.control_stream.append(held, check=refuse_again)
        except Refused:
            return  # by another process, or somebody else
        await parts.incidents.tell_of_quarantine(agent, by=by, why=reason)
        await self._post.caught_up()

    async def incidents(self, limit: int, *, after: int | None = None, sought: Sought = ALL) -> list[Filed]:
        """The newest incidents."""
        return await self.parts.incidents.queue.page(limit, before=after, sought=sought)

    async def incident(self, number: int) -> Filed:
        """The incident of this number."""
        return await self.parts.incidents.queue.find(number)

    async def acknowledge(self, incident: int, *, by: str, note: str = "") -> Filed:
        """Say that somebody looks after an incident."""
        return await self.parts.incidents.acknowledge(incident, by=by, note=note)

    async def resolve(self, incident: int, *, by: str, note: str) -> Filed:
        """Say that an incident is dealt with."""
        return await self.parts.incidents.resolve(incident, by=by, note=note)

    # -- learning ------------------------------------------------------------------------------------------------

    async def planner(self, *, by: str) -> PlannerState:
        """What the planner has learnt from use."""
        await self.parts.learning.stream.refresh()
        return self.parts.learning.state(by)

    async def judge(self, objective: str) -> Meant | None:
        """What the classifier in use makes of an objective."""
        teacher = self.parts.learning.teacher
        return await teacher.judge(objective) if teacher is not None else None

    async def lessons(self) -> list[Lesson]:
        """What the version in use has learnt from use."""
        learning = self.parts.learning
        return await learning.lessons(learning.until_of(learning.version))

    async def examples(self, *, by: str | None = None) -> list[Learnt]:
        """What was learnt from whom."""
        await self.parts.learning.stream.refresh()
        return await self.parts.learning.examples(by)

    async def teach(self, lesson: Lesson, *, by: str) -> Learnt:
        """Keep what words mean."""
        self._refuse_exhibit()
        learning = self.parts.learning
        learning.refuse(by)
        phrase = await learning.taught.phrase_of(lesson)
        return await learning.teach(msgspec.structs.replace(lesson, objective=phrase), by=by)

    async def forget(self, example: str, *, by: str, reason: str = "") -> Learnt:
        """Destroy the words of an example."""
        self._refuse_exhibit()
        forgotten = await self.parts.learning.forget(example, by=by, reason=reason)
        await self._post.caught_up()
        return forgotten

    async def classifiers(self) -> list[ClassifierVersion]:
        """All versions that were trained."""
        await self.parts.learning.stream.refresh()
        return self.parts.learning.versions()

    async def train(self, *, by: str) -> ClassifierVersion:
        """Train a version, and use it unless it is worse."""
        self._refuse_exhibit()
        trained = await self.parts.learning.taught.train(by=by)
        await self._post.caught_up()
        return trained

    async def use_classifier(self, version: int, *, by: str) -> PlannerState:
        """Let this version decide."""
        self._refuse_exhibit()
        await self.parts.learning.use(version, by=by)
        await self._post.caught_up()
        return self.parts.learning.state(by)

    # -- access --------------------------------------------------------------------------------------------------

    async def api_keys(self) -> list[ApiKey]:
        """All API keys that were ever issued."""
        await self.parts.access.stream.refresh()
        return self.parts.access.issued()

    async def issue_api_key(
        self, name: str, role: Role, *, by: str, expires_at: datetime | None = None
    ) -> IssuedApiKey:
        """A new API key."""
        return await self.parts.access.issue(name, role, by=by, expires_at=expires_at)

    async def revoke_api_key(self, name: str, *, by: str) -> ApiKey:
        """Revoke an API key; when this returns, no process takes it any more."""
        revoked = await self.parts.access.revoke(name, by=by)
        await self._post.caught_up()
        return revoked

    async def enrolment_tokens(self) -> list[EnrolmentToken]:
        """All tokens that were ever issued."""
        return await self.parts.enrolment.tokens()

    async def issue_enrolment_token(self, wanted: Invitation, *, by: str) -> IssuedEnrolmentToken:
        """A new token with which an agent joins."""
        token = Wanted(
            name=wanted.name,
            organisation=wanted.organisation or self.parts.identity.organisation,
            offers=wanted.offers,
            valid_for=timedelta(seconds=wanted.valid_s),
            key_valid_for=timedelta(seconds=wanted.key_valid_s) if wanted.key_valid_s is not None else None,
        )
        return await self.parts.enrolment.issue(token, by=by, now=self.parts.ports.clock.now())

    async def withdraw_enrolment_token(self, token: str, *, by: str) -> EnrolmentToken:
        """Let a token allow nothing any more."""
        return await self.parts.enrolment.withdraw(token, by=by, now=self.parts.ports.clock.now())

    # -- webhooks ------------------------------------------------------------------------------------------------

    async def webhooks(self) -> list[Webhook]:
        """All webhooks that there are."""
        return await self.parts.webhooks.all()

    async def webhook(self, webhook: str) -> Webhook:
        """The webhook of this id."""
        return await self.parts.webhooks.find(webhook)

    async def add_webhook(self, wanted: Subscription, *, by: str) -> IssuedWebhook:
        """Tell an endpoint of what happens from now on."""
        return await self.parts.webhooks.add(wanted, by=by)

    async def remove_webhook(self, webhook: str, *, by: str) -> Webhook:
        """Tell an endpoint nothing any more."""
        return await self.parts.webhooks.remove(webhook, by=by)


def _tells_the_end(news: News) -> bool:
    return isinstance(news, Happened) and news.run.ended


def _is_sealed(run: Run) -> bool:
    """Whether the orchestrator signs the run's output: it is there, and can be read."""
    return run.phase == "completed" and run.erased is None
