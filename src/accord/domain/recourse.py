"""Recourse: what is done when an attempt did not give what was wanted: again, by somebody else, another way, or not at
all.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Literal

from accord.domain import event as e
from accord.domain.document import Document
from accord.domain.draft import Draft
from accord.domain.fault import RESENDS, SUSPECT_AGENTS, Fault, classify
from accord.domain.ids import AgentId, Digest, TaskId
from accord.domain.progress import fail_task, fail_unmapped, scope_of, stop_attempts, work_of
from accord.domain.retry import delay
from accord.domain.run import Attempt, Run
from accord.domain.scope import evaluated
from accord.errors import ExpressionInvalid, Problem

UNSURE = "ACC421"
"""The code of a result whose confidence is too low."""

OVERPRICED = "ACC427"
"""The code of a result that cost more than its contract allows, or does not say what it cost."""

NOT_OF_SCHEMA = frozenset((UNSURE, OVERPRICED))
"""What may be wrong with a result that keeps its schema: no sign that the schema is wrong."""


def try_again(
    draft: Draft,
    task: TaskId,
    problems: tuple[Problem, ...],
    *,
    agent: AgentId | None = None,
    avoid: tuple[AgentId, ...] = (),
    wait: bool = True,
) -> None:
    """Want another attempt, after the back-off unless `wait` is false; with none left, fall back."""
    work = work_of(draft.run, task)
    option, used, first = _used(draft, task)
    copies = work.redundancy.copies if work.redundancy else 1
    if used >= work.retry.attempts + copies - 1:
        give_up(draft, task, problems[0])
        return
    pause = delay(work.retry.backoff, max(used - copies + 1, 1), salt=f"{draft.run.id}/{task}")
    pause = pause if wait else timedelta(0)
    draft.emit(
        e.AttemptWanted(
            at=draft.now,
            task=task,
            input=first,
            option=option,
            not_before=draft.now + pause if pause else None,
            agent=agent,
            avoid=avoid,
            errors=problems,
            reason=f"attempt {used + 1} of {work.retry.attempts + copies - 1}: {problems[0].message}",
        )
    )


def give_up(draft: Draft, task: TaskId, problem: Problem) -> None:
    """No further attempt of this kind: wait for the copies under way while they may still agree, else fall back."""
    if not may_agree(draft, task):
        fall_back(draft, task, problem)


def stop_asking(draft: Draft, task: TaskId, attempt: Attempt, problem: Problem) -> None:
    """The contract is at fault: no further agent is asked to keep it, and it is said which it is."""
    text = f"{SUSPECT_AGENTS} agents in turn broke the contract of {attempt.capability}, or refused what keeps it"
    hint = f"check the schemas of {attempt.capability}"
    give_up(draft, task, Problem(problem.code, f"{text}, so it is suspect: {problem.message}", problem.place, hint))


def fall_back(draft: Draft, task: TaskId, problem: Problem, fault: Fault | None = None) -> None:
    """Go on with the task's next option; with none left, the task fails, by this fault or that of its last attempt."""
    stop_attempts(draft, task, "another way is tried")
    work = work_of(draft.run, task)
    following = _option(draft, task) + 1
    if following >= len(work.options):
        fail_task(draft, task, problem, fault or _last_fault(draft, task))
        return
    option = work.options[following]
    error = {"code": problem.code, "message": problem.message}
    try:
        value = evaluated(option.binding, {**scope_of(draft, task), "error": error}, draft.values)
    except ExpressionInvalid as invalid:
        fail_unmapped(draft, task, invalid)
        return
    if option.capability is None:
        draft.emit(e.TaskCompleted(at=draft.now, task=task, output=value, by="fallback"))
        return
    draft.emit(
        e.AttemptWanted(
            at=draft.now,
            task=task,
            input=value,
            option=following,
            copies=work.redundancy.copies if work.redundancy else 1,
            reason=f"fallback: {problem.message}",
        )
    )


def fault_of(run: Run, task: TaskId, attempt: Attempt, seen: Literal["output", "refusal"], problem: Problem) -> Fault:
    """Whose doing it is that this attempt's result breaks the contract, or its agent refuses what keeps it."""
    alike = (one for one in run.state(task).current() if _broke(one, attempt, seen))
    of_schema = attempt.want.purpose == "work" and problem.code not in NOT_OF_SCHEMA
    return classify(seen, {attempt.agent, *(one.agent for one in alike)} if of_schema else {attempt.agent})


def _broke(one: Attempt, attempt: Attempt, seen: Literal["output", "refusal"]) -> bool:
    """Whether the schemas of `attempt`'s contract were broken in this one, too."""
    ended = "rejected" if seen == "output" else "failed"
    of_schema = one.fault is not None and not any(problem.code in NOT_OF_SCHEMA for problem in one.problems[:1])
    return one.phase == ended and of_schema and one.want.purpose == "work" and one.contract == attempt.contract


def _last_fault(draft: Draft, task: TaskId) -> Fault | None:
    """The fault of the last attempt to do the task."""
    worked = [one for one in draft.run.state(task).current() if one.want.purpose == "work"]
    return worked[-1].fault if worked else None


def last_rejected(draft: Draft, task: TaskId) -> Attempt:
    """The last attempt whose result was rejected; there is one."""
    rejected = [one for one in draft.run.state(task).attempts if one.phase == "rejected" and one.want.purpose == "work"]
    return rejected[-1]


def votes(draft: Draft, task: TaskId) -> tuple[list[tuple[Attempt, Document]], Counter[Digest]]:
    """The copies of the present option that have succeeded with their outputs, and how many there are of each."""
    option = _option(draft, task)
    voters = [
        (one, one.output)
        for one in draft.run.state(task).current()
        if one.phase == "succeeded" and one.output is not None and one.want.option == option
    ]
    return voters, Counter(draft.values.ballot(output) for _, output in voters)


def may_agree(draft: Draft, task: TaskId) -> bool:
    """Whether the copies under way may still make enough results equal; never where there is no redundancy."""
    redundancy = work_of(draft.run, task).redundancy
    if redundancy is None:
        return False
    state = draft.run.state(task)
    pending = len(state.wants) + sum(one.live for one in state.current())
    return max(votes(draft, task)[1].values(), default=0) + pending >= redundancy.agree


def _option(draft: Draft, task: TaskId) -> int:
    state = draft.run.state(task)
    options = [want.option for want in state.wants] + [one.want.option for one in state.current()]
    return max(options, default=0)


def _used(draft: Draft, task: TaskId) -> tuple[int, int, Document]:
    """The present option, how many attempts it has had or is to have, and their input. Some that the way has lost do
    not count: they are not the agents' fault.
    """
    option = _option(draft, task)
    state = draft.run.state(task)
    lost = sum(one.phase == "expired" and one.fault == "transport" for one in state.current())
    wants = [*(one.want for one in state.current()), *state.wants]
    worked = [want for want in wants if want.purpose == "work" and want.option == option]
    return option, len(worked) - min(lost, RESENDS), worked[0].input
