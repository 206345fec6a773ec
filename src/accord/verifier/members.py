"""Members: what it means to others that a member of a template is another one in its new version.

What a template takes and gives is compared by its schemas (`accord.verifier.evolution`), and whether it holds by
verifying it. Here is the rest, member by member: bounds that are tighter fail runs that succeeded, bounds that are
looser fail none; who is waited for, and what is undone, is told. Each member of the language has its rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

import msgspec

from accord.domain import template as t
from accord.domain.duration import parse_duration
from accord.domain.graph import Graph
from accord.domain.ids import TaskId
from accord.domain.schema import pointer_of
from accord.verifier.compatibility import covers

Under: TypeAlias = Literal["any", "deadline", "lists"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What it means that one member is another."""

    pointer: str
    safe: bool | None
    """Whether whoever starts the template gets from it what they got; None where that is not proven."""
    why: str
    under: Under = "any"
    """Where alone it is unsafe: where there is a deadline to be kept, or where there are lists of items."""

    @property
    def words(self) -> str:
        """Where, and what it means."""
        return f"{self.pointer}: {self.why}"


Rule: TypeAlias = Callable[[Any, Any, str], Iterator[Change]]


def changes_of(before: t.Template, after: t.Template, graph: Graph) -> tuple[Change, ...]:
    """What is to be told of the members that differ; `graph` is that of the template `after`."""
    found = tuple(_compared(before, after, "")) + tuple(_of_tasks(before, after, graph))
    holds = {"any": True, "deadline": _is_timed(after), "lists": any(task.for_each for task in after.tasks.values())}
    return tuple(one for one in found if holds[one.under])


def _compared(was: msgspec.Struct, now: msgspec.Struct, at: str) -> Iterator[Change]:
    rules = RULES[type(now)]
    for field in msgspec.structs.fields(now):
        before, after = getattr(was, field.name), getattr(now, field.name)
        if before != after:
            yield from rules[field.name](before, after, f"{at}/{field.encode_name}")


def _of_tasks(before: t.Template, after: t.Template, graph: Graph) -> Iterator[Change]:
    for name, task in after.tasks.items():
        at, was = f"/tasks{pointer_of([name])}", before.tasks.get(name)
        if was is not None:
            yield from _compared(_without_reached(_tried(was, before), name, graph), _tried(task, after), at)
            yield from _asked_when(was, task, at)
        elif task.approval is not None or task.signal is not None:
            yield from _WAITS(None, task, at)


def _without_reached(was: t.TaskSpec, name: str, graph: Graph) -> t.TaskSpec:
    """The task without those needs that it goes on to wait for, by another way in the new graph."""
    if was.join != "all":
        return was
    reached: set[TaskId] = set()
    front = [TaskId(name)]
    while front:
        task = graph.tasks[front.pop()]
        if not task.join.settled and task.join.at_least is None:
            front.extend(need for need in task.needs if need not in reached)
            reached.update(task.needs)
    return msgspec.structs.replace(was, needs=tuple(need for need in was.needs if need not in reached))


def _asked_when(was: t.TaskSpec, now: t.TaskSpec, at: str) -> Iterator[Change]:
    """Whether a person or a signal is waited for under another condition."""
    waits = now.approval is not None or now.signal is not None
    if waits and was.when != now.when:
        yield Change(pointer=f"{at}/when", safe=None, why="it is waited for under another condition")


def _tried(task: t.TaskSpec, template: t.Template) -> t.TaskSpec:
    """The task with the attempts that it has, whoever says so; what nobody attempts has none."""
    retry = (task.retry or template.defaults) if task.uses is not None or task.workflow is not None else None
    return msgspec.structs.replace(task, retry=retry)


def _is_timed(template: t.Template) -> bool:
    return template.limits.deadline is not None or any(task.deadline for task in template.tasks.values())


# -- rules -----------------------------------------------------------------------------------------------------------


def _elsewhere(was: Any, now: Any, at: str) -> Iterator[Change]:
    """It is compared by schemas, verified, or only told to people."""
    yield from ()


def _limit(why: str, *, under: Under = "any", least: bool = False, refuted: bool = False) -> Rule:
    """A bound that may only rise, or with `least` only fall; without one there is no bound. Where it is `refuted` there
    are runs that the tighter one fails for certain.
    """
    none = -math.inf if least else math.inf

    def rule(was: Any, now: Any, at: str) -> Iterator[Change]:
        old, new = (none if one is None else _number(one) for one in (was, now))
        if new > old if least else new < old:
            said = f"it is {_text(now)} in place of {_text(was)}: {why}"
            yield Change(pointer=at, safe=False if refuted else None, why=said, under=under)

    return rule


def _order(*values: Any, why: str) -> Rule:
    """Values from the strictest to the loosest; what is not among them is the strictest."""
    ranks = {value: rank for rank, value in enumerate(values)}

    def rule(was: Any, now: Any, at: str) -> Iterator[Change]:
        if ranks.get(now, 0) < ranks.get(was, 0):
            yield Change(pointer=at, safe=None, why=f"it is {_text(now)} in place of {_text(was)}: {why}")

    return rule


def _part(*, added: str = "", removed: str = "", changed: str = "") -> Rule:
    """A part with members of its own; what is said of one that is new, gone, or another is not proven to be safe."""

    def rule(was: Any, now: Any, at: str) -> Iterator[Change]:
        if was is not None and now is not None and not changed:
            yield from _compared(was, now, at)
        elif said := added if was is None else removed if now is None else changed:
            yield Change(pointer=at, safe=None, why=said)

    return rule


def _fewer(why: str) -> Rule:
    """A collection that must not lose any of its members."""

    def rule(was: Collection[str], now: Collection[str], at: str) -> Iterator[Change]:
        if lost := [one for one in was if one not in now]:
            yield Change(pointer=at, safe=None, why=f"{why}: {', '.join(lost)}")

    return rule


def _more(why: str) -> Rule:
    """A collection that must not get any."""
    lost = _fewer(why)
    return lambda was, now, at: lost(now, was, at)


def _labelled(was: Mapping[str, Collection[str]], now: Mapping[str, Collection[str]], at: str) -> Iterator[Change]:
    for pointer, labels in now.items():
        yield from _MORE_LABELS(was.get(pointer, ()), labels, at + pointer_of([pointer]))


def _answered(was: t.JsonSchema, now: t.JsonSchema, at: str) -> Iterator[Change]:
    """A schema of what somebody answers."""
    if not covers(now, was).proven:
        yield Change(pointer=at, safe=None, why="that every answer that was taken is taken is not proven")


def _joined(was: Any, now: Any, at: str) -> Iterator[Change]:
    """How many needs have to complete: none, some, or all. What needs an approval would begin without it."""
    if _asked_by(now) > _asked_by(was):
        yield Change(pointer=at, safe=None, why="more of what it needs has to complete, or it is skipped")
    else:
        yield Change(pointer=at, safe=None, why="it may begin although something that it needed has not completed")


def _outlived(was: str, now: str, at: str) -> Iterator[Change]:
    """Whether its failure is that of the run, or what needs it begins all the same."""
    why = "its failure is that of the run" if now == "fail" else "what needs it begins although it has failed"
    yield Change(pointer=at, safe=None, why=why)


def _asked_by(join: Any) -> float:
    counts = {"settled": 0.0, "any": 1.0, "all": math.inf}
    return float(join.at_least) if isinstance(join, t.AtLeast) else counts[join]


def _slept(was: str | None, now: str | None, at: str) -> Iterator[Change]:
    old, new = (parse_duration(one or "0s") for one in (was, now))
    if old is None or new is None or new > old:
        yield Change(pointer=at, safe=None, why="it may wait longer", under="deadline")


def _fallbacks(was: tuple[t.FallbackSpec, ...], now: tuple[t.FallbackSpec, ...], at: str) -> Iterator[Change]:
    if [one.uses for one in now[: len(was)]] != [one.uses for one in was]:
        yield Change(pointer=at, safe=None, why="what was done when all attempts have failed is not done any more")


def _agreed(was: t.RedundancySpec | None, now: t.RedundancySpec | None, at: str) -> Iterator[Change]:
    """Copies are agents that have to be there; those that need not agree may fail."""
    if now is None or (was is not None and now.copies == was.copies and now.agree <= was.agree):
        return
    yield Change(pointer=at, safe=None, why=f"{now.agree} of {now.copies} agents have to agree")


def _number(value: Any) -> float:
    """A number, a cost, or a duration."""
    if not isinstance(value, str):
        return float(value)
    length = parse_duration(value)
    return float(value) if length is None else length / timedelta(seconds=1)


def _text(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


_WAITS: Final = _part(added="it waits for a person or a signal, who may never come, or refuse")
_MORE_LABELS: Final = _more("a policy may refuse labels that it did not have")
_LATE: Final = "what takes longer fails"
_LONGER: Final = _limit("what waits takes longer", under="deadline", least=True)
_LESS_AT_ONCE: Final = _limit("less is done at once, and it may take longer", under="deadline")
_FAILS: Final = "what went on fails now"
_CALL: Final[Mapping[str, Rule]] = {"uses": _elsewhere, "with_": _elsewhere}

RULES: Final[Mapping[type[msgspec.Struct], Mapping[str, Rule]]] = {
    t.Template: {
        **dict.fromkeys(("accord", "name", "version", "description", "examples", "suggested"), _elsewhere),
        **dict.fromkeys(("input", "output", "choices", "aggregate"), _elsewhere),
        "labels": _labelled,
        "tasks": _elsewhere,
        "defaults": _elsewhere,
        "limits": _part(),
        "on_failure": _order("stop", "compensate", why="what a failed run has done is not undone any more"),
    },
    t.LimitsSpec: {
        "deadline": _limit(_LATE, refuted=True),
        "parallel": _LESS_AT_ONCE,
        "tasks": _limit("a run with more fails", under="lists"),
        "max_cost": _limit("a run that costs more is stopped", refuted=True),
        "when_spent": _order("fail", "pause", why="a run whose budget is spent fails"),
    },
    t.TaskSpec: {
        **dict.fromkeys(("description", "uses", "workflow", "with_", "when", "for_each"), _elsewhere),
        "approval": _WAITS,
        "signal": _WAITS,
        "sleep": _slept,
        "needs": _fewer("it does not wait any more for what it needed"),
        "join": _joined,
        "parallel": _LESS_AT_ONCE,
        "retry": _part(),
        "timeout": _limit(_LATE, refuted=True),
        "deadline": _limit(_LATE, refuted=True),
        "redundancy": _agreed,
        "confidence": _part(added="a result that its agent is not sure of is not taken any more"),
        "diagnose": _order(False, True, why="a result that breaks its contract is not diagnosed any more"),
        "fallback": _fallbacks,
        "compensate": _part(removed="it is not undone any more"),
        "on_failure": _outlived,
        "context": _part(changed="its agent sees another context"),
        "labels": _MORE_LABELS,
        "declassify": _part(
            added="only who may declassify can do it", changed="what may be declassified, or why, is another"
        ),
        "calls": _part(removed="its agent may not ask for anything any more"),
    },
    t.ApprovalSpec: {
        "title": _elsewhere,
        "form": _answered,
        "timeout": _limit("an answer that takes longer is too late", refuted=True),
        "on_timeout": _order("fail", "skip", why=_FAILS),
        "on_reject": _order("fail", "skip", "continue", why=_FAILS),
    },
    t.SignalSpec: {
        "name": _part(changed="signals of the name that it had do not reach it any more"),
        "schema": _answered,
        "timeout": _limit("a signal that takes longer is too late", refuted=True),
        "on_timeout": _order("fail", "skip", why=_FAILS),
    },
    t.AtLeast: {"at_least": _limit("more has to complete", least=True)},
    t.RetrySpec: {"attempts": _limit("what succeeded later fails"), "backoff": _part()},
    t.BackoffSpec: {
        "first": _LONGER,
        "factor": _LONGER,
        "cap": _LONGER,
        "jitter": _limit("waits are shortened less", under="deadline"),
    },
    t.RedundancySpec: {"copies": _elsewhere, "agree": _elsewhere},
    t.ConfidenceSpec: {
        "at_least": _limit("a result that was sure enough is not any more", least=True),
        "otherwise": _part(changed="something else is done with a result that its agent is not sure of"),
    },
    t.FallbackSpec: {**_CALL, "value": _elsewhere},
    t.Call: _CALL,
    t.DeclassifySpec: dict.fromkeys(("to", "without", "why"), _elsewhere),
    t.CallsSpec: {
        "at_most": _limit("what its agent asks for beyond that is refused"),
        "capabilities": _fewer("its agent may not call any more"),
        "depth": _limit("what is asked for deeper is refused"),
        "objectives": _order(False, True, why="its agent may not say in words what it wants any more"),
    },
    t.ChoiceSpec: {"between": _elsewhere, "takes": _elsewhere},
    t.SuggestedSpec: dict.fromkeys(("model", "asked", "rounds", "input_tokens", "output_tokens", "cost"), _elsewhere),
}
"""The rule of each member of each part of the language."""
