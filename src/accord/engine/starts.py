"""Starting runs: what has to hold before one may begin, and what a fork takes over."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import msgspec
import orjson

from accord.domain import command as c
from accord.domain.control import adoptable
from accord.domain.defaults import completed
from accord.domain.document import document_of
from accord.domain.event import Origin
from accord.domain.graph import Graph
from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.labels import read_labels, told
from accord.domain.run import Run
from accord.domain.scope import DocumentMissing
from accord.encryption import Cipher
from accord.engine.ledger import unknown_run
from accord.engine.orchestrator import Orchestrator
from accord.engine.post import Post, other_request
from accord.engine.verification import Verified
from accord.errors import ContractViolation, Fenced, NotFound, Overloaded
from accord.service import Fork

TRIES: Final = 5
"""In so many partitions a run is tried to be started, where each of them has just become somebody else's."""


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is to be started."""

    graph: Graph
    value: Any
    """The input, completed."""
    title: str
    by: str
    origin: Origin | None = None
    labels: tuple[str, ...] = ()
    trace: str = ""
    """The `traceparent` of who wants it."""
    linked: str = ""
    """That of the run it is forked from."""

    @property
    def input(self) -> bytes:
        """The input's bytes."""
        return orjson.dumps(self.value)


class Starts:
    """Starts runs, and forks of runs."""

    def __init__(self, orchestrator: Orchestrator, post: Post) -> None:
        self._orchestrator = orchestrator
        self._parts = orchestrator.parts
        self._post = post

    async def start(  # noqa: PLR0913 - as in `Service.start_run`
        self, digest: Digest, value: Any, *, title: str, by: str, once: str | None, labels: Iterable[str], trace: str
    ) -> Run:
        """See `Service.start_run`."""
        said = told(read_labels(labels))
        graph = await self._parts.library.graph(digest)
        value = completed(value, graph.input_schema)
        wanted = _Wanted(graph=graph, value=value, title=title or graph.title, by=by, labels=said, trace=trace)
        return await self._begun(wanted, once) or await self._begin(wanted, (), once)

    async def fork(self, run: RunId, fork: Fork, *, by: str, once: str | None, trace: str) -> Run:
        """See `Service.fork`."""
        source, head = await self._parts.ledger.read(run, until=fork.at)
        if source is None:
            raise unknown_run(run)
        cipher = await self._parts.data_keys.find(run)  # as it is now, whatever it was at the event that is forked from
        value = completed(await self._changed(source, fork.changes), source.graph.input_schema)
        origin = Origin(run, head.sequence)
        started = source.started
        wanted = _Wanted(
            graph=source.graph,
            value=value,
            title=started.title,
            by=by,
            origin=origin,
            labels=started.labels,
            trace=trace,
            linked=self._parts.tracer.link_to(source),
        )
        begun = await self._begun(wanted, once)
        if begun is not None:
            return begun
        if fork.task is not None and fork.task not in source.graph.tasks:
            raise NotFound.of("ACC434", f"the run has no task {fork.task}", hint="accord runs show lists its tasks")
        adopted = await self._adoptable(source, fork.task, value, cipher)
        await self._parts.documents.renew(one.output for one in adopted)
        return await self._begin(wanted, adopted, once)

    async def begun(self, once: str) -> Run | None:
        """See `Node.begun`."""
        begun = await self._post.answered(once)
        return (await self._parts.ledger.read(begun))[0] if begun is not None else None

    async def _begun(self, wanted: _Wanted, once: str | None) -> Run | None:
        """The run that was begun under this name before."""
        begun = await self._post.answered(once) if once is not None else None
        return None if once is None or begun is None else await self._of_request(begun, wanted, once)

    async def _of_request(self, begun: RunId, wanted: _Wanted, once: str) -> Run:
        run, _ = await self._parts.ledger.read(begun)
        if run is None or not _is(run, wanted):
            raise other_request(once)
        return run

    async def _begin(self, wanted: _Wanted, adopted: tuple[c.Adopted, ...], once: str | None) -> Run:
        began = self._parts.ports.clock.now()
        (await self._verified(wanted)).report.refuse()
        ContractViolation.raise_if(self._parts.library.input_schema(wanted.graph).violations(wanted.value, "ACC450"))
        verified = self._parts.ports.clock.now()
        with self._parts.admission.admitted(wanted.by):
            run = await self._admitted(wanted, adopted, once)
        self._parts.tracer.verified(run, began, verified)
        return run

    async def _verified(self, wanted: _Wanted) -> Verified:
        return await self._parts.verification.verified(wanted.graph, by=wanted.by, labels=wanted.labels)

    async def _admitted(self, wanted: _Wanted, adopted: tuple[c.Adopted, ...], once: str | None) -> Run:
        if once is None:
            return await self._begin_here(wanted, adopted)
        command = await self._command(wanted, adopted)
        await self._parts.documents.store()
        begun = await self._post.send(command.run, command, name=once, graph=wanted.graph.digest)
        return await self._of_request(begun, wanted, once)

    async def _begin_here(self, wanted: _Wanted, adopted: tuple[c.Adopted, ...]) -> Run:
        """The run in a partition of ours: in another one where that has just become somebody else's. Raises Fenced."""
        for _ in range(TRIES - 1):
            command = await self._command(wanted, adopted)
            with suppress(Fenced):
                return await self._orchestrator.submit(command.run, command, graph=wanted.graph.digest)
        command = await self._command(wanted, adopted)
        return await self._orchestrator.submit(command.run, command, graph=wanted.graph.digest)

    async def _command(self, wanted: _Wanted, adopted: tuple[c.Adopted, ...]) -> c.Start:
        run = await self._new_run()
        await self._parts.data_keys.use(run, [one.output for one in adopted], self._parts.ports.clock.now())
        cipher = await self._parts.data_keys.begin(run, (wanted.origin.run,) if wanted.origin is not None else ())
        with self._parts.documents.under(cipher):
            given = self._parts.documents.document(wanted.input)
        return c.Start(
            run=run,
            input=given,
            title=wanted.title,
            by=wanted.by,
            origin=wanted.origin,
            adopted=adopted,
            labels=wanted.labels,
            trace=self._parts.tracer.trace_for(run, wanted.trace),
            linked=wanted.linked,
            certificate=await self._parts.certificates.issue(run, wanted.graph, await self._verified(wanted)),
        )

    async def _changed(self, source: Run, changes: dict[str, Any] | None) -> Any:
        value = await self._parts.documents.fetched(source.started.input)
        if not changes:
            return value
        if not isinstance(value, dict):
            raise ContractViolation.of("ACC458", "the run's input is no object: it has no members to change")
        return {**value, **changes}

    async def _new_run(self) -> RunId:
        partitions = self._parts.partitions
        while not partitions.fences:
            if await partitions.claim_idle() is not None or partitions.fences:
                continue  # others than the one claimed may have come to be ours meanwhile
            hint = "stop one of them, or ask a server to start the run: --server"
            raise Overloaded.of("ACC452", "every partition is owned by another process", hint=hint)
        return partitions.new_run()

    async def _adoptable(
        self, source: Run, task: TaskId | None, value: Any, cipher: Cipher | None
    ) -> tuple[c.Adopted, ...]:
        """What is put together of its items' outputs is under the source's own cipher, and goes with that."""
        while True:
            try:
                with self._parts.documents.under(cipher):
                    return adoptable(source, task, value, self._parts.documents)
            except DocumentMissing as missing:
                await self._parts.documents.fetch(missing.document)


def _is(run: Run, wanted: _Wanted) -> bool:
    """Whether the run is what is wanted. A fork's event is not asked about: its source may have gone on since."""
    started, origin = run.started, wanted.origin
    same = started.graph == wanted.graph.digest and started.input == document_of(wanted.input)
    from_ = started.origin.run if started.origin is not None else None
    same = same and started.labels == wanted.labels
    return same and started.title == wanted.title and from_ == (origin.run if origin is not None else None)
