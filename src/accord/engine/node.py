"""A node: one orchestrator with its rounds, and all that people and programs may ask of it. `gateway` and `cli`
talk to this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

import msgspec
import orjson

from accord.codec import decode_event, follow
from accord.domain import command as c
from accord.domain.agent import AgentCard
from accord.domain.compile import compile_graph
from accord.domain.control import adoptable
from accord.domain.defaults import completed
from accord.domain.event import Event, Origin
from accord.domain.graph import Graph
from accord.domain.ids import AgentId, Digest, RunId, StreamId, TaskId, partition_of
from accord.domain.run import Run
from accord.domain.scope import DocumentMissing
from accord.domain.system import HoldLifted, HoldPlaced, Scope
from accord.domain.template import Template
from accord.engine.feed import Happened
from accord.engine.orchestrator import Orchestrator
from accord.engine.parts import Parts
from accord.engine.rounds import LetterContent, Rounds
from accord.errors import (
    ContractViolation,
    MessageRefused,
    NotFound,
    Overloaded,
    Problem,
    TransitionRefused,
    refusal_of,
)
from accord.ports import Head, Letter, RunQuery, RunSummary

LOOK_AGAIN_S = 1.0
"""How often the journal is asked after a run of another process: what happens there is no news here."""


PRESENT_WITHIN = timedelta(seconds=20)
"""How long an agent that is started here may take until its card is accepted."""


class Node:
    """A running orchestrator. Open it with `async with`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.orchestrator = Orchestrator(parts)
        self._rounds = Rounds(self.orchestrator)

    async def __aenter__(self) -> Self:
        self.parts.partitions.gained = self.orchestrator.own
        self.parts.partitions.lost = self.orchestrator.disown
        await self.orchestrator.start()
        self._rounds.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._rounds.stop()
        await self.orchestrator.stop()
        await self.parts.partitions.release()

    async def vanish(self) -> None:
        """Stop without giving anything back, as if the process had been killed; for tests."""
        await self._rounds.stop()
        await self.orchestrator.stop()

    # -- templates -----------------------------------------------------------------------------------------------

    async def publish(self, template: Template, document: bytes, *, by: str = "local") -> Digest:
        """Publish a template under the digest of its canonical document, once it is verified; again is no error.

        Raises:
            TemplateInvalid: the graph does not hold; with everything that the verifier found.
            Refused: this version stands for another document already.
        """
        digest = Digest(sha256(document).hexdigest())
        (await self.parts.verification.report(compile_graph(template, digest))).refuse()
        now, stream = self.parts.ports.clock.now(), self.parts.template_stream
        return await self.parts.library.publish(template, document, stream, by, now)

    # -- runs ----------------------------------------------------------------------------------------------------

    async def start_run(self, digest: Digest, value: Any, *, title: str = "", by: str = "local") -> Run:
        """Start a run of a published template with this input, defaults filled in; returns it once it is durable.

        Raises:
            TemplateInvalid: the graph does not hold against what is known of agents and templates now.
            ContractViolation: the input breaks the template's input schema.
            Overloaded: there is too much to do already; try again later.
        """
        graph = await self.parts.library.graph(digest)
        value = await self._admitted(graph, value)
        run = await self._new_run()
        command = c.Start(
            run=run, input=self.parts.documents.document(orjson.dumps(value)), title=title or graph.title, by=by
        )
        return await self.orchestrator.submit(run, command, graph=digest)

    async def fork(
        self, run: RunId, *, task: TaskId | None, at: int | None, changes: dict[str, Any] | None, by: str
    ) -> Run:
        """Start a new run that shares what a run had done after its event `at` (all of it where None), from `task`
        on anew, with these members of the input changed.

        Raises what `start_run` raises, and NotFound where there is no such run or task.
        """
        source, head = await self.parts.ledger.read(run, until=at)
        if source is None:
            raise _unknown(run)
        value = await self._admitted(source.graph, await self._changed(source, changes))
        if task is not None and task not in source.graph.tasks:
            raise NotFound.of("ACC434", f"the run has no task {task}", hint="accord runs show lists its tasks")
        fork = await self._new_run()
        command = c.Start(
            run=fork,
            input=self.parts.documents.document(orjson.dumps(value)),
            title=source.started.title,
            by=by,
            origin=Origin(run, head.sequence),
            adopted=await self._adoptable(source, task, value),
        )
        return await self.orchestrator.submit(fork, command, graph=source.started.graph)

    async def control(self, run: RunId, command: c.ControlCommand) -> None:
        """Carry out a command on a run, here or at the process that owns the run. Raises what it is refused with."""
        summary = await self.parts.ports.journal.run(run)
        if summary is None:
            raise _unknown(run)
        if await self.parts.partitions.claim(partition_of(run)) is not None:
            await self.orchestrator.submit(run, command)
        else:
            await self._post(run, command)

    async def adopt(self, run: RunId) -> bool:
        """Take over the run, if nobody owns it; whether it is ours now."""
        return await self.parts.partitions.claim(partition_of(run)) is not None

    async def ended(self, run: RunId) -> Run:
        """The run once it has ended, here or at another process."""
        with self.parts.feed.subscribe(run) as news:
            while True:
                if self.parts.ledger.find(run) is None:
                    state = await self.run(run)
                    if state.ended:
                        return state
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        async for item in news:
                            if isinstance(item, Happened) and item.run.ended:
                                return item.run
                if news.cut_off:
                    break
        return await self.ended(run)

    # -- holds ---------------------------------------------------------------------------------------------------

    async def hold(self, scope: Scope, subject: str, *, by: str, reason: str = "") -> None:
        """Assign nothing of this scope from now on."""
        now = self.parts.ports.clock.now()
        await self.parts.control_stream.refresh()
        await self.parts.control_stream.append(HoldPlaced(at=now, scope=scope, subject=subject, by=by, reason=reason))

    async def lift(self, scope: Scope, subject: str, *, by: str) -> None:
        """Lift a hold. Raises TransitionRefused where there is none."""
        await self.parts.control_stream.refresh()
        if not any(one.scope == scope and one.subject == subject for one in self.parts.holds.placed()):
            raise TransitionRefused.of(
                "ACC447", f"there is no hold on {subject or scope}", hint="accord runs list --holds"
            )
        now = self.parts.ports.clock.now()
        await self.parts.control_stream.append(HoldLifted(at=now, scope=scope, subject=subject, by=by))

    # -- looking -------------------------------------------------------------------------------------------------

    async def runs(self, query: RunQuery) -> list[RunSummary]:
        """A page of runs, newest first."""
        return await self.parts.ports.journal.runs(query)

    async def run(self, run: RunId, *, until: int | None = None) -> Run:
        """The run as it is, or was after its event number `until`; its chain is verified. Raises NotFound,
        StoreCorrupt.
        """
        state, _ = await self.parts.ledger.read(run, until=until)
        if state is None:
            raise _unknown(run)
        return state

    async def events(self, run: RunId, *, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """The run's events with their numbers, in order."""
        records = await self.parts.ports.journal.read(StreamId(run), after=after, limit=limit)
        return [(record.sequence, decode_event(record)) for record in records]

    async def agents(self) -> Sequence[AgentCard]:
        """All known agents."""
        return self.parts.registry.agents()

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

    async def graph_of(self, reference: str) -> Graph:
        """The graph of the newest template that `name@range` admits."""
        return await self.parts.library.graph(self.parts.library.find(reference).digest)

    async def verify_chain(self, run: RunId) -> Head:
        """Follow the run's hash chain from its first event. Raises StoreCorrupt at the first that does not hold."""
        records = await self.parts.ports.journal.read(StreamId(run))
        if not records:
            raise _unknown(run)
        return follow(records, Head())

    # -- parts ---------------------------------------------------------------------------------------------------

    async def _admitted(self, graph: Graph, value: Any) -> Any:
        """The input of a new run, completed, once graph, input and room are as they have to be."""
        (await self.parts.verification.report(graph)).refuse()
        value = completed(value, graph.input_schema)
        ContractViolation.raise_if(self.parts.library.input_schema(graph).violations(value, "ACC450"))
        self._admit()
        return value

    async def _changed(self, source: Run, changes: dict[str, Any] | None) -> Any:
        value = await self.parts.documents.fetched(source.started.input)
        if not changes:
            return value
        if not isinstance(value, dict):
            raise ContractViolation.of("ACC458", "the run's input is no object: it has no members to change")
        return {**value, **changes}

    def _admit(self) -> None:
        tuning = self.parts.tuning
        waiting, under_way = self.parts.dispatcher.waiting, sum(1 for _ in self.parts.ledger.slots())
        if waiting >= tuning.max_waiting or under_way >= tuning.max_runs:
            raise Overloaded.of(
                "ACC451",
                f"{under_way} runs are under way and {waiting} tasks wait for agents",
                hint="try again later, or start more agents",
            )

    async def _new_run(self) -> RunId:
        while not self.parts.partitions.fences:
            if await self.parts.partitions.claim_idle() is not None or self.parts.partitions.fences:
                continue  # others than the one claimed may have come to be ours meanwhile
            raise Overloaded.of("ACC452", "every partition is owned by another process", hint="stop one of them")
        return self.parts.partitions.new_run()

    async def _adoptable(self, source: Run, task: TaskId | None, value: Any) -> tuple[c.Adopted, ...]:
        while True:
            try:
                return adoptable(source, task, value, self.parts.documents)
            except DocumentMissing as missing:
                await self.parts.documents.fetch(missing.document)

    async def _post(self, run: RunId, command: c.ControlCommand) -> None:
        ports = self.parts.ports
        letter = Letter(
            id=ports.ids.token(),
            partition=partition_of(run),
            data=msgspec.json.encode(LetterContent(run, command)),
            posted_at=ports.clock.now(),
        )
        await ports.journal.post(letter)
        for _ in range(150):
            answer = await ports.journal.answered(letter.id)
            if answer is not None:
                outcome = msgspec.json.decode(answer.data, type=_Outcome)
                if not outcome.ok:
                    raise refusal_of(outcome.kind, outcome.problems)
                return
            await asyncio.sleep(self.parts.tuning.letters_every.total_seconds())
        raise Overloaded.of(
            "ACC453", "the process that owns the run does not answer; the command stays posted", hint="is it stopped?"
        )


class _Outcome(msgspec.Struct, frozen=True):
    ok: bool
    kind: str = "error"
    problems: tuple[Problem, ...] = ()


def _unknown(run: RunId) -> NotFound:
    return NotFound.of("ACC409", f"there is no run {run}", hint="accord runs list")
