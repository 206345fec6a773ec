"""Lineage across runs: where another run stands behind a value, what stands behind that one is told as well."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from accord.domain.ids import AgentId, KeyId, RunId, TaskId
from accord.domain.lineage import Lineage, lineage_of, lineage_of_tasks, tokens_of
from accord.domain.run import Run
from accord.errors import NotFound
from accord.service import Look, Service
from accord.views.result import value_of

_INDEX: Final = re.compile("0|[1-9][0-9]{0,8}")
"""Of an item, in a JSON pointer (RFC 6901)."""


class LineageDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind a value of a run's output."""

    agents: tuple[AgentId, ...]
    keys: tuple[KeyId, ...]
    lineages: tuple[Lineage, ...]
    """First that of the value itself, then those of the runs that it rests on."""
    gone: tuple[RunId, ...]
    """Runs that it rests on and that are not there any more."""


async def lineage_document(
    service: Service, run: RunId, pointer: str = "", look: Look | None = None
) -> LineageDocument:
    """What stands behind the value at a JSON pointer of the run's output. Raises NotFound where it has no output, or
    nothing there, and what `look` raises of the other runs.
    """
    state = await service.run(run)
    first = lineage_of(state, pointer)
    await _refuse_nothing(service, state, pointer)
    return await _with_others(service, state, first, look)


async def task_lineage(service: Service, run: Run, task: TaskId, look: Look | None = None) -> LineageDocument:
    """What stands behind the output of a task of the run, or of an item of one; raises what `look` raises of the other
    runs.
    """
    return await _with_others(service, run, lineage_of_tasks(run, [task]), look)


async def _with_others(service: Service, state: Run, first: Lineage, look: Look | None) -> LineageDocument:
    """A lineage, and those of the runs that it rests on."""
    found = [first]
    gone: list[RunId] = []
    seen = {state.id}
    open_ = _others(state, first)
    while open_:
        other, until, tasks = open_.pop(0)
        if other in seen:
            continue
        seen.add(other)
        if look is not None:
            await look(other)
        try:
            behind = await service.run(other, until=until)
        except NotFound:
            gone.append(other)
            continue
        found.append(lineage_of_tasks(behind, tasks) if tasks else lineage_of(behind))
        open_ += _others(behind, found[-1])
    return LineageDocument(
        agents=tuple(sorted({agent for one in found for agent in one.agents()})),
        keys=tuple(sorted({key for one in found for key in one.signing_keys()})),
        lineages=tuple(found),
        gone=tuple(gone),
    )


async def _refuse_nothing(service: Service, run: Run, pointer: str) -> None:
    """Raise NotFound where the pointer leads to nothing in the output; of one that was erased nobody can tell."""
    if run.output is None or not pointer or run.erased is not None:
        return
    value = await value_of(service, run.output)
    for token in tokens_of(pointer):
        value = _member(value, token)
        if value is msgspec.UNSET:
            text = f"`{pointer}` leads to nothing in the output of {run.id}"
            raise NotFound.of("ACC857", text, hint=f"accord runs show {run.id} has the output")


def _member(value: Any, token: str) -> Any:
    """What this token of a JSON pointer leads to; UNSET for nothing."""
    if isinstance(value, dict):
        return value.get(token, msgspec.UNSET)
    is_index = isinstance(value, list) and _INDEX.fullmatch(token) is not None and int(token) < len(value)
    return value[int(token)] if is_index else msgspec.UNSET


def _others(run: Run, lineage: Lineage) -> list[tuple[RunId, int | None, tuple[TaskId, ...]]]:
    """The runs behind it, each with the event up to which it counts, and the tasks that do; none where its output
    does.
    """
    subruns = [(one.run, None, ()) for one in lineage.sources if one.kind == "subrun" and one.run is not None]
    adopted = tuple(one.task for one in lineage.sources if one.kind == "adopted" and one.task is not None)
    origin = run.started.origin
    forked = [(origin.run, origin.sequence, adopted)] if origin is not None and adopted else []
    return [*forked, *subruns]
