"""Runs below a run: those that do its tasks, and those that its agents have asked for while they work.

ACC470  no call can be made, or has been, in this state of the task
ACC471  the agent of the task may not call anybody
ACC472  the task has made as many calls as it may
ACC473  agents have asked for each other's runs too deep
"""

from __future__ import annotations

from typing import Final

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.draft import Draft
from accord.domain.flow import call_labels
from accord.domain.graph import Calls, undone_id
from accord.domain.ids import TaskId
from accord.domain.labels import told
from accord.domain.progress import fail_task, subrun_id, work_of
from accord.domain.run import Attempt, Run
from accord.errors import TransitionRefused

CALL_DEPTH_MAX: Final = 8
"""How many runs may have been asked for by agents of one another."""


def make_call(draft: Draft, command: c.MakeCall) -> None:
    """The agent of a task asks for something while it works; the same again is the same call."""
    task, state = command.task, draft.run.state(command.task)
    attempt = draft.run.attempt(task, command.attempt)
    known = state.call(command.call)
    if attempt is None or not attempt.live or (known is not None and not known.may_be_tried_again):
        return
    refuse_call(draft.run, task, attempt)
    name = TaskId(f"{task}/{command.call}/{len(state.calls)}")
    draft.emit(
        e.CallMade(
            at=draft.now,
            task=task,
            attempt=attempt.number,
            call=command.call,
            statement=command.statement,
            wanted=command.wanted,
            run=subrun_id(draft.run.id, name, state.epoch, draft.now),
            graph=command.graph,
            input=command.input,
            labels=told(call_labels(draft.run, task, attempt)) if draft.run.labelled else (),
        )
    )


def refuse_call(run: Run, task: TaskId, attempt: Attempt) -> Calls:
    """What the template lets the task's agent ask for now. Raises TransitionRefused where that is nothing."""
    calls = _calls_of(run, task, attempt)
    if calls is None:
        hint = "add `calls` to the task, with the capabilities that its agent may call"
        raise TransitionRefused.of("ACC471", f"the agent of task {task} may not call anybody", hint=hint)
    if len(run.state(task).calls) >= calls.at_most:
        hint = "raise `calls.at_most` of the task"
        raise TransitionRefused.of("ACC472", f"task {task} has made its {calls.at_most} calls", hint=hint)
    if run.started.depth >= CALL_DEPTH_MAX:
        message = f"agents have asked for each other's runs {CALL_DEPTH_MAX} deep already"
        raise TransitionRefused.of("ACC473", message, hint="let one agent call what it needs itself")
    if run.spent_all:
        raise TransitionRefused.of(
            "ACC426", "the run's budget is spent: nothing is assigned", hint="accord runs budget"
        )
    return calls


def _calls_of(run: Run, task: TaskId, attempt: Attempt) -> Calls | None:
    """What the agent of an attempt may ask for; nothing where it diagnoses, or undoes."""
    if attempt.want.purpose != "work" or undone_id(task) is not None:
        return None
    return work_of(run, task).calls


def end_subrun(draft: Draft, command: c.SubrunEnded) -> None:
    """A run that does a task, or that its agent has asked for, has ended; one that was told to cancel is waited for no
    longer.
    """
    task, subrun = command.task, command.run
    if subrun in draft.run.called:
        _end_call(draft, command)
        return
    active = draft.run.subruns.get(task) == subrun
    if not active and subrun not in draft.run.leaving:
        return
    draft.emit(e.SubrunEnded(at=draft.now, task=task, run=subrun, cost=command.cost))
    if active and command.problem is not None:
        fail_task(draft, task, command.problem)
    elif active:
        labels = command.labels
        draft.emit(e.TaskCompleted(at=draft.now, task=task, output=command.output, by=subrun, labels=labels))


def _end_call(draft: Draft, command: c.SubrunEnded) -> None:
    call = next(one for one in draft.run.state(command.task).calls if one.run == command.run)
    draft.emit(
        e.CallEnded(
            at=draft.now,
            task=command.task,
            call=call.call,
            run=command.run,
            output=command.output if command.problem is None else None,
            problem=command.problem,
            cost=command.cost,
            labels=command.labels,
        )
    )
