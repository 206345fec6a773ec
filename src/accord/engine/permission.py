"""Permission: what principals may do to runs and templates, by what the journal knows of these."""

from __future__ import annotations

from functools import partial
from typing import Final

from accord.codec import decode_event
from accord.domain import event as e
from accord.domain.access import Principal, Right
from accord.domain.flow import all_labels
from accord.domain.ids import RunId, StreamId
from accord.domain.labels import UNLABELLED, Labels
from accord.domain.policy import RunFacts, TemplateFacts
from accord.domain.state import Run
from accord.engine.authority import Authority
from accord.engine.ledger import Ledger
from accord.errors import StoreCorrupt
from accord.ports import Journal, RunKind, RunSummary
from accord.recent import Recent
from accord.service import Look

KEPT: Final = 4096
"""Runs whose facts are remembered, which never change, and those whose labels are, until an event comes to them."""


class Permission:
    """Asks the authority for principals."""

    def __init__(self, authority: Authority, ledger: Ledger, journal: Journal) -> None:
        self._authority = authority
        self._ledger = ledger
        self._journal = journal
        self._known: Recent[RunId, RunFacts] = Recent(KEPT)
        self._labels: Recent[RunId, tuple[int, Labels]] = Recent(KEPT)
        """By the last event that they count."""

    async def require(self, principal: Principal, right: Right, run: RunId | None = None) -> None:
        """Nothing where the principal may do this: to the run, with the labels of all that it holds, or where none is
        named, or there is no such run, to the orchestrator as a whole. To `run` a run anew is to run its template.
        Raises Forbidden (ACC654).
        """
        facts = await self._facts(run) if run is not None else None
        if facts is not None and right == "run":
            self._authority.require(principal, right, TemplateFacts(facts.template, facts.version))
        elif facts is not None and run is not None:
            self._authority.require(principal, right, facts, await self._labels_of(run))
        else:
            self._authority.require(principal, right)

    def looking(self, principal: Principal) -> Look:
        """Asks of runs whether the principal may look at them. Raises Forbidden (ACC654)."""
        return partial(self.require, principal, "look")

    def may_look(self, principal: Principal, run: Run) -> bool:
        """Whether the principal may look at a run that is at hand."""
        started = run.started
        labels = UNLABELLED if self._authority.policy.source.shipped else all_labels(run)
        facts = self._authority.run_of(started.template, started.by)
        return self._authority.of_principal(principal, "look", facts, labels).allowed

    @property
    def tells_runs_apart(self) -> bool:
        """Whether a principal who may look at the orchestrator may look at some runs and not at others: never, by the
        policy that ships with Accord.
        """
        return not self._authority.policy.source.shipped

    def sees(self, principal: Principal, listed: RunSummary | RunKind) -> bool:
        """Whether the principal may look at a run, or a kind of runs, of which nothing but this is at hand; never where
        it does not say enough.
        """
        if listed.by is None:
            return False
        facts = self._authority.run_of(listed.template, listed.by)
        return self._authority.of_principal(principal, "look", facts, frozenset(listed.labels)).allowed

    def require_template(self, principal: Principal, right: Right, name: str, version: str) -> None:
        """Nothing where the principal may run, or publish, the template. Raises Forbidden (ACC654)."""
        self._authority.require(principal, right, TemplateFacts(name, version))

    async def _facts(self, run: RunId) -> RunFacts | None:
        known = self._known.get(run)
        if known is None:
            found = self._ledger.find(run)
            started = found.started if found is not None else await self._started(run)
            if started is None:
                return None
            known = self._known[run] = self._authority.run_of(started.template, started.by)
        return known

    async def _labels_of(self, run: RunId) -> Labels:
        """Of all that the run holds; they are not sought where the policy is what ships with Accord, which asks for
        none.
        """
        if self._authority.policy.source.shipped:
            return UNLABELLED
        found = self._ledger.find(run)
        if found is not None:
            return all_labels(found)
        head = await self._journal.head(StreamId(run))
        known = self._labels.get(run)
        if known is None or known[0] != head.sequence:
            state, head = await self._ledger.read_quickly(run)
            known = self._labels[run] = head.sequence, all_labels(state) if state is not None else UNLABELLED
        return known[1]

    async def _started(self, run: RunId) -> e.RunStarted | None:
        records = await self._journal.read(StreamId(run), limit=1)
        if not records:
            return None
        first = decode_event(records[0])
        if not isinstance(first, e.RunStarted):
            raise StoreCorrupt.of("ACC531", f"the first event of {run} does not start it")
        return first
