"""Intervening: pause, resume, cancel, roll back, fork, retry and signal; of one run, or of everything in a scope."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import msgspec
from typer import confirm

from accord.app import host
from accord.cli import staffing
from accord.cli.actions.run import Job, finish, tell_how_to_resume
from accord.cli.asking import NoAnswer, asked_value
from accord.cli.choosing import Asked
from accord.cli.driving import adopted, can_ask, carried_on
from accord.cli.errors import DONE, usage
from accord.cli.finding import find_agent, find_run
from accord.cli.hosting import hosted_agents
from accord.cli.inputs import changes, read_value
from accord.cli.options import Shared
from accord.cli.output import Screen, counted
from accord.cli.result import removed_reports
from accord.cli.session import carry_out, opened, who
from accord.cli.watching import how_to_answer
from accord.domain import command as c
from accord.domain.approval import answer_schema, open_approvals, waiting_tasks
from accord.domain.ids import RunId, TaskId
from accord.domain.state import Run
from accord.domain.system import Scope
from accord.engine.node import Node
from accord.errors import AccordError, NotFound, Problems, TransitionRefused
from accord.ports import OPEN, RunQuery
from accord.service import Fork, RunCommand, Service
from accord.views.result import Result, result_of

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")

Act = Callable[[Service, Screen], Awaitable[RunId]]
"""Does something to a run, and says to which; the run may go on after it."""


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """What a command is about: one run, or everything in a scope."""

    run: str | None = None
    everything: bool = False
    template: str | None = None
    agent: str | None = None

    def check(self, *, may_be_agent: bool = True) -> None:
        """Raise BadInput ACC913 unless exactly one thing is named."""
        named = [self.run is not None, self.everything, self.template is not None, self.agent is not None]
        options = "RUN, --all, --template T" + (", --agent A" if may_be_agent else "")
        if sum(named) != 1 or (self.agent is not None and not may_be_agent):
            raise usage("ACC913", "it must be said what this is about", f"give one of {options}")

    async def scope(self, service: Service) -> tuple[Scope, str]:
        """The scope of a hold, and its subject. Raises NotFound."""
        if self.everything:
            return "everything", ""
        if self.template is not None:
            known = sorted({published.name for published in await service.templates()})
            if self.template.partition("@")[0] not in known:
                hint = f"published are: {', '.join(known) or 'none'}"
                raise NotFound.of("ACC761", f"no template {self.template} is published", hint=hint)
            return "template", self.template
        return "agent", find_agent([known.card for known in await service.agents()], self.agent or "")


# -- one run, or everything in a scope ---------------------------------------------------------------------------


def pause(shared: Shared, which: Which, reason: str) -> None:
    """Carry out `accord runs pause`."""
    which.check()

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            if which.run is None:
                scope, subject = await which.scope(service)
                await service.hold(scope, subject, by=who(), reason=reason)
                _say(screen, {"held": scope, "subject": subject}, f"{subject or scope}: nothing is assigned any more")
                return DONE
            run = await find_run(service, which.run)
            await service.control(run, c.Pause(by=who(), reason=reason))
            await _say_state(service, run, screen)
        return DONE

    carry_out(shared, work)


def budget(shared: Shared, reference: str, amount: str) -> None:
    """Carry out `accord runs budget`."""
    if _AMOUNT.fullmatch(amount) is None:
        raise usage("ACC920", f"`{amount:.40}` is no amount", "a decimal such as 12.50")

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            await service.control(run, c.SetBudget(max_cost=Decimal(amount), by=who()))
            _say(screen, {"run": run, "max_cost": amount}, f"{run}: may cost {amount} in all")
        return DONE

    carry_out(shared, work)


def acknowledge(shared: Shared, reference: str, note: str) -> None:
    """Carry out `accord runs acknowledge`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            await service.control(run, c.Acknowledge(by=who(), note=note))
            _say(screen, {"run": run, "acknowledged": True}, f"{run}: its failure is known to you")
        return DONE

    carry_out(shared, work)


def resume(shared: Shared, which: Which, *, wait: bool) -> None:
    """Carry out `accord runs resume`."""
    which.check()
    if which.run is not None:
        reference = which.run
        _act(shared, lambda service, _: _resumed(service, reference), wait=wait)
        return

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            scope, subject = await which.scope(service)
            await service.lift(scope, subject, by=who())
            open_ = await service.runs(RunQuery(states=OPEN, limit=20))
            left = await service.left([summary.run for summary in open_])
        _say(screen, {"lifted": scope, "subject": subject}, f"{subject or scope}: assigned again")
        for run in left:
            screen.note(f"  {run} is worked on by no process; accord runs resume {run} takes it up")
        return DONE

    carry_out(shared, work)


async def _resumed(service: Service, reference: str) -> RunId:
    """The run, not paused any more; one that was only left alone is taken up again."""
    run = await find_run(service, reference)
    state = await service.run(run)
    if state.ended:
        hint = f"accord runs rollback {run} --to TASK does a part of it again"
        if state.phase != "completed":
            hint = f"accord runs retry {run} --task TASK tries a task again"
        raise TransitionRefused.of("ACC403", f"the run is {state.phase}: there is nothing to resume", hint=hint)
    if state.paused:
        await service.control(run, c.Resume(by=who()))
    return run


def cancel(shared: Shared, which: Which, reason: str, *, gives_up: bool, wait: bool) -> None:
    """Carry out `accord runs cancel`."""
    which.check(may_be_agent=False)
    command = c.Cancel(by=who(), reason=reason, gives_up=gives_up)
    if which.run is not None:
        reference = which.run

        async def act(service: Service, _: Screen) -> RunId:
            run = await find_run(service, reference)
            await service.control(run, command)
            return run

        _act(shared, act, wait=wait, taken="the cancel is taken, and what was done is to be undone", cancels=True)
        return

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            runs = await service.runs(RunQuery(states=OPEN, template=which.template, limit=100_000))
            cancelled = [summary.run for summary in runs if await _cancelled(service, summary.run, command, screen)]
        _say(screen, {"cancelled": cancelled}, f"{counted(len(cancelled), 'run')} cancelled")
        return DONE

    carry_out(shared, work)


async def _cancelled(service: Service, run: RunId, command: c.Cancel, screen: Screen) -> bool:
    try:
        await service.control(run, command)
    except AccordError as error:
        screen.note(f"{run}: {error.problems[0].message}", "yellow")
        return False
    return True


def erase(shared: Shared, reference: str, reason: str, *, sure: bool) -> None:
    """Carry out `accord runs erase`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            if not (sure or (can_ask(screen) and confirm(f"Erase the documents of {run}, for good?"))):
                hint = "nobody can take it back; say so with --yes"
                raise usage("ACC879", f"the documents of {run} would be unreadable for good", hint)
            erased = await service.erase(run, by=who(), reason=reason)
        gone: list[str] = []
        problems = Problems()
        problems.attempt(lambda: gone.extend(str(each) for each in removed_reports(shared.settings().home, erased)))
        told = f"The documents of {counted(len(erased), 'run')} can be read no more"
        _say(screen, {"erased": erased, "removed": gone}, f"{told}: keys in older backups have to go as well")
        for folder in gone:
            screen.note(f"removed with its report: {folder}")
        screen.note("Copies elsewhere stay: what was exported, and files of --output and --reports.")
        problems.refuse()
        return DONE

    carry_out(shared, work)


# -- one run, which then goes on ---------------------------------------------------------------------------------


def rollback(shared: Shared, reference: str, task: str, *, wait: bool) -> None:
    """Carry out `accord runs rollback`."""
    _command(shared, reference, c.Rollback(to=TaskId(task), by=who()), wait=wait, taken="the rollback is taken")


def retry(shared: Shared, reference: str, task: str, *, wait: bool) -> None:
    """Carry out `accord runs retry`."""
    _command(shared, reference, c.RetryTask(task=TaskId(task), by=who()), wait=wait, taken="the retry is taken")


def _command(shared: Shared, reference: str, command: RunCommand, *, wait: bool, taken: str) -> None:
    async def act(service: Service, _: Screen) -> RunId:
        run = await find_run(service, reference)
        await service.control(run, command)
        return run

    _act(shared, act, wait=wait, taken=taken)


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Where a fork begins, and what is different in it."""

    task: str | None = None
    at: int | None = None
    given: str | None = None
    sets: tuple[str, ...] = ()


def fork(shared: Shared, reference: str, wanted: Changes, *, wait: bool) -> None:
    """Carry out `accord runs fork`."""

    async def act(service: Service, screen: Screen) -> RunId:
        source = await service.run(await find_run(service, reference))
        changed = changes(wanted.given, wanted.sets, source.graph.input_schema)
        task = TaskId(wanted.task) if wanted.task is not None else None
        run = await service.fork(source.id, Fork(task=task, at=wanted.at, changes=changed or None), by=who())
        taken = sum(state.adopted for state in run.tasks.values())
        screen.note(f"{run.id} forked from {source.id}: {counted(taken, 'output')} taken over")
        return run.id

    _act(shared, act, wait=wait, taken="the fork is there")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a waiting task is told."""

    name: str | None = None
    task: str | None = None
    data: str | None = None
    approved: bool | None = None
    comment: str | None = None

    def check(self) -> None:
        """Raise BadInput ACC913 where options do not go together."""
        if self.name is not None and self.task is not None:
            raise usage("ACC913", "a signal has a name, or a task that waits: not both", "give NAME or --task")
        if self.data is not None and (self.approved is not None or self.comment is not None):
            raise usage("ACC913", "--data says it all", "leave --approve, --reject and --comment out")
        if self.comment is not None and self.approved is None:
            raise usage("ACC913", "a comment alone decides nothing", "add --approve or --reject")


def signal(shared: Shared, reference: str, answer: Answer, *, wait: bool) -> None:
    """Carry out `accord runs signal`."""
    answer.check()

    async def act(service: Service, screen: Screen) -> RunId:
        run = await service.run(await find_run(service, reference))
        task = None if answer.name is not None else waiting_task(run, answer.task)
        value = await _payload(run, task, answer, screen)
        await service.signal(run.id, value, by=who(), name=answer.name or "", task=task)
        return run.id

    _act(shared, act, wait=wait, taken="the answer is taken")


def waiting_task(run: Run, named: str | None) -> TaskId:
    """The task that is answered: the named one, or the only one that waits. Raises BadInput ACC916."""
    if named is not None:
        return TaskId(named)
    waiting = waiting_tasks(run)
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        raise TransitionRefused.of("ACC916", f"no task of {run.id} waits for an answer", hint="see accord runs show")
    raise usage("ACC916", f"{len(waiting)} tasks wait: {', '.join(waiting)}", "say which one with --task")


async def _payload(run: Run, task: TaskId | None, answer: Answer, screen: Screen) -> Any:
    if answer.data is not None:
        return read_value(answer.data, "--data").value
    if answer.approved is not None:
        comment = {"comment": answer.comment} if answer.comment is not None else {}
        return {"approved": answer.approved, **comment}
    waits = task is not None and run.state(task).waiting is not None
    if task is None or not waits:
        return None if task is None else {}
    if not can_ask(screen):
        schema = msgspec.json.encode(answer_schema(run, task)).decode()
        raise usage("ACC917", f"task {task} is to be told something of this form: {schema}", "give it with --data")
    waiting = run.state(task).waiting
    screen.note(f"◆ {waiting.title if waiting else task}", "head")
    try:
        return await asked_value(answer_schema(run, task), screen)
    except NoAnswer:
        raise usage("ACC917", f"nobody has answered task {task}", "give the answer with --data") from None


# -- going on ----------------------------------------------------------------------------------------------------


def _act(shared: Shared, act: Act, *, wait: bool, taken: str = "", cancels: bool = False) -> None:
    """Do something to a run; then, unless nobody waits, carry it on here as far as it goes. What was done is told with
    the words in `taken`, where there is nobody who can go on; a run that was to be cancelled may end so.
    """

    async def work(screen: Screen) -> int:
        run: RunId | None = None
        try:
            async with opened(shared) as service:
                run = await act(service, screen)
                if not wait:
                    await _say_state(service, run, screen)
                    return DONE
                state = await _carried_on(service, run, shared, screen, taken)
                result = await result_of(service, state)
        except asyncio.CancelledError:
            if run is not None:
                tell_how_to_resume(run, shared, screen)
            raise
        return _told(state, result, shared, screen, cancels=cancels)

    carry_out(shared, work)


async def _carried_on(service: Service, run: RunId, shared: Shared, screen: Screen, taken: str) -> Run:
    """The run as far as it goes; this process does its part where it is no server that is asked."""
    state = await service.run(run)
    if state.ended or state.paused:
        return state
    async with AsyncExitStack() as stack:
        if isinstance(service, Node):
            if not await adopted(service, run, screen):
                return await service.run(run)
            await stack.enter_async_context(host(service, hosted_agents(shared.agents)))
        missing = await staffing.of_run(service, await service.run(run))
        staffing.refuse(missing, shared, screen, again=shared.command(f"runs resume {run}"), taken=taken)
        return await carried_on(service, run, screen, until_idle=not sys.stdin.isatty())


def _told(state: Run, result: Result, shared: Shared, screen: Screen, *, cancels: bool) -> int:
    if state.ended:
        code = finish(result, state, Job(asked=Asked(state.id)), shared, screen)
        return DONE if cancels and state.phase == "cancelled" else code
    if screen.as_json:
        screen.document(result)
    for one in open_approvals(state):
        screen.note(f"waits; answer with: {shared.command(how_to_answer(one))}", "hint")
    return DONE


async def _say_state(service: Service, run: RunId, screen: Screen) -> None:
    state = await service.run(run)
    phase = "paused" if state.paused else state.phase
    _say(screen, {"run": run, "state": phase}, f"{run} is {phase.replace('_', ' ')}")


def _say(screen: Screen, document: dict[str, Any], text: str) -> None:
    if screen.as_json:
        screen.document(document)
    else:
        screen.line(text)
