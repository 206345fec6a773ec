"""How attempts begin and end, and what follows: a vote, a diagnosis, a review, the task's output; or recourse."""

from __future__ import annotations

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.document import Document
from accord.domain.draft import Draft
from accord.domain.fault import RESENDS, Fault, classify
from accord.domain.flow import made_labels
from accord.domain.graph import Work, undone_id
from accord.domain.ids import TaskId
from accord.domain.labels import told
from accord.domain.mapping import placed
from accord.domain.progress import stop_attempts, work_of
from accord.domain.recourse import (
    OVERPRICED,
    UNSURE,
    fall_back,
    fault_of,
    give_up,
    last_rejected,
    may_agree,
    stop_asking,
    try_again,
    votes,
)
from accord.domain.run import Attempt
from accord.errors import Problem, TransitionRefused


def assign(draft: Draft, command: c.Assign) -> None:
    """Give a wanted attempt to an agent."""
    run = draft.run
    if run.paused:
        raise TransitionRefused.of("ACC407", "the run is paused: nothing is assigned", hint="accord runs resume")
    if run.spent_all and undone_id(command.task) is None:
        raise TransitionRefused.of(
            "ACC426", "the run's budget is spent: nothing is assigned", hint="accord runs budget"
        )
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
            grounds=command.grounds,
            policy=command.policy,
            cut=command.cut,
        )
    )


def refuse_input(draft: Draft, command: c.RefuseInput) -> None:
    """What the expressions made breaks the contract: the template is at fault, trying again would not help."""
    task = command.task
    if not draft.run.state(task).wants:
        return
    problems, fault = tuple(placed(draft.run, task, command.option, one) for one in command.problems), classify("input")
    draft.emit(
        e.InputRefused(
            at=draft.now,
            task=task,
            option=command.option,
            capability=command.capability,
            contract=command.contract,
            problems=problems,
            fault=fault,
        )
    )
    fall_back(draft, task, problems[0], fault)


def not_assigned(draft: Draft, command: c.GiveUp) -> None:
    """What was wanted can be given to nobody, for a reason that is nobody's fault here."""
    if draft.run.state(command.task).wants:
        fall_back(draft, command.task, command.problem)


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
    work = work_of(draft.run, command.task)
    problems = command.problems or _unsure(work, command.confidence)
    if problems:
        fault = fault_of(draft.run, command.task, attempt, "output", problems[0])
        draft.emit(
            e.AttemptRejected(
                at=draft.now,
                task=command.task,
                attempt=command.attempt,
                statement=command.statement,
                output=command.output,
                fault=fault,
                problems=problems,
                confidence=command.confidence,
                cost=command.cost,
                labels=command.labels,
            )
        )
        _after_rejection(draft, command, attempt, problems, fault)
        return
    draft.emit(
        e.AttemptSucceeded(
            at=draft.now,
            task=command.task,
            attempt=command.attempt,
            statement=command.statement,
            output=command.output,
            confidence=command.confidence,
            cost=command.cost,
            labels=command.labels,
        )
    )
    if command.declassifies is not None:
        _declassify(draft, command, attempt, command.declassifies)
    if work.redundancy is None:
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
            cost=command.cost,
            labels=command.labels,
        )
    )
    if command.verdict == "repaired" and command.repaired is not None:
        _take_repaired(draft, command, broken, command.repaired)
    elif broken.fault == "contract" and command.verdict != "fail":
        stop_asking(draft, task, broken, _explained(broken, command))
    elif command.verdict == "retry":
        try_again(draft, task, _advised(broken, command), agent=broken.agent, wait=False)
    elif command.verdict == "reassign":
        try_again(draft, task, _advised(broken, command), avoid=(broken.agent,), wait=False)
    else:
        fall_back(draft, task, _explained(broken, command))


def _explained(broken: Attempt, command: c.Diagnose) -> Problem:
    """What was wrong, and what the diagnosis says of it."""
    cause = broken.problems[0]
    text = f"{cause.message}; diagnosis: {command.explanation or 'none'}"
    return Problem(cause.code, text, cause.place, cause.hint)


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
    """The agent could not do it, or refuses to: try again, let another agent do it, or go another way."""
    attempt = _live(draft, command.task, command.attempt)
    fault = fault_of(draft.run, command.task, attempt, "refusal", command.problem) if command.refuses else None
    draft.emit(
        e.AttemptFailed(
            at=draft.now,
            task=command.task,
            attempt=command.attempt,
            problem=command.problem,
            statement=command.statement,
            retryable=command.retryable,
            fault=fault,
            cost=command.cost,
        )
    )
    if fault is None or attempt.want.purpose == "diagnose":
        _after_loss(draft, command.task, attempt, command.problem, retryable=command.retryable)
    elif fault == "contract":
        stop_asking(draft, command.task, attempt, command.problem)
    else:
        _after_refusal(draft, command, attempt)


def damage(draft: Draft, command: c.Damage) -> None:
    """An answer was damaged on the way: the agent is asked for it again, some times. Then only the lease decides, for a
    good answer may still come.
    """
    attempt = _live(draft, command.task, command.attempt)
    if attempt.damaged < RESENDS:
        draft.emit(
            e.AttemptDamaged(
                at=draft.now,
                task=command.task,
                attempt=command.attempt,
                problem=command.problem,
                fault=classify("payload"),
            )
        )


def bar(draft: Draft, command: c.Bar) -> None:
    """Take the attempt back from an agent that may not do it any more; somebody else who may gets the task."""
    attempt = _live(draft, command.task, command.attempt)
    reason = command.problem.message
    draft.emit(e.AttemptCancelled(at=draft.now, task=command.task, attempt=attempt.number, reason=reason))
    _after_loss(draft, command.task, attempt, command.problem, retryable=True)


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
    damaged = "; its answer was damaged on the way" if attempt.damaged else ""
    problem = Problem("ACC422", f"{_EXPIRED[cause]} ({attempt.agent}){damaged}")
    _after_loss(draft, task, attempt, problem, retryable=True)


# -- what comes next ----------------------------------------------------------------------------------------------


def _complete(draft: Draft, task: TaskId, attempt: int, output: Document, confidence: float | None) -> None:
    stop_attempts(draft, task, "the task is completed")
    draft.emit(e.TaskCompleted(at=draft.now, task=task, output=output, attempt=attempt, confidence=confidence))


def _declassify(draft: Draft, command: c.Deliver, attempt: Attempt, permitted: c.Permitted) -> None:
    """Take away what the template lets the task take away; what its labels were is told with it."""
    wanted = draft.run.graph.task(command.task).declassify
    if wanted is None:
        raise TransitionRefused.of("ACC691", f"task {command.task} declassifies nothing")
    before = made_labels(draft.run, command.task, attempt.number)
    draft.emit(
        e.TaskDeclassified(
            at=draft.now,
            task=command.task,
            attempt=attempt.number,
            by=attempt.agent,
            before=told(before),
            labels=told(wanted.of(before)),
            why=wanted.why,
            policy=permitted.policy,
        )
    )


def _unsure(work: Work, confidence: float | None) -> tuple[Problem, ...]:
    rule = work.confidence
    if rule is None or (confidence or 0.0) >= rule.at_least:
        return ()
    said = "no confidence" if confidence is None else f"a confidence of {confidence:g}"
    return (Problem(UNSURE, f"the result has {said}, {rule.at_least:g} is asked for"),)


def _after_rejection(
    draft: Draft, command: c.Deliver, attempt: Attempt, problems: tuple[Problem, ...], fault: Fault
) -> None:
    task = command.task
    work = work_of(draft.run, task)
    if attempt.want.purpose == "diagnose":
        _go_on_undiagnosed(draft, task)
    elif problems[0].code == UNSURE:
        _after_doubt(draft, task, attempt, command.output, problems)
    elif problems[0].code == OVERPRICED:
        try_again(draft, task, problems, avoid=(attempt.agent,))
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
    elif fault == "contract":
        stop_asking(draft, task, attempt, problems[0])
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


def _after_refusal(draft: Draft, command: c.Fail, attempt: Attempt) -> None:
    """An agent refuses an input that keeps the contract: another one may take it."""
    task, problem = command.task, command.problem
    if command.peers:
        refused = sorted({one.agent for one in draft.run.state(task).current() if one.fault == "consumer"})
        try_again(draft, task, (problem,), avoid=tuple(refused), wait=False)
    else:
        text = f"{problem.message}; yet the input keeps the contract of {attempt.capability}, and nobody else offers it"
        give_up(draft, task, Problem(problem.code, text, problem.place, "start another agent that offers it"))


def _go_on_undiagnosed(draft: Draft, task: TaskId) -> None:
    """There is no diagnosis: do what is done without one."""
    broken = last_rejected(draft, task)
    if broken.fault == "contract":
        stop_asking(draft, task, broken, broken.problems[0])
    else:
        try_again(draft, task, broken.problems)


def _after_loss(draft: Draft, task: TaskId, attempt: Attempt, problem: Problem, *, retryable: bool) -> None:
    if attempt.want.purpose == "diagnose":
        _go_on_undiagnosed(draft, task)
    elif retryable:
        try_again(draft, task, (problem,))
    else:
        give_up(draft, task, problem)


def _vote(draft: Draft, task: TaskId) -> None:
    """Take the output that enough copies agree on; ask for another one where those under way cannot agree."""
    redundancy = work_of(draft.run, task).redundancy
    assert redundancy is not None  # noqa: S101 - narrowed by the caller
    voters, counted = votes(draft, task)
    leading, count = counted.most_common(1)[0]
    if count >= redundancy.agree:
        chosen, output = next(one for one in voters if draft.values.ballot(one[1]) == leading)
        _complete(draft, task, chosen.number, output, chosen.confidence)
    elif not may_agree(draft, task):
        problem = Problem("ACC423", f"{len(voters)} copies gave {len(counted)} different results")
        try_again(draft, task, (problem,), avoid=tuple(one.agent for one, _ in voters))


def _live(draft: Draft, task: TaskId, number: int) -> Attempt:
    attempt = draft.run.attempt(task, number)
    if attempt is None or not attempt.live:
        raise TransitionRefused.of("ACC408", f"attempt {number} of task {task} is not under way")
    return attempt
