"""Labels before a run: which of them reach which task, by which way, and whether anybody who could do it may see them.

What is certain is told apart from what may be: a capability with several contracts adds for certain only the labels
that all of them have. A declassification is taken to be claimed; where it is not, the router still hands nothing to
whoever may not see it.

    ACC219  nobody who offers the capability may have the input, by its labels
    ACC220  so it is by labels that the input may have (warning)
    ACC221  nobody who offers the capability may declassify what the task is to declassify
    ACC222  a part of the context is shown to nobody who offers the capability (warning)
    ACC223  that a task is done at all tells somebody of data that they may not see (warning)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

from accord.domain.capability import CapabilityRange
from accord.domain.contract import Contract
from accord.domain.expression import Binding, Reference
from accord.domain.flow import binding_of, tasks_before
from accord.domain.graph import Graph, Option, Subrun, Task, Work
from accord.domain.ids import AgentId, TaskId
from accord.domain.labels import LEVELS, UNLABELLED, Labels, labels_at, level_of, told
from accord.domain.policy import AgentAction, Decision
from accord.verifier.bindings import pointer_of_task
from accord.verifier.known import Capabilities, Templates
from accord.verifier.report import Findings

Way: TypeAlias = tuple[str, ...]
"""Where a label comes from, and the tasks that it goes through."""

Traced: TypeAlias = Mapping[str, Way]
"""Labels, and how each has come."""


_NOTHING: Traced = MappingProxyType({})


class Offering(Protocol):
    """Who could do something."""

    def offers(self, wanted: CapabilityRange) -> Sequence[tuple[AgentId, Contract]]:
        """The known agents that offer a capability in the range, each with every contract of it."""
        ...


class Clearance(Offering, Protocol):
    """Who could do something, and what the policy lets them see."""

    def decide(self, action: AgentAction, agent: AgentId, capability: str, template: str, labels: Labels) -> Decision:
        """Whether the agent may do this with data of these labels in a run of the template."""
        ...


def is_labelled(graph: Graph, capabilities: Capabilities, templates: Templates) -> bool:
    """Whether the graph, a contract that it may use, or a workflow that it runs says anything of labels."""
    return graph.labelled or any(_adds(task, capabilities, templates) for task in graph.tasks.values())


def _adds(task: Task, capabilities: Capabilities, templates: Templates) -> bool:
    if isinstance(task.action, Subrun):
        inner = templates.graph(task.action.template)
        return inner is not None and is_labelled(inner, capabilities, templates)
    options = task.action.options if isinstance(task.action, Work) else ()
    wanted = (option.capability for option in options if option.capability is not None)
    return any(contract.labels for each in wanted for contract in capabilities.contracts(each))


class Flow:
    """The labels of one graph's tasks; `given` is what all of its input has beside what the template says, `decided` of
    what has decided that the graph is run at all.
    """

    def __init__(
        self,
        graph: Graph,
        capabilities: Capabilities,
        templates: Templates,
        given: Traced,
        *,
        certain: bool,
        decided: Traced = _NOTHING,
    ) -> None:
        self.graph = graph
        self._capabilities, self._templates, self._given = capabilities, templates, given
        self._certain = certain
        self.results: dict[TaskId, Traced] = {}
        """Of the output of each task."""
        self.decided: dict[TaskId, Traced] = {}
        """Of what decides whether each task is done, and how often: its condition and its list, and what has decided of
        those before it.
        """
        for name in graph.order:
            self.decided[name] = joined((*self._deciding(graph.tasks[name]), decided))
            self.results[name] = self._result(graph.tasks[name])

    def of_binding(self, task: Task | None, binding: Binding) -> Traced:
        """Of all that a binding reads."""
        return joined(self._of_reference(task, reference) for reference in sorted(binding.references))

    def of_input(self, path: tuple[str, ...] = ()) -> Traced:
        """Of what a path into the input reaches."""
        said = labels_at(self.graph.input_labels, path)
        return joined((dict.fromkeys(said, (".".join(("input", *path)),)), self._given))

    def of_output(self) -> Traced:
        """Of the run's output."""
        return self.of_binding(None, self.graph.output)

    def of_subrun(self, task: Task, action: Subrun) -> Flow | None:
        """The flow in the run that does a task; None where its template is not known."""
        graph = self._templates.graph(action.template)
        if graph is None:
            return None
        given = _through(self.of_binding(task, action.binding), task.id)
        decided = _through(self.decided[task.id], task.id)
        return Flow(graph, self._capabilities, self._templates, given, certain=self._certain, decided=decided)

    def context(self, task: Task) -> Iterator[tuple[str, Traced]]:
        """The parts of what a task's agent sees of the run beside its input."""
        members = {path[0] for path in self.graph.input_labels if path}
        yield from ((f"input.{name}", self.of_input((name,))) for name in sorted(members))
        yield from ((f"tasks.{name}", self.results[name]) for name in tasks_before(self.graph, task.id))

    def _of_reference(self, task: Task | None, reference: Reference) -> Traced:
        match reference.root:
            case "input":
                return self.of_input(reference.path)
            case "tasks":
                return self.results.get(TaskId(reference.path[0]), {})
            case "item" | "index" if task is not None and task.for_each is not None:
                return self.of_binding(None, task.for_each)
            case "task" if task is not None:
                return self.results[task.id]
            case "error" if task is not None and isinstance(task.action, Work):
                return self.of_binding(task, task.action.options[0].binding)
        return {}

    def _result(self, task: Task) -> Traced:
        parts = [dict.fromkeys(task.labels, ("its `labels`",)), *self._made(task)]
        if task.for_each is not None:
            parts.append(self.of_binding(None, task.for_each))
        found = _through(joined(parts), task.id)
        if task.declassify is not None:
            left = task.declassify.of(frozenset(found))
            found = {label: found.get(label, ("declassified", task.id)) for label in left}
        return found if level_of(found) is not None else {**dict.fromkeys(UNLABELLED, (task.id,)), **found}

    def _made(self, task: Task) -> Iterator[Traced]:
        action = task.action
        if isinstance(action, Work):
            used = action.options[:1] if self._certain else action.options
            for option in used:
                yield self.of_binding(task, option.binding)
                if option.capability is not None:
                    yield self._added(option.capability)
            if action.upstream and not self._certain:
                yield from (labels for _, labels in self.context(task))
        elif isinstance(action, Subrun) and (inner := self.of_subrun(task, action)) is not None:
            yield inner.of_output()
        else:
            yield self.of_binding(task, binding_of(task))

    def _deciding(self, task: Task) -> Iterator[Traced]:
        if task.when is not None:
            yield from (self._of_reference(task, each) for each in sorted(task.when.references))
        if task.for_each is not None:
            yield self.of_binding(None, task.for_each)
        yield from (_through(self.decided[need], need) for need in task.needs)

    def _added(self, wanted: CapabilityRange) -> Traced:
        """What the contracts of a capability say of its results: all of them, or one."""
        contracts = self._capabilities.contracts(wanted)
        added = [dict.fromkeys(one.labels, (f"`{one.ref}`",)) for one in contracts]
        if not self._certain or not added:
            return joined(added)
        return {label: way for label, way in added[0].items() if all(label in other for other in added)}


def joined(parts: Iterable[Traced]) -> Traced:
    """The join of these: each label by the first way that it has come."""
    found: dict[str, Way] = {}
    for part in parts:
        for label, way in part.items():
            found.setdefault(label, way)
    highest = level_of(found)
    return {label: way for label, way in found.items() if label not in LEVELS or label == highest}


def _through(labels: Traced, task: TaskId) -> Traced:
    return {label: (*way, task) for label, way in labels.items()}


class ClearanceCheck:
    """Checks that for every edge somebody who could do what is behind it may see what goes over it."""

    def __init__(self, clearance: Clearance, findings: Findings) -> None:
        self._clearance, self._findings = clearance, findings

    def check(self, certain: Flow, possible: Flow, within: tuple[str, ...] = ()) -> None:
        """Check all tasks of a graph; `within` are place and name where it is a sub-workflow's."""
        for task in certain.graph.tasks.values():
            at = within[0] if within else pointer_of_task(task)
            if isinstance(task.action, Work):
                self._check_work(task, task.action, (certain, possible), at, within)
            elif isinstance(task.action, Subrun):
                inner, most = certain.of_subrun(task, task.action), possible.of_subrun(task, task.action)
                if inner is not None and most is not None:
                    self.check(inner, most, (at, inner.graph.template))

    def _check_work(self, task: Task, work: Work, flows: tuple[Flow, Flow], at: str, within: tuple[str, ...]) -> None:
        template = flows[0].graph.template
        options = [*work.options, *((task.compensate,) if task.compensate is not None else ())]
        for option in options:
            if option.capability is None:
                continue
            least, most = (flow.of_binding(task, option.binding) for flow in flows)
            if not self._refused("ACC219", task, option.capability, least, template, at, within):
                self._refused("ACC220", task, option.capability, most, template, at, within)
            if option is not task.compensate:
                self._check_decided(task, option, flows[0], at)
            if task.declassify is not None and option is not task.compensate:
                self._check_declassify(task, option.capability, least, template, at)
        wanted = work.options[0].capability
        if work.upstream and wanted is not None:
            self._check_context(task, wanted, flows[0], at)

    def _refused(  # noqa: PLR0913 - what a finding is made of
        self,
        code: str,
        task: Task,
        wanted: CapabilityRange,
        labels: Traced,
        template: str,
        at: str,
        within: tuple[str, ...],
    ) -> bool:
        """Whether it was told that nobody may have an input with these labels."""
        why = self._nobody(("execute", "see"), wanted, frozenset(labels), template)
        if why is None:
            return False
        where = f"in the workflow `{within[1]}`, " if within else ""
        may = "may have" if code == "ACC219" else "may have, where it has all labels that it can have,"
        message = f"{where}nobody who offers `{wanted}` {may} the input of `{task.id}`: {', '.join(told(labels))}"
        hint = f"{_ways(labels, task.id)}; {why}; permit it to one of them, cut the input, or declassify before it"
        (self._findings.error if code == "ACC219" else self._findings.warning)(code, message, at, hint)
        return True

    def _check_declassify(self, task: Task, wanted: CapabilityRange, labels: Traced, template: str, at: str) -> None:
        why = self._nobody(("declassify",), wanted, frozenset(labels) or UNLABELLED, template, always=True)
        if why is not None:
            message = f"nobody who offers `{wanted}` may declassify what `{task.id}` gets"
            hint = f'{why}; a policy with `action == Action::"declassify"` permits it'
            self._findings.error("ACC221", message, f"{at}/declassify", hint)

    def _check_context(self, task: Task, wanted: CapabilityRange, flow: Flow, at: str) -> None:
        for name, labels in flow.context(task):
            why = self._nobody(("see",), wanted, frozenset(labels), flow.graph.template)
            if why is not None:
                message = f"`{name}` is shown to nobody who offers `{wanted}`: {', '.join(told(labels))}"
                self._findings.warning("ACC222", message, f"{at}/context", f"{_ways(labels, task.id)}; {why}")

    def _check_decided(self, task: Task, option: Option, flow: Flow, at: str) -> None:
        """Tell of who may be given the task, and may not see what has decided that it is done."""
        given, decided = frozenset(flow.of_binding(task, option.binding)), flow.decided[task.id]
        seen = frozenset(joined((dict.fromkeys(given, ()), decided)))
        if option.capability is None or seen <= UNLABELLED or seen == given:
            return
        learns: list[str] = []
        for agent, contract in self._clearance.offers(option.capability):
            capability, template = str(contract.ref), flow.graph.template
            if given <= UNLABELLED or self._clearance.decide("see", agent, capability, template, given).allowed:
                all_of_it = self._clearance.decide("see", agent, capability, template, seen)
                learns += [] if all_of_it.allowed else [f"{agent}: {all_of_it.words()}"]
        if learns:
            message = (
                f"that `{task.id}` is done tells who does it of data that they may not see: {', '.join(told(decided))}"
            )
            hint = f"{_ways(decided, task.id)}; {_some(learns)}; decide over a declassified result, or accept it"
            self._findings.warning("ACC223", message, at, hint)

    def _nobody(
        self,
        actions: Sequence[AgentAction],
        wanted: CapabilityRange,
        labels: Labels,
        template: str,
        *,
        always: bool = False,
    ) -> str | None:
        """Why none of the known agents may; None where one may, none is known, or nothing is said of the data."""
        if not always and labels <= UNLABELLED:
            return None
        reasons: list[str] = []
        for agent, contract in self._clearance.offers(wanted):
            capability = str(contract.ref)
            decided = [self._clearance.decide(one, agent, capability, template, labels) for one in actions]
            refused = next((one for one in decided if not one.allowed), None)
            if refused is None:
                return None
            reasons.append(f"{agent}: {refused.words()}")
        return _some(reasons) if reasons else None


def _some(reasons: Sequence[str]) -> str:
    more = f" and {len(reasons) - 2} more" if len(reasons) > 2 else ""
    return "; ".join(reasons[:2]) + more


def _ways(labels: Traced, to: TaskId) -> str:
    """How each label but a lower level comes there: `personal` by input.name → a → b."""
    ways = ((label, " → ".join((*labels[label], to))) for label in told(labels) if label not in UNLABELLED)
    return "; ".join(f"`{label}` by {way}" for label, way in ways)
