"""`accord run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_target, complete_template
from accord.cli.options import Input, Set, Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import run as action
else:
    action = later("accord.cli.actions.run")

Target = Annotated[
    str,
    typer.Argument(
        metavar="OBJECTIVE|TEMPLATE",
        help="What is wanted, in words; or a template: a file, a name, or name@range.",
        show_default=False,
        autocompletion=complete_target,
    ),
]

Meant = Annotated[
    str | None,
    typer.Option(
        "--template",
        metavar="NAME|FILE",
        help="The template that the words mean. Where the planner learns from you (setting learn_from), a run of it"
        " keeps them as an example, until they are forgotten.",
        show_default=False,
        autocompletion=complete_template,
    ),
]


@shares("agents", "waits", "home")
def run(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    target: Target,
    given: Input = None,
    sets: Set = None,
    meant: Meant = None,
    title: Annotated[
        str | None, typer.Option("--title", help="What the run is called in lists.", show_default=False)
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="A label of all of the input, beside those that the template gives it; may be repeated.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the output here: .md or .json.", show_default=False),
    ] = None,
    reports: Annotated[
        Path | None,
        typer.Option(
            "--reports",
            metavar="DIR",
            help="Where report and charts go; HOME/reports/RUN where it is left out.",
            show_default=False,
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            "--record",
            metavar="FILE",
            help="Write the run as a workflow test too, with what agents and people have answered.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run an objective or a template: plan, verify, carry out, sign the result.

    Nothing runs unverified. Progress goes to stderr, the result to stdout. Ctrl-C loses nothing: the run can be
    resumed.

    **Examples**

    - `accord run "compare typer and rich for a command line"`
    - `accord run "look for weak spots in ./src" --template source-audit`
    - `accord run competitive-analysis --set products=typer,rich --json`
    - `accord run source-audit@^1 --set directory=. --output audit.md`
    - `accord run my.yaml --input input.json --agents my_agents.py`
    - `accord run my.yaml --agents my_agents.py --record tests/my.test.yaml`
    """
    asked = action.Asked(target, given, tuple(sets or ()), meant)
    said = tuple(labels or ())
    job = action.Job(asked=asked, title=title, output=output, reports=reports, labels=said, record=record)
    action.run(shared, job)
