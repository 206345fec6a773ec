"""Fan-out: how many tasks a run has, items counted, against how many it may have.

    ACC838  a limit of the template that no run which does all its tasks can keep
    ACC175  lists that the schemas allow may have more items than the run may have tasks (warning)

A list has the items that its schema says at least and at most; one in the template has as many as stand there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from accord.domain.graph import Graph
from accord.domain.ids import TaskId
from accord.domain.order import may_be_skipped
from accord.domain.template import LimitsSpec
from accord.verifier.report import Findings

_AT: Final = "/limits/tasks"
_USUAL: Final = LimitsSpec().tasks
_BRANCHES: Final = "; where it takes all of its branches"


class Fanout(msgspec.Struct, frozen=True):
    """The lists that a graph goes through."""

    graph: Graph
    least: Mapping[TaskId, int]
    """The fewest items of each list, by its schema."""
    most: Mapping[TaskId, int | None]
    """The most; None where its schema does not say."""

    def check(self, findings: Findings) -> None:
        """Tell where lists have more items than the run may have tasks: always, or at their longest."""
        skipped = may_be_skipped(self.graph.tasks, self.graph.order)
        listed = [name for name in self.graph.order if self.graph.tasks[name].for_each is not None]
        always = [name for name in listed if name not in skipped]
        allowed = self.graph.max_tasks
        certain = self._total(self.least.get(name, 0) for name in always)
        if listed and certain > allowed:
            hint = f"raise `limits.tasks` to {certain} at least, or shorten the lists"
            example = self._example({name: self.least.get(name, 0) for name in always})
            message = f"no run can do all of its tasks: they are {certain}, items counted, and it may have {allowed}"
            findings.error("ACC838", message, _AT, hint, example)
            return
        for names, where in ((always, ""), (listed, _BRANCHES)):
            longest = {name: self._longest(name) for name in names}
            total = self._total(longest.values())
            if names and total > allowed:
                self._warn(longest, where, findings)
                return

    def _warn(self, longest: Mapping[TaskId, int], where: str, findings: Findings) -> None:
        unbounded = [name for name in longest if self.most.get(name) is None]
        message = "the lists may have more items than the run may have tasks: it fails where they do (ACC294)"
        hint = "give the list a schema with `maxItems`" if unbounded else "raise `limits.tasks`, or lower `maxItems`"
        findings.warning("ACC175", message + where, _AT, f"{hint}; or leave it, as a guard", self._example(longest))

    def _longest(self, name: TaskId) -> int:
        """The most items; of a list without end as many as are too many, where the template itself sets the limit."""
        most = self.most.get(name)
        if most is not None:
            return most
        least, allowed = self.least.get(name, 0), self.graph.max_tasks
        return max(least, allowed - len(self.graph.tasks) + 1) if allowed < _USUAL else least

    def _total(self, items: Iterable[int]) -> int:
        return len(self.graph.tasks) + sum(items)

    def _example(self, items: Mapping[TaskId, int]) -> object:
        return {"items": dict(items), "tasks": self._total(items.values()), "limits": {"tasks": self.graph.max_tasks}}
