"""`accord runs ...`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_agent
from accord.cli.later import later
from accord.cli.options import (
    AgentsFrom,
    Home,
    Input,
    Json,
    NoWait,
    RunName,
    Set,
    Shared,
    TaskName,
    TemplateName,
    Verbose,
    Wait,
)

if TYPE_CHECKING:
    from accord.cli.actions import controls
    from accord.cli.actions import runs as action
else:
    action = later("accord.cli.actions.runs")
    controls = later("accord.cli.actions.controls")

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


OneRun = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A run's id, its beginning or its end, or `last`.", show_default=False),
]
Everything = Annotated[bool, typer.Option("--all", help="Everything, of whatever template.", show_default=False)]
OfAgent = Annotated[
    str | None,
    typer.Option("--agent", metavar="NAME", help="One agent.", show_default=False, autocompletion=complete_agent),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the journal.", show_default=False)]


@app.command("list")
def list_(  # noqa: PLR0913 - one parameter per option
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
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 20,
    after: Annotated[
        str | None, typer.Option("--after", metavar="RUN", help="The page behind this run.", show_default=False)
    ] = None,
    holds: Annotated[bool, typer.Option("--holds", help="What is held back, in place of runs.")] = False,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List runs, the newest first.

    **Examples**

    - `accord runs list --state failed --since 1d`
    - `accord runs list --text typer --json`
    """
    wanted = action.Filter(
        states=tuple(one.value for one in state or ()),
        template=template,
        text=text,
        since=since,
        limit=limit,
        after=after,
    )
    action.list_runs(Shared(home, as_json, verbose), wanted, only_holds=holds)


@app.command()
def show(
    run: RunName,
    task: TaskName = None,
    at: Annotated[
        int | None,
        typer.Option("--at", metavar="N", min=1, help="As it was after event number N.", show_default=False),
    ] = None,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show a run: its tasks, who did them, and what went wrong.

    **Examples**

    - `accord runs show last`
    - `accord runs show last --task measures` shows every attempt: why it was wanted, why this agent, why not accepted
    """
    action.show_run(Shared(home, as_json, verbose), run, task=task, at=at)


@app.command()
def watch(run: RunName, home: Home = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """Watch a run that another process carries on, until it ends.

    **Example**

    - `accord runs watch last`
    """
    action.watch_run(Shared(home, as_json, verbose), run)


@app.command()
def pause(  # noqa: PLR0913 - one parameter per option
    run: OneRun = None,
    everything: Everything = False,
    template: TemplateName = None,
    agent: OfAgent = None,
    reason: Reason = "",
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Assign nothing new: of a run, a template, an agent, or at all. What is under way may end.

    **Examples**

    - `accord runs pause last --reason "prices are wrong"`
    - `accord runs pause --agent measurer`
    - `accord runs pause --all`
    """
    which = controls.Which(run=run, everything=everything, template=template, agent=agent)
    controls.pause(Shared(home, as_json, verbose), which, reason)


@app.command()
def resume(  # noqa: PLR0913 - one parameter per option
    run: OneRun = None,
    everything: Everything = False,
    template: TemplateName = None,
    agent: OfAgent = None,
    no_wait: NoWait = False,
    agents: AgentsFrom = None,
    wait: Wait = False,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Go on: with a run that was paused or interrupted, or with all that was held back.

    **Examples**

    - `accord runs resume last`
    - `accord runs resume --agent measurer`
    """
    which = controls.Which(run=run, everything=everything, template=template, agent=agent)
    controls.resume(Shared(home, as_json, verbose, tuple(agents or ()), wait), which, wait=not no_wait)


@app.command()
def budget(
    run: RunName,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="What all attempts may cost: a decimal.")],
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Give a run another budget; what it has spent already is part of it.

    **Example**

    - `accord runs budget last 12.50`, then `accord runs resume last`
    """
    controls.budget(Shared(home, as_json, verbose), run, amount)


@app.command()
def cancel(  # noqa: PLR0913 - one parameter per option
    run: OneRun = None,
    everything: Everything = False,
    template: TemplateName = None,
    reason: Reason = "",
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Leave what has not been undone yet as it is.", show_default=False)
    ] = False,
    no_wait: NoWait = False,
    agents: AgentsFrom = None,
    wait: Wait = False,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """End a run: agents are told to stop, and what was done is undone where the template says so.

    **Examples**

    - `accord runs cancel last --reason "not needed any more"`
    - `accord runs cancel --template source-audit`
    """
    which = controls.Which(run=run, everything=everything, template=template)
    shared = Shared(home, as_json, verbose, tuple(agents or ()), wait)
    controls.cancel(shared, which, reason, gives_up=give_up, wait=not no_wait)


@app.command()
def rollback(  # noqa: PLR0913 - one parameter per option
    run: RunName,
    to: Annotated[str, typer.Option("--to", metavar="TASK", help="The first task that is undone.", show_default=False)],
    no_wait: NoWait = False,
    agents: AgentsFrom = None,
    wait: Wait = False,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Undo a task and everything behind it, then do it again from there.

    **Example**

    - `accord runs rollback last --to measures`
    """
    controls.rollback(Shared(home, as_json, verbose, tuple(agents or ()), wait), run, to, wait=not no_wait)


@app.command()
def fork(  # noqa: PLR0913 - one parameter per option
    run: RunName,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", help="Do this task and all behind it anew.", show_default=False),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option("--at", metavar="N", min=1, help="Share what had happened up to event N.", show_default=False),
    ] = None,
    given: Input = None,
    sets: Set = None,
    no_wait: NoWait = False,
    agents: AgentsFrom = None,
    wait: Wait = False,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Start a new run that takes over what another one has done; the first one stays as it is.

    **Examples**

    - `accord runs fork last --task score`
    - `accord runs fork last --set purpose="a web service"`
    """
    wanted = controls.Changes(task=task, at=at, given=given, sets=tuple(sets or ()))
    controls.fork(Shared(home, as_json, verbose, tuple(agents or ()), wait), run, wanted, wait=not no_wait)


@app.command()
def retry(  # noqa: PLR0913 - one parameter per option
    run: RunName,
    task: Annotated[str, typer.Option("--task", metavar="TASK", help="The task that failed.", show_default=False)],
    no_wait: NoWait = False,
    agents: AgentsFrom = None,
    wait: Wait = False,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Try a failed or cancelled task again, and what was cancelled because of it.

    **Example**

    - `accord runs retry last --task "measures[2]"`
    """
    controls.retry(Shared(home, as_json, verbose, tuple(agents or ()), wait), run, task, wait=not no_wait)


@app.command()
def signal(  # noqa: PLR0913 - one parameter per option
    run: RunName,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The signal's name.", show_default=False)] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", help="The task that waits: approvals, reviews.", show_default=False),
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
    agents: AgentsFrom = None,
    wait: Wait = False,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Answer a task that waits: a signal by its name, an approval or a review by its task.

    In a terminal, whatever is not given is asked for.

    **Examples**

    - `accord runs signal last --approve --comment "go ahead"`
    - `accord runs signal last payment_arrived --data '{"amount": 12}'`
    """
    answer = controls.Answer(name=name, task=task, data=data, approved=approve, comment=comment)
    controls.signal(Shared(home, as_json, verbose, tuple(agents or ()), wait), run, answer, wait=not no_wait)
