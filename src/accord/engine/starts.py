"""Starting runs: what has to hold before one may begin, and what a fork takes over."""

from __future__ import annotations

from typing import Any

import orjson

from accord.domain import command as c
from accord.domain.control import adoptable
from accord.domain.defaults import completed
from accord.domain.event import Origin
from accord.domain.graph import Graph
from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.run import Run
from accord.domain.scope import DocumentMissing
from accord.engine.ledger import unknown_run
from accord.engine.orchestrator import Orchestrator
from accord.errors import ContractViolation, NotFound, Overloaded


class Starts:
    """Starts runs, and forks of runs."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._parts = orchestrator.parts

    async def start(self, digest: Digest, value: Any, *, title: str, by: str) -> Run:
        """See `Service.start_run`."""
        graph = await self._parts.library.graph(digest)
        value = await self._admitted(graph, value)
        run = await self._new_run()
        command = c.Start(
            run=run, input=self._parts.documents.document(orjson.dumps(value)), title=title or graph.title, by=by
        )
        return await self._orchestrator.submit(run, command, graph=digest)

    async def fork(
        self, run: RunId, *, task: TaskId | None, at: int | None, changes: dict[str, Any] | None, by: str
    ) -> Run:
        """See `Service.fork`."""
        source, head = await self._parts.ledger.read(run, until=at)
        if source is None:
            raise unknown_run(run)
        value = await self._admitted(source.graph, await self._changed(source, changes))
        if task is not None and task not in source.graph.tasks:
            raise NotFound.of("ACC434", f"the run has no task {task}", hint="accord runs show lists its tasks")
        adopted = await self._adoptable(source, task, value)
        await self._parts.documents.renew(one.output for one in adopted)
        fork = await self._new_run()
        command = c.Start(
            run=fork,
            input=self._parts.documents.document(orjson.dumps(value)),
            title=source.started.title,
            by=by,
            origin=Origin(run, head.sequence),
            adopted=adopted,
        )
        return await self._orchestrator.submit(fork, command, graph=source.started.graph)

    async def _admitted(self, graph: Graph, value: Any) -> Any:
        """The input of a new run, completed, once graph, input and room are as they have to be."""
        (await self._parts.verification.report(graph)).refuse()
        value = completed(value, graph.input_schema)
        ContractViolation.raise_if(self._parts.library.input_schema(graph).violations(value, "ACC450"))
        self._admit()
        return value

    async def _changed(self, source: Run, changes: dict[str, Any] | None) -> Any:
        value = await self._parts.documents.fetched(source.started.input)
        if not changes:
            return value
        if not isinstance(value, dict):
            raise ContractViolation.of("ACC458", "the run's input is no object: it has no members to change")
        return {**value, **changes}

    def _admit(self) -> None:
        tuning = self._parts.tuning
        waiting, under_way = self._parts.dispatcher.waiting, sum(1 for _ in self._parts.ledger.slots())
        if waiting >= tuning.max_waiting or under_way >= tuning.max_runs:
            raise Overloaded.of(
                "ACC451",
                f"{under_way} runs are under way and {waiting} tasks wait for agents",
                hint="try again later, or start more agents",
            )

    async def _new_run(self) -> RunId:
        partitions = self._parts.partitions
        while not partitions.fences:
            if await partitions.claim_idle() is not None or partitions.fences:
                continue  # others than the one claimed may have come to be ours meanwhile
            raise Overloaded.of("ACC452", "every partition is owned by another process", hint="stop one of them")
        return partitions.new_run()

    async def _adoptable(self, source: Run, task: TaskId | None, value: Any) -> tuple[c.Adopted, ...]:
        while True:
            try:
                return adoptable(source, task, value, self._parts.documents)
            except DocumentMissing as missing:
                await self._parts.documents.fetch(missing.document)
