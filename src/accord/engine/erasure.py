"""Erasure: the data keys of a run and of all below it are destroyed, and their histories say who wanted it."""

from __future__ import annotations

from collections.abc import Iterable

from accord.domain import command as c
from accord.domain.ids import RunId
from accord.domain.system import RetiredRunErased
from accord.engine.controls import Controls
from accord.engine.ledger import unknown_run
from accord.engine.parts import Parts
from accord.errors import Refused, TransitionRefused
from accord.ports import OPEN, RunQuery, RunSummary

PAGE = 500


class Erasure:
    """Erases runs."""

    def __init__(self, parts: Parts, controls: Controls) -> None:
        self._parts = parts
        self._controls = controls

    async def erase(self, run: RunId, *, by: str, reason: str) -> list[RunId]:
        """See `Service.erase`. It is written down before the keys go: a process that dies in between leaves a run that
        is said to be erased and is not, and who asks again, because there was no answer, brings it to its end.
        """
        summary = await self._parts.ports.journal.run(run)
        if summary is None:
            return await self._erase_retired(run, by, reason)
        if summary.parent is not None:
            raise _is_part(run, summary.parent)
        if run not in await self._parts.data_keys.encrypted([run]):
            hint = "runs are encrypted that begin while encrypt_payloads is on; others go as a whole, in time"
            raise Refused.of("ACC878", f"the documents of {run} are not encrypted", hint=hint)
        below = await self._below(run)
        if summary.state not in OPEN:
            _refuse_open(below)
        runs = [run, *(one.run for one in below)]
        for one in runs:  # from the top: nobody goes on with the whole while its parts are being erased
            await self._controls.control(one, c.Erase(by=by, reason=reason), once=None)
        await self._destroy(runs)
        return runs

    async def _erase_retired(self, run: RunId, by: str, reason: str) -> list[RunId]:
        """Erase what others have kept alive of a run that is gone. Raises NotFound where there is nothing of it."""
        keys = self._parts.data_keys
        if not await keys.encrypted([run]) and not await keys.parts_of([run]):
            raise unknown_run(run)
        whole = await keys.whole_of(run)
        if whole is not None:
            raise _is_part(run, whole)
        now = self._parts.ports.clock.now()
        await self._parts.control_stream.refresh()
        await self._parts.control_stream.append(RetiredRunErased(at=now, run=run, by=by, reason=reason))
        await self._destroy([run])
        return [run]

    async def _destroy(self, runs: list[RunId]) -> None:
        """Destroy the keys of these runs, and of parts of them that are gone already, and what was logged."""
        keys = self._parts.data_keys
        gone = [*runs, *(part for part in await keys.parts_of(runs) if part not in runs)]
        await self._parts.ports.journal.erase_logs(gone)
        await keys.erase(gone)
        self._parts.documents.forget()

    async def _below(self, run: RunId) -> list[RunSummary]:
        """All runs that do tasks of this one, or of such a run."""
        found: list[RunSummary] = []
        after: RunId | None = None
        while page := await self._parts.ports.journal.runs(RunQuery(parent=run, limit=PAGE, after=after)):
            after = page[-1].run
            for one in page:
                found += [one, *await self._below(one.run)]
        return found


def _is_part(run: RunId, of: RunId) -> Refused:
    """The error that a run cannot be erased without the one that it did a task of."""
    return Refused.of("ACC877", f"{run} does a task of {of}, and is erased with it", hint=f"accord runs erase {of}")


def _refuse_open(runs: Iterable[RunSummary]) -> None:
    """Raise TransitionRefused ACC863 where a part goes on, which may outlive the whole. It is looked at before anything
    is written down: no history is to say that a run is erased while its keys are there.
    """
    for one in runs:
        if one.state in OPEN:
            hint = f"wait for its end: accord runs show {one.run}"
            text = f"{one.run}, which does a task of it, is {one.state}: what it works with is not erased"
            raise TransitionRefused.of("ACC863", text, hint=hint)
