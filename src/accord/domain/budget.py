"""The budget of a run: what its attempts may cost together, and what happens when that is spent."""

from __future__ import annotations

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.cost import shortest
from accord.domain.draft import Draft
from accord.domain.graph import undone_id
from accord.domain.progress import fail_run
from accord.domain.run import Run
from accord.errors import Problem, TransitionRefused

_MAY_WANT = (e.AttemptWanted, e.RunResumed, e.RollbackFinished)

BUDGET = "its budget"
"""By whom a run is paused whose budget is spent."""


def is_over_budget(draft: Draft) -> bool:
    """Whether something is to be assigned although the budget is spent. What undoes is done all the same."""
    run = draft.run
    return run.spent_all and run.phase == "running" and not run.paused and _wants_more(draft)


def stop_spending(draft: Draft) -> None:
    """Assign nothing more: the run fails, or is paused until somebody gives it more; then what is under way may end."""
    run = draft.run
    if run.graph.when_spent == "pause":
        draft.emit(e.RunPaused(at=draft.now, by=BUDGET, reason=_words(run)))
    else:
        hint = f"give it more with `accord runs budget {run.id} AMOUNT`, then retry the task"
        fail_run(draft, Problem("ACC426", f"the run's budget is spent: {_words(run)}", hint=hint), None)


def set_budget(draft: Draft, command: c.SetBudget) -> None:
    """Give the run another budget."""
    run = draft.run
    if command.max_cost <= run.spent:
        hint = "give more than that"
        raise TransitionRefused.of("ACC428", f"the run has spent {shortest(run.spent)} already", hint=hint)
    draft.emit(e.BudgetSet(at=draft.now, max_cost=command.max_cost, by=command.by))


def may_resume(run: Run) -> None:
    """Raise TransitionRefused where a run that its budget has paused would be paused again at once."""
    if run.paused_by == BUDGET and run.spent_all:
        hint = f"first give it more: accord runs budget {run.id} AMOUNT"
        raise TransitionRefused.of("ACC429", f"the run's budget is spent: {_words(run)}", hint=hint)


def _wants_more(draft: Draft) -> bool:
    """Whether anything is to be assigned. It is looked for only where it may have come to be so: with a want, when the
    budget has just been spent, and when the run goes on.
    """
    news = not draft.before.spent_all or any(isinstance(one, _MAY_WANT) for one in draft.events)
    return news and any(draft.run.state(task).wants for task in draft.run.busy if undone_id(task) is None)


def _words(run: Run) -> str:
    return f"{shortest(run.spent)} of {shortest(run.budget)}" if run.budget is not None else ""
