"""`accord planner`: what was learnt from use, and the versions of the classifier that were made of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.text import Text

from accord.cli.options import Shared
from accord.cli.output import Screen, clean, counted, moment
from accord.cli.session import answered, who
from accord.cli.tables import Column, without_year
from accord.domain.learning import ClassifierVersion, Learnt, Lesson, PlannerState
from accord.service import Service


class _Versions(msgspec.Struct, frozen=True):
    state: PlannerState
    versions: Sequence[ClassifierVersion]


def show_planner(shared: Shared) -> None:
    """Carry out `accord planner show`."""
    answered(shared, lambda service: service.planner(by=who()), _show)


def _show(state: PlannerState, screen: Screen) -> None:
    names = clean(", ".join(state.learns_from)) or "nobody (setting learn_from)"
    screen.facts(
        [
            ("learns from", "everybody" if "*" in state.learns_from else names),
            ("from you", "yes" if state.learns_from_you else "no"),
            ("examples", f"{state.learnt}, {state.fresh} of them new"),
            ("trains", f"at servers, after {counted(state.train_after, 'new example')}"),
            ("in use", _named(state.version)),
            ("versions", str(state.versions)),
        ]
    )


def _named(version: int) -> str:
    return f"version {version}" if version else "version 0: the phrases of templates alone"


def list_versions(shared: Shared) -> None:
    """Carry out `accord planner versions`."""

    async def ask(service: Service) -> _Versions:
        return _Versions(await service.planner(by=who()), await service.classifiers())

    answered(shared, ask, _show_versions)


def _show_versions(found: _Versions, screen: Screen) -> None:
    if not found.versions:
        screen.note("None was trained yet: accord planner train")
        return
    by, trained = Column("by", spare=2), Column("trained", short=without_year, spare=1)
    columns = ("version", trained, by, "examples", "right", "refused", "off by", "")
    screen.table(columns, [_version_row(one, found.state.version) for one in found.versions])
    screen.note("right: of examples that it had not seen; refused: of strangers; off by: its confidence, squared.")


def _version_row(one: ClassifierVersion, used: int) -> tuple[str | Text, ...]:
    compared = [scores for scores in (one.trial.before, one.trial.after) if scores is not None]
    state = Text("in use", "green") if one.version == used else Text("; ".join(one.flaws), "yellow")
    return (
        str(one.version),
        moment(one.at),
        clean(one.by),
        str(one.learnt),
        _change(*(f"{scores.inside_accuracy:.1%}" for scores in compared)),
        _change(*(f"{scores.outside_recall:.1%}" for scores in compared)),
        _change(*(f"{scores.calibration_error:.3f}" for scores in compared)),
        state,
    )


def _change(*values: str) -> str:
    """What it was before, where there was something, and what it is."""
    return " → ".join(values)


def list_examples(shared: Shared) -> None:
    """Carry out `accord planner examples`."""
    answered(shared, lambda service: service.examples(), _show_examples)


def _show_examples(found: Sequence[Learnt], screen: Screen) -> None:
    if not found:
        screen.note("Nothing was learnt yet. Say what words mean: accord planner teach")
        return
    by, at = Column("by", spare=2), Column("at", short=without_year, spare=1)
    screen.table(("example", "means", "how", by, at, "words"), map(_example_row, found))


def _example_row(one: Learnt) -> tuple[str | Text, ...]:
    words = Text(clean(one.words)) if one.words is not None else Text("forgotten", "quiet")
    means = Text(one.template) if one.template is not None else Text("nothing here", "quiet")
    return one.example, means, one.how, clean(one.by), moment(one.at), words


def teach(shared: Shared, objective: str, template: str | None) -> None:
    """Carry out `accord planner teach`."""

    def show(learnt: Learnt, screen: Screen) -> None:
        means = f"means {learnt.template}" if learnt.template is not None else "means nothing that is here"
        screen.line(f"`{clean(learnt.words or '')}` {means}.")
        screen.note("To take it back:")
        screen.note(f"  {shared.command(f'planner forget {learnt.example}')}", "hint")

    lesson = Lesson(objective=objective, template=template)
    answered(shared, lambda service: service.teach(lesson, by=who()), show)


def train(shared: Shared) -> None:
    """Carry out `accord planner train`."""

    def show(made: ClassifierVersion, screen: Screen) -> None:
        if made.flaws:
            screen.line(Text.assemble((f"Version {made.version} is not used: ", "yellow"), "; ".join(made.flaws)))
            screen.note(f"All the same: accord planner use {made.version}")
            return
        after = made.trial.after
        learnt = counted(made.learnt, "example")
        screen.line(f"Version {made.version} is used from now on: it has learnt from {learnt}.")
        right, refused = f"{after.inside_accuracy:.1%}", f"{after.outside_recall:.1%}"
        screen.note(f"Of what it had not seen, {right} is right, and {refused} of strangers are refused.")

    answered(shared, lambda service: service.train(by=who()), show)


def use(shared: Shared, version: int) -> None:
    """Carry out `accord planner use`."""

    def show(state: PlannerState, screen: Screen) -> None:
        screen.line(f"From now on this decides: {_named(state.version)}.")

    answered(shared, lambda service: service.use_classifier(version, by=who()), show)


def forget(shared: Shared, example: str, reason: str) -> None:
    """Carry out `accord planner forget`."""

    def show(learnt: Learnt, screen: Screen) -> None:
        screen.line(f"The words of {learnt.example} are destroyed, and nothing learns from them any more.")

    answered(shared, lambda service: service.forget(example, by=who(), reason=reason), show)
