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
from accord.domain.ids import AgentId, TaskId
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
        fall_back(draft, command.task, command.problems[0])


def accept(draft: Draft, command: c.Accept) -> None:
    """The agent has begun."""
    attempt = _live(draft, command.task, command.attempt)
    if attempt.phase == "assigned":
        draft.emit(e.AttemptAccepted(at=draft.now, task=command.task, attempt=command.attempt))


def deliver(draft: Draft, command: c.Deliver) -> None:
    """Take a result, or act on what is wrong with it."""
    attempt = _live(draft, command.task, command.attempt)
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
        _after_rejection(draft, command, attempt)
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
        _vote(draft, command.task, command)


def diagnose(draft: Draft, command: c.Diagnose) -> None:
    """Follow the verdict of a diagnostic agent."""
    task = command.task
    _live(draft, task, command.attempt)
    broken = _last_rejected(draft, task)
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
        _complete(draft, task, command.attempt, command.repaired, command.confidence)
    elif command.verdict == "retry":
        try_again(draft, task, broken.problems, agent=broken.agent, wait=False)
    elif command.verdict == "reassign":
        try_again(draft, task, broken.problems, avoid=(broken.agent,), wait=False)
    else:
        cause = broken.problems[0]
        text = f"{cause.message}; diagnosis: {command.explanation or 'none'}"
        fall_back(draft, task, Problem(cause.code, text, cause.place, cause.hint))


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
    """The run that does a task has ended."""
    state = draft.run.state(command.task)
    if state.phase != "active" or state.subrun != command.run:
        return
    if command.problem is not None:
        fail_task(draft, command.task, command.problem)
    else:
        draft.emit(e.TaskCompleted(at=draft.now, task=command.task, output=command.output, by=command.run))


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
        fall_back(draft, task, problems[0])
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
            reason=f"attempt {used + 1} of {work.retry.attempts}: {problems[0].message}",
        )
    )


def fall_back(draft: Draft, task: TaskId, problem: Problem) -> None:
    """Go on with the task's next option; with none left, the task fails."""
    stop_attempts(draft, task, "another way is tried")
    options = work_of(draft.run, task).options
    following = _option(draft, task) + 1
    if following >= len(options):
        fail_task(draft, task, problem)
        return
    error = {"code": problem.code, "message": problem.message}
    try:
        value = evaluated(options[following].binding, {**scope_of(draft, task), "error": error}, draft.values)
    except ExpressionInvalid as invalid:
        fail_task(draft, task, mapping_problem(task, invalid))
        return
    if options[following].capability is None:
        draft.emit(e.TaskCompleted(at=draft.now, task=task, output=value, by="fallback"))
    else:
        draft.emit(
            e.AttemptWanted(
                at=draft.now, task=task, input=value, option=following, reason=f"fallback: {problem.message}"
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


def _after_rejection(draft: Draft, command: c.Deliver, attempt: Attempt) -> None:
    task, problems = command.task, draft.run.state(command.task).attempts[command.attempt - 1].problems
    work = work_of(draft.run, task)
    if attempt.want.purpose == "diagnose":
        try_again(draft, task, _last_rejected(draft, task).problems)
    elif problems[0].code == UNSURE:
        _after_doubt(draft, task, attempt, command.output, problems)
    elif work.diagnose and command.diagnosis is not None:
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
    rule = work_of(draft.run, task).confidence
    otherwise = rule.otherwise if rule else "retry"
    if otherwise == "retry":
        try_again(draft, task, problems)
    elif otherwise == "other_agent":
        try_again(draft, task, problems, avoid=(attempt.agent,))
    elif otherwise == "fail":
        fall_back(draft, task, problems[0])
    else:
        stop_attempts(draft, task, "the result is reviewed")
        title = f"Review the result of {task}: {problems[0].message}"
        draft.emit(e.TaskWaiting(at=draft.now, task=task, for_="review", title=title, candidate=output))


def _after_loss(draft: Draft, task: TaskId, attempt: Attempt, problem: Problem, *, retryable: bool) -> None:
    if attempt.want.purpose == "diagnose":
        try_again(draft, task, _last_rejected(draft, task).problems)
    elif retryable:
        try_again(draft, task, (problem,))
    else:
        fall_back(draft, task, problem)


def _vote(draft: Draft, task: TaskId, command: c.Deliver) -> None:
    """Take the output that enough copies agree on; ask for one more copy while agreement is still possible."""
    redundancy = work_of(draft.run, task).redundancy
    assert redundancy is not None  # noqa: S101 - narrowed by the caller
    state = draft.run.state(task)
    voters = [one for one in state.current() if one.phase == "succeeded" and one.want.purpose == "work"]
    votes = Counter(draft.values.ballot(one.output) for one in voters if one.output is not None)
    leading, count = votes.most_common(1)[0]
    if count >= redundancy.agree:
        chosen = next(one for one in voters if one.output and draft.values.ballot(one.output) == leading)
        assert chosen.output is not None  # noqa: S101 - it has voted
        _complete(draft, task, chosen.number, chosen.output, chosen.confidence)
        return
    pending = len(state.wants) + sum(one.live for one in state.current())
    if count + pending < redundancy.agree:
        problem = Problem("ACC423", f"{len(voters)} copies gave {len(votes)} different results")
        try_again(draft, task, (problem,), avoid=tuple(one.agent for one in voters))


def _live(draft: Draft, task: TaskId, number: int) -> Attempt:
    attempt = draft.run.attempt(task, number)
    if attempt is None or not attempt.live:
        raise TransitionRefused.of("ACC408", f"attempt {number} of task {task} is not under way")
    return attempt


def _last_rejected(draft: Draft, task: TaskId) -> Attempt:
    rejected = [one for one in draft.run.state(task).attempts if one.phase == "rejected" and one.want.purpose == "work"]
    return rejected[-1]


def _option(draft: Draft, task: TaskId) -> int:
    state = draft.run.state(task)
    options = [want.option for want in state.wants] + [one.want.option for one in state.current()]
    return max(options, default=0)


def _used(draft: Draft, task: TaskId) -> tuple[int, int, Document]:
    """The present option, how many attempts it has had, and their input."""
    option = _option(draft, task)
    worked = [
        one for one in draft.run.state(task).current() if one.want.purpose == "work" and one.want.option == option
    ]
    return option, len(worked), worked[0].want.input
