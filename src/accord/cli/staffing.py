"""Who is missing: tasks that no agent here can do, found before anybody waits for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from accord.cli.errors import usage
from accord.cli.options import Shared
from accord.cli.output import Screen
from accord.domain.capability import CapabilityRange
from accord.domain.graph import UNDO, Graph, Subrun, Task, Work
from accord.domain.ids import TaskId
from accord.domain.machine import SETTLED
from accord.domain.state import Run, TaskState
from accord.errors import AccordError, NotFound, TransitionRefused
from accord.service import Service, newest

Missing = tuple[TaskId, CapabilityRange]
"""A task, and the capability that it needs; of what is missing, nobody here offers it."""

TOLD_MOST = 5


async def of_graphs(service: Service, graphs: Iterable[Graph]) -> list[Missing]:
    """The tasks of these graphs that nobody here can do."""
    return await _missing(service, [pair for graph in graphs for pair in _of_graph(graph)])


async def of_run(service: Service, run: Run) -> list[Missing]:
    """The tasks that a run has yet to do, those of the runs that it starts included, and that nobody here can do."""
    return await _missing(service, await _of_run(service, run))


async def _missing(service: Service, wanted: list[Missing]) -> list[Missing]:
    offered = {capability: await _is_offered(service, capability) for _, capability in wanted}
    return [(task, capability) for task, capability in wanted if not offered[capability]]


async def _is_offered(service: Service, capability: CapabilityRange) -> bool:
    return any(known.capacity is not None for known in await service.agents(capability))


async def _of_run(service: Service, run: Run) -> list[Missing]:
    wanted = [*_open(run)]
    for name in run.graph.order:
        action, state = run.graph.tasks[name].action, run.state(name)
        if isinstance(action, Subrun) and state.phase not in SETTLED:
            below = await _begun(service, state)
            if below is None:
                graphs = await _graphs_below(service, action)
                wanted.extend(pair for graph in graphs for pair in _of_graph(graph))
            else:
                wanted.extend(await _of_run(service, below))
    return wanted


async def _begun(service: Service, state: TaskState) -> Run | None:
    """The run that does a task; None where it has not begun, though it may be asked for."""
    if state.subrun is None:
        return None
    try:
        return await service.run(state.subrun)
    except NotFound:
        return None


def refuse(missing: list[Missing], shared: Shared, screen: Screen, *, again: str = "", taken: str = "") -> None:
    """Nothing where somebody is here for every task, or `--wait` was given: then who is waited for is said.

    Raises:
        BadInput: ACC918, with the tasks and their capabilities; `again` is the command that goes on.
        TransitionRefused: as that, where something was changed already, which `taken` says.
    """
    if not missing:
        return
    told = _told(missing)
    if shared.waits:
        screen.note(f"No agent here offers {told}: what needs it waits until one comes.", "yellow")
        return
    if shared.server() is not None:
        hint = "start an agent beside the server that offers it, or wait with --wait for one that joins later"
        raise _refusal(taken, f"no agent of the server offers {told}", hint)
    first = f"{again} --agents MODULE|FILE" if again else "--agents MODULE|FILE"
    hint = f"give the agents with {first}, or wait with --wait for agents that join later"
    raise _refusal(taken, f"no agent here offers {told}", hint)


def _refusal(taken: str, why: str, hint: str) -> AccordError:
    return TransitionRefused.of("ACC918", f"{taken}, but {why}", hint=hint) if taken else usage("ACC918", why, hint)


def _told(missing: list[Missing]) -> str:
    """`gate.pass@^1 (tasks before, gated)`."""
    tasks: dict[str, list[str]] = {}
    for task, capability in missing:
        names = tasks.setdefault(str(capability), [])
        if task not in names:
            names.append(task)
    return ", ".join(f"{capability} ({_named(names)})" for capability, names in sorted(tasks.items()))


def _named(names: list[str]) -> str:
    more = f" and {len(names) - TOLD_MOST} more" if len(names) > TOLD_MOST else ""
    return f"task{'s' if len(names) > 1 else ''} {', '.join(names[:TOLD_MOST])}{more}"


def _of_graph(graph: Graph) -> Iterator[Missing]:
    for name in graph.order:
        yield from _of_task(graph.tasks[name], 0)


def _open(run: Run) -> Iterator[Missing]:
    """What a run needs until it ends; one that ends early needs only what undoes."""
    if run.phase in ("running", "rolling_back"):
        for name in run.graph.order:
            state = run.state(name)
            if state.phase not in SETTLED and state.waiting is None:
                yield from _of_task(run.graph.tasks[name], _option(state))
    for name in run.busy:
        undo = run.graph.task(name).compensate if name.startswith(UNDO) else None
        if undo is not None and undo.capability is not None:
            yield name, undo.capability


def _option(state: TaskState) -> int:
    """The option that a task has come to."""
    wanted = [want.option for want in state.wants] or [attempt.want.option for attempt in state.attempts[-1:]]
    return max(wanted, default=0)


def _of_task(task: Task, option: int) -> Iterator[Missing]:
    if isinstance(task.action, Work):
        capability = task.action.options[option].capability
        if capability is not None:
            yield task.id, capability


async def _graphs_below(service: Service, action: Subrun) -> list[Graph]:
    """The graph of a run that has yet to start, and those of the runs that it will start."""
    graph = await service.graph(newest(await service.templates(), action.template).digest)
    below = [task.action for task in graph.tasks.values() if isinstance(task.action, Subrun)]
    return [graph, *[inner for one in below for inner in await _graphs_below(service, one)]]
