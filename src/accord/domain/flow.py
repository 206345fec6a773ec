"""How labels flow: what is made of several things has the labels of all of them. Only what an expression reads counts,
as far as its path says it; of a task that reads nothing nothing is said, so its result is `internal`.

All of it is folded from events: the labels of inputs are kept when an attempt is wanted, those of outputs when a task
completes. Whether a task was done at all may tell something as well (`when`); that is not followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from accord.domain import event as e
from accord.domain.expression import Binding, Reference
from accord.domain.graph import Graph, Sleep, Subrun, Task, Wait, Work, node_of, undone_id
from accord.domain.ids import TaskId
from accord.domain.labels import NOTHING, UNLABELLED, Labels, join, labels_at, told, with_level
from accord.domain.state import Attempt, Run, TaskState

INPUT = "input"
"""The part of a context that is the run's input."""


def want_labels(run: Run, event: e.AttemptWanted) -> tuple[str, ...]:
    """Of what an attempt is to be given: its input, and what was wrong with the results before it."""
    state = run.state(event.task)
    if event.purpose == "diagnose":
        return told(with_level(join(_given(run, event.task), _raised(state))))
    undone = undone_id(event.task)
    if undone is None:
        found = binding_labels(run, event.task, _work(run, event.task).options[event.option].binding)
    else:
        compensate = run.graph.task(event.task).compensate
        found = NOTHING if compensate is None else binding_labels(run, undone, compensate.binding)
    if event.errors:  # what was wrong with results is told in words of these, and they were made of all that was seen
        found = join(found, _given(run, event.task, event.option), _raised(state))
    return told(with_level(found))


def result_labels(run: Run, event: e.TaskCompleted) -> tuple[str, ...]:
    """Of a task's output, as the task completes."""
    state = run.state(event.task)
    return state.declassified or told(made_labels(run, event.task, event.attempt, event.labels))


def made_labels(run: Run, task: TaskId, attempt: int | None, of_subrun: Iterable[str] = ()) -> Labels:
    """Of what a task has made, by this attempt where one has made it; before anything is taken away."""
    spec, state = run.graph.task(task), run.state(task)
    if undone_id(task) is not None:
        return with_level(join(_given(run, task), _raised(state)))
    if state.items is not None:
        found = _of_items(run, task, spec)
    elif isinstance(spec.action, Work):
        found = join(_of_work(run, task, run.attempt(task, attempt or 0)), _raised(state))
    else:
        found = join(of_subrun) or binding_labels(run, task, binding_of(spec))
    return with_level(join(found, spec.labels))


def input_labels(run: Run, path: tuple[str, ...] = ()) -> Labels:
    """Of what a path into the run's input reaches."""
    return join(labels_at(run.graph.input_labels, path), run.started.labels)


def task_labels(run: Run, task: TaskId) -> Labels:
    """Of a task's output."""
    return frozenset(run.state(task).labels) or UNLABELLED


def run_labels(run: Run) -> Labels:
    """Of the run's output."""
    return with_level(binding_labels(run, None, run.graph.output))


def all_labels(run: Run) -> Labels:
    """Of all that the run holds: its input, and what its tasks were given and have made, undone or not."""
    if not run.labelled:
        return UNLABELLED
    return with_level(join(input_labels(run), run.labels))


def subrun_labels(run: Run, task: TaskId) -> Labels:
    """Of the input of the run that does the task."""
    return with_level(binding_labels(run, task, binding_of(run.graph.task(task))))


def call_labels(run: Run, task: TaskId, attempt: Attempt) -> Labels:
    """Of what a task's agent asks others for: all that it was given and told may be in it."""
    return with_level(join(_seen(run, task, attempt), _raised(run.state(task))))


def binding_labels(run: Run, task: TaskId | None, binding: Binding) -> Labels:
    """Of all that the expressions of a binding read; nothing where they read nothing."""
    return join(*(_reference_labels(run, task, reference) for reference in binding.references))


def binding_of(spec: Task) -> Binding:
    """What a task that no agent does makes its output of."""
    match spec.action:
        case Wait(title=title):
            return title
        case Sleep(until=until):
            return until
        case Subrun(binding=binding):
            return binding
    raise AssertionError(f"{spec.id} is work")


# -- context -----------------------------------------------------------------------------------------------------


def context_parts(run: Run, task: TaskId) -> dict[str, Labels]:
    """The parts of what a task's agent sees of the run beside its input, by name, and the labels of each: `input` and
    those of its members that the template speaks of, and the tasks before it that have completed.
    """
    members = {path[0] for path in run.graph.input_labels if path}
    parts = {INPUT: join(labels_at(_without(run.graph, members), ()), run.started.labels)}
    parts |= {f"{INPUT}.{name}": input_labels(run, (name,)) for name in sorted(members)}
    for before in tasks_before(run.graph, node_of(task)):
        if run.state(before).phase == "completed":
            parts[f"tasks.{before}"] = task_labels(run, before)
    return parts


def cut_for(run: Run, task: TaskId, sees: Callable[[Labels], bool]) -> tuple[str, ...]:
    """The parts of a task's context that an agent may not see, by which labels it sees."""
    if not run.labelled and sees(UNLABELLED):
        return ()  # every part is as unlabelled as the next one, however many there are
    found: list[str] = []
    for name, labels in context_parts(run, task).items():
        if not sees(labels) and not is_cut(name, found):
            found.append(name)
    return tuple(found)


def tasks_before(graph: Graph, node: TaskId) -> list[TaskId]:
    """All tasks that a task depends on, in topological order."""
    found: set[TaskId] = set()
    open_ = list(graph.tasks[node].needs)
    while open_:
        need = open_.pop()
        if need not in found:
            found.add(need)
            open_.extend(graph.tasks[need].needs)
    return [task for task in graph.order if task in found]


def _without(graph: Graph, members: Iterable[str]) -> dict[tuple[str, ...], Labels]:
    """What the template says of the input as a whole."""
    return {path: labels for path, labels in graph.input_labels.items() if not path or path[0] not in set(members)}


# -- parts of a run ----------------------------------------------------------------------------------------------


def _reference_labels(run: Run, task: TaskId | None, reference: Reference) -> Labels:
    match reference.root:
        case "input":
            return input_labels(run, reference.path)
        case "tasks":
            return task_labels(run, TaskId(reference.path[0]))
        case "item" | "index" if task is not None:
            return _of_list(run, run.graph.task(task))
        case "task" | "error" if task is not None:
            state = run.state(task)
            return join(_given(run, task), _raised(state), state.labels or UNLABELLED)
    return NOTHING


def _of_work(run: Run, task: TaskId, attempt: Attempt | None) -> Labels:
    """Of what an attempt was given; where a value or a person stands in for one, of all that one could be."""
    if attempt is not None:
        return _seen(run, task, attempt)
    return join(*(binding_labels(run, task, option.binding) for option in _work(run, task).options), _given(run, task))


def _seen(run: Run, task: TaskId, attempt: Attempt) -> Labels:
    """Of all that an attempt was given: its input, and its context but for what was cut."""
    want = attempt.want
    if want.purpose == "diagnose" or undone_id(task) is not None or not _work(run, task).upstream:
        return frozenset(want.labels)
    shown = (labels for name, labels in context_parts(run, task).items() if not is_cut(name, attempt.cut))
    return join(want.labels, *shown)


def is_cut(name: str, cut: Iterable[str]) -> bool:
    """Whether a part of a context is cut, or what it is a part of."""
    return name in cut or (name.startswith(f"{INPUT}.") and INPUT in cut)


def _of_items(run: Run, task: TaskId, spec: Task) -> Labels:
    items = (run.state(item).labels for item in run.started_items(task))
    return join(_of_list(run, spec), *items)


def _of_list(run: Run, spec: Task) -> Labels:
    return NOTHING if spec.for_each is None else binding_labels(run, None, spec.for_each)


def _given(run: Run, task: TaskId, option: int | None = None) -> Labels:
    """Of all that the task's agents were given since it was undone last; where an option is named, only of that and of
    diagnoses.
    """
    attempts = run.state(task).current()
    asked = (one for one in attempts if option in (None, one.want.option) or one.want.purpose == "diagnose")
    return join(*(_seen(run, task, one) for one in asked))


def _raised(state: TaskState) -> Labels:
    """What contracts and agents have said of its results beside that, rejected ones too; and what its agents were told
    when they had asked for it.
    """
    return join(*(attempt.labels for attempt in state.current()), *(call.labels for call in state.calls))


def _work(run: Run, task: TaskId) -> Work:
    action = run.graph.task(task).action
    assert isinstance(action, Work), "only work has attempts"  # noqa: S101
    return action
