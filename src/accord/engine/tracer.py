"""The tracer: makes the spans of runs, from their events as these are committed and from what is measured on the way.

All ids come from names (see `domain.trace`), so whichever process commits an event makes the span of it, at its right
place; what a process that dies has not told is not told. Nothing waits here, and nothing is done while it is off.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from accord.domain import event as e
from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId, split_item
from accord.domain.message import Claims
from accord.domain.run import Attempt, Run
from accord.domain.trace import TraceContext, read_traceparent, span_id, trace_of
from accord.engine.ledger import Committed
from accord.errors import AccordError
from accord.ports import Clock, ModelCall, Span, Spans

logger = logging.getLogger("accord.tracer")

ROUTES_MAX: Final = 10_000
"""Choices of agents that are remembered until their assignments are committed."""

Attributes = dict[str, str | int | bool]

_read = lru_cache(4096)(read_traceparent)


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What the gate has said of a message."""

    word: Literal["accepted", "rejected", "late", "refused"]
    code: str = ""


class _Route(msgspec.Struct, frozen=True, gc=False):
    began: datetime
    ended: datetime


class Planning(msgspec.Struct):
    """A plan that is being made."""

    template: str = ""
    """What it runs, once that is known."""
    calls: Sequence[ModelCall] = ()
    """How a language model is asked for it; it may grow meanwhile."""


_NOWHERE: Final = TraceContext("", "")


@contextmanager
def _harmless() -> Iterator[None]:
    """A fault of ours in here is told, and nothing else comes of it: what is told of is durable, and goes on."""
    try:
        yield
    except Exception:
        logger.exception("spans are missing because of a fault of Accord's")


class Tracer:
    """Tells the spans of runs that are sampled."""

    def __init__(self, spans: Spans | None, clock: Clock) -> None:
        self._spans = spans
        self._clock = clock
        self._routing: datetime | None = None
        self._routes: dict[LeaseToken, _Route] = {}
        self.on: Final = spans is not None
        """Whether anything is told."""

    # -- where a run's trace is ----------------------------------------------------------------------------------

    def trace_for(self, run: RunId, given: str) -> str:
        """The `trace` of a new run's first event: the caller's, where it gave one, else its own."""
        caller = read_traceparent(given) if given else None
        if caller is not None:
            return str(caller)
        return "" if self._spans is None else str(trace_of(run, self._spans.ratio))

    def trace_of_subrun(self, run: RunId, parent: Run) -> str:
        """The `trace` of a run that does a task of this one: its own, sampled where that one is."""
        context = _read(parent.started.trace)
        return "" if context is None else str(trace_of(run, 1.0 if context.sampled else 0.0))

    def link_to(self, run: Run, task: TaskId | None = None) -> str:
        """What another run says that comes of this one, or of a task of it; empty where this one is not traced."""
        context = _read(run.started.trace)
        if context is None:
            return ""
        return str(context.at(span_id("run", run.id) if task is None else _task_span(run, task)))

    def _sampled(self, run: Run) -> TraceContext | None:
        """The run's trace, where it is told here."""
        context = _read(run.started.trace) if self.on and run.started.trace else None
        return context if context is not None and context.sampled else None

    # -- what is measured ----------------------------------------------------------------------------------------

    def planned(self, run: Run, began: datetime, ended: datetime, calls: Sequence[ModelCall] = ()) -> None:
        """The run was planned meanwhile, and a language model was asked for it like this."""
        self._tell_of_run(run, "plan", began, ended, {"gen_ai.operation.name": "plan"})
        context = self._sampled(run)
        if context is not None:
            self._tell_of_calls(context.at(span_id("plan", run.id)), calls)

    @contextmanager
    def planning(self, plan: str, caller: str = "") -> Iterator[Planning]:
        """A plan is made that nothing is started of; `plan` names it, and it hangs where the caller's `traceparent`
        says. What keeps it from being made is told by its code.
        """
        told, began, error = Planning(), self._clock.now(), ""
        try:
            yield told
        except AccordError as why:
            error = why.problems[0].code
            raise
        finally:
            self._tell_of_plan(
                plan,
                read_traceparent(caller),
                told,
                Span(name="plan", at=_NOWHERE, start=began, end=self._clock.now(), error=error),
            )

    def _tell_of_plan(self, plan: str, caller: TraceContext | None, told: Planning, span: Span) -> None:
        if self._spans is None:
            return
        context = caller or trace_of(RunId(plan), self._spans.ratio)
        if context.sampled:
            with _harmless():
                said: Attributes = {"gen_ai.operation.name": "plan"}
                said |= {"gen_ai.workflow.name": told.template} if told.template else {}
                own, parent = context.at(span_id("plan", plan)), caller.span if caller is not None else None
                self._put(replace(span, at=own, parent=parent, attributes=said))
                self._tell_of_calls(own, told.calls)

    def _tell_of_calls(self, plan: TraceContext, calls: Sequence[ModelCall]) -> None:
        for number, call in enumerate(calls):
            said: Attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": call.model,
                "server.address": call.host,
                "server.port": call.port,
            }
            if call.answered_by:
                said["gen_ai.response.model"] = call.answered_by
                said["gen_ai.usage.input_tokens"] = call.input_tokens
                said["gen_ai.usage.output_tokens"] = call.output_tokens
            with _harmless():
                self._put(
                    Span(
                        name=f"chat {call.model}",
                        at=plan.at(span_id("chat", plan.span, str(number))),
                        parent=plan.span,
                        start=call.began,
                        end=call.ended,
                        attributes=said,
                        error=call.error,
                        calls=True,
                    )
                )

    def verified(self, run: Run, began: datetime, ended: datetime) -> None:
        """The run's graph was verified meanwhile."""
        self._tell_of_run(run, "verify", began, ended, {})

    def _tell_of_run(self, run: Run, name: str, began: datetime, ended: datetime, more: Attributes) -> None:
        context = self._sampled(run)
        if context is None:
            return
        with _harmless():
            parent = span_id("run", run.id)
            said: Attributes = {"accord.run.id": run.id, **more}
            at = context.at(span_id(name, run.id))
            self._put(Span(name=name, at=at, parent=parent, start=began, end=ended, attributes=said))

    def routing(self) -> None:
        """From now on an agent is sought."""
        if self.on:
            self._routing = self._clock.now()

    def routed(self, lease: LeaseToken) -> None:
        """The assignment under this lease is made; the next one begins."""
        if self._routing is None:
            return
        now = self._clock.now()
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()  # of batches that were given up
        self._routes[lease] = _Route(self._routing, now)
        self._routing = now

    def judged(self, run: Run, claims: Claims, taken_at: datetime, verdict: Verdict) -> None:
        """The gate has said this of an answer about an attempt of the run."""
        context, attempt = self._sampled(run), run.attempt(claims.task or TaskId(""), claims.attempt or 0)
        if context is None or attempt is None or claims.kind == "progress":
            return
        said: Attributes = {
            "accord.run.id": run.id,
            "accord.task.id": claims.task or "",
            "accord.attempt.number": attempt.number,
            "accord.message.kind": claims.kind,
            "accord.gate.verdict": verdict.word,
        }
        own = span_id("gate", claims.id, taken_at.isoformat())
        parent, now = span_id("attempt", attempt.lease), self._clock.now()
        with _harmless():
            self._put(
                Span(
                    name="gate",
                    at=context.at(own),
                    parent=parent,
                    start=taken_at,
                    end=now,
                    attributes=said,
                    error=verdict.code,
                )
            )

    # -- what was committed --------------------------------------------------------------------------------------

    def committed(self, committed: Sequence[Committed], began: datetime, ended: datetime) -> None:
        """These events are durable."""
        with _harmless():
            for one in committed:
                context = self._sampled(one.run)
                if context is not None and one.events:
                    self._put(_journal(one, context, len(committed), (began, ended)))
                    self._tell_events(one, context)

    def _tell_events(self, one: Committed, context: TraceContext) -> None:
        for event in one.events:
            for span in self._spans_of(one.run, context, event):
                self._put(span)

    def _spans_of(self, run: Run, context: TraceContext, event: e.Event) -> Iterator[Span]:
        if isinstance(event, e.AttemptAssigned):
            yield from self._assigned(run, context, event)
        elif type(event) in _ATTEMPT_ENDS:
            yield _attempt(run, context, event)
        elif type(event) in _TASK_ENDS:
            yield from _task(run, context, event)
        elif type(event) in _RUN_ENDS:
            yield _run(run, context, event)

    def _assigned(self, run: Run, context: TraceContext, event: e.AttemptAssigned) -> Iterator[Span]:
        route, attempt = self._routes.pop(event.lease, None), run.attempt(event.task, event.attempt)
        if attempt is None:
            return
        said, queue = _about(run, event.task, attempt), span_id("queue", event.lease)
        want = attempt.want
        yield Span(
            name="queue",
            at=context.at(queue),
            parent=_task_span(run, event.task, attempt.epoch),
            start=min(max(want.since, want.not_before or want.since), event.at),
            end=event.at,
            attributes={**said, "accord.attempt.purpose": attempt.want.purpose, "accord.capability": event.capability},
        )
        if route is not None:
            yield Span(
                name="route",
                at=context.at(span_id("route", event.lease)),
                parent=queue,
                start=route.began,
                end=route.ended,
                attributes={**said, **agent_attributes(event.agent), **_grounds(event)},
            )

    def _put(self, span: Span) -> None:
        if self._spans is not None:
            self._spans.put(span)


_ATTEMPT_ENDS: Final[Mapping[type, str]] = {
    e.AttemptSucceeded: "succeeded",
    e.AttemptRejected: "rejected",
    e.AttemptFailed: "failed",
    e.AttemptExpired: "expired",
    e.AttemptCancelled: "cancelled",
}
_TASK_ENDS: Final[Mapping[type, str]] = {
    e.TaskCompleted: "completed",
    e.TaskFailed: "failed",
    e.TaskSkipped: "skipped",
    e.TaskCancelled: "cancelled",
}
_RUN_ENDS: Final[Mapping[type, str]] = {
    e.RunCompleted: "completed",
    e.RunFailed: "failed",
    e.RunCancelled: "cancelled",
}
_ERRORS: Final[Mapping[type, Callable[[Any], str]]] = {
    e.AttemptRejected: lambda event: str(event.problems[0].code),
    e.AttemptFailed: lambda event: str(event.problem.code),
    e.AttemptExpired: lambda event: str(event.cause),
    e.TaskFailed: lambda event: str(event.problem.code),
    e.RunFailed: lambda event: str(event.problem.code),
}


def agent_attributes(agent: AgentId) -> Attributes:
    """What spans say of an agent."""
    return {"gen_ai.agent.id": agent, "gen_ai.agent.name": agent.rpartition("/")[2]}


def _about(run: Run, task: TaskId, attempt: Attempt) -> Attributes:
    return {"accord.run.id": run.id, "accord.task.id": task, "accord.attempt.number": attempt.number}


def _grounds(event: e.AttemptAssigned) -> Attributes:
    """What spoke for the agent."""
    why = event.grounds
    if why is None:
        return {}
    return {
        "accord.route.decided": why.decided,
        "accord.route.peers": why.peers,
        "accord.route.compared": why.compared,
    }


def _error(event: e.Event) -> str:
    told = _ERRORS.get(type(event))
    return "" if told is None else told(event)


def _task_span(run: Run, task: TaskId, epoch: int | None = None) -> str:
    return span_id("task", run.id, task, str(run.state(task).epoch if epoch is None else epoch))


def _journal(one: Committed, context: TraceContext, runs: int, when: tuple[datetime, datetime]) -> Span:
    return Span(
        name="journal",
        at=context.at(span_id("journal", one.run.id, str(one.sequence))),
        parent=span_id("run", one.run.id),
        start=when[0],
        end=when[1],
        attributes={
            "accord.run.id": one.run.id,
            "accord.commit.events": len(one.events),
            "accord.commit.runs": runs,
        },
    )


def _attempt(run: Run, context: TraceContext, event: Any) -> Span:
    attempt = run.attempt(event.task, event.attempt)
    assert attempt is not None, "the event has been applied"  # noqa: S101
    agent = agent_attributes(attempt.agent)
    return Span(
        name=f"invoke_agent {agent['gen_ai.agent.name']}",
        at=context.at(span_id("attempt", attempt.lease)),
        parent=_task_span(run, event.task, attempt.epoch),
        start=attempt.assigned_at,
        end=event.at,
        attributes={
            **_about(run, event.task, attempt),
            "accord.attempt.purpose": attempt.want.purpose,
            "accord.attempt.end": _ATTEMPT_ENDS[type(event)],
            "accord.capability": attempt.capability,
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": "accord",
            **agent,
        },
        error=_error(event),
        calls=True,
    )


def _task(run: Run, context: TraceContext, event: Any) -> Iterator[Span]:
    """The task's span; none of one that never began, or that begins anew in the same commit."""
    state, (node, item) = run.state(event.task), split_item(event.task)
    if state.started_at is None or state.started_at > event.at:
        return
    links: tuple[TraceContext, ...] = ()
    if state.subrun is not None:
        links = (trace_of(state.subrun, 1.0),)
    yield Span(
        name=f"task {event.task}",
        at=context.at(_task_span(run, event.task)),
        parent=span_id("run", run.id) if item is None else _task_span(run, node),
        start=state.started_at,
        end=event.at,
        attributes={
            "accord.run.id": run.id,
            "accord.task.id": event.task,
            "accord.task.state": _TASK_ENDS[type(event)],
        },
        error=_error(event),
        links=links,
    )


def _run(run: Run, context: TraceContext, event: e.Event) -> Span:
    started, own = run.started, span_id("run", run.id)
    said: Attributes = {
        "accord.run.id": run.id,
        "accord.run.state": _RUN_ENDS[type(event)],
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": started.template,
    }
    if started.parent is not None:
        said["accord.run.parent"] = started.parent.run
    if started.origin is not None:
        said["accord.run.origin"] = started.origin.run
    linked = read_traceparent(started.linked)
    return Span(
        name=f"invoke_workflow {started.template}",
        at=context.at(own),
        parent=None if context.span == own else context.span,
        start=started.at,
        end=event.at,
        attributes=said,
        error=_error(event),
        links=() if linked is None else (linked,),
    )
