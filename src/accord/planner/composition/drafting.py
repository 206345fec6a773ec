"""Drafts: a composed graph as a template's document, with the input that the objective's words give it.

The document is what a person would write: tasks by name, inputs mapped by expressions, reasons as descriptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from accord.domain.capability import CapabilityRef
from accord.domain.schema_path import joined
from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.bare import bare_said
from accord.planner.composition.composer import Composition
from accord.planner.composition.conditions import NO_CONDITIONS, Conditions, Guard, Test
from accord.planner.composition.linking import Link, Order
from accord.planner.composition.lists import WHOLE
from accord.planner.composition.literals import Key
from accord.planner.composition.results import results
from accord.planner.composition.topics import topic_said
from accord.planner.composition.values import Given, Unfit, value_said
from accord.planner.composition.wording import percent
from accord.planner.documents import expression, free_name, input_schema, made_template, path


class Missing(msgspec.Struct, frozen=True):
    """An input that is needed, and that neither words nor outputs fill; or one that does not take what is said."""

    ability: Ability
    member: Member
    unfit: Unfit | None = None
    """What is said, and not what it takes."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A template's document, and the input for this objective."""

    document: dict[str, Any]
    input: dict[str, Any]
    slots: dict[str, str]
    """The words that went into each part of the input."""
    missing: dict[str, Missing]
    """The parts of the input that are needed, and that nothing was said about."""
    reasons: tuple[str, ...]
    """Why each task and each edge is there."""
    whys: dict[str, str]
    """The same by task, in the words of the objective; the document has none of those."""

    @property
    def read(self) -> dict[str, str]:
        """The words that are meant for each part of the input, whether it takes them or not."""
        return self.slots | {name: one.unfit.words for name, one in self.missing.items() if one.unfit is not None}


def draft(found: Composition, said: Conditions = NO_CONDITIONS, now: datetime | None = None) -> Draft:
    """The document of a graph, and what its words give it, days from `now` on. Equal graphs give equal documents."""
    abilities = found.reading.abilities
    tasks = _task_names(abilities)
    values, unfit = _values(found, said, now)
    lacking = _missing(found, values, unfit)
    unsaid = [key for key, one in lacking.items() if one.unfit is None]
    shared = {key: donor for key in unsaid if (donor := _donor(abilities, key, values)) is not None}
    lacking = {key: one for key, one in lacking.items() if key not in shared}
    names = _input_names([*values, *lacking], tasks)
    names |= {key: names[donor] for key, donor in shared.items()}
    schemas, definitions = joined({names[key]: _member(abilities, key).schema for key in (*values, *lacking)})
    given = input_schema(schemas, definitions)
    made = {name: _task(found, index, tasks, names, said) for index, name in enumerate(tasks)}
    document = made_template("composed", [one.title for one in abilities], given, made)
    if output := results(found, said, tasks):
        document["output"] = output
    return Draft(
        document=document,
        input={names[key]: one.value for key, one in values.items()},
        slots={names[key]: one.words for key, one in values.items()},
        missing={names[key]: one for key, one in lacking.items()},
        reasons=(
            *_reasons(found, tasks, said),
            *(one.note for one in values.values() if one.note),
            *_shared(shared, tasks),
        ),
        whys={name: " ".join(_why(found, index, tasks, said)) for index, name in enumerate(tasks)},
    )


def _missing(found: Composition, values: Mapping[Key, object], unfit: Mapping[Key, Unfit]) -> dict[Key, Missing]:
    """The inputs that are needed, or meant, and that nothing fills, in the order of the tasks."""
    filled = {*values, *(link.edge.key for link in found.links)}
    return {
        (index, member.name): Missing(ability, member, unfit.get((index, member.name)))
        for index, ability in enumerate(found.reading.abilities)
        for member in ability.inputs
        if (index, member.name) not in filled
        and (member.required or (index, member.name) in unfit or _is_spoken_of(found, index, member))
    }


def _is_spoken_of(found: Composition, index: int, member: Member) -> bool:
    """Whether the words point to a value of an input that has a default: `order the quantity in stock`, not `a few`.
    What names another input, what feeds one, or what is done, says nothing of it.
    """
    ability = found.reading.abilities[index]
    if not (member.has_default and member.decides):
        return False
    others = (one.words for one in ability.inputs if one.name != member.name)
    fed = (link.edge.output.words for link in found.links if link.edge.target == index)
    known = frozenset(word for words in (ability.named, *others, *fed) for word in words)
    return found.reading.points_to(index, member) and known.isdisjoint(member.named)


def _donor(abilities: Sequence[Ability], key: Key, values: Mapping[Key, object]) -> Key | None:
    """The one parameter of the same name and schema of which a value is said: then it is said of both."""
    wanted = _member(abilities, key)
    found = [one for one in values if one[1] == key[1] and _member(abilities, one).schema == wanted.schema]
    return found[0] if len(found) == 1 else None


def _shared(shared: Mapping[Key, Key], tasks: Sequence[str]) -> Iterator[str]:
    for (index, name), (donor, _) in shared.items():
        yield f"`{name}` of `{tasks[index]}` is that of `{tasks[donor]}`: nothing else is said of it"


def _values(found: Composition, said: Conditions, now: datetime | None) -> tuple[dict[Key, Given], dict[Key, Unfit]]:
    """The value of each input that words give, and what they say that is none."""
    given: dict[Key, Given] = {}
    unfit: dict[Key, Unfit] = {}
    fed, conditions = (
        frozenset(link.edge.key for link in found.links),
        [guard.compared for guard in said.guards if guard.compared],
    )
    for key, filling in found.reading.given(fed, conditions).items():
        value = value_said(found.reading, key, filling, _member(found.reading.abilities, key), now)
        if isinstance(value, Given):
            given[key] = value
        elif value is not None:
            unfit[key] = value
    missing = [key for key, one in _missing(found, given, unfit).items() if one.unfit is None]
    for index, name in missing:
        member = _member(found.reading.abilities, (index, name))
        topic = topic_said(found.reading, index, member, [one.words for one in given.values()])
        if topic is not None:
            given[index, name] = Given(topic, topic)
            continue
        alone = sum(_member(found.reading.abilities, key).is_text for key in missing if key[0] == index) == 1
        bare = bare_said(found.reading, index, member, alone)
        if bare is not None and all(bare not in one.words.split() for one in given.values()):
            given[index, name] = Given(bare, bare, f"`{bare}` is taken as `{name}`, by where it stands")
    return given, unfit


def _member(abilities: Sequence[Ability], key: Key) -> Member:
    index, name = key
    return next(member for member in abilities[index].inputs if member.name == name)


def _task_names(abilities: Sequence[Ability]) -> list[str]:
    """A name for each task: the last word of its capability, numbered where two would have the same."""
    names: list[str] = []
    for ability in abilities:
        names.append(free_name(ability.title.rpartition(".")[2], names))
    return names


def _input_names(values: Sequence[Key], tasks: Sequence[str]) -> dict[Key, str]:
    """What each given value is called in the run's input: like the parameter, with the task's name before it where
    two parameters have the same.
    """
    names: dict[Key, str] = {}
    for index, member in values:
        several = sum(name == member for _, name in values) > 1
        names[index, member] = f"{tasks[index]}_{member}" if several else member
    return names


def _task(
    found: Composition, index: int, tasks: Sequence[str], names: Mapping[Key, str], said: Conditions
) -> dict[str, Any]:
    ability = found.reading.abilities[index]
    mapped: dict[str, str] = {}
    for member in ability.inputs:
        source = next((link for link in found.links if link.edge.key == (index, member.name)), None)
        if source is not None:
            mapped[member.name] = expression(_output(tasks[source.edge.source], source.edge.output))
        elif (index, member.name) in names:
            mapped[member.name] = expression(path("input", names[index, member.name]))
    reference = CapabilityRef.parse(ability.name)
    task: dict[str, Any] = {
        "uses": f"{reference.name}@^{reference.version}",
        "with": mapped,
    }
    if does := " ".join(_does(found, index, tasks, said)):
        task["description"] = does
    task |= dict((*_conditional(said, index, tasks), *_for_each(found, index, tasks, said)))
    return task | dict(_after(found, index, tasks))


def _after(found: Composition, index: int, tasks: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """What the task comes after; where that may be skipped, it begins all the same."""
    orders = [order for order in found.orders if order.target == index]
    if orders:
        yield "needs", list(dict.fromkeys(tasks[order.source] for order in orders))
    if any(order.settled for order in orders):
        yield "join", "settled"


def _conditional(said: Conditions, index: int, tasks: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The condition of the task, if there is one."""
    for guard in said.guards:
        if guard.target == index and not guard.of_items:
            yield "when", expression(_when(guard, tasks, "item"))


def _for_each(found: Composition, index: int, tasks: Sequence[str], said: Conditions) -> Iterator[tuple[str, str]]:
    """The list for each item of which the task is done, if there is one; its links agree on it. A condition on items
    leaves the others out.
    """
    wanted = [
        f".filter(one, {_when(one, tasks, 'one')})" for one in said.guards if one.target == index and one.of_items
    ]
    for link in found.links:
        each = link.edge.output.each
        if link.edge.target == index and each is not None:
            yield "for_each", expression(_list(tasks[link.edge.source], each) + "".join(wanted))


def _output(task: str, output: Member, item: str = "item") -> str:
    """The expression that gives an output; of an item of a list, which is called `item`."""
    whole = f"tasks.{task}.output"
    if output.gathered:
        return f"{whole}.map(one, {path('one', output.name)})"
    base = item if output.each is not None else whole
    return base if output.whole else path(base, output.name)


def _list(task: str, each: str) -> str:
    """The expression of the list of whose items one is taken."""
    whole = f"tasks.{task}.output"
    return whole if each == WHOLE else path(whole, each)


def _does(found: Composition, index: int, tasks: Sequence[str], said: Conditions) -> Iterator[str]:
    """What feeds a task, and when it is done: the same whatever words have asked for it."""
    for link in found.links:
        if link.edge.target == index:
            yield f"{_fed(link, tasks)}."
    for order in found.orders:
        if order.target == index:
            skipped = ", done or skipped" if order.settled else ""
            yield f"It comes after `{tasks[order.source]}`{skipped}."
    for guard in said.guards:
        if guard.target == index:
            yield f"It is done {_guarded(guard, tasks)}."


def _why(found: Composition, index: int, tasks: Sequence[str], said: Conditions) -> Iterator[str]:
    one = found.chosen[index]
    yield f"Asked for by `{found.clause_of(index)}` ({percent(one.probability)})."
    for link in found.links:
        if link.edge.target == index:
            yield f"{_linked(link, tasks)}."
    for order in found.orders:
        if order.target == index:
            yield f"{_ordered(order, tasks)}."
    for guard in said.guards:
        if guard.target == index:
            yield f"It is done {_guarded(guard, tasks)}, for `{guard.said}`."


def _fed(link: Link, tasks: Sequence[str]) -> str:
    return f"`{link.edge.input.name}` is {_what(link.edge.output)} of `{tasks[link.edge.source]}`"


def _linked(link: Link, tasks: Sequence[str]) -> str:
    why = f": {', '.join(each.replace('_', ' ') for each in link.why)}" if link.why else ""
    return f"{_fed(link, tasks)} ({percent(link.probability)}{why})"


def _weighed(link: Link, tasks: Sequence[str]) -> Iterator[str]:
    """What else could have fed the input."""
    for edge, chance in link.others:
        yield f"; {_what(edge.output)} of `{tasks[edge.source]}` was weighed, too ({percent(chance)})"


def _when(guard: Guard, tasks: Sequence[str], item: str) -> str:
    """The condition in CEL."""
    if len(guard.tests) == 1:
        (test,) = guard.tests
        return _tested(test, tasks, item, negated=guard.negated != test.negated)
    joint = " && " if guard.joined == "and" else " || "
    whole = joint.join(_tested(test, tasks, item, negated=test.negated) for test in guard.tests)
    return f"!({whole})" if guard.negated else whole


def _tested(test: Test, tasks: Sequence[str], item: str, *, negated: bool) -> str:
    holds = f"{_output(tasks[test.source], test.output, item)} {test.holds}".strip()
    if not negated:
        return holds
    return f"!({holds})" if test.holds else f"!{holds}"


def _guarded(guard: Guard, tasks: Sequence[str]) -> str:
    parts = []
    for test in guard.tests:
        holds = test.holds or "is true"
        negated = "not " if test.negated else ""
        parts.append(f"{negated}{_what(test.output)} of `{tasks[test.source]}` {holds}")
    only = "only for items of which" if guard.of_items else "only if"
    return f"{only}{' not' if guard.negated else ''} {f' {guard.joined} '.join(parts)}"


def _what(output: Member) -> str:
    """An output in words."""
    if output.gathered:
        return f"`{output.name}` of each output"
    if output.each is None:
        return "the output" if output.whole else f"`{output.name}`"
    listed = f"`{output.each}`" if output.each != WHOLE else "the output"
    return f"each item of {listed}" if output.whole else f"`{output.name}` of each item of {listed}"


def _ordered(order: Order, tasks: Sequence[str]) -> str:
    return f"It comes after `{tasks[order.source]}`{_because(order)}"


def _because(order: Order) -> str:
    """Why one task comes after another one."""
    if order.said is not None:
        return f", for `{order.said}`"
    return f", as in examples ({percent(order.probability)})"


def _reasons(found: Composition, tasks: Sequence[str], said: Conditions) -> Iterator[str]:
    for index, task in enumerate(tasks):
        chance = percent(found.chosen[index].probability)
        told = "".join(f"; {one}" for one in found.alike(index))
        yield f"`{task}` is asked for by `{found.clause_of(index)}` ({chance}){told}"
    for link in found.links:
        yield f"for `{tasks[link.edge.target]}`, {_linked(link, tasks)}{''.join(_weighed(link, tasks))}"
    for order in found.orders:
        yield f"`{tasks[order.target]}` comes after `{tasks[order.source]}`{_because(order)}"
    for guard in said.guards:
        yield f"`{tasks[guard.target]}` is done {_guarded(guard, tasks)}, for `{guard.said}`"
