"""Lineage: what stands behind a value of a run's output: which tasks, agents, keys and inputs.

Expressions of the template are followed as far as it is known what they read; through an agent everything that it was
given stands behind everything that it has answered. Whoever is named is so by what was signed.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Literal as Word

import msgspec

from accord.domain.checkpoint import FOR_EVER
from accord.domain.document import Document
from accord.domain.expression import Binding, Computed, Literal, Reference, expressions, part_of
from accord.domain.flow import tasks_before
from accord.domain.graph import Sleep, Subrun, Task, Wait, Work, node_of
from accord.domain.ids import AgentId, Digest, KeyId, RunId, TaskId, item_id, split_item
from accord.domain.message import Claims, PayloadRef
from accord.domain.run import Attempt, Run
from accord.domain.signature import parse_statement, statement_digest
from accord.errors import NotFound

SourceKind = Word["input", "run", "agent", "value", "items", "subrun", "answer", "timer", "adopted", "nothing"]
"""What made a value: the run's input, the run itself, an agent, an expression of the template, the items of an
expansion, another run, a person or a program that was asked, a timer, the run that this one was forked from; nobody."""

_ESCAPES = re.compile(r"~(?![01])")
"""A `~` that stands for nothing (RFC 6901)."""

INPUTS_NAMED = 12
"""So many statements a seal names one by one; of more it names the digest of all."""


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a value rests on."""

    name: str
    """What it is called in expressions: `input.directory`, `tasks.grade`, `tasks.measure[3]`."""
    kind: SourceKind
    task: TaskId | None = None
    attempt: int | None = None
    agent: AgentId | None = None
    key: KeyId | None = None
    """The key that the agent's statement is signed with."""
    capability: str | None = None
    statement: Digest | None = None
    """Of the statement under which it was accepted."""
    value: Digest | None = None
    """SHA-256 of the whole document."""
    confidence: float | None = None
    by: str = ""
    """Who has answered or decided, where no agent has."""
    run: RunId | None = None
    """The run that did the task, or that the value was adopted from."""
    expressions: tuple[str, ...] = ()
    """Of the template: what made its input."""
    rests_on: tuple[str, ...] = ()
    """Names of other sources, in order."""


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind a value of a run's output."""

    run: RunId
    pointer: str
    """Of the value, in the output."""
    expressions: tuple[str, ...]
    """Of the template: what made the value."""
    rests_on: tuple[str, ...]
    sources: tuple[Source, ...]
    """All of them, each once: first those that the value rests on itself, then what those rest on."""

    def agents(self) -> tuple[AgentId, ...]:
        """The agents behind it, by id."""
        return tuple(sorted({one.agent for one in self.sources if one.agent is not None}))

    def signing_keys(self) -> tuple[KeyId, ...]:
        """The keys behind it."""
        return tuple(sorted({one.key for one in self.sources if one.key is not None}))


# -- statements --------------------------------------------------------------------------------------------------


class Backing(msgspec.Struct, frozen=True):
    """The statement that an output of a task rests on."""

    task: TaskId
    attempt: Attempt
    key: KeyId
    digest: Digest


def backings(run: Run) -> Iterator[Backing]:
    """The statements that the outputs of the run's tasks rest on, in the order of the graph; what was adopted from
    another run rests on statements there.
    """
    for node in run.graph.order:
        for task in run.instances(node):
            backing = backing_of(run, task)
            if backing is not None:
                yield backing


def keys_behind(run: Run) -> dict[KeyId, tuple[TaskId, ...]]:
    """The keys that the outputs of the run's tasks rest on, each with the tasks."""
    found: dict[KeyId, list[TaskId]] = {}
    for backing in backings(run):
        found.setdefault(backing.key, []).append(backing.task)
    return {key: tuple(tasks) for key, tasks in found.items()}


def backing_of(run: Run, task: TaskId) -> Backing | None:
    """The statement that the output of the task rests on; None where no agent has made it here."""
    attempt = run.attempt(task, run.state(task).attempt or 0)
    if attempt is None or attempt.statement is None:
        return None
    parsed = parse_statement(attempt.statement.encode())
    return Backing(task, attempt, parsed.kid, statement_digest(parsed.claims))


def statement_digests(run: Run) -> tuple[Digest, ...]:
    """What the seal of a completed run names: its statements, or the digest of all where they are many."""
    found = {backing.digest for backing in backings(run)}
    for node in run.graph.order:
        for task in run.instances(node):
            source = run.state(task).source
            if source is not None and backing_of(run, task) is None:
                found.add(source)
    rests_on = sorted(found)
    if len(rests_on) <= INPUTS_NAMED:
        return tuple(rests_on)
    return (Digest(sha256("".join(rests_on).encode()).hexdigest()),)


def seal_claims(orchestrator: AgentId, run: Run, output: Document) -> Claims:
    """What the orchestrator says of a completed run: this output rests on these statements."""
    return Claims(
        issuer=orchestrator,
        audience=orchestrator,
        id=f"{run.id}/result",
        issued_at=int(run.updated_at.timestamp()),
        expires_at=FOR_EVER,
        kind="result",
        run=run.id,
        payload=PayloadRef(output.sha256, output.length_bytes, "application/json"),
        inputs=statement_digests(run),
    )


# -- sources -----------------------------------------------------------------------------------------------------


def lineage_of(run: Run, pointer: str = "") -> Lineage:
    """What stands behind the value at a JSON pointer of the run's output; whether there is one, nobody looks.

    Raises NotFound where the run has no output.
    """
    if run.output is None:
        raise NotFound.of("ACC857", f"the run is {run.phase}: it has no output", hint="wait for its end")
    binding, rest = _part_at(run.graph.output, tokens_of(pointer))
    search = _Search(run)
    rests_on = search.behind(binding, rest, None)
    return Lineage(
        run=run.id,
        pointer=pointer,
        expressions=_written(binding),
        rests_on=rests_on,
        sources=tuple(search.found.values()),
    )


def lineage_of_tasks(run: Run, tasks: Iterable[TaskId]) -> Lineage:
    """What stands behind the outputs of these tasks."""
    search = _Search(run)
    rests_on = search.behind_all([Reference("tasks", (task,)) for task in tasks])
    return Lineage(run=run.id, pointer="", expressions=(), rests_on=rests_on, sources=tuple(search.found.values()))


class _Search:
    """Finds sources, each once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._open: OrderedDict[str, tuple[Reference, TaskId | None]] = OrderedDict()
        self.found: dict[str, Source] = {}

    def behind(self, binding: Binding, rest: Sequence[str], within: TaskId | None) -> tuple[str, ...]:
        """The names of what a binding reads, and finds all that is behind them. `rest` is the part of its value."""
        return self.behind_all(self._references(binding, rest), within)

    def behind_all(self, references: Sequence[Reference], within: TaskId | None = None) -> tuple[str, ...]:
        """The names of these sources, and finds all that is behind them."""
        names = self._names(references, within)
        while self._open:
            name, (reference, task) = self._open.popitem(last=False)
            self.found[name] = self._source(name, reference, task)
        return names

    def _names(self, references: Sequence[Reference], within: TaskId | None) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for reference in references:
            name, task = self._named(reference, within)
            names[name] = None
            if name not in self.found:
                self._open.setdefault(name, (reference, task))
        return tuple(names)

    def _named(self, reference: Reference, within: TaskId | None) -> tuple[str, TaskId | None]:
        """What a source is called, and the task that it is of: the item, where only that is read."""
        if reference.root == "tasks" and reference.path:
            task = TaskId(reference.path[0])
            index = reference.path[2:3]
            if reference.path[1:2] == ("output",) and index and self._is_item(task, index[0]):
                task = item_id(task, int(index[0]))
            return f"tasks.{task}", task
        if reference.root in ("item", "index", "task") and within is not None:
            node = node_of(within)
            return (f"tasks.{node}.items", node) if reference.root != "task" else (f"tasks.{node}", node)
        return str(reference), None

    def _is_item(self, task: TaskId, index: str) -> bool:
        return index.isdecimal() and int(index) < self._run.state(task).item_count

    def _references(self, binding: Binding, rest: Sequence[str]) -> list[Reference]:
        """What this part of a binding's value reads: of a plain path, the part that is asked for."""
        if isinstance(binding, Computed) and binding.expression.path is not None:
            root, *steps = binding.expression.path
            return [Reference(str(root), tuple(str(step) for step in (*steps, *rest)))]
        return sorted(binding.references)

    # -- one source ----------------------------------------------------------------------------------------------

    def _source(self, name: str, reference: Reference, task: TaskId | None) -> Source:
        if task is None:
            return self._outside(name, reference)
        if name.endswith(".items"):
            each = self._run.graph.tasks[task].for_each
            items = self._run.state(task).items
            rests_on = self._names(self._references(each, ()), task) if each is not None else ()
            return Source(
                name=name,
                kind="items",
                task=task,
                value=_digest(items),
                expressions=_written(each),
                rests_on=rests_on,
            )
        return self._task(name, task)

    def _outside(self, name: str, reference: Reference) -> Source:
        if reference.root == "input":
            started = self._run.started
            return Source(name=name, kind="input", by=started.by, value=started.input.sha256)
        return Source(name=name, kind="run", run=self._run.id)

    def _task(self, name: str, task: TaskId) -> Source:
        run, state = self._run, self._run.state(task)
        spec = run.graph.task(task)
        if state.adopted:
            origin = run.started.origin
            return Source(
                name=name,
                kind="adopted",
                task=task,
                run=origin.run if origin is not None else None,
                statement=state.source,
                value=_digest(state.output),
                confidence=state.confidence,
            )
        if spec.for_each is not None and split_item(task)[1] is None:
            items = [item_id(task, index) for index in range(state.item_count)]
            parts = [Reference("tasks", (task, "output", str(split_item(item)[1]))) for item in items]
            return Source(name=name, kind="items", task=task, rests_on=self._names(parts, None))
        return self._done(name, task, spec)

    def _done(self, name: str, task: TaskId, spec: Task) -> Source:
        state, action = self._run.state(task), spec.action
        value = _digest(state.output)
        if isinstance(action, Subrun):
            rests_on = self._names(self._references(action.binding, ()), task)
            said = _written(action.binding)
            return Source(
                name=name, kind="subrun", task=task, run=state.subrun, value=value, expressions=said, rests_on=rests_on
            )
        backing = backing_of(self._run, task)
        if backing is not None and isinstance(action, Work):
            return self._worked(name, action, backing, value)
        if isinstance(action, Wait):
            return Source(name=name, kind="answer", task=task, by=state.by, value=value)
        if isinstance(action, Sleep):
            return Source(name=name, kind="timer", task=task, value=value)
        if state.by:
            return Source(name=name, kind="answer", task=task, by=state.by, value=value)
        return self._fallen_back(name, task, action, value)

    def _worked(self, name: str, action: Work, backing: Backing, value: Digest | None) -> Source:
        attempt, task = backing.attempt, backing.task
        binding = action.options[attempt.want.option].binding
        references = [*self._references(binding, ())]
        if action.upstream:
            before = tasks_before(self._run.graph, node_of(task))
            references += [Reference("input"), *(Reference("tasks", (need, "output")) for need in before)]
        return Source(
            name=name,
            kind="agent",
            task=task,
            attempt=attempt.number,
            agent=attempt.agent,
            key=backing.key,
            capability=attempt.capability,
            statement=backing.digest,
            value=value,
            confidence=attempt.confidence,
            by=self._run.state(task).by,
            expressions=_written(binding),
            rests_on=(*self._names(references, task), *self._called(task)),
        )

    def _called(self, task: TaskId) -> Iterator[str]:
        """The names of the runs that the task's agents have asked for, and that have told them something."""
        for number, call in enumerate(self._run.state(task).calls, start=1):
            if call.output is not None:
                name = f"tasks.{task}.calls.{number}"
                self.found[name] = Source(name=name, kind="subrun", task=task, run=call.run, value=_digest(call.output))
                yield name

    def _fallen_back(self, name: str, task: TaskId, action: Work, value: Digest | None) -> Source:
        """A value of the template has taken the place of an output; where there is none, nobody has made anything."""
        if self._run.state(task).phase != "completed":
            return Source(name=name, kind="nothing", task=task, value=value)
        values = [option.binding for option in action.options if option.capability is None]
        binding = values[0] if values else Literal(None)
        rests_on = self._names(self._references(binding, ()), task)
        return Source(name=name, kind="value", task=task, value=value, expressions=_written(binding), rests_on=rests_on)


def tokens_of(pointer: str) -> list[str]:
    """The tokens of a JSON pointer. Raises NotFound ACC857 where it is none."""
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise NotFound.of("ACC857", f"`{pointer}` is no JSON pointer", hint="it begins with `/`: /findings/0")
    if _ESCAPES.search(pointer):
        raise NotFound.of(
            "ACC857", f"`{pointer}` is no JSON pointer", hint="a `~` in a name is written `~0`, a `/` `~1`"
        )
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _part_at(binding: Binding, tokens: Sequence[str]) -> tuple[Binding, Sequence[str]]:
    """The part of a binding that makes the value at these tokens, and those that lead on into its value."""
    for depth, token in enumerate(tokens):
        part = part_of(binding, token)
        if part is None:
            return binding, tokens[depth:]
        binding = part
    return binding, ()


def _written(binding: Binding | None) -> tuple[str, ...]:
    return () if binding is None else tuple(f"${{ {one.expression.source} }}" for one in expressions(binding))


def _digest(document: Document | None) -> Digest | None:
    return document.sha256 if document is not None else None
