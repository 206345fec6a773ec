"""`accord runs explain` and `accord runs diff`: why a run is where it is, and where two runs parted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from rich.text import Text

from accord.cli.finding import find_run
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, between, clean, moment, run_text, shortened, state_text
from accord.cli.session import answered
from accord.cli.tables import Column
from accord.domain.causes import Cause
from accord.domain.difference import Difference
from accord.domain.duration import duration_words
from accord.domain.timeline import SpanKind
from accord.service import Service
from accord.views.explain import Explanation, Waits, explanation
from accord.views.run_diff import RunsDiff, Side, TaskPair, runs_diff
from accord.views.timeline import StepDocument

# -- explain -----------------------------------------------------------------------------------------------------


def explain_run(shared: Shared, reference: str, task: str | None) -> None:
    """Carry out `accord runs explain`."""

    async def ask(service: Service) -> Explanation:
        return await explanation(service, await find_run(service, reference), task)

    answered(shared, ask, _show)


def _show(found: Explanation, screen: Screen) -> None:
    about = Text.assemble(run_text(found.run), f" {found.task}" if found.task else "")
    screen.line(Text.assemble(state_text(found.state), "  ", about, (f"  {found.template}", "quiet")))
    screen.line(clean(found.summary))
    if found.causes:
        screen.heading("why")
        for cause in found.causes:
            _show_cause(cause, screen)
    if found.waits:
        screen.heading("what it waits for")
        for one in found.waits:
            _show_wait(one, screen)
        if found.more:
            screen.line(f"  and {found.more} more", "quiet")
    if found.critical:
        screen.heading("where the time went")
        spent = sorted(found.critical_s.items(), key=lambda one: -one[1])
        screen.line("  " + ", ".join(f"{_doing(kind)} {duration_words(took)}" for kind, took in spent))
        rows = [_step_row(one) for one in found.critical]
        screen.table(("critical path", Column("from", spare=1), "of the run", "with"), rows)
    if found.next is not None:
        screen.line()
        screen.line(clean(f"next by itself: {found.next.words}, at {moment(found.next.at)}"))
    if found.advice:
        screen.heading("what to try")
        advice = [(Text(one.command, "name"), Text(one.why, "quiet")) for one in found.advice]
        screen.table(("command", "what for"), advice)


_DEPTHS: Final[Mapping[str, int]] = {"run": 0, "person": 0, "task": 1, "undo": 1, "subrun": 2, "mapping": 2, "item": 2}


def _show_cause(cause: Cause, screen: Screen) -> None:
    depth = _DEPTHS.get(cause.kind, 3 if cause.task is not None and "[" in cause.task else 2)
    is_elsewhere = cause.run is not None and cause.kind != "subrun"
    indent = "  " * (depth + 1 + 2 * is_elsewhere)
    event = f"  event {cause.event}" if cause.event is not None else ""
    where = f" of {cause.run}" if is_elsewhere else ""
    screen.line(Text.assemble(indent, clean(cause.words), (event + where, "quiet")))
    if cause.problem is not None and cause.problem.hint:
        screen.line(Text.assemble(indent, ("→ ", "hint"), clean(cause.problem.hint)))


def _step_row(one: StepDocument) -> tuple[str, ...]:
    of_run = duration_words(one.of_run_s) if one.of_run_s is not None else ""
    kinds = ", ".join(f"{_doing(kind)} {duration_words(spent)}" for kind, spent in one.kinds_s.items())
    return str(one.item or one.task), f"+{duration_words(one.from_s)}", of_run, kinds


def _doing(kind: SpanKind) -> str:
    return "at the agent" if kind == "assigned" else kind.replace("_", " ")


def _show_wait(one: Waits, screen: Screen) -> None:
    since = f"  for {between(one.since, None)}" if one.since is not None else ""
    until = f", until {moment(one.until)}" if one.until is not None else ""
    screen.line(Text.assemble("  ", clean(one.words), (since + until, "quiet")))
    for agent in one.who:
        ends = f", until {moment(agent.until)}" if agent.until is not None else ""
        screen.line(Text.assemble("    ", clean(agent.words), (ends, "quiet")))
    if one.kind == "agent" and not one.who:
        screen.line("    nobody has ever offered that here")


# -- diff --------------------------------------------------------------------------------------------------------


def diff_runs(shared: Shared, before: str, after: str) -> None:
    """Carry out `accord runs diff`."""

    async def ask(service: Service) -> RunsDiff:
        return await runs_diff(service, await find_run(service, before), await find_run(service, after))

    answered(shared, ask, _show_diff)


def _show_diff(found: RunsDiff, screen: Screen) -> None:
    columns = ("", "run", "state", "template", Column("took", spare=1), "attempts", "cost")
    screen.table(columns, [_side_row("first", found.before), _side_row("second", found.after)])
    if found.shared is not None:
        screen.line(clean(_fork_words(found)), "quiet")
    if found.given:
        screen.heading("what they were given")
        for given in found.given:
            screen.line(clean(f"  {given.words}"))
            _show_differences(given.differences, screen)
    parted = [one for one in found.tasks if one.parted is not None]
    if parted:
        screen.heading("where they parted")
        for one in parted:
            _show_parting(one, screen)
    if found.same:
        screen.line("Both have done the same: only times and costs may differ.")
    rows = [_pair_row(one) for one in found.tasks if one.took_s[0] != one.took_s[1] or one.cost[0] != one.cost[1]]
    if rows:
        screen.heading("what it took")
        screen.table(("task", "state", "agent", "attempts", "took", "cost"), rows)


def _fork_words(found: RunsDiff) -> str:
    first, second = ("second", "first") if found.origin == found.after.run else ("first", "second")
    taken = f"taken over: {', '.join(found.taken_over)}" if found.taken_over else "nothing was taken over"
    return f"the {second} was forked from the {first} as of its event {found.shared}; {taken}"


def _side_row(name: str, side: Side) -> tuple[str | Text, ...]:
    state, took = state_text(side.state), duration_words(side.took_s)
    return name, run_text(side.run), state, side.template, took, str(side.attempts), side.cost


def _show_parting(one: TaskPair, screen: Screen) -> None:
    assert one.parted is not None  # noqa: S101 - the caller has chosen those
    at = " / ".join("none" if event is None else str(event) for event in (one.parted.before, one.parted.after))
    words = one.parted.words if one.parted.words.startswith(f"{one.task}:") else f"{one.task}: {one.parted.words}"
    screen.line(Text.assemble("  ", clean(words), (f"  (event {at})", "quiet")))
    _show_differences(one.parted.differences, screen)


def _show_differences(found: tuple[Difference, ...], screen: Screen) -> None:
    for one in found:
        place = one.pointer or "the whole value"
        screen.line(Text.assemble("    ", (clean(place), "name"), f"  {_value(one.before)} → {_value(one.after)}"))


def _value(value: Any) -> str:
    if value is msgspec.UNSET:
        return "nothing"
    return shortened(clean(msgspec.json.encode(value).decode()), 60)


def _pair_row(one: TaskPair) -> tuple[str, ...]:
    return one.task, *(" → ".join(_both(pair)) for pair in _pairs(one))


def _pairs(one: TaskPair) -> Iterator[tuple[str, str]]:
    yield one.states
    yield _names(one.agents[0]), _names(one.agents[1])
    yield str(one.attempts[0]), str(one.attempts[1])
    yield _seconds(one.took_s[0]), _seconds(one.took_s[1])
    yield one.cost[0] or "", one.cost[1] or ""


def _both(pair: tuple[str, str]) -> tuple[str, ...]:
    return pair[:1] if pair[0] == pair[1] else pair


def _names(agents: tuple[Any, ...]) -> str:
    return ", ".join(map(agent_name, agents))


def _seconds(took: float | None) -> str:
    return "" if took is None else duration_words(took)
