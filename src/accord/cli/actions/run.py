"""`accord run`: from an objective, or a template, to a signed result."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from accord.cli import staffing
from accord.cli.actions.capture import write_test
from accord.cli.actions.plan import show
from accord.cli.choosing import Asked, choose_or_ask, prepared
from accord.cli.driving import carried_on
from accord.cli.options import Shared
from accord.cli.output import Screen
from accord.cli.result import (
    code_of,
    reports_at,
    show_result,
    unwritable_file,
    unwritable_folder,
    write_output,
    written,
)
from accord.cli.session import carry_out, staffed, who
from accord.cli.suggesting import confirm, may_suggest
from accord.domain.compile import compile_graph
from accord.domain.ids import RunId
from accord.domain.labels import read_labels
from accord.domain.learning import How, Lesson
from accord.domain.state import Run
from accord.engine.node import Node
from accord.engine.registry import unknown_limits
from accord.errors import BadInput, Problem, Problems
from accord.machine import SystemClock
from accord.service import Service
from accord.views.capture import capture
from accord.views.catalogue import BUILT_IN, PUBLISHED
from accord.views.learning import kept
from accord.views.planning import Planned, estimate_of, known_of, made_ready
from accord.views.result import Result, result_of

__all__ = ["Asked", "Job", "finish", "run"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What `accord run` is to do."""

    asked: Asked
    title: str | None = None
    output: Path | None = None
    reports: Path | None = None
    labels: tuple[str, ...] = ()
    record: Path | None = None
    """Where the run is written as a workflow test."""

    def flaws(self) -> Iterator[Problem]:
        """What is no label, and what cannot be written when the run will have ended: it is told before it begins."""
        try:
            read_labels(self.labels)
        except BadInput as error:
            yield from error.problems
        if self.output is not None:
            yield from unwritable_file(self.output, "--output")
        if self.record is not None and self.record.exists():
            yield Problem("ACC912", f"--record: {self.record} is there already", hint="give another file")
        elif self.record is not None:
            yield from unwritable_file(self.record, "--record")
        if self.reports is not None:
            yield from unwritable_folder(self.reports, "--reports")


def run(shared: Shared, job: Job) -> None:
    """Carry out `accord run`."""
    carry_out(shared, _Running(shared, job).work)


class _Running:
    """One `accord run`; remembers the run that was started, so that an interruption can name it."""

    def __init__(self, shared: Shared, job: Job) -> None:
        self._shared = shared
        self._job = job
        self._run: RunId | None = None
        self._begun = False
        """Whether it was asked for that the run be started."""

    async def work(self, screen: Screen) -> int:
        """Do it; returns the exit code."""
        try:
            agents = prepared(self._job.asked, self._shared, tuple(self._job.flaws()))
            async with staffed(self._shared, agents) as service:
                self._run = await self._start(service, screen)
                state = await carried_on(service, self._run, screen, began=True)
                result = await result_of(service, state)
                recorded = await capture(service, state.id) if self._job.record is not None else None
        except asyncio.CancelledError:
            if self._run is not None:
                tell_how_to_resume(self._run, self._shared, screen)
            elif self._begun:
                screen.note("Interrupted. Whether the run was started is told by")
                screen.note(f"  {self._shared.command('runs list')}", "hint")
            else:
                screen.note("Interrupted. Nothing was started.")
            raise
        if recorded is not None and self._job.record is not None:
            write_test(self._job.record, recorded)
        return finish(result, state, self._job, self._shared, screen)

    async def _start(self, service: Service, screen: Screen) -> RunId:
        labelled = bool(self._job.labels)
        now = SystemClock().now()
        known = may_suggest(await known_of(service, now=now), service, self._shared, labelled=labelled)
        began = datetime.now(UTC)
        chosen = await choose_or_ask(self._job.asked, known, screen)
        planned = datetime.now(UTC)
        chosen.refuse()
        for left_out in chosen.plan.left_out:
            screen.note(left_out, "yellow")

        async def shown() -> None:
            show(chosen, await estimate_of(service, chosen, known), screen)

        await confirm(chosen, self._shared, screen, shown)
        entries = (*chosen.catalogue.below(chosen.entry), chosen.entry)
        graphs = [compile_graph(entry.template, entry.digest) for entry in entries]
        staffing.refuse(await staffing.of_graphs(service, graphs), self._shared, screen)
        if isinstance(service, Node):
            for problem in unknown_limits(self._shared.settings().capability_limits, known.capabilities.names()):
                screen.note(str(problem), "yellow")
        await made_ready(service, chosen.entry, chosen.catalogue, by=who())
        title = self._job.title or chosen.plan.objective or ""
        self._begun = True
        digest, labels = chosen.entry.digest, self._job.labels
        started = await service.start_run(digest, chosen.plan.input, title=title, by=who(), labels=labels)
        if isinstance(service, Node):
            calls = known.suggestion.calls if known.suggestion is not None else ()
            service.parts.tracer.planned(started, began, planned, calls)
        if chosen.plan.objective is not None and chosen.plan.way == "named":
            await keep(service, chosen, started.id, self._shared, screen)
        return started.id


async def keep(service: Service, chosen: Planned, run: RunId, shared: Shared, screen: Screen) -> None:
    """Have the planner keep which template was named or chosen for words, where it learns from whoever asks; say so."""
    template, is_file = chosen.entry.template.name, chosen.entry.origin not in (BUILT_IN, PUBLISHED)
    how: How = "corrected" if is_file else "chosen"
    lesson = Lesson(objective=chosen.plan.objective or "", template=template, how=how, run=run)
    learnt = await kept(service, lesson, by=who())
    if learnt is not None:
        screen.note(f"The planner keeps `{learnt.words}` as an example of {template}. To take it back:")
        bare = replace(shared, agents=(), waits=False)
        screen.note(f"  {bare.command(f'planner forget {learnt.example}')}", "hint")


def tell_how_to_resume(run: RunId, shared: Shared, screen: Screen) -> None:
    """Say that an interrupted run goes on where it was, and how."""
    if shared.server() is not None:
        screen.note("Interrupted. The server carries the run on; look at it again with")
        screen.note(f"  {shared.command(f'runs watch {run}')}", "hint")
        return
    screen.note("Interrupted. What was done is in the journal; the run goes on where it was with")
    screen.note(f"  {shared.command(f'runs resume {run}')}", "hint")


def finish(result: Result, state: Run, job: Job, shared: Shared, screen: Screen) -> int:
    """Write and show the result of a run that has ended; returns the exit code."""
    folder = job.reports or reports_at(shared.settings().home) / state.id
    problems = Problems()
    kept = problems.attempt(lambda: written(result, folder)) or result
    if job.output is not None and result.state == "completed":
        path = job.output
        problems.attempt(lambda: write_output(result, path))
    # What could not be written is shown: the run is over, and nothing of it may be lost.
    show_result(kept, state, screen, to_file=None if problems.found else job.output)
    problems.refuse()
    return code_of(kept)
