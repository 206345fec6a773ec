"""`accord test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import test as action
else:
    action = later("accord.cli.actions.test")


@shares("agents", "home")
def workflow_tests(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Workflow tests, or directories of them.", show_default=False),
    ],
    only: Annotated[
        str | None,
        typer.Option("-k", metavar="TEXT", help="Only tests whose file or name has this in it.", show_default=False),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", min=1, help="How many processes play tests at a time.")
    ] = 1,
    policies: Annotated[
        Path | None,
        typer.Option(
            "--policies",
            metavar="POLICIES",
            help="A Cedar file, or a folder of them, in place of the policy that comes with Accord.",
            show_default=False,
        ),
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Let failed tests expect what came of them.", show_default=False),
    ] = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Let agents of --agents and built-in ones answer whatever they can, and write it into the tests.",
            show_default=False,
        ),
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write the outcomes as JUnit XML too.", show_default=False),
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option(
            "--sarif", metavar="FILE", help="Write what the verifier found as SARIF 2.1.0 too.", show_default=False
        ),
    ] = None,
    within: Annotated[
        float,
        typer.Option("--within", metavar="SECONDS", min=1, help="How long an agent of --agents may take."),
    ] = 60.0,
) -> None:
    """Play workflow tests: the template verified, run by the real engine with agents that answer as the test says.

    A test is a file with `accord: test/1`: a template, its input, what agents and people answer, what goes wrong on
    the way, and what has to come of it. It runs in memory, on a clock of its own: three days pass in a moment. What no
    script answers is done by the agents of --agents and the built-in ones. What a run did is written as a test by
    `accord runs capture RUN`.

    Exit codes: 0 all have passed, 1 some have failed, 2 some cannot be played.

    **Examples**

    - `accord test workflows/`
    - `accord test workflows/ -k refund --agents my_agents.py`
    - `accord test workflows/ --jobs 4 --junit tests.xml --sarif findings.sarif`
    """
    asked = action.Asked(
        paths=tuple(paths),
        only=only,
        jobs=jobs,
        policies=policies,
        update=update,
        record=record,
        junit=junit,
        sarif=sarif,
        within_s=within,
    )
    raise typer.Exit(action.run_tests(shared, asked))
