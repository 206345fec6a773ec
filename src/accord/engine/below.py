"""Runs below a run: they are started when its events ask for it, and tell it how they have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec
import orjson

from accord.domain import command as c
from accord.domain import effects as f
from accord.domain.certificate import Certified
from accord.domain.cost import NOTHING
from accord.domain.defaults import completed
from accord.domain.event import Parent
from accord.domain.flow import subrun_labels
from accord.domain.graph import Graph
from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.labels import told
from accord.domain.run import Run
from accord.engine.certificates import workflows_of
from accord.engine.order import Order
from accord.engine.parts import Parts
from accord.errors import AccordError, KeysUnavailable, Problem, StoreUnavailable, TemplateInvalid


class _Below(msgspec.Struct, frozen=True):
    """A run that is to do something for a task of another one."""

    task: TaskId
    run: RunId
    graph: Graph
    labels: tuple[str, ...]
    certificate: Certified
    depth: int = 0
    max_cost: Decimal | None = None


class Below:
    """Starts runs below others."""

    def __init__(self, parts: Parts, order: Callable[[Order], None]) -> None:
        self._parts = parts
        self._order = order

    async def start_subrun(self, run: Run, effect: f.StartSubrun) -> None:
        """The run that does a task."""
        try:
            graph = await self._parts.library.graph(self._meant(run, effect.template))
            labels = told(subrun_labels(run, effect.task)) if run.labelled else ()
            certificate = await self._certificate(effect.run, run, graph, labels)
            value = completed(await self._parts.documents.fetched(effect.input), graph.input_schema)
            AccordError.raise_if(self._parts.library.input_schema(graph).violations(value, "ACC450"))
        except (StoreUnavailable, KeysUnavailable):
            raise  # it is no fault of the task's, and is tried again
        except AccordError as error:
            ended = c.SubrunEnded(task=effect.task, run=effect.run, problem=error.problems[0])
            self._order(Order(run.id, ended))
            return
        await self._start(run, _Below(effect.task, effect.run, graph, labels, certificate), value)

    def _meant(self, run: Run, template: str) -> Digest:
        """The version that the run was verified with. Raises NotFound."""
        return workflows_of(run.started.certificate).get(template) or self._parts.library.find(template).digest

    async def start_call(self, run: Run, effect: f.StartCall) -> None:
        """The run that an agent has asked for: its graph was verified, and its input is right."""
        call = effect.call
        graph = await self._parts.library.graph(call.graph)
        try:
            certificate = await self._certificate(call.run, run, graph, call.labels)
        except TemplateInvalid as error:  # what it rests on is gone since the agent has asked
            self._order(Order(run.id, c.SubrunEnded(task=effect.task, run=call.run, problem=error.problems[0])))
            return
        value = await self._parts.documents.fetched(call.input)
        left = max(run.budget - run.spent, NOTHING) if run.budget is not None else None
        below = _Below(effect.task, call.run, graph, call.labels, certificate, depth=1, max_cost=left)
        await self._start(run, below, value)

    async def _certificate(self, which: RunId, above: Run, graph: Graph, labels: Iterable[str]) -> Certified:
        """Raises TemplateInvalid, KeysUnavailable, StoreUnavailable."""
        verified = await self._parts.verification.verified(
            graph, by=above.started.by, labels=labels, workflows=workflows_of(above.started.certificate)
        )
        return await self._parts.certificates.issue(which, graph, verified)

    async def _start(self, run: Run, below: _Below, value: Any) -> None:
        cipher = await self._parts.data_keys.begin_part(below.run, run.id, self._parts.ports.clock.now())
        with self._parts.documents.under(cipher):
            given = self._parts.documents.document(orjson.dumps(value))
        start = c.Start(
            run=below.run,
            input=given,
            title=below.graph.title,
            by=run.started.by,
            parent=Parent(run.id, below.task),
            labels=below.labels,
            trace=self._parts.tracer.trace_of_subrun(below.run, run),
            linked=self._parts.tracer.link_to(run, below.task),
            depth=run.started.depth + below.depth,
            max_cost=below.max_cost,
            certificate=below.certificate,
        )
        self._order(Order(below.run, start, graph=below.graph.digest))

    def ensure_ended(self, run: RunId, parent: Parent) -> None:
        """A run that never began does its parent's task no more."""
        problem = Problem("ACC455", f"the run {run} was never started")
        self._order(Order(parent.run, c.SubrunEnded(task=parent.task, run=run, problem=problem)))
