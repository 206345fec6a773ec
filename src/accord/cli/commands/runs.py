"""`accord runs ...`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_agent, complete_run, complete_task
from accord.cli.options import (
    Input,
    NoWait,
    RunName,
    Set,
    Shared,
    TaskName,
    TemplateName,
    shares,
    task_option,
)
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import capture as captures
    from accord.cli.actions import controls
    from accord.cli.actions import explain as explains
    from accord.cli.actions import lineage as lineages
    from accord.cli.actions import logs as log
    from accord.cli.actions import runs as action
else:
    action = later("accord.cli.actions.runs")
    captures = later("accord.cli.actions.capture")
    controls = later("accord.cli.actions.controls")
    explains = later("accord.cli.actions.explain")
    lineages = later("accord.cli.actions.lineage")
    log = later("accord.cli.actions.logs")

app = typer.Typer(name="runs", help="Look at runs, and intervene in them.", no_args_is_help=True)


class State(StrEnum):
    """States of runs, as the journal lists them."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    ROLLING_BACK = "rolling_back"
    FAILING = "failing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Level(StrEnum):
    """How much a line of a log matters, the least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


OneRun = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]",
        help="A run's id, its beginning or its end, or `last`.",
        show_default=False,
        autocompletion=complete_run,
    ),
]
OneTask = Annotated[
    str | None,
    typer.Argument(
        metavar="[TASK]",
        help="A task, or an item of one: `measure[3]`.",
        show_default=False,
        autocompletion=complete_task,
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="Everything, of whatever template.", show_default=False)]
OfAgent = Annotated[
    str | None,
    typer.Option("--agent", metavar="NAME", help="One agent.", show_default=False, autocompletion=complete_agent),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the journal.", show_default=False)]


@app.command("list")
@shares("home")
def list_(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    state: Annotated[
        list[State] | None, typer.Option("--state", help="Only runs in this state. Repeatable.", show_default=False)
    ] = None,
    template: TemplateName = None,
    text: Annotated[
        str | None, typer.Option("--text", help="Words in title, template or id.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Started since then: 30m, 2h, 7d, or a time.", show_default=False),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            "--agent",
            metavar="NAME",
            help="Only what this agent was given work of.",
            show_default=False,
            autocompletion=complete_agent,
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Only what holds something with this label.", show_default=False)
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="RUN",
            help="Only forks of this run.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ] = None,
    acknowledged: Annotated[
        bool | None,
        typer.Option(
            "--acknowledged/--unacknowledged",
            help="Only runs whose failure somebody has acknowledged, or only all others.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 20,
    after: Annotated[
        str | None, typer.Option("--after", metavar="RUN", help="The page behind this run.", show_default=False)
    ] = None,
    holds: Annotated[bool, typer.Option("--holds", help="What is held back, in place of runs.")] = False,
) -> None:
    """List runs, the newest first.

    **Examples**

    - `accord runs list --state failed --since 1d`
    - `accord runs list --text typer --json`
    - `accord runs list --agent scribe --label personal`
    """
    wanted = action.Filter(
        states=tuple(one.value for one in state or ()),
        template=template,
        text=text,
        since=since,
        agent=agent,
        label=label,
        origin=origin,
        acknowledged=acknowledged,
        limit=limit,
        after=after,
    )
    action.list_runs(shared, wanted, only_holds=holds)


@app.command()
@shares("home")
def show(
    shared: Shared,
    run: RunName,
    named: OneTask = None,
    task: TaskName = None,
    at: Annotated[
        int | None,
        typer.Option("--at", metavar="N", min=1, help="As it was after event number N.", show_default=False),
    ] = None,
) -> None:
    """Show a run: its tasks, who did them, and what went wrong.

    **Examples**

    - `accord runs show last`
    - `accord runs show last measures` shows every attempt: why it was wanted, why this agent, why not accepted
    """
    action.show_run(shared, run, task=action.one_of(named, task), at=at)


@app.command()
@shares("home")
def explain(shared: Shared, run: RunName, task: OneTask = None) -> None:
    """Say in words why a run, or a task of it, is where it is: what it waits for, who could do it, and what to try.

    Of a run that has failed it is the chain from the end back to what began it, through the runs that did its tasks.

    **Examples**

    - `accord runs explain last`
    - `accord runs explain last measures`
    """
    explains.explain_run(shared, run, task)


@app.command()
@shares("home")
def diff(
    shared: Shared,
    run: RunName,
    other: Annotated[
        str,
        typer.Argument(metavar="OTHER", help="The other run, as RUN.", show_default=False, autocompletion=complete_run),
    ],
) -> None:
    """Show where two runs parted: what they were given, the first event that differs in each task, times and cost.

    **Example**

    - `accord runs diff a1b2c3 last` compares a run with its fork, for instance
    """
    explains.diff_runs(shared, run, other)


@app.command()
@shares("home")
def capture(
    shared: Shared,
    run: RunName,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to; RUN.test.yaml where left out.", show_default=False
        ),
    ] = None,
    with_data: Annotated[
        bool, typer.Option("--with-data", help="With what is labelled confidential or personal.", show_default=False)
    ] = False,
) -> None:
    """Write a test that does what a run did: its template and input, and what its agents and people answered.

    What is labelled `confidential` or `personal` is redacted: it keeps its form, and loses its content.

    **Examples**

    - `accord runs capture last`
    - `accord runs capture last --output tests/late-invoice.yaml`
    """
    captures.capture_run(shared, run, output, with_data=with_data)


@app.command()
@shares("home")
def lineage(
    shared: Shared,
    run: RunName,
    pointer: Annotated[
        str,
        typer.Argument(metavar="POINTER", help="A JSON pointer into the output; all of it where left out."),
    ] = "",
) -> None:
    """Show what stands behind a value of the output: tasks, agents, keys and inputs.

    **Examples**

    - `accord runs lineage last`
    - `accord runs lineage last /findings/0 --json`
    """
    lineages.show_lineage(shared, run, pointer)


@app.command()
@shares("home")
def logs(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    run: RunName,
    named: OneTask = None,
    task: TaskName = None,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, help="Only of attempts of this number.", show_default=False)
    ] = None,
    level: Annotated[Level, typer.Option("--level", help="Only lines of this level, or a worse one.")] = Level.DEBUG,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until the run has ended.")
    ] = False,
    at: Annotated[
        int | None,
        typer.Option(
            "--at", metavar="N", min=1, help="Only what was written by the time of event N.", show_default=False
        ),
    ] = None,
) -> None:
    """Show what the agents of a run have logged: `context.log`, and what their programs write to stderr.

    With `--follow --json`, each line is a JSON document of its own.

    **Examples**

    - `accord runs logs last`
    - `accord runs logs last measures --level warning`
    - `accord runs logs last --follow`
    - `accord runs logs last --at 12`
    """
    wanted = log.Wanted(task=action.one_of(named, task), attempt=attempt, level=level.value, at=at)
    log.show_logs(shared, run, wanted, follow=follow)


@app.command()
@shares("home")
def watch(shared: Shared, run: RunName) -> None:
    """Watch a run that another process carries on, until it ends.

    **Example**

    - `accord runs watch last`
    """
    action.watch_run(shared, run)


@app.command()
@shares("home")
def pause(
    shared: Shared,
    run: OneRun = None,
    everything: Everything = False,
    template: TemplateName = None,
    agent: OfAgent = None,
    reason: Reason = "",
) -> None:
    """Assign nothing new: of a run, a template, an agent, or at all. What is under way may end.

    **Examples**

    - `accord runs pause last --reason "prices are wrong"`
    - `accord runs pause --agent measurer`
    - `accord runs pause --all`
    """
    which = controls.Which(run=run, everything=everything, template=template, agent=agent)
    controls.pause(shared, which, reason)


@app.command()
@shares("agents", "waits", "home")
def resume(
    shared: Shared,
    run: OneRun = None,
    everything: Everything = False,
    template: TemplateName = None,
    agent: OfAgent = None,
    no_wait: NoWait = False,
) -> None:
    """Go on: with a run that was paused or interrupted, or with all that was held back.

    **Examples**

    - `accord runs resume last`
    - `accord runs resume --agent measurer`
    """
    which = controls.Which(run=run, everything=everything, template=template, agent=agent)
    controls.resume(shared, which, wait=not no_wait)


@app.command()
@shares("home")
def budget(
    shared: Shared,
    run: RunName,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="What all attempts may cost: a decimal.")],
) -> None:
    """Give a run another budget; what it has spent already is part of it.

    **Example**

    - `accord runs budget last 12.50`, then `accord runs resume last`
    """
    controls.budget(shared, run, amount)


@app.command()
@shares("agents", "waits", "home")
def cancel(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    run: OneRun = None,
    everything: Everything = False,
    template: TemplateName = None,
    reason: Reason = "",
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Leave what has not been undone yet as it is.", show_default=False)
    ] = False,
    no_wait: NoWait = False,
) -> None:
    """End a run: agents are told to stop, and what was done is undone where the template says so.

    **Examples**

    - `accord runs cancel last --reason "not needed any more"`
    - `accord runs cancel --template source-audit`
    """
    which = controls.Which(run=run, everything=everything, template=template)
    controls.cancel(shared, which, reason, gives_up=give_up, wait=not no_wait)


@app.command()
@shares("home")
def acknowledge(
    shared: Shared,
    run: RunName,
    note: Annotated[str, typer.Option("--note", help="What is to be said of it; kept.", show_default=False)] = "",
) -> None:
    """Say that you know that a run has failed: nobody else need look at it, until it goes on or fails again.

    **Examples**

    - `accord runs acknowledge last --note "the supplier was closed"`
    - `accord runs list --state failed --unacknowledged` shows what is left
    """
    controls.acknowledge(shared, run, note)


@app.command()
@shares("home")
def erase(
    shared: Shared,
    run: RunName,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.", show_default=False)] = False,
) -> None:
    """Make the documents of a run that has ended unreadable for good; its history stays, and still verifies.

    For runs that began while the setting `encrypt_payloads` was on: the key of their documents is destroyed.

    **Example**

    - `accord runs erase last --reason "the customer has asked for it" --yes`
    """
    controls.erase(shared, run, reason, sure=yes)


@app.command()
@shares("agents", "waits", "home")
def rollback(
    shared: Shared,
    run: RunName,
    to: Annotated[str, task_option("The first task that is undone.", "--to")],
    no_wait: NoWait = False,
) -> None:
    """Undo a task and everything behind it, then do it again from there.

    **Example**

    - `accord runs rollback last --to measures`
    """
    controls.rollback(shared, run, to, wait=not no_wait)


@app.command()
@shares("agents", "waits", "home")
def fork(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    run: RunName,
    task: Annotated[
        str | None,
        task_option("Do this task and all behind it anew."),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option("--at", metavar="N", min=1, help="Share what had happened up to event N.", show_default=False),
    ] = None,
    given: Input = None,
    sets: Set = None,
    no_wait: NoWait = False,
) -> None:
    """Start a new run that takes over what another one has done; the first one stays as it is.

    **Examples**

    - `accord runs fork last --task score`
    - `accord runs fork last --set purpose="a web service"`
    """
    wanted = controls.Changes(task=task, at=at, given=given, sets=tuple(sets or ()))
    controls.fork(shared, run, wanted, wait=not no_wait)


@app.command()
@shares("agents", "waits", "home")
def retry(
    shared: Shared,
    run: RunName,
    task: Annotated[str, task_option("The task that failed.")],
    no_wait: NoWait = False,
) -> None:
    """Try a failed or cancelled task again, and what was cancelled because of it.

    **Example**

    - `accord runs retry last --task "measures[2]"`
    """
    controls.retry(shared, run, task, wait=not no_wait)


@app.command()
@shares("agents", "waits", "home")
def signal(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    run: RunName,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The signal's name.", show_default=False)] = None,
    task: Annotated[
        str | None,
        task_option("The task that waits: approvals, reviews."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="FILE|JSON|-", help="What it is told.", show_default=False),
    ] = None,
    approve: Annotated[
        bool | None, typer.Option("--approve/--reject", help="The answer to an approval.", show_default=False)
    ] = None,
    comment: Annotated[str | None, typer.Option("--comment", help="Goes with the answer.", show_default=False)] = None,
    no_wait: NoWait = False,
) -> None:
    """Answer a task that waits: a signal by its name, an approval or a review by its task.

    In a terminal, whatever is not given is asked for.

    **Examples**

    - `accord runs signal last --approve --comment "go ahead"`
    - `accord runs signal last payment_arrived --data '{"amount": 12}'`
    """
    answer = controls.Answer(name=name, task=task, data=data, approved=approve, comment=comment)
    controls.signal(shared, run, answer, wait=not no_wait)
