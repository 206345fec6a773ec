"""How attempts begin and end, and what follows: the next attempt, a fallback, a vote, a diagnosis, a review, the
task's output.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.document import Document
from accord.domain.draft import Draft
from accord.domain.graph import Work
from accord.domain.ids import AgentId, Digest, TaskId
from accord.domain.progress import fail_task, scope_of, stop_attempts, work_of
from accord.domain.retry import delay
from accord.domain.run import Attempt
from accord.domain.scope import evaluated, mapping_problem
from accord.errors import ExpressionInvalid, Problem, TransitionRefused

UNSURE = "ACC421"
"""The code of a result whose confidence is too low."""


def assign(draft: Draft, command: c.Assign) -> None:
    """Give a wanted attempt to an agent."""
    run = draft.run
    if run.paused:
        raise TransitionRefused.of("ACC407", "the run is paused: nothing is assigned", hint="accord runs resume")
    draft.emit(
        e.AttemptAssigned(
            at=draft.now,
            task=command.task,
            attempt=len(run.state(command.task).attempts) + 1,
            agent=command.agent,
            lease=command.lease,
            lease_until=command.lease_until,
            capability=command.capability,
            contract=command.contract,
            payload=command.payload,
            payload_bytes=command.payload_bytes,
            purpose=command.purpose,
            option=command.option,
            timeout_at=draft.now + command.timeout if command.timeout else None,
            choice=command.choice,
        )
    )


def refuse_input(draft: Draft, command: c.RefuseInput) -> None:
    """What the expressions made breaks the contract: the template is at fault, trying again would not help."""
    if draft.run.state(command.task).wants:
        first = command.problems[0]
        problem = Problem(first.code, f"the mapping is at fault: {first.message}", first.place, first.hint)
        fall_back(draft, command.task, problem)


def accept(draft: Draft, command: c.Accept) -> None:
    """The agent has begun."""
    attempt = _live(draft, command.task, command.attempt)
    if attempt.phase == "assigned":
        draft.emit(e.AttemptAccepted(at=draft.now, task=command.task, attempt=command.attempt))


def deliver(draft: Draft, command: c.Deliver) -> None:
    """Take a result, or act on what is wrong with it."""
    attempt = _live(draft, command.task, command.attempt)
    if attempt.want.purpose == "diagnose" and not command.problems:
        raise TransitionRefused.of("ACC415", f"attempt {command.attempt} of task {command.task} is a diagnosis")
    problems = command.problems or _unsure(work_of(draft.run, command.task), command.confidence)
    if problems:
        draft.emit(
            e.AttemptRejected(
                at=draft.now,
                task=command.task,
                attempt=command.attempt,
                statement=command.statement,
                output=command.output,
                fault=command.fault,
                problems=problems,
                confidence=command.confidence,
            )
        )
        _after_rejection(draft, command, attempt, problems)
        return
    draft.emit(
        e.AttemptSucceeded(
            at=draft.now,
            task=command.task,
            attempt=command.attempt,
            statement=command.statement,
            output=command.output,
            confidence=command.confidence,
        )
    )
    if work_of(draft.run, command.task).redundancy is None:
        _complete(draft, command.task, command.attempt, command.output, command.confidence)
    else:
        _vote(draft, command.task)


def diagnose(draft: Draft, command: c.Diagnose) -> None:
    """Follow the verdict of a diagnostic agent."""
    task = command.task
    if _live(draft, task, command.attempt).want.purpose != "diagnose":
        raise TransitionRefused.of("ACC416", f"attempt {command.attempt} of task {task} is no diagnosis")
    broken = last_rejected(draft, task)
    draft.emit(
        e.AttemptSucceeded(
            at=draft.now,
            task=task,
            attempt=command.attempt,
            statement=command.statement,
            output=command.output,
            confidence=command.confidence,
        )
    )
    if command.verdict == "repaired" and command.repaired is not None:
        _take_repaired(draft, command, broken, command.repaired)
    elif command.verdict == "retry":
        try_again(draft, task, _advised(broken, command), agent=broken.agent, wait=False)
    elif command.verdict == "reassign":
        try_again(draft, task, _advised(broken, command), avoid=(broken.agent,), wait=False)
    else:
        cause = broken.problems[0]
        text = f"{cause.message}; diagnosis: {command.explanation or 'none'}"
        fall_back(draft, task, Problem(cause.code, text, cause.place, cause.hint))


def _take_repaired(draft: Draft, command: c.Diagnose, broken: Attempt, repaired: Document) -> None:
    """A repaired result is taken under the same rule of confidence as any other."""
    doubts = _unsure(work_of(draft.run, command.task), command.confidence)
    if doubts:
        _after_doubt(draft, command.task, broken, repaired, doubts)
    else:
        _complete(draft, command.task, command.attempt, repaired, command.confidence)


def _advised(broken: Attempt, command: c.Diagnose) -> tuple[Problem, ...]:
    """What the next attempt is told: what was wrong, and what the diagnosis says of it."""
    advice = (Problem("ACC425", f"diagnosis: {command.explanation}"),) if command.explanation else ()
    return (*broken.problems, *advice)


def fail(draft: Draft, command: c.Fail) -> None:
    """The agent could not do it: try again, or another way."""
    attempt = _live(draft, command.task, command.attempt)
    draft.emit(
        e.AttemptFailed(
            at=draft.now,
            task=command.task,
            attempt=command.attempt,
            problem=command.problem,
            statement=command.statement,
            retryable=command.retryable,
            fault=command.fault,
        )
    )
    _after_loss(draft, command.task, attempt, command.problem, retryable=command.retryable)


def lose_agent(draft: Draft, command: c.AgentLost) -> None:
    """The agent is gone: its attempts will not end."""
    for task, number in command.attempts:
        attempt = draft.run.attempt(task, number)
        if attempt is not None and attempt.live:
            expire(draft, task, attempt, "agent_lost")


_EXPIRED: dict[e.Expiry, str] = {
    "lease": "the agent's lease ran out",
    "timeout": "the attempt took longer than its timeout",
    "agent_lost": "the agent is gone",
}


def expire(draft: Draft, task: TaskId, attempt: Attempt, cause: e.Expiry) -> None:
    """End an attempt whose time has run out."""
    draft.emit(e.AttemptExpired(at=draft.now, task=task, attempt=attempt.number, cause=cause))
    problem = Problem("ACC422", f"{_EXPIRED[cause]} ({attempt.agent})")
    _after_loss(draft, task, attempt, problem, retryable=True)


def end_subrun(draft: Draft, command: c.SubrunEnded) -> None:
    """The run that does a task has ended; one that was told to cancel is waited for no longer."""
    task, subrun = command.task, command.run
    active = draft.run.subruns.get(task) == subrun
    if not active and subrun not in draft.run.leaving:
        return
    draft.emit(e.SubrunEnded(at=draft.now, task=task, run=subrun))
    if active and command.problem is not None:
        fail_task(draft, task, command.problem)
    elif active:
        draft.emit(e.TaskCompleted(at=draft.now, task=task, output=command.output, by=subrun))


# -- what comes next ---------------------------------------------------------------------------------------------


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
    if not _may_agree(draft, task):
        fall_back(draft, task, problem)


def fall_back(draft: Draft, task: TaskId, problem: Problem) -> None:
    """Go on with the task's next option; with none left, the task fails."""
    stop_attempts(draft, task, "another way is tried")
    work = work_of(draft.run, task)
    following = _option(draft, task) + 1
    if following >= len(work.options):
        fail_task(draft, task, problem)
        return
    option = work.options[following]
    error = {"code": problem.code, "message": problem.message}
    try:
        value = evaluated(option.binding, {**scope_of(draft, task), "error": error}, draft.values)
    except ExpressionInvalid as invalid:
        fail_task(draft, task, mapping_problem(task, invalid))
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


def _complete(draft: Draft, task: TaskId, attempt: int, output: Document, confidence: float | None) -> None:
    stop_attempts(draft, task, "the task is completed")
    draft.emit(e.TaskCompleted(at=draft.now, task=task, output=output, attempt=attempt, confidence=confidence))


def _unsure(work: Work, confidence: float | None) -> tuple[Problem, ...]:
    rule = work.confidence
    if rule is None or (confidence or 0.0) >= rule.at_least:
        return ()
    said = "no confidence" if confidence is None else f"a confidence of {confidence:g}"
    return (Problem(UNSURE, f"the result has {said}, {rule.at_least:g} is asked for"),)


def _after_rejection(draft: Draft, command: c.Deliver, attempt: Attempt, problems: tuple[Problem, ...]) -> None:
    task = command.task
    work = work_of(draft.run, task)
    if attempt.want.purpose == "diagnose":
        try_again(draft, task, last_rejected(draft, task).problems)
    elif problems[0].code == UNSURE:
        _after_doubt(draft, task, attempt, command.output, problems)
    elif work.diagnose and work.redundancy is None and command.diagnosis is not None:
        draft.emit(
            e.AttemptWanted(
                at=draft.now,
                task=task,
                input=command.diagnosis,
                purpose="diagnose",
                option=attempt.want.option,
                reason=f"attempt {attempt.number} broke its contract: {problems[0].message}",
            )
        )
    else:
        try_again(draft, task, problems)


def _after_doubt(draft: Draft, task: TaskId, attempt: Attempt, output: Document, problems: tuple[Problem, ...]) -> None:
    work = work_of(draft.run, task)
    otherwise = work.confidence.otherwise if work.confidence else "retry"
    if otherwise == "retry":
        try_again(draft, task, problems)
    elif otherwise == "other_agent":
        try_again(draft, task, problems, avoid=(attempt.agent,))
    elif otherwise == "fail" or work.redundancy is not None:
        give_up(draft, task, problems[0])
    else:
        title = f"Review the result of {task}: {problems[0].message}"
        draft.emit(e.TaskWaiting(at=draft.now, task=task, for_="review", title=title, candidate=output))


def _after_loss(draft: Draft, task: TaskId, attempt: Attempt, problem: Problem, *, retryable: bool) -> None:
    if attempt.want.purpose == "diagnose":
        try_again(draft, task, last_rejected(draft, task).problems)
    elif retryable:
        try_again(draft, task, (problem,))
    else:
        give_up(draft, task, problem)


def _vote(draft: Draft, task: TaskId) -> None:
    """Take the output that enough copies agree on; ask for another one where those under way cannot agree."""
    redundancy = work_of(draft.run, task).redundancy
    assert redundancy is not None  # noqa: S101 - narrowed by the caller
    voters, votes = _votes(draft, task)
    leading, count = votes.most_common(1)[0]
    if count >= redundancy.agree:
        chosen, output = next(one for one in voters if draft.values.ballot(one[1]) == leading)
        _complete(draft, task, chosen.number, output, chosen.confidence)
    elif not _may_agree(draft, task):
        problem = Problem("ACC423", f"{len(voters)} copies gave {len(votes)} different results")
        try_again(draft, task, (problem,), avoid=tuple(one.agent for one, _ in voters))


def _votes(draft: Draft, task: TaskId) -> tuple[list[tuple[Attempt, Document]], Counter[Digest]]:
    """The copies of the present option that have succeeded with their outputs, and how many there are of each."""
    option = _option(draft, task)
    voters = [
        (one, one.output)
        for one in draft.run.state(task).current()
        if one.phase == "succeeded" and one.output is not None and one.want.option == option
    ]
    return voters, Counter(draft.values.ballot(output) for _, output in voters)


def _may_agree(draft: Draft, task: TaskId) -> bool:
    """Whether the copies under way may still make enough results equal; never where there is no redundancy."""
    redundancy = work_of(draft.run, task).redundancy
    if redundancy is None:
        return False
    state = draft.run.state(task)
    pending = len(state.wants) + sum(one.live for one in state.current())
    return max(_votes(draft, task)[1].values(), default=0) + pending >= redundancy.agree


def _live(draft: Draft, task: TaskId, number: int) -> Attempt:
    attempt = draft.run.attempt(task, number)
    if attempt is None or not attempt.live:
        raise TransitionRefused.of("ACC408", f"attempt {number} of task {task} is not under way")
    return attempt


def last_rejected(draft: Draft, task: TaskId) -> Attempt:
    """The last attempt whose result was rejected; there is one."""
    rejected = [one for one in draft.run.state(task).attempts if one.phase == "rejected" and one.want.purpose == "work"]
    return rejected[-1]


def _option(draft: Draft, task: TaskId) -> int:
    state = draft.run.state(task)
    options = [want.option for want in state.wants] + [one.want.option for one in state.current()]
    return max(options, default=0)


def _used(draft: Draft, task: TaskId) -> tuple[int, int, Document]:
    """The present option, how many attempts it has had or is to have, and their input."""
    option = _option(draft, task)
    state = draft.run.state(task)
    wants = [*(one.want for one in state.current()), *state.wants]
    worked = [want for want in wants if want.purpose == "work" and want.option == option]
    return option, len(worked), worked[0].input
