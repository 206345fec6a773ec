"""Decisions: a run, a command and the time make events. Pure; asking again gives the same events again.

`decide` dispatches a command to the function that knows it, then lets the run advance as far as it can without
anybody else:
tasks whose needs are met begin, expansions start their items, compensations follow one another, the run ends.
The functions are in `progress` (tasks begin and end), `outcome` (attempts end) and `control` (people intervene).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from accord.domain import below, budget, control, outcome, signal, timing
from accord.domain import command as c
from accord.domain import event as e
from accord.domain.budget import is_over_budget, stop_spending
from accord.domain.command import PARENT
from accord.domain.draft import Decision, Draft
from accord.domain.graph import Graph
from accord.domain.progress import advance, relaunch
from accord.domain.run import Run, begin
from accord.domain.scope import Values

_DECIDE: dict[type, Callable[[Draft, Any], None]] = {
    c.Assign: outcome.assign,
    c.RefuseInput: outcome.refuse_input,
    c.GiveUp: outcome.not_assigned,
    c.Accept: outcome.accept,
    c.Deliver: outcome.deliver,
    c.Diagnose: outcome.diagnose,
    c.Fail: outcome.fail,
    c.Damage: outcome.damage,
    c.Bar: outcome.bar,
    c.AgentLost: outcome.lose_agent,
    c.MakeCall: below.make_call,
    c.SubrunEnded: below.end_subrun,
    c.Tick: timing.tick,
    c.Pause: control.pause,
    c.Resume: control.resume,
    c.SetBudget: budget.set_budget,
    c.Cancel: control.cancel,
    c.RetryTask: control.retry,
    c.Rollback: control.rollback,
    c.Erase: control.erase,
    c.Acknowledge: control.acknowledge,
    c.Signal: signal.signal,
}


def decide(run: Run, command: c.Command, now: datetime, values: Values) -> Decision:
    """The events that the command causes, and the run after them; none when there is nothing left to do.

    Raises:
        TransitionRefused: the command is not possible in this state; the problem says why.
        DocumentMissing: a document has to be fetched first; then decide again.
    """
    draft = Draft(run, now, values)
    _DECIDE[type(command)](draft, command)
    advance(draft)
    if is_over_budget(draft):
        stop_spending(draft)
        advance(draft)
    return draft.decision()


def start(graph: Graph, command: c.Start, now: datetime, values: Values) -> Decision:
    """The first events of a run: it starts, a fork takes over what it can, and the first tasks begin."""
    started = e.RunStarted(
        at=now,
        run=command.run,
        template=graph.template,
        graph=graph.digest,
        input=command.input,
        title=command.title,
        by=command.by,
        parent=command.parent,
        origin=command.origin,
        deadline_at=now + graph.deadline if graph.deadline else None,
        labels=command.labels,
        trace=command.trace,
        linked=command.linked,
        depth=command.depth,
        certificate=command.certificate,
    )
    draft = Draft(begin(graph, started), now, values, events=[started])
    if command.max_cost is not None and (graph.max_cost is None or command.max_cost < graph.max_cost):
        draft.emit(e.BudgetSet(at=now, max_cost=command.max_cost, by=PARENT))
    for adopted in command.adopted:
        draft.emit(
            e.TaskAdopted(
                at=now,
                task=adopted.task,
                output=adopted.output,
                source=adopted.source,
                confidence=adopted.confidence,
                labels=adopted.labels,
                contract=adopted.contract,
            )
        )
    relaunch(draft)
    advance(draft)
    return draft.decision()
