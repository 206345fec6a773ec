"""The result of a run: its output, signed, and what in it was repaired."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from accord.domain.diagnosis import Change, Diagnosis
from accord.domain.document import Document
from accord.domain.flow import run_labels
from accord.domain.ids import TaskId
from accord.domain.labels import told
from accord.domain.state import Run
from accord.errors import ERASED, UNREADABLE, UNSEALED, AccordError, NotFound, TransitionRefused
from accord.service import Seal, Service


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """A task whose output is a repaired result."""

    task: TaskId
    by: str
    attempt: int
    """The attempt that was the diagnosis; `accord runs show RUN --task TASK` has all of them."""
    changes: tuple[Change, ...]


async def repairs_of(service: Service, run: Run) -> tuple[Repaired, ...]:
    """The tasks of a run whose outputs were repaired, items included."""
    found = []
    for task in sorted(run.tasks):
        state = run.state(task)
        number = state.attempt if state.phase == "completed" else None
        for attempt in state.attempts:
            if attempt.want.purpose != "diagnose" or attempt.number != number or attempt.output is None:
                continue
            value = await value_of(service, attempt.output)
            found.append(Repaired(task=task, by=attempt.agent, attempt=attempt.number, changes=_changes(value)))
    return tuple(found)


def _changes(value: Any) -> tuple[Change, ...]:
    """The changes that a diagnosis tells of; one that is of another form tells of none."""
    try:
        return msgspec.convert(value, Diagnosis).changes
    except (msgspec.ValidationError, AccordError):
        return ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run, as scripts get it."""

    run: str
    state: str
    template: str
    title: str
    started_at: str
    took_s: float
    """From start to end, or up to now, but for `paused_s`."""
    paused_s: float = 0.0
    """How long it was paused and nothing of it was at work, or had ended before it was taken up again."""
    output: Any = msgspec.UNSET
    labels: tuple[str, ...] = ()
    """Of the output; none where nothing was labelled in the run."""
    statement: str | msgspec.UnsetType = msgspec.UNSET
    """The orchestrator's signed statement about the output."""
    signed_by: str | msgspec.UnsetType = msgspec.UNSET
    key: str | msgspec.UnsetType = msgspec.UNSET
    problem: Any = msgspec.UNSET
    repaired: tuple[Repaired, ...] = ()
    """The tasks whose results broke their contract, and what was changed in them."""
    reports: str | msgspec.UnsetType = msgspec.UNSET
    """Where report and charts are."""


async def result_of(service: Service, run: Run, *, sealed: bool = True) -> Result:
    """The run's result; that of a completed one is signed by the orchestrator, unless nobody wants it `sealed`, as of a
    run that is shown as it was.
    """
    now = run.told_at(datetime.now(UTC)) if sealed else run.updated_at
    plain = Result(
        run=run.id,
        state="paused" if run.paused else run.phase,
        template=run.started.template,
        title=run.started.title,
        started_at=run.started.at.isoformat(),
        took_s=round(run.worked(run.started.at, now).total_seconds(), 6),
        paused_s=round(run.rest(now).total_seconds(), 6),
        problem=run.problem if run.problem is not None else msgspec.UNSET,
        repaired=await repairs_of(service, run),
    )
    if run.phase != "completed" or run.output is None:
        return plain
    if run.erased is not None or not sealed:
        return msgspec.structs.replace(plain, output=await value_of(service, run.output))
    seal = await _seal(service, run)
    if seal is None:
        return msgspec.structs.replace(plain, output=await value_of(service, run.output))
    return msgspec.structs.replace(
        plain,
        output=await value_of(service, run.output),
        labels=told(run_labels(run)) if run.labelled else (),
        statement=seal.statement,
        signed_by=seal.signed_by,
        key=seal.key,
    )


async def _seal(service: Service, run: Run) -> Seal | None:
    """The statement about the run's output; None where the store is an exhibit that has none of this run."""
    try:
        return await service.seal(run.id)
    except TransitionRefused as error:
        if error.problems[0].code != UNSEALED:
            raise
        return None


async def value_of(service: Service, document: Document) -> Any:
    """The JSON value of a document; of one that was erased, what is left of it: `{"$erased": {"sha256": …, "len": …}}`,
    and the same as `$unreadable` of one that an exhibit does not have, or has no key to. Raises NotFound, StoreCorrupt.
    """
    try:
        return msgspec.json.decode(document.data or await service.data(document))
    except NotFound as error:
        left = _LEFT_OF.get(error.problems[0].code)
        if left is None:
            raise
        return {left: {"sha256": document.sha256, "len": document.length_bytes}}


_LEFT_OF: Final = {ERASED: "$erased", UNREADABLE: "$unreadable"}


def is_erased(error: NotFound) -> bool:
    """Whether something cannot be read because its run was erased."""
    return error.problems[0].code == ERASED
